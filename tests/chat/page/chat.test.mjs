// What the page knows of its rooms after what the server has said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Arrivals } from "../../../src/trionet/chat/page/arrivals.js";
import { Chat } from "../../../src/trionet/chat/page/chat.js";
import { beginsGroup, presenceText } from "../../../src/trionet/chat/page/rows.js";
import { Session } from "../../../src/trionet/chat/page/session.js";
import { MAX_FOLLOWED_ROWS, MAX_ROWS, MAX_SHOWN } from "../../../src/trionet/chat/page/timeline.js";
import { Actions } from "../../../src/trionet/chat/page/actions.js";
import { Clock, Server, event, said, timeOf } from "./helpers.mjs";

function entered(options = {}) {
    const clock = new Clock();
    const server = new Server();
    const called = [];
    const session = new Session({
        open: server.open,
        clock,
        random: () => 0.5,
        prefix: "p",
        on: {
            event: (...given) => arrivals.receive(...given),
            state: () => {},
            synced: () => arrivals.synced(),
            refused: () => {},
            epoch: () => arrivals.epochBegan(),
        },
    });
    const chat = new Chat(session, {
        changed: () => {},
        moved: () => {},
        called: (place, row) => called.push([place.name, row.text]),
    });
    const arrivals = new Arrivals(chat, session);
    const actions = new Actions(chat, session, { quit: () => {}, search: () => {} });
    session.start({ name: "Ann", rooms: () => chat.rooms().map((room) => room.key) });
    server.logIn(options);
    const all = { clock, server, session, chat, actions, called };
    all.lobby = chat.places.get("lobby");
    answerHistories(all, options.past ?? []);
    return all;
}

/** Answer all requests for a history from a list of events. Return the other requests. */
function answerHistories({ server }, past, { more = false } = {}) {
    const others = [];
    for (;;) {
        const requests = server.take();
        if (requests.length === 0) {
            return others;
        }
        for (const { type, room, id, before = Infinity, after = -1, limit = 50, ...rest } of requests) {
            if (type !== "history") {
                others.push({ type, room, id, ...rest });
                continue;
            }
            const inside = past.filter(
                (one) => (one.room ?? "@") === room && one.number < before && one.number > after,
            );
            const events = after === -1 ? inside.slice(-limit) : inside.slice(0, limit);
            const answer = { type: "history", room, events, more: inside.length > events.length || more };
            server.send({ ...answer, re: id });
        }
    }
}

function texts(place) {
    return place.timeline.all().map((row) => {
        switch (row.kind) {
            case "presence":
                return presenceText(row.changes);
            case "gap":
                return "GAP";
            default:
                return row.text;
        }
    });
}

function many(first, last, options) {
    return Array.from({ length: last - first + 1 }, (_, at) => said(first + at, `m${first + at}`, options));
}

test("a message stands in its room", () => {
    const { server, lobby } = entered();
    server.send(said(2, "hello"));
    assert.deepEqual(texts(lobby), ["hello"]);
});

test("a room begins with its history", () => {
    const { lobby } = entered({ past: many(1, 300), rooms: { lobby: 300 } });
    assert.equal(texts(lobby).length, 300);
    assert.equal(texts(lobby)[0], "m1");
    assert.equal(lobby.unread, 0);
});

test("a room that nobody looks at does not load its history", () => {
    const all = entered({ rooms: { lobby: 1, builds: 9 } });
    const { server, chat } = all;
    const builds = chat.places.get("builds");
    server.send(said(10, "ten", { room: "builds" }));
    answerHistories(all, many(1, 10, { room: "builds" }));
    assert.deepEqual(texts(builds), ["ten"]);
    chat.activate(builds);
    answerHistories(all, many(1, 10, { room: "builds" }));
    assert.equal(texts(builds).length, 10);
    assert.equal(builds.unread, 0);
});

test("a page of the history and what came meanwhile are told once", () => {
    const all = entered();
    const { server, chat } = all;
    server.send({ type: "entered", room: "b", topic: "", members: ["Ann"], count: 1, last: 10 });
    const room = chat.places.get("b");
    chat.activate(room);
    server.send(said(11, "eleven", { room: "b" }));
    answerHistories(all, [said(9, "nine", { room: "b" }), said(11, "eleven", { room: "b" })]);
    assert.deepEqual(texts(room), ["nine", "eleven"]);
});

test("one's own message is shown at once, and marked until its receipt comes", () => {
    const { server, lobby, actions } = entered();
    assert.equal(actions.enter("hi\nyou"), true);
    const [row] = lobby.timeline.all();
    assert.equal(row.isPending, true);
    const [ask] = server.take();
    assert.deepEqual(ask, { type: "say", room: "lobby", text: "hi\nyou", id: ask.id });
    server.send(said(2, "hi\nyou", { name: "Ann", re: ask.id }));
    assert.deepEqual(lobby.timeline.all(), [row]);
    assert.equal(row.isPending, false);
    assert.equal(row.number, 2);
    assert.equal(lobby.unread, 0);
});

