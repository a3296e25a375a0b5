"""What a server for browsers serves, and whom it trusts. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trionet.abc import WebFile
from trionet.transport.web.hosts import IPNetwork, parse_authority, parse_networks
from trionet.type_checks import check_kind, shown


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSettings:
    """What the ``web:`` addresses of a network serve, and whom they trust.

    Args:
        files: what is served, by path: ``{"/": PageFile(…)}``; default: nothing.
        socket_path: the path of the WebSocket, such as ``/ws``; default ``None``: every path that
            is no file's.
        hosts: names besides ``localhost`` and the machine's own that a request may have in its
            ``Host``, with any port or none. Another name is refused, because it may be that of
            another site (DNS rebinding). Numeric hosts are not refused. Default: none.
        proxies: addresses and networks, such as ``127.0.0.1`` and ``10.0.0.0/8``, whose
            ``X-Forwarded-For`` is believed; default: nobody's.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.
        ValueError: a host or a proxy cannot be read.
    """

    files: Mapping[str, WebFile] = field(default_factory=dict)
    socket_path: str | None = None
    hosts: Sequence[str] = ()
    proxies: Sequence[str] = ()
    host_names: frozenset[str] = field(init=False)
    networks: tuple[IPNetwork, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.files, Mapping):
            raise TypeError(f"files must be a mapping from paths, not {shown(self.files)}")
        if self.socket_path is not None:
            check_kind("socket_path", self.socket_path, str, hint="'/ws'")
        for name, value in ("hosts", self.hosts), ("proxies", self.proxies):
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise TypeError(f"{name} must be a list of texts, not {shown(value)}")
        names = []
        for text in self.hosts:
            check_kind("a host", text, str, hint="'chat.example.org'")
            host, port = parse_authority(text)
            if port is not None:
                raise ValueError(f"{text!r}: a host counts with any port: write {host}")
            names.append(host)
        object.__setattr__(self, "host_names", frozenset(names))
        object.__setattr__(self, "networks", parse_networks(self.proxies))
