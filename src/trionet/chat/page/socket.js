// The browser's WebSocket, as `session.js` wants it.

// Close codes that say more than that the connection is gone.
const REASONS = {
    1001: "the server is closing",
    1002: "the server did not understand this page",
    1003: "the server did not understand this page",
    1007: "the server did not understand this page",
    1009: "a message was too long",
};

/** Open a socket to the server that this page came from. */
export function openSocket({ opened, received, closed }) {
    // Relative, so that a proxy may put the page anywhere.
    const address = new URL("ws", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    let wasOpen = false;
    socket.onopen = () => {
        wasOpen = true;
        opened();
    };
    socket.onmessage = ({ data }) => received(data);
    socket.onclose = ({ code, reason }) => {
        const lost = wasOpen ? "the connection was lost" : "the server cannot be reached";
        closed(REASONS[code] ?? (reason === "" ? lost : reason));
    };
    return {
        send: (text) => socket.send(text),
        close: () => socket.close(),
    };
}

/** The browser's clock. */
export const clock = {
    now: () => Date.now(),
    set: (callback, milliseconds) => setTimeout(callback, milliseconds),
    clear: (timer) => clearTimeout(timer),
};

/** Return some characters that no other page has. (`randomUUID` is missing without TLS.) */
export function randomPrefix() {
    const numbers = crypto.getRandomValues(new Uint32Array(2));
    return [...numbers].map((number) => number.toString(36)).join("");
}
