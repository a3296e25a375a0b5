// A member's connection to the server: it logs in, listens, and comes back when it is lost.
//
// The plan of this file: `start` connects and logs in, `ask` sends a request as soon as the
// connection is live, and `onEvent` gets every event that is new. A lost connection is tried again in
// growing pauses, and the login then resumes: token, rooms, and the last number seen of each room. A
// ping after the login marks the end of the replay; requests without an answer are sent again after it.
// Such a ping is sent again when answers were dropped that the server cannot name: what was sent
// before it and is not answered when its pong comes is sent once more.
//
// The socket, the clock and chance are given, so that this is tested without a browser.

import { Asks } from "./asks.js";
import { jittered, pausesWithoutEnd } from "./pauses.js";
import { readEvents, writeRequests } from "./protocol.js";
import { Seen } from "./seen.js";
import { ANSWER_MS, Watch } from "./watch.js";

// After wrong passwords a server waits for up to a minute before it checks the next.
const PASSWORD_MS = 75_000;

// How long the server may take to answer everything and close after `quit`.
const GOODBYE_MS = 2_000;

export class Session {
    name = "";
    token = null;
    epoch = null;
    seen = new Seen();
    // "idle", "connecting", "live", "waiting" (until the next try) or "taken" (by another window).
    state = "idle";
    // Why the connection was lost, and when the next try is, in milliseconds of the clock.
    reason = "";
    nextTry = 0;

    #open;
    #clock;
    #random;
    #on;
    #password = null;
    #rooms = () => [];
    #socket = null;
    #pauses = pausesWithoutEnd();
    #watch;
    #login = null;
    #sync = null;
    // How many requests were sent before the newest such ping.
    #syncOrder = 0;
    #isLoggedIn = false;
    #farewell = "";
    #leaving = null;

