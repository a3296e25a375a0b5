"""The page that a browser shows: its files, as the web door serves them.

HTML, CSS and ES modules stand here as they are sent: there is no build step, and nothing comes from
another host. `main.js` says how the modules work together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# `package.json` tells Node that the `.js` files are modules, and is not served.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# What stands in `index.html`, and what it becomes where the server wants a password.
_WITHOUT_PASSWORD = b'data-password="no"'
_WITH_PASSWORD = b'data-password="yes"'


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """A file of the page.

    Attributes:
        media_type: what `Content-Type` says.
        body: what is sent.
    """

    media_type: str
    body: bytes


def page_files(*, password: bool) -> Mapping[str, PageFile]:
    """Read the files of the page; the server does this once, when it starts.

    Args:
        password: whether the page asks for a password.

    Returns:
        The files by their paths; the page itself is ``/``.

    Raises:
        OSError: the package is not whole.
    """
    # Imported here: nothing but the web door needs it, and it takes some milliseconds.
    from importlib.resources import files

    page = {}
    for file in files(__name__).iterdir():
        _, dot, suffix = file.name.rpartition(".")
        media_type = _MEDIA_TYPES.get(dot + suffix)
        if media_type is not None:
            page[f"/{file.name}"] = PageFile(media_type=media_type, body=file.read_bytes())
    index = page.pop("/index.html")
    if password:
        body = index.body.replace(_WITHOUT_PASSWORD, _WITH_PASSWORD)
        index = PageFile(media_type=index.media_type, body=body)
    page["/"] = index
    return page
