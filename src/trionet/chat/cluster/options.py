"""Where Redis is, and how a chat uses it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from trionet.errors import TrionetError

DEFAULT_KEY = "trionet"
DEFAULT_LEASE = 4.0
DEFAULT_WAIT = 10.0
DEFAULT_MAX_PENDING = 16 << 20
DEFAULT_PORT = 6379


class RedisError(TrionetError):
    """Redis cannot be used. The message is one line, and never shows a password."""


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """Where Redis is, and how the nodes of one chat use it.

    Args:
        url: ``redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]``, or ``rediss://`` for TLS. It is not
            part of the ``repr``, because it may have a password.
        key: which chat; default ``trionet``. Its keys in Redis begin with it.
        lease: for how many seconds a node may be silent until its members have left; default 4. A
            heartbeat comes each quarter. The first node of a chat decides for all.
        wait: for how many seconds a start waits for Redis; default 10.
        max_pending: how many bytes may wait on this node while Redis is out of reach; default
            16 MiB. After that the server stops reading from its members.
        node: the name of this node, which no other process has; default: drawn from the host's name
            and a random number.

    Raises:
        TypeError, ValueError: a value is of the wrong kind, or out of range. The message never
            shows the URL.
    """

    url: str = field(repr=False)
    key: str = DEFAULT_KEY
    lease: float = DEFAULT_LEASE
    wait: float = DEFAULT_WAIT
    max_pending: int = DEFAULT_MAX_PENDING
    node: str = ""

    def __post_init__(self) -> None:
        for name in ("url", "key", "node"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a text")
        server_of(self.url)
        if not self.key or len(self.key) > 200 or "{" in self.key or "}" in self.key:
            raise ValueError("key must have 1 to 200 characters, and no braces")
        for name, low, high in (("lease", 0.4, 3600.0), ("wait", 0.0, 86_400.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number of seconds")
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low:g} and {high:g} seconds")
        if isinstance(self.max_pending, bool) or not isinstance(self.max_pending, int):
            raise TypeError("max_pending must be a whole number of bytes")
        if not 65_536 <= self.max_pending <= 1 << 40:
            raise ValueError("max_pending must be at least 65,536 bytes")

    @property
    def server(self) -> RedisServer:
        """Where Redis is."""
        return server_of(self.url)

    @property
    def place(self) -> str:
        """Where Redis is, for people: `HOST:PORT`."""
        return self.server.place

    @property
    def stream_key(self) -> str:
        """The key of the stream. Braces keep both keys on one machine of a Redis cluster."""
        return f"{{{self.key}}}:log"

    @property
    def snapshot_key(self) -> str:
        """The key of the snapshot."""
        return f"{{{self.key}}}:snapshot"


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """What a URL says."""

    host: str
    port: int
    database: int
    tls: bool
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def server_of(url: str) -> RedisServer:
    """Read a URL.

    Raises:
        ValueError: it cannot be read. The message does not repeat it.
    """
    hint = "a Redis URL is redis://HOST:PORT/0, or rediss:// with TLS"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(hint) from None
    if parts.scheme not in ("redis", "rediss") or not host or parts.query or parts.fragment:
        raise ValueError(hint)
    database = parts.path.strip("/") or "0"
    if not (database.isascii() and database.isdigit() and len(database) < 6):
        raise ValueError(hint)
    return RedisServer(
        host=host,
        port=DEFAULT_PORT if port is None else port,
        database=int(database),
        tls=parts.scheme == "rediss",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )
