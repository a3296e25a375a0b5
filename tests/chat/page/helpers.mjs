// A server and a clock for the tests of the page's modules.

const EPOCH = "e1";

/** A clock that stands still until it is told to go on. */
export class Clock {
    time = 1_000_000;
    #timers = new Map();
    #last = 0;

    now() {
        return this.time;
    }

    set(callback, milliseconds) {
        this.#last += 1;
        this.#timers.set(this.#last, { callback, at: this.time + milliseconds });
        return this.#last;
    }

    clear(timer) {
        this.#timers.delete(timer);
    }

    /** Let time pass, and call what is due in its order. */
    pass(milliseconds) {
        const end = this.time + milliseconds;
        for (;;) {
            const due = [...this.#timers].filter(([, { at }]) => at <= end);
            due.sort(([, one], [, other]) => one.at - other.at);
            if (due.length === 0) {
                break;
            }
            const [timer, { callback, at }] = due[0];
            this.#timers.delete(timer);
            this.time = Math.max(at, this.time);
            callback();
        }
        this.time = end;
    }
}

/** The server's side of all connections of a session. */
export class Server {
    sockets = [];
    isReachable = true;

    open = (handlers) => {
        const socket = {
            handlers,
            sent: [],
            isClosed: false,
            send: (text) => {
                for (const line of text.trimEnd().split("\n")) {
                    socket.sent.push(JSON.parse(line));
                }
            },
            close: () => {
                socket.isClosed = true;
            },
        };
        this.sockets.push(socket);
        return socket;
    };

    get socket() {
        return this.sockets.at(-1);
    }

    /** Return what was sent since the last call. */
    take() {
        return this.socket.sent.splice(0);
    }

    send(...events) {
        this.socket.handlers.received(events.map((event) => JSON.stringify(event) + "\n").join(""));
    }

    close(reason = "gone") {
        this.socket.handlers.closed(reason);
    }

    /** Let the newest connection open, and answer its login. Return the login. */
    logIn({ name, epoch = EPOCH, resumed = false, between = [], rooms = { lobby: 1 }, members } = {}) {
        this.socket.handlers.opened();
        const [login, ping] = this.take();
        this.send({ type: "welcome", name: name ?? login.name, token: "t".repeat(32), epoch, resumed, re: login.id });
        this.send(...between);
        for (const [room, last] of Object.entries(rooms)) {
            const list = members ?? [login.name];
            this.send({ type: "entered", room, topic: "", members: list, count: list.length, last, re: login.id });
        }
        this.send({ type: "pong", re: ping.id });
        return login;
    }
}

export function said(number, text, { name = "Bob", room = "lobby", ...more } = {}) {
    return { type: "said", room, number, time: timeOf(number), name, text, ...more };
}

export function event(type, number, name, more = {}) {
    return { type, room: "lobby", number, time: timeOf(number), name, ...more };
}

/** Return the time of the event with a number: a second for each. */
export function timeOf(number) {
    return new Date(Date.UTC(2026, 10, 28, 12) + number * 1000).toISOString();
}
