// The box that the user writes in.

import { COMMAND_NAMES } from "./commands.js";
import { Completion } from "./completion.js";
import { byId, element } from "./elements.js";

// The box grows with the text up to this many lines.
const MAX_ROWS = 8;

export class Composer {
    #chat;
    #on;
    #box = byId("message");
    #hint = byId("hint");
    #completion = new Completion();
    #place = null;

    /** `on` has `enter(text)`, `scroll(pages)`, `step(by)`, `toEnd()` and `typed()`. */
    constructor(chat, on) {
        this.#chat = chat;
        this.#on = on;
        byId("composer").addEventListener("submit", (event) => {
            event.preventDefault();
            this.#send();
            this.focus();
        });
        this.#box.addEventListener("keydown", (event) => this.#key(event));
        this.#box.addEventListener("input", () => this.#changed());
        this.#box.addEventListener("blur", () => this.#endCompletion());
    }

    focus() {
        this.#box.focus();
    }

    /** Show the draft of the active place. */
    update() {
        const place = this.#chat.active;
        // The text of a message to nobody comes back as a draft.
        if (place !== this.#place || (place !== null && place.draft !== this.#box.value)) {
            this.#show(place);
        }
    }

    #show(place) {
        this.#place = place;
        this.#set(place?.draft ?? "");
        this.#box.placeholder = place === null ? "" : `Write to ${place.name}`;
    }

    #key(event) {
        // 229: the only way in which Safari marks the Enter that ends a composition.
        if (event.isComposing || event.keyCode === 229) {
            if (event.key === "Enter") {
                event.preventDefault();
            }
            return;
        }
        const { key, shiftKey, altKey, ctrlKey, metaKey } = event;
        const isPlain = !shiftKey && !altKey && !ctrlKey && !metaKey;
        if (key === "Enter" && isPlain) {
            event.preventDefault();
            this.#send();
        } else if (key === "Tab" && isPlain) {
            this.#complete(event);
        } else if ((key === "PageUp" || key === "PageDown") && isPlain) {
            event.preventDefault();
            this.#on.scroll(key === "PageUp" ? -1 : 1);
        } else if ((key === "ArrowUp" || key === "ArrowDown") && altKey) {
            event.preventDefault();
            this.#on.step(key === "ArrowUp" ? -1 : 1);
        } else if (key === "Escape") {
            this.#endCompletion();
            this.#on.toEnd();
        }
    }

    #send() {
        this.#endCompletion();
        const typed = this.#box.value;
        const place = this.#place;
        if (this.#on.enter(typed)) {
            if (place !== null) {
                place.draft = "";
            }
            this.#show(this.#chat.active);
        } else {
            // The next key replaces a mistyped command; a long text is there to be shortened.
            if (/^\/.{0,80}$/u.test(typed)) {
                this.#box.select();
            }
        }
        this.#on.typed();
    }

    #complete(event) {
        const place = this.#place;
        const box = this.#box;
        if (place === null || box.selectionStart !== box.selectionEnd) {
            return;
        }
        const completed = this.#completion.next(box.value, box.selectionStart, {
            names: place.namesToComplete(this.#chat.name),
            commands: COMMAND_NAMES,
            rooms: this.#chat.rooms().map((room) => room.key),
        });
        if (completed !== null) {
            event.preventDefault();
            box.value = completed.text;
            box.setSelectionRange(completed.cursor, completed.cursor);
            this.#keepDraft();
            this.#showCandidates();
        }
    }

    #showCandidates() {
        const { candidates, current } = this.#completion;
        this.#hint.replaceChildren(
            ...candidates.map((candidate, at) =>
                element("span", at === current ? "current" : "", candidate.replace(/:? $/, "")),
            ),
        );
    }

    #endCompletion() {
        this.#completion.end();
        this.#hint.replaceChildren();
    }

    #changed() {
        this.#endCompletion();
        this.#keepDraft();
        this.#on.typed();
    }

    #keepDraft() {
        if (this.#place !== null) {
            this.#place.draft = this.#box.value;
        }
        this.#fit();
    }

    #set(text) {
        this.#box.value = text;
        this.#fit();
    }

    // Browsers without `field-sizing` get the lines that the text has.
    #fit() {
        const lines = this.#box.value.split("\n").length;
        this.#box.rows = Math.min(lines, MAX_ROWS);
    }
}
