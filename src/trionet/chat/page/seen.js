// Which numbers of each room this page has seen, so that everything is told once. Pure.

import { PRIVATE } from "./protocol.js";

const ROOM_EVENTS = new Set(["said", "acted", "joined", "left", "renamed", "topic", "removed"]);

export class Seen {
    // The newest number of each room, and of the private messages under `PRIVATE`.
    numbers = new Map();

    // The rooms that the present connection is in. Until it is in a room, the room's events are a
    // replay.
    #entered = new Set();

    /** Return the newest number seen of a room, or undefined. */
    get(room) {
        return this.numbers.get(room);
    }

    /** Note that the connection is lost. */
    disconnected() {
        this.#entered.clear();
    }

    /** Return whether an event is part of a replay. */
    isReplayed({ type, room }) {
        return ROOM_EVENTS.has(type) && !this.#entered.has(room);
    }

    /** Take an event, and return whether it is new. `name` is this member's. */
    learn(event, name) {
        const { type, room, number } = event;
        if (ROOM_EVENTS.has(type)) {
            if (number <= (this.get(room) ?? 0)) {
                return false;
            }
            if (type === "left" && event.name === name && !this.isReplayed(event)) {
                this.numbers.delete(room);
                this.#entered.delete(room);
            } else {
                this.numbers.set(room, number);
            }
        } else if (type === "told" && (event.re === undefined || event.from === event.to)) {
            // The receipt of a private message has a number of its receiver's.
            if (number <= (this.get(PRIVATE) ?? 0)) {
                return false;
            }
            this.numbers.set(PRIVATE, number);
        } else if (type === "entered") {
            this.#entered.add(room);
            this.#reach(room, event.last);
        } else if (type === "missed" && room !== undefined) {
            this.#reach(room, event.before - 1);
        } else if (type === "epoch") {
            for (const [each, last] of Object.entries(event.rooms)) {
                // A login that named every room of a large chat would be too long a line (J2).
                if (this.#entered.has(each)) {
                    this.numbers.set(each, last);
                }
            }
        }
        return true;
    }

    /** Forget all numbers: those of another epoch may be used again. */
    clear() {
        this.numbers.clear();
    }

    /** Forget the number of private messages: another member's begin anew. */
    clearPrivate() {
        this.numbers.delete(PRIVATE);
    }

    #reach(room, number) {
        this.numbers.set(room, Math.max(number, this.get(room) ?? 0));
    }
}
