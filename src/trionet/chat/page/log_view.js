// The log: the rows of the active place in the document.
//
// Rows are compared with the elements once a frame: those that have gone are removed, new ones are
// put in their place, and no other element is touched. The place of what is read is kept by hand,
// because not every browser does it, and none does at the very top.
//
// Old rows do not go in the frame in which new ones come: what is read would move by one and be
// scrolled by the other, which browsers count as a jump. They go in the frame after that.

import { byId, element } from "./elements.js";
import { createRow, setSurroundings, showFullTime, updateRow } from "./row_view.js";
import { beginsGroup } from "./rows.js";
import { dayOf } from "./times.js";
import { MAX_FOLLOWED_ROWS } from "./timeline.js";

// Nearer to the end than this is at the end: browsers round.
const AT_END_PIXELS = 32;

// Nearer to the first row than this, older ones are loaded.
const NEAR_PIXELS = 800;

export class LogView {
    #chat;
    #on;
    #frame = byId("frame");
    #button = byId("to-end");
    #log = null;
    #place = null;
    #elements = new Map();
    // Elements of rows that have left the window, which are above all others until the next frame.
    #stale = [];
    // The row that is above all others.
    #first = null;
    // A row that is to be shown in the middle.
    #target = null;
    #resized;

    /** `on` has `scrolled()`. */
    constructor(chat, on) {
        this.#chat = chat;
        this.#on = on;
        this.#resized = new ResizeObserver(() => this.#stick());
        this.#button.addEventListener("click", () => this.toEnd());
    }

    /** Bring the document up to date with the active place. */
    update() {
        const place = this.#chat.active;
        if (place !== this.#place || this.#log === null) {
            this.#show(place);
        }
        if (place !== null) {
            const anchor = place.timeline.isFollowed ? null : this.#anchor();
            if (this.#stale.length > 0) {
                this.#dropStale(place.timeline);
                this.#chat.changed("log");
            } else {
                this.#sync(place.timeline);
            }
            if (this.#target !== null) {
                this.#reveal();
            } else if (anchor === null) {
                this.#stick();
            } else if (anchor.text.isConnected) {
                this.#log.scrollTop += anchor.text.getBoundingClientRect().top - anchor.top;
            }
            this.#loadMore();
        }
        this.#updateButton();
    }

    /** Go to the newest row. */
    toEnd() {
        const place = this.#place;
        if (place !== null) {
            place.timeline.isFollowed = true;
            this.#chat.history.toEnd(place);
            this.#chat.changed("log");
            this.#chat.attend();
        }
    }

    /** Show the row of a message, as soon as it is there. */
    showMessage(number) {
        this.#target = number;
        this.#chat.changed("log");
    }

    /** Scroll by this many pages, up if negative. */
    scrollPages(pages) {
        this.#log?.scrollBy({ top: pages * this.#log.clientHeight * 0.9 });
    }

