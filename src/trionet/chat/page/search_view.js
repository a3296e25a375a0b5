// Searching what was said, and going to what was found.

import { byId, element, setText } from "./elements.js";
import { clockTime, dayName } from "./times.js";

const MAX_FOUND = 100;

export class SearchView {
    #chat;
    #on;
    #box = byId("search");
    #found = byId("found");

    /** `on` has `chosen(number)`, called when the place of a message is shown. */
    constructor(chat, on) {
        this.#chat = chat;
        this.#on = on;
        byId("search-form").addEventListener("submit", (event) => {
            event.preventDefault();
            this.search(this.#box.value);
        });
        byId("close-found").addEventListener("click", () => this.#close());
        for (const part of [this.#box, this.#found]) {
            part.addEventListener("keydown", (event) => {
                if (event.key === "Escape" && !this.#found.hidden) {
                    event.stopPropagation();
                    this.#close();
                }
            });
        }
    }

    search(text) {
        const words = text.trim();
        this.#box.value = words;
        if (words === "") {
            this.#close();
            return;
        }
        this.#show(`Searching for “${words}”…`, []);
        this.#chat.session.ask({ type: "search", text: words, limit: MAX_FOUND }, (answer) => {
            if (answer.type === "found") {
                this.#list(words, answer);
            } else {
                this.#show(answer.reason, []);
            }
        });
    }

    #list(words, { events, more }) {
        const count = events.length === 0 ? "Nothing" : events.length;
        // The newest first.
        this.#show(`${count} found for “${words}”${more ? ", the newest" : ""}`, events.reverse());
    }

    #show(head, events) {
        this.#found.hidden = false;
        setText(byId("found-head"), head);
        byId("found-list").replaceChildren(...events.map((event) => this.#item(event)));
    }

    #item(event) {
        const item = element("li");
        const go = element("button", "result");
        go.type = "button";
        const date = new Date(event.time);
        const where = element("span", "where", `${event.room} · ${dayName(date, new Date())} ${clockTime(date)}`);
        const what = element("span", "what");
        what.append(element("bdi", "name", event.name), " ", event.text);
        go.append(where, what);
        go.addEventListener("click", () => this.#go(event));
        item.append(go);
        return item;
    }

    #go(event) {
        const place = this.#chat.places.get(event.room);
        if (place === undefined) {
            this.#chat.tellError(`you are not in ${event.room}: /join ${event.room}`);
            this.#close();
            return;
        }
        this.#chat.activate(place);
        this.#chat.history.around(place, event.number, () => this.#on.chosen(event.number));
        this.#found.hidden = true;
    }

    #close() {
        this.#found.hidden = true;
        this.#on.closed();
    }
}