test("what others say before the receipt stands before it", () => {
    const { server, lobby, actions } = entered();
    actions.enter("mine");
    actions.enter("mine too");
    const [one, two] = server.take();
    server.send(said(2, "theirs"), said(3, "mine", { name: "Ann", re: one.id }), said(4, "then"));
    assert.deepEqual(texts(lobby), ["theirs", "mine", "then", "mine too"]);
    server.send(said(5, "mine too", { name: "Ann", re: two.id }));
    assert.deepEqual(texts(lobby), ["theirs", "mine", "then", "mine too"]);
});

test("a mistake stands behind what was typed before it, and is not sent", () => {
    const { server, lobby, actions } = entered();
    actions.enter("mine");
    const [ask] = server.take();
    assert.equal(actions.enter("/dance"), false);
    assert.deepEqual(server.take(), []);
    server.send(said(2, "mine", { name: "Ann", re: ask.id }), said(3, "b"));
    assert.deepEqual(texts(lobby), ["mine", "unknown command /dance (try /help)", "b"]);
});

test("a message that was refused stays, with the reason", () => {
    const { server, lobby, actions } = entered();
    actions.enter("mine");
    const [ask] = server.take();
    server.send({ type: "error", code: "too-long", reason: "too long", re: ask.id });
    const [row] = lobby.timeline.all();
    assert.equal(row.failure, "too long");
    assert.equal(row.isPending, false);
});

test("what is typed while disconnected waits, and is said once", () => {
    const all = entered();
    const { server, lobby, actions, clock } = all;
    server.close();
    actions.enter("later");
    assert.equal(lobby.timeline.all()[0].isPending, true);
    clock.pass(250);
    server.logIn();
    const [ask] = answerHistories(all, []);
    assert.equal(ask.text, "later");
    server.send(said(2, "later", { name: "Ann", re: ask.id }));
    assert.deepEqual(texts(lobby), ["later"]);
});

test("a message that was told before its receipt is shown once", () => {
    const all = entered();
    const { server, lobby, actions, clock } = all;
    actions.enter("mine");
    server.take();
    server.close();
    clock.pass(250);
    // As after a restart: the replay has it, and does not know that it answers the request.
    server.logIn({ between: [said(2, "mine", { name: "Ann" })], rooms: { lobby: 2 } });
    const [ask] = answerHistories(all, []);
    server.send(said(2, "mine", { name: "Ann", re: ask.id }));
    assert.deepEqual(texts(lobby), ["mine"]);
    assert.equal(lobby.timeline.pending.length, 0);
});

test("an epoch that begins while one is connected keeps what waits for its receipt", () => {
    const all = entered();
    const { server, lobby, actions } = all;
    server.send(said(2, "m2"));
    actions.enter("mine");
    const [ask] = server.take();
    server.send({ type: "epoch", epoch: "e2", rooms: { lobby: 3 } });
    answerHistories(all, [said(2, "m2"), said(3, "m3")]);
    server.send(said(4, "mine", { name: "Ann", re: ask.id }));
    assert.deepEqual(texts(lobby), ["m2", "GAP", "m3", "mine"]);
});

test("people who come and go are one row, until something is said", () => {
    const { server, lobby } = entered();
    server.send(
        event("joined", 2, "Bob", { count: 2 }),
        event("joined", 3, "Cid", { count: 3 }),
        event("left", 4, "Bob", { count: 2, reason: "quit" }),
        said(5, "hi", { name: "Cid" }),
        event("left", 6, "Cid", { count: 1, reason: "lost" }),
    );
    assert.deepEqual(texts(lobby), ["Cid joined · Bob came and went", "hi", "Cid left"]);
    assert.deepEqual(lobby.members, ["Ann"]);
    assert.equal(lobby.unread, 0);
});

test("a row of people tells what became of each", () => {
    const change = (type, name, more) => ({ type, name, ...more });
    const rows = {
        "Bob left and came back": [change("left", "Bob"), change("joined", "Bob")],
        "a, b, c, d and e joined": [..."abcde"].map((name) => change("joined", name)),
        "a, b, c, d and 2 others joined": [..."abcdef"].map((name) => change("joined", name)),
        "Bea came and went · Bob is now Bea": [
            change("joined", "Bob"),
            change("renamed", "Bob", { to: "Bea" }),
            change("left", "Bea"),
        ],
    };
    for (const [text, changes] of Object.entries(rows)) {
        assert.equal(presenceText(changes), text);
    }
});

test("messages of one sender are a group, until time passes or somebody else speaks", () => {
    const { server, lobby } = entered();
    server.send(
        said(2, "a"),
        said(3, "b"),
        said(4, "c", { name: "Cid" }),
        said(400, "d", { name: "Cid" }),
        { ...said(401, "waves", { name: "Cid" }), type: "acted" },
        said(402, "e", { name: "Cid" }),
    );
    const rows = lobby.timeline.all();
    const groups = rows.map((row, at) => row.kind === "said" && beginsGroup(rows[at - 1], row));
    assert.deepEqual(groups, [true, false, true, true, false, true]);
});

