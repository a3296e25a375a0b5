// Who is in the active room, and what it is called and about.

import { byId, colourOf, element, setText, syncList } from "./elements.js";

// More are not listed: who looks for one of thousands writes the name.
const MAX_LISTED = 500;

export class PeopleView {
    #chat;
    #collator = new Intl.Collator();
    #on;
    #toggle = byId("open-people");

    /** `on` has `chosen()`, called when a conversation was opened, and `closed(place)`. */
    constructor(chat, on) {
        this.#chat = chat;
        this.#on = on;
        this.#toggle.addEventListener("click", () => this.#open(!this.isOpen));
        byId("close-place").addEventListener("click", () => on.closed(chat.active));
        addEventListener("keydown", (event) => {
            if (event.key === "Escape" && this.isOpen) {
                this.#open(false);
                this.#toggle.focus();
            }
        });
    }

    get isOpen() {
        return this.#toggle.getAttribute("aria-expanded") === "true";
    }

    update() {
        const place = this.#chat.active;
        const isRoom = place !== null && !place.isPrivate;
        setText(byId("place-name"), place?.name ?? "");
        setText(byId("topic"), isRoom ? place.topic : place === null ? "" : "Only the two of you see this");
        byId("topic").title = isRoom ? place.topic : "";
        const close = byId("close-place");
        close.hidden = place === null;
        close.title = isRoom ? "Leave this room" : "Close this conversation";
        this.#toggle.hidden = byId("people").hidden = !isRoom;
        if (!isRoom) {
            return;
        }
        setText(byId("people-badge"), String(place.count));
        this.#toggle.setAttribute("aria-label", `People, ${place.count}`);
        setText(byId("people-head"), `${place.count} ${place.count === 1 ? "person" : "people"}`);
        const members = place.members.slice(0, MAX_LISTED).sort(this.#collator.compare);
        const more = place.count - members.length;
        syncList(byId("people-list"), more > 0 ? [...members, ""] : members, {
            keyOf: (name) => name,
            create: (name) => (name === "" ? element("li", "muted") : this.#create(name)),
            update: (item, name) => name === "" && setText(item, `and ${more} more`),
        });
    }

    #create(name) {
        const item = element("li");
        const isOwn = name === this.#chat.name;
        const open = element("button", "person");
        open.type = "button";
        open.append(element("bdi", colourOf(name), name), isOwn ? " (you)" : "");
        open.title = isOwn ? "" : `Write to ${name} alone`;
        open.addEventListener("click", () => {
            this.#chat.converse(name);
            this.#open(false);
            this.#on.chosen();
        });
        item.append(open);
        return item;
    }

    #open(isOpen) {
        byId("people").classList.toggle("open", isOpen);
        this.#toggle.setAttribute("aria-expanded", String(isOpen));
    }
}