    /**
     * - `open(handlers)` opens a socket, which has `send(text)` and `close()`; it calls `opened()`,
     *   `received(text)` and `closed(reason)` of the handlers, but not before it has returned.
     * - `clock` has `now()`, `set(callback, milliseconds)` and `clear(timer)`.
     * - `random()` returns a number from 0 to 1.
     * - `on` has `event(event, ask, isReplayed)`, `state()`, `synced()`, `refused(code, reason)`, and
     *   `epoch()`, which is called before the first event of a new epoch.
     * - `prefix` begins the ids of requests; it must be new for each page.
     */
    constructor({ open, clock, random, on, prefix }) {
        this.#open = open;
        this.#clock = clock;
        this.#random = random;
        this.#on = on;
        this.asks = new Asks(prefix);
        this.#watch = new Watch(clock, {
            ask: () => this.#socket.send(writeRequests([{ type: "ping" }])),
            lost: () => this.#lost("the server does not answer"),
        });
    }

    /** Log in, and stay logged in. `rooms()` returns the names of the rooms to be in. */
    start({ name, password = null, rooms }) {
        this.stop();
        this.name = name;
        this.#password = password;
        this.#rooms = rooms;
        this.#pauses = pausesWithoutEnd();
        this.#connect();
    }

    /** End the connection, without a word to the server. */
    stop() {
        this.#leaving = null;
        this.#drop();
        this.#become("idle", "");
    }

    /** Leave the chat; `done` is called when the server has closed the connection, or soon after. */
    quit(done) {
        this.token = null;
        const end = () => {
            this.stop();
            done();
        };
        if (!this.#isLoggedIn) {
            end();
            return;
        }
        this.#leaving = end;
        this.#socket.send(writeRequests([{ type: "quit" }]));
        this.#watch.after(GOODBYE_MS, end);
    }

    /** Send a request as soon as possible; `answer(event, ask)` is called with its answer. */
    ask(fields, answer) {
        const ask = this.asks.add(fields, answer);
        this.flush();
        return ask;
    }

    /** Send what can be sent now. */
    flush() {
        if (this.state === "live") {
            const requests = this.asks.take();
            if (requests.length > 0) {
                this.#socket.send(writeRequests(requests));
            }
        }
    }

    /** Try again at once because the user asks for it, also to take the place back. */
    retry() {
        if (this.state === "waiting" || this.state === "taken") {
            this.#connect();
        }
    }

    /** Try again at once, or see whether the server is there: the network or the person is back. */
    wake() {
        if (this.state === "waiting") {
            this.#connect();
        } else if (this.state === "live" && this.#watch.quiet >= ANSWER_MS) {
            this.#watch.probe();
        }
    }

    #connect() {
        this.#drop();
        this.#farewell = "";
        this.#become("connecting", this.reason);
        // A late callback of an older socket must not be mistaken for one of this socket.
        const mine = {
            opened: () => this.#socket === socket && this.#logIn(),
            received: (text) => this.#socket === socket && this.#receive(text),
            closed: (reason) => this.#socket === socket && this.#lost(reason),
        };
        const socket = this.#open(mine);
        this.#socket = socket;
        this.#watch.heard();
        this.#expect();
    }

    #expect() {
        this.#watch.expect(() => (this.#isJudged ? PASSWORD_MS : ANSWER_MS));
    }

    // Whether the server has a password to check, and has not answered yet.
    get #isJudged() {
        return this.#login !== null && !this.#isLoggedIn && this.#password !== null;
    }

    #logIn() {
        this.#login = this.asks.nextId();
        this.#sync = this.asks.nextId();
        const leaving = this.asks.roomsBeingLeft();
        const login = {
            type: "login",
            name: this.name,
            hold: true,
            rooms: this.#rooms().filter((room) => !leaving.has(room)),
            id: this.#login,
        };
        if (this.#password !== null) {
            login.password = this.#password;
        }
        if (this.token !== null) {
            login.token = this.token;
        }
        if (this.epoch !== null) {
            login.epoch = this.epoch;
            login.seen = Object.fromEntries(this.seen.numbers);
        }
        this.#socket.send(writeRequests([login, { type: "ping", id: this.#sync }]));
        this.#expect();
    }

    #receive(text) {
        this.#watch.heard();
        const socket = this.#socket;
        for (const event of readEvents(text)) {
            this.#handle(event);
            if (this.#socket !== socket) {
                return;
            }
        }
    }

    #handle(event) {
        const { type, re } = event;
        if (type === "pong" && re === this.#sync) {
            if (this.state === "live") {
                this.asks.missedBefore(this.#syncOrder);
                this.flush();
            } else {
                this.#synced();
            }
        } else if (type === "error" && !this.#isLoggedIn) {
            this.#refused(event);
        } else if (type === "welcome") {
            this.#welcome(event);
        } else if (type === "plain") {
            this.#farewell = event.text;
        } else {
            if (type === "closing") {
                this.#farewell = event.reason;
            } else if (type === "error" && re === undefined && event.code === "timeout") {
                this.#farewell = event.reason;
            } else if (type === "missed" && event.room === undefined) {
                this.#missedAnswers(event);
                if (this.#socket === null) {
                    return;
                }
            }
            if (type === "epoch") {
                this.#newEpoch(event.epoch);
            }
            const isReplayed = this.seen.isReplayed(event);
            const isNew = this.seen.learn(event, this.name);
            const ask = type === "missed" ? null : this.asks.receive(event);
            if (ask !== null) {
                this.#answered(ask, event);
            }
            if (isNew) {
                this.#on.event(event, ask, isReplayed);
            }
            ask?.answer(event, ask);
            this.flush();
        }
    }

    #missedAnswers({ count, re }) {
        const named = Array.isArray(re) ? re : [];
        if (named.includes(this.#login)) {
            // Without the welcome nothing is known of this connection.
            this.#lost("the server's answer was lost");
            return;
        }
        this.asks.missed(named);
        if (count > named.length || named.includes(this.#sync)) {
            this.#sync = this.asks.nextId();
            this.#syncOrder = this.asks.sent;
            this.#socket.send(writeRequests([{ type: "ping", id: this.#sync }]));
        }
    }

    // The name changes with the answer to `nick`, which may have come in the replay.
    #answered(ask, event) {
        if (ask.fields.type === "nick" && event.type !== "error") {
            this.name = event.to ?? ask.fields.name;
        }
    }

    #welcome(event) {
        this.#isLoggedIn = true;
        this.name = event.name;
        this.token = event.token;
        this.#pauses = pausesWithoutEnd();
        this.#newEpoch(event.epoch);
        if (!event.resumed) {
            this.seen.clearPrivate();
        }
        this.#on.event(event, null, false);
    }

    #newEpoch(epoch) {
        if (epoch !== this.epoch) {
            if (this.epoch !== null) {
                this.#on.epoch();
            }
            this.seen.clear();
            this.epoch = epoch;
        }
    }

    #synced() {
        this.#farewell = "";
        this.#become("live", "");
        this.#watch.listen();
        this.#on.synced();
        this.flush();
    }

    #refused({ code, reason }) {
        // A password that was not checked in time may be wrong, and each try makes the wait longer.
        const isPasswordLate = code === "timeout" && this.#isJudged && this.token === null;
        // A server that ends, or that waited for the login too long, is tried again.
        if (!isPasswordLate && (code === "closing" || code === "timeout")) {
            this.#farewell = reason;
            return;
        }
        this.stop();
        const late = "the server waits after wrong passwords: try again in a minute";
        this.#on.refused(code, isPasswordLate ? late : reason);
    }

    #lost(reason) {
        if (this.#leaving !== null) {
            this.#leaving();
            return;
        }
        const farewell = this.#farewell;
        this.#drop();
        if (farewell === "taken over") {
            this.#become("taken", "the chat continues in another window");
            return;
        }
        const pause = 1000 * jittered(this.#pauses.next().value, this.#random());
        this.nextTry = this.#clock.now() + pause;
        this.#become("waiting", farewell || reason);
        this.#watch.after(pause, () => this.#connect());
    }

    #drop() {
        this.#watch.stop();
        const socket = this.#socket;
        this.#socket = null;
        this.#login = null;
        this.#isLoggedIn = false;
        this.seen.disconnected();
        socket?.close();
        this.asks.lost();
    }

    #become(state, reason) {
        this.state = state;
        this.reason = reason;
        this.#on.state();
    }
}