test("messages elsewhere are unread, with a line before the first", () => {
    const all = entered({ rooms: { lobby: 1, builds: 1 } });
    const { server, chat } = all;
    const builds = chat.places.get("builds");
    server.send(said(2, "a", { room: "builds" }), said(3, "b Ann", { room: "builds" }));
    assert.equal(builds.unread, 2);
    assert.equal(builds.mentions, 1);
    assert.equal(builds.timeline.firstUnread.text, "a");
    assert.equal(chat.unread(), 2);
    assert.deepEqual(all.called, [["builds", "b Ann"]]);
    chat.activate(builds);
    assert.equal(chat.unread(), 0);
    assert.equal(builds.timeline.firstUnread.text, "a");
    chat.activate(chat.places.get("lobby"));
    assert.equal(builds.timeline.firstUnread, null);
});

test("what comes while nobody looks, or further up is read, is unread", () => {
    const { server, chat, lobby } = entered();
    chat.isVisible = false;
    server.send(said(2, "a"));
    assert.equal(lobby.unread, 1);
    chat.isVisible = true;
    chat.attend();
    assert.equal(lobby.unread, 0);
    lobby.timeline.isFollowed = false;
    server.send(said(3, "b"));
    assert.equal(lobby.unread, 1);
});

test("a private message opens a conversation, whatever the case of the name", () => {
    const all = entered();
    const { server, chat, actions } = all;
    const told = { type: "told", time: timeOf(1), text: "psst", number: 1, from: "Bob", to: "Ann" };
    server.send(told);
    const place = chat.places.get("@bob");
    assert.deepEqual([place.name, place.unread, place.mentions], ["Bob", 1, 1]);
    actions.enter("/msg BOB yes");
    assert.equal(chat.active, place);
    const [ask] = server.take();
    assert.deepEqual([ask.type, ask.to, ask.text], ["tell", "Bob", "yes"]);
    server.send({ ...told, number: 5, from: "Ann", to: "Bob", text: "yes", re: ask.id });
    assert.deepEqual(texts(place), ["psst", "yes"]);
});

test("a member who takes another name is the same in a conversation", () => {
    const { server, chat } = entered({ members: ["Ann", "Bob"] });
    chat.converse("Bob");
    server.send(event("renamed", 2, "Bob", { to: "Bea" }));
    assert.equal(chat.active.name, "Bea");
    assert.equal(chat.places.get("@bea"), chat.active);
});

test("a removed message loses its text", () => {
    const { server, lobby } = entered();
    server.send(said(2, "secret"), event("removed", 3, "Bob", { of: 2 }));
    assert.deepEqual(texts(lobby), [""]);
    assert.equal(lobby.timeline.rows[0].isRemoved, true);
});

test("lost lines are told in their place, and can be loaded", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(
        said(2, "m2"),
        { type: "missed", room: "lobby", after: 2, before: 6 },
        said(6, "m6"),
    );
    assert.deepEqual(texts(lobby), ["m2", "GAP", "m6"]);
    chat.history.fill(lobby, lobby.timeline.rows[1]);
    answerHistories(all, many(1, 9));
    assert.deepEqual(texts(lobby), ["m2", "m3", "m4", "m5", "m6"]);
});

test("a gap in front of a person who follows the end fills itself", () => {
    const all = entered();
    const { server, lobby } = all;
    server.send(said(2, "m2"));
    server.close();
    all.clock.pass(1_000);
    server.logIn({ between: [{ type: "missed", room: "lobby", after: 2, before: 161 }], rooms: { lobby: 160 } });
    answerHistories(all, many(1, 160));
    assert.deepEqual(texts(lobby), many(2, 160).map((one) => one.text));
    assert.equal(lobby.unread, 0);
});

test("a gap fills itself from its end, within bounds, and the rest a page at a time", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(said(2, "m2"), { type: "missed", room: "lobby", after: 2, before: 560 }, said(560, "m560"));
    const gap = lobby.timeline.rows[1];
    answerHistories(all, many(1, 600));
    assert.deepEqual(texts(lobby).slice(0, 3), ["m2", "GAP", "m360"]);
    assert.ok(lobby.timeline.rows.length < MAX_FOLLOWED_ROWS);
    chat.history.fill(lobby, gap);
    answerHistories(all, many(1, 600));
    assert.deepEqual(texts(lobby).slice(0, 3), ["m2", "GAP", "m260"]);
    for (let page = 0; page < 3; page += 1) {
        chat.history.fill(lobby, gap);
        answerHistories(all, many(1, 600));
    }
    assert.deepEqual(texts(lobby), many(2, 560).map((one) => one.text));
});

test("a gap in a room that nobody looks at is filled when somebody does", () => {
    const all = entered({ rooms: { lobby: 1, builds: 1 } });
    const { server, chat } = all;
    const builds = chat.places.get("builds");
    server.send(
        said(2, "b2", { room: "builds" }),
        { type: "missed", room: "builds", after: 2, before: 5 },
        said(5, "b5", { room: "builds" }),
    );
    assert.deepEqual(server.take().map(({ type }) => type), ["join"]);
    chat.activate(builds);
    answerHistories(all, many(1, 5, { room: "builds" }));
    assert.deepEqual(texts(builds), ["m1", "b2", "m3", "m4", "b5"]);
});

