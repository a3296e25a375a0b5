// What the modules of the page without a state do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readInput } from "../../../src/trionet/chat/page/commands.js";
import { Completion, completions } from "../../../src/trionet/chat/page/completion.js";
import { pieces } from "../../../src/trionet/chat/page/linkify.js";
import { mentionOf } from "../../../src/trionet/chat/page/mentions.js";
import { jittered, pausesWithoutEnd } from "../../../src/trionet/chat/page/pauses.js";
import {
    readEvents,
    sendable,
    whyNotSayable,
    writeRequests,
} from "../../../src/trionet/chat/page/protocol.js";
import { clockTime, dayName, dayOf } from "../../../src/trionet/chat/page/times.js";

test("a message has one or more lines, and the last one may lack its end", () => {
    assert.deepEqual(readEvents('{"type":"pong"}\n\n{"type":"done","re":1}'), [
        { type: "pong" },
        { type: "done", re: 1 },
    ]);
});

test("a line that is no event is plain text", () => {
    for (const line of ["error: server is full", "{", "null", "3", '{"a":1}', "[]"]) {
        assert.equal(readEvents(line)[0].type, "plain");
    }
    assert.equal(readEvents("error: server is full\n")[0].text, "server is full");
});

test("requests are a line each, whatever they have in them", () => {
    const text = 'a\nb"\u2028';
    const written = writeRequests([{ type: "say", text }, { type: "ping" }]);
    assert.equal(written.split("\n").length, 3);
    assert.equal(JSON.parse(written.split("\n")[0]).text, text);
});

test("what a server would refuse as a line is made sendable", () => {
    assert.equal(sendable("a\ud800b\udc00c"), "a\ufffdb\ufffdc");
    assert.equal(sendable("👍"), "👍");
    assert.equal(sendable("a\r\nb\rc\n\td\0\x1b"), "a\nb\nc\n\td\ufffd\ufffd");
});

test("a text has bounds in bytes and lines", () => {
    assert.equal(whyNotSayable("é".repeat(2048)), null);
    assert.match(whyNotSayable("é".repeat(2048) + "a"), /4096 bytes.*4097/);
    assert.equal(whyNotSayable("a\n".repeat(49) + "a"), null);
    assert.match(whyNotSayable("a\n".repeat(50) + "a"), /50 lines.*51/);
    assert.match(whyNotSayable(" \n "), /blank/);
});

test("pauses are short at first, a second for half a minute, and then grow to 30 seconds", () => {
    const pauses = pausesWithoutEnd();
    const first = Array.from({ length: 38 }, () => pauses.next().value);
    assert.deepEqual(first, [0.25, 0.5, ...Array(29).fill(1), 2, 4, 8, 16, 30, 30, 30]);
    assert.deepEqual([0, 0.5, 1].map((chance) => jittered(4, chance)), [3, 4, 5]);
});

test("only pages become links, without what ends the sentence", () => {
    const links = (text) => pieces(text).filter(({ href }) => href).map((piece) => piece.text);
    assert.deepEqual(links("see https://example.org/a, and (http://b.example/x_(y))."), [
        "https://example.org/a",
        "http://b.example/x_(y)",
    ]);
    assert.deepEqual(links("HTTPS://EXAMPLE.ORG/?a=b&c=d#e!"), ["HTTPS://EXAMPLE.ORG/?a=b&c=d#e"]);
    const none = [
        "javascript:alert(1)",
        "data:text/html,<script>",
        "https://bank.example@evil.example/",
        "https://",
        "xhttps://a.example",
        "ftp://a.example",
    ];
    for (const text of none) {
        assert.deepEqual(pieces(text), [{ text }]);
    }
    assert.deepEqual(links('<a href="https://a.example">'), ["https://a.example"]);
    assert.deepEqual(links("https://a.example/x、次"), ["https://a.example/x"]);
});

test("the pieces of a text are the text", () => {
    for (const text of ["", "a", "https://a.example", "a https://a.example. b\nhttp://c.example"]) {
        assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
    }
});

test("a name is mentioned as a whole word in any case", () => {
    const test_ = mentionOf("Ann");
    for (const text of ["Ann", "hi ann!", "@ANN:", "(Ann)", "a\nAnn", "Ann's"]) {
        assert.equal(test_(text), true, text);
    }
    for (const text of ["Annual", "Joann", "Ann_", "Änn", "Ann2", ""]) {
        assert.equal(test_(text), false, text);
    }
    assert.equal(mentionOf("a-b")("is a-b here"), true);
    assert.equal(mentionOf("ノア")("ノア、"), true);
    assert.equal(mentionOf("x|y")("x"), false);
});

test("times are those of the reader", () => {
    const date = new Date("2026-11-28T23:30:00.000Z");
    assert.equal(clockTime(date, "en-GB", "UTC"), "23:30");
    assert.equal(clockTime(date, "en-GB", "Asia/Tokyo"), "08:30");
    assert.notEqual(dayOf(date, "UTC"), dayOf(date, "Asia/Tokyo"));
    assert.equal(dayName(date, new Date("2026-11-28T23:59:00Z"), "en-GB", "UTC"), "Today");
    assert.equal(dayName(date, new Date("2026-11-29T00:10:00Z"), "en-GB", "UTC"), "Yesterday");
    const long = dayName(date, new Date("2026-12-29T00:10:00Z"), "en-GB", "UTC");
    assert.match(long, /^Saturday,? 28 November 2026$/);
});

const WORDS = { names: ["Bob", "Anna", "ann2"], commands: ["/join", "/me"], rooms: ["builds"] };

function completed(text, cursor = text.length) {
    const found = completions(text, cursor, WORDS);
    return found && found.candidates;
}

test("a name is completed with a colon at the start and without one elsewhere", () => {
    assert.deepEqual(completed("bo"), ["Bob: "]);
    assert.deepEqual(completed("hi bo"), ["Bob "]);
    assert.deepEqual(completed("hi @bo"), ["Bob "]);
    assert.deepEqual(completed("an"), ["Anna: ", "ann2: "]);
    assert.deepEqual(completed("/msg an"), ["Anna ", "ann2 "]);
    assert.deepEqual(completed("bo x", 2), ["Bob: "]);
});

test("commands and rooms are completed where they can stand", () => {
    assert.deepEqual(completed("/j"), ["/join "]);
    assert.deepEqual(completed("/join bu"), ["builds"]);
    assert.equal(completed("x /j"), null);
});

test("there may be nothing to complete", () => {
    for (const text of ["", "Bob ", "zed", "/zed", "hi "]) {
        assert.equal(completed(text), null, text);
    }
});

test("tab again takes the next candidate, until something else changes the text", () => {
    const completion = new Completion();
    assert.deepEqual(completion.next("an", 2, WORDS), { text: "Anna: ", cursor: 6 });
    assert.deepEqual(completion.next("Anna: ", 6, WORDS), { text: "ann2: ", cursor: 6 });
    assert.deepEqual(completion.next("ann2: ", 6, WORDS), { text: "Anna: ", cursor: 6 });
    assert.equal(completion.next("Anna: x ", 8, WORDS), null);
});

test("after the only candidate, tab has nothing to complete", () => {
    const completion = new Completion();
    assert.equal(completion.next("bo", 2, WORDS).text, "Bob: ");
    assert.equal(completion.next("Bob: ", 5, WORDS), null);
});

test("what is typed is said, and what begins with a slash is a command", () => {
    assert.deepEqual(readInput("hello\nyou  "), { do: "say", text: "hello\nyou" });
    assert.deepEqual(readInput("//who"), { do: "say", text: "/who" });
    assert.deepEqual(readInput(" /who"), { do: "say", text: " /who" });
    assert.deepEqual(readInput("/say /who"), { do: "say", text: "/who" });
    assert.deepEqual(readInput("/me waves"), { do: "act", text: "waves" });
    assert.deepEqual(readInput("/msg Bob hi there"), { do: "tell", text: "hi there", to: "Bob" });
    assert.deepEqual(readInput("/msg Bob"), { do: "open", name: "Bob" });
    assert.deepEqual(readInput("/join #builds"), { do: "join", room: "builds" });
    assert.deepEqual(readInput("/leave"), { do: "leave", room: "" });
    assert.deepEqual(readInput("/topic"), { do: "topic", text: null });
    assert.deepEqual(readInput("/who"), { do: "who" });
    assert.equal(readInput(" \n "), null);
});

test("a mistake is explained", () => {
    const mistakes = {
        "/jion x": "unknown command /jion (did you mean /join?)",
        "/dance": "unknown command /dance (try /help)",
        "/WHO": "unknown command /WHO (try /help)",
        "/": "unknown command / (try /help)",
        "/me": "write /me TEXT",
        "/join": "write /join ROOM",
        "/who x": "/who takes no argument",
        "/join a\nb": "/join takes one line",
    };
    for (const [typed, error] of Object.entries(mistakes)) {
        assert.deepEqual(readInput(typed), { error }, typed);
    }
    assert.match(readInput("a".repeat(4097)).error, /4096 bytes/);
    assert.match(readInput("/topic " + "a".repeat(391)).error, /390 bytes/);
});
