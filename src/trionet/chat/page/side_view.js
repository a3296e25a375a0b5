// The list of rooms and conversations, with what is unread in them.

import { byId, element, setText, syncList } from "./elements.js";

export class SideView {
    #chat;
    #side = byId("side");
    #toggle = byId("open-side");
    #shown = null;

    constructor(chat, actions) {
        this.#chat = chat;
        this.#toggle.addEventListener("click", () => this.#open(!this.isOpen));
        byId("join-form").addEventListener("submit", (event) => {
            event.preventDefault();
            const box = byId("join-room");
            const room = box.value.trim().replace(/^#/, "");
            if (room !== "") {
                actions.join(room);
                box.value = "";
                this.#open(false);
            }
        });
        byId("join-room").addEventListener("focus", () => this.#offerRooms());
        addEventListener("keydown", (event) => {
            if (event.key === "Escape" && this.isOpen) {
                this.#open(false);
                this.#toggle.focus();
            }
        });
    }

    /** Whether it covers the page, as it can on a narrow one. */
    get isOpen() {
        return this.#toggle.getAttribute("aria-expanded") === "true";
    }

    update() {
        setText(byId("own-name"), this.#chat.name);
        this.#list(byId("rooms"), this.#chat.rooms());
        const conversations = this.#chat.conversations();
        this.#list(byId("conversations"), conversations);
        this.#reveal();
        byId("private-hint").hidden = conversations.length > 0;
        const elsewhere = this.#chat.unread() - (this.#chat.active?.unread ?? 0);
        const badge = byId("side-badge");
        badge.hidden = elsewhere === 0;
        setText(badge, String(elsewhere));
        this.#toggle.setAttribute("aria-label", elsewhere === 0 ? "Rooms" : `Rooms, ${elsewhere} unread`);
    }

    /** Go to the place above or below. */
    step(by) {
        const places = [...this.#chat.rooms(), ...this.#chat.conversations()];
        const at = places.indexOf(this.#chat.active);
        if (places.length > 0) {
            this.#chat.activate(places[(at + by + places.length) % places.length]);
        }
    }

    #list(list, places) {
        syncList(list, places, {
            keyOf: (place) => place.key,
            create: () => this.#create(),
            update: (item, place) => this.#fill(item, place),
        });
    }

    // A list of many rooms is longer than the page.
    #reveal() {
        const { active } = this.#chat;
        if (active !== this.#shown) {
            this.#shown = active;
            this.#side.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
        }
    }

    #create() {
        const item = element("li");
        const open = element("button", "place");
        open.type = "button";
        open.append(element("bdi", "label"), element("span", "badge"));
        item.append(open);
        return item;
    }

    #fill(item, place) {
        const [open] = item.children;
        const [label, badge] = open.children;
        setText(label, place.name);
        setText(badge, place.unread > 999 ? "999+" : String(place.unread));
        badge.hidden = place.unread === 0;
        badge.classList.toggle("called", place.mentions > 0);
        open.classList.toggle("has-unread", place.unread > 0);
        const state = place.unread === 0 ? "" : `, ${place.unread} unread`;
        const calls = place.isPrivate || place.mentions === 0 ? "" : `, ${place.mentions} for you`;
        open.setAttribute("aria-label", place.name + state + calls);
        if (place === this.#chat.active) {
            open.setAttribute("aria-current", "true");
        } else {
            open.removeAttribute("aria-current");
        }
        open.onclick = () => {
            this.#chat.activate(place);
            this.#open(false);
        };
    }

    #open(isOpen) {
        this.#side.classList.toggle("open", isOpen);
        this.#toggle.setAttribute("aria-expanded", String(isOpen));
    }

    #offerRooms() {
        this.#chat.session.ask({ type: "rooms" }, (event, ask) => {
            if (event.type === "rooms") {
                const options = ask.parts.slice(0, 200).map(({ room, topic }) => {
                    const option = element("option");
                    option.value = room;
                    option.label = topic === "" ? room : `${room}: ${topic}`;
                    return option;
                });
                byId("known-rooms").replaceChildren(...options);
            }
        });
    }
}