test("what fills a gap below what is read is unread, and a mention in it is told", () => {
    const all = entered({ past: many(1, 1) });
    const { server, lobby, called } = all;
    lobby.timeline.isFollowed = false;
    server.send({ type: "missed", room: "lobby", after: 1, before: 4 }, said(4, "m4"));
    const first = lobby.timeline.rows[0];
    answerHistories(all, [said(1, "m1"), said(2, "Ann?"), said(3, "mine", { name: "Ann" }), said(4, "m4")]);
    assert.deepEqual(texts(lobby), ["m1", "Ann?", "mine", "m4"]);
    assert.equal(lobby.timeline.rows[0], first);
    assert.equal(lobby.unread, 2);
    assert.equal(lobby.timeline.firstUnread.text, "Ann?");
    assert.deepEqual(called, [["lobby", "Ann?"]]);
});

test("a gap stays where the history does not have what was missed", () => {
    const all = entered();
    const { server, lobby } = all;
    server.send(said(2, "m2"), { type: "missed", room: "lobby", after: 2, before: 20 }, said(20, "m20"));
    const gap = lobby.timeline.rows[1];
    answerHistories(all, many(17, 20));
    assert.deepEqual(texts(lobby), ["m2", "GAP", "m17", "m18", "m19", "m20"]);
    // Nothing more can be loaded, and nobody asks again.
    assert.equal(all.chat.history.canFill(gap), false);
    server.send(said(21, "m21"));
    all.chat.history.mend(lobby);
    assert.deepEqual(server.take(), []);
});

test("what the history has lost is told on scrolling up, also when its gap has left the window", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(said(2, "m2"), { type: "missed", room: "lobby", after: 2, before: 600 }, ...many(600, 1100));
    assert.equal(texts(lobby).includes("GAP"), false);
    server.take();
    lobby.timeline.isFollowed = false;
    for (let page = 0; page < 20 && lobby.timeline.hasOlder; page += 1) {
        lobby.isLoading = false;
        chat.history.older(lobby);
        answerHistories(all, many(500, 1100));
    }
    assert.deepEqual(texts(lobby).slice(0, 2), ["GAP", "m500"]);
    assert.equal(texts(lobby).filter((text) => text === "GAP").length, 1);
    // A history that has everything leaves no doubt.
    const whole = entered();
    const sent = [said(2, "m2"), { type: "missed", room: "lobby", after: 2, before: 600 }, ...many(600, 1100)];
    whole.server.send(...sent);
    whole.server.take();
    whole.lobby.timeline.isFollowed = false;
    for (let page = 0; page < 20 && whole.lobby.timeline.hasOlder; page += 1) {
        whole.lobby.isLoading = false;
        whole.chat.history.older(whole.lobby);
        answerHistories(whole, many(1, 1100));
    }
    assert.equal(texts(whole.lobby).includes("GAP"), false);
    assert.equal(texts(whole.lobby)[0], "m1");
});

test("a gap of an older epoch is not filled with numbers that mean others now", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(said(2, "m2"), { type: "missed", room: "lobby", after: 2, before: 6 });
    const gap = lobby.timeline.rows.find((row) => row.kind === "gap");
    server.send({ type: "epoch", epoch: "e2", rooms: { lobby: 9 } });
    server.take();
    chat.history.fill(lobby, gap);
    assert.equal(chat.history.canFill(gap), false);
    assert.deepEqual(server.take(), []);
});

test("a window that is full loses its oldest rows to a gap that is filled at its end", () => {
    const { lobby } = entered();
    const { timeline } = lobby;
    const row = (number) => ({ kind: "said", number, last: number, text: `m${number}` });
    timeline.rows = Array.from({ length: MAX_ROWS }, (_, at) => row(at + 1));
    const gap = { kind: "gap", number: null, last: null, after: MAX_ROWS, before: MAX_ROWS + 3, version: 0 };
    timeline.rows.push(gap, row(MAX_ROWS + 3));
    timeline.fill(gap, [row(MAX_ROWS + 1), row(MAX_ROWS + 2)], { after: null, before: null });
    assert.ok(timeline.rows.length <= MAX_ROWS);
    assert.equal(timeline.newest(), MAX_ROWS + 3);
    assert.equal(timeline.hasNewer, false);
    assert.equal(timeline.hasOlder, true);
});

test("after a new epoch a row says that messages may be missing", () => {
    const all = entered();
    const { server, lobby, clock } = all;
    server.send(said(2, "m2"), said(3, "m3"));
    server.close();
    clock.pass(250);
    server.logIn({
        epoch: "e2",
        rooms: { lobby: 1 },
        between: [{ type: "missed", room: "lobby", after: 3, before: 2 }],
    });
    answerHistories(all, []);
    server.send(said(2, "new"));
    assert.deepEqual(texts(lobby), ["m2", "m3", "GAP", "new"]);
});

test("what the history has of the time between the epochs stands behind that row, once", () => {
    const all = entered();
    const { server, lobby, clock } = all;
    server.send(said(2, "m2"), said(3, "m3"));
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 6 } });
    server.send(said(7, "m7"));
    answerHistories(all, many(1, 7));
    assert.deepEqual(texts(lobby), ["m2", "m3", "GAP", "m4", "m5", "m6", "m7"]);
});

test("one's own message that the history has is not said again after a new epoch", () => {
    const all = entered();
    const { server, lobby, clock, actions } = all;
    server.send(said(2, "m2"));
    actions.enter("mine");
    actions.enter("mine too");
    server.take();
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 4 } });
    const past = [said(2, "m2"), said(3, "mine", { name: "Ann" })];
    const others = answerHistories(all, past);
    assert.deepEqual(others.map(({ text }) => text), ["mine too"]);
    assert.deepEqual(texts(lobby), ["m2", "GAP", "mine", "mine too"]);
});

