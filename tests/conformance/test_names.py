"""The names of chat members, sentence by sentence: the part N of docs/protocol.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from service import Room


def refuse(room: Room, *names: str) -> None:
    """Check that each of these names gets an error, and that another name is accepted after it."""
    for count, name in enumerate(names):
        # A peer may try nine names; the tenth error ends the connection.
        if count % 9 == 0:
            peer = room.connect("somebody")
        peer.say(name)
        peer.expect_error()
    peer.ask("Fit", "*** welcome, Fit (1 here: Fit)")


def check(room: Room, said: str, shown: str) -> None:
    """Check that a peer that sends `said` gets the name `shown`."""
    room.log_in(said).expect(f"*** welcome, {shown} (1 here: {shown})")


@pytest.mark.parametrize("said", [" Ann", "Ann ", "\tAnn\t", " \t Ann \t ", "Ann\r"], ids=repr)
def test_n1_a_name_is_trimmed(room: Room, said: str) -> None:
    check(room, said, "Ann")


def test_n1_only_spaces_and_tabs_are_trimmed(room: Room) -> None:
    refuse(room, "\xa0Ann", "Ann\u3000", "\vAnn", "Ann\u2028", "\ufeffAnn")


@pytest.mark.parametrize(
    "name", ["Ann", "Zoë", "Зоя", "世界", "דנה", "नेहा", "x", "007", "a-b_c/d", "ß"]
)
def test_n2_a_name_that_the_profile_allows_is_fit(room: Room, name: str) -> None:
    check(room, name, name)


def test_n2_a_name_that_the_profile_refuses_is_unfit(room: Room) -> None:
    refuse(
        room,
        # Control characters, symbols, invisible characters, compatibility forms, unassigned ones.
        *["a\0b", "a\x7f", "a\x85b", "☃", "😀", "a\u200bb", "a\xadb", "a\u202eb", "a\u200db"],
        *["ﬁ", "Ⅷ", "²", "\u0378", "\ue000", "\ufeff"],
        # Writing directions mixed against the rule, and a character out of its context.
        *["aדb", "דנה1a", "a·b"],
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [("Ａｎｎ", "Ann"), ("ｱﾝ", "アン"), ("Zoe\u0308", "Zoë"), ("ANN", "ANN"), ("aNn", "aNn")],
)
def test_n3_everyone_sees_the_enforced_form(room: Room, said: str, shown: str) -> None:
    (bob,) = room.join("Bob")
    peer = room.log_in(said)
    peer.expect(f"*** welcome, {shown} (2 here: Bob, {shown})")
    bob.expect(f"*** {shown} joined (2 here)")
    peer.say("hello", "/me waves")
    bob.expect(f"{shown}: hello", f"* {shown} waves")
    bob.ask("/who", f"*** 2 here: Bob, {shown}")
    peer.leave()
    bob.expect(f"*** {shown} left (1 here)")


def test_n4_the_rules_apply_to_the_enforced_form(room: Room) -> None:
    refuse(room, "＊Ann", "／Ann", "｛Ann", "Ann：", "A：n", "：", "ｅｒｒｏｒ", "errｏr", "ｑ")


def test_n4_the_length_is_that_of_the_enforced_form(room: Room) -> None:
    # Each four characters become one.
    check(room, "α\u0313\u0300\u0345" * 32, "ᾂ" * 32)
    room.log_in("α\u0313\u0300\u0345" * 33).expect_error()


@pytest.mark.parametrize("name", ["x", "x" * 32, "é" * 32, "\U00020000" * 32], ids=ascii)
def test_n5_a_name_of_1_to_32_characters_is_fit(room: Room, name: str) -> None:
    check(room, name, name)


def test_n5_a_longer_name_is_unfit(room: Room) -> None:
    refuse(room, "x" * 33, "é" * 33, "\U00020000" * 33, "x" * 4096)


def test_n6_a_name_with_white_space_is_unfit(room: Room) -> None:
    spaces = "\t\v\f\r \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
    refuse(room, *[f"a{space}b" for space in spaces], "a b c", "Ann Lee")


@pytest.mark.parametrize("character", "!@,*?#&+%~$.:")
def test_n7_a_name_contains_no_character_with_a_meaning_elsewhere(
    room: Room, character: str
) -> None:
    wide = chr(ord(character) + 0xFEE0)
    refuse(room, character, f"{character}Ann", f"A{character}n", f"Ann{character}", f"Ann{wide}")


def test_n8_a_name_does_not_begin_with_a_slash_or_a_brace(room: Room) -> None:
    refuse(room, "/", "/who", "/Ann", "／who", "{", "{Ann}", "{}", "｛}")


@pytest.mark.parametrize("name", ["A/b", "A{}", "}", "-", "_a", "a;b", "(Ann)"])
def test_n8_after_its_first_character_a_name_may_have_them(room: Room, name: str) -> None:
    check(room, name, name)


def test_n9_nobody_is_called_error(room: Room) -> None:
    refuse(room, "error", " error\t", "Error", "ERROR", "eRRor", "ｅｒｒｏｒ")


@pytest.mark.parametrize("name", ["errors", "anerror", "err"])
def test_n9_a_name_may_come_close_to_error(room: Room, name: str) -> None:
    check(room, name, name)


def test_n10_nobody_has_a_reserved_word_as_a_name(room: Room) -> None:
    # `q` itself quits. Characters that map to it do not quit, and are refused.
    refuse(room, "ｑ", "Q", "server", "Server", "you", "YOU", "lobby", "Lobby", "ＬＯＢＢＹ")
    room.log_in("q").expect_end()


@pytest.mark.parametrize("name", ["qq", "q1", "servers", "yours", "lobbyist"])
def test_n10_a_name_may_come_close_to_a_reserved_word(room: Room, name: str) -> None:
    check(room, name, name)


def test_n11_a_blank_line_is_an_unfit_name(room: Room) -> None:
    refuse(room, "", " ", "\t \t", "\u3000", "\u2028", "\r")


TWINS = [
    ("Ann", "ann"),
    ("Ann", "ANN"),
    ("ann", "Ａｎｎ"),
    ("Zoë", "ZOE\u0308"),
    ("Зоя", "зОЯ"),
    ("Ann", " ann\t"),
    ("Ν", "ν"),
]


@pytest.mark.parametrize(("first", "second"), TWINS)
def test_n12_names_that_differ_only_in_case_or_width_are_one(
    room: Room, first: str, second: str
) -> None:
    room.join(first)
    peer = room.log_in(second)
    peer.expect_error()


@pytest.mark.parametrize(
    ("first", "second"), [("Ann", "Anna"), ("Ann", "Änn"), ("Weiß", "Weiss"), ("5", "S")]
)
def test_n12_other_names_are_different(room: Room, first: str, second: str) -> None:
    room.join(first, second)


def test_n13_a_name_is_taken_while_a_member_has_it(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    other = room.log_in("Ann")
    other.expect_error()
    # A refused name stays free.
    other.say("Cid:")
    other.expect_error()
    ann.ask("/who", "*** 2 here: Ann, Bob")
    ann.leave()
    bob.expect("*** Ann left (1 here)")
    other.ask("ann", "*** welcome, ann (2 here: Bob, ann)")
    again = room.log_in("Ann")
    again.expect_error()


def test_n14_a_name_is_free_as_soon_as_its_member_has_left(room: Room) -> None:
    (bob,) = room.join("Bob")
    for count in range(20):
        ann = room.log_in(("Ann", "ANN", "ann")[count % 3])
        ann.expect_like(r"\*\*\* welcome, \S+ \(2 here: .*\)")
        bob.expect_like(r"\*\*\* \S+ joined \(2 here\)")
        match count % 3:
            case 0:
                ann.say("q")
            case 1:
                ann.finish()
            case _:
                ann.reset()
        bob.expect_like(r"\*\*\* \S+ left \(1 here\)")


def test_n14_a_member_may_leave_and_come_back_at_once(room: Room) -> None:
    for _ in range(20):
        ann = room.log_in("Ann")
        ann.expect("*** welcome, Ann (1 here: Ann)")
        ann.leave()


@pytest.mark.parametrize("mark", ["\u0301", "\u20dd", "\u093e"], ids=ascii)
def test_n15_a_name_does_not_begin_with_a_combining_mark(room: Room, mark: str) -> None:
    refuse(room, f"{mark}Ann", mark)


def test_n16_a_name_that_safe_text_would_change_is_refused(room: Room) -> None:
    refuse(room, "x" + "\u0325" * 9, "a\u200db", "a\u3164", "a\ufe0f", "a\u202e", "a\ue000")


@pytest.mark.parametrize("name", ["می\u200cنا", "क\u094d\u200dष", "x" + "\u0325" * 8])
def test_n16_joiners_and_marks_that_stay_whole_are_allowed(room: Room, name: str) -> None:
    check(room, name, name)


# Latin beside Cyrillic, in part and as a whole; Armenian and Greek; digits; letters that touch; a
# dot and a joiner that nobody sees.
LOOK_ALIKES = [
    ("ann", "аnn"),
    ("scope", "ѕсоре"),
    ("nu", "ոս"),
    ("Ann", "Αnn"),
    ("B0b", "BOb"),
    ("Ann1", "Annl"),
    ("modem", "modern"),
    ("ian", "i\u0307an"),
    ("مینا", "می\u200cنا"),
]


@pytest.mark.parametrize(("first", "second"), LOOK_ALIKES)
def test_n17_names_with_one_skeleton_cannot_stand_together(
    room: Room, first: str, second: str
) -> None:
    room.join(first)
    room.log_in(second).expect_error()


@pytest.mark.parametrize(
    ("first", "second"), [("SCOPE", "ѕсоре"), ("bob", "Воb"), ("Ian", "lan"), ("ANN", "аnn")]
)
def test_n18_neither_can_names_that_look_alike_in_another_case(
    room: Room, first: str, second: str
) -> None:
    room.join(first)
    room.log_in(second).expect_error()


def test_n19_a_name_is_taken_while_a_member_has_one_that_looks_like_it(room: Room) -> None:
    ann, bob = room.join("Ann", "Bob")
    other = room.log_in("аnn")
    other.expect_error()
    ann.leave()
    bob.expect("*** Ann left (1 here)")
    other.ask("аnn", "*** welcome, аnn (2 here: Bob, аnn)")
    bob.expect("*** аnn joined (2 here)")
    room.log_in("Ann").expect_error()


def test_n20_the_error_says_which_name_it_looks_like(room: Room) -> None:
    room.join("Ann")
    room.log_in("аnn").expect("error: the name аnn looks like Ann, which is taken")
    room.log_in("ANN").expect("error: the name ANN is taken")


def test_n18_small_capitals_look_like_ordinary_letters(room: Room) -> None:
    room.join("Ann")
    room.log_in("ᴀɴɴ").expect_error()


def test_n21_nobody_has_a_name_that_looks_like_a_reserved_word(room: Room) -> None:
    refuse(room, "еrror", "errоr", "ЕRROR", "ERR0R", "ԛ", "ѕerver", "уоu", "Iobby", "l0bby")


def test_n21_neither_marks_nor_small_capitals_hide_a_reserved_word(room: Room) -> None:
    refuse(room, "ẹrror", "errør", "you\u0332", "q\u0323", "ꜱᴇʀᴠᴇʀ", "ʟobby")


def test_n22_a_name_does_not_begin_with_a_look_alike_of_an_asterisk(room: Room) -> None:
    refuse(room, "𐌟", "𐌟𐌟𐌟", "𐌟Ann", "ᚼᚼᚼ", "ᛡAnn", "𒀭𒀭𒀭")


def test_n23_a_name_contains_no_look_alike_of_a_colon(room: Room) -> None:
    refuse(room, "Bobꓽ", "Boꓽb", "Bobː", "ꓽBob")


@pytest.mark.parametrize("name", ["रामः", "રામઃ", "রামঃ", "ព្រះ"])
def test_n24_a_visarga_of_the_letters_own_script_stays(room: Room, name: str) -> None:
    check(room, name, name)


def test_n24_a_visarga_of_another_script_is_a_colon(room: Room) -> None:
    refuse(room, "Bobः", "Bobঃ", "Bobះ", "Зояઃ", "রামः")


@pytest.mark.parametrize("name", ["ノア", "علی۰", "ꓹAnn", "Ann۰"])
def test_n23_lookalikes_of_other_refused_characters_are_allowed(room: Room, name: str) -> None:
    check(room, name, name)


def test_n25_two_dots_one_above_the_other_are_a_colon(room: Room) -> None:
    refuse(room, "Annꓸ\u0307", "Annꞏ\u0323", "علی۰\u0307", "Annᐧ\u0307")


def test_n26_a_name_contains_no_blank_letter_and_no_combining_asterisk(room: Room) -> None:
    refuse(room, "Ann\U00013441waves", "Ann\U00016fe4", "Ann\u20f0", "A\u0359nn")
