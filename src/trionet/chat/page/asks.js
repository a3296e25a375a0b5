// Requests until they are answered. Pure.
//
// Each request has an id, and what answers it has the same as `re`. A request that was sent when
// the connection broke is sent again with the same id, so that the server knows a message that it
// has already passed on, and answers with the receipt of the first time (J109).

// The server keeps the last 64 receipts of a member.
export const MAX_UNANSWERED = 64;

/** One request. `answer` is called with its last event, and `parts` has lists that came in pieces. */
class Ask {
    constructor(id, fields, answer) {
        this.id = id;
        this.fields = fields;
        this.answer = answer;
        this.isSent = false;
        this.wasSent = false;
        // How many requests were sent before it.
        this.order = 0;
        // Whether it waits for a look into the history, because it may have been said already.
        this.isDoubtful = false;
        this.parts = [];
        // The row that shows it, for a message.
        this.row = null;
        // Where a wish to join was typed, if it was.
        this.from = null;
    }

    /** Whether it says something, so that it must be neither lost nor repeated. */
    get isMessage() {
        return ["say", "act", "tell"].includes(this.fields.type);
    }
}

export class Asks {
    #asks = new Map();
    #prefix;
    #last = 0;
    // How many requests were sent so far; a request that is repeated counts again.
    sent = 0;

    /** `prefix` makes the ids of this page differ from those of the page before a reload. */
    constructor(prefix) {
        this.#prefix = prefix;
    }

    /** How many are not answered. */
    get size() {
        return this.#asks.size;
    }

    nextId() {
        this.#last += 1;
        return `${this.#prefix}-${this.#last}`;
    }

    add(fields, answer = () => {}, id = this.nextId()) {
        const ask = new Ask(id, fields, answer);
        this.#asks.set(id, ask);
        return ask;
    }

    /** Return the requests that can be sent now, and count them as sent. */
    take() {
        const requests = [];
        let unanswered = 0;
        for (const ask of this.#asks.values()) {
            if (unanswered >= MAX_UNANSWERED) {
                break;
            }
            if (ask.isSent) {
                unanswered += 1;
            } else if (!ask.isDoubtful) {
                ask.isSent = ask.wasSent = true;
                ask.order = this.sent;
                this.sent += 1;
                unanswered += 1;
                requests.push({ ...ask.fields, id: ask.id });
            }
        }
        return requests;
    }

    /** Take an event; if it ends the answer of a request, return the request. */
    receive(event) {
        const ask = this.#asks.get(event.re);
        if (ask === undefined) {
            return null;
        }
        if (event.type === "members" || event.type === "rooms") {
            ask.parts.push(...event[event.type]);
            if (event.more) {
                return null;
            }
        }
        this.#asks.delete(ask.id);
        return ask;
    }

    /** Forget a request whose answer was found in another way. */
    settle(ask) {
        this.#asks.delete(ask.id);
    }

    /** Note that the connection is lost, so that whatever was sent has to be sent again. */
    lost() {
        for (const ask of this.#asks.values()) {
            this.#again(ask);
        }
    }

    /** Note that the answers to these ids were dropped. */
    missed(ids) {
        for (const id of ids) {
            const ask = this.#asks.get(id);
            if (ask !== undefined) {
                this.#missed(ask);
            }
        }
    }

    /** Note that every answer to the first `order` requests has come or was dropped. */
    missedBefore(order) {
        for (const ask of [...this.#asks.values()]) {
            if (ask.isSent && ask.order < order) {
                this.#missed(ask);
            }
        }
    }

    /** Return the messages that were sent and never answered, and hold them back. */
    doubt() {
        const doubtful = this.messages().filter((ask) => ask.wasSent);
        for (const ask of doubtful) {
            ask.isDoubtful = true;
        }
        return doubtful;
    }

    /** Return the messages that are not answered. */
    messages() {
        return [...this.#asks.values()].filter((ask) => ask.isMessage);
    }

    /** Return the rooms that this member is about to leave: a login must not join them again. */
    roomsBeingLeft() {
        const leaving = [...this.#asks.values()].filter((ask) => ask.fields.type === "leave");
        return new Set(leaving.map((ask) => ask.fields.room));
    }

    /** Return whether a wish to join that was typed in this place is not answered yet. */
    isJoiningFrom(place) {
        return [...this.#asks.values()].some((ask) => ask.fields.type === "join" && ask.from === place);
    }

    /** Let the wishes to join that were typed in one place count as typed in another. */
    leadOn(from, to) {
        for (const ask of this.#asks.values()) {
            if (ask.from === from) {
                ask.from = to;
            }
        }
    }

    #missed(ask) {
        this.#again(ask);
        if (!ask.isMessage) {
            // The rest of an answer in several lines may still come; a message keeps its id (J109).
            this.#asks.delete(ask.id);
            ask.id = this.nextId();
            this.#asks.set(ask.id, ask);
        }
    }

    #again(ask) {
        ask.isSent = false;
        ask.parts.length = 0;
    }
}
