// What this page knows of the chat: its places, and what each event changes in them.
//
// The plan of this file: `receive` takes each event of the session, `epoch` and `synced` its turning
// points. What a person wants is in `wishes.js`, and the history in `history.js`. The view learns
// by `on.changed(what)` that "log", "places" or "members" have changed, and looks here for how.

import { History } from "./history.js";
import { mentionOf } from "./mentions.js";
import { Place, privateKey } from "./place.js";
import { PRIVATE } from "./protocol.js";
import {
    errorRow,
    gapRow,
    messageRow,
    noticeRow,
    pendingRow,
    presenceRow,
    topicRow,
} from "./rows.js";

// Anybody may begin a conversation, and under ever new names.
const MAX_CONVERSATIONS = 100;

export class Chat {
    places = new Map();
    active = null;
    // How many epochs this page has seen; rows and numbers of different ones are not comparable.
    epoch = 1;
    // Whether the page can be seen.
    isVisible = true;

    #on;
    #isMention = { name: null, test: () => false };
    #isNewEpoch = false;

    /** `on` has `changed(what)`, `called(place, row)` for what concerns this member, and `moved()`. */
    constructor(session, on) {
        this.session = session;
        this.#on = on;
        this.history = new History(this, session);
    }

    get name() {
        return this.session.name;
    }

    /** Return the rooms that one is in, in the order of joining. */
    rooms() {
        return [...this.places.values()].filter((place) => !place.isPrivate);
    }

    conversations() {
        return [...this.places.values()].filter((place) => place.isPrivate);
    }

    unread() {
        return [...this.places.values()].reduce((sum, place) => sum + place.unread, 0);
    }

    /** Show another place. */
    activate(place) {
        if (this.active === place) {
            return;
        }
        if (this.active !== null) {
            this.active.timeline.firstUnread = null;
            this.active.timeline.isFollowed = true;
            if (this.active.timeline.hasNewer) {
                this.history.toEnd(this.active);
            }
        }
        this.active = place;
        this.attend();
        if (place !== null) {
            this.history.begin(place);
            this.complete(place);
        }
        this.changed("places", "log", "members");
        this.#on.moved();
    }

    /** Take note that a person looks at the end of the active place, if they do. */
    attend() {
        if (this.active !== null && this.#isLookedAt(this.active) && this.active.unread > 0) {
            this.active.read();
            this.changed("places");
        }
    }

    /** Open the conversation with a member. */
    converse(name) {
        const place = this.conversation(name);
        this.activate(place);
        return place;
    }

    /** Return the conversation with a member, which may be new. */
    conversation(name) {
        const key = privateKey(name);
        let place = this.places.get(key);
        if (place === undefined) {
            this.#forgetOldConversation();
            place = new Place(key, name);
            place.timeline.hasOlder = false;
            place.timeline.canLoad = false;
            place.isEntered = true;
            this.places.set(key, place);
            this.changed("places");
        }
        return place;
    }

    /** Close a place that one is not in any more, or a conversation. */
    close(place) {
        this.places.delete(place.key);
        if (this.active === place) {
            this.active = null;
            this.activate(this.places.values().next().value ?? null);
        }
        this.changed("places", "log", "members");
    }

    /** Ask for all members of a large room. */
    complete(place) {
        if (!place.isPrivate && !place.isComplete) {
            this.session.ask({ type: "who", room: place.key }, (event, ask) => {
                if (event.type === "members") {
                    place.members = [...ask.parts];
                    place.count = ask.parts.length;
                    this.changed("members");
                }
            });
        }
    }

    /** Show a row that only this page makes, in a place or where one is. */
    tell(row, place = this.active) {
        if (place?.timeline.hasNewer) {
            this.history.toEnd(place, () => place.timeline.append(row));
        }
        place?.timeline.append(row);
        this.changed("log");
    }

    tellError(text, place) {
        this.tell(errorRow(text), place);
    }

    tellNotice(text, place) {
        this.tell(noticeRow(text), place);
    }

    /** Say something, do something or tell somebody something: shown at once, and sent. */
    say(place, type, text, id) {
        const row = pendingRow(type === "act" ? "acted" : "said", this.name, text);
        const to = place.isPrivate ? { to: place.name } : { room: place.key };
        const answer = (event, ask) => {
            if (event.type === "error") {
                place.timeline.fail(ask.row, event.reason);
                this.changed("log");
            }
        };
        const ask = this.session.asks.add({ type, ...to, text }, answer, id);
        ask.row = row;
        ask.place = place;
        place.timeline.firstUnread = null;
        place.timeline.addPending(row);
        if (place.timeline.hasNewer) {
            this.history.toEnd(place);
        }
        this.session.flush();
        this.changed("log");
        return ask;
    }

