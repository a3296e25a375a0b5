// What outlives a reload: the place in the chat, what was typed, and what has no receipt yet.
//
// The session storage of a tab has the token, so that a reload resumes. The local storage has only
// the name, for the next visit. Either may be switched off in a browser; then nothing is kept.

import { Place } from "./place.js";
import { confirm, pendingRow } from "./rows.js";

const SESSION = "trionet.session";
const NAME = "trionet.name";
const NOTIFY = "trionet.notify";

// Messages of each conversation that are kept: no server keeps the private messages that a member sent.
const KEPT_MESSAGES = 100;

export function rememberedName() {
    return read(localOf, NAME) ?? "";
}

export function rememberName(name) {
    write(localOf, NAME, name);
}

export function wantsNotices() {
    return read(localOf, NOTIFY) === "yes";
}

export function rememberNotices(wanted) {
    write(localOf, NOTIFY, wanted ? "yes" : "no");
}

/** Keep the state of this page. */
export function keep(chat, session) {
    if (session.token === null) {
        return;
    }
    const places = [...chat.places.values()].map((place) => ({
        name: place.name,
        isPrivate: place.isPrivate,
        unread: place.unread,
        mentions: place.mentions,
        draft: place.draft,
        said: place.isPrivate ? messagesOf(place) : [],
        losses: place.timeline.losses.map(({ time }) => time),
    }));
    const asks = session.asks.messages().map(({ id, fields, wasSent, place }) => ({
        id,
        fields,
        wasSent,
        key: place.key,
    }));
    const { name, token, epoch } = session;
    const seen = Object.fromEntries(session.seen.numbers);
    const active = chat.active?.key;
    const { newestTime } = chat;
    const kept = { name, token, epoch, seen, newestTime, places, asks, active };
    write(sessionOf, SESSION, JSON.stringify(kept));
}

/** Forget what was kept. */
export function forget() {
    write(sessionOf, SESSION, null);
}

/** Put back what was kept; return whether there was something. */
export function restore(chat, session) {
    let kept;
    try {
        kept = JSON.parse(read(sessionOf, SESSION));
    } catch {
        kept = null;
    }
    if (typeof kept?.token !== "string" || !Array.isArray(kept.places)) {
        return false;
    }
    session.name = kept.name;
    session.token = kept.token;
    session.epoch = kept.epoch;
    session.seen.numbers = new Map(Object.entries(kept.seen));
    chat.newestTime = kept.newestTime ?? "";
    for (const { name, isPrivate, unread, mentions, draft, said, losses } of kept.places) {
        const place = isPrivate ? chat.conversation(name) : new Place(name, name);
        chat.places.set(place.key, place);
        Object.assign(place, { unread, mentions, draft });
        for (const message of said) {
            const row = pendingRow("said", message.name, message.text);
            confirm(row, message, chat.epoch);
            row.isMine = message.isMine;
            place.timeline.append(row);
        }
        for (const time of losses ?? []) {
            place.timeline.lose(new Date(time));
        }
        if (isPrivate) {
            place.timeline.tellLosses();
        }
    }
    for (const { id, fields, wasSent, key } of kept.asks) {
        const place = chat.places.get(key);
        if (place !== undefined) {
            chat.say(place, fields.type, fields.text, id).wasSent = wasSent;
        }
    }
    chat.active = chat.places.get(kept.active) ?? chat.places.values().next().value ?? null;
    return true;
}

function messagesOf(place) {
    const rows = place.timeline.rows.filter((row) => row.number !== null && row.kind === "said");
    return rows.slice(-KEPT_MESSAGES).map(({ number, time, name, text, isMine }) => ({
        number,
        time,
        name,
        text,
        isMine,
    }));
}

// Asking for a storage that is switched off throws, and so does a full one.
const localOf = () => window.localStorage;
const sessionOf = () => window.sessionStorage;

function read(storage, key) {
    try {
        return storage().getItem(key);
    } catch {
        return null;
    }
}

function write(storage, key, value) {
    try {
        if (value === null) {
            storage().removeItem(key);
        } else {
            storage().setItem(key, value);
        }
    } catch {
        // What cannot be kept is asked for again.
    }
}
