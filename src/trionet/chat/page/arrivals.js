// What each event of the server changes in what the page knows.
//
// `receive` takes each event of the session, `epochBegan` and `synced` its turning points.

import { identities, identity } from "./history.js";
import { Place, privateKey } from "./place.js";
import { PRIVATE } from "./protocol.js";
import { gapRow } from "./rows.js";

export class Arrivals {
    #chat;
    #session;
    #isNewEpoch = false;

    constructor(chat, session) {
        this.#chat = chat;
        this.#session = session;
    }

    /** Take an event of the server. */
    receive(event, ask, isReplayed) {
        this.#chat.noteTime(event);
        switch (event.type) {
            case "said":
            case "acted":
                this.#message(this.#chat.places.get(event.room), event, ask);
                break;
            case "told":
                this.#told(event, ask);
                break;
            case "joined":
            case "left":
            case "renamed":
            case "topic":
            case "removed":
                this.#roomChange(event, isReplayed);
                break;
            case "entered":
                this.#entered(event, ask);
                break;
            case "missed":
                this.#missed(event);
                break;
            case "error":
                if (ask === null) {
                    const what = event.room === undefined ? "" : `${event.room}: `;
                    this.#chat.tellError(what + event.reason);
                }
                break;
            case "welcome":
                for (const place of this.#chat.rooms()) {
                    place.isEntered = false;
                    if (place.refresh !== null) {
                        // The `entered` that follows tells what was asked for.
                        this.#session.asks.settle(place.refresh);
                        place.refresh = null;
                    }
                }
                this.#chat.changed("places");
                break;
        }
    }

    /** Note that the server has lost something and has begun to count again. */
    epochBegan() {
        this.#chat.epoch += 1;
        // As long as the connection lasts, receipts still arrive.
        const isLive = this.#session.state === "live";
        const { newestTime } = this.#chat;
        const since = newestTime === "" ? new Date() : new Date(newestTime);
        if (!isLive) {
            this.#isNewEpoch = true;
            this.#doubt();
        }
        for (const place of this.#chat.places.values()) {
            const { timeline } = place;
            if (timeline.hasNewer) {
                timeline.replace([], { hasOlder: true, hasNewer: false });
            }
            timeline.giveUpGaps();
            place.epochGap = timeline.lose(since);
            place.wasKnown = this.#known(place);
            timeline.append(place.epochGap);
            if (isLive && !place.isPrivate) {
                this.#chat.history.reconcile(place);
            }
        }
        this.#chat.changed("log");
    }

    /** Note that the replay is over, and that whatever comes now is new. */
    synced() {
        this.#isNewEpoch = false;
        for (const place of this.#chat.rooms()) {
            if (!place.isEntered) {
                this.#chat.close(place);
            } else if (place.epochGap) {
                this.#chat.history.reconcile(place);
            }
        }
        for (const ask of this.#session.asks.messages()) {
            if (ask.isDoubtful && !this.#chat.places.has(ask.place?.key)) {
                this.#session.asks.settle(ask);
            }
        }
        if (this.#chat.active === null) {
            this.#chat.activate(this.#chat.places.values().next().value ?? null);
        }
        this.#chat.history.privateMessages();
    }

