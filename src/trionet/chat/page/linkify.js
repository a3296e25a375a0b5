// Where the links of a text are. Pure: it returns pieces of text, and never markup.

// Only what a browser opens as a page. `javascript:` and others stay text.
const LINK = /\bhttps?:\/\/[^\s<>"'`\u2018-\u201f\u3000-\u303f\uff00-\uff0f]+/giu;

// What ends a sentence and not a link.
const TRAILING = /[.,:;!?*_~]$/;
const BRACKETS = { ")": "(", "]": "[", "}": "{" };

/**
 * Return the pieces of a text in their order: `{text}`, or `{text, href}` for a link. Together their
 * texts are the text.
 */
export function pieces(text) {
    const found = [];
    let end = 0;
    for (const match of text.matchAll(LINK)) {
        const link = withoutTrailing(match[0]);
        const href = safeAddress(link);
        if (href === null) {
            continue;
        }
        if (match.index > end) {
            found.push({ text: text.slice(end, match.index) });
        }
        found.push({ text: link, href });
        end = match.index + link.length;
    }
    if (end < text.length) {
        found.push({ text: text.slice(end) });
    }
    return found;
}

function withoutTrailing(link) {
    for (;;) {
        const last = link.at(-1);
        const opening = BRACKETS[last];
        const isUnbalanced =
            opening !== undefined && link.split(last).length > link.split(opening).length;
        if (!TRAILING.test(link) && !isUnbalanced) {
            return link;
        }
        link = link.slice(0, -1);
    }
}

function safeAddress(link) {
    let url;
    try {
        url = new URL(link);
    } catch {
        return null;
    }
    const isPage = url.protocol === "http:" || url.protocol === "https:";
    // `https://bank.example@evil.example` shows one host and opens another.
    const hidesHost = url.username !== "" || url.password !== "";
    return isPage && !hidesHost ? url.href : null;
}
