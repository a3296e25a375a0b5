// How the page's session logs in, listens, and comes back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../../../src/trionet/chat/page/session.js";
import { ANSWER_MS, QUIET_MS } from "../../../src/trionet/chat/page/watch.js";
import { Clock, Server, event, said } from "./helpers.mjs";

function started({ random = () => 0.5, ...given } = {}) {
    const clock = new Clock();
    const server = new Server();
    const told = { events: [], states: [], synced: 0, refused: [], epochs: 0 };
    const session = new Session({
        open: server.open,
        clock,
        random,
        prefix: "p",
        on: {
            event: (one, ask, isReplayed) => told.events.push([one, ask, isReplayed]),
            state: () => told.states.push([session.state, session.reason]),
            synced: () => (told.synced += 1),
            refused: (code, reason) => told.refused.push([code, reason]),
            epoch: () => (told.epochs += 1),
        },
    });
    session.start({ name: "Ann", rooms: () => ["lobby"], ...given });
    return { clock, server, session, told, texts: () => told.events.map(([one]) => one.text).filter(Boolean) };
}

test("the first login asks for a name, and to be held", () => {
    const { server, session } = started();
    const login = server.logIn();
    assert.deepEqual(login, { type: "login", name: "Ann", hold: true, rooms: ["lobby"], id: "p-1" });
    assert.equal(session.state, "live");
});

test("a password goes with every login, and none where none was asked for", () => {
    const { server, clock } = started({ password: "open sesame" });
    assert.equal(server.logIn().password, "open sesame");
    server.close();
    clock.pass(300);
    assert.equal(server.logIn().password, "open sesame");
});

test("a lost connection is resumed with the token and the numbers seen", () => {
    const { server, clock } = started();
    server.logIn();
    server.send(said(2, "a"), said(3, "b"));
    server.close();
    clock.pass(250);
    const login = server.logIn();
    assert.equal(login.token, "t".repeat(32));
    assert.equal(login.epoch, "e1");
    assert.deepEqual(login.seen, { lobby: 3 });
});

test("pauses grow, and begin anew after a login", () => {
    const { server, clock, session } = started();
    server.logIn();
    for (const pause of [250, 500, 1000, 1000]) {
        server.close();
        assert.equal(session.state, "waiting");
        clock.pass(pause - 1);
        assert.equal(session.state, "waiting");
        clock.pass(1);
        assert.equal(session.state, "connecting");
    }
    server.logIn();
    server.close();
    clock.pass(250);
    assert.equal(session.state, "connecting");
});

test("chance makes a pause a quarter longer or shorter", () => {
    for (const [chance, pause] of [[0, 187.5], [1, 312.5]]) {
        const { server, session, clock } = started({ random: () => chance });
        server.close();
        assert.equal(session.nextTry - clock.now(), pause);
    }
});

test("what was seen before is told once", () => {
    const { server, clock, texts } = started();
    server.logIn();
    server.send(said(2, "a"), said(2, "a"));
    server.close();
    clock.pass(250);
    server.logIn({ between: [said(2, "a"), said(3, "b")], rooms: { lobby: 3 } });
    server.send(said(3, "b"), said(4, "c"));
    assert.deepEqual(texts(), ["a", "b", "c"]);
});

test("a message without a receipt is sent again with the same id, behind the replay", () => {
    const { server, clock, session } = started();
    server.logIn();
    let receipt = null;
    session.ask({ type: "say", room: "lobby", text: "hi" }, (one) => (receipt = one));
    const [first] = server.take();
    server.close();
    clock.pass(250);
    server.logIn();
    assert.deepEqual(server.take(), [first]);
    server.send(said(2, "hi", { name: "Ann", re: first.id }));
    assert.equal(receipt.number, 2);
    assert.equal(session.asks.size, 0);
});

