// What goes over the WebSocket: lines of JSON, one object a line. Pure.
//
// docs/protocol.md says what the objects mean. A text message has one or more lines; the last line
// may or may not end with LF.

export const MAX_TEXT_BYTES = 4096;
export const MAX_TEXT_LINES = 50;
export const MAX_TOPIC_BYTES = 390;

// The name of the private messages in `seen` and `history`, beside the rooms.
export const PRIVATE = "@";

/** Return the events of a text message. A line that is not an event becomes one of type "plain". */
export function readEvents(message) {
    const events = [];
    for (const line of message.split("\n")) {
        if (line.trim() === "") {
            continue;
        }
        let event = null;
        try {
            event = JSON.parse(line);
        } catch {
            // Before the first line has come, a server refuses in plain text (J4).
        }
        const isEvent = event !== null && typeof event === "object" && typeof event.type === "string";
        events.push(isEvent ? event : { type: "plain", text: line.replace(/^error: /, "") });
    }
    return events;
}

/** Return a message that has these requests, a line each. */
export function writeRequests(requests) {
    return requests.map((request) => JSON.stringify(request) + "\n").join("");
}

const encoder = new TextEncoder();

/** Return the size of a text in bytes of UTF-8. */
export function utf8Length(text) {
    return encoder.encode(text).length;
}

/**
 * Return a text as it may be sent: line ends are LF, and half surrogate pairs and control
 * characters are U+FFFD. The server would refuse the line for the first (J19); for the second it
 * would do the same (R19), but their escapes could make the line longer than a line may be (J2).
 */
export function sendable(text) {
    return text
        .replace(/\r\n?/g, "\n")
        .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")
        .replace(/[\0-\x08\x0b-\x1f\x7f]/g, "\ufffd");
}

/** Return why a text cannot be said, or null. */
export function whyNotSayable(text) {
    if (text.trim() === "") {
        return "a message cannot be blank";
    }
    const lines = text.split("\n").length;
    if (lines > MAX_TEXT_LINES) {
        return `a message has at most ${MAX_TEXT_LINES} lines, and this one has ${lines}`;
    }
    const bytes = utf8Length(text);
    if (bytes > MAX_TEXT_BYTES) {
        return `a message has at most ${MAX_TEXT_BYTES} bytes, and this one has ${bytes}`;
    }
    return null;
}
