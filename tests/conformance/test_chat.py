"""The chat room in its plain format, sentence by sentence: the part R of docs/protocol.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.conftest import Crowd, Drain

    from peer import Peer
    from service import Room, Starter

MIB = 1 << 20

TOO_LONG = "error: line is longer than 4096 bytes"
NOT_UTF8 = "error: line is not UTF-8"
UNENDING = "error: no end of line within 1048576 bytes"


# Logging in


def test_r1_the_first_line_is_the_name(room: Room) -> None:
    # These would be messages or commands if they were not the first line.
    room.log_in("hello").expect("*** welcome, hello (1 here: hello)")


def test_r2_after_an_unfit_or_taken_name_another_may_be_tried(room: Room) -> None:
    room.join("Ann")
    bob = room.connect("Bob")
    for name in ("a:b", "ann", "*", "", "Ann", "x" * 40, "/who", "//", "/say Bob"):
        bob.say(name)
        bob.expect_error()
    bob.ask("Bob", "*** welcome, Bob (2 here: Ann, Bob)")


def test_r2_all_tries_may_come_in_one_packet(room: Room) -> None:
    ann, cid = room.join("Ann", "Cid")
    bob = room.connect("Bob")
    bob.say("ann", "a:b", "Bob", "hello", "/foo")
    bob.expect_error()
    bob.expect_error()
    bob.expect("*** welcome, Bob (3 here: Ann, Cid, Bob)")
    bob.expect("error: unknown command /foo (try /help)")
    for other in (ann, cid):
        other.expect("*** Bob joined (3 here)", "Bob: hello")


def test_r3_after_a_bad_line_in_place_of_the_name_another_may_be_tried(room: Room) -> None:
    bob = room.connect("Bob")
    bob.send(b"B\xf6b\n" + b"x" * 5000 + b"\n")
    bob.expect(NOT_UTF8, TOO_LONG)
    bob.ask("Bob", "*** welcome, Bob (1 here: Bob)")


@pytest.mark.parametrize("line", ["q", " q\t", "/quit", "/quit ", "q\r"], ids=repr)
def test_r4_quitting_before_login_closes_unanswered(room: Room, line: str) -> None:
    (ann,) = room.join("Ann")
    peer = room.connect()
    peer.say(line, "Bob", "hello")
    peer.expect_end()
    peer = room.connect()
    peer.say("ann", "a:b", line, "Bob", "hello")
    peer.expect_error()
    peer.expect_error()
    peer.expect_end()
    ann.expect_quiet()


def test_r5_a_peer_that_has_not_logged_in_hears_nothing_and_is_not_counted(room: Room) -> None:
    silent, clumsy = room.connect(), room.connect()
    clumsy.say("*")
    clumsy.expect_error()
    ann, bob = room.join("Ann", "Bob")
    ann.say("hello", "/me waves")
    bob.expect("Ann: hello", "* Ann waves")
    bob.ask("/who", "*** 2 here: Ann, Bob")
    bob.leave()
    ann.expect("*** Bob left (1 here)")
    silent.expect_nothing_so_far()
    silent.ask("Cid", "*** welcome, Cid (2 here: Ann, Cid)")
    clumsy.ask("Dan", "*** welcome, Dan (3 here: Ann, Cid, Dan)")


def test_r6_a_peer_that_leaves_before_login_causes_no_notice(room: Room) -> None:
    (ann,) = room.join("Ann")

    def leaves_half_a_name(peer: Peer) -> None:
        peer.send(b"Bob")
        half_closes(peer)

    for way in (*WAYS, leaves_half_a_name):
        way(room.connect("at once"))
        clumsy = room.log_in("Ann")
        clumsy.expect_error()
        way(clumsy)
        ann.expect_quiet()
    # The server has dealt with all of this by now, because others have come and gone since.
    for count in range(10):
        bob = room.log_in(f"Bob{count}")
        bob.expect(f"*** welcome, Bob{count} (2 here: Ann, Bob{count})")
        bob.leave()
        ann.expect(f"*** Bob{count} joined (2 here)", f"*** Bob{count} left (1 here)")
    ann.expect_quiet()


def test_r7_the_newcomer_is_welcomed(room: Room) -> None:
    room.join("Bob", "Cid")
    room.log_in("Ann").expect("*** welcome, Ann (3 here: Bob, Cid, Ann)")


def test_r8_the_welcome_counts_and_lists_the_newcomer(room: Room) -> None:
    room.log_in("Ann").expect("*** welcome, Ann (1 here: Ann)")
    room.log_in("Bob").expect("*** welcome, Bob (2 here: Ann, Bob)")


def test_r9_the_list_is_in_order_of_joining(room: Room) -> None:
    zoe, *_ = room.join("Zoe", "Mia", "Ann", "bob")
    zoe.leave()
    # A member who comes back is last in the order of joining.
    room.log_in("Zoe").expect("*** welcome, Zoe (4 here: Mia, Ann, bob, Zoe)")
    room.log_in("Kim").expect("*** welcome, Kim (5 here: Mia, Ann, bob, Zoe, Kim)")


def test_r10_the_welcome_lists_at_most_20_names(room: Room) -> None:
    names = [f"m{number}" for number in range(1, 24)]
    for count, name in enumerate(names, start=1):
        listed = ", ".join(names[: min(count, 20)])
        more = f" … and {count - 20} more" if count > 20 else ""
        room.log_in(name).expect(f"*** welcome, {name} ({count} here: {listed}{more})")


def test_r11_everyone_else_is_told_who_joined(room: Room) -> None:
    # `join` checks that everyone is told.
    members = room.join("Ann", "Bob", "Cid", "Dan")
    for member in members:
        member.expect_quiet()


# Messages


def test_r12_a_line_that_is_nothing_else_is_a_message(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    lines = [
        "hello",
        "Q",
        "q q",
        "quit",
        "*** hello",
        "* Bob waves",
        "error: no",
        "a/b",
        "\\q",
        "-",
    ]
    ann.say(*lines)
    bob.expect(*[f"Ann: {line}" for line in lines])
    ann.expect_quiet()


def test_r13_a_message_goes_to_every_other_member(room: Room) -> None:
    ann, *others = room.join("Ann", "Bob", "Cid", "Dan")
    ann.say("hello", "again")
    for other in others:
        other.expect("Ann: hello", "Ann: again")
        other.expect_quiet()


def test_r14_members_do_not_get_their_own_messages_back(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    for line in ("hello", "/me waves", "/say q", "//who"):
        ann.say(line)
        ann.expect_quiet()
    bob.say("hello, Ann")
    ann.expect("Bob: hello, Ann")
    ann.expect_quiet()


@pytest.mark.parametrize(
    "line", ["", " ", "\t", " \t  ", "\xa0", "\u3000 \u2003", "\u2028", "\r"], ids=ascii
)
def test_r15_a_blank_line_is_ignored(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(line, "hello", line)
    ann.expect_quiet()
    bob.expect("Ann: hello")
    bob.expect_quiet()


@pytest.mark.parametrize("behind", [" ", "\t", "\xa0\u3000 \t", "\u2028", "\r", "\v\f"], ids=ascii)
def test_r16_a_message_loses_its_trailing_white_space(room: Room, behind: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(f"well  then{behind}")
    bob.expect("Ann: well  then")


def test_r17_a_message_keeps_its_leading_white_space(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("  hello", "\xa0hello", "\u3000 hello")
    bob.expect("Ann:   hello", "Ann: \xa0hello", "Ann: \u3000 hello")


def test_r18_a_line_that_begins_with_white_space_is_not_a_command(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(" /who", "\xa0/quit", " /foo", " //x")
    bob.expect("Ann:  /who", "Ann: \xa0/quit", "Ann:  /foo", "Ann:  //x")
    ann.expect_quiet()


CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"]


def test_r19_control_characters_are_replaced(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(*[f"a{character}b{character}{character}c" for character in CONTROLS])
    bob.expect(*["Ann: a�b��c"] * len(CONTROLS))
    # This holds at the beginning and at the end too, because these are not white space.
    ann.say("\x1b[2Jhello", "hello\x1c", "hello\x7f")
    bob.expect("Ann: �[2Jhello", "Ann: hello�", "Ann: hello�")


def test_r19_a_tab_is_four_spaces(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("\tif ready:\t\tgo", "é\t世界\t\x1b", "/me \twaves\tback", "/say \tq", "//\twho")
    bob.expect("Ann:     if ready:        go", "Ann: é    世界    �", "* Ann     waves    back")
    bob.expect("Ann:     q", "Ann: /    who")
    # At the end of a message this is white space, which R16 drops.
    ann.say("hello\t", "x" + "\t" * 4094 + "x")
    bob.expect("Ann: hello", f"Ann: x{' ' * 4 * 4094}x")


def test_r19_other_characters_are_not_replaced(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    text = "\xa0 é 世界 😀 \u3000 � \u0378."
    ann.say(text)
    bob.expect(f"Ann: {text}")


def test_r20_line_and_paragraph_separators_are_replaced(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("a\u2028b\u2029\u2028c", "\u2029d")
    bob.expect("Ann: a�b��c", "Ann: �d")


def test_r21_the_same_holds_for_actions_and_say(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    text = "a\0b\x1bc\u2028d\te"
    ann.say(f"/me {text} \t\u3000", f"/say {text} \t\u3000", f"//{text} \t\u3000")
    bob.expect("* Ann a�b�c�d    e", "Ann: a�b�c�d    e", "Ann: /a�b�c�d    e")


def test_r22_a_message_that_fits_is_passed_on_whole(room: Room) -> None:
    ann, bob = room.join("A" * 32, "Bob")
    for text, shown in (("x" * 4096, "x" * 4096), ("😀" * 1024, "😀" * 1024)):
        ann.say(text)
        bob.expect(f"{'A' * 32}: {shown}")
    # With the name, the line is longer than a line to the server may be.
    ann.say("x" + "\0" * 4094 + "x", "/me " + "\1" * 4092)
    bob.expect(f"{'A' * 32}: x{'�' * 4094}x", f"* {'A' * 32} {'�' * 4092}")


def test_r23_only_the_sender_of_a_bad_line_is_told(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.send(b"one\nh\xe9llo\ntwo\n" + b"x" * 5000 + b"\nthree\n")
    ann.expect(NOT_UTF8, TOO_LONG)
    bob.expect("Ann: one", "Ann: two", "Ann: three")
    ann.expect_quiet()
    bob.expect_quiet()


# Commands


@pytest.mark.parametrize("behind", ["", " ", " \t ", "\u3000", "\xa0\u2028", "\r"], ids=ascii)
def test_r24_a_command_loses_its_trailing_white_space_first(room: Room, behind: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask(f"/who{behind}", "*** 2 here: Ann, Bob")
    ann.ask(f"/foo{behind}", "error: unknown command /foo (try /help)")
    bob.expect_quiet()


@pytest.mark.parametrize("line", ["/Who", "/WHO", "/Me waves", "/SAY x", "/Quit", "/HELP"])
def test_r25_commands_are_case_sensitive(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask(line, f"error: unknown command {line.split()[0]} (try /help)")
    ann.expect_quiet()
    bob.expect_quiet()


def test_r26_answers_go_only_to_their_sender(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("/who", "/help", "/foo", "/me", "/say", "/who x", "done")
    bob.expect("Ann: done")
    bob.expect_quiet()


def test_r27_an_action_goes_to_every_other_member(room: Room) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    ann.say("/me waves", "/me q", "/me /who")
    for other in (bob, cid):
        other.expect("* Ann waves", "* Ann q", "* Ann /who")
    ann.expect_quiet()


def test_r28_say_sends_any_text(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    for text in ("q", "/who", "//", "/quit", "/say x", "*** x", "hello", "/foo bar"):
        ann.say(f"/say {text}")
        bob.expect(f"Ann: {text}")
    ann.expect_quiet()


def test_r29_the_text_is_everything_after_one_space(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("/say  two  spaces", "/me  waves  twice", "/say \xa0x", "/say  q")
    bob.expect("Ann:  two  spaces", "* Ann  waves  twice", "Ann: \xa0x", "Ann:  q")


@pytest.mark.parametrize(
    "line", ["/me", "/say", "/me ", "/say ", "/me  \t", "/say \u3000"], ids=ascii
)
def test_r30_say_and_me_need_a_text(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(line)
    ann.expect_error()
    ann.expect_quiet()
    bob.expect_quiet()


def test_r31_two_slashes_begin_a_message_with_one(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("//who", "//", "///", "//quit", "// x ", "//say x")
    bob.expect("Ann: /who", "Ann: /", "Ann: //", "Ann: /quit", "Ann: / x", "Ann: /say x")
    ann.expect_quiet()


def test_r32_the_who_command_lists_who_is_here(room: Room) -> None:
    ann, bob, _ = room.join("Ann", "Bob", "Cid")
    bob.ask("/who", "*** 3 here: Ann, Bob, Cid")
    ann.ask("/who", "*** 3 here: Ann, Bob, Cid")


def test_r33_the_who_command_lists_all_in_order_of_joining(room: Room) -> None:
    # These are more members than a welcome lists.
    names = [f"m{number}" for number in range(30, 0, -1)]
    for name in names:
        last = room.log_in(name)
        last.expect_like(rf"\*\*\* welcome, {name} \(.*\)")
    last.ask("/who", f"*** 30 here: {', '.join(names)}")


def test_r34_the_who_command_lists_as_many_as_fit(crowd: Crowd) -> None:
    crowd.last.say("/who")
    line = crowd.last.read()
    size = len(crowd.names)
    match = re.fullmatch(rf"\*\*\* {size} here: (.*) … and (\d+) more", line)
    assert match, line
    listed = match[1].split(", ")
    assert listed == crowd.names[: len(listed)]
    assert int(match[2]) == size - len(listed)
    one_more = f", {crowd.names[len(listed)]}"
    assert len(line.encode()) <= 65_536 < len((line + one_more).encode())


def test_r35_help_is_lines_that_begin_like_notices(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("/help", "/foo")
    ann.expect_like(r"\*\*\* \S.*")
    while (line := ann.read()) != "error: unknown command /foo (try /help)":
        assert re.fullmatch(r"\*\*\* \S.*", line)
    ann.expect_quiet()
    bob.expect_quiet()


@pytest.mark.parametrize("line", ["/quit", "/quit ", "/quit\t", "/quit\u3000"], ids=ascii)
def test_r36_quit_leaves(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(line)
    ann.expect_end()
    bob.expect("*** Ann left (1 here)")


@pytest.mark.parametrize(
    "line", ["/who Bob", "/rooms x", "/help me", "/quit now", "/who  x", "/quit q"]
)
def test_r37_commands_without_arguments_refuse_an_argument(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(line)
    ann.expect_error()
    ann.ask("/who", "*** 2 here: Ann, Bob")
    bob.expect_quiet()


def test_r38_any_other_command_is_unknown(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask("/foo bar", "error: unknown command /foo (try /help)")
    ann.ask("/nickname Bob", "error: unknown command /nickname (try /help)")
    ann.ask("/jion builds", "error: unknown command /jion (did you mean /join?)")
    ann.ask("/helpp", "error: unknown command /helpp (did you mean /help?)")
    ann.ask("/hel", "error: unknown command /hel (did you mean /help?)")
    ann.ask("/whois", "error: unknown command /whois (try /help)")
    ann.ask("/", "error: unknown command / (try /help)")
    ann.ask("/ who", "error: unknown command / (try /help)")
    ann.ask("/q", "error: unknown command /q (try /help)")
    # The error repeats only the beginning of a long command, made safe.
    ann.ask("/" + "x" * 31, f"error: unknown command /{'x' * 31} (try /help)")
    ann.ask("/" + "x" * 32, f"error: unknown command /{'x' * 31}… (try /help)")
    ann.ask("/a\x1bb\u2028c", "error: unknown command /a�b�c (try /help)")
    bob.expect_quiet()


def test_r39_after_an_error_the_session_goes_on(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    for line in (b"/foo", b"/me", b"/who x", b"\xff", b"x" * 5000):
        ann.send(line + b"\n")
        ann.expect_error()
        ann.say("hello")
        bob.expect("Ann: hello")
    ann.expect_quiet()


# Leaving


@pytest.mark.parametrize("line", ["q", "/quit"])
def test_r40_q_and_quit_leave(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(line)
    ann.expect_end()
    bob.expect("*** Ann left (1 here)")
    bob.ask("/who", "*** 1 here: Bob")


@pytest.mark.parametrize("line", ["q", "/quit"])
def test_r41_a_member_that_has_quit_hears_nothing_more(room: Room, line: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("/who", line, "/who", "hello", "/foo")
    bob.expect("*** Ann left (1 here)")
    bob.say("she is gone")
    room.log_in("Cid").expect("*** welcome, Cid (2 here: Bob, Cid)")
    ann.expect("*** 2 here: Ann, Bob")
    ann.expect_end()


def test_r41_not_even_if_others_are_talking(room: Room) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    bob.say(*[f"{number}" for number in range(2000)])
    ann.say("/me goes", "q")
    heard = ann.rest().decode()
    # She gets some of what Bob said and nothing else, neither her own leaving nor an answer.
    assert heard == "".join(f"Bob: {number}\n" for number in range(heard.count("\n")))
    said = [cid.read() for _ in range(2002)]
    # Everything before she left comes first, and then her leaving.
    assert said.index("*** Ann left (2 here)") == heard.count("\n") + 1


def test_r42_everyone_else_is_told_who_left(room: Room) -> None:
    ann, *others = room.join("Ann", "Bob", "Cid", "Dan")
    ann.leave()
    for other in others:
        other.expect("*** Ann left (3 here)")
        other.expect_quiet()


def test_r43_the_count_is_that_of_the_members_after_it(room: Room) -> None:
    (ann,) = room.join("Ann")
    others = []
    for count, name in enumerate(("Bob", "Cid", "Dan"), start=2):
        others.append(room.log_in(name))
        ann.expect(f"*** {name} joined ({count} here)")
    for count, peer in ((3, others[1]), (2, others[0]), (1, others[2])):
        peer.say("q")
        ann.expect(f"*** {peer.name} left ({count} here)")


def quits(peer: Peer) -> None:
    peer.say("q")


def quits_by_command(peer: Peer) -> None:
    peer.say("/quit")


def quits_again_and_again(peer: Peer) -> None:
    peer.say("q", "q", "/quit", "q")


def quits_and_resets(peer: Peer) -> None:
    peer.say("q")
    peer.reset()


def quits_and_half_closes(peer: Peer) -> None:
    peer.say("q")
    half_closes(peer)


def half_closes(peer: Peer) -> None:
    peer.finish()
    peer.rest()


def closes(peer: Peer) -> None:
    peer.close()


def resets(peer: Peer) -> None:
    peer.reset()


def sends_no_end_of_line(peer: Peer) -> None:
    peer.send(b"x" * MIB)
    assert peer.rest().decode().endswith(f"{UNENDING}\n")


# All the ways in which a member can leave. The first of them lose nothing that was sent before.
WAYS: list[Callable[[Peer], None]] = [
    quits,
    quits_by_command,
    quits_again_and_again,
    quits_and_half_closes,
    half_closes,
    sends_no_end_of_line,
    closes,
    quits_and_resets,
    resets,
]
LOSSLESS = WAYS[:7]


@pytest.mark.parametrize("way", WAYS)
def test_r44_every_leaving_causes_exactly_one_notice(
    room: Room, way: Callable[[Peer], None]
) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    way(ann)
    for other in (bob, cid):
        other.expect("*** Ann left (2 here)")
    # Any second notice would have come by the time she is back.
    room.log_in("Ann").expect("*** welcome, Ann (3 here: Bob, Cid, Ann)")
    for other in (bob, cid):
        other.expect("*** Ann joined (3 here)")
        other.expect_quiet()


def test_r44_many_members_may_leave_at_once(room: Room) -> None:
    keeper, *members = room.join("Ann", *[f"m{number}" for number in range(18)])
    for number, member in enumerate(members):
        WAYS[number % len(WAYS)](member)
    notices = [keeper.read() for _ in members]
    assert sorted(notice.split()[1] for notice in notices) == sorted(m.name for m in members)
    counts = [notice.split(" left ")[1] for notice in notices]
    assert counts == [f"({count} here)" for count in range(len(members), 0, -1)]
    keeper.expect_quiet()


@pytest.mark.parametrize("way", LOSSLESS)
def test_r45_last_messages_come_before_the_leave_notice(
    room: Room, way: Callable[[Peer], None]
) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    ann.say(*[f"{number}" for number in range(3000)], "/me goes")
    way(ann)
    for other in (bob, cid):
        other.expect(*[f"Ann: {number}" for number in range(3000)], "* Ann goes")
        other.expect("*** Ann left (2 here)")


def test_r46_the_server_ends_when_its_last_member_has_left(start: Starter) -> None:
    room = start.room("--quiet")
    # A peer that never logs in is not waited for, and one that leaves before login ends nothing.
    quitter = room.log_in("q")
    quitter.expect_end()
    quitter.close()
    stranger = room.log_in("*")
    stranger.expect_error()
    ann, bob = room.join("Ann", "Bob")
    ann.leave()
    bob.expect("*** Ann left (1 here)")
    bob.expect_quiet()
    bob.leave()
    stranger.expect("error: server is closing")
    stranger.expect_end()
    stranger.close()
    room.program.expect_end()


def test_r46_the_server_stays_if_it_was_told_to(room: Room) -> None:
    for _ in range(3):
        ann, bob = room.log_in("Ann"), room.connect("Bob")
        ann.expect("*** welcome, Ann (1 here: Ann)")
        bob.ask("Bob", "*** welcome, Bob (2 here: Ann, Bob)")
        ann.expect("*** Bob joined (2 here)")
        ann.leave()
        bob.expect("*** Ann left (1 here)")
        bob.leave()


# The order of things


def lively(room: Room) -> dict[str, list[str]]:
    """Let many members talk, act, ask, join and leave at once; return what each that stayed heard.

    That is everything from its welcome to the last message. The first member only listens.
    """
    members = room.join("Ann", "Bob", "Cid", "Dan")
    listener, *talkers = members
    visitors: list[Peer] = []
    heard: dict[str, list[str]] = {}
    for turn in range(40):
        for talker in talkers:
            talker.say(
                *[f"{turn}.{number}" for number in range(turn)], "/who", f"/me waves {turn}", "/who"
            )
        visitor = room.connect(f"v{turn}")
        visitor.say(visitor.name, "/who", "hello", "/who")
        visitors.append(visitor)
        if turn % 3 == 2:
            visitors.pop(0).say("q")
    for peer in (*talkers, *visitors):
        peer.say("/who", "/foo")
        heard[peer.name] = until(peer, "error: unknown command /foo (try /help)")
    # Everything above has been received, and everyone receives this last.
    last = room.log_in("Last")
    count = int(last.expect_like(r"\*\*\* welcome, Last \((\d+) here: .*\)")[1])
    end = f"*** Last joined ({count} here)"
    for peer in (listener, *talkers, *visitors):
        heard[peer.name] = heard.get(peer.name, []) + until(peer, end)
    return heard


def until(peer: Peer, last: str) -> list[str]:
    """Return the lines before this one."""
    lines: list[str] = []
    while (line := peer.read()) != last:
        lines.append(line)
    return lines


def is_private(line: str) -> bool:
    return re.match(r"\*\*\* (\d+ here: |welcome, )|error: ", line) is not None


def is_from(name: str, line: str) -> bool:
    return line.startswith((f"{name}: ", f"* {name} "))


def test_r47_all_members_see_one_common_sequence(room: Room) -> None:
    heard = lively(room)
    common = heard["Ann"]
    assert len(common) > 2000
    assert not any(is_private(line) or is_from("Ann", line) for line in common)
    for name, lines in heard.items():
        public = [line for line in lines if not is_private(line)]
        # Members who joined before the recording have heard everything; a visitor, everything since
        # it joined.
        start = f"*** {name} joined"
        begin = [index for index, line in enumerate(common) if line.startswith(start)]
        since = common[begin[0] + 1 :] if begin else common
        assert public == [line for line in since if not is_from(name, line)], name


def test_r48_welcomes_lists_and_counts_fit_their_place_in_the_order(room: Room) -> None:
    heard = lively(room)
    checked = 0
    for name, lines in heard.items():
        # Who is here, as far as this member can know. A welcome that lists only some does not tell.
        here: list[str] | None = ["Ann", "Bob", "Cid", "Dan"]
        for line in lines:
            if match := re.fullmatch(r"\*\*\* (\S+) (joined|left) \((\d+) here\)", line):
                if here is not None:
                    here = [member for member in here if member != match[1]]
                    here += [match[1]] if match[2] == "joined" else []
                    assert int(match[3]) == len(here), name
            elif match := re.fullmatch(
                r"\*\*\* welcome, (\S+) \((\d+) here: (.*?)( … .*)?\)", line
            ):
                here = None if match[4] else match[3].split(", ")
                if here is not None:
                    assert here[-1] == name
                    assert int(match[2]) == len(here), name
            elif match := re.fullmatch(r"\*\*\* (\d+) here: (.*)", line):
                listed = match[2].split(", ")
                assert listed == (here or listed), name
                assert int(match[1]) == len(listed), name
                here = listed
                checked += 1
    assert checked > 200


FLOOD = 2500


def flood(room: Room) -> tuple[Peer, Peer]:
    """Send 10 MB, more than any kernel buffers, to a member that does not read and one that does.

    Returns:
        The member that does not read, and the one that reads everything.
    """
    slow, talker, reader = room.join("Ann", "Bob", "Cid")
    for start in range(0, FLOOD, 50):
        lines = [f"{number} {'x' * 4000}" for number in range(start, start + 50)]
        talker.say(*lines)
        reader.expect(*[f"Bob: {line}" for line in lines])
    return slow, reader


def read_flood(slow: Peer) -> tuple[list[str], int]:
    """Read what is left of the flood; return the lines, and how many were missed."""
    slow.say("/foo")
    lines = until(slow, "error: unknown command /foo (try /help)")
    missed = [re.fullmatch(r"\*\*\* you missed (\d+) lines", line) for line in lines]
    return lines, sum(int(match[1]) for match in missed if match)


def test_r49_output_waiting_for_a_slow_member_is_bounded(room: Room) -> None:
    slow, _ = flood(room)
    lines, missed = read_flood(slow)
    assert missed > 0
    # The newest lines are all there, each of them whole, after the last gap.
    last_gap = max(index for index, line in enumerate(lines) if line.startswith("*** you"))
    waited = lines[last_gap + 1 :]
    kept = range(FLOOD - len(waited), FLOOD)
    assert waited == [f"Bob: {number} {'x' * 4000}" for number in kept]
    assert MIB - 65_536 < sum(len(line) + 1 for line in waited) <= MIB


def test_r50_in_place_of_the_missed_lines_is_their_number(room: Room) -> None:
    slow, _ = flood(room)
    lines, missed = read_flood(slow)
    assert missed > 0
    number = 0
    for line in lines:
        if match := re.fullmatch(r"\*\*\* you missed (\d+) lines", line):
            number += int(match[1])
        else:
            assert line == f"Bob: {number} {'x' * 4000}"
            number += 1
    assert number == FLOOD


def test_r51_a_member_that_does_not_read_delays_nobody(room: Room) -> None:
    # `flood` itself checks that the member who reads gets each part as it is sent.
    slow, reader = flood(room)
    reader.expect_quiet()
    slow.say("I am still here")
    reader.expect("Ann: I am still here")


# When the room closes


def test_r52_at_a_drain_each_member_is_told_and_closed(drain: Drain) -> None:
    drain.members[0].expect("*** server is closing")
    drain.members[0].expect_end()


def test_r53_after_the_closing_notice_no_leaving_is_told(drain: Drain) -> None:
    # All members were there when the drain began, and some had to be closed before others.
    for member in drain.members[1:]:
        member.expect("*** server is closing")
        member.expect_end()


def test_r54_at_a_drain_a_peer_that_has_not_logged_in_is_told_and_closed(drain: Drain) -> None:
    drain.stranger.expect("error: server is closing")
    drain.stranger.expect_end()


# What nobody can forge


def test_r55_every_line_begins_in_one_of_these_ways(room: Room) -> None:
    heard = lively(room)
    names = "|".join(map(re.escape, (*heard, *[f"v{turn}" for turn in range(40)])))
    for lines in heard.values():
        for line in lines:
            assert re.match(rf"\*\*\* |\* ({names}) |({names}): |error: ", line), line


FORGERIES = [
    "*** Bob left (1 here)",
    "* Bob waves",
    "Bob: I am Bob",
    "error: no",
    "x\r*** Bob left (1 here)",
    "x\rBob: I am Bob",
    "x\u2028Bob: I am Bob",
    "x\x85Bob: I am Bob",
    "\r*** server is closing",
    "\x1b[2K\rBob: I am Bob",
    "\b\b\b\b\b\b\b\b\bBob: I am Bob",
    "\0*** Bob left",
    "x\v\f\x1c\x1d\x1eBob: I am Bob",
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=ascii)
def test_r56_no_line_can_be_forged(room: Room, forgery: str) -> None:
    ann, _, mallory = room.join("Ann", "Bob", "Mallory")
    mallory.say(forgery, f"/say {forgery}", f"/me {forgery}", f"//{forgery}")
    told = re.sub("[\0-\x1f\x85\u2028]", "�", forgery)
    ann.expect(f"Mallory: {told}", f"Mallory: {told}", f"* Mallory {told}", f"Mallory: /{told}")
    ann.expect_quiet()


def test_r56_no_name_can_be_forged(room: Room) -> None:
    ann, _ = room.join("Ann", "Bob")
    names = [
        "***",
        "*",
        "𐌟𐌟𐌟",
        "Bob:",
        "Bobꓽ",
        "Bobः",
        "Error",
        "еrror",
        "server",
        "bob",
        "BOB",
        "Ｂｏｂ",
        "error",
        "B\rb",
        "Bob\u200b",
        "Bob x",
        "＊＊＊",
    ]
    for count, name in enumerate(names):
        if count % 9 == 0:
            mallory = room.connect("Mallory")
        mallory.say(name)
        mallory.expect_error()
    ann.expect_quiet()


# Text that is safe to show


def hear(room: Room, said: str, heard: str) -> None:
    """Check that the others receive `heard` when a member sends `said`."""
    ann, bob = room.join("Ann", "Bob")
    ann.say(said)
    bob.expect(f"Ann: {heard}")


def test_r57_characters_that_change_the_order_are_replaced(room: Room) -> None:
    hear(room, "\u202agnol\u202e\u2066a\u2069b\u061cc\u200ed\u200f", "�gnol��a�b�c�d�")


def test_r58_invisible_characters_are_replaced(room: Room) -> None:
    hear(room, "a\u200bb\xadc\u2060d\ufeffe\u034ff\u3164g\uffa0h", "a�b�c�d�e�f�g�h")


def test_r58_tags_and_annotations_are_replaced(room: Room) -> None:
    hear(room, "a\U000e0068\U000e0069\ufff9b\ufffac\ufffb", "a���b�c�")


def test_r58_joiners_and_selectors_without_a_base_are_replaced(room: Room) -> None:
    hear(room, "a\u200db \u200c a\ufe0f \U000e0100", "a�b � a� �")


def test_r59_characters_without_meaning_are_replaced(room: Room) -> None:
    hear(room, "a\ue000\uf8ff\U000f0000\ufdd0\uffff\U0001ffffb", "a������b")


@pytest.mark.parametrize(
    "emoji",
    [
        *[
            "👩\u200d💻",
            "🏳\ufe0f\u200d🌈",
            "👩🏻\u200d❤\ufe0f\u200d💋\u200d👨🏿",
            "☺\ufe0e",
            "☺\ufe0f",
        ],
        *["1\ufe0f\u20e3", "🇩🇪", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"],
    ],
    ids=ascii,
)
def test_r60_an_emoji_stays_whole(room: Room, emoji: str) -> None:
    hear(room, f"{emoji}, {emoji}", f"{emoji}, {emoji}")


@pytest.mark.parametrize(
    "text",
    ["می\u200cخواهم", "ه\u200d.ش", "क\u094d\u200dष", "क\u094d\u200cष", "र\u200d\u094dय"],
    ids=ascii,
)
def test_r61_joined_letters_stay_whole(room: Room, text: str) -> None:
    hear(room, text, text)


def test_r62_one_variation_selector_stays(room: Room) -> None:
    ideographs, mongolian = "葛\U000e0100 神\ufe00", "ᠨ\u180bᠠ ᠨ\u180eᠠ"
    hear(
        room,
        f"{ideographs} {mongolian} 葛\U000e0100\U000e0101",
        f"{ideographs} {mongolian} 葛\U000e0100�",
    )


def test_r63_the_ninth_mark_in_a_row_is_replaced(room: Room) -> None:
    hear(
        room,
        "a" + "\u0301" * 8 + "b" + "\u0301" * 10,
        "a" + "\u0301" * 8 + "b" + "\u0301" * 8 + "��",
    )


def test_r64_the_same_holds_for_actions_say_and_answers(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say("/me a\u202eb", "/say a\u200bb", "//a\u3164")
    bob.expect("* Ann a�b", "Ann: a�b", "Ann: /a�")
    ann.ask("/a\u202e\u200b", "error: unknown command /a�� (try /help)")


# Lines that are not accepted as a name


@pytest.mark.parametrize("together", [False, True])
def test_r65_after_ten_refused_names_the_connection_is_closed(room: Room, together: bool) -> None:
    (ann,) = room.join("Ann")
    stranger = room.connect("stranger")
    tries = [b"ann", b"", b"/who", b"\xff", b"a:b", b"x" * 5000, "еrror".encode(), b"*", b"a b"]
    if together:
        stranger.send(b"\n".join((*tries, b"Ann", b"Bob", b"hello", b"")))
    else:
        for line in tries:
            stranger.send(line + b"\n")
            stranger.expect_error()
        stranger.send(b"Ann\nBob\nhello\n")
    for _ in tries if together else ():
        stranger.expect_error()
    stranger.expect("error: too many names were refused")
    stranger.expect_end()
    ann.expect_quiet()


def test_r65_a_member_may_make_any_number_of_mistakes(room: Room) -> None:
    (ann,) = room.join("Ann")
    bob = room.connect("Bob")
    for _ in range(9):
        bob.say("ann")
        bob.expect_error()
    bob.ask("Bob", "*** welcome, Bob (2 here: Ann, Bob)")
    ann.expect("*** Bob joined (2 here)")
    for _ in range(12):
        bob.ask("/foo", "error: unknown command /foo (try /help)")


# Rooms. Names of rooms are each test's own: a topic outlives a test.


def moved(peer: Peer, room: str, *others: str) -> None:
    """Move a peer to a room, and read its welcome; `others` are there already."""
    peer.say(f"/join {room}")
    here = [*others, peer.name]
    peer.expect(f"*** welcome, {peer.name} ({len(here)} here: {', '.join(here)})")


def test_r47_whoever_is_ignored_is_left_out_of_the_sequence(room: Room) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    cid.ask("/ignore Ann", "*** you ignore Ann")
    ann.say("one", "/topic r47", "two")
    bob.expect("Ann: one", "*** Ann set the topic: r47", "Ann: two")
    bob.say("three")
    cid.expect("*** Ann set the topic: r47", "Bob: three")


def test_r55_private_messages_begin_with_both_names(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask("/msg Bob *** x", "[you to Bob] *** x")
    bob.expect("[Ann to you] *** x")


def test_r66_everything_is_of_the_one_room_that_a_member_is_in(room: Room) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    moved(bob, "r66")
    for other in (ann, cid):
        other.expect("*** Bob left (2 here)")
    moved(cid, "r66", "Bob")
    ann.expect("*** Cid left (1 here)")
    bob.expect("*** Cid joined (2 here)")
    bob.say("hello", "/me waves")
    cid.expect("Bob: hello", "* Bob waves")
    cid.ask("/who", "*** 2 here: Bob, Cid")
    ann.ask("/who", "*** 1 here: Ann")
    ann.expect_quiet()
    cid.say("q")
    bob.expect("*** Cid left (1 here)")
    ann.expect_quiet()


def test_r67_a_move_is_told_in_both_rooms(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    moved(bob, "r67")
    ann.expect("*** Bob left (1 here)")
    moved(ann, "r67", "Bob")
    bob.expect("*** Ann joined (2 here)")
    moved(ann, "lobby")
    bob.expect("*** Ann left (1 here)")
    bob.expect_quiet()


def test_r68_one_hash_before_a_room_is_dropped(room: Room) -> None:
    (ann,) = room.join("Ann")
    moved(ann, "#r68")
    ann.ask("/rooms", "*** rooms: lobby (0), r68 (1)")
    ann.ask("/join ##r68", "error: a name cannot have a #")


def test_r69_joining_the_room_one_is_in_gets_the_welcome_and_is_told_to_nobody(
    room: Room,
) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask("/join lobby", "*** welcome, Ann (2 here: Ann, Bob)")
    bob.expect_quiet()


def test_r70_a_room_is_written_in_its_case_mapped_form(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    moved(ann, "R70ß")
    bob.expect("*** Ann left (1 here)")
    moved(bob, "r70ß", "Ann")
    ann.expect("*** Bob joined (2 here)")
    ann.ask("/rooms", "*** rooms: lobby (0), r70ß (2)")
    for unfit in ("a b", "a:b", "/x", "x" * 33, "\u0301x"):
        ann.say(f"/join {unfit}")
        ann.expect_error()
    # No word is reserved.
    ann.say("/join Server")
    ann.expect("*** welcome, Ann (1 here: Ann)")


def test_r71_a_room_that_looks_like_another_is_refused(room: Room) -> None:
    (ann,) = room.join("Ann")
    ann.ask("/join l0bby", "error: the room l0bby looks like lobby")
    ann.ask("/join LОBBY", "error: the room lоbby looks like lobby")
    ann.ask("/who", "*** 1 here: Ann")


def test_r72_a_room_exists_while_it_has_members_or_a_topic(room: Room) -> None:
    (ann,) = room.join("Ann")
    moved(ann, "r72-without")
    moved(ann, "r72-with")
    ann.ask("/topic T", "*** Ann set the topic: T")
    moved(ann, "lobby")
    ann.say("/rooms")
    rooms = ann.read()
    assert "r72-with (0)" in rooms
    assert "r72-without" not in rooms
    moved(ann, "r72-with")
    ann.ask("/topic", "*** topic: T")


def test_r73_rooms_are_listed_by_size_the_lobby_first(start: Starter) -> None:
    room = start.room("--forever", "--quiet")
    ann, bob, cid, dan = (room.log_in(name) for name in ("Ann", "Bob", "Cid", "Dan"))
    for peer, where in ((ann, "b"), (bob, "c"), (cid, "c"), (dan, "a")):
        peer.expect_like(r"\*\*\* welcome.*")
        peer.say(f"/join {where}")
        while not peer.read().startswith("*** welcome"):
            pass
    dan.ask("/rooms", "*** rooms: lobby (0), c (2), a (1), b (1)")


def test_r74_at_the_limit_the_empty_room_with_the_oldest_topic_makes_place(
    start: Starter,
) -> None:
    room = start.room("--forever", "--quiet", "--max-rooms", "3")
    (ann,) = room.join("Ann")
    for name in ("older", "old"):
        moved(ann, name)
        ann.ask("/topic T", "*** Ann set the topic: T")
    moved(ann, "new")
    ann.ask("/rooms", "*** rooms: lobby (0), new (1), old (0)")
    bob = room.log_in("Bob")
    bob.expect("*** welcome, Bob (1 here: Bob)")
    bob.say("/join newer")
    bob.expect("*** welcome, Bob (1 here: Bob)")
    cid = room.log_in("Cid")
    cid.expect("*** welcome, Cid (1 here: Cid)")
    cid.ask("/join newest", "error: there are 3 rooms already")
    cid.ask("/rooms", "*** rooms: lobby (1), new (1), newer (1)")


# Topics


def test_r75_a_topic_can_be_asked_for(room: Room) -> None:
    (ann,) = room.join("Ann")
    moved(ann, "r75")
    ann.ask("/topic", "*** no topic")
    ann.ask("/topic ", "*** no topic")
    ann.say("/topic a topic")
    ann.expect("*** Ann set the topic: a topic")
    ann.ask("/topic", "*** topic: a topic")


def test_r76_a_new_topic_is_told_to_everyone_in_the_room(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask("/topic r76\x1b ", "*** Ann set the topic: r76�")
    bob.expect("*** Ann set the topic: r76�")


def test_r77_a_topic_has_at_most_390_bytes(room: Room) -> None:
    (ann,) = room.join("Ann")
    moved(ann, "r77")
    ann.ask("/topic " + "ä" * 195, "*** Ann set the topic: " + "ä" * 195)
    ann.ask("/topic " + "ä" * 195 + "x", "error: a topic has at most 390 bytes")


def test_r78_a_topic_that_is_removed_is_told(room: Room) -> None:
    (ann,) = room.join("Ann")
    bob = room.log_in_json("Bob")
    ann.expect("*** Bob joined (2 here)")
    ann.ask("/topic r78", "*** Ann set the topic: r78")
    bob.request("topic", room="lobby", text="")
    ann.expect("*** Bob removed the topic")
    ann.ask("/topic", "*** no topic")


# Other names


def test_r79_a_new_name_is_told_to_everyone_in_the_room(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.ask("/nick Anna", "*** Ann is now Anna")
    bob.expect("*** Ann is now Anna")
    ann.say("hello")
    bob.expect("Anna: hello")
    ann.ask("/nick ANNA", "*** Anna is now ANNA")
    cid = room.log_in("Ann")
    cid.expect("*** welcome, Ann (3 here: ANNA, Bob, Ann)")


@pytest.mark.parametrize("name", ["bob", "a:b", "server", "Воb", "a b"])
def test_r80_a_name_that_is_unfit_or_taken_is_refused(room: Room, name: str) -> None:
    ann, bob = room.join("Ann", "Bob")
    ann.say(f"/nick {name}")
    ann.expect_error()
    ann.ask("/nick Ann", "*** you are Ann")
    bob.expect_quiet()


# Private messages


def test_r81_a_private_message_is_heard_by_two(room: Room) -> None:
    ann, bob, cid = room.join("Ann", "Bob", "Cid")
    moved(bob, "r81")
    for other in (ann, cid):
        other.expect("*** Bob left (2 here)")
    ann.ask("/msg BOB  hello\t", "[you to Bob]  hello")
    bob.expect("[Ann to you]  hello")
    cid.expect_quiet()


def test_r82_a_reply_goes_to_the_last_writer_through_nicks(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    bob.ask("/reply hi", "error: nobody has written to you yet")
    ann.ask("/msg Bob hello", "[you to Bob] hello")
    ann.ask("/nick Anna", "*** Ann is now Anna")
    bob.expect("[Ann to you] hello", "*** Ann is now Anna")
    bob.ask("/reply hi", "[you to Anna] hi")
    ann.expect("[Bob to you] hi")


@pytest.mark.parametrize("name", ["Zed", "a:b", "error"])
def test_r83_a_name_that_nobody_has_is_told(room: Room, name: str) -> None:
    (ann,) = room.join("Ann")
    ann.ask(f"/msg {name} hello", f"error: there is no {name} here")


def test_r84_one_may_write_to_oneself(room: Room) -> None:
    (ann,) = room.join("Ann")
    ann.ask("/msg ann hello", "[you to Ann] hello", "[Ann to you] hello")


# Ignoring


def test_r85_whoever_is_ignored_is_not_heard_whatever_they_are_called(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    bob.ask("/ignore ann", "*** you ignore Ann")
    ann.say("hello", "/me waves", "/nick Anna", "/msg Bob psst", "hello again")
    ann.expect("*** Ann is now Anna", "[you to Bob] psst")
    bob.expect("*** Ann is now Anna")
    bob.ask("/ignore Zed", "error: there is no Zed here")
    bob.ask("/ignore Bob", "error: you cannot ignore yourself")
    ann.say("q")
    bob.expect("*** Anna left (1 here)")


def test_r86_ignoring_can_end(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    bob.ask("/ignore Ann", "*** you ignore Ann")
    ann.ask("/nick Anna", "*** Ann is now Anna")
    ann.say("one")
    ann.expect_quiet()
    bob.expect("*** Ann is now Anna")
    bob.ask("/unignore Anna", "*** you hear Anna again")
    ann.say("two")
    bob.expect("Anna: two")


def test_r87_a_member_ignores_at_most_a_hundred(room: Room) -> None:
    (ann,) = room.join("Ann")
    for number in range(101):
        room.log_in(f"m{number}").expect_like(r"\*\*\* welcome, .*")
        ann.expect(f"*** m{number} joined ({number + 2} here)")
    for number in range(100):
        ann.ask(f"/ignore m{number}", f"*** you ignore m{number}")
    ann.ask("/ignore m100", "error: you ignore 100 members already")
    ann.ask("/ignore m0", "*** you ignore m0")


# What comes from other formats, and what comes later


def test_r88_a_text_of_several_lines_is_several_lines(room: Room) -> None:
    (ann,) = room.join("Ann")
    bob = room.log_in_json("Bob")
    ann.expect("*** Bob joined (2 here)")
    bob.request("say", room="lobby", text="one\n\n*** two")
    bob.request("act", room="lobby", text="waves\nagain")
    bob.request("tell", to="Ann", text="a\nb")
    ann.expect("Bob: one", "Bob: ", "Bob: *** two", "* Bob waves", "* Bob again")
    ann.expect("[Bob to you] a", "[Bob to you] b")


def test_r89_history_shows_the_newest_events_with_their_time(start: Starter) -> None:
    room = start.room("--forever")
    ann, bob = room.join("Ann", "Bob")
    ann.say("hello", "/me waves", "/history 3")
    bob.expect("Ann: hello", "* Ann waves")
    shown = [ann.read() for _ in range(3)]
    assert all(re.match(r"\[[0-2]\d:[0-5]\d\] ", line) for line in shown)
    assert [line[8:] for line in shown] == ["*** Bob joined (2 here)", "Ann: hello", "* Ann waves"]
    for number in range(20):
        ann.say(f"{number}")
        bob.expect(f"Ann: {number}")
    bob.say("/history")
    assert [bob.read()[8:] for _ in range(20)] == [f"Ann: {number}" for number in range(20)]


def test_r90_what_history_cannot_show_is_an_error(start: Starter) -> None:
    (ann,) = start.room("--forever").join("Ann")
    for wrong in ("0", "201", "x", "1 2", "-1"):
        ann.ask(f"/history {wrong}", "error: /history takes a number from 1 to 200")
    (bob,) = start.room("--forever", "--history", "none").join("Bob")
    bob.ask("/history", "error: no history is kept here")
