// Node: `net` and a callback for each piece of input. Its numbers are integers with a scale, because
// JavaScript has no decimals.
"use strict";

const net = require("node:net");

const DIGITS = 28;

function decimal(text) {
  const [whole, fraction = ""] = text.split(".");
  return [BigInt(whole + fraction), fraction.length];
}

function write(value, scale) {
  const sign = value < 0n ? "-" : "";
  let digits = (value < 0n ? -value : value).toString();
  if (scale > 0) {
    digits = digits.padStart(scale + 1, "0");
    const fraction = digits.slice(-scale).replace(/0+$/, "");
    digits = digits.slice(0, -scale) + (fraction && "." + fraction);
  }
  return digits === "0" ? digits : sign + digits;
}

// To 28 significant digits, half to even.
function divide(a, b) {
  const sign = a < 0n !== b < 0n ? -1n : 1n;
  a = a < 0n ? -a : a;
  b = b < 0n ? -b : b;
  let scale = DIGITS - a.toString().length + b.toString().length;
  let quotient = (a * 10n ** BigInt(scale)) / b;
  if (quotient.toString().length > DIGITS) {
    scale -= 1;
    quotient = (a * 10n ** BigInt(scale)) / b;
  }
  const twice = 2n * (a * 10n ** BigInt(scale) - quotient * b);
  if (twice > b || (twice === b && quotient % 2n === 1n)) quotient += 1n;
  return [sign * quotient, scale];
}

const OPERATION = /^([-+]?[0-9.]+) ([-+*/]) ([-+]?[0-9.]+)$/;

function calculate(line) {
  const match = OPERATION.exec(line);
  if (!match) return "error: not an operation";
  const [, left, operator, right] = match;
  const [a, m] = decimal(left);
  const [b, n] = decimal(right);
  if (operator === "*") return write(a * b, m + n);
  if (operator === "/") {
    if (b === 0n) return "error: division by zero";
    const [quotient, scale] = divide(a, b);
    return write(quotient, scale + m - n);
  }
  const scale = Math.max(m, n);
  const x = a * 10n ** BigInt(scale - m);
  const y = b * 10n ** BigInt(scale - n);
  return write(operator === "+" ? x + y : x - y, scale);
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let part = "";
  let named = false;
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => {
    const lines = (part + data).split("\n");
    part = lines.pop();
    if (lines.length && !named) {
      lines.shift();
      named = true;
    }
    const end = lines.indexOf("q");
    const asked = end < 0 ? lines : lines.slice(0, end);
    const answers = asked.map((line) => calculate(line) + "\n").join("");
    if (answers) socket.write(answers);
    if (end >= 0) socket.end();
  });
});

const [host, port] = process.argv[2].split(":");
server.listen({ host, port: Number(port), backlog: 4096 }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