test("a receipt in the replay is enough", () => {
    const { server, clock, session } = started();
    server.logIn();
    session.ask({ type: "say", room: "lobby", text: "hi" });
    const [first] = server.take();
    server.close();
    clock.pass(250);
    server.logIn({ between: [said(2, "hi", { name: "Ann", re: first.id })], rooms: { lobby: 2 } });
    assert.deepEqual(server.take(), []);
});

test("nothing is sent before everything was replayed", () => {
    const { server, session } = started();
    session.ask({ type: "say", room: "lobby", text: "hi" });
    server.logIn();
    assert.equal(server.take()[0].text, "hi");
});

test("at most 64 requests are unanswered", () => {
    const { server, session } = started();
    server.logIn();
    for (let number = 0; number < 70; number += 1) {
        session.ask({ type: "say", room: "lobby", text: String(number) });
    }
    const sent = server.take();
    assert.equal(sent.length, 64);
    server.send(said(2, "0", { name: "Ann", re: sent[0].id }));
    assert.deepEqual(server.take().map(({ text }) => text), ["64"]);
});

test("what was dropped of the answers is asked for again", () => {
    const { server, session } = started();
    server.logIn();
    session.ask({ type: "who", room: "lobby" });
    const [who] = server.take();
    server.send({ type: "missed", count: 1, re: [who.id] });
    const [again] = server.take();
    assert.deepEqual({ ...again, id: who.id }, who);
});

test("the rest of an answer whose beginning was dropped is not taken for the next answer", () => {
    const { server, session } = started();
    server.logIn();
    const answers = [];
    session.ask({ type: "who", room: "lobby" }, (one, ask) => answers.push([...ask.parts]));
    const [who] = server.take();
    server.send(
        { type: "missed", count: 1, re: [who.id] },
        { type: "members", room: "lobby", members: ["Cid"], re: who.id },
    );
    const [again] = server.take();
    server.send({ type: "members", room: "lobby", members: ["Ann", "Bob", "Cid"], re: again.id });
    assert.deepEqual(answers, [["Ann", "Bob", "Cid"]]);
});

test("answers that were dropped without a name are found by a ping, and asked for again", () => {
    const { server, session } = started();
    server.logIn();
    session.ask({ type: "say", room: "lobby", text: "one" });
    session.ask({ type: "who", room: "lobby" });
    const [say] = server.take();
    server.send({ type: "missed", count: 90, re: [] });
    const [ping] = server.take();
    assert.equal(ping.type, "ping");
    session.ask({ type: "rooms" });
    server.take();
    server.send({ type: "pong", re: ping.id });
    const again = server.take();
    assert.deepEqual(again.map(({ type }) => type), ["say", "who"]);
    // A message keeps its id, so that the server does not say it twice.
    assert.deepEqual(again[0], say);
});

test("a connection whose welcome was dropped is given up", () => {
    const { server, clock } = started();
    server.socket.handlers.opened();
    const [login] = server.take();
    server.send({ type: "missed", count: 1, re: [login.id] });
    clock.pass(250);
    assert.equal(server.sockets.length, 2);
});

test("an end of the replay that was dropped is asked for again", () => {
    const { server, session } = started();
    server.socket.handlers.opened();
    const [login, ping] = server.take();
    server.send({ type: "welcome", name: "Ann", token: "t", epoch: "e1", resumed: false, re: login.id });
    server.send({ type: "missed", count: 1, re: [ping.id] });
    const [again] = server.take();
    server.send({ type: "pong", re: again.id });
    assert.equal(session.state, "live");
});

test("an epoch that begins teaches only the numbers of one's own rooms", () => {
    const { server, session } = started();
    server.logIn();
    server.send({ type: "epoch", epoch: "e2", rooms: { lobby: 7, other: 9 } });
    assert.deepEqual([...session.seen.numbers], [["lobby", 7]]);
});