test("who came and went before the new epoch is not told again", () => {
    const all = entered();
    const { server, lobby, clock } = all;
    const joined = event("joined", 3, "Bob", { count: 2 });
    server.send(said(2, "m2"), joined);
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 4 } });
    answerHistories(all, [said(2, "m2"), joined, said(4, "m4")]);
    assert.deepEqual(texts(lobby), ["m2", "Bob joined", "GAP", "m4"]);
});

test("an old message with the same text does not stand for one without a receipt", () => {
    const all = entered();
    const { server, lobby, clock, actions } = all;
    actions.enter("ok");
    const [first] = server.take();
    server.send(said(2, "ok", { name: "Ann", re: first.id }));
    actions.enter("ok");
    server.take();
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 4 } });
    const others = answerHistories(all, [said(2, "ok", { name: "Ann" })]);
    assert.deepEqual(others.map(({ text }) => text), ["ok"]);
    assert.deepEqual(texts(lobby), ["ok", "GAP", "ok"]);
});

test("a private message without a receipt is not sent again after a new epoch", () => {
    const all = entered();
    const { server, chat, clock, actions } = all;
    actions.enter("/msg Bob psst");
    server.take();
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 4 } });
    assert.deepEqual(answerHistories(all, []), []);
    assert.match(chat.places.get("@bob").timeline.all()[0].failure, /may not have arrived/);
});

test("older messages are not asked for by numbers that mean others now", () => {
    const all = entered();
    const { server, lobby, clock, chat } = all;
    lobby.timeline.hasOlder = true;
    server.send(...many(500, 510));
    server.close();
    clock.pass(250);
    server.logIn({ epoch: "e2", rooms: { lobby: 1 } });
    answerHistories(all, many(1, 5));
    const before = texts(lobby);
    chat.history.older(lobby);
    answerHistories(all, many(1, 5));
    assert.deepEqual(texts(lobby), before);
    assert.equal(lobby.timeline.hasOlder, false);
});

test("a room that cannot be entered again is closed", () => {
    const all = entered({ rooms: { lobby: 1, builds: 1 } });
    const { server, chat, clock } = all;
    server.close();
    clock.pass(250);
    server.logIn({ rooms: { lobby: 1 } });
    assert.deepEqual(chat.rooms().map((room) => room.key), ["lobby"]);
});

test("one's own leaving closes the room, and an old one in the replay does not", () => {
    const all = entered({ rooms: { lobby: 1, builds: 1 } });
    const { server, chat, clock } = all;
    server.close();
    clock.pass(250);
    const old = event("left", 2, "Ann", { count: 0, reason: "lost" });
    server.logIn({ rooms: { lobby: 3, builds: 1 }, between: [old] });
    assert.equal(chat.rooms().length, 2);
    server.send(event("left", 4, "Ann", { count: 0, reason: "left" }));
    assert.deepEqual(chat.rooms().map((room) => room.key), ["builds"]);
    assert.equal(chat.active.key, "builds");
});

test("a flood leaves a bounded number of rows, at least 200 of them", () => {
    const { server, lobby } = entered();
    server.send(...many(2, 20_001));
    const { rows, hasOlder } = lobby.timeline;
    assert.ok(rows.length >= 200 && rows.length <= MAX_FOLLOWED_ROWS, rows.length);
    assert.equal(rows.at(-1).text, "m20001");
    assert.equal(hasOlder, true);
});

test("a flood does not move what is read further up, and the end can be reached again", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(...many(2, 100));
    lobby.timeline.isFollowed = false;
    const [first] = lobby.timeline.rows;
    server.send(...many(101, 5000));
    assert.equal(lobby.timeline.rows[0], first);
    assert.equal(lobby.timeline.rows.length, MAX_ROWS);
    assert.equal(lobby.timeline.hasNewer, true);
    assert.equal(lobby.unread, 4900);
    chat.history.newer(lobby);
    answerHistories(all, many(1, 5000));
    assert.equal(lobby.timeline.newest(), MAX_ROWS + 1 + 100);
    chat.history.toEnd(lobby);
    answerHistories(all, many(1, 5000));
    assert.equal(texts(lobby).at(-1), "m5000");
    assert.equal(lobby.timeline.hasNewer, false);
    server.send(said(5001, "on"));
    assert.equal(texts(lobby).at(-1), "on");
});

test("without a history everything stays within bounds too", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    chat.history.older(lobby);
    lobby.timeline.hasOlder = true;
    chat.history.older(lobby);
    for (const { id } of server.take()) {
        server.send({ type: "error", code: "unavailable", reason: "no history is kept here", re: id });
    }
    lobby.timeline.isFollowed = false;
    server.send(...many(2, 5000));
    assert.ok(lobby.timeline.rows.length <= MAX_ROWS);
    assert.equal(texts(lobby).at(-1), "m5000");
    assert.equal(lobby.timeline.hasOlder, false);
});