    // Requests without an answer may or may not have been carried out. Only rooms have a history that
    // shows it.
    #doubt() {
        for (const ask of this.#session.asks.doubt()) {
            if (ask.fields.type === "tell") {
                this.#session.asks.settle(ask);
                ask.place?.timeline.fail(ask.row, "the connection was lost; it may not have arrived");
            }
        }
    }

    // What was known of a place when an epoch began. After a reload that is only a number.
    #known(place) {
        const known = identities(place.timeline.rows);
        const seen = known.size === 0 ? (this.#session.seen.get(place.key) ?? 0) : 0;
        return (event) => event.number <= seen || known.has(identity(event));
    }

    #message(place, event, ask) {
        if (place === undefined) {
            return;
        }
        const { timeline } = place;
        if (ask?.row && ask.place !== place) {
            ask.place.timeline.remove(ask.row);
            ask.row = null;
        }
        if (ask?.row) {
            timeline.confirm(ask.row, event, this.#chat.epoch);
        } else {
            const row = this.#chat.rowOf(event);
            this.#chat.arrived(place, row);
            timeline.append(row);
        }
        place.spoke(event.name ?? event.from);
        this.#chat.changed("log");
    }

    #told(event, ask) {
        const other = event.from === this.#chat.name ? event.to : event.from;
        const place = this.#chat.conversation(other);
        place.name = other;
        this.#message(place, event, ask);
        if (ask !== null && ask.place !== place && ask.place === this.#chat.active) {
            this.#chat.activate(place);
        }
    }

    #roomChange(event, isReplayed) {
        const place = this.#chat.places.get(event.room);
        if (place === undefined) {
            return;
        }
        if (event.type === "removed") {
            this.#removed(place, event);
            return;
        }
        if (event.type === "left" && event.name === this.#chat.name && !isReplayed) {
            this.#chat.close(place);
            return;
        }
        place.timeline.append(this.#chat.rowOf(event));
        if (event.type === "topic") {
            place.topic = isReplayed ? place.topic : event.text;
            this.#chat.changed("members");
        } else if (!isReplayed) {
            place.change(event);
            if (event.type === "renamed") {
                this.#renameConversation(event);
            }
            this.#chat.changed("members");
        }
        this.#chat.changed("log");
    }

    #removed(place, event) {
        const row = place.timeline.find(event.of);
        if (row !== undefined) {
            row.text = "";
            row.isRemoved = true;
            row.version += 1;
            this.#chat.changed("log");
        }
    }

    #entered(event, ask) {
        let place = this.#chat.places.get(event.room);
        if (place === undefined) {
            place = new Place(event.room, event.room);
            place.timeline.canLoad = this.#chat.history.isKept;
            this.#chat.places.set(place.key, place);
        }
        place.enter(event);
        if (ask !== null && ask === place.refresh) {
            place.refresh = null;
            if (place === this.#chat.active) {
                this.#chat.complete(place);
            }
        } else if (place === this.#chat.active) {
            this.#chat.history.begin(place);
            this.#chat.complete(place);
        } else if (ask?.fields.type === "join" || this.#chat.active === null) {
            const from = ask?.from ?? null;
            if (from !== null && from === this.#chat.active) {
                if (place.draft === "") {
                    [place.draft, from.draft] = [from.draft, ""];
                }
                // Other wishes to join that were typed there lead on from this room.
                this.#session.asks.leadOn(from, place);
            }
            // Which loads its history; the others do so when they are looked at.
            this.#chat.activate(place);
        }
        this.#chat.changed("places", "members", "log");
    }

    #missed({ room, after, before, count, re }) {
        if (this.#isNewEpoch) {
            // The row of the new epoch says so already.
            return;
        }
        if (room === PRIVATE) {
            this.#chat.history.missedPrivately({ after, before });
        } else if (room !== undefined) {
            const place = this.#chat.places.get(room);
            if (place !== undefined) {
                place.timeline.append(gapRow({ after, before }));
                this.#chat.history.mend(place);
                this.#refresh(place);
            }
        } else if (count > (re?.length ?? 0)) {
            this.#chat.active?.timeline.append(gapRow());
        }
        this.#chat.changed("log");
    }

    // A `join` to a room that this member is in changes nothing, and its answer describes the room. A
    // replay ends with that description anyway.
    #refresh(place) {
        const { asks } = this.#session;
        const isLeaving = asks.roomsBeingLeft().has(place.key);
        if (this.#session.state === "live" && place.refresh === null && !isLeaving) {
            place.refresh = asks.add({ type: "join", room: place.key }, ({ type }) => {
                if (type === "error") {
                    place.refresh = null;
                }
            });
        }
    }

    #renameConversation({ name, to }) {
        const place = this.#chat.places.get(privateKey(name));
        if (place !== undefined && !this.#chat.places.has(privateKey(to))) {
            this.#chat.places.delete(place.key);
            place.key = privateKey(to);
            place.name = to;
            this.#chat.places.set(place.key, place);
            this.#chat.changed("places");
        }
    }
}
