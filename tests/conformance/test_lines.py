"""What both services have in common, sentence by sentence: part L of docs/protocol.md."""

from __future__ import annotations

import os
import re
import select
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from passing_on import start_with
from peer import PATIENCE

if TYPE_CHECKING:
    from tests.conformance.conftest import Crowd, Drain, Ending
    from tests.conftest import Certificates

    from peer import Peer
    from service import Calculator, Room, Starter

TOO_LONG = "error: line is longer than 4096 bytes"
NOT_UTF8 = "error: line is not UTF-8"
UNENDING = "error: no end of line within 1048576 bytes"

MIB = 1 << 20


# What a line is


def test_l1_a_line_is_utf8_text_that_ends_with_lf(calculator: Calculator, room: Room) -> None:
    ann = calculator.connect("Ann")
    ann.send("Zoë\n12 × 42\n".encode())
    ann.expect("504")
    bob, cid = room.join("Bob", "Cid")
    bob.send("grüße, 世界 😀\n".encode())
    cid.expect("Bob: grüße, 世界 😀")


def test_l2_a_cr_before_the_lf_is_not_part_of_the_line(calculator: Calculator, room: Room) -> None:
    ann = calculator.connect("Ann")
    ann.send(b"Ann\r\n1 + 1\r\nq\r\n")
    ann.expect("2")
    ann.expect_end()
    bob, cid = room.join("Bob", "Cid")
    bob.send(b"hello\r\n")
    cid.expect("Bob: hello")


def test_l2_a_cr_before_the_lf_does_not_count(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.send(b"x" * 4096 + b"\r\n")
    bob.expect("Ann: " + "x" * 4096)
    # Not even where it is the last byte so far: the server reads Bob's next bytes after it.
    ann.send(b"x" * 4096 + b"\r")
    bob.expect_quiet()
    ann.send(b"\n")
    bob.expect("Ann: " + "x" * 4096)
    ann.send(b"x" * 4097 + b"\r\n")
    ann.expect(TOO_LONG)
    ann.expect_quiet()


@pytest.mark.parametrize("character", list("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\0"), ids=ascii)
def test_l3_nothing_else_ends_a_line(calculator: Calculator, room: Room, character: str) -> None:
    ann = calculator.log_in("Ann")
    ann.say(f"1 + 1{character}2 + 2")
    ann.expect_error()
    ann.expect_quiet()
    bob, cid = room.join("Bob", "Cid")
    bob.say(f"a{character}b")
    cid.expect_like("Bob: a.b")
    cid.expect_quiet()


CALCULATION = "Ann\r\n1 + 1\n2 × 3\r\nnonsense\n\n12 ÷ 5\nq\n".encode()


# Lines that may come first and are not names.
TRIES = 9


def send_cut(peer: Peer, data: bytes, size: int, *witnesses: Peer) -> None:
    """Send bytes in pieces. The server reads each by itself: it answers a witness in between."""
    for count, start in enumerate(range(0, len(data), size)):
        peer.send(data[start : start + size])
        # Neither an operation nor a name.
        witness = witnesses[count // TRIES % len(witnesses)]
        witness.say("*")
        witness.expect_error()


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(CALCULATION)])
def test_l4_how_the_bytes_are_split_makes_no_difference(calculator: Calculator, size: int) -> None:
    ann = calculator.connect("Ann")
    send_cut(ann, CALCULATION, size, calculator.log_in("Bob"))
    ann.expect("2", "6")
    ann.expect_error()
    ann.expect_error()
    ann.expect("2.4")
    ann.expect_end()


