// Whether a text mentions a name. Pure.

/**
 * Return a function that tells whether a text has a name as a whole word, in any case: `Ann` is
 * not in `Annual`.
 */
export function mentionOf(name) {
    const escaped = name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    const word = "[\\p{L}\\p{N}\\p{M}_]";
    const pattern = new RegExp(`(?<!${word})${escaped}(?!${word})`, "iu");
    return (text) => pattern.test(text);
}