test("an answer of several lines is one answer", () => {
    const { server, session } = started();
    server.logIn();
    const answers = [];
    session.ask({ type: "who", room: "lobby" }, (one, ask) => answers.push([...ask.parts]));
    const [{ id }] = server.take();
    server.send({ type: "members", room: "lobby", members: ["a"], more: true, re: id });
    server.send({ type: "members", room: "lobby", members: ["b"], re: id });
    assert.deepEqual(answers, [["a", "b"]]);
});

test("a refused login ends the session and says why", () => {
    const { server, session, told, clock } = started();
    server.socket.handlers.opened();
    const [{ id }] = server.take();
    server.send({ type: "error", code: "name-taken", reason: "the name Ann is taken", re: id });
    assert.deepEqual(told.refused, [["name-taken", "the name Ann is taken"]]);
    assert.equal(session.state, "idle");
    clock.pass(100_000);
    assert.equal(server.sockets.length, 1);
});

test("a server that closes before the login is tried again, and its reason is told", () => {
    const { server, session, clock } = started();
    server.socket.handlers.received("error: server is full\n");
    server.close();
    assert.equal(session.state, "waiting");
    assert.equal(session.reason, "server is full");
    clock.pass(250);
    server.socket.handlers.opened();
    server.send({ type: "error", code: "closing", reason: "server is closing" });
    server.close();
    assert.equal(session.state, "waiting");
    assert.equal(session.reason, "server is closing");
});

test("a connection that was taken over does not come back by itself", () => {
    const { server, session, clock } = started();
    server.logIn();
    server.send({ type: "closing", reason: "taken over" });
    server.close();
    assert.equal(session.state, "taken");
    clock.pass(1_000_000);
    session.wake();
    assert.equal(server.sockets.length, 1);
    session.retry();
    assert.equal(server.sockets.length, 2);
});

test("a quiet server is asked whether it is there, and lost if it does not answer", () => {
    const { server, session, clock } = started();
    server.logIn();
    clock.pass(QUIET_MS);
    assert.deepEqual(server.take(), [{ type: "ping" }]);
    server.send({ type: "pong" });
    clock.pass(QUIET_MS + ANSWER_MS - 1);
    assert.equal(session.state, "live");
    clock.pass(1 + ANSWER_MS);
    assert.notEqual(session.state, "live");
    assert.equal(session.reason, "the server does not answer");
    assert.equal(server.sockets[0].isClosed, true);
});

test("a server that talks is not asked", () => {
    const { server, clock } = started();
    server.logIn();
    for (let number = 2; number < 10; number += 1) {
        clock.pass(QUIET_MS - 1);
        server.send(said(number, "a"));
    }
    assert.deepEqual(server.take(), []);
});

test("a server that accepts and says nothing is given up", () => {
    const { server, session, clock } = started();
    server.socket.handlers.opened();
    clock.pass(ANSWER_MS);
    assert.equal(session.state, "waiting");
    assert.equal(session.reason, "the server does not answer");
});

test("a password that the server takes its time to judge is waited for", () => {
    const { server, session, clock } = started({ password: "guess" });
    server.socket.handlers.opened();
    clock.pass(60_000);
    assert.equal(server.sockets.length, 1);
    const [login] = server.take();
    server.send({ type: "error", code: "bad-password", reason: "wrong password", re: login.id });
    assert.equal(session.state, "idle");
});

test("a password that was not judged in time is not tried again by itself", () => {
    const { server, told, clock } = started({ password: "guess" });
    server.socket.handlers.opened();
    clock.pass(30_000);
    server.send({ type: "error", code: "timeout", reason: "no login within 30 seconds" });
    server.close();
    clock.pass(1_000_000);
    assert.equal(server.sockets.length, 1);
    assert.match(told.refused[0][1], /try again in a minute/);
});

test("a replay longer than a login may take is waited for as long as it goes on", () => {
    const { server, session, clock } = started();
    server.socket.handlers.opened();
    const [login, ping] = server.take();
    server.send({ type: "welcome", name: "Ann", token: "t", epoch: "e1", resumed: false, re: login.id });
    for (let number = 1; number < 5; number += 1) {
        clock.pass(ANSWER_MS - 1);
        server.send(said(number, "a"));
    }
    server.send({ type: "pong", re: ping.id });
    assert.equal(session.state, "live");
    assert.equal(server.sockets.length, 1);
});

