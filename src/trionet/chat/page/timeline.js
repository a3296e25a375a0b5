// The rows of one room or conversation: a window of what was ever said there. Pure.
//
// Rows with a number are in the order of their numbers. This member's messages without a receipt come
// last, with the notices that this page has shown since. The window is bounded. While the reader
// follows the end, it drops its oldest rows, which can be loaded again. While the reader is further
// up, it drops its newest (`hasNewer`), so that nothing on the screen moves; then it takes no new rows
// until pages of the history have caught up with the end.

import { absorb, confirm, gapRow, isMessage } from "./rows.js";

// A person who follows the end sees some fifty rows. A smaller document is laid out faster, which
// counts in a flood: with 800 rows 20,000 messages took 2.7 s, with 400 0.7 s.
export const MAX_FOLLOWED_ROWS = 400;

// How many rows scrolling up may load.
export const MAX_ROWS = 1_900;

// How many rows are shown, with pending messages.
export const MAX_SHOWN = 2_000;

// Too many rows are made fewer by a quarter, not one by one.
const KEPT = 0.75;

// One row of people who came and went has at most this many joins and leaves.
const MAX_CHANGES = 200;

// How many of the rows that it did not take a window keeps at hand. A page of the history that
// reaches the end may lack what was said while it was on its way.
const MAX_AHEAD = 200;

// How many losses of the server a place remembers.
const MAX_LOSSES = 10;

export class Timeline {
    rows = [];
    pending = [];
    hasOlder = true;
    hasNewer = false;
    // Whether the reader is at the end.
    isFollowed = true;
    // Whether rows that were dropped can be loaded again.
    canLoad = true;
    // The row after which the unread ones begin.
    firstUnread = null;

    // When the server has forgotten messages: for each time, the row that says so. Such a row is in
    // no history, so it is put back whenever its place comes into the window again.
    losses = [];

    // The number before the oldest gap that has left the window.
    #lostAfter = null;

    // The newest rows that the window did not take, and the greatest number among older ones.
    #ahead = [];
    #aheadAfter = 0;

    /** Return the rows to show, in their order. */
    all() {
        return this.pending.length === 0 ? this.rows : [...this.rows, ...this.pending].slice(-MAX_SHOWN);
    }

    /** Add a row at the end; return false if the window does not reach the end. */
    append(row) {
        if (!this.hasNewer && !this.isFollowed && this.canLoad && this.rows.length >= MAX_ROWS) {
            this.hasNewer = true;
        }
        if (this.hasNewer) {
            this.#keepAhead(row);
            return false;
        }
        if (this.pending.length > 0 && isOfThisPage(row)) {
            this.pending.push(row);
            return true;
        }
        put(this.rows, row);
        this.#dropOldest(this.isFollowed && this.canLoad ? MAX_FOLLOWED_ROWS : MAX_ROWS);
        return true;
    }

    /** Add older rows before the first. `more`: the history has others before them. */
    prepend(older, more) {
        const first = this.oldest();
        if (first === undefined) {
            this.#withdrawLosses();
        }
        const joined = [];
        for (const row of older) {
            if (first === undefined || row.number < first.number || row.epoch !== first.epoch) {
                put(joined, row);
            }
        }
        for (const [index, row] of this.rows.entries()) {
            // Only the first may be condensed into the row before it; the others are in the document.
            if (index === 0) {
                put(joined, row);
            } else {
                joined.push(row);
            }
        }
        this.rows = joined;
        this.hasOlder = more;
        if (!more) {
            this.#tellWhatIsLost();
        }
        this.tellLosses();
        if (!this.isFollowed && this.rows.length > MAX_ROWS) {
            this.rows.length = MAX_ROWS;
            this.hasNewer = true;
        }
    }

    /**
     * Add the rows that follow in the history. `more`: it has others after them; `first`: the
     * number of the first event. Numbers between may be lost; filling the gap shows whether they are.
     */
    extend(newer, { more, first }) {
        const last = this.newest();
        if (last > 0 && first > last + 1) {
            const { date, day } = newer[0] ?? this.rows.at(-1);
            this.rows.push({ ...gapRow({ after: last, before: first }), date, day });
        }
        for (const row of newer) {
            if (row.last > last) {
                put(this.rows, row);
            }
        }
        this.hasNewer = more;
        this.#dropOldest(MAX_ROWS);
        this.#reachEnd();
    }

    /** Put other rows in place of all that are confirmed. */
    replace(rows, { hasOlder, hasNewer }) {
        this.#leave(this.rows);
        this.rows = [];
        for (const row of rows) {
            put(this.rows, row);
        }
        this.hasOlder = hasOlder;
        this.hasNewer = hasNewer;
        this.#reachEnd();
    }

    /** Note that the server has forgotten what was said after `time`, a Date. */
    lose(time) {
        const row = gapRow();
        this.losses = [...this.losses, { time, row }].slice(-MAX_LOSSES);
        return row;
    }

    /** Put the rows of losses where they belong, as far as the window reaches. */
    tellLosses() {
        for (const { time, row } of this.losses) {
            const later = this.rows.findIndex((one) => one.number !== null && one.date > time);
            const at = later === -1 ? this.rows.length : later;
            const isInside =
                (later !== -1 || !this.hasNewer) &&
                (!this.hasOlder || this.rows.slice(0, at).some((one) => one.number !== null));
            const isTold = [this.rows[at - 1], this.rows[at]].some((one) => one?.kind === "gap" && one.isLost);
            if (isInside && !isTold && !this.rows.includes(row)) {
                const { date, day } = this.rows[at - 1] ?? this.rows[at] ?? row;
                Object.assign(row, { date, day });
                this.rows.splice(at, 0, row);
            }
        }
    }

