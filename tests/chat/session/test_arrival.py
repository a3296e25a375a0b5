"""What a login brings, of which nothing that must stay secret is ever shown."""

from __future__ import annotations

from hashlib import sha256

from trionet.chat.formats.answers import Welcomed
from trionet.chat.formats.requests import LogIn
from trionet.chat.session.arrival import Arrival, hash_of


def test_no_token_is_shown_where_an_object_is_logged() -> None:
    secret = "5ec2e7"
    for holder in (
        LogIn("Ann", token=secret),
        Welcomed("Ann", secret, "epoch"),
        Arrival(None, (), token=secret, brought=secret),
    ):
        assert secret not in repr(holder)


def test_only_the_hash_of_a_token_goes_on() -> None:
    assert hash_of("token") == sha256(b"token").digest()
    assert hash_of("") == b""