    // A new element for each place: a live region that is filled before it is shown is not read out.
    #show(place) {
        const log = element("div", "log");
        log.setAttribute("role", "log");
        log.setAttribute("aria-live", "polite");
        log.setAttribute("aria-relevant", "additions");
        log.setAttribute("aria-label", place === null ? "Log" : `Log of ${place.name}`);
        log.tabIndex = 0;
        log.addEventListener("pointerover", ({ target }) => showFullTime(target));
        log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
        this.#elements.clear();
        this.#stale = [];
        this.#place = place;
        const old = this.#log;
        this.#log = log;
        if (place !== null) {
            this.#sync(place.timeline);
        }
        if (old === null) {
            this.#frame.insertBefore(log, this.#button);
        } else {
            old.replaceWith(log);
        }
        this.#resized.disconnect();
        this.#resized.observe(log);
    }

    #sync(timeline) {
        const rows = timeline.all();
        const wanted = new Set(rows);
        this.#remove(wanted, timeline);
        const isPast = this.#elements.size > 0 && rows.length > 0 && !this.#elements.has(rows[0]);
        // What was said before is not read out.
        this.#log.ariaBusy = isPast ? "true" : null;
        const now = new Date();
        let next = this.#stale.at(-1)?.nextElementSibling ?? this.#log.firstElementChild;
        let before = this.#stale.length > 0 ? this.#first : undefined;
        let isAlone = before === undefined;
        for (const row of rows) {
            let shown = this.#elements.get(row);
            if (shown === undefined) {
                shown = createRow(row, this.#filling(row));
                this.#elements.set(row, shown);
            } else if (shown.shownVersion !== row.version) {
                updateRow(shown, row);
            }
            this.#surround(shown, row, before, { now, isAlone, timeline });
            if (shown === next) {
                next = next.nextElementSibling;
            } else {
                this.#log.insertBefore(shown, next);
            }
            before = row;
            isAlone = false;
        }
        this.#first = rows[0];
        if (isPast) {
            requestAnimationFrame(() => {
                this.#log.ariaBusy = null;
            });
        }
    }

    // Remove the elements of rows that are not wanted, except those at the top that can wait.
    #remove(wanted, timeline) {
        const isRoomy = timeline.isFollowed && wanted.size <= MAX_FOLLOWED_ROWS;
        const isKept = isRoomy && [...this.#elements.keys()].some((row) => wanted.has(row));
        let isTop = isKept && this.#elements.size <= MAX_FOLLOWED_ROWS;
        for (const [row, shown] of this.#elements) {
            if (wanted.has(row)) {
                isTop = false;
                continue;
            }
            this.#elements.delete(row);
            if (isTop && shown === (this.#stale.at(-1)?.nextElementSibling ?? this.#log.firstElementChild)) {
                this.#stale.push(shown);
                this.#first = row;
            } else {
                shown.remove();
            }
        }
    }

    #dropStale(timeline) {
        for (const shown of this.#stale) {
            shown.remove();
        }
        this.#stale = [];
        const shown = this.#elements.get(this.#first);
        if (shown !== undefined) {
            this.#surround(shown, this.#first, undefined, { now: new Date(), isAlone: true, timeline });
        }
    }

    // What a row shows because of its neighbours is compared first: a document that is not written
    // to is not laid out again.
    #surround(shown, row, before, { now, isAlone, timeline }) {
        const isNewDay = isAlone || before.day !== row.day;
        const isFirst = row.kind === "said" && (isNewDay || beginsGroup(before, row));
        const isFirstUnread = timeline.firstUnread === row;
        // "Today" is "Yesterday" tomorrow.
        const state = `${isFirst} ${isNewDay ? dayOf(now) : ""} ${isFirstUnread}`;
        if (shown.surroundings !== state) {
            shown.surroundings = state;
            setSurroundings(shown, row, { isFirst, isNewDay, isFirstUnread, now });
        }
    }

    #filling(row) {
        const place = this.#place;
        return {
            canFill: this.#chat.history.canFill(row),
            onFill: (gap) => this.#chat.history.fill(place, gap),
        };
    }

    // The first row that can be seen, and where its text is.
    #anchor() {
        const rows = this.#log.children;
        const top = this.#log.getBoundingClientRect().top;
        let low = 0;
        let high = rows.length - 1;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (rows[middle].getBoundingClientRect().bottom <= top) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        const text = rows[low]?.querySelector(":scope > .text");
        return text ? { text, top: text.getBoundingClientRect().top } : null;
    }

    // Stay at the end.
    #stick() {
        if (this.#place?.timeline.isFollowed) {
            this.#log.scrollTop = this.#log.scrollHeight;
        }
    }

    #reveal() {
        const row = this.#place.timeline.find(this.#target);
        this.#target = null;
        if (row !== undefined) {
            this.#place.timeline.isFollowed = false;
            const shown = this.#elements.get(row);
            shown.scrollIntoView({ block: "center" });
            shown.classList.add("target");
            shown.tabIndex = -1;
            shown.focus({ preventScroll: true });
            setTimeout(() => shown.classList.remove("target"), 4000);
        }
    }

    #scrolled() {
        const { timeline } = this.#place;
        const isFollowed = this.#distance() <= AT_END_PIXELS && !timeline.hasNewer;
        if (isFollowed !== timeline.isFollowed) {
            timeline.isFollowed = isFollowed;
            this.#chat.attend();
            this.#updateButton();
        }
        this.#loadMore();
        this.#on.scrolled();
    }

    #loadMore() {
        if (this.#log.scrollTop < NEAR_PIXELS && !this.#place.timeline.isFollowed) {
            this.#chat.history.older(this.#place);
        }
        if (this.#distance() < NEAR_PIXELS) {
            this.#chat.history.newer(this.#place);
        }
        this.#fillAbove();
    }

    // Load what is missing just above what is read, where it moves nothing.
    #fillAbove() {
        const { timeline, isLoading } = this.#place;
        if (timeline.isFollowed || isLoading) {
            return;
        }
        const gap = timeline.rows.findLast((row) => this.#chat.history.canFill(row));
        const shown = this.#elements.get(gap);
        if (shown !== undefined) {
            const distance = this.#log.getBoundingClientRect().top - shown.getBoundingClientRect().bottom;
            if (distance >= 0 && distance < NEAR_PIXELS) {
                this.#chat.history.fill(this.#place, gap);
            }
        }
    }

    #distance() {
        return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
    }

    #updateButton() {
        const place = this.#place;
        this.#button.hidden = place === null || place.timeline.isFollowed;
        if (!this.#button.hidden) {
            const label = place.unread > 0 ? `${place.unread} new` : "To the end";
            if (this.#button.textContent !== label) {
                this.#button.textContent = label;
            }
        }
    }
}
