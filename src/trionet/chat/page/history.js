// What was said before: pages of the server's history become rows of a place.
//
// One page of a place is asked for at a time, so that pages come in order.

import { PRIVATE } from "./protocol.js";
import { gapRow, isMessage } from "./rows.js";
import { put } from "./timeline.js";

// Events on a page that scrolling up loads, and on the one that a place begins with.
const PAGE = 100;
const FIRST_PAGE = 300;

// A place begins with this many rows, if the history has as many. (People who come and go are
// condensed, so that a page may have few rows; then more pages are loaded, but not for ever.)
const FIRST_ROWS = 200;
const FIRST_PAGES = 5;

// A gap fills itself while at most this many rows follow it. With one more page they are still fewer
// than a window that follows the end keeps. Other gaps are filled on scrolling up.
const MENDED_ROWS = 200;

// Rows before a message that was found, and as many after it.
const AROUND = 40;

export class History {
    // Whether the server keeps one.
    isKept = true;

    #chat;
    #session;
    #isAskingPrivate = false;
    // Private messages that are missing, until it was seen which the server still has.
    #privateGaps = [];

    constructor(chat, session) {
        this.#chat = chat;
        this.#session = session;
    }

    /** Load what a room begins with. */
    begin(place, pages = FIRST_PAGES) {
        if (place.timeline.rows.length < FIRST_ROWS && pages > 0) {
            this.older(place, FIRST_PAGE, () => this.begin(place, pages - 1));
        }
    }

