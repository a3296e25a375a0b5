"""The page by keyboard, by ear, on a telephone, and with an input method."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from site_page import Person, Site

Visit = Callable[..., Person]


def focus_of(person: Person) -> object:
    return person.evaluate("""() => {
        const { ariaLabel, textContent, id } = document.activeElement;
        return ariaLabel || textContent || id;
    }""")


def test_everything_can_be_done_with_the_keyboard_alone(site: Site, visit: Visit) -> None:
    ann = visit(site)
    keys = ann.page.keyboard
    keys.type("Ann")
    keys.press("Enter")
    ann.wait_until("() => document.activeElement.ariaLabel === 'Message'")
    keys.type("/join builds")
    keys.press("Enter")
    ann.page.get_by_role("heading", name="builds").wait_for()
    keys.type("needle")
    keys.press("Enter")
    ann.page.locator(".row.said:not(.pending)", has_text="needle").wait_for()
    keys.press("Alt+ArrowUp")
    ann.page.get_by_role("heading", name="lobby").wait_for()
    assert focus_of(ann) == "Message"
    # From the box backwards through the log and the header to the search.
    seen = []
    while (at := focus_of(ann)) != "Search":
        seen.append(at)
        assert len(seen) < 20, seen
        keys.press("Shift+Tab")
    assert "Log of lobby" in seen
    keys.type("needle")
    keys.press("Enter")
    ann.page.locator("#found-list .result").wait_for()
    for _ in range(20):
        if "needle" in str(focus_of(ann)):
            break
        keys.press("Tab")
    keys.press("Enter")
    ann.page.get_by_role("heading", name="builds").wait_for()
    ann.wait_until("() => document.activeElement.classList.contains('target')")
    # And to the button that leaves.
    for _ in range(20):
        if focus_of(ann) == "Leave":
            break
        keys.press("Shift+Tab")
    keys.press("Enter")
    ann.page.get_by_label("Your name").wait_for()


def test_a_screen_reader_finds_one_log_and_names_for_everything(site: Site, visit: Visit) -> None:
    login = visit(site)
    tree = login.page.locator("body").aria_snapshot()
    assert '- textbox "Your name"' in tree
    assert "Password" not in tree
    ann = login.log_in("Ann")
    bob = site.room.log_in_json("Bob")
    bob.request("say", room="lobby", text="hello")
    bob.request("say", room="lobby", text="again")
    ann.expect("again")
    tree = ann.page.locator("body").aria_snapshot()
    for part in (
        '- navigation "Rooms and conversations"', '- button "Leave"', '- button "lobby"',
        '- heading "lobby" [level=1]', "- search:", '- searchbox "Search"', "- status: Connected",
        '- log "Log of lobby"', '- textbox "Message"', '- button "Send"',
        '- complementary "2 people"', '- button "Bob"',
    ):  # fmt: skip
        assert part in tree, f"{part} is not in\n{tree}"
    assert tree.count("- log ") == 1
    assert "- alert" not in tree
    log = ann.log
    assert log.get_attribute("aria-live") == "polite"
    # Each message tells who says it, also where only the first of several shows it.
    assert ann.row("again").inner_text().replace("\n", " ").startswith("Bob")
    unnamed = """() => [...document.querySelectorAll('button, input, textarea')].filter((it) =>
        it.checkVisibility() && !it.ariaLabel && !it.textContent.trim() && !it.labels?.length
    ).length"""
    assert ann.evaluate(unnamed) == 0


def test_a_message_adds_one_node_to_the_log_and_touches_no_other(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    bob = site.room.log_in_json("Bob")
    bob.request("say", room="lobby", text="first")
    ann.expect("first")
    ann.evaluate("""() => {
        window.changes = [];
        new MutationObserver((list) => window.changes.push(...list.map((change) =>
            [change.target === document.querySelector('[role=log]'),
             change.addedNodes.length, change.removedNodes.length]
        ))).observe(document.querySelector('[role=log]'), { childList: true, subtree: true });
    }""")
    for number in range(3):
        bob.request("say", room="lobby", text=f"m{number}")
        ann.expect(f"m{number}")
    assert ann.evaluate("() => window.changes") == [[True, 1, 0]] * 3


@pytest.mark.parametrize("width", [320, 390])
def test_the_page_fits_on_a_telephone(site: Site, visit: Visit, width: int) -> None:
    ann = visit(
        site, viewport={"width": width, "height": 640}, has_touch=True, is_mobile=True
    ).log_in("Ann")
    bob = site.room.log_in_json("Bob")
    bob.request("say", room="lobby", text="https://example.org/" + "long" * 60)
    bob.request("topic", room="lobby", text="a topic that is longer than the screen is wide " * 3)
    ann.page.locator("#topic", has_text="a topic").wait_for()
    ann.say("hello")
    ann.expect("hello")
    too_wide = """() => [...document.querySelectorAll('#chat *')].filter((it) => {
        const { left, right, width } = it.getBoundingClientRect();
        return width > 2 && it.checkVisibility() && (left < -1 || right > innerWidth + 1);
    }).map((it) => it.outerHTML.slice(0, 80))"""
    assert ann.evaluate(too_wide) == []
    assert ann.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    ann.page.get_by_role("button", name="Rooms").tap()
    ann.page.get_by_role("button", name="Leave").wait_for()
    ann.page.get_by_role("button", name="lobby").tap()
    assert not ann.page.get_by_role("button", name="Leave").is_visible()
    ann.page.get_by_role("button", name="People, 2").tap()
    ann.page.get_by_role("button", name="Bob").tap()
    ann.page.get_by_role("heading", name="Bob").wait_for()
    assert ann.evaluate(too_wide) == []


def test_enter_that_ends_a_composition_does_not_send(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    devtools = ann.context.new_cdp_session(ann.page)
    devtools.send(
        "Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3}
    )
    # What a browser sends for the key that an input method takes.
    enter = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    ann.page.keyboard.press("Enter")
    assert ann.messages() == []
    devtools.send("Input.insertText", {"text": "日本"})
    assert ann.box.input_value() == "日本"
    ann.page.keyboard.press("Enter")
    ann.expect("日本")
    assert ann.messages() == ["日本"]


def test_whoever_wants_no_motion_gets_none(site: Site, visit: Visit) -> None:
    ann = visit(site, reduced_motion="reduce").log_in("Ann")
    durations = "() => document.getAnimations().map((one) => one.effect.getTiming().duration)"
    assert [length for length in ann.evaluate(durations) if length > 1] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(site: Site, visit: Visit, scheme: str) -> None:
    ann = visit(site, color_scheme=scheme).log_in("Ann")
    names = [f"member{number}" for number in range(12)]
    for name in names:
        peer = site.room.log_in_json(name)
        peer.request("say", room="lobby", text="hello")
    ann.page.locator(".said", has_text=names[-1]).wait_for()
    ann.say("/dance", "/help")
    ann.page.locator(".row.error").wait_for()
    # By the formula of WCAG 2, for whatever shows a text of its own.
    weak = ann.evaluate("""() => {
        const canvas = document.createElement('canvas')
            .getContext('2d', { willReadFrequently: true });
        const rgb = (colour, under) => {
            canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
            canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const light = (parts) => parts.map((part) => part / 255)
            .map((part) => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
            .reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
        const behind = (it) => {
            const colours = [];
            for (; it; it = it.parentElement) colours.unshift(getComputedStyle(it).backgroundColor);
            return colours.reduce((under, one) => `rgb(${rgb(one, under)})`, 'rgb(255,255,255)');
        };
        const weak = [];
        for (const it of document.querySelectorAll('#chat *')) {
            const own = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
            const style = getComputedStyle(it);
            if (!own || !it.checkVisibility() || style.clipPath !== 'none' ||
                it.closest('.row .head') && !it.closest('.row.first')) continue;
            const under = behind(it);
            const [one, other] = [light(rgb(style.color, under)), light(rgb(under, under))].sort();
            const ratio = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
            if (ratio < 4.5) weak.push([it.className || it.tagName, ratio.toFixed(2)].join(' '));
        }
        return weak;
    }""")
    assert weak == []