test("scrolling up loads the page before, and people who came and went stay condensed", () => {
    const past = [
        ...many(1, 400),
        event("joined", 401, "Cid", { count: 2 }),
        event("joined", 402, "Dan", { count: 3 }),
        ...many(403, 500),
    ];
    const all = entered({ past: past.slice(401), rooms: { lobby: 500 } });
    const { lobby, chat } = all;
    assert.equal(texts(lobby)[0], "Dan joined");
    lobby.timeline.hasOlder = true;
    chat.history.older(lobby);
    answerHistories(all, past);
    assert.ok(texts(lobby).includes("Cid and Dan joined"));
    assert.equal(lobby.timeline.rows.filter((row) => row.kind === "presence").length, 1);
});

test("a found message is shown among its neighbours", () => {
    const all = entered();
    const { lobby, chat, server } = all;
    server.send(...many(900, 1000));
    let isShown = false;
    chat.history.around(lobby, 500, () => (isShown = true));
    answerHistories(all, many(1, 1000));
    assert.equal(isShown, true);
    assert.equal(lobby.timeline.find(500).text, "m500");
    assert.equal(lobby.timeline.hasNewer, true);
    assert.equal(lobby.timeline.hasOlder, true);
});

test("a large room's members are asked for", () => {
    const all = entered();
    const { server, chat } = all;
    server.send({ type: "entered", room: "big", topic: "", members: ["a", "b"], count: 3, last: 1, re: "x" });
    const room = chat.places.get("big");
    chat.activate(room);
    const [who] = answerHistories(all, []).filter(({ type }) => type === "who");
    server.send({ type: "members", room: "big", members: ["a", "b", "Ann"], re: who.id });
    assert.deepEqual(room.members, ["a", "b", "Ann"]);
});

test("names are completed with who spoke last first", () => {
    const { server, lobby } = entered({ members: ["Ann", "Bob", "Bea", "Cid"] });
    server.send(said(2, "a", { name: "Cid" }), said(3, "b", { name: "Bob" }));
    assert.deepEqual(lobby.namesToComplete("Ann"), ["Bob", "Cid", "Bea"]);
});

test("a room of the login that cannot be joined is told", () => {
    const { server, lobby } = entered();
    server.send({ type: "error", code: "name-refused", reason: "no", room: "x y", re: "p-1" });
    assert.deepEqual(texts(lobby), ["x y: no"]);
});

test("private messages of the time between are added once", () => {
    const all = entered();
    const { chat } = all;
    const told = { type: "told", time: timeOf(1), text: "psst", number: 1, from: "Bob", to: "Ann" };
    for (let times = 0; times < 2; times += 1) {
        chat.history.privateMessages();
        answerHistories(all, [told]);
    }
    assert.deepEqual(texts(chat.places.get("@bob")), ["psst"]);
});

test("private messages that were missed are loaded and unread, and no gap stays", () => {
    const all = entered();
    const { server, chat } = all;
    const told = (number, text) => ({ type: "told", time: timeOf(number), text, number, from: "Bob", to: "Ann" });
    server.send(told(1, "one"));
    const bob = chat.places.get("@bob");
    assert.equal(bob.unread, 1);
    server.send({ type: "missed", room: "@", after: 1, before: 4 }, told(4, "four"));
    assert.deepEqual(texts(bob), ["one", "GAP", "four"]);
    answerHistories(all, [told(1, "one"), told(2, "two"), told(3, "three"), told(4, "four")]);
    assert.deepEqual(texts(bob), ["one", "two", "three", "four"]);
    assert.equal(bob.unread, 4);
    // What the server does not have any more is told.
    server.send({ type: "missed", room: "@", after: 4, before: 200 }, told(200, "late"));
    answerHistories(all, [told(150, "150"), told(200, "late")]);
    assert.deepEqual(texts(bob).filter((text) => text === "GAP").length, 1);
});

test("what is said while the last page is on its way follows it", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(...many(2, 100));
    lobby.timeline.isFollowed = false;
    server.send(...many(101, MAX_ROWS + 60));
    assert.equal(lobby.timeline.hasNewer, true);
    server.take();
    chat.history.newer(lobby);
    const [{ id, after }] = server.take();
    // The server has read the page, and sends this before it.
    server.send(...many(MAX_ROWS + 61, MAX_ROWS + 63));
    const events = many(after + 1, MAX_ROWS + 60);
    server.send({ type: "history", room: "lobby", events, more: false, re: id });
    assert.equal(lobby.timeline.hasNewer, false);
    assert.deepEqual(texts(lobby).slice(-4), many(MAX_ROWS + 60, MAX_ROWS + 63).map(({ text }) => text));
    const numbers = lobby.timeline.rows.map((row) => row.number);
    assert.deepEqual(numbers, numbers.map((_, at) => numbers[0] + at));
});

test("more than is kept at hand while the last page is on its way takes another page", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(...many(2, 100));
    lobby.timeline.isFollowed = false;
    server.send(...many(101, MAX_ROWS + 60));
    server.take();
    chat.history.toEnd(lobby);
    const [{ id }] = server.take();
    server.send(...many(MAX_ROWS + 61, MAX_ROWS + 1000));
    const events = many(MAX_ROWS + 1, MAX_ROWS + 60);
    server.send({ type: "history", room: "lobby", events, more: true, re: id });
    assert.equal(lobby.timeline.hasNewer, true);
    for (let page = 0; page < 20 && lobby.timeline.hasNewer; page += 1) {
        chat.history.newer(lobby);
        answerHistories(all, many(1, MAX_ROWS + 1000));
    }
    const numbers = lobby.timeline.rows.map((row) => row.number);
    assert.deepEqual(numbers, numbers.map((_, at) => numbers[0] + at));
    assert.equal(numbers.at(-1), MAX_ROWS + 1000);
});