test("a late word of an old socket changes nothing", () => {
    const { server, session, clock, texts } = started();
    server.logIn();
    const { handlers } = server.socket;
    server.close();
    clock.pass(250);
    server.logIn();
    handlers.received(JSON.stringify(said(9, "late")));
    handlers.closed("late");
    assert.equal(session.state, "live");
    assert.deepEqual(texts(), []);
});

test("a new epoch forgets the numbers, and is told before its events", () => {
    const { server, clock, told, session } = started();
    server.logIn({ rooms: { lobby: 500 } });
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 1 } });
    assert.equal(told.epochs, 1);
    server.send(said(2, "again"));
    assert.equal(session.seen.get("lobby"), 2);
    assert.equal(told.events.at(-1)[0].text, "again");
});

test("an epoch that begins while one is connected is told too", () => {
    const { server, told, session } = started();
    server.logIn({ rooms: { lobby: 500 } });
    server.send({ type: "epoch", epoch: "e2", rooms: { lobby: 3 } }, said(4, "b"));
    assert.equal(told.epochs, 1);
    assert.equal(session.seen.get("lobby"), 4);
});

test("one's own leaving in the replay is not a leaving of now", () => {
    const { server, clock, told, session } = started();
    server.logIn({ rooms: { lobby: 1 } });
    server.close();
    clock.pass(250);
    const left = event("left", 2, "Ann", { count: 0, reason: "lost" });
    server.logIn({ between: [left], rooms: { lobby: 4 } });
    assert.equal(told.events.find(([one]) => one.type === "left")[2], true);
    assert.equal(session.seen.get("lobby"), 4);
});

test("a private message counts in its receiver's sequence only", () => {
    const { server, session } = started();
    server.logIn();
    const told = { type: "told", time: "2026-11-28T12:00:00.000Z", text: "x" };
    server.send({ ...told, number: 7, from: "Ann", to: "Bob", re: "p-9" });
    assert.equal(session.seen.get("@"), undefined);
    server.send({ ...told, number: 1, from: "Bob", to: "Ann" });
    assert.equal(session.seen.get("@"), 1);
});

test("leaving says so, and waits until the server has closed", () => {
    const { server, session } = started();
    server.logIn();
    let isDone = false;
    session.quit(() => (isDone = true));
    assert.deepEqual(server.take(), [{ type: "quit" }]);
    assert.equal(isDone, false);
    server.close();
    assert.equal(isDone, true);
    assert.equal(session.token, null);
    assert.equal(server.sockets.length, 1);
});

test("leaving ends even if the server does not", () => {
    const { server, session, clock } = started();
    server.logIn();
    let isDone = false;
    session.quit(() => (isDone = true));
    clock.pass(2000);
    assert.equal(isDone, true);
    assert.equal(session.state, "idle");
});

test("a room that is being left is not joined again", () => {
    const { server, session, clock } = started();
    server.logIn();
    session.ask({ type: "leave", room: "lobby" });
    server.close();
    clock.pass(250);
    assert.deepEqual(server.logIn().rooms, []);
});

test("waking up tries at once, and asks a server that was quiet", () => {
    const { server, session, clock } = started();
    server.logIn();
    clock.pass(ANSWER_MS);
    session.wake();
    assert.deepEqual(server.take(), [{ type: "ping" }]);
    server.close();
    session.wake();
    assert.equal(session.state, "connecting");
});

test("one's name follows the answer to a nick", () => {
    const { server, session } = started();
    server.logIn();
    session.ask({ type: "nick", name: "anna" });
    const [{ id }] = server.take();
    server.send(event("renamed", 2, "Ann", { to: "Anna", re: id }));
    assert.equal(session.name, "Anna");
});
