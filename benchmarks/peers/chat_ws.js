// Node with ws, which most servers for browsers are built on: a `send` to each browser.
// It speaks the JSON objects of trionet's chat that a room needs; chat_websockets.py says which.
"use strict";
const { WebSocketServer } = require("ws");

const [host, port] = process.argv[2].split(":");
const clients = new Map();

const line = (fields) => JSON.stringify(fields) + "\n";

function broadcast(text) {
  // Encoded once, as its documentation advises.
  const data = Buffer.from(text);
  for (const other of clients.values()) other.send(data, { binary: false });
}

const server = new WebSocketServer({ host, port: Number(port), backlog: 4096 }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});

server.on("connection", (browser) => {
  let name = null;
  browser.on("message", (data) => {
    const request = JSON.parse(data);
    if (name === null) {
      name = request.name;
      broadcast(line({ type: "joined", room: "lobby", name, count: clients.size + 1 }));
      clients.set(name, browser);
      const members = [];
      for (const member of clients.keys()) if (members.push(member) === 20) break;
      browser.send(line({ type: "welcome", name }));
      browser.send(line({ type: "entered", room: "lobby", members, count: clients.size }));
      return;
    }
    broadcast(line({ type: "said", room: "lobby", name, text: request.text }));
  });
  browser.on("close", () => {
    if (name === null) return;
    clients.delete(name);
    broadcast(line({ type: "left", room: "lobby", name, count: clients.size }));
  });
});
