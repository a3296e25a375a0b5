"""A free port is given to whoever asks for it, and to nobody else."""

from __future__ import annotations

import socket

import pytest

from free_port import free_port


def test_a_free_port_is_only_for_a_server_that_asks_for_it() -> None:
    place = "127.0.0.1", free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(place)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)
    # It sets SO_REUSEADDR.
    socket.create_server(place).close()
