// The rows of one room or conversation: a window of what was ever said there. Pure.
//
// Rows that have a number stand in the order of their numbers; one's own messages without a receipt
// stand behind them all, with what this page has said since. The window is bounded. While its end is followed it loses its oldest rows,
// which can be loaded again. While somebody reads further up it loses its newest (`hasNewer`), so
// that what is read does not move; then it takes no new rows until it has caught up.

import { absorb, confirm, gapRow, isMessage } from "./rows.js";

// A person who follows the end sees some fifty rows. A smaller document is laid out faster, which
// counts in a flood: with 800 rows 20,000 messages took 2.7 s, with 400 0.7 s.
export const MAX_FOLLOWED_ROWS = 400;

// What somebody may have loaded by scrolling up. With pending messages there are never more than
// 2,000 rows in the document.
export const MAX_ROWS = 1_900;

// Too many rows are made fewer by a quarter, not one by one.
const KEPT = 0.75;

// A row of people who came and went, without a word said in between, has at most so many of them.
const MAX_CHANGES = 200;

export class Timeline {
    rows = [];
    pending = [];
    hasOlder = true;
    hasNewer = false;
    // Whether the reader is at the end.
    isFollowed = true;
    // Whether rows that were dropped can be loaded again.
    canLoad = true;
    // Behind which row the unread ones begin.
    firstUnread = null;

    // The number in front of the oldest gap that has left the window.
    #lostAfter = null;

    /** Return all rows in their order. */
    all() {
        return this.pending.length === 0 ? this.rows : [...this.rows, ...this.pending];
    }

    /** Add a row at the end; return false if the window does not reach the end. */
    append(row) {
        if (!this.hasNewer && !this.isFollowed && this.canLoad && this.rows.length >= MAX_ROWS) {
            this.hasNewer = true;
        }
        if (this.hasNewer) {
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

    /** Add older rows in front. `more`: there are others before them. */
    prepend(older, more) {
        const first = this.rows.find((row) => row.number !== null);
        const joined = [];
        for (const row of older) {
            if (first === undefined || row.number < first.number || row.epoch !== first.epoch) {
                put(joined, row);
            }
        }
        for (const [index, row] of this.rows.entries()) {
            // Only the first may be condensed into what stands before it; the others are shown.
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
        if (!this.isFollowed && this.rows.length > MAX_ROWS) {
            this.rows.length = MAX_ROWS;
            this.hasNewer = true;
        }
    }

    /** Add the rows that follow in the history. `more`: there are others behind them. */
    extend(newer, more) {
        const last = this.newest();
        for (const row of newer) {
            if (row.last > last) {
                put(this.rows, row);
            }
        }
        this.hasNewer = more;
        this.#dropOldest(MAX_ROWS);
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
        this.firstUnread = null;
    }

    /** Put rows behind a gap; `rest` is what it still misses, or null: then they take its place. */
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
        if (this.isFollowed) {
            this.#dropOldest(MAX_ROWS);
        } else if (this.rows.length > MAX_ROWS) {
            this.rows.length = MAX_ROWS;
            this.hasNewer = true;
        }
    }

    /** Take note that what is missing in gaps has no numbers any more. */
    giveUpGaps() {
        this.#lostAfter = null;
        for (const gap of this.rows) {
            if (gap.kind === "gap") {
                gap.isLost = true;
                gap.version += 1;
            }
        }
    }

    /** Return whether a row stands behind another. */
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

    /** Take note that a pending row was refused: it stays, with the reason. */
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

    // What this page said behind a message that is settled has its place now.
    #release() {
        const first = this.pending.findIndex((one) => one.isPending);
        const settled = this.pending.splice(0, first === -1 ? this.pending.length : first);
        for (const one of settled) {
            put(this.rows, one);
        }
    }

    #dropOldest(most) {
        if (this.rows.length > most) {
            this.#leave(this.rows.splice(0, this.rows.length - Math.floor(most * KEPT)));
            this.hasOlder = this.canLoad;
        }
    }

    // Take note of rows that leave the window: a gap among them must not be forgotten.
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

// An answer or an error that answers what was typed stands behind it.
function isOfThisPage(row) {
    return row.kind === "error" || row.kind === "notice";
}

/** Put a row behind others; people who come and go one after another are one row. */
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