    /** Take an event of the server. */
    receive(event, ask, isReplayed) {
        switch (event.type) {
            case "said":
            case "acted":
                this.#message(this.places.get(event.room), event, ask);
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
                    this.tellError(what + event.reason);
                }
                break;
            case "welcome":
                for (const place of this.rooms()) {
                    place.isEntered = false;
                }
                this.changed("places");
                break;
        }
    }

    /** Take note that the server has begun to count anew, because it has forgotten something. */
    epochBegan() {
        this.epoch += 1;
        this.#isNewEpoch = true;
        for (const ask of this.session.asks.doubt()) {
            if (ask.fields.type === "tell") {
                // No history has it.
                this.session.asks.settle(ask);
                ask.place?.timeline.fail(ask.row, "the connection was lost; it may not have arrived");
            }
        }
        for (const place of this.places.values()) {
            const { timeline } = place;
            if (timeline.hasNewer) {
                timeline.replace([], { hasOlder: true, hasNewer: false });
            }
            if (timeline.all().length > 0) {
                place.epochGap = gapRow();
                timeline.append(place.epochGap);
            }
        }
        this.changed("log");
    }

    /** Take note that everything was replayed, and that what comes now is new. */
    synced() {
        this.#isNewEpoch = false;
        for (const place of this.rooms()) {
            if (!place.isEntered) {
                this.close(place);
            } else if (place.epochGap) {
                this.history.reconcile(place);
            }
        }
        for (const ask of this.session.asks.messages()) {
            if (ask.isDoubtful && !this.places.has(ask.place?.key)) {
                this.session.asks.settle(ask);
            }
        }
        if (this.active === null) {
            this.activate(this.places.values().next().value ?? null);
        }
        this.history.privateMessages();
    }

    /** Return the row of an event of the history, or null for what has none. */
    rowOf(event) {
        switch (event.type) {
            case "said":
            case "acted":
            case "told": {
                const isMine = (event.name ?? event.from) === this.name;
                const isMention = !isMine && this.#mentions(event.text);
                return messageRow(event, { epoch: this.epoch, isMine, isMention });
            }
            case "joined":
            case "left":
            case "renamed":
                return presenceRow(event, this.epoch);
            case "topic":
                return topicRow(event, this.epoch);
            default:
                return null;
        }
    }

    changed(...what) {
        for (const one of what) {
            this.#on.changed(one);
        }
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
            timeline.confirm(ask.row, event, this.epoch);
        } else {
            const row = this.rowOf(event);
            this.#arrived(place, row);
            timeline.append(row);
        }
        place.spoke(event.name ?? event.from);
        this.changed("log");
    }

    #arrived(place, row) {
        if (row.isMine) {
            return;
        }
        const concerns = row.isMention || place.isPrivate;
        if (!this.#isLookedAt(place)) {
            if (place.unread === 0) {
                place.timeline.firstUnread = row;
            }
            place.unread += 1;
            place.mentions += concerns ? 1 : 0;
            this.changed("places");
        }
        if (concerns) {
            this.#on.called(place, row);
        }
    }

    #told(event, ask) {
        const other = event.from === this.name ? event.to : event.from;
        const place = this.conversation(other);
        place.name = other;
        this.#message(place, event, ask);
        if (ask !== null && ask.place !== place && ask.place === this.active) {
            this.activate(place);
        }
    }

    #roomChange(event, isReplayed) {
        const place = this.places.get(event.room);
        if (place === undefined) {
            return;
        }
        if (event.type === "removed") {
            this.#removed(place, event);
            return;
        }
        if (event.type === "left" && event.name === this.name && !isReplayed) {
            this.close(place);
            return;
        }
        place.timeline.append(this.rowOf(event));
        if (event.type === "topic") {
            place.topic = isReplayed ? place.topic : event.text;
            this.changed("members");
        } else if (!isReplayed) {
            place.change(event);
            if (event.type === "renamed") {
                this.#renameConversation(event);
            }
            this.changed("members");
        }
        this.changed("log");
    }

    #removed(place, event) {
        const row = place.timeline.find(event.of);
        if (row !== undefined) {
            row.text = "";
            row.isRemoved = true;
            row.version += 1;
            this.changed("log");
        }
    }

    #entered(event, ask) {
        let place = this.places.get(event.room);
        if (place === undefined) {
            place = new Place(event.room, event.room);
            place.timeline.canLoad = this.history.isKept;
            this.places.set(place.key, place);
        }
        place.enter(event);
        this.history.begin(place);
        if (ask?.fields.type === "join" || this.active === null) {
            this.activate(place);
        }
        if (place === this.active) {
            this.complete(place);
        }
        this.changed("places", "members", "log");
    }

    #missed({ room, after, before, count, re }) {
        if (this.#isNewEpoch) {
            // The row of the new epoch says so already.
            return;
        }
        if (room === PRIVATE) {
            for (const place of this.conversations()) {
                place.timeline.append(gapRow({ epoch: this.epoch }));
            }
            this.history.privateMessages();
        } else if (room !== undefined) {
            const gap = gapRow({ after, before, epoch: this.epoch });
            this.places.get(room)?.timeline.append(gap);
        } else if (count > (re?.length ?? 0)) {
            this.active?.timeline.append(gapRow());
        }
        this.changed("log");
    }

    #renameConversation({ name, to }) {
        const place = this.places.get(privateKey(name));
        if (place !== undefined && !this.places.has(privateKey(to))) {
            this.places.delete(place.key);
            place.key = privateKey(to);
            place.name = to;
            this.places.set(place.key, place);
            this.changed("places");
        }
    }

    #forgetOldConversation() {
        const known = this.conversations();
        if (known.length >= MAX_CONVERSATIONS) {
            const old = known.find((place) => place !== this.active && place.unread === 0);
            this.places.delete((old ?? known.find((place) => place !== this.active)).key);
        }
    }

    #isLookedAt(place) {
        return place === this.active && this.isVisible && place.timeline.isFollowed;
    }

    #mentions(text) {
        if (this.#isMention.name !== this.name) {
            this.#isMention = { name: this.name, test: mentionOf(this.name) };
        }
        return this.#isMention.test(text);
    }
}
