"""Where listeners and streams come from: the operating system's network.

`trionet.serve` and the clients ask nothing of a network but the two calls of `trionet.Network`. So
the same code runs on `SYSTEM` and on `trionet.testing.MemoryNetwork`.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, assert_never

import trio

from trionet.abc import Listener
from trionet.argument_checks import check_backlog, check_file, check_kind, check_unix_mode
from trionet.errors import ConnectError, ListenError, TrionetError, system_reason
from trionet.transport.addresses import (
    Address,
    InheritedAddress,
    TCPAddress,
    TLSAddress,
    UnixAddress,
    WebAddress,
    parse_address,
)
from trionet.transport.certificates import File, client_context, server_context, shown_name
from trionet.transport.expiry import expiry_of, warning_of
from trionet.transport.inherited import open_inherited
from trionet.transport.listener import SocketListener
from trionet.transport.proxied import Proxies
from trionet.transport.sockets import SocketStream
from trionet.transport.tcp import bind_tcp, connect_tcp, keep_alive
from trionet.transport.tls import TLSStream
from trionet.transport.tlshandshake import REFUSAL
from trionet.transport.tlslistener import TLSListener
from trionet.transport.unixsockets import connect_unix, listen_unix
from trionet.transport.web.settings import WebSettings

if TYPE_CHECKING:
    from trionet.transport.web.client import WebSocketClientStream

logger = logging.getLogger("trionet.transport")

# The default limit of Linux since 5.4 (net.core.somaxconn). Kernels reduce a larger backlog.
DEFAULT_BACKLOG = 4096

# A plain-text server waits for a line while a TLS client waits for an answer, so one of them must
# give up. This is long enough for several round trips around the world to a busy server.
_HANDSHAKE_SECONDS = 30


class SystemNetwork:
    """TCP over IPv4 and IPv6, in the clear or encrypted, and Unix sockets.

    Args:
        certificate: a PEM file with the certificate of ``tls:`` listeners, followed by the chain
            up to one that clients trust; default ``None``: there are no ``tls:`` listeners. Each
            `listen` and `reload` reads it again.
        private_key: a PEM file with its private key, not encrypted; default: it is in
            `certificate` too.
        client_ca: a PEM file with the only certificates that the certificates of clients may lead
            to. Whoever shows none at a ``tls:`` listener is refused. Default: clients need none.
            Read as often as `certificate`.
        ca: a PEM file with the only certificates that `connect` trusts; default: those that the
            system trusts. The first ``tls:`` connection reads it, once.
        client_certificate: a PEM file with the certificate that `connect` shows to a server that
            requires one, followed by its chain; default: none. Read with `ca`.
        client_key: a PEM file with its private key, not encrypted; default: it is in
            `client_certificate` too.
        unix_mode: the permissions of Unix sockets, a number such as 0o600; default: what the umask
            leaves. Whoever may write to one may connect.
        proxy_from: addresses and networks of proxies, such as ``10.0.0.0/8``. A connection from
            there must begin with a header of the PROXY protocol, version 1 or 2, before TLS, and
            counts as that of the peer whom the header names; default: nobody's. Trust only proxies
            that send one, because they can name whom they like.
        web: what ``web:`` listeners serve besides WebSockets, and whom they trust; default:
            ``WebSettings()``: no files, and no trust.

    Raises:
        ValueError: a key or `client_ca` without its certificate, a `unix_mode` that is not a mode,
            or a network in `proxy_from` that cannot be read.
        TypeError: a file that is not a path, a `unix_mode` that is not a number, or a `proxy_from`
            that is not a list of texts.
    """

    def __init__(
        self,
        *,
        certificate: File | None = None,
        private_key: File | None = None,
        client_ca: File | None = None,
        ca: File | None = None,
        client_certificate: File | None = None,
        client_key: File | None = None,
        unix_mode: int | None = None,
        proxy_from: Sequence[str] = (),
        web: WebSettings | None = None,
    ) -> None:
        self._files: dict[str, File | None] = {
            "certificate": certificate,
            "private_key": private_key,
            "client_ca": client_ca,
            "ca": ca,
            "client_certificate": client_certificate,
            "client_key": client_key,
        }
        for name, file in self._files.items():
            check_file(name, file)
        if private_key is not None and certificate is None:
            raise ValueError("a private key needs its certificate")
        if client_ca is not None and certificate is None:
            raise ValueError("client_ca needs the certificate of the server")
        if client_key is not None and client_certificate is None:
            raise ValueError("a client's private key needs its certificate")
        check_unix_mode(unix_mode)
        self._expiry: float | None = None
        self._unix_mode = unix_mode
        self._proxies = Proxies(proxy_from)
        if web is not None:
            check_kind("web", web, WebSettings, hint="trionet.WebSettings(...)")
        self._web = web or WebSettings()
        self._client_context: ssl.SSLContext | None = None
        # The listeners that `reload` serves. They are held weakly, so one that nobody else holds
        # drops out.
        self._tls_listeners: weakref.WeakSet[TLSListener] = weakref.WeakSet()

    def __repr__(self) -> str:
        parts = [f"{name}={str(file)!r}" for name, file in self._files.items() if file is not None]
        if self._unix_mode is not None:
            parts.append(f"unix_mode=0o{self._unix_mode:o}")
        return f"SystemNetwork({', '.join(parts)})"

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        """Listen on every address that `address` stands for.

        Args:
            address: see `trionet.parse_address`; port 0: a free one, the same for all.
            backlog: connections that the kernel holds ready before they are accepted; default
                4,096, or what the kernel allows.

        Returns:
            One listener for each address; the caller closes them.

        Raises:
            AddressError: `address` cannot be read.
            ListenError: it cannot be listened on, such as a port in use, or a ``tls:`` address
                with no certificate or one that cannot be used.
            ValueError: `backlog` is out of bounds.

        Cancellation: leaves nothing behind.
        """
        where = parse_address(address)
        check_backlog(backlog)
        if backlog is None:
            backlog = DEFAULT_BACKLOG
        try:
            match where:
                case TCPAddress():
                    socks = await self._bind(where, where, backlog)
                    return [SocketListener(sock, proxies=self._proxies) for sock in socks]
                case TLSAddress():
                    return await self._listen_tls(where, where, backlog)
                case WebAddress():
                    return await self._listen_web(where, backlog)
                case UnixAddress():
                    return [await self._bind_unix(where, backlog)]
                case InheritedAddress():
                    return self._listen_inherited(where)
                case _:
                    assert_never(where)
        except (OSError, UnicodeError) as error:
            raise ListenError(f"cannot listen on {address}: {reason_of(error)}") from error
        except TrionetError as error:
            raise ListenError(f"cannot listen on {address}: {error}") from error

    async def _bind_unix(self, where: UnixAddress, backlog: int) -> SocketListener:
        return await listen_unix(where, backlog=backlog, mode=self._unix_mode)

    async def _bind(
        self,
        whole: Address,  # noqa: ARG002  (a subclass uses it)
        where: TCPAddress,
        backlog: int,
    ) -> Sequence[socket.socket]:
        """Return sockets that listen on the TCP part of a whole address."""
        return await bind_tcp(where, backlog)

    def _inherit(self, where: InheritedAddress) -> Sequence[socket.socket]:
        return open_inherited(where.name)

    async def _listen_tls(
        self, whole: Address, where: TLSAddress, backlog: int
    ) -> list[TLSListener]:
        context = self._server_settings()
        socks = await self._bind(whole, where.tcp, backlog)
        listeners = [
            TLSListener(SocketListener(s, refusal=REFUSAL, proxies=self._proxies), context)
            for s in socks
        ]
        self._tls_listeners.update(listeners)
        return listeners

    async def _listen_web(self, where: WebAddress, backlog: int) -> Sequence[Listener]:
        web = import_web()
        if isinstance(where.below, TLSAddress):
            encrypted = await self._listen_tls(where, where.below, backlog)
            return [web.WebListener(listener, self._web) for listener in encrypted]
        socks = await self._bind(where, where.tcp, backlog)
        listeners = [
            SocketListener(sock, refusal=web.NO_DESCRIPTOR, proxies=self._proxies) for sock in socks
        ]
        return [web.WebListener(listener, self._web) for listener in listeners]

    def _listen_inherited(self, where: InheritedAddress) -> Sequence[Listener]:
        """Listen on the sockets of a name. Their backlog and mode are the supervisor's."""
        web = import_web() if where.is_web else None
        context = self._server_settings() if where.is_tls else None
        socks = self._inherit(where)
        if any(sock.family == socket.AF_UNIX for sock in socks):
            if where.is_web or where.is_tls:
                for sock in socks:
                    sock.close()
                raise TrionetError("TLS and browsers need TCP, and it is a Unix socket")
        else:
            for sock in socks:
                keep_alive(sock)
        refusal = {"refusal": web.NO_DESCRIPTOR} if web is not None else {}
        if context is not None:
            refusal = {"refusal": REFUSAL}
        plain = [
            SocketListener(sock, is_inherited=True, proxies=self._proxies, **refusal)
            for sock in socks
        ]
        listeners: Sequence[Listener] = plain
        if context is not None:
            listeners = encrypted = [TLSListener(listener, context) for listener in plain]
            self._tls_listeners.update(encrypted)
        if web is not None:
            listeners = [web.WebListener(listener, self._web) for listener in listeners]
        return listeners

    def reload(self) -> bool:
        """Read certificate and private key again, for the connections that come from now on.

        The ``tls:`` listeners of this network stay open, and existing connections keep what they
        have. Never a checkpoint: it blocks while it reads the files.

        Returns:
            Whether there was anything to reload: without a ``tls:`` listener there is not.

        Raises:
            TrionetError: the new files cannot be used; the message says in one line which and why.
                The listeners keep their old certificate.
        """
        listeners = [listener for listener in self._tls_listeners if not listener.closed]
        if not listeners:
            return False
        # Build all of it before any listener gets it, so a bad file changes nothing.
        known, self._expiry = self._expiry, None
        try:
            context = self._server_settings()
        except TrionetError:
            self._expiry = known
            raise
        for listener in listeners:
            listener.context = context
        return True

    async def connect(self, address: str) -> SocketStream | TLSStream | WebSocketClientStream:
        """Connect to the first address that answers; tries both families (RFC 8305).

        With a ``tls:`` address this also makes the handshake: the server has then shown a
        certificate for the host of the address, and it leads to a trusted one. With a ``web:``
        address it asks for a WebSocket.

        Args:
            address: see `trionet.parse_address`; no host: localhost.

        Returns:
            The stream; the caller closes it.

        Raises:
            AddressError: `address` cannot be read.
            ConnectError: nobody answers there, or the certificate is not good.

        Cancellation: leaves nothing behind.
        """
        where = parse_address(address)
        try:
            match where:
                case TCPAddress():
                    return await connect_tcp(where)
                case TLSAddress():
                    return await self._connect_tls(where)
                case WebAddress():
                    return await self._ask_for_web_socket(where)
                case UnixAddress():
                    return await connect_unix(where)
                case InheritedAddress():
                    raise TrionetError("an inherited socket is only for listening")
                case _:
                    assert_never(where)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"cannot connect to {address}: {reason_of(error)}") from error
        except (TrionetError, trio.BrokenResourceError) as error:
            raise ConnectError(f"cannot connect to {address}: {error}") from error

    async def _connect_tls(self, where: TLSAddress) -> TLSStream:
        context = self._client_settings()
        return await _secure(await connect_tcp(where.tcp), context, where.tcp.host)

    async def _ask_for_web_socket(self, where: WebAddress) -> WebSocketClientStream:
        import_web()
        from trionet.transport.web.client import open_web_socket

        transport: SocketStream | TLSStream
        if isinstance(where.below, TLSAddress):
            transport = await self._connect_tls(where.below)
        else:
            transport = await connect_tcp(where.tcp)
        try:
            with trio.move_on_after(_HANDSHAKE_SECONDS):
                return await open_web_socket(transport, where.tcp)
            raise TrionetError(f"no WebSocket within {_HANDSHAKE_SECONDS} seconds")
        except BaseException:
            transport.close()
            raise

    def _server_settings(self) -> ssl.SSLContext:
        certificate = self._files["certificate"]
        if certificate is None:
            raise TrionetError("TLS needs a certificate and its private key, and none was given")
        context = server_context(certificate, self._files["private_key"], self._files["client_ca"])
        self._note_expiry(certificate)
        return context

    def certificate_expiry(self) -> float | None:
        """Return when the certificate of the ``tls:`` listeners expires, in Unix time.

        That is the one that was read last; ``None``: none was read yet. Never a checkpoint.
        """
        return self._expiry

    def _note_expiry(self, certificate: File) -> None:
        """Look up until when a certificate is good, and warn if that is not for long."""
        known = self._expiry
        # The file was read just before. If it was replaced since, a reload will follow.
        with suppress(OSError):
            self._expiry = expiry_of(Path(certificate).read_bytes())
        if self._expiry is None or self._expiry == known:
            # Each address reads it, and once is enough.
            return
        warning = warning_of(shown_name(certificate), self._expiry, time.time())
        if warning is not None:
            logger.warning("%s", warning, extra={"event": "certificate"})

    def _client_settings(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = client_context(
                self._files["ca"], self._files["client_certificate"], self._files["client_key"]
            )
        return self._client_context


SYSTEM = SystemNetwork()


def import_web() -> ModuleType:
    """Return the module of listeners for browsers, which needs a library of its own.

    Raises:
        TrionetError: the library is missing; the message says how to install it.
    """
    try:
        from trionet.transport.web import listener
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "websockets":
            raise
        raise TrionetError(
            "a web: address needs the extra `web`: pip install 'trionet[web]'"
        ) from error
    return listener


async def _secure(transport: SocketStream, context: ssl.SSLContext, host: str) -> TLSStream:
    """Make the handshake with a server that must be `host`."""
    # A certificate contains neither the scope of a link-local address nor the final dot of a name.
    name = host.partition("%")[0].removesuffix(".") or "localhost"
    try:
        stream = TLSStream(transport, context, server_hostname=name)
        with trio.move_on_after(_HANDSHAKE_SECONDS) as handshake:
            await stream.do_handshake()
        if handshake.cancelled_caught:
            raise TrionetError(f"no TLS handshake within {_HANDSHAKE_SECONDS} seconds")
    except BaseException:
        transport.close()
        raise
    return stream


def reason_of(error: OSError | UnicodeError) -> str:
    """Return the kernel's reason in its own words, even for an error that gathers several."""
    if isinstance(error, UnicodeError):
        # No resolver or file system can be asked for this: a host name with an empty or over-long
        # part or an illegal character, or a path with half of a surrogate pair.
        return "not a valid name"
    causes = error.__cause__
    while isinstance(causes, BaseExceptionGroup):
        causes = causes.exceptions[-1]
    if isinstance(causes, OSError):
        error = causes
    # Trio puts the address in front of the kernel's words, but our message already has it. The
    # numbers of failed name look-ups are not error numbers: on some systems they are negative.
    if error.errno is not None and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno).lower()
    return system_reason(error)