    /** Put rows after a gap; `rest` is what it still misses, or null: then they take its place. */
    fill(gap, rows, rest) {
        const index = this.rows.indexOf(gap);
        if (index === -1) {
            return;
        }
        if (rest === null) {
            this.rows.splice(index, 1, ...rows);
        } else {
            this.rows.splice(index + 1, 0, ...rows);
            Object.assign(gap, rest);
            gap.version += 1;
        }
        if (this.isFollowed || index > this.rows.length / 2) {
            // The reader is near the gap, so drop what is far from it.
            this.#dropOldest(MAX_ROWS);
        } else if (this.rows.length > MAX_ROWS) {
            this.rows.length = MAX_ROWS;
            this.hasNewer = true;
        }
    }

    /** Note that what is missing in gaps has no numbers any more. */
    giveUpGaps() {
        this.#lostAfter = null;
        for (const gap of this.rows) {
            if (gap.kind === "gap") {
                gap.isLost = true;
                gap.version += 1;
            }
        }
    }

    /** Return whether a row comes after another. */
    isBehind(row, other) {
        return this.rows.indexOf(row) > this.rows.indexOf(other);
    }

    addPending(row) {
        this.pending.push(row);
    }

    /** Make a pending row the row of its receipt. */
    confirm(row, event, epoch) {
        this.pending = this.pending.filter((one) => one !== row);
        confirm(row, event, epoch);
        this.append(row);
        this.#release();
    }

    /** Note that a pending row was refused: it stays, with the reason. */
    fail(row, reason) {
        this.pending = this.pending.filter((one) => one !== row);
        row.isPending = false;
        row.failure = reason;
        row.version += 1;
        put(this.rows, row);
        this.#release();
    }

    remove(row) {
        this.rows = this.rows.filter((one) => one !== row);
        this.pending = this.pending.filter((one) => one !== row);
        this.#release();
    }

    /** Return the row of the message with this number, or undefined. */
    find(number) {
        return this.rows.findLast((row) => row.number === number && isMessage(row));
    }

    /** Return the first row that has a number, or undefined. */
    oldest() {
        return this.rows.find((row) => row.number !== null);
    }

    /** Return the greatest number that a row has, or 0. */
    newest() {
        return this.rows.findLast((row) => row.last !== null)?.last ?? 0;
    }

    // What this page said gets its place once it is settled, and all that it said before.
    #release() {
        const first = this.pending.findIndex((one) => one.isPending);
        const settled = this.pending.splice(0, first === -1 ? this.pending.length : first);
        for (const one of settled) {
            put(this.rows, one);
        }
    }

    #keepAhead(row) {
        if (lastOf(row) !== null) {
            this.#ahead.push(row);
            if (this.#ahead.length > MAX_AHEAD) {
                this.#aheadAfter = lastOf(this.#ahead.shift());
            }
        }
    }

    // A page has changed the window. If it reaches the end, what came meanwhile follows it.
    #reachEnd() {
        if (!this.hasNewer) {
            const ahead = this.#ahead;
            // What is not at hand any more takes one page more. The history may have lost it.
            this.hasNewer = this.#aheadAfter > this.newest();
            this.#ahead = [];
            this.#aheadAfter = 0;
            for (const row of ahead) {
                if (lastOf(row) > this.newest()) {
                    this.append(row);
                }
            }
        }
        this.tellLosses();
        const first = this.firstUnread;
        if (first !== null && !this.rows.includes(first)) {
            this.firstUnread = this.rows.find((row) => isMessage(row) && row.number === first.number) ?? first;
        }
    }

    #withdrawLosses() {
        const told = new Set(this.losses.map(({ row }) => row));
        this.rows = this.rows.filter((row) => !told.has(row));
    }

    #dropOldest(most) {
        if (this.rows.length > most) {
            this.#leave(this.rows.splice(0, this.rows.length - Math.floor(most * KEPT)));
            this.hasOlder = this.canLoad;
        }
    }

    // Note rows that leave the window: a gap among them must not be forgotten.
    #leave(rows) {
        const gap = rows.find((row) => row.kind === "gap" && row.after !== null);
        this.#lostAfter ??= gap?.after ?? null;
    }

    // The history ends here: say so if a gap was further up.
    #tellWhatIsLost() {
        const oldest = this.oldest();
        if (this.#lostAfter !== null && oldest !== undefined && oldest.number > this.#lostAfter + 1) {
            const { date, day } = this.rows[0];
            this.rows.unshift({ ...gapRow(), date, day });
        }
        this.#lostAfter = null;
    }
}

// Whether a row answers what was typed, so that it has to come after it.
function isOfThisPage(row) {
    return row.kind === "error" || row.kind === "notice";
}

// The greatest number in a row, or null if only this page knows the row.
function lastOf(row) {
    return row.kind === "gap" && row.before !== null ? row.before - 1 : row.last;
}

/** Add a row to others; joins and leaves that follow each other become one row. */
export function put(rows, row) {
    const last = rows.at(-1);
    const isCondensed =
        row.kind === "presence" &&
        last?.kind === "presence" &&
        last.day === row.day &&
        last.changes.length < MAX_CHANGES;
    if (isCondensed) {
        absorb(last, row);
    } else {
        rows.push(row);
    }
}