    /** Load the page before the oldest row; `then` is called if that has brought something. */
    older(place, limit = PAGE, then = () => {}) {
        const { timeline } = place;
        if (!timeline.hasOlder || place.isLoading || place.isPrivate) {
            return;
        }
        const oldest = timeline.oldest();
        // After a new epoch numbers may mean other events: see whether the oldest row still has its.
        const isDoubtful = oldest !== undefined && oldest.epoch !== this.#chat.epoch;
        const fields = {};
        if (oldest !== undefined) {
            fields.before = oldest.number + (isDoubtful ? 1 : 0);
        }
        this.#page(place, { ...fields, limit }, ({ events, more }) => {
            const isOther = isDoubtful && !isSame(events.at(-1), oldest);
            const own = isDoubtful ? events.slice(0, -1) : events;
            if (isOther) {
                timeline.hasOlder = false;
            } else if (oldest === undefined || timeline.oldest() === oldest) {
                timeline.prepend(this.#rows(own), more);
                if (own.length > 0) {
                    then();
                }
            }
        });
    }

    /** Load the page after the newest row of a window that does not reach the end. */
    newer(place) {
        const { timeline } = place;
        if (timeline.hasNewer && !place.isLoading) {
            const after = timeline.newest();
            this.#page(place, { after, limit: PAGE }, ({ events, more }) => {
                timeline.extend(this.#rows(events), { more, first: events[0]?.number });
            });
        }
    }

    /** Go to the end of a window that does not reach it. */
    toEnd(place, then = () => {}) {
        if (place.timeline.hasNewer) {
            place.isLoading = false;
            this.#page(place, { limit: FIRST_PAGE }, ({ events, more }) => {
                if (place.timeline.hasNewer) {
                    place.timeline.replace(this.#rows(events), { hasOlder: more, hasNewer: false });
                }
                then();
            });
        }
    }

    /** Load the window around a message, and call `then` when it is there. */
    around(place, number, then) {
        if (place.timeline.find(number) !== undefined) {
            then();
            return;
        }
        this.#page(place, { before: number + 1, limit: AROUND }, (before) => {
            this.#page(place, { after: number, limit: AROUND }, (after) => {
                const rows = this.#rows([...before.events, ...after.events]);
                place.timeline.isFollowed = false;
                place.timeline.replace(rows, { hasOlder: before.more, hasNewer: after.more });
                then();
            });
        });
    }

    /** Fill the newest gap of the active place by itself, if it is near the end. */
    mend(place) {
        if (!this.isKept || place !== this.#chat.active || place.isLoading) {
            return;
        }
        const { rows } = place.timeline;
        const index = rows.findLastIndex((row) => this.canFill(row));
        if (index !== -1 && rows.length - index <= MENDED_ROWS) {
            this.fill(place, rows[index], (late) => this.#chat.arrivedLate(place, late, rows[index]));
        }
    }

    /** Return whether a row is a gap whose messages the server may still have. */
    canFill(row) {
        return row.kind === "gap" && !row.isLost && this.isKept;
    }

    /**
     * Load the newest messages that are missing in a gap, a page at a time: they follow on what is
     * read. `arrived(rows)` is called with them before they are put in.
     */
    fill(place, gap, arrived = () => {}) {
        if (!this.canFill(gap)) {
            return;
        }
        const { timeline } = place;
        const { after, before } = gap;
        this.#page(place, { before, limit: PAGE }, ({ events, more }) => {
            if (gap.before !== before || !timeline.rows.includes(gap)) {
                // Another page was quicker.
                return;
            }
            const within = events.filter((event) => event.number > after);
            const isWhole = within.length < events.length || after + 1 === before;
            const oldest = within[0]?.number ?? before;
            // A history that ends within the gap has lost the rest of it.
            const isLost = !isWhole && (!more || within.length === 0);
            const rows = this.#rows(within);
            arrived(rows.filter(isMessage));
            timeline.fill(gap, rows, isWhole ? null : { before: oldest, isLost });
        });
    }

    /** After a new epoch: load what was said since, and find this member's messages in it. */
    reconcile(place) {
        const gap = place.epochGap;
        place.epochGap = null;
        place.isLoading = false;
        this.#page(place, { limit: FIRST_PAGE }, ({ events, more }) => {
            this.#settle(place, events);
            if (place.timeline.oldest() === undefined) {
                place.timeline.prepend(this.#rows(events), more);
            } else {
                this.#found(place, gap, events);
            }
            this.#session.flush();
        });
    }

    /** Load private messages that came while nobody was connected. */
    privateMessages() {
        if (this.#isAskingPrivate) {
            return;
        }
        this.#isAskingPrivate = true;
        const fields = { type: "history", room: PRIVATE, limit: PAGE };
        this.#session.ask(fields, (answer) => {
            this.#isAskingPrivate = false;
            const gaps = this.#privateGaps.splice(0);
            const events = answer.type === "history" ? answer.events : [];
            for (const event of events) {
                this.#private(event, gaps);
            }
            for (const { after, rows } of gaps) {
                if (events.length > 0 && events[0].number <= after + 1) {
                    rows.forEach(([place, row]) => place.timeline.remove(row));
                }
            }
            this.#chat.changed("log");
        });
    }

    /** Tell of private messages that are missing, in each conversation, and load them. */
    missedPrivately({ after, before }) {
        const rows = this.#chat.conversations().map((place) => [place, gapRow()]);
        for (const [place, row] of rows) {
            place.timeline.append(row);
        }
        this.#privateGaps.push({ after, before, rows });
        this.privateMessages();
    }

    #private(event, gaps) {
        const other = event.from === this.#chat.name ? event.to : event.from;
        const { timeline } = this.#chat.conversation(other);
        const isKnown = timeline.rows.some((row) => row.time === event.time && row.text === event.text);
        if (!isKnown) {
            const row = this.#chat.rowOf(event);
            const at = timeline.rows.findLastIndex((one) => one.number !== null && one.date <= row.date) + 1;
            timeline.rows.splice(at, 0, row);
            if (gaps.some(({ after, before }) => event.number > after && event.number < before)) {
                this.#chat.arrived(this.#chat.conversation(other), row);
            }
        }
    }

    #page(place, fields, use) {
        const { epoch } = this.#chat;
        place.isLoading = true;
        this.#session.ask({ type: "history", room: place.key, ...fields }, (answer) => {
            if (epoch !== this.#chat.epoch) {
                // It was asked for by numbers that may mean other events now.
                return;
            }
            place.isLoading = false;
            if (answer.type === "history") {
                use(answer);
                this.mend(place);
            } else {
                this.#refused(place, answer);
            }
            this.#chat.changed("log");
        });
    }

    #refused(place, { code, reason }) {
        if (code === "unavailable") {
            this.isKept = false;
            for (const { timeline } of this.#chat.places.values()) {
                timeline.canLoad = timeline.hasOlder = timeline.hasNewer = false;
                timeline.tellLosses();
            }
        } else {
            place.timeline.hasOlder = false;
            this.#chat.tellError(reason, place);
        }
        for (const ask of this.#session.asks.messages()) {
            ask.isDoubtful = false;
        }
        this.#session.flush();
    }

    // Put what is on the newest page and not shown yet after the row about the new epoch.
    #found(place, gap, events) {
        const { timeline } = place;
        const index = timeline.rows.indexOf(gap);
        if (index !== -1) {
            const shown = identities(timeline.rows.slice(0, index));
            const before = timeline.rows.slice(0, index).findLast((row) => row.number !== null);
            const behind = timeline.rows.slice(index + 1).find((row) => row.number !== null);
            const last = events.findLastIndex((event) => shown.has(identity(event)));
            const since = events.filter(
                (event, at) =>
                    (last === -1 ? new Date(event.time) > (before?.date ?? 0) : at > last) &&
                    (behind === undefined || event.number < behind.number),
            );
            timeline.rows.splice(index + 1, 0, ...this.#rows(since));
        }
    }

    // Settle this member's messages without a receipt that the history has: they were said.
    #settle(place, events) {
        const { name } = this.#chat;
        const fresh = events.filter((event) => event.name === name && !place.wasKnown(event));
        for (const ask of this.#session.asks.messages()) {
            if (ask.isDoubtful && ask.place === place) {
                ask.isDoubtful = false;
                const at = fresh.findIndex((event) => event.text === ask.row.text);
                if (at !== -1) {
                    fresh.splice(at, 1);
                    this.#session.asks.settle(ask);
                    place.timeline.remove(ask.row);
                }
            }
        }
    }

    #rows(events) {
        const rows = [];
        for (const event of events) {
            this.#chat.noteTime(event);
            const row = this.#chat.rowOf(event);
            if (row !== null) {
                put(rows, row);
            }
        }
        return rows;
    }
}

/** Return a text that is the same for two events, or rows of events, that are the same. */
export function identity({ number, time, name, text }) {
    return JSON.stringify([number, time, name, text]);
}

/** Return the identities of all events that rows show. */
export function identities(rows) {
    return new Set(rows.flatMap((row) => row.changes ?? [row]).map(identity));
}

function isSame(event, row) {
    const [first] = row.changes ?? [row];
    return event !== undefined && identity(event) === identity(first);
}
