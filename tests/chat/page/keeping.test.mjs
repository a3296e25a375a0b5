// What outlives a reload of the page.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Arrivals } from "../../../src/trionet/chat/page/arrivals.js";
import { Chat } from "../../../src/trionet/chat/page/chat.js";
import { forget, keep, restore } from "../../../src/trionet/chat/page/keeping.js";
import { Session } from "../../../src/trionet/chat/page/session.js";
import { Clock, Server, said, timeOf } from "./helpers.mjs";

class Storage {
    #items = new Map();
    getItem = (key) => this.#items.get(key) ?? null;
    setItem = (key, value) => this.#items.set(key, value);
    removeItem = (key) => this.#items.delete(key);
}

beforeEach(() => {
    globalThis.window = { sessionStorage: new Storage(), localStorage: new Storage() };
});

/** A page before its login. */
function opened(prefix) {
    const clock = new Clock();
    const server = new Server();
    const session = new Session({
        open: server.open,
        clock,
        random: () => 0.5,
        prefix,
        on: {
            event: (...given) => arrivals.receive(...given),
            state: () => {},
            synced: () => arrivals.synced(),
            refused: () => {},
            epoch: () => arrivals.epochBegan(),
        },
    });
    const chat = new Chat(session, { changed: () => {}, moved: () => {}, called: () => {} });
    const arrivals = new Arrivals(chat, session);
    const start = () =>
        session.start({ name: "Ann", rooms: () => chat.rooms().map((room) => room.key) });
    return { clock, server, session, chat, start };
}

/** A page that was logged in. */
function talked() {
    const page = opened("one");
    page.start();
    page.server.logIn({ rooms: { lobby: 1, builds: 1 } });
    page.server.take();
    return page;
}

test("a reload comes back with token, rooms and numbers, and with what was typed", () => {
    const { server, session, chat } = talked();
    chat.activate(chat.places.get("builds"));
    chat.active.draft = "half a";
    server.send(said(2, "a"));
    keep(chat, session);
    const again = opened("two");
    assert.equal(restore(again.chat, again.session), true);
    again.start();
    const login = again.server.logIn({ resumed: true, rooms: { lobby: 2, builds: 1 } });
    assert.equal(login.token, session.token);
    assert.deepEqual(login.rooms, ["lobby", "builds"]);
    assert.deepEqual(login.seen, { lobby: 2, builds: 1 });
    assert.equal(again.chat.active.key, "builds");
    assert.equal(again.chat.active.draft, "half a");
    assert.equal(again.chat.places.get("lobby").unread, 1);
});

test("a message without a receipt is sent again after a reload, with its id", () => {
    const { server, session, chat } = talked();
    chat.say(chat.places.get("lobby"), "say", "hi");
    const [first] = server.take();
    keep(chat, session);
    const again = opened("two");
    restore(again.chat, again.session);
    again.start();
    again.server.logIn({ resumed: true, rooms: { lobby: 1, builds: 1 } });
    const sent = again.server.take().filter(({ type }) => type === "say");
    assert.deepEqual(sent, [first]);
    again.server.send(said(2, "hi", { name: "Ann", re: first.id }));
    assert.equal(again.chat.places.get("lobby").timeline.all()[0].isPending, false);
});

test("after a reload into a new epoch, what the history has is not said again", () => {
    const { server, session, chat } = talked();
    server.send(said(2, "ok", { name: "Ann" }));
    for (const text of ["ok", "lost"]) {
        chat.say(chat.places.get("lobby"), "say", text);
    }
    server.take();
    keep(chat, session);
    const again = opened("two");
    restore(again.chat, again.session);
    again.start();
    again.server.logIn({ epoch: "e2", rooms: { lobby: 4, builds: 1 } });
    const past = [said(2, "ok", { name: "Ann" }), said(3, "ok", { name: "Ann" })];
    const said_ = [];
    for (let requests; (requests = again.server.take()).length > 0; ) {
        for (const { type, room, id, text } of requests) {
            if (type === "history") {
                const events = room === "lobby" ? past : [];
                again.server.send({ type: "history", room, events, more: false, re: id });
            } else if (type === "say") {
                said_.push(text);
            }
        }
    }
    assert.deepEqual(said_, ["lost"]);
    const rows = again.chat.places.get("lobby").timeline.all();
    assert.deepEqual(rows.map((row) => row.text ?? row.kind), ["ok", "gap", "ok", "lost"]);
});