test("the line before what is unread is shown when its message is loaded", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(...many(2, MAX_FOLLOWED_ROWS));
    lobby.timeline.isFollowed = false;
    lobby.timeline.hasNewer = true;
    server.send(...many(MAX_FOLLOWED_ROWS + 1, MAX_FOLLOWED_ROWS + 9));
    server.take();
    chat.history.newer(lobby);
    answerHistories(all, many(1, MAX_FOLLOWED_ROWS + 9));
    assert.equal(lobby.unread, 9);
    assert.ok(lobby.timeline.rows.includes(lobby.timeline.firstUnread));
    assert.equal(lobby.timeline.firstUnread.number, MAX_FOLLOWED_ROWS + 1);
});

test("a gap that is filled near the end of a full window does not cut the end off", () => {
    const { lobby } = entered();
    const { timeline } = lobby;
    const row = (number) => ({ kind: "said", number, last: number, text: `m${number}` });
    timeline.isFollowed = false;
    timeline.rows = Array.from({ length: MAX_ROWS - 1 }, (_, at) => row(at + 1));
    const gap = { kind: "gap", number: null, last: null, after: MAX_ROWS - 1, before: MAX_ROWS + 2, version: 0 };
    timeline.rows.push(gap, row(MAX_ROWS + 2));
    timeline.fill(gap, [row(MAX_ROWS), row(MAX_ROWS + 1)], null);
    assert.equal(timeline.newest(), MAX_ROWS + 2);
    assert.equal(timeline.hasNewer, false);
});

test("who is in a room is asked again after events of it were dropped", () => {
    const all = entered({ members: ["Ann", "Bob"], rooms: { lobby: 1, builds: 1 } });
    const { server, lobby, chat } = all;
    server.send({ type: "missed", room: "builds", after: 1, before: 9 });
    server.send({ type: "missed", room: "builds", after: 9, before: 12 });
    const [join, ...more] = answerHistories(all, []);
    assert.deepEqual([join.type, join.room, more], ["join", "builds", []]);
    const entering = { type: "entered", room: "builds", topic: "new", members: ["Ann", "Cid"], count: 2, last: 12 };
    server.send({ ...entering, re: join.id });
    const builds = chat.places.get("builds");
    assert.deepEqual([builds.members, builds.topic, builds.count], [["Ann", "Cid"], "new", 2]);
    // Nobody has asked to see it.
    assert.equal(chat.active, lobby);
    server.send({ type: "missed", room: "builds", after: 12, before: 20 });
    assert.deepEqual(answerHistories(all, []).map(({ type }) => type), ["join"]);
});

test("all members of a large room are asked for again after events of it were dropped", () => {
    const all = entered({ members: ["Ann", "Bob"] });
    const { server, lobby } = all;
    server.send({ type: "missed", room: "lobby", after: 1, before: 9 });
    const [join] = answerHistories(all, []);
    server.send({ type: "entered", room: "lobby", topic: "", members: ["Ann"], count: 30, last: 9, re: join.id });
    const [who] = answerHistories(all, []);
    assert.equal(who.type, "who");
    const members = Array.from({ length: 30 }, (_, at) => `m${at}`);
    server.send({ type: "members", room: "lobby", members, re: who.id });
    assert.deepEqual(lobby.members, members);
});

test("a room that is being left, or that a new connection enters, is not asked about", () => {
    const all = entered({ rooms: { lobby: 1, builds: 1 } });
    const { server, chat, clock, actions } = all;
    server.send({ type: "missed", room: "lobby", after: 1, before: 9 });
    server.take();
    server.close();
    clock.pass(1_000);
    server.logIn({ rooms: { lobby: 9, builds: 1 } });
    assert.deepEqual(answerHistories(all, many(1, 9)), []);
    actions.close(chat.places.get("builds"));
    server.send({ type: "missed", room: "builds", after: 1, before: 9 });
    assert.deepEqual(answerHistories(all, []).map(({ type }) => type), ["leave"]);
});

test("a room that was left although the answer was lost is closed", () => {
    const all = entered({ rooms: { lobby: 1, builds: 1 } });
    const { server, chat, actions } = all;
    actions.close(chat.places.get("builds"));
    const [leave] = answerHistories(all, []);
    server.send({ type: "error", code: "not-in-room", reason: "you are not in builds", re: leave.id });
    assert.equal(chat.places.has("builds"), false);
});

test("a private message to nobody leaves no conversation, and its text comes back", () => {
    const all = entered();
    const { server, chat, lobby, actions } = all;
    actions.enter("/msg Zed are you there?");
    const [tell] = server.take();
    assert.deepEqual([tell.type, tell.to], ["tell", "Zed"]);
    server.send({ type: "error", code: "no-such-member", reason: "there is no Zed here", re: tell.id });
    assert.deepEqual(chat.conversations(), []);
    assert.equal(chat.active, lobby);
    assert.deepEqual(texts(lobby), ["not sent: there is no Zed here"]);
    assert.equal(lobby.draft, "/msg Zed are you there?");
});

