// What Tab completes. Pure.

/**
 * Return what can replace the word before the cursor, or null if nothing can.
 *
 * - `text` and `cursor` are those of the box.
 * - `names` are members, the one who spoke last first; `commands` such as "/join"; `rooms`.
 *
 * The answer has `start` (where the word begins) and `candidates` (what may replace it). A name is
 * completed to `Name: ` at the start of the text, and to `Name ` elsewhere.
 */
export function completions(text, cursor, { names, commands, rooms }) {
    const before = text.slice(0, cursor);
    const word = before.match(/\S*$/u)[0];
    const start = cursor - word.length;
    if (word === "") {
        return null;
    }
    const isFirst = before.slice(0, start).trim() === "";
    const command = before.match(/^\/(\S+)\s/)?.[1];
    let candidates;
    if (isFirst && word.startsWith("/")) {
        candidates = matching(word, commands).map((one) => `${one} `);
    } else if (command === "join") {
        candidates = matching(word.replace(/^#/, ""), rooms);
    } else {
        const behind = isFirst ? ": " : " ";
        candidates = matching(word.replace(/^@/, ""), names).map((one) => one + behind);
    }
    return candidates.length === 0 ? null : { start, candidates };
}

function matching(beginning, words) {
    const folded = fold(beginning);
    return folded === "" ? [] : words.filter((word) => fold(word).startsWith(folded));
}

function fold(text) {
    return text.normalize("NFC").toLowerCase();
}

/**
 * The completion under way: Tab pressed again takes the next candidate. Whatever else changes the
 * text ends it.
 */
export class Completion {
    #found = null;
    #next = 0;
    #text = "";

    /** What Tab goes through, if there is more than one. */
    get candidates() {
        return this.#found?.candidates ?? [];
    }

    /** Which of them is in the text. */
    get current() {
        return (this.#next - 1) % this.candidates.length;
    }

    /** Return the next text and cursor, or null if there is nothing to complete. */
    next(text, cursor, words) {
        if (this.#found === null || text !== this.#text) {
            const found = completions(text, cursor, words);
            this.#found = found && { ...found, end: cursor, original: text };
            this.#next = 0;
        }
        if (this.#found === null) {
            return null;
        }
        const { start, end, original, candidates } = this.#found;
        const candidate = candidates[this.#next % candidates.length];
        this.#text = original.slice(0, start) + candidate + original.slice(end);
        this.#next += 1;
        const answer = { text: this.#text, cursor: start + candidate.length };
        if (candidates.length === 1) {
            this.#found = null;
        }
        return answer;
    }

    /** Forget the candidates, so that Tab moves the focus again. */
    end() {
        this.#found = null;
    }
}
