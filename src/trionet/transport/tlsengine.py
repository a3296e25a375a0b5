"""The TLS protocol between two buffers in memory: bytes in, bytes out, no waiting.

`TLSEngine` wraps ``ssl.SSLObject`` and turns what that raises into attributes.
`trionet.transport.tls` sends and receives around it.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from trionet.argument_checks import shown
from trionet.events import SAID_NOTHING

# OpenSSL's reasons when the first record is plain text.
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"}

_PLAIN_TEXT = "the other side does not speak TLS"

CERTIFICATE_REQUIRED = "the other side requires a certificate"
CERTIFICATE_UNTRUSTED = "the other side does not trust this side's certificate"

# How the reason begins if this side does not trust the other's certificate; OpenSSL's words follow.
UNTRUSTED = "certificate verify failed: "

# What OpenSSL says of certificates that a client should have shown, in words.
_IN_WORDS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the other side showed no certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": CERTIFICATE_REQUIRED,
    "TLSV1_ALERT_UNKNOWN_CA": CERTIFICATE_UNTRUSTED,
    "SSLV3_ALERT_BAD_CERTIFICATE": CERTIFICATE_UNTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": CERTIFICATE_UNTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": CERTIFICATE_UNTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": CERTIFICATE_UNTRUSTED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": CERTIFICATE_UNTRUSTED,
}

# One record holds at most this much (RFC 8446, 5.1).
RECORD_SIZE = 16384


_ENDED = "the other side ended the connection in the TLS handshake"


class TLSEngine:
    """One side of a TLS connection, without the connection.

    Args:
        context: certificates and settings.
        server_side: this side shows a certificate.
        server_hostname: for a client: the name or address that the certificate must have.

    Attributes:
        secured: whether the handshake is made.
        input_ended: whether the input has ended, with ``close_notify`` or without.
        truncated: whether it ended without, after the handshake.
        broken: why nothing works any more; ``None``: it works. The output may still hold an alert
            that tells the other side.
        met_plain_text: whether it is broken because a client began with something other than TLS.
    """

    __slots__ = (
        "_context",
        "_incoming",
        "_outgoing",
        "_ssl",
        "broken",
        "input_ended",
        "met_plain_text",
        "secured",
        "truncated",
    )

    # `_start` sets these.
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO
    _ssl: ssl.SSLObject

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None
    ) -> None:
        # A server has nothing to do before the client has said something, and the client may stay
        # silent. OpenSSL's objects cost some 20 KiB, so they are made only then.
        self._context: ssl.SSLContext | None = context
        if not server_side:
            self._start(server_hostname)
        self.secured = False
        self.input_ended = False
        self.truncated = False
        self.broken: str | None = None
        self.met_plain_text = False

    @property
    def started(self) -> bool:
        """Whether either side has said anything."""
        return self._context is None

    def _start(self, server_hostname: str | None = None) -> None:
        assert self._context is not None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = self._context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=self._context.protocol is ssl.PROTOCOL_TLS_SERVER,
            server_hostname=server_hostname,
        )
        self._context = None

    def feed(self, data: bytes) -> None:
        """Take ciphertext that was received; empty: the connection's end."""
        if not data:
            self.truncated = self.secured and not self.input_ended
            self.input_ended = True
            if not self.secured:
                self.broken = _ENDED if self.started else SAID_NOTHING
        elif not self.input_ended:
            if not self.started:
                if not _may_be_tls(data[0]):
                    # OpenSSL would wait for five bytes, and a name may be shorter.
                    self.met_plain_text = True
                    self.broken = _PLAIN_TEXT
                    return
                self._start()
            self._incoming.write(data)

    def take_output(self) -> bytes:
        """Return the ciphertext to send; empty: none."""
        return self._outgoing.read() if self.started and self._outgoing.pending else b""

    def shake_hands(self) -> None:
        """Go on with the handshake as far as the input allows; sets `secured` or `broken`.

        Call this before all else: OpenSSL would make the handshake by itself, but not check the
        host name.
        """
        if not self.started:
            return
        try:
            self._ssl.do_handshake()
            self.secured = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.broken = reason_of(error)

    def encrypt(self, piece: bytes | bytearray | memoryview) -> None:
        """Encrypt all of some plain text into the output; `RECORD_SIZE` bytes become one record."""
        try:
            self._ssl.write(piece)
        except ssl.SSLError as error:
            self.broken = reason_of(error)

    def decrypt(self, max_bytes: int) -> bytes:
        """Return plain text from the input; empty: none is there yet, or none will come."""
        pieces: list[bytes] = []
        room = max_bytes
        try:
            while room and not self.broken:
                piece = self._ssl.read(min(room, RECORD_SIZE))
                if not piece:
                    self.input_ended = True
                    break
                pieces.append(piece)
                room -= len(piece)
                if not (self._incoming.pending or self._ssl.pending()):
                    # Asking once more would cost an exception for every line.
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            # The other side's `close_notify` again, after this side has sent its own.
            self.input_ended = True
        except ssl.SSLError as error:
            # The next call reports it: what came before is good.
            self.broken = reason_of(error)
        return b"".join(pieces)

    def has_input(self) -> bool:
        """Tell whether there is input that was fed but not decrypted."""
        return self.started and bool(self._incoming.pending or self._ssl.pending())

    def close_notify(self) -> None:
        """Put ``close_notify`` into the output. Take the plain text in the input first."""
        # This always "fails", because it also expects the other side's `close_notify` already.
        with suppress(ssl.SSLError):
            self._ssl.unwrap()


def check_context(context: object) -> None:
    """Refuse what is not an ``ssl.SSLContext``, such as the path of a certificate.

    Raises:
        TypeError: it is not one.
    """
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(
            f"context must be an ssl.SSLContext, not {shown(context)}: "
            "see trionet.transport.certificates"
        )


def _may_be_tls(first: int) -> bool:
    """Tell whether a client that begins with this byte may speak TLS.

    That is the type of a record (RFC 8446, 5.1), or the first bit of the oldest kind of greeting
    (RFC 5246, E.2). Neither begins a line of UTF-8 text, but for control characters.
    """
    return 20 <= first <= 24 or 0x80 <= first < 0xC0


def reason_of(error: ssl.SSLError) -> str:
    """Return what went wrong in a few words, without OpenSSL's source lines."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{UNTRUSTED}{error.verify_message.rstrip('.')}"
    # Some errors have no reason, whatever their type says.
    reason: str | None = getattr(error, "reason", None)
    if reason in _NO_TLS:
        return _PLAIN_TEXT
    if reason in _IN_WORDS:
        return _IN_WORDS[reason]
    return (reason or str(error.args[-1])).lower().replace("_", " ")