test("a conversation with a member who has left stays", () => {
    const all = entered({ members: ["Ann", "Bob"] });
    const { server, chat, actions } = all;
    actions.enter("/msg Bob hi");
    const [first] = server.take();
    server.send({ type: "told", number: 1, time: timeOf(2), from: "Ann", to: "Bob", text: "hi", re: first.id });
    actions.enter("still there?");
    const [second] = server.take();
    server.send({ type: "error", code: "no-such-member", reason: "there is no Bob here", re: second.id });
    assert.deepEqual(texts(chat.places.get("@bob")), ["hi", "still there?"]);
    assert.equal(chat.active.name, "Bob");
});

test("a conversation is opened without a text only with somebody who is known", () => {
    const all = entered({ members: ["Ann", "Bob"] });
    const { chat, lobby, actions } = all;
    assert.equal(actions.enter("/msg Zed"), false);
    assert.deepEqual(chat.conversations(), []);
    assert.match(texts(lobby).at(-1), /there is no Zed/);
    assert.equal(actions.enter("/msg bob"), true);
    assert.equal(chat.active.name, "Bob");
});

test("what is typed behind a join comes along into the room, and an older draft stays", () => {
    const all = entered();
    const { server, chat, lobby, actions } = all;
    const enter = (room) => {
        const [join] = answerHistories(all, []);
        server.send({ type: "entered", room, topic: "", members: ["Ann"], count: 1, last: 1, re: join.id });
    };
    actions.enter("/join builds");
    lobby.draft = "typed since";
    enter("builds");
    assert.deepEqual([chat.active.key, chat.active.draft, lobby.draft], ["builds", "typed since", ""]);
    chat.activate(lobby);
    lobby.draft = "half a";
    actions.join("third");
    enter("third");
    assert.deepEqual([chat.active.key, chat.active.draft, lobby.draft], ["third", "", "half a"]);
});

test("what is typed behind several joins comes along through all of them", () => {
    const all = entered();
    const { server, chat, lobby, actions } = all;
    const enter = ({ room, id }) =>
        server.send({ type: "entered", room, topic: "", members: ["Ann"], count: 1, last: 1, re: id });
    actions.enter("/join one");
    actions.enter("/join two");
    const [one, two] = answerHistories(all, []);
    enter(one);
    chat.active.draft = "typed since";
    enter(two);
    assert.deepEqual([chat.active.key, chat.active.draft, lobby.draft], ["two", "typed since", ""]);
});

test("what is entered behind a join is said nowhere before the room has opened", () => {
    const all = entered();
    const { server, chat, lobby, actions } = all;
    actions.enter("/join builds");
    lobby.draft = "for builds";
    assert.equal(actions.enter("for builds"), false);
    const requests = answerHistories(all, []);
    assert.deepEqual(requests.map(({ type }) => type), ["join"]);
    server.send({ type: "error", code: "too-many", reason: "no more rooms", re: requests[0].id });
    assert.equal(actions.enter("for the lobby then"), true);
    assert.equal(chat.active, lobby);
});

test("however many messages wait for a receipt, the rows to show are bounded", () => {
    const { server, lobby, actions } = entered();
    lobby.timeline.isFollowed = false;
    server.send(...many(2, MAX_ROWS));
    for (let number = 0; number < 300; number += 1) {
        actions.enter(`mine ${number}`);
    }
    const rows = lobby.timeline.all();
    assert.equal(rows.length, MAX_SHOWN);
    assert.equal(rows.at(-1).text, "mine 299");
});

test("what the history has lost behind a cut window is told on scrolling down", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(...many(2, MAX_FOLLOWED_ROWS));
    lobby.timeline.isFollowed = false;
    lobby.timeline.hasNewer = true;
    server.send(...many(MAX_FOLLOWED_ROWS + 1, 1000));
    server.take();
    // The server keeps only the newest.
    const kept = many(951, 1000);
    chat.history.newer(lobby);
    answerHistories(all, kept);
    assert.deepEqual(texts(lobby).slice(-52, -49), [`m${MAX_FOLLOWED_ROWS}`, "GAP", "m951"]);
    assert.equal(texts(lobby).at(-1), "m1000");
    assert.equal(chat.history.canFill(lobby.timeline.rows.find(({ kind }) => kind === "gap")), false);
});

test("numbers of removed messages are no loss on scrolling down", () => {
    const all = entered();
    const { server, lobby, chat } = all;
    server.send(...many(2, 300));
    lobby.timeline.isFollowed = false;
    lobby.timeline.hasNewer = true;
    server.send(...many(301, 350));
    server.take();
    const kept = [...many(2, 300), event("removed", 351, "Bob", { of: 301 }), ...many(302, 350)];
    kept.sort((one, other) => one.number - other.number);
    chat.history.newer(lobby);
    answerHistories(all, kept);
    assert.deepEqual(texts(lobby).slice(-51, -48), ["m299", "m300", "m302"]);
    assert.equal(texts(lobby).includes("GAP"), false);
    assert.equal(lobby.unread, 50);
});
