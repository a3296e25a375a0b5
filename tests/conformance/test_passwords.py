"""Where a password is wanted: sentences R91 to R95 of docs/protocol.md."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from peer import own_address
from service import Room, Starter

SECRET = "correct horse"


@pytest.fixture
def guarded(start: Starter, tmp_path: Path) -> Room:
    return start.room("--password-file", str(password_file(tmp_path)), "--forever", "--quiet")


def password_file(folder: Path) -> Path:
    file = folder / "password"
    file.touch(0o600)
    file.write_text(f"{SECRET}\n")
    return file


def test_r91_a_fit_and_free_name_is_asked_for_the_password(guarded: Room) -> None:
    ann = guarded.log_in("Ann")
    ann.expect("*** password?")
    ann.say(SECRET)
    ann.expect("*** welcome, Ann (1 here: Ann)")
    bob = guarded.log_in("ann")
    bob.expect("error: the name ann is taken")
    bob.say("error")
    bob.expect_error()
    bob.say("Bob")
    bob.expect("*** password?")


def test_r92_after_a_wrong_password_the_name_is_asked_again(guarded: Room) -> None:
    ann = guarded.log_in("Ann")
    for name in "*Ann", "**", "error", ":", "q.", "a b", "lobby", "you":
        ann.expect("*** password?") if name == "*Ann" else None
        ann.say(f"{SECRET} " if name == "*Ann" else name)
        ann.expect("error: wrong password") if name == "*Ann" else ann.expect_error()
    ann.say("Ann", f" {SECRET}")
    ann.expect("*** password?", "error: wrong password")
    ann.say("Ann", "wrong")
    # That was the tenth name that was refused.
    ann.expect("*** password?", "error: too many names were refused")
    ann.expect_end()


def test_r93_leaving_is_possible_and_a_bad_line_is_no_password(guarded: Room) -> None:
    ann = guarded.log_in("Ann")
    ann.expect("*** password?")
    ann.send(b"\xff\n")
    ann.expect("error: line is not UTF-8")
    ann.say("Ann", SECRET)
    ann.expect("*** password?", "*** welcome, Ann (1 here: Ann)")
    for leaving in "q", "/quit":
        bob = guarded.log_in("Bob")
        bob.expect("*** password?")
        bob.say(leaving)
        bob.expect_end()


def test_r94_after_three_wrong_ones_each_try_waits(guarded: Room) -> None:
    for name in "Ann", "Bob", "Cid":
        peer = guarded.log_in(name)
        peer.say("wrong")
        peer.expect("*** password?", "error: wrong password")
    began = time.monotonic()
    ann = guarded.log_in("Ann")
    ann.say("wrong")
    ann.expect("*** password?", "error: wrong password")
    first = time.monotonic() - began
    ann.say("Ann", SECRET)
    ann.expect("*** password?", "*** welcome, Ann (1 here: Ann)")
    second = time.monotonic() - began - first
    assert first >= 0.9
    assert second >= 1.9
    bob = guarded.log_in("Bob")
    bob.say(SECRET)
    began = time.monotonic()
    bob.expect("*** password?", "*** welcome, Bob (2 here: Ann, Bob)")
    # Without the right one of Ann's, this would wait 4 s.
    assert time.monotonic() - began < 3


def test_r95_nobody_logs_in_where_the_password_can_be_read(start: Starter, tmp_path: Path) -> None:
    host = own_address()
    if not host or host.startswith("127."):
        pytest.skip("this machine has no address by which others reach it")
    room = start.room(
        f"{host}:0", "--password-file", str(password_file(tmp_path)), "--forever", listeners=2
    )
    peer = room.log_in("Ann", address=room.program.addresses[1])
    peer.expect_error()
    peer.say("Ann")
    peer.expect_error()
    json_peer = room.connect_json("Bob", address=room.program.addresses[1])
    json_peer.request("login", name="Bob", password=SECRET)
    json_peer.expect_error("forbidden")
