// Small helpers for the document. Text only ever becomes text: nothing here reads markup.

/** Return the element with an id. */
export function byId(id) {
    return document.getElementById(id);
}

/** Return a new element. */
export function element(tag, className = "", text = "") {
    const made = document.createElement(tag);
    if (className !== "") {
        made.className = className;
    }
    if (text !== "") {
        made.textContent = text;
    }
    return made;
}

/** Set a text, but leave the document alone if it has it already. */
export function setText(target, text) {
    if (target.textContent !== text) {
        target.textContent = text;
    }
}

/**
 * Make the children of a list those of `items`, one each, in their order. An item that is shown
 * already keeps its element, so that it keeps the focus too.
 *
 * `keyOf(item)` tells items apart, `create(item)` makes an element, `update(element, item)` fills it.
 */
export function syncList(list, items, { keyOf, create, update }) {
    const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
    let next = list.firstElementChild;
    for (const item of items) {
        const key = keyOf(item);
        let child = known.get(key);
        if (child === undefined) {
            child = create(item);
            child.dataset.key = key;
        }
        known.delete(key);
        if (child === next) {
            next = next.nextElementSibling;
        } else {
            list.insertBefore(child, next);
        }
        update(child, item);
    }
    for (const child of known.values()) {
        child.remove();
    }
}

const COLOURS = 8;

/** Return the class of a name's colour: steady, the same for everyone. */
export function colourOf(name) {
    let hash = 0;
    for (const character of name.normalize("NFC").toLowerCase()) {
        hash = (Math.imul(hash, 31) + character.codePointAt(0)) | 0;
    }
    return `c${Math.abs(hash) % COLOURS}`;
}
