"""The TLS settings of one network, read from its files when they are needed."""

from __future__ import annotations

import logging
import ssl
import time
from contextlib import suppress
from pathlib import Path

from trionet.argument_checks import check_file
from trionet.errors import TrionetError
from trionet.transport.certificates import File, client_context, server_context, shown_name
from trionet.transport.expiry import expiry_of, warning_of

logger = logging.getLogger("trionet.transport")


class TLSSettings:
    """The settings that a network listens and connects with; its arguments are those of it.

    Raises:
        ValueError: a key or `client_ca` without its certificate.
        TypeError: a file that is not a path.

    Attributes:
        files: those given, by the names of the arguments.
        expiry: when the certificate that was read last expires, in Unix time; ``None``: none was
            read yet, or it does not say.
    """

    def __init__(
        self,
        *,
        certificate: File | None,
        private_key: File | None,
        client_ca: File | None,
        ca: File | None,
        client_certificate: File | None,
        client_key: File | None,
    ) -> None:
        given = {
            "certificate": certificate,
            "private_key": private_key,
            "client_ca": client_ca,
            "ca": ca,
            "client_certificate": client_certificate,
            "client_key": client_key,
        }
        for name, file in given.items():
            check_file(name, file)
        if private_key is not None and certificate is None:
            raise ValueError("a private key needs its certificate")
        if client_ca is not None and certificate is None:
            raise ValueError("client_ca needs the certificate of the server")
        if client_key is not None and client_certificate is None:
            raise ValueError("a client's private key needs its certificate")
        self.files: dict[str, File] = {
            name: file for name, file in given.items() if file is not None
        }
        self.expiry: float | None = None
        self._of_client: ssl.SSLContext | None = None

    def of_server(self, *, again: bool = False) -> ssl.SSLContext:
        """Read the files of the ``tls:`` listeners, and warn if the certificate expires soon.

        Args:
            again: warn although the last certificate expired at the same time; default ``False``,
                because each address reads the certificate, and once is enough.

        Raises:
            TrionetError: there is no certificate, or a file cannot be used.
        """
        certificate = self.files.get("certificate")
        if certificate is None:
            raise TrionetError("TLS needs a certificate and its private key, and none was given")
        context = server_context(
            certificate, self.files.get("private_key"), self.files.get("client_ca")
        )
        self.expiry = known = None if again else self.expiry
        # The file was read just before. If it was replaced since, a reload will follow.
        with suppress(OSError):
            self.expiry = expiry_of(Path(certificate).read_bytes())
        if self.expiry is not None and self.expiry != known:
            warning = warning_of(shown_name(certificate), self.expiry, time.time())
            if warning is not None:
                logger.warning("%s", warning, extra={"event": "certificate"})
        return context

    def of_client(self) -> ssl.SSLContext:
        """Return what to connect with; the first call reads the files.

        Raises:
            TrionetError: a file cannot be used.
        """
        if self._of_client is None:
            self._of_client = client_context(
                self.files.get("ca"),
                self.files.get("client_certificate"),
                self.files.get("client_key"),
            )
        return self._of_client
