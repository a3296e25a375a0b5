// The page of the chat: it puts the parts together.
//
//     socket.js ─ session.js (asks.js, seen.js, pauses.js, …)      the connection, which comes back
//                     │
//     arrivals.js ─ chat.js (place.js, timeline.js, rows.js, history.js)      what is known
//                     │
//     login_view.js, log_view.js, side_view.js, …                  what is shown, once a frame
//                     │
//     composer.js ─ actions.js (commands.js, completion.js)        what the user wants
//
// All but socket.js, composer.js and the views know nothing of the document, and are tested in Node.
// Nothing here makes markup from text; the page is served with a policy that forbids it.

import { Arrivals } from "./arrivals.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { ConnectionView } from "./connection_view.js";
import { byId } from "./elements.js";
import { forget, keep, rememberName, rememberedName, restore } from "./keeping.js";
import { LogView } from "./log_view.js";
import { LoginView } from "./login_view.js";
import { Notices } from "./notices.js";
import { PeopleView } from "./people_view.js";
import { SearchView } from "./search_view.js";
import { Session } from "./session.js";
import { SideView } from "./side_view.js";
import { clock, openSocket, randomPrefix } from "./socket.js";
import { Actions } from "./actions.js";

// A hidden page gets no frames, and a busy one late ones.
const LATEST_FRAME_MS = 400;

// What is to outlive a reload is written at most once in this time.
const KEEP_MS = 1000;

// After a long update the next one waits, so that in a flood most of the time is left for reading.
const REST = 2;
const LONGEST_REST_MS = 250;

const LOBBY = "lobby";

const dirty = new Set();
let frame = null;
let nextUpdate = 0;
let keepTimer = null;
let wasTyped = false;

const session = new Session({
    open: openSocket,
    clock,
    random: Math.random,
    prefix: randomPrefix(),
    on: {
        event: (event, ask, isReplayed) => {
            arrivals.receive(event, ask, isReplayed);
            keepSoon();
        },
        state: () => changed("state"),
        synced: entered,
        epoch: () => arrivals.epochBegan(),
        refused,
    },
});

const chat = new Chat(session, {
    changed,
    // At once: what is typed before the next frame belongs to the new place.
    moved: () => composer.update(),
    called: (place, row) => notices.tell(place, row, () => chat.activate(place)),
});

const arrivals = new Arrivals(chat, session);

const actions = new Actions(chat, session, {
    quit: leave,
    search: (text) => search.search(text),
});

const notices = new Notices();
const login = new LoginView(enter);
const connection = new ConnectionView(session);
const side = new SideView(chat, actions);
const people = new PeopleView(chat, {
    chosen: () => composer.focus(),
    closed: (place) => {
        actions.close(place);
        composer.focus();
    },
});
const log = new LogView(chat, { scrolled: () => {} });
const search = new SearchView(chat, {
    chosen: (number) => log.showMessage(number),
    closed: () => composer.focus(),
});
const composer = new Composer(chat, {
    enter: (text) => {
        if (text.trim() !== "") {
            log.toEnd();
        }
        return actions.enter(text);
    },
    scroll: (pages) => log.scrollPages(pages),
    step: (by) => side.step(by),
    toEnd: () => log.toEnd(),
    typed: keepSoon,
});

byId("leave").addEventListener("click", leave);
document.addEventListener("visibilitychange", () => {
    chat.isVisible = !document.hidden;
    if (chat.isVisible) {
        session.wake();
        chat.attend();
    } else {
        keep(chat, session);
    }
});
addEventListener("online", () => session.wake());
addEventListener("pageshow", () => session.wake());
addEventListener("pagehide", () => keep(chat, session));

chat.isVisible = !document.hidden;
begin();

function begin() {
    if (restore(chat, session)) {
        showChat();
        start(session.name, null);
    } else {
        login.show(rememberedName());
    }
}

function enter(name, password) {
    wasTyped = true;
    start(name, password);
}

function start(name, password) {
    const rooms = () => {
        const known = chat.rooms().map((place) => place.key);
        return known.length > 0 || chat.conversations().length > 0 ? known : [LOBBY];
    };
    session.start({ name, password, rooms });
}

// Everything that happened meanwhile has been told.
function entered() {
    arrivals.synced();
    rememberName(session.name);
    keep(chat, session);
    if (login.isShown) {
        showChat();
    }
}

function showChat() {
    login.hide();
    byId("chat").hidden = false;
    changed("state", "places", "members", "log");
    update();
    composer.focus();
}

function refused(code, reason) {
    forget();
    session.token = null;
    byId("chat").hidden = true;
    // After a reload the password is missing, and not wrong.
    const isPassword = code === "bad-password";
    const told = isPassword && !wasTyped ? "enter the password to come back" : reason;
    login.show(session.name, told, isPassword);
}

// Leaving ends everything, also what is not sent yet: a fresh page is the surest way to that.
function leave() {
    forget();
    session.quit(() => location.reload());
}

function changed(...what) {
    for (const one of what) {
        dirty.add(one);
    }
    if (frame === null) {
        frame = {
            request: requestAnimationFrame(inFrame),
            timer: setTimeout(update, LATEST_FRAME_MS),
        };
    }
}

function inFrame(now) {
    if (now < nextUpdate) {
        frame.request = requestAnimationFrame(inFrame);
    } else {
        update();
    }
}

function update() {
    const began = performance.now();
    updateAll();
    const ended = performance.now();
    nextUpdate = ended + Math.min(REST * (ended - began), LONGEST_REST_MS);
}

function updateAll() {
    if (frame !== null) {
        cancelAnimationFrame(frame.request);
        clearTimeout(frame.timer);
        frame = null;
    }
    const parts = new Set(dirty);
    dirty.clear();
    if (parts.has("state")) {
        connection.update();
        login.tell(loginState());
    }
    if (byId("chat").hidden) {
        return;
    }
    if (parts.has("places")) {
        side.update();
    }
    if (parts.has("members")) {
        people.update();
    }
    composer.update();
    if (parts.has("log") || parts.has("places")) {
        log.update();
    }
    document.title = title();
}

function title() {
    const unread = chat.unread();
    const where = chat.active === null ? "" : `${chat.active.name} – `;
    return `${unread > 0 ? `(${unread}) ` : ""}${where}trionet chat`;
}

function loginState() {
    switch (session.state) {
        case "connecting":
            return "Connecting…";
        case "waiting":
            return `Not connected: ${session.reason}. Trying again…`;
        case "taken":
            return "The chat continues in another window.";
        default:
            return "";
    }
}

function keepSoon() {
    if (keepTimer === null) {
        keepTimer = setTimeout(() => {
            keepTimer = null;
            keep(chat, session);
        }, KEEP_MS);
    }
}
