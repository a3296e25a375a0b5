"""Recognise a web browser by its first line.

A web page can make its visitor's browser talk to a server on the visitor's own machine. The request
line gives the browser away before anything else does. A server that hangs up on it never reads the
lines that the page chose.
"""

from __future__ import annotations

import re

from trionet.argument_checks import shown
from trionet.errors import BadLine, LineTooLong
from trionet.lines import Line

# RFC 9112, section 3: method SP request-target SP HTTP-version.
_HTTP_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/")
# The same for a line that was cut short, by the limit or by what a `BadLine` keeps. It may lack the
# version, so the target must have a form that browsers send.
_HTTP_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ (/|\*|https?:)")


def is_http_request(line: Line) -> bool:
    """Return whether a connection's first line is an HTTP request line.

    Args:
        line: the first line, good or bad.

    Raises:
        TypeError: `line` is neither a text nor a `BadLine`.
    """
    if isinstance(line, str) and " " not in line:
        # Nearly always so, because the first line is a name or one word.
        return False
    if not isinstance(line, str | BadLine):
        raise TypeError(f"a line is a text or a BadLine: write line.decode(), not {shown(line)}")
    raw = line.encode() if isinstance(line, str) else line.start
    if _HTTP_REQUEST.match(raw):
        return True
    is_cut = not isinstance(line, str) and len(raw) == BadLine.START
    return (is_cut or isinstance(line, LineTooLong)) and _HTTP_START.match(raw) is not None
