// A room, or a conversation with one member: what is known of it, and its rows. Pure.

import { Timeline } from "./timeline.js";

/** Return the key of the conversation with a member. No room's key begins with "@". */
export function privateKey(name) {
    return `@${name.normalize("NFC").toLowerCase()}`;
}

// A member who last spoke before these is completed like one who has not spoken.
const MAX_SPEAKERS = 200;

export class Place {
    topic = "";
    // In the order of joining. In a large room these are the first, until `who` has told all.
    members = [];
    count = 0;
    unread = 0;
    mentions = 0;
    draft = "";
    // Who spoke, the last one last.
    speakers = new Set();
    timeline = new Timeline();
    // The place where `/msg` began this conversation, without knowing whether there is such a member.
    begunFrom = null;
    // Whether the present connection has entered it.
    isEntered = false;
    // The request that asks how the room is now, after events of it were dropped.
    refresh = null;
    // Whether a page of its history was asked for.
    isLoading = false;

    /** `name` is that of the room, or of the other member. */
    constructor(key, name) {
        this.key = key;
        this.name = name;
    }

    get isPrivate() {
        return this.key.startsWith("@");
    }

    /** Whether all members are known. */
    get isComplete() {
        return this.members.length >= this.count;
    }

    /** Take `entered`, which tells how the room is now. */
    enter({ topic, members, count }) {
        this.topic = topic;
        this.members = [...members];
        this.count = count;
        this.isEntered = true;
    }

    /** Take an event of joining, leaving or renaming. */
    change({ type, name, to, count }) {
        if (type === "joined") {
            if (this.isComplete) {
                this.members.push(name);
            }
            this.count = count;
        } else if (type === "left") {
            this.members = this.members.filter((member) => member !== name);
            this.count = count;
        } else {
            this.members = this.members.map((member) => (member === name ? to : member));
            if (this.speakers.delete(name)) {
                this.speakers.add(to);
            }
        }
    }

    spoke(name) {
        this.speakers.delete(name);
        this.speakers.add(name);
        if (this.speakers.size > MAX_SPEAKERS) {
            this.speakers.delete(this.speakers.values().next().value);
        }
    }

    /** Return the names that Tab completes, the one who spoke last first. */
    namesToComplete(own) {
        const here = new Set(this.isPrivate ? [this.name] : this.members);
        const recent = [...this.speakers].reverse().filter((name) => here.has(name));
        const others = [...here].filter((name) => !this.speakers.has(name)).sort();
        return [...recent, ...others].filter((name) => name !== own);
    }

    /** Forget what is unread. */
    read() {
        this.unread = 0;
        this.mentions = 0;
    }
}