@pytest.mark.parametrize("size", [1, 2, 7, 61, 10_000])
def test_l4_a_room_hears_the_same_however_the_bytes_are_split(room: Room, size: int) -> None:
    (ann,) = room.join("Ann")
    bob = room.connect("Bob")
    spoken = "Bob\r\ngrüße 😀\n/me wavés\r\n//who\n\nlast\nq\n".encode()
    pieces = len(spoken) // size + 1
    strangers = [room.connect(f"stranger {count}") for count in range(pieces // TRIES + 1)]
    send_cut(bob, spoken, size, *strangers)
    bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    bob.expect_end()
    ann.expect("*** Bob joined (2 here)", "Bob: grüße 😀", "* Bob wavés", "Bob: /who", "Bob: last")
    ann.expect("*** Bob left (1 here)")
    ann.expect_quiet()


def test_l5_a_server_ends_its_lines_with_lf_alone(calculator: Calculator, room: Room) -> None:
    ann = calculator.connect("Ann")
    ann.send(b"Ann\r\n1 + 1\r\n1 / 0\r\nq\r\n")
    assert ann.rest() == b"2\nerror: division by zero\n"
    bob = room.connect("Bob")
    bob.send(b"Bob\r\n/who\r\n/help\r\n/foo\r\nq\r\n")
    assert re.fullmatch(rb"([^\r\n]+\n){4,}", bob.rest())


def test_l6_the_same_lines_are_spoken_over_every_kind_of_address(
    calculator: Calculator, room: Room
) -> None:
    addresses = room.program.addresses
    # The last is a Unix socket. If the machine has IPv6, that is between the first and the last.
    assert [address[:5] for address in (addresses[0], addresses[-1])] == ["127.0", "unix:"]
    assert all(address.startswith("[::1]:") for address in addresses[1:-1])
    for address in calculator.program.addresses:
        ann = calculator.log_in("Ann", address=address)
        ann.ask("12 + 42", "54")
        ann.finish()
        ann.expect_end()
    names = ["Ann", "Bob", "Cid"][: len(addresses)]
    members: list[Peer] = []
    for name, address in zip(names, addresses, strict=True):
        members.append(room.log_in(name, address=address))
        here = ", ".join(names[: len(members)])
        members[-1].expect(f"*** welcome, {name} ({len(members)} here: {here})")
        for other in members[:-1]:
            other.expect(f"*** {name} joined ({len(members)} here)")
    for member in members:
        member.say("hello")
        for other in members:
            if other is not member:
                other.expect(f"{member.name}: hello")


# Limits and bad lines


def test_l7_a_line_of_4096_bytes_is_taken(calculator: Calculator, room: Room) -> None:
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1".ljust(4096), "2")
    ann.say("1 + 1".ljust(4097))
    ann.expect(TOO_LONG)
    bob, cid = room.join("Bob", "Cid")
    # The limit counts bytes, not characters.
    bob.say("é" * 2048)
    cid.expect("Bob: " + "é" * 2048)
    bob.say("é" * 2048 + "x")
    bob.expect(TOO_LONG)
    bob.expect_quiet()
    cid.expect_quiet()


def test_l8_an_over_long_line_is_answered_as_soon_as_it_passes_the_limit(
    calculator: Calculator, room: Room
) -> None:
    ann = calculator.log_in("Ann")
    ann.send(b"1" * 4097)
    ann.expect(TOO_LONG)
    (bob,) = room.join("Bob")
    bob.send(b"x" * 4000)
    bob.send(b"y" * 97)
    bob.expect(TOO_LONG)


def test_l9_an_over_long_line_gets_its_error_once(calculator: Calculator, room: Room) -> None:
    (bob,) = room.join("Bob")
    for peer in (calculator.log_in("Ann"), bob):
        peer.send(b"x" * 4097)
        peer.expect(TOO_LONG)
        for _ in range(50):
            peer.send(b"x" * 5000)
        peer.send(b"\n")
        peer.expect_quiet()


def test_l10_the_rest_is_skipped_and_the_session_goes_on(
    calculator: Calculator, room: Room
) -> None:
    ann = calculator.log_in("Ann")
    ann.send(b"x" * 4097)
    ann.expect(TOO_LONG)
    # The end of the long line would be an operation by itself.
    ann.send(b"\r1 + 1\n2 + 2\n")
    ann.expect("4")
    ann.expect_quiet()
    bob, cid = room.join("Bob", "Cid")
    bob.say("x" * 20_000 + " q", "hello")
    bob.expect(TOO_LONG)
    cid.expect("Bob: hello")


def test_l11_a_peer_that_sends_no_end_of_line_is_closed(calculator: Calculator, room: Room) -> None:
    (bob,) = room.join("Bob")
    for peer in (calculator.log_in("Ann"), bob):
        peer.send(b"x" * MIB)
        peer.expect(TOO_LONG, UNENDING)
        peer.expect_end()


def test_l11_one_byte_less_is_an_over_long_line(calculator: Calculator, room: Room) -> None:
    (bob,) = room.join("Bob")
    for peer in (calculator.log_in("Ann"), bob):
        peer.send(b"x" * (MIB - 1) + b"\n")
        peer.expect(TOO_LONG)
        peer.expect_quiet()


def test_l12_no_line_towards_a_client_is_longer_than_65536_bytes(crowd: Crowd, room: Room) -> None:
    crowd.last.say("/who")
    # More names would make the line longer; not one more fits.
    assert 65_300 < len(crowd.last.read().encode()) <= 65_536
    # The longest possible message: each of its bytes becomes three, and the name is the longest.
    name = "\U00020000" * 32
    ann, bob = room.join("Ann", name)
    bob.say("x" + "\0" * 4095)
    ann.expect(f"{name}: x" + "�" * 4095)


BAD = [b"\xff", b"1 + 1\xe9", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"q\xfe"]


def test_l13_a_line_that_is_not_utf8_gets_an_error(calculator: Calculator, room: Room) -> None:
    ann = calculator.log_in("Ann")
    (bob,) = room.join("Bob")
    for peer in (ann, bob):
        for line in BAD:
            peer.send(line + b"\n")
            peer.expect(NOT_UTF8)
            peer.expect_quiet()


def test_l14_nothing_is_guessed(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    # Latin-1, a valid message followed by one bad byte, and UTF-16.
    ann.send("grüße\n".encode("latin-1") + b"hello\xff\n" + b"\xff\xfeh\0i\0\n\0")
    ann.say("", "plain")
    ann.expect(NOT_UTF8, NOT_UTF8, NOT_UTF8)
    # The second half of a UTF-16 line feed begins a line of its own.
    bob.expect("Ann: �", "Ann: plain")
    ann.expect_quiet()
    bob.expect_quiet()


def test_l15_a_line_that_is_over_long_and_not_utf8_is_over_long(
    calculator: Calculator, room: Room
) -> None:
    (bob,) = room.join("Bob")
    for peer in (calculator.log_in("Ann"), bob):
        for line in (b"\xff" + b"x" * 4096, b"x" * 4096 + b"\xff", b"x" * 9999 + b"\xff"):
            peer.send(line + b"\n")
            peer.expect(TOO_LONG)
            peer.expect_quiet()


def test_l16_the_error_takes_the_place_of_the_line(calculator: Calculator, room: Room) -> None:
    long = b"x" * 5000 + b"\n"
    ann = calculator.connect("Ann")
    ann.send(b"Ann\n1 + 1\n\xff\n2 + 2\n" + long + b"3 + 3\n" + long + b"\xff\n4 + 4\n")
    ann.expect("2", NOT_UTF8, "4", TOO_LONG, "6", TOO_LONG, NOT_UTF8, "8")
    (bob,) = room.join("Bob")
    bob.send(b"/who\n\xff\n/foo\n" + long + b"/who\n" + long + b"\xff\n/bar\n")
    bob.expect("*** 1 here: Bob", NOT_UTF8, "error: unknown command /foo (try /help)", TOO_LONG)
    bob.expect("*** 1 here: Bob", TOO_LONG, NOT_UTF8, "error: unknown command /bar (try /help)")


def test_l17_an_error_is_one_line(calculator: Calculator, room: Room) -> None:
    ann = calculator.log_in("Ann")
    for line in (b"nonsense", b"1 / 0", b"", b"1e9999999 + 1", b"\xff", b"x" * 5000, b"a\rb\0c"):
        ann.send(line + b"\n")
        ann.expect_error()
        ann.expect_quiet()
    bob = room.connect("Bob")
    for line in (b"", b"a:b", b"/who", b"error", b"\xff", b"x" * 5000, b"x" * 33, b"a\rb"):
        bob.send(line + b"\n")
        bob.expect_error()
    bob.ask("Bob", "*** welcome, Bob (1 here: Bob)")
    for line in (b"/foo", b"/me", b"/say ", b"/who me", b"/f\roo", b"\xff", b"/" + b"x" * 4000):
        bob.send(line + b"\n")
        bob.expect_error()
        bob.expect_quiet()


# The end of a connection


def test_l18_a_line_without_an_end_is_dropped(calculator: Calculator, room: Room) -> None:
    ann = calculator.connect("Ann")
    ann.send(b"Ann\n1 + 1\n2 + 2")
    ann.finish()
    ann.expect("2")
    ann.expect_end()
    bob, cid, dan = room.join("Bob", "Cid", "Dan")
    cid.send(b"hello\ngoodby")
    cid.finish()
    cid.expect_end()
    bob.expect("Cid: hello", "*** Cid left (2 here)")
    dan.send(b"\r")
    dan.close()
    bob.expect("*** Dan left (1 here)")
    # Half a name does not log anybody in.
    eve = room.connect("Eve")
    eve.send(b"Eve")
    eve.finish()
    eve.expect_end()
    bob.expect_quiet()


def test_l19_at_a_half_close_everything_is_answered_first(
    calculator: Calculator, room: Room
) -> None:
    # More answers than the kernel buffers while nobody reads. A Unix socket buffers the least.
    ann = calculator.log_in("Ann", address=calculator.program.addresses[-1])
    ann.say(*["1/3"] * 20_000)
    ann.finish()
    assert ann.rest() == f"0.{'3' * 28}\n".encode() * 20_000
    (cid,) = room.join("Cid")
    bob = room.log_in("B" * 32, address=room.program.addresses[-1])
    bob.say(*["/who"] * 12_000)
    bob.finish()
    # By now the server has read the end of the input, and most of the answers are waiting.
    cid.expect(f"*** {'B' * 32} joined (2 here)", f"*** {'B' * 32} left (1 here)")
    bob.expect(f"*** welcome, {'B' * 32} (2 here: Cid, {'B' * 32})")
    assert bob.rest() == f"*** 2 here: Cid, {'B' * 32}\n".encode() * 12_000


def test_l19_at_a_half_close_everything_is_heard_first(room: Room) -> None:
    bob, cid = room.join("Bob", "Cid")
    cid.say(*[f"{number}" for number in range(1000)], "/who", "/foo")
    cid.finish()
    cid.expect("*** 2 here: Bob, Cid", "error: unknown command /foo (try /help)")
    cid.expect_end()
    bob.expect(*[f"Cid: {number}" for number in range(1000)], "*** Cid left (1 here)")


def test_l19_a_name_and_a_half_close_are_a_visit(room: Room) -> None:
    (ann,) = room.join("Ann")
    bob = room.connect("Bob")
    bob.send(b"Bob\nhello\n")
    bob.finish()
    bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    bob.expect_end()
    ann.expect("*** Bob joined (2 here)", "Bob: hello", "*** Bob left (1 here)")


def test_l20_no_connection_is_closed_with_input_unread(calculator: Calculator, room: Room) -> None:
    (cid,) = room.join("Cid")
    dan = calculator.log_in("Dan")
    ann = calculator.log_in("Ann")
    ann.say(*["1/3"] * 20_000, "q", "x" * 900_000)
    assert ann.rest() == f"0.{'3' * 28}\n".encode() * 20_000
    expect_no_reset(ann, dan)
    bob = room.log_in("Bob")
    bob.say(*["/who"] * 15_000, "/quit", *["/who"] * 100_000)
    bob.expect("*** welcome, Bob (2 here: Cid, Bob)", *["*** 2 here: Cid, Bob"] * 15_000)
    bob.expect_end()
    cid.expect("*** Bob joined (2 here)", "*** Bob left (1 here)")
    expect_no_reset(bob, cid)
    unfit = calculator.connect()
    unfit.say("a\tb", *["1 + 1"] * 100_000)
    unfit.expect_error()
    unfit.expect_end()
    expect_no_reset(unfit, dan)


def expect_no_reset(peer: Peer, witness: Peer) -> None:
    """Check that a connection was not reset: after a reset, the peer could send no more.

    Args:
        peer: a peer that has read the end of its connection.
        witness: another peer of the same server. Once it has this many answers, the server has
            closed what it had to close.
    """
    for _ in range(30):
        witness.expect_quiet()
    peer.send(b"x")


def test_l21_the_reading_ends_with_the_input(start: Starter) -> None:
    # This server ends once its only connection is closed.
    calculator = start.calculator("--once", "--quiet")
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    began = time.monotonic()
    ann.say("q")
    ann.expect_end()
    ann.finish()
    calculator.program.expect_end()
    assert time.monotonic() - began < 2


def test_l21_the_reading_ends_after_two_seconds(unclosed: Ending) -> None:
    assert 2 <= unclosed.seconds() < 10


def test_l21_the_reading_lasts_for_as_long_as_something_arrives(start: Starter) -> None:
    calculator = start.calculator("--once", "--quiet")
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    asked = 0
    # So many that the last answers are still waiting in buffers when the session ends.
    for _ in range(20):
        ann.say(*["1/3"] * 3000)
        asked += 3000
    ann.say("q")
    answers = asked * len(f"0.{'3' * 28}\n")
    received = 0
    # Keep sending, for longer than the two seconds that a silent peer gets.
    for _ in range(26):
        data = ann.sock.recv(answers // 26)
        received += len(data)
        ann.sock.sendall(b"are you still there?\n")
        time.sleep(0.1)
    received += len(ann.rest())
    assert received == answers
    ann.close()
    calculator.program.expect_end()


def test_l46_a_peer_that_floods_at_the_end_loses_nothing_that_was_sent_to_it(
    calculator: Calculator,
) -> None:
    ann = calculator.log_in("Ann")
    ann.say(*["1/3"] * 20_000, "q")
    stop = threading.Event()

    def flood() -> None:
        with suppress(OSError):
            while not stop.is_set():
                ann.sock.send(b"x" * 65_536)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        answers = b""
        expected = f"0.{'3' * 28}\n".encode() * 20_000
        while len(answers) < len(expected) and (data := ann.sock.recv(30_000)):
            answers += data
            time.sleep(0.01)
        assert answers == expected
    finally:
        stop.set()
        ann.sock.settimeout(0.1)
        flooding.join()


@pytest.mark.parametrize("line", ["q", " q", "q ", "\tq\t", " \t q \t ", "q\r"], ids=repr)
def test_l22_q_quits(calculator: Calculator, room: Room, line: str) -> None:
    bob, cid = room.join("Bob", "Cid")
    for peer in (calculator.log_in("Ann"), cid):
        peer.say(line)
        peer.expect_end()
    bob.expect("*** Cid left (1 here)")


def test_l23_a_capital_q_does_not_quit(calculator: Calculator, room: Room) -> None:
    ann = calculator.log_in("Q")
    ann.say("Q")
    ann.expect_error()
    ann.expect_quiet()
    bob, cid = room.join("Bob", "Cid")
    cid.say("Q")
    bob.expect("Cid: Q")
    cid.expect_quiet()


@pytest.mark.parametrize(
    "line", ["q q", "qq", "q.", "quit", "\xa0q", "q\0", "'q'", "\rq"], ids=ascii
)
def test_l24_more_than_q_does_not_quit(calculator: Calculator, room: Room, line: str) -> None:
    ann = calculator.log_in("Ann")
    ann.say(line)
    ann.expect_error()
    ann.expect_quiet()
    bob, cid = room.join("Bob", "Cid")
    cid.say(line)
    bob.expect_like(f"Cid: .{{{len(line)}}}")
    cid.expect_quiet()


def test_l25_lines_after_a_q_are_not_answered(calculator: Calculator, room: Room) -> None:
    ann = calculator.connect("Ann")
    ann.say("Ann", "1 + 1", "q", "2 + 2", "nonsense")
    ann.expect("2")
    ann.expect_end()
    bob, cid = room.join("Bob", "Cid")
    cid.say("hello", "q", "goodbye", "/who", "/foo")
    cid.send(b"\xff\n" + b"x" * 5000 + b"\n")
    cid.expect_end()
    bob.expect("Cid: hello", "*** Cid left (1 here)")
    bob.expect_quiet()


def test_l26_q_as_the_first_line_closes_unanswered(calculator: Calculator, room: Room) -> None:
    (ann,) = room.join("Ann")
    for service in (calculator, room):
        for line in (b"q\n", b" q\t\r\n", b"q\nBob\nhello\n1 + 1\n"):
            peer = service.connect()
            peer.send(line)
            peer.expect_end()
    ann.expect_quiet()


def test_l26_q_as_the_first_line_is_shown_to_nobody(start: Starter) -> None:
    # This server ends after the first session, and prints its beginning and its end.
    calculator = start.calculator("--once")
    calculator.log_in("q").expect_end()
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    ann.leave()
    calculator.close()
    calculator.program.expect_printed("Ann connected", "Ann: 1 + 1 = 2", "Session ended")


# Connections that are not served


REQUESTS = [
    "GET / HTTP/1.1",
    "POST /chat?q=1 HTTP/1.0",
    "OPTIONS * HTTP/1.1",
    "GET http://localhost/ HTTP/1.1",
    "CONNECT localhost:22223 HTTP/1.1",
    "PRI * HTTP/2.0",
    "M-SEARCH * HTTP/1.1",
]


@pytest.mark.parametrize("request_line", REQUESTS)
def test_l27_a_connection_that_begins_with_an_http_request_is_closed_unanswered(
    calculator: Calculator, room: Room, request_line: str
) -> None:
    (ann,) = room.join("Ann")
    for service in (calculator, room):
        page = service.connect("a page")
        page.send(
            f"{request_line}\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
            "Bob\nhello\n1 + 1\n".encode()
        )
        page.expect_end()
        # Even if the line is not UTF-8.
        page = service.connect("a page")
        page.send(b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\nBob\nhello\n1 + 1\n")
        page.expect_end()
    ann.expect_quiet()


def test_l27_a_first_line_that_only_resembles_a_request_is_a_line(
    calculator: Calculator, room: Room
) -> None:
    for name in ("GET / please", "GET /", "HTTP/1.1", "GET/HTTP/1.1", "GET / http/1.1"):
        calculator.log_in(name).ask("1 + 1", "2")
    bob = room.log_in("GET /")
    bob.expect_error()
    bob.ask("GET", "*** welcome, GET (1 here: GET)")


@pytest.mark.parametrize("start", ["GET /", "POST /a b", "OPTIONS *", "GET http:", "PUT https://"])
def test_l28_an_over_long_http_request_is_closed_unanswered(
    calculator: Calculator, room: Room, start: str
) -> None:
    (ann,) = room.join("Ann")
    for service in (calculator, room):
        page = service.connect("a page")
        page.send(f"{start}{'x' * 9000} HTTP/1.1\r\n\r\nBob\nhello\n1 + 1\n".encode())
        page.expect_end()
        # Even before the end of the line has come.
        page = service.connect("a page")
        page.send(f"{start}{'x' * 9000}".encode())
        page.expect_end()
    ann.expect_quiet()


def test_l28_another_over_long_first_line_is_answered(calculator: Calculator, room: Room) -> None:
    for service in (calculator, room):
        for start in ("GET x", "/ GET", "x"):
            peer = service.connect()
            peer.say(start + "x" * 5000)
            peer.expect(TOO_LONG)


def test_l29_after_the_first_line_a_request_is_a_line(calculator: Calculator, room: Room) -> None:
    ann = calculator.log_in("Ann")
    bob, cid = room.join("Bob", "Cid")
    for request_line in REQUESTS:
        ann.say(request_line)
        ann.expect_error()
        bob.say(request_line)
        cid.expect(f"Bob: {request_line}")
    ann.expect_quiet()
    long = "GET /" + "x" * 9000
    for peer in (ann, bob):
        peer.ask(long, TOO_LONG)
        peer.expect_quiet()


def test_l29_a_second_try_at_a_name_is_not_a_first_line(room: Room) -> None:
    bob = room.connect("Bob")
    for line in ("", "GET / HTTP/1.1"):
        bob.say(line)
        bob.expect_error()
    bob.ask("Bob", "*** welcome, Bob (1 here: Bob)")


def test_l30_a_server_that_is_full_says_so(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--max-clients", "2")
    ann, bob = room.join("Ann", "Bob")
    for name in ("Cid", "Dan"):
        refused = room.log_in(name)
        refused.expect("error: server is full")
        refused.expect_end()
    ann.expect_quiet()
    bob.leave()
    ann.expect("*** Bob left (1 here)")
    room.log_in("Eve").expect("*** welcome, Eve (2 here: Ann, Eve)")


def test_l31_a_peer_that_has_to_wait_is_answered_in_turn(start: Starter) -> None:
    calculator = start.calculator("--quiet")
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    bob = calculator.log_in("Bob")
    bob.say(*[f"{number} + 0" for number in range(1000)])
    bob.finish()
    # Bad lines are not answered any sooner than good ones.
    cid = calculator.log_in("a\tb")
    ann.expect_quiet()
    bob.expect_nothing_so_far()
    cid.expect_nothing_so_far()
    ann.leave()
    bob.expect(*[f"{number}" for number in range(1000)])
    bob.expect_end()
    cid.expect_error()
    cid.expect_end()


# When a server drains


def test_l32_a_server_that_drains_takes_no_new_sessions(drain: Drain) -> None:
    # The server was still draining, for seconds, when somebody connected.
    if drain.newcomer is not None:
        drain.newcomer.say("Eve")
        assert drain.newcomer.rest() in (b"", b"error: server is closing\n")


def test_l33_a_peer_that_waits_when_the_server_drains_is_told(start: Starter) -> None:
    calculator = start.calculator("--quiet")
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    silent = calculator.connect("Bob")
    talkative = calculator.log_in("Cid")
    talkative.say("1 + 1", "2 + 2")
    talkative.finish()
    late = calculator.log_in("Dan")
    calculator.program.drain()
    for peer in (silent, talkative, late):
        peer.expect("error: server is closing")
        peer.expect_end()
    ann.expect_end()
    calculator.close()
    calculator.program.expect_end()


def test_l34_a_drain_ends_every_input_at_a_line_boundary(start: Starter) -> None:
    calculator = start.calculator("--max-clients", "0", "--quiet")
    ann, bob, cid = (calculator.log_in(name) for name in ("Ann", "Bob", "Cid"))
    bob.send(b"1 + 1\n2 + 2")
    bob.expect("2")
    cid.expect_quiet()
    # The server reads one packet in one go: when it answers the first line, it has read them all.
    ann.say(*["1/3"] * 3900)
    ann.expect(third := f"0.{'3' * 28}")
    calculator.program.drain()
    ann.expect(*[third] * 3899)
    for peer in (ann, bob, cid):
        peer.expect_end()
        peer.close()
    calculator.program.expect_end()


def test_l35_a_peer_that_has_not_ended_at_the_deadline_is_cut_off(drain: Drain) -> None:
    assert 5 <= drain.ending.seconds() < 10
    # Much had been sent, but not its end.
    try:
        received = drain.stuck.rest()
    except AssertionError:
        received = b""
    assert b"*** server is closing" not in received


# Deadlines and rates


def test_l47_the_deadline_of_a_drain_bounds_the_reading_too(start: Starter) -> None:
    calculator = start.calculator("--quiet", "--drain", "1")
    ann = calculator.log_in("Ann")
    ann.say(*["1/3"] * 60_000)
    ann.expect(f"0.{'3' * 28}")
    began = time.monotonic()
    calculator.program.drain()
    calculator.program.expect_end()
    # Without this option it would be 5 s.
    assert time.monotonic() - began < 4


def test_l48_of_many_tls_connections_some_are_refused_by_an_alert(
    start: Starter, certificates: Certificates
) -> None:
    tls = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    room = start.room("tls:127.0.0.1:0", *tls, "--forever", "--quiet", "--max-per-address", "1")
    room.join("Ann")
    port = int(room.program.read().rpartition(":")[2])
    with ExitStack() as stack:
        where = ("127.0.0.1", port)
        socks = [stack.enter_context(socket.create_connection(where)) for _ in range(40)]
        heard = [sock for sock in socks if select.select([sock], [], [], 0.02)[0]]
        assert heard
        assert {sock.recv(100) for sock in heard} == {b"\x15\x03\x03\x00\x02\x02\x50"}


def test_l49_a_tls_peer_that_ends_without_a_goodbye_has_ended_its_input(
    start: Starter, certificates: Certificates
) -> None:
    tls = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    calculator = start.calculator("tls:127.0.0.1:0", *tls)
    assert calculator.program.addresses
    port = int(calculator.program.read().rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port)) as sock,
        certificates.client().wrap_socket(sock, server_hostname="localhost") as ann,
    ):
        ann.settimeout(10)
        ann.sendall(b"Ann\n1 + 1\n2 + ")
        # Below TLS: as when the program ends, or an attacker closes the connection.
        with socket.socket(fileno=os.dup(ann.fileno())) as below:
            below.shutdown(socket.SHUT_WR)
        assert ann.recv(100) == b"2\n"
        assert ann.recv(100) == b""
    calculator.program.drain()
    calculator.program.expect_end()
    assert "the peer ended the connection without a TLS goodbye" in calculator.program.errors


@pytest.mark.parametrize("said", [b"Ann\n", b"GET / HTTP/1.1\r\n\r\n" + b"x" * 300_000])
def test_l50_a_peer_that_does_not_speak_tls_is_told_so_in_plain_text(
    start: Starter, certificates: Certificates, said: bytes
) -> None:
    tls = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    room = start.room("tls:127.0.0.1:0", *tls, "--forever", "--quiet")
    assert room.program.addresses
    port = int(room.program.read().rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as ann:
        ann.settimeout(10)
        ann.sendall(said)
        assert ann.makefile("rb").read() == b"error: this port speaks TLS\n"


# Rates of connections, and proxies


def proxy_v2(host: str = "", port: int = 4711, *, rest: bytes = b"") -> bytes:
    """Return a header of version 2 that names a host; without one, LOCAL."""
    addresses = b""
    if host:
        addresses = socket.inet_aton(host) * 2 + port.to_bytes(2, "big") + b"\x56\xcf"
    kind = b"\x21\x11" if host else b"\x20\x00"
    size = len(addresses + rest).to_bytes(2, "big")
    return b"\r\n\r\n\x00\r\nQUIT\n" + kind + size + addresses + rest


def proxy_v1(host: str, port: int = 4711) -> bytes:
    return f"PROXY TCP4 {host} 198.51.100.1 {port} 22223\r\n".encode()


def log_of(room: Room) -> str:
    """Drain a room that everybody has left, and return its whole log."""
    assert room.program.addresses
    room.close()
    room.program.drain()
    room.program.expect_end()
    return room.program.errors


FROM_HERE = ("--proxy-from", "127.0.0.0/8")


def test_l52_a_host_that_connects_too_fast_is_told_and_closed(start: Starter) -> None:
    room = start.room("--forever", "--connect-rate", "1")
    room.join(*(f"m{number}" for number in range(5)))
    for name in ("Cid", "Dan"):
        refused = room.log_in(name)
        refused.expect("error: too many connections, try again later")
        refused.expect_end()
    assert " too many connections, try again later\n" in log_of(room)


def test_l52_over_tls_there_is_an_alert_and_no_handshake(
    start: Starter, certificates: Certificates
) -> None:
    tls = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    room = start.room("tls:127.0.0.1:0", *tls, "--forever", "--quiet", "--connect-rate", "1")
    assert room.program.addresses
    where = ("127.0.0.1", int(room.program.read().rpartition(":")[2]))
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(where)) for _ in range(6)]
        socks[-1].settimeout(10)
        assert socks[-1].recv(100) == b"\x15\x03\x03\x00\x02\x02\x50"
        context = certificates.client()
        with context.wrap_socket(socks[0], server_hostname="localhost") as ann:
            ann.settimeout(10)
            ann.sendall(b"Ann\n")
            assert ann.recv(100) == b"*** welcome, Ann (1 here: Ann)\n"


def test_l53_a_proxys_connection_begins_with_a_header(start: Starter) -> None:
    room = start.room("--forever", "--quiet", *FROM_HERE)
    ann, bob, cid = (room.connect(name) for name in ("Ann", "Bob", "Cid"))
    ann.send(proxy_v1("192.0.2.7") + b"Ann\n")
    ann.expect("*** welcome, Ann (1 here: Ann)")
    bob.send(proxy_v2("192.0.2.7", rest=b"\x03\x00\x04abcd") + b"Bob\n")
    bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    # However it is cut.
    for byte in proxy_v2("192.0.2.7"):
        cid.send(bytes([byte]))
    cid.send(b"Cid\n")
    cid.expect("*** welcome, Cid (3 here: Ann, Bob, Cid)")


@pytest.mark.parametrize("header", [proxy_v1("192.0.2.7"), proxy_v2("192.0.2.7")])
def test_l53_the_header_comes_before_tls(
    start: Starter, certificates: Certificates, header: bytes
) -> None:
    tls = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    room = start.room("tls:127.0.0.1:0", *tls, "--forever", *FROM_HERE)
    assert room.program.addresses
    where = ("127.0.0.1", int(room.program.read().rpartition(":")[2]))
    with socket.create_connection(where) as sock:
        sock.sendall(header)
        with certificates.client().wrap_socket(sock, server_hostname="localhost") as ann:
            ann.settimeout(10)
            ann.sendall(b"Ann\n")
            assert ann.recv(100) == b"*** welcome, Ann (1 here: Ann)\n"
    assert re.search(r" opened \d+ 192\.0\.2\.7:4711\n", log_of(room))


@pytest.mark.parametrize("header", [proxy_v1("192.0.2.7"), proxy_v2("192.0.2.7")])
def test_l53_the_header_comes_before_http(start: Starter, header: bytes) -> None:
    room = start.web(*FROM_HERE, "--quiet")
    assert room.program.addresses
    where = ("127.0.0.1", int(room.program.addresses[1].strip("/").rpartition(":")[2]))
    with socket.create_connection(where) as sock:
        sock.settimeout(10)
        sock.sendall(header + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_l54_a_connection_counts_for_the_host_that_the_header_names(start: Starter) -> None:
    room = start.room("--forever", *FROM_HERE, "--max-per-address", "1")
    for number, host in enumerate(("192.0.2.1", "192.0.2.2")):
        ann = room.connect()
        ann.send(proxy_v1(host) + f"m{number}\n".encode())
        ann.expect(f"*** welcome, m{number} ({number + 1} here: {'m0, ' * number}m{number})")
        for header in (proxy_v1(host, 4712), proxy_v2(host, 4712)):
            other = room.connect()
            other.send(header)
            other.expect("error: too many connections from your address")
            other.expect_end()
    log = log_of(room)
    for host in "192.0.2.1", "192.0.2.2":
        assert re.search(rf" opened \d+ {host}:4711\n", log)
        reason = "too many connections from your address"
        assert re.search(rf" refused \d+ {host}:4712 {reason}\n", log)


def test_l54_the_rate_of_connections_goes_by_the_host_that_the_header_names(
    start: Starter,
) -> None:
    room = start.room("--forever", "--quiet", *FROM_HERE, "--connect-rate", "1")
    for host in "192.0.2.1", "192.0.2.2":
        for number in range(6):
            ann = room.connect()
            ann.send(proxy_v2(host) + b"/who\n")
            if number < 5:
                ann.expect_error()
            else:
                ann.expect("error: too many connections, try again later")
                ann.expect_end()


def test_l55_a_header_that_names_nobody_leaves_the_connection_to_the_proxy(start: Starter) -> None:
    room = start.room("--forever", *FROM_HERE, "--max-per-address", "2")
    ann, bob, cid = (room.connect(name) for name in ("Ann", "Bob", "Cid"))
    ann.send(proxy_v2() + b"Ann\n")
    ann.expect("*** welcome, Ann (1 here: Ann)")
    bob.send(b"PROXY UNKNOWN\r\nBob\n")
    bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    cid.send(b"PROXY UNKNOWN 1.2.3.4 4.3.2.1 1 2\r\n")
    cid.expect("error: too many connections from your address")
    cid.expect_end()
    assert re.search(r" opened \d+ 127\.0\.0\.1:", log_of(room))


@pytest.mark.parametrize("sent", [b"Ann\n", b"PROXY TCP4 a b 1 2\r\n", b"\r\n\r\nAnn\n", b"GET / "])
def test_l56_a_proxy_that_sends_no_header_is_closed_unanswered(start: Starter, sent: bytes) -> None:
    room = start.room("--forever", *FROM_HERE)
    ann = room.connect()
    ann.send(sent)
    ann.expect_end()
    refused = r" refused \d+ 127\.0\.0\.1:\d+ no handshake: .* PROXY header"
    assert re.search(refused, log_of(room))


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 ", proxy_v2("192.0.2.7")[:-1]])
def test_l56_a_proxy_that_is_too_slow_is_closed_unanswered(start: Starter, sent: bytes) -> None:
    room = start.room("--forever", *FROM_HERE, "--handshake-timeout", "0.3")
    ann = room.connect()
    ann.send(sent)
    ann.expect_end()
    assert "no handshake: it took too long" in log_of(room)


def test_l57_from_everywhere_else_a_header_is_a_line(start: Starter) -> None:
    for options in ((), ("--proxy-from", "192.0.2.0/24", "--proxy-from", "2001:db8::1")):
        calculator = start.calculator("--quiet", *options)
        ann = calculator.connect("Ann")
        ann.send(proxy_v1("192.0.2.7") + b"1 + 1\n")
        ann.expect("2")


def test_l58_a_header_that_is_too_long_is_refused(start: Starter) -> None:
    room = start.room("--forever", "--quiet", *FROM_HERE)
    good = proxy_v2("192.0.2.7", rest=bytes(4096 - 12))
    longest = b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    line = b"PROXY UNKNOWN " + b" ".join([longest, longest, b"65535", b"65535"]) + b"\r\n"
    assert len(line) == 107
    for number, header in enumerate((good, line)):
        ann = room.connect()
        ann.send(header + b"/who\n")
        ann.expect_error()
        bad = room.connect()
        bad.send(
            proxy_v2("192.0.2.7", rest=bytes(4096 - 11)) if not number else b"PROXY " + b"x" * 101
        )
        bad.expect_end()


# Certificates


def port_of(room: Room) -> int:
    """Return the port of the TLS address, the second one."""
    assert room.program.addresses
    return int(room.program.read().rpartition(":")[2])


def test_l59_a_server_may_require_certificates_of_its_clients(
    start: Starter, certificates: Certificates, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ("--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key))
    ca = ("--tls-client-ca", str(tmp_path / "ca.pem"))
    room = start.room("tls:127.0.0.1:0", *tls, *ca, "--forever", "--quiet")
    where = ("127.0.0.1", port_of(room))
    for issuer, alert in (
        (authority, None),
        (None, "certificate.required"),
        (trustme.CA(), "unknown.ca"),
    ):
        context = certificates.client()
        if issuer is not None:
            issuer.issue_cert("ann@example.org").configure_cert(context)
        with (
            socket.create_connection(where) as sock,
            context.wrap_socket(sock, server_hostname="localhost") as ann,
        ):
            ann.settimeout(10)
            if alert is None:
                ann.sendall(b"Ann\n")
                assert ann.recv(100) == b"*** welcome, Ann (1 here: Ann)\n"
            else:
                with pytest.raises(ssl.SSLError, match=f"(?i){alert}"):
                    ann.recv(100)


def test_l60_a_certificate_is_replaced_while_the_server_runs(
    start: Starter, certificates: Certificates, tmp_path: Path
) -> None:
    pair = tmp_path / "pair.pem"

    def renew() -> bytes:
        certificate, key = certificates.issue("localhost")
        pair.write_bytes(certificate.read_bytes() + key.read_bytes())
        first, end, _ = certificate.read_text().partition("-----END CERTIFICATE-----")
        return ssl.PEM_cert_to_DER_cert(f"{first}{end}\n")

    def connect() -> ssl.SSLSocket:
        sock = socket.create_connection(where)
        ann = certificates.client().wrap_socket(sock, server_hostname="localhost")
        ann.settimeout(10)
        return ann

    first = renew()
    tls = ("--tls-cert", str(pair), "--tls-key", str(pair))
    room = start.room("tls:127.0.0.1:0", *tls, "--forever", "--quiet")
    where = ("127.0.0.1", port_of(room))
    with connect() as ann:
        assert ann.getpeercert(binary_form=True) == first
        second = renew()
        room.program.hang_up("the certificate was reloaded")
        with connect() as bob:
            assert bob.getpeercert(binary_form=True) == second
        pair.write_text("half a file")
        room.program.hang_up("cannot reload the certificate, the old one stays")
        with connect() as cid:
            assert cid.getpeercert(binary_form=True) == second
        ann.sendall(b"Ann\n")
        assert ann.recv(100) == b"*** welcome, Ann (1 here: Ann)\n"


def test_l36_a_peer_that_does_not_log_in_in_time_is_told_and_closed(start: Starter) -> None:
    # All at the same time, because each takes seconds.
    late: list[Peer] = []
    for service in (
        start.calculator("--quiet", "--max-clients", "0", "--login-timeout", "0.3"),
        start.room("--forever", "--quiet", "--login-timeout", "0.3"),
    ):
        with service.program.stopped():
            silent, slow = service.connect(), service.connect()
            service.log_in("Ann")
            slow.send(b"never a whole line")
        late += [silent, slow]
    # The calculator closes at the first unfit name (C7); a room lets the peer try again.
    with service.program.stopped():
        stubborn = service.connect()
        stubborn.send(b"*\n\xff\n/who\n\n")
    for _ in range(4):
        stubborn.expect_error()
    late.append(stubborn)
    for peer in late:
        peer.expect("error: no login within 0.3 seconds")
        peer.expect_end()


def test_l37_a_peer_that_is_silent_too_long_is_told_and_closed(start: Starter) -> None:
    calculator = start.calculator("--quiet", "--idle-timeout", "0.3")
    ann = calculator.connect("Ann")
    ann.say("Ann", "1 + 1")
    ann.expect("2", "error: nothing came for 0.3 seconds")
    ann.expect_end()


def test_l38_one_host_has_a_limited_number_of_connections(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--max-per-address", "2")
    ann, _bob = room.join("Ann", "Bob")
    refused = room.log_in("Cid")
    refused.expect("error: too many connections from your address")
    refused.expect_end()
    ann.expect_quiet()


def test_l39_a_peer_that_takes_nothing_is_closed(start: Starter) -> None:
    limits = ("--write-timeout", "0.3", "--rate", "0", "--max-waiting", "100000000")
    room = start.room("--forever", "--quiet", *limits)
    ann, bob = room.join("Ann", "Bob")
    text = "x" * 4000
    # Bob reads nothing. Once the kernel's buffers are full, the rest waits, and then he is given
    # up.
    for _ in range(60):
        ann.say(*[text] * 100)
    ann.expect("*** Bob left (1 here)")
    bob.close()


def test_l40_a_peer_that_sends_too_much_is_slowed_down_and_loses_nothing(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--rate", "50", "--burst", "10")
    ann, bob = room.join("Ann", "Bob")
    began = time.monotonic()
    ann.say(*map(str, range(30)))
    bob.expect(*[f"Ann: {number}" for number in range(30)])
    assert time.monotonic() - began > 0.35, "20 lines at 50 a second take 0.4 s"


def test_l41_a_line_sent_in_time_is_answered_although_the_server_was_suspended(
    start: Starter,
) -> None:
    # So long that the peers below get ready within it also on a busy machine.
    seconds = "1.5"
    options = ("--quiet", "--max-clients", "0", "--login-timeout", seconds)
    calculator = start.calculator(*options, "--idle-timeout", seconds)
    room = start.room("--forever", "--quiet", "--login-timeout", seconds)
    known = [calculator.log_in(f"k{number}") for number in range(10)]
    for peer in known:
        peer.ask("1 + 1", "2")
    strangers = [calculator.connect(f"c{number}") for number in range(10)]
    newcomers = [room.connect(f"r{number}") for number in range(10)]
    with calculator.program.stopped(), room.program.stopped():
        for peer in strangers:
            peer.say(peer.name, "2 + 2")
        for peer in known:
            peer.say("3 + 3")
        for peer in newcomers:
            peer.say(peer.name)
        # This takes longer than either deadline.
        time.sleep(1.7)
    for peer in strangers:
        peer.expect("4")
    for peer in known:
        peer.expect("6")
    for peer in newcomers:
        peer.expect_like(rf"\*\*\* welcome, {peer.name} .*")


def test_l41_a_peer_cannot_postpone_a_deadline_by_sending_on_and_on(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--login-timeout", "0.3")
    peer = room.connect()
    began = time.monotonic()
    peer.sock.setblocking(False)
    heard = b""
    while not heard and time.monotonic() - began < 5:
        with suppress(BlockingIOError):
            peer.sock.send(b"x")
        # So slowly that the line does not become over-long during this test.
        time.sleep(0.002)
        with suppress(BlockingIOError):
            heard = peer.sock.recv(100)
    assert heard == b"error: no login within 0.3 seconds\n"
    assert time.monotonic() - began < 3


def test_l42_the_time_of_a_long_calculation_is_not_idle_time(start: Starter) -> None:
    calculator = start.calculator("--quiet", "--idle-timeout", "0.2")
    ann = calculator.connect("Ann")
    costly = "2" + "^.9" * 999
    ann.say("Ann", *[costly] * 8, "1 + 1")
    answer = ann.read()
    ann.expect(*[answer] * 7, "2", "error: nothing came for 0.2 seconds")
    ann.expect_end()


def test_l43_a_peer_that_is_slowed_down_can_send_no_more_than_buffers_hold(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--rate", "1", "--burst", "1")
    ann = room.log_in("Ann")
    ann.expect_like(r"\*\*\* welcome, Ann .*")
    ann.sock.settimeout(0.5)
    piece, sent = b"\n" * 65536, 0
    with suppress(TimeoutError):
        while sent < 1 << 27:
            sent += ann.sock.send(piece)
    assert sent < 1 << 26, "sockets hold 10 MB each way"


def test_l44_after_the_login_deadline_no_line_is_answered(start: Starter) -> None:
    options = ("--rate", "1", "--burst", "2", "--login-timeout", "0.3")
    room = start.room("--forever", "--quiet", *options)
    with room.program.stopped():
        peer = room.connect()
        peer.say("*", "*", "*", "*", "Ann")
    peer.expect_error()
    peer.expect_error()
    peer.expect("error: no login within 0.3 seconds")
    peer.expect_end()


def test_l40_a_line_with_a_long_answer_counts_as_several(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--rate", "20", "--burst", "10")
    (ann,) = room.join("Ann")
    for number in range(150):
        room.log_in(f"{number:032}")
    for _ in range(150):
        ann.expect_like(r"\*\*\* .* joined \(.* here\)")
    began = time.monotonic()
    for _ in range(20):
        ann.say("/who")
        # About 5 KiB, so that line and answer cost two tokens.
        ann.expect_like(r"\*\*\* 151 here: Ann, .{5000,6000}")
    assert time.monotonic() - began > 1, "10 tokens and then 30 at 20 a second take 1.5 s"


def test_l45_a_server_ends_at_its_drains_deadline_whatever_is_unsent(start: Starter) -> None:
    room = start.room(
        "--forever", "--quiet", "--drain", "1", "--burst", "2000", "--max-waiting", "100000000"
    )
    members = room.join("Ann", "Bob", "Cid")
    for member in members:
        # They read nothing, and more is waiting for them than fits into their connections.
        member.sock.setblocking(False)
        with suppress(BlockingIOError):
            for _ in range(200):
                member.sock.send(b"/who\n" * 10 + b"x" * 4000 + b"\n")
    room.program.drain()
    began = time.monotonic()
    room.program.expect_end()
    # Without this option it would be 5 s.
    assert time.monotonic() - began < 4


def test_l51_whoever_waits_at_a_socket_that_outlives_the_server_meets_the_next_one() -> None:
    command = ("-m", "trionet.cli.main", "calc", "serve", "--quiet")
    said: list[bytes] = []
    with ExitStack() as stack:
        sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def connect() -> socket.socket:
            peer = stack.enter_context(socket.create_connection(sock.getsockname(), PATIENCE))
            peer.sendall(b"Ann\n1 + 1\n")
            return peer

        def start() -> subprocess.Popen[bytes]:
            program = start_with({"calc": sock}, *command, stdout=subprocess.PIPE)
            stack.enter_context(program)
            stack.callback(program.kill)
            assert program.stdout is not None
            assert program.stdout.readline().startswith(b"listening on 127.0.0.1:")
            return program

        first = start()
        peers = [connect(), connect(), connect()]
        said.append(peers[0].recv(100))
        first.terminate()
        ann = peers.pop(0)
        said.append(ann.recv(100))
        ann.close()
        assert first.wait(PATIENCE) == 0
        peers.append(connect())
        second = start()
        for peer in peers:
            said.append(peer.recv(100))
            peer.close()
        second.terminate()
        assert second.wait(PATIENCE) == 0
    assert said == [b"2\n", b"", *[b"2\n"] * 3]
