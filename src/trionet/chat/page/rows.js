// What a row of the log shows, made of events. Pure.
//
// A row is an object that stays the same as long as it is shown; `version` grows when it changes. Its
// `kind` is "said" or "acted" (a message), "presence" (who came and went, condensed), "topic",
// "gap" (messages are missing), "error" or "notice" (from this page alone).

import { dayOf } from "./times.js";

// Messages of one sender share one name, unless they are further apart than this.
const GROUP_MS = 5 * 60 * 1000;

// Names in a condensed row.
const MAX_NAMES = 5;

let lastKey = 0;

function row(kind, fields) {
    lastKey += 1;
    const date = new Date(fields.time ?? Date.now());
    return {
        key: lastKey,
        version: 0,
        kind,
        number: null,
        last: fields.number ?? null,
        epoch: null,
        ...fields,
        date,
        day: dayOf(date),
    };
}

/** Return the row of a message: of `said`, `acted`, or `told` with the name of the sender. */
export function messageRow(event, { epoch, isMine, isMention }) {
    return row(event.type === "acted" ? "acted" : "said", {
        number: event.number,
        time: event.time,
        name: event.name ?? event.from,
        text: event.text,
        epoch,
        isMine,
        isMention,
        isPending: false,
        failure: null,
    });
}

/** Return the row of a message of this member that the server has not confirmed yet. */
export function pendingRow(kind, name, text) {
    return row(kind, { name, text, isMine: true, isMention: false, isPending: true, failure: null });
}

/** Make a pending row the row of its receipt. */
export function confirm(pending, event, epoch) {
    const date = new Date(event.time);
    Object.assign(pending, {
        number: event.number,
        last: event.number,
        time: event.time,
        text: event.text,
        name: event.name ?? event.from,
        epoch,
        date,
        day: dayOf(date),
        isPending: false,
    });
    pending.version += 1;
}

export function topicRow(event, epoch) {
    const { number, time, name, text } = event;
    return row("topic", { number, time, name, text, epoch });
}

export function presenceRow(event, epoch) {
    return row("presence", { number: event.number, time: event.time, epoch, changes: [event] });
}

/**
 * Return a row that says that messages may be missing. Those with numbers between `after` and
 * `before` can perhaps still be loaded, unless it `isLost`; without these two, nothing is known about them.
 */
export function gapRow({ after = null, before = null } = {}) {
    return row("gap", { after, before, isLost: after === null });
}

export function errorRow(text) {
    return row("error", { text });
}

export function noticeRow(text) {
    return row("notice", { text });
}

/** Return whether a row is a message. */
export function isMessage(one) {
    return one.kind === "said" || one.kind === "acted";
}

/** Return whether something said begins a group: it shows its sender and its time. */
export function beginsGroup(before, one) {
    return (
        before === undefined ||
        before.kind !== "said" ||
        before.name !== one.name ||
        before.day !== one.day ||
        one.date - before.date > GROUP_MS
    );
}

/** Put the changes of a later row of presence into an earlier one. */
export function absorb(earlier, later) {
    earlier.changes = [...earlier.changes, ...later.changes];
    earlier.last = later.last;
    earlier.version += 1;
}

/** Return what a row of presence says: who came, who went, who is called otherwise now. */
export function presenceText(changes) {
    // By present name: the first and the last thing that its member did.
    const people = new Map();
    const renames = [];
    for (const event of changes) {
        const known = people.get(event.name);
        if (event.type === "renamed") {
            renames.push(`${event.name} is now ${event.to}`);
            if (known !== undefined) {
                people.delete(event.name);
                people.set(event.to, known);
            }
        } else if (known === undefined) {
            people.set(event.name, { first: event.type, now: event.type });
        } else {
            known.now = event.type;
        }
    }
    const came = [];
    const left = [];
    const visited = [];
    const returned = [];
    for (const [name, { first, now }] of people) {
        if (first === now) {
            (now === "joined" ? came : left).push(name);
        } else {
            (now === "joined" ? returned : visited).push(name);
        }
    }
    const parts = [
        came.length > 0 && `${names(came)} joined`,
        returned.length > 0 && `${names(returned)} left and came back`,
        visited.length > 0 && `${names(visited)} came and went`,
        left.length > 0 && `${names(left)} left`,
        ...renames.slice(0, MAX_NAMES),
        renames.length > MAX_NAMES && `${renames.length - MAX_NAMES} more took other names`,
    ];
    return parts.filter(Boolean).join(" · ");
}

function names(list) {
    if (list.length === 1) {
        return list[0];
    }
    if (list.length <= MAX_NAMES) {
        return `${list.slice(0, -1).join(", ")} and ${list.at(-1)}`;
    }
    return `${list.slice(0, MAX_NAMES - 1).join(", ")} and ${list.length - MAX_NAMES + 1} others`;
}
