"""Texts as the bytes of lines, with no I/O. `lines.py` has the way back."""

from __future__ import annotations

from collections.abc import Iterable

from trionet.errors import UnsendableLine
from trionet.type_checks import close_coroutine, shown


def encode_line(text: str) -> bytes:
    r"""Return `text` as the bytes of one line, which a `LineDecoder` turns into `text` again.

    Args:
        text: the line without its end.

    Raises:
        UnsendableLine: `text` has an LF or half of a surrogate pair in it: no line can hold it.

    >>> encode_line("54")
    b'54\n'
    """
    if type(text) is str and "\n" not in text and "\r" not in text:
        # Nearly every text.
        try:
            return f"{text}\n".encode()
        except UnicodeEncodeError:
            pass  # `encode_lines` reports it.
    return encode_lines([text])


def encode_lines(texts: Iterable[str]) -> bytes:
    """Return many texts as the bytes of one line each; see `encode_line`.

    Raises:
        TypeError: `texts` is a single text, or holds something that is not a text.
        UnsendableLine: one of them does not fit in one line.
    """
    if type(texts) is str:
        # Each of its characters would become a line.
        raise TypeError(f"texts must be several texts: write encode_line({texts!r:.60})")
    if type(texts) is not list:
        try:
            texts = list(texts)
        except TypeError:
            if hasattr(texts, "__iter__"):
                raise
            raise TypeError(f"texts must be a list of texts, not {shown(texts)}") from None
    try:
        block = "\n".join(texts)
    except TypeError:
        wrong = next(text for text in texts if not isinstance(text, str))
        close_coroutine(wrong)
        raise TypeError(f"a line is a text, such as 'hello', not {shown(wrong)}") from None
    if "\r" not in block and block.count("\n") == len(texts) - 1:
        # Check all texts at once, not one by one. For short lines this is six times as fast.
        try:
            return f"{block}\n".encode()
        except UnicodeEncodeError:
            pass  # The loop below finds the text and reports it.
    encoded = bytearray()
    for text in texts:
        if "\n" in text:
            raise UnsendableLine("a line end inside a line (the one at its end is added)")
        try:
            encoded += text.encode()
        except UnicodeEncodeError:
            raise UnsendableLine("half of a surrogate pair in a line") from None
        # A decoder takes a CR before the LF for a part of the line end. A text that itself ends
        # with a CR needs a second one.
        encoded += b"\r\n" if text.endswith("\r") else b"\n"
    return bytes(encoded)


def join_lines(lines: Iterable[bytes]) -> bytes:
    r"""Return lines that are bytes with their ends as one block, as they are.

    It is what `encode_lines` is for texts. Only the last line may have no end.

    Raises:
        TypeError: one of them is not bytes.
    """
    try:
        return b"".join(lines)
    except TypeError:
        for line in lines:
            if not isinstance(line, bytes | bytearray | memoryview):
                close_coroutine(line)
                raise TypeError(
                    f"with decode=False a line is bytes with its end, such as b'hello\\n', "
                    f"not {shown(line)}"
                ) from None
        raise


def join_line(line: bytes) -> bytes:
    """Return a line that is bytes with its end, as it is; see `join_lines`."""
    return line if type(line) is bytes else join_lines([line])


def check_lines(lines: bytes) -> bytes:
    """Return `lines` as bytes, if they are whole lines or nothing.

    Raises:
        TypeError: they are not bytes.
        ValueError: the last line has no end, so the next one would be joined to it.
    """
    if isinstance(lines, bytearray | memoryview):
        lines = bytes(lines)
    if not isinstance(lines, bytes):
        kind = type(lines).__name__
        close_coroutine(lines)
        raise TypeError(f"lines are bytes, such as trionet.encode_line(text), not {kind}")
    if lines and lines[-1] != 0x0A:
        raise ValueError("the last line has no end: write trionet.encode_line(text), or add b'\\n'")
    return lines
