// Times as people write them, in the reader's language and time zone. Pure.

const formats = new Map();

function formatted(date, locale, timeZone, options) {
    const key = `${locale} ${timeZone} ${Object.keys(options)}`;
    let format = formats.get(key);
    if (format === undefined) {
        format = new Intl.DateTimeFormat(locale, { timeZone, ...options });
        formats.set(key, format);
    }
    return format.format(date);
}

// Most messages come in the same minute as the one before.
let lastMinute = null;
let lastTime = "";

/** Return hours and minutes. */
export function clockTime(date, locale, timeZone) {
    const minute = `${Math.floor(date / 60_000)} ${locale} ${timeZone}`;
    if (minute !== lastMinute) {
        lastMinute = minute;
        lastTime = formatted(date, locale, timeZone, { hour: "2-digit", minute: "2-digit" });
    }
    return lastTime;
}

/** Return the full date and time. */
export function fullTime(date, locale, timeZone) {
    return formatted(date, locale, timeZone, { dateStyle: "full", timeStyle: "medium" });
}

/** Return a text that is the same for two times on one day of the reader. */
export function dayOf(date, timeZone) {
    if (timeZone === undefined) {
        // Ten times as fast, and asked for every message.
        return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
    }
    return formatted(date, "en-CA", timeZone, { year: "numeric", month: "2-digit", day: "2-digit" });
}

/** Return what a day is called: "Today", "Yesterday" or its date. */
export function dayName(date, now, locale, timeZone) {
    const day = dayOf(date, timeZone);
    if (day === dayOf(now, timeZone)) {
        return "Today";
    }
    const yesterday = new Date(now.getTime() - 24 * 3600 * 1000);
    if (day === dayOf(yesterday, timeZone)) {
        return "Yesterday";
    }
    return formatted(date, locale, timeZone, {
        weekday: "long",
        year: "numeric",
        month: "long",
        day: "numeric",
    });
}
