"""Turn certificate files into TLS settings, or say in one line what is wrong with them.

The settings are few: TLS 1.2 or later, and Python's choice of ciphers. A client always checks the
server's certificate.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import NoReturn, TypeAlias

from trionet.errors import TrionetError, system_reason

File: TypeAlias = str | os.PathLike[str]


def server_context(
    certificate: File, private_key: File | None = None, client_ca: File | None = None
) -> ssl.SSLContext:
    """Return the settings of a server.

    Args:
        certificate: a PEM file with the server's certificate, followed by the chain up to one
            that clients trust.
        private_key: a PEM file with its private key, not encrypted; default: it is in
            `certificate` too.
        client_ca: a PEM file with the only certificates that clients' certificates may lead to;
            a client that shows none is refused. Default: clients need none.

    Raises:
        TrionetError: a file cannot be used; the message names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A handshake costs a server a hundred times what it costs a client to ask for one, so a
    # connection gets only one.
    context.options |= ssl.OP_NO_RENEGOTIATION
    # Nobody resumes a session that lasts hours. And if a client closes with unread tickets, that
    # close is a reset, which destroys its last lines.
    context.num_tickets = 0
    _load_chain(context, certificate, private_key)
    if client_ca is not None:
        _check_readable(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise TrionetError(f"{shown_name(client_ca)}: no certificate in PEM format") from error
    return context


def _load_chain(context: ssl.SSLContext, certificate: File, private_key: File | None) -> None:
    """Load the certificate that a side shows.

    Raises:
        TrionetError: a file cannot be used; the message names it.
    """
    key = certificate if private_key is None else private_key
    for file in (certificate, key):
        _check_readable(file)

    def refuse_password() -> NoReturn:
        # OpenSSL would ask for the password on the terminal.
        raise TrionetError(
            f"{shown_name(key)}: the private key is encrypted; give it without password"
        )

    try:
        context.load_cert_chain(certificate, key, password=refuse_password)
    except ssl.SSLError as error:
        raise TrionetError(_blame(certificate, key, error.reason)) from error


def client_context(
    ca: File | None = None,
    certificate: File | None = None,
    private_key: File | None = None,
) -> ssl.SSLContext:
    """Return the settings of a client, which checks certificates and the names in them.

    Args:
        ca: a PEM file with the only certificates to trust; default: those that the system
            trusts.
        certificate: a PEM file with the client's own certificate and its chain, for servers that
            require one; default: it shows none.
        private_key: a PEM file with its private key, not encrypted; default: it is in
            `certificate` too.

    Raises:
        TrionetError: a file cannot be used; the message names it.
    """
    if ca is not None:
        _check_readable(ca)
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        where = "the system's certificates" if ca is None else shown_name(ca)
        raise TrionetError(f"{where}: no certificate in PEM format") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        _load_chain(context, certificate, private_key)
    return context


def _check_readable(file: File) -> None:
    """Try to open a file, because the ssl module's own errors do not name it."""
    try:
        Path(file).open("rb").close()
    except OSError as error:
        raise TrionetError(f"{shown_name(file)}: {system_reason(error)}") from error
    except ValueError as error:
        raise TrionetError(f"{shown_name(file)}: not a valid name") from error


def _blame(certificate: File, key: File, reason: str | None) -> str:
    """Say which of the two files is at fault, because OpenSSL does not."""
    if reason == "KEY_VALUES_MISMATCH":
        return f"{shown_name(key)}: the private key does not belong to {shown_name(certificate)}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"{shown_name(certificate)}: no certificate in PEM format"
    if reason is not None and reason.isupper():
        # OpenSSL can read the certificate and still refuse it, for example with EE_KEY_TOO_SMALL.
        return f"{shown_name(certificate)}: {reason.lower().replace('_', ' ')}"
    return f"{shown_name(key)}: no private key in PEM format"


def shown_name(file: File) -> str:
    """Return the name of a file as it can be shown."""
    name = os.fspath(file)
    return name if name.isprintable() else repr(name)
