"""Talking in a browser: what two people, `nc` and a program see of each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from site_page import Person, Site

Visit = Callable[..., Person]


def test_browsers_nc_and_a_program_are_in_one_room_in_one_order(site: Site, visit: Visit) -> None:
    ann, bob = visit(site).log_in("Ann"), visit(site).log_in("Bob")
    nc = site.room.log_in("Cid")
    nc.expect("*** welcome, Cid (3 here: Ann, Bob, Cid)")
    program = site.room.log_in_json("dan")
    nc.expect("*** dan joined (4 here)")
    for round_ in range(3):
        ann.say(f"a{round_}")
        bob.say(f"b{round_}")
        nc.say(f"c{round_}")
        program.request("say", room="lobby", text=f"d{round_}", id=round_)
    heard = [program.expect("said")["text"] for _ in range(12)]
    assert sorted(heard) == [f"{name}{round_}" for name in "abcd" for round_ in range(3)]
    for person in (ann, bob):
        person.expect(heard[-1])
        person.wait_until("() => document.querySelectorAll('.pending').length === 0")
        assert person.messages() == heard
    lines = [nc.read() for _ in range(9)]
    names = {"a": "Ann", "b": "Bob", "d": "dan"}
    assert lines == [f"{names[text[0]]}: {text}" for text in heard if text[0] != "c"]


def test_a_text_of_several_lines_stays_one_message(site: Site, visit: Visit) -> None:
    ann, bob = visit(site).log_in("Ann"), visit(site).log_in("Bob")
    ann.page.keyboard.type("one")
    ann.page.keyboard.press("Shift+Enter")
    ann.page.keyboard.type("  two")
    ann.page.keyboard.press("Enter")
    bob.expect("one\n  two")
    assert bob.messages() == ["one\n  two"]
    assert ann.box.input_value() == ""


def test_a_message_is_pending_until_its_receipt_comes(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    with site.room.program.stopped():
        ann.say("hello")
        row = ann.row("hello")
        row.wait_for()
        assert "pending" in (row.get_attribute("class") or "")
        assert "pending" in row.inner_text()
    ann.page.locator(".row.said:not(.pending)", has_text="hello").wait_for()
    assert ann.messages() == ["hello"]


def test_a_mistyped_command_is_an_error_row_and_is_never_sent(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    nc = site.room.log_in("Cid")
    nc.expect("*** welcome, Cid (2 here: Ann, Cid)")
    ann.page.keyboard.type("/jion builds")
    ann.page.keyboard.press("Enter")
    ann.expect("unknown command /jion (did you mean /join?)")
    # What was typed is selected: typing replaces it.
    ann.page.keyboard.type("fine")
    ann.page.keyboard.press("Enter")
    nc.expect("Ann: fine")
    # The page paints it a moment later.
    ann.expect("fine")
    assert ann.messages() == ["fine"]


def test_rooms_topics_and_private_messages(site: Site, visit: Visit) -> None:
    ann, bob = visit(site).log_in("Ann"), visit(site).log_in("Bob")
    ann.say("/join builds")
    ann.page.get_by_role("heading", name="builds").wait_for()
    ann.say("/topic green again", "only here")
    ann.page.locator("#topic", has_text="green again").wait_for()
    ann.say("/msg bob psst")
    ann.page.get_by_role("heading", name="bob").wait_for()
    bob.page.get_by_role("button", name="Ann, 1 unread").click()
    bob.expect("psst")
    bob.say("yes?")
    ann.expect("yes?")
    # The page paints it a moment later.
    bob.expect("yes?")
    assert bob.messages() == ["psst", "yes?"]
    bob.page.get_by_role("button", name="lobby").click()
    bob.page.get_by_role("heading", name="lobby").wait_for()
    assert "only here" not in bob.messages()


def test_the_box_names_whom_it_writes_to_and_the_list_shows_where_one_is(
    site: Site, visit: Visit
) -> None:
    site.room.join("Bob")
    ann = visit(site, viewport={"width": 1200, "height": 500}).log_in("Ann")
    ann.say("/msg Bob hi")
    ann.expect("hi")
    assert ann.box.get_attribute("placeholder") == "Write to Bob"
    for number in range(20):
        ann.say(f"/join room-{number}")
    ann.page.get_by_role("heading", name="room-19").wait_for()
    ann.wait_until("""() => {
        const { bottom } = document.querySelector('[aria-current]').getBoundingClientRect();
        return bottom <= innerHeight;
    }""")
    assert ann.page.locator("#rooms li").count() == 21


def test_what_is_unread_is_counted_in_the_title_and_marked(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    program = site.room.log_in_json("dan")
    ann.say("/join builds")
    ann.page.get_by_role("heading", name="builds").wait_for()
    program.request("say", room="lobby", text="one")
    program.request("say", room="lobby", text="two for Ann")
    ann.page.get_by_role("button", name="lobby, 2 unread, 1 for you").wait_for()
    assert ann.page.title() == "(2) builds – trionet chat"
    ann.page.get_by_role("button", name="lobby").click()
    ann.expect("two for Ann")
    assert ann.page.locator(".row", has=ann.page.locator(".unread")).inner_text().startswith("New")
    assert ann.page.locator(".row.mention").count() == 1
    assert ann.page.title() == "lobby – trionet chat"


def test_names_are_completed_and_with_nothing_to_complete_tab_moves_on(
    site: Site, visit: Visit
) -> None:
    ann = visit(site).log_in("Ann")
    site.room.log_in_json("dan")
    ann.page.get_by_role("button", name="dan").wait_for()
    ann.page.keyboard.type("da")
    ann.page.keyboard.press("Tab")
    assert ann.box.input_value() == "dan: "
    ann.page.keyboard.type("and da")
    ann.page.keyboard.press("Tab")
    assert ann.box.input_value() == "dan: and dan "
    ann.page.keyboard.press("Tab")
    assert ann.evaluate("document.activeElement.id") == "send"


@pytest.mark.parametrize("name", ["error", "an,n", "Bob"])
def test_a_refused_name_is_explained_and_can_be_corrected(
    site: Site, visit: Visit, name: str
) -> None:
    site.room.join("Bob")
    ann = visit(site)
    ann.page.get_by_label("Your name").fill(name)
    ann.page.keyboard.press("Enter")
    alert = ann.page.get_by_role("alert")
    alert.wait_for()
    assert name in alert.inner_text() or "name" in alert.inner_text()
    assert ann.page.get_by_label("Your name").input_value() == name
    ann.log_in("Ann")
    assert ann.page.get_by_role("alert").count() == 0


def test_leaving_tells_the_room_and_the_name_is_remembered(site: Site, visit: Visit) -> None:
    (nc,) = site.room.join("Cid")
    ann = visit(site).log_in("Ann")
    nc.expect("*** Ann joined (2 here)")
    ann.page.get_by_role("button", name="Leave").click()
    nc.expect("*** Ann left (1 here)")
    name = ann.page.get_by_label("Your name")
    name.wait_for()
    assert name.input_value() == "Ann"


def test_a_closed_page_is_held_and_a_reload_resumes(site: Site, visit: Visit) -> None:
    (nc,) = site.room.join("Cid")
    ann = visit(site).log_in("Ann")
    nc.expect("*** Ann joined (2 here)")
    ann.say("before", "/join builds")
    nc.expect("Ann: before")
    ann.page.get_by_role("heading", name="builds").wait_for()
    ann.page.keyboard.type("half a")
    ann.page.reload()
    ann.page.get_by_role("heading", name="builds").wait_for()
    ann.wait_until("() => document.activeElement.ariaLabel === 'Message'")
    assert ann.box.input_value() == "half a"
    ann.page.get_by_role("button", name="lobby").click()
    ann.expect("before")
    ann.say("after")
    nc.expect("Ann: after")
    nc.say("/who")
    nc.expect("*** 2 here: Cid, Ann")


def test_whoever_wants_it_is_notified_of_what_concerns_them(site: Site, visit: Visit) -> None:
    ann = visit(site, permissions=["notifications"])
    # The browser's own would be shown by the operating system. And she looks at something else.
    ann.page.add_init_script("""
        window.told = [];
        window.Notification = class {
            static permission = 'granted';
            static async requestPermission() { return 'granted'; }
            constructor(title, { body }) { window.told.push([title, body]); }
            close() {}
        };
        document.hasFocus = () => false;
    """)
    ann.page.reload()
    ann.log_in("Ann")
    program = site.room.log_in_json("dan")
    program.request("say", room="lobby", text="Ann: before she wanted it")
    ann.expect("Ann: before she wanted it")
    ann.page.get_by_label("Notify me").check()
    program.request("say", room="lobby", text="nothing about her")
    program.request("say", room="lobby", text="hello ann")
    ann.expect("hello ann")
    assert ann.evaluate("() => window.told") == [["dan in lobby", "hello ann"]]


def test_pasted_lines_are_one_message(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    ann.page.keyboard.insert_text("def f():\n    return 1\n\nprint(f())")
    ann.page.keyboard.press("Enter")
    ann.page.locator(".said:not(.pending)").wait_for()
    assert ann.messages() == ["def f():\n    return 1\n\nprint(f())"]
    ann.page.keyboard.insert_text("x\n" * 60)
    ann.page.keyboard.press("Enter")
    ann.expect("a message has at most 50 lines, and this one has 60")
    # It is still there, to be cut.
    assert ann.box.input_value().startswith("x\nx\n")
