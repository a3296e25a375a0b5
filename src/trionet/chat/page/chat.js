// What this page knows of the chat: its places, which one is shown, and what is unread.
//
// What the server's events change is in `arrivals.js`, what the user wants in `actions.js`, and the
// history in `history.js`. The view learns by `on.changed(what)` that "log", "places" or "members"
// have changed, and looks here for how.

import { History } from "./history.js";
import { mentionOf } from "./mentions.js";
import { Place, privateKey } from "./place.js";
import {
    errorRow,
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
    // The time of the newest event known, as the server wrote it; it outlives a reload.
    newestTime = "";
    // Whether the page can be seen.
    isVisible = true;

    #on;
    #isMention = { name: null, test: () => false };

    /** `on` has `changed(what)`, `called(place, row)` for what concerns this member, and `moved()`. */
    constructor(session, on) {
        this.session = session;
        this.#on = on;
        this.history = new History(this, session);
    }

    get name() {
        return this.session.name;
    }

    /** Return the rooms that this member is in, in the order of joining. */
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
            this.history.mend(place);
            this.complete(place);
        }
        this.changed("places", "log", "members");
        this.#on.moved();
    }

    /** Note that the user sees the end of the active place, if they do. */
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

    isConversation(name) {
        return this.places.has(privateKey(name));
    }

    /** Return a name as its member writes it, if the member is in one of this member's rooms. */
    knownName(name) {
        const key = privateKey(name);
        for (const { members, speakers } of this.rooms()) {
            const known = [...members, ...speakers].find((one) => privateKey(one) === key);
            if (known !== undefined) {
                return known;
            }
        }
        return undefined;
    }

    /** Close a conversation, or a room that this member has left. */
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

    /** Show a row that this page makes, in a place; by default in the active one. */
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

    /** Send a message, an action or a private message, and show it at once. */
    say(place, type, text, id) {
        const row = pendingRow(type === "act" ? "acted" : "said", this.name, text);
        const to = place.isPrivate ? { to: place.name } : { room: place.key };
        const answer = (event, ask) => {
            if (event.type === "error") {
                place.timeline.fail(ask.row, event.reason);
                if (event.code === "no-such-member") {
                    this.#undo(place, event.reason);
                }
                this.changed("log");
            } else if (ask.row?.isPending) {
                // Its message was told before, and was not known as the one that was asked for.
                place.timeline.remove(ask.row);
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

    /** Note the time of an event. */
    noteTime({ time }) {
        if (time > this.newestTime) {
            this.newestTime = time;
        }
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

    /** Count a new message as unread, unless the person sees it, and call them if it concerns them. */
    arrived(place, row) {
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

    /** Count messages that were missing in a gap; they may be older than the first unread one. */
    arrivedLate(place, rows, gap) {
        const { timeline } = place;
        const first = timeline.firstUnread;
        const before = place.unread;
        for (const row of rows) {
            this.arrived(place, row);
        }
        if (before > 0 && place.unread > before && timeline.isBehind(first, gap)) {
            timeline.firstUnread = rows.find((row) => !row.isMine);
        }
    }

    changed(...what) {
        for (const one of what) {
            this.#on.changed(one);
        }
    }

    // Close a conversation that `/msg` began with a name that no member has, and give its text back.
    #undo(place, reason) {
        const { begunFrom, timeline } = place;
        if (begunFrom === null || timeline.pending.length > 0 || timeline.oldest() !== undefined) {
            return;
        }
        const back = this.places.get(begunFrom.key) ?? this.rooms()[0];
        if (back === undefined) {
            return;
        }
        if (back.draft === "") {
            const texts = timeline.rows.filter((row) => row.isMine).map((row) => row.text);
            back.draft = `/msg ${place.name} ${texts.join("\n")}`;
        }
        if (this.active === place) {
            this.activate(back);
        }
        this.close(place);
        this.tellError(`not sent: ${reason}`, back);
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
