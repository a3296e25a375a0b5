// Reads what the user typed: a message, a command or a mistake. Pure.

import { MAX_TOPIC_BYTES, sendable, utf8Length, whyNotSayable } from "./protocol.js";

// Each command: how it is written, and what it does. A usage in brackets can be left out.
export const COMMANDS = [
    ["/me TEXT", "say what you do"],
    ["/msg NAME TEXT", "write to one member alone"],
    ["/join ROOM", "join a room"],
    ["/leave [ROOM]", "leave a room"],
    ["/topic [TEXT]", "show the topic, or set it"],
    ["/nick NAME", "take another name"],
    ["/who", "list who is here"],
    ["/rooms", "list all rooms"],
    ["/search WORDS", "find messages"],
    ["/say TEXT", "say a text, even if it looks like a command"],
    ["/help", "show this list"],
    ["/quit", "leave the chat"],
];

export const COMMAND_NAMES = COMMANDS.map(([usage]) => usage.split(" ")[0]);

const ALONE = new Set(["/who", "/rooms", "/help", "/quit"]);
const WITH_TEXT = new Set(["/me", "/say", "/msg"]);

/**
 * Read what was typed in the box of a room or a conversation.
 *
 * Return `{do: what, ...}`, `{error: reason}` for a mistake, or null if there is nothing to do.
 * What can be done: "say", "act" (with `text`), "tell" (`to`, `text`), "join", "leave" (`room`),
 * "topic" (`text`, or none to show it), "nick" (`name`), "search" (`text`), "open" (`name`), "who",
 * "rooms", "help" and "quit".
 */
export function readInput(typed) {
    const text = sendable(typed).trimEnd();
    if (text.trim() === "") {
        return null;
    }
    if (!text.startsWith("/")) {
        return message("say", text);
    }
    if (text.startsWith("//")) {
        return message("say", text.slice(1));
    }
    const [name] = text.match(/^\S+/);
    const argument = text.slice(name.length + 1);
    if (!COMMAND_NAMES.includes(name)) {
        return { error: unknown(name) };
    }
    if (ALONE.has(name)) {
        return argument.trim() === "" ? { do: name.slice(1) } : { error: `${name} takes no argument` };
    }
    if (!WITH_TEXT.has(name) && argument.includes("\n")) {
        return { error: `${name} takes one line` };
    }
    return withArgument(name, argument);
}

function withArgument(name, argument) {
    const word = argument.trim();
    const usage = COMMANDS.find(([one]) => one.startsWith(`${name} `))[0];
    if (word === "" && !usage.includes("[")) {
        return { error: `write ${usage}` };
    }
    switch (name) {
        case "/me":
            return message("act", argument);
        case "/say":
            return message("say", argument);
        case "/msg": {
            const [to] = word.match(/^\S+/);
            const text = word.slice(to.length + 1);
            return text.trim() === "" ? { do: "open", name: to } : message("tell", text, { to });
        }
        case "/topic": {
            if (utf8Length(word) > MAX_TOPIC_BYTES) {
                return { error: `a topic has at most ${MAX_TOPIC_BYTES} bytes` };
            }
            return { do: "topic", text: word === "" ? null : word };
        }
        case "/join":
        case "/leave":
            return { do: name.slice(1), room: word.replace(/^#/, "") };
        case "/nick":
            return { do: "nick", name: word };
        default:
            return { do: "search", text: word };
    }
}

function message(what, text, more = {}) {
    const reason = whyNotSayable(text);
    return reason === null ? { do: what, text, ...more } : { error: reason };
}

function unknown(name) {
    const near = COMMAND_NAMES.filter((known) => isNear(name, known));
    const hint = near.length === 1 ? `did you mean ${near[0]}?` : "try /help";
    const shown = name.length > 33 ? `${name.slice(0, 32)}…` : name;
    return `unknown command ${shown} (${hint})`;
}

// One letter may be wrong, missing, too many, or swapped with the next.
function isNear(one, other) {
    let at = 0;
    while (at < Math.min(one.length, other.length) && one[at] === other[at]) {
        at += 1;
    }
    const here = one.slice(at);
    const there = other.slice(at);
    return (
        here.slice(1) === there.slice(1) ||
        here.slice(1) === there ||
        here === there.slice(1) ||
        (here.slice(2) === there.slice(2) && here[0] === there[1] && here[1] === there[0])
    );
}
