// A chat bot in Node without packages: greets everyone who joins, and reconnects when it must.
//
// Run it:  node examples/chat_greeter.mjs [HOST [PORT]]     (default: localhost 22223)
// Try it:  trionet chat serve --forever     (in one terminal)
//          trionet chat join                (in another)

import net from "node:net";

const [host = "localhost", port = "22223"] = process.argv.slice(2);
let token, epoch; // by these the server recognises us when we come back
const seen = {}; // and by this, what we missed: the last number of each room

function connect() {
  const socket = net.connect(Number(port), host);
  const send = (request) => socket.write(JSON.stringify(request) + "\n");

  function take(event) {
    if (event.room && event.number) seen[event.room] = event.number;
    if (event.type === "welcome") ({ token, epoch } = event);
    if (event.type === "entered") seen[event.room] = event.last;
    if (event.type === "joined")
      send({ type: "say", room: event.room, text: `hello, ${event.name}` });
    if (event.type === "error") console.error(`error: ${event.reason}`);
  }

  let rest = "";
  socket.setEncoding("utf8").on("data", (data) => {
    const lines = (rest + data).split("\n");
    rest = lines.pop();
    for (const line of lines)
      if (line.startsWith("{")) take(JSON.parse(line));
      else console.error(line); // said before a server knows our format: that it is full
  });
  socket.on("error", (error) => console.error(`error: ${error.message}`));
  socket.on("close", () => setTimeout(connect, 1000));
  send({ type: "login", name: "greeter", hold: true, token, epoch, seen });
  process.removeAllListeners("SIGINT").once("SIGINT", () => {
    send({ type: "quit" });
    socket.removeAllListeners("close");
  });
}

connect();