test("private messages, one's own too, are kept by the page alone", () => {
    const { server, session, chat } = talked();
    const told = { type: "told", number: 1, time: timeOf(1), from: "Bob", to: "Ann", text: "psst" };
    server.send(told);
    chat.say(chat.places.get("@bob"), "tell", "yes");
    const [{ id }] = server.take();
    server.send({ ...told, number: 9, from: "Ann", to: "Bob", text: "yes", re: id });
    keep(chat, session);
    const again = opened("two");
    restore(again.chat, again.session);
    const { rows } = again.chat.places.get("@bob").timeline;
    assert.deepEqual(rows.map(({ name, text, isMine }) => [name, text, isMine]), [
        ["Bob", "psst", false],
        ["Ann", "yes", true],
    ]);
});

test("who has left, or was never in, is asked for a name", () => {
    const { session, chat } = talked();
    keep(chat, session);
    forget();
    const again = opened("two");
    assert.equal(restore(again.chat, again.session), false);
    window.sessionStorage.setItem("trionet.session", "{broken");
    assert.equal(restore(again.chat, again.session), false);
});

test("a browser without storage is served too", () => {
    globalThis.window = {
        get sessionStorage() {
            throw new Error("SecurityError");
        },
    };
    const { session, chat } = talked();
    keep(chat, session);
    assert.equal(restore(chat, session), false);
});

/** Answer every request for the history of the lobby with these events. */
function answerLobby({ server }, past) {
    for (let requests; (requests = server.take()).length > 0; ) {
        for (const { type, room, id, limit } of requests) {
            if (type === "history") {
                const events = room === "lobby" ? past.slice(-limit) : [];
                server.send({ type: "history", room, events, more: events.length < past.length, re: id });
            }
        }
    }
}

/** Reload a page, and log in again; return the new page. */
function reloaded({ chat, session }, prefix, login) {
    keep(chat, session);
    const again = opened(prefix);
    restore(again.chat, again.session);
    again.start();
    again.server.logIn(login);
    return again;
}

const shown = (place) => place.timeline.all().map((row) => row.text ?? row.kind);

test("a row about a new epoch is in its place again after a reload", () => {
    const page = talked();
    page.server.send(said(2, "before"));
    page.server.close();
    page.clock.pass(1_000);
    page.server.logIn({ epoch: "e2", rooms: { lobby: 2, builds: 1 } });
    answerLobby(page, [said(2, "before")]);
    page.server.send(said(3, "after"));
    assert.deepEqual(shown(page.chat.places.get("lobby")), ["before", "gap", "after"]);
    const login = { epoch: "e2", resumed: true, rooms: { lobby: 3, builds: 1 } };
    const again = reloaded(page, "two", login);
    answerLobby(again, [said(2, "before"), said(3, "after")]);
    assert.deepEqual(shown(again.chat.places.get("lobby")), ["before", "gap", "after"]);
    // Also where the history has nothing of the time before, and after one more reload.
    const third = reloaded(again, "three", login);
    answerLobby(third, [said(3, "after")]);
    assert.deepEqual(shown(third.chat.places.get("lobby")), ["gap", "after"]);
});

test("a reload notices that the server has begun a new epoch meanwhile", () => {
    const page = talked();
    page.server.send(said(2, "before"));
    const again = reloaded(page, "two", { epoch: "e2", rooms: { lobby: 3, builds: 1 } });
    answerLobby(again, [said(2, "before"), said(3, "after")]);
    assert.deepEqual(shown(again.chat.places.get("lobby")), ["before", "gap", "after"]);
});

test("a conversation keeps the row about a new epoch too", () => {
    const page = talked();
    const told = { type: "told", number: 1, time: timeOf(1), from: "Bob", to: "Ann", text: "psst" };
    page.server.send(told);
    page.server.close();
    page.clock.pass(1_000);
    page.server.logIn({ epoch: "e2", rooms: { lobby: 2, builds: 1 } });
    const again = reloaded(page, "two", { epoch: "e2", rooms: { lobby: 2, builds: 1 } });
    assert.deepEqual(shown(again.chat.places.get("@bob")), ["psst", "gap"]);
});

test("two losses at one place are one row after a reload", () => {
    const page = talked();
    page.server.send(said(2, "before"));
    for (const epoch of ["e2", "e3"]) {
        page.server.close();
        page.clock.pass(1_000);
        page.server.logIn({ epoch, rooms: { lobby: 2, builds: 1 } });
        answerLobby(page, [said(2, "before")]);
    }
    const again = reloaded(page, "two", { epoch: "e3", resumed: true, rooms: { lobby: 2, builds: 1 } });
    answerLobby(again, [said(2, "before")]);
    again.server.send(said(3, "after"));
    assert.deepEqual(shown(again.chat.places.get("lobby")), ["before", "gap", "after"]);
});
