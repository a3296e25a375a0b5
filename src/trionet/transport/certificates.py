"""Certificate files made into TLS settings, and what is wrong with them told in one line.

The settings are few: TLS 1.2 at least, Python's choice of ciphers, and the other side's
certificate always checked by whoever connects.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import NoReturn, TypeAlias

from trionet.errors import TrionetError, system_reason

File: TypeAlias = str | os.PathLike[str]


def server_context(certificate: File, private_key: File | None = None) -> ssl.SSLContext:
    """Return the settings of a server.

    Args:
        certificate: a PEM file with the server's certificate, followed by those that lead to one
            that clients trust.
        private_key: a PEM file with its private key, not encrypted; default: it stands in
            `certificate` too.

    Raises:
        TrionetError: a file cannot be used; the message names it.
    """
    key = certificate if private_key is None else private_key
    for file in (certificate, key):
        _check_readable(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A handshake costs a server a hundred times what asking for it costs: one for a connection.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # Nobody resumes a session of hours, and tickets that a client has not read when it closes
    # make that close a reset, which destroys its last lines.
    context.num_tickets = 0

    def refuse_password() -> NoReturn:
        # OpenSSL would ask for it on the terminal.
        raise TrionetError(f"{_name(key)}: the private key is encrypted; give it without password")

    try:
        context.load_cert_chain(certificate, key, password=refuse_password)
    except ssl.SSLError as error:
        raise TrionetError(_blame(certificate, key, error.reason)) from error
    return context


def client_context(ca: File | None = None) -> ssl.SSLContext:
    """Return the settings of a client: certificates and the names in them are checked.

    Args:
        ca: a PEM file with the certificates to trust, and no others; default: those that the
            system trusts.

    Raises:
        TrionetError: the file cannot be used; the message names it.
    """
    if ca is not None:
        _check_readable(ca)
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        where = "the system's certificates" if ca is None else _name(ca)
        raise TrionetError(f"{where}: no certificate in PEM format") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _check_readable(file: File) -> None:
    """Open a file: the ssl module's own errors do not name it."""
    try:
        Path(file).open("rb").close()
    except OSError as error:
        raise TrionetError(f"{_name(file)}: {system_reason(error)}") from error
    except ValueError as error:
        raise TrionetError(f"{_name(file)}: not a valid name") from error


def _blame(certificate: File, key: File, reason: str | None) -> str:
    """Tell which of the two files OpenSSL means: it does not."""
    if reason == "KEY_VALUES_MISMATCH":
        return f"{_name(key)}: the private key does not belong to {_name(certificate)}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"{_name(certificate)}: no certificate in PEM format"
    if reason is not None and reason.isupper():
        # A good certificate, which is still refused: such as EE_KEY_TOO_SMALL.
        return f"{_name(certificate)}: {reason.lower().replace('_', ' ')}"
    return f"{_name(key)}: no private key in PEM format"


def _name(file: File) -> str:
    name = os.fspath(file)
    return name if name.isprintable() else repr(name)
