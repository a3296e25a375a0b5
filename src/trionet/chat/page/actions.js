// Does what the user asked for: a typed command becomes a request, a row or both.

import { COMMANDS, readInput } from "./commands.js";

// Names and rooms that one answer lists.
const MAX_LISTED = 200;

export class Actions {
    #chat;
    #session;
    #on;

    /** `on` has `quit()` and `search(text)`. */
    constructor(chat, session, on) {
        this.#chat = chat;
        this.#session = session;
        this.#on = on;
    }

    /**
     * Do what was typed in the active place.
     *
     * Return true if it is done or under way; false if it was a mistake, which a row now explains,
     * so that the text should stay to be corrected.
     */
    enter(typed) {
        const wanted = readInput(typed);
        const place = this.#chat.active;
        if (wanted === null) {
            return true;
        }
        if (wanted.error !== undefined) {
            this.#chat.tellError(wanted.error);
            return false;
        }
        if (place === null && !["join", "open", "tell", "nick", "quit", "search"].includes(wanted.do)) {
            return false;
        }
        if (place !== null && ["say", "act"].includes(wanted.do) && this.#session.asks.isJoiningFrom(place)) {
            // It is meant for the room that is about to open, and comes along as a draft.
            return false;
        }
        return this.#do(wanted, place);
    }

    /** Go into a room. `from`: where that was typed; what is typed there meanwhile comes along. */
    join(room, from = null) {
        this.#ask({ type: "join", room }).from = from;
    }

    /** Leave a room, or close a conversation. */
    close(place) {
        if (place.isPrivate) {
            this.#chat.close(place);
        } else {
            this.#session.ask({ type: "leave", room: place.key }, ({ type, code, reason }) => {
                if (code === "not-in-room") {
                    // This member has left already, and the answer was lost.
                    this.#chat.close(place);
                } else if (type === "error") {
                    this.#chat.tellError(reason);
                }
            });
        }
    }

    #do(wanted, place) {
        switch (wanted.do) {
            case "say":
                this.#chat.say(place, place.isPrivate ? "tell" : "say", wanted.text);
                return true;
            case "act":
                return this.#inRoom(place, "/me", () => this.#chat.say(place, "act", wanted.text));
            case "tell":
                this.#tell(wanted, place);
                return true;
            case "open":
                return this.#open(wanted.name);
            case "join":
                this.join(wanted.room, place);
                return true;
            case "leave":
                this.#leave(wanted.room, place);
                return true;
            case "topic":
                return this.#inRoom(place, "/topic", () => this.#topic(wanted.text, place));
            case "nick":
                this.#ask({ type: "nick", name: wanted.name });
                return true;
            case "who":
                return this.#inRoom(place, "/who", () => this.#who(place));
            case "rooms":
                this.#listRooms(place);
                return true;
            case "help":
                this.#help();
                return true;
            case "search":
                this.#on.search(wanted.text);
                return true;
            default:
                this.#on.quit();
                return true;
        }
    }

    #tell({ to, text }, place) {
        const isNew = !this.#chat.isConversation(to);
        const conversation = this.#chat.converse(this.#chat.knownName(to) ?? to);
        if (isNew) {
            conversation.begunFrom = place;
        }
        this.#chat.say(conversation, "tell", text);
    }

    #open(name) {
        const known = this.#chat.knownName(name);
        if (known === undefined && !this.#chat.isConversation(name)) {
            this.#chat.tellError(`there is no ${name} in your rooms: to write to ${name} elsewhere, add a text`);
            return false;
        }
        this.#chat.converse(known ?? name);
        return true;
    }

    #inRoom(place, command, act) {
        if (place.isPrivate) {
            this.#chat.tellError(`${command} is for rooms, and this is a private conversation`);
            return false;
        }
        act();
        return true;
    }

    #leave(room, place) {
        const named = this.#chat.rooms().find((one) => one.key === room.toLowerCase());
        if (room === "") {
            this.close(place);
        } else if (named === undefined) {
            this.#chat.tellError(`you are not in ${room}`);
        } else {
            this.close(named);
        }
    }

    #topic(text, place) {
        if (text === null) {
            const { topic } = place;
            this.#chat.tellNotice(topic === "" ? "there is no topic" : `topic: ${topic}`);
        } else {
            this.#ask({ type: "topic", room: place.key, text });
        }
    }

    #who(place) {
        this.#session.ask({ type: "who", room: place.key }, (event, ask) => {
            if (event.type === "members") {
                const { parts } = ask;
                this.#chat.tellNotice(`${parts.length} here: ${listed(parts)}`, place);
            }
        });
    }

    #listRooms(place) {
        this.#session.ask({ type: "rooms" }, (event, ask) => {
            if (event.type === "rooms") {
                const rooms = ask.parts.map(({ room, count }) => `${room} (${count})`);
                this.#chat.tellNotice(`rooms: ${listed(rooms)}`, place);
            }
        });
    }

    #help() {
        const lines = COMMANDS.map(([usage, help]) => `${usage} – ${help}`);
        lines.push("//TEXT – a message that begins with a /");
        this.#chat.tellNotice(lines.join("\n"));
    }

    #ask(fields) {
        return this.#session.ask(fields, (event) => {
            if (event.type === "error") {
                this.#chat.tellError(event.reason);
            }
        });
    }
}

function listed(items) {
    const more = items.length - MAX_LISTED;
    const shown = items.slice(0, MAX_LISTED).join(", ");
    return more > 0 ? `${shown} … and ${more} more` : shown;
}
