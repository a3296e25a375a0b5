// The element of one row.

import { colourOf, element, setText } from "./elements.js";
import { pieces } from "./linkify.js";
import { isMessage, presenceText } from "./rows.js";
import { clockTime, dayName, fullTime } from "./times.js";

/** Return the element of a row. `onFill(row)` is called by the button of a gap. */
export function createRow(row, { canFill, onFill }) {
    const made = element("div", `row ${row.kind}`);
    if (isMessage(row)) {
        made.append(headOf(row));
    }
    made.append(element("div", "text"));
    if (canFill) {
        const button = element("button", "fill", "Load them");
        button.type = "button";
        button.addEventListener("click", () => onFill(row));
        made.append(button);
    }
    updateRow(made, row);
    return made;
}

/** Bring the element of a row up to date after the row has changed. */
export function updateRow(made, row) {
    made.shownVersion = row.version;
    if (isMessage(row)) {
        made.classList.toggle("mine", row.isMine);
        made.classList.toggle("mention", row.isMention);
        made.classList.toggle("pending", row.isPending);
        made.classList.toggle("failed", row.failure !== null);
        made.classList.toggle("removed", row.isRemoved === true);
        updateTime(made, row);
        updateMark(made, row);
    }
    if (row.kind === "gap" && row.isLost) {
        made.querySelector(":scope > .fill")?.remove();
    }
    const text = made.querySelector(":scope > .text");
    const shown = textOf(row);
    if (text.textContent !== shown || shown === "") {
        fillText(text, row, shown);
    }
}

/** Show the full time of a row that the pointer is over. */
export function showFullTime(target) {
    if (target instanceof HTMLTimeElement && target.title === "") {
        target.title = fullTime(new Date(target.dateTime));
    }
}

/** Show or hide what a row shows because of the row before it. */
export function setSurroundings(made, row, { isFirst, isNewDay, isFirstUnread, now }) {
    made.classList.toggle("first", isFirst);
    setLine(made, "day", isNewDay ? dayName(row.date, now) : "");
    setLine(made, "unread", isFirstUnread ? "New" : "");
}

function headOf(row) {
    const head = element("div", "head");
    if (row.kind === "said") {
        head.append(element("bdi", `name ${colourOf(row.name)}`, row.name), " ");
    }
    head.append(element("time"), " ");
    return head;
}

function updateTime(made, row) {
    const time = made.querySelector(":scope > .head > time");
    time.dateTime = row.time ?? row.date.toISOString();
    setText(time, clockTime(row.date));
}

function updateMark(made, row) {
    const mark = row.isPending ? "pending" : row.failure === null ? "" : `not sent: ${row.failure}`;
    setLine(made, "mark", mark, true);
}

// A line is a child that is there only if it has a text.
function setLine(made, className, text, atEnd = false) {
    let line = made.querySelector(`:scope > .${className}`);
    if (text === "") {
        line?.remove();
        return;
    }
    if (line === null) {
        line = element("div", className);
        if (atEnd) {
            made.append(line);
        } else if (className === "day") {
            made.prepend(line);
        } else {
            const day = made.querySelector(":scope > .day");
            made.insertBefore(line, day === null ? made.firstChild : day.nextSibling);
        }
    }
    if (line.textContent !== text) {
        line.textContent = text;
    }
}

function textOf(row) {
    switch (row.kind) {
        case "presence":
            return presenceText(row.changes);
        case "topic":
            return row.text === "" ? `${row.name} removed the topic` : `${row.name} set the topic: ${row.text}`;
        case "gap":
            return "messages may be missing here";
        case "acted":
            return row.isRemoved ? "message removed" : `${row.name} ${row.text}`;
        case "said":
            return row.isRemoved ? "message removed" : row.text;
        default:
            return row.text;
    }
}

function fillText(target, row, shown) {
    target.replaceChildren();
    target.dir = "auto";
    for (const { text, href } of isMessage(row) || row.kind === "topic" ? pieces(shown) : [{ text: shown }]) {
        if (href === undefined) {
            target.append(text);
        } else {
            const link = element("a", "", text);
            link.href = href;
            link.target = "_blank";
            link.rel = "noopener noreferrer nofollow";
            target.append(link);
        }
    }
}
