"""Where a password is wanted, in JSON lines: sentences J120 to J122 of docs/protocol.md."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from peer import own_address
from service import Room, Starter

SECRET = "correct horse"


@pytest.fixture
def guarded(start: Starter, tmp_path: Path) -> Room:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text(SECRET)
    return start.room("--password-file", str(file), "--forever", "--quiet")


def test_j120_a_login_has_the_password(guarded: Room) -> None:
    ann = guarded.connect_json("Ann")
    ann.refused("bad-password", "login", name="Ann")
    ann.refused("bad-password", "login", name="error", password="wrong")
    ann.refused("bad-password", "login", name="Ann", password=SECRET.upper())
    ann.refused("bad-request", "login", name="Ann", password=3)
    ann.request("login", name="Ann", password=SECRET)
    ann.expect("welcome", name="Ann")
    ann.expect("entered", room="lobby")


def test_j121_a_valid_token_is_enough(guarded: Room) -> None:
    ann = guarded.connect_json("Ann")
    ann.request("login", name="Ann", password=SECRET, hold=True)
    token = ann.expect("welcome", name="Ann")["token"]
    ann.peer.close()
    again = guarded.connect_json("Ann")
    again.request("login", name="Ann", token=token)
    again.expect("welcome", name="Ann", resumed=True)
    other = guarded.connect_json("Eve")
    # A token that is not valid is no try of the password, and costs no wait.
    for _ in range(6):
        other.refused("bad-password", "login", name="Eve", token="0" * 32)
    began = time.monotonic()
    other.refused("bad-password", "login", name="Eve", token="0" * 32, password="wrong")
    # If the six before were tries, this would wait 8 s.
    assert time.monotonic() - began < 4


def test_j122_what_can_be_read_on_its_way_is_forbidden(start: Starter, tmp_path: Path) -> None:
    host = own_address()
    if not host or host.startswith("127."):
        pytest.skip("this machine has no address by which others reach it")
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text(SECRET)
    room = start.room(f"{host}:0", "--password-file", str(file), "--forever", listeners=2)
    ann = room.connect_json("Ann", address=room.program.addresses[1])
    ann.refused("forbidden", "login", name="Ann", password=SECRET)
    here = room.connect_json("Ann")
    here.request("login", name="Ann", password=SECRET)
    here.expect("welcome", name="Ann")
