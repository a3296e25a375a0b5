"""Fan-out: one log, one order, one put for each member and batch; no member harms another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from unittest import mock

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_members import ListBox, members_of, plain, running_hub
from trionet import Box, Hub, Outbox, WhenSlow
from trionet.fanout.hub_log import HIGH_WATER
from trionet.testing import Link, MemoryStream, memory_stream_pair


def quoted(event: str) -> bytes:
    return b"<%s>\n" % event.encode()


# One order


async def test_every_member_gets_every_event_in_one_order() -> None:
    async with running_hub() as hub:
        boxes = members_of(hub, 3)
        for word in ("a", "b", "c"):
            hub.publish(word)
        await hub.wait_delivered()
        assert [box.lines for box in boxes] == [b"a\nb\nc\n"] * 3


async def test_a_batch_is_one_put_for_each_member() -> None:
    async with running_hub() as hub:
        one, two = members_of(hub, 2)
        for word in ("a", "b", "c"):
            hub.publish(word)
        hub.tell(two, "x")
        await hub.wait_delivered()
        hub.publish("d")
        await hub.wait_delivered()
        assert one.puts == [b"a\nb\nc\n", b"d\n"]
        assert two.puts == [b"a\nb\nc\nx\n", b"d\n"]


async def test_a_batch_does_not_wait_for_tasks_that_append_in_each_round_of_the_scheduler() -> None:
    hub = Hub[str]()
    (one,) = members_of(hub, 1)

    async def append_without_end() -> None:
        while True:
            hub.publish("again")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        # One before the hub and one behind it: whenever the hub looks, there is something new.
        nursery.start_soon(append_without_end)
        nursery.start_soon(hub.run)
        nursery.start_soon(append_without_end)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        assert len(one.puts) > 10
        nursery.cancel_scope.cancel()


async def test_the_example_in_the_head_of_the_file_is_true() -> None:
    async with running_hub() as hub:
        ann, bob, cid, dee = members_of(hub, 4)
        hub.publish("one")
        hub.tell(ann, "for you")
        hub.publish("two", exclude=bob)
        await hub.wait_delivered()
        assert ann.puts == [b"one\nfor you\ntwo\n"]
        assert bob.puts == [b"one\n"]
        assert cid.puts == dee.puts == [b"one\ntwo\n"]


async def test_an_excluded_member_gets_everything_else() -> None:
    async with running_hub() as hub:
        ann, bob, cid = members_of(hub, 3)
        hub.publish("from ann", exclude=ann)
        hub.publish("from bob", exclude=bob)
        hub.publish("from ann again", exclude=ann)
        hub.publish("from nobody")
        await hub.wait_delivered()
        assert ann.lines == b"from bob\nfrom nobody\n"
        assert bob.lines == b"from ann\nfrom ann again\nfrom nobody\n"
        assert cid.lines == b"from ann\nfrom bob\nfrom ann again\nfrom nobody\n"


async def test_events_published_together_are_published_in_their_order() -> None:
    async with running_hub() as hub:
        ann, bob = members_of(hub, 2)
        hub.publish_all(["a", "b"], exclude=ann)
        hub.publish("c", exclude=ann)
        hub.publish_all([], exclude=bob)
        hub.publish_all(["d"])
        await hub.wait_delivered()
        assert ann.lines == b"d\n"
        assert bob.lines == b"a\nb\nc\nd\n"
    hub.publish_all(["too late"])


async def test_what_one_member_is_told_comes_in_its_place() -> None:
    async with running_hub() as hub:
        ann, bob = members_of(hub, 2)
        hub.tell(ann, "first")
        hub.publish("a")
        hub.tell(ann, "between")
        hub.tell(ann, "and again")
        hub.publish("b", exclude=ann)
        hub.tell(ann, "last")
        await hub.wait_delivered()
        assert ann.lines == b"first\na\nbetween\nand again\nlast\n"
        assert bob.lines == b"a\nb\n"


async def test_lines_that_are_encoded_already_come_in_their_place_too() -> None:
    async with running_hub() as hub:
        (ann,) = members_of(hub, 1)
        hub.publish("a")
        assert hub.tell_lines(ann, b"one\ntwo\n") == 8
        hub.publish("b")
        assert hub.tell_lines(ListBox(), b"nobody\n") == 0
        with pytest.raises(ValueError, match="has no end"):
            hub.tell_lines(ann, b"half")
        await hub.wait_delivered()
        assert ann.lines == b"a\none\ntwo\nb\n"


async def test_a_member_gets_what_was_published_after_it_joined_and_before_it_left() -> None:
    async with running_hub() as hub:
        early, late = ListBox(), ListBox()
        hub.add(early, plain)
        hub.publish("1")
        hub.add(late, plain)
        hub.tell(late, "welcome")
        hub.publish("2")
        hub.discard(early)
        hub.tell(early, "too late")
        hub.publish("3")
        await hub.wait_delivered()
        assert early.lines == b"1\n2\n"
        assert late.lines == b"welcome\n2\n3\n"


async def test_a_member_may_leave_and_come_back_within_a_batch() -> None:
    async with running_hub() as hub:
        (box,) = members_of(hub, 1)
        hub.publish("1")
        hub.discard(box)
        hub.publish("2")
        hub.add(box, quoted)
        hub.publish("3")
        await hub.wait_delivered()
        assert box.lines == b"1\n<3>\n"


async def test_adding_a_member_again_and_discarding_a_stranger_do_nothing() -> None:
    async with running_hub() as hub:
        (box,) = members_of(hub, 1)
        hub.add(box, quoted)
        hub.discard(ListBox())
        hub.publish("1")
        hub.discard(box)
        hub.discard(box)
        await hub.wait_delivered()
        hub.discard(box)
        hub.publish("2", exclude=box)
        hub.tell(box, "3")
        await hub.wait_delivered()
        assert box.lines == b"1\n"


async def test_what_is_appended_after_the_call_of_run_waits_for_its_first_step() -> None:
    async with trio.open_nursery() as nursery:
        hub = Hub[str]()
        (box,) = members_of(hub, 1)
        nursery.start_soon(hub.run)
        hub.publish("1")
        assert box.puts == []
        await hub.wait_delivered()
        assert box.lines == b"1\n"
        nursery.cancel_scope.cancel()


# Misuse


async def test_before_a_hub_runs_members_come_and_go_and_other_calls_say_what_to_write() -> None:
    hub = Hub[str]()
    ann, bob = members_of(hub, 2)
    hub.discard(bob)
    for append in (
        lambda: hub.publish("x"),
        lambda: hub.publish_all(["x"]),
        lambda: hub.tell(ann, "x"),
    ):
        with pytest.raises(RuntimeError, match=r"write nursery\.start_soon\(hub\.run\) before"):
            append()
    for wait in (hub.wait_delivered, hub.wait_room):
        with pytest.raises(RuntimeError, match="not running"):
            await wait()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        hub.publish("y")
        await hub.wait_delivered()
        nursery.cancel_scope.cancel()
    assert (ann.lines, bob.lines) == (b"y\n", b"")


async def test_a_hub_runs_only_once() -> None:
    async with running_hub() as hub:
        with pytest.raises(RuntimeError, match="run already"):
            _ = hub.run()
    with pytest.raises(RuntimeError, match="make another one"):
        _ = hub.run()


async def test_a_hub_shows_its_state() -> None:
    hub = Hub[str]()
    (box,) = members_of(hub, 1)
    assert repr(hub) == "<trionet.Hub not running yet, 1 members, 0 entries (0 bytes) to deliver>"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        hub.publish("text")
        hub.tell(box, "x")
        assert repr(hub) == "<trionet.Hub running, 1 members, 2 entries (7 bytes) to deliver>"
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert repr(hub) == "<trionet.Hub ended, 1 members, 0 entries (0 bytes) to deliver>"


# Formats


async def test_each_member_gets_its_own_format_and_each_format_encodes_an_event_once() -> None:
    encoded: list[str] = []

    def counting(event: str) -> bytes:
        encoded.append(event)
        return plain(event)

    async with running_hub() as hub:
        boxes = [ListBox() for _ in range(4)]
        for box in boxes[:3]:
            hub.add(box, counting)
        hub.add(boxes[3], quoted)
        hub.publish("a")
        hub.publish("b", exclude=boxes[0])
        hub.discard(boxes[1])
        hub.publish("c")
        await hub.wait_delivered()
        assert [box.lines for box in boxes] == [
            b"a\nc\n",
            b"a\nb\n",
            b"a\nb\nc\n",
            b"<a>\n<b>\n<c>\n",
        ]
        assert encoded == ["a", "b", "c"]


async def test_an_event_that_a_format_leaves_out_sends_nothing() -> None:
    def no_notices(event: str) -> bytes:
        return b"" if event.startswith("*") else plain(event)

    async with running_hub() as hub:
        box, other = ListBox(), ListBox()
        hub.add(box, no_notices)
        hub.add(other, plain)
        hub.publish("* ann joined")
        hub.tell(box, "* welcome")
        await hub.wait_delivered()
        assert box.puts == []
        hub.publish("hello")
        await hub.wait_delivered()
        assert box.puts == [b"hello\n"]
        assert other.lines == b"* ann joined\nhello\n"


# Failures


async def test_a_format_that_raises_loses_its_line_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def picky(event: str) -> bytes:
        if event == "bad":
            raise ValueError("no such letter")
        return plain(event)

    async with running_hub() as hub:
        boxes = [ListBox() for _ in range(3)]
        for box in boxes:
            hub.add(box, picky)
        (healthy,) = members_of(hub, 1)
        for word in ("a", "bad", "b"):
            hub.publish(word)
        await hub.wait_delivered()
        assert [box.lines for box in boxes] == [b"a\nb\n"] * 3
        assert healthy.lines == b"a\nbad\nb\n"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("trionet.fanout", logging.ERROR)
    assert "<str of length 3>" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


class FailingBox(ListBox):
    def put(self, lines: bytes, /) -> None:
        super().put(lines)
        raise RuntimeError("broken box")

    def __repr__(self) -> str:
        return "<the failing box>"


async def test_a_box_that_raises_is_discarded_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_hub() as hub:
        (first,) = members_of(hub, 1)
        failing, leaving = FailingBox(), FailingBox()
        hub.add(failing, plain)
        hub.add(leaving, plain)
        (last,) = members_of(hub, 1)
        hub.publish("1")
        hub.discard(leaving)
        hub.publish("2")
        await hub.wait_delivered()
        hub.publish("3")
        await hub.wait_delivered()
        assert first.lines == last.lines == b"1\n2\n3\n"
        assert failing.puts == [b"1\n2\n"]
        assert leaving.puts == [b"1\n"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "a member's box failed and is discarded: <the failing box> "
        "(logged once, however often it happens)"
    )


async def test_a_fault_is_logged_once_for_a_thousand_members_and_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def member_format() -> Callable[[str], bytes]:
        def encode(event: str) -> bytes:
            return b"" if event == "fine" else bytes(1 // 0)

        return encode

    async with running_hub() as hub:
        for _ in range(100):
            hub.add(FailingBox(), plain)
            hub.add(ListBox(), member_format())
        for _ in range(3):
            hub.publish_all(["fine", "bad", "worse"])
            hub.publish("bad")
            await hub.wait_delivered()
    kinds = [type(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert sorted(kinds, key=str) == [RuntimeError, ZeroDivisionError]


@pytest.mark.parametrize("result", [None, "a text", b"no end"])
async def test_a_format_that_returns_anything_but_lines_loses_them_and_harms_no_other_member(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_hub() as hub:
        bad = ListBox()
        hub.add(bad, lambda event: plain(event) if event == "good" else result)
        (healthy,) = members_of(hub, 1)
        hub.publish("x")
        hub.tell(bad, "y")
        hub.publish_all(["good", "z"])
        await hub.wait_delivered()
        assert bad.lines == b"good\n"
        assert healthy.lines == b"x\ngood\nz\n"
    (record,) = caplog.records
    assert "could not be encoded and is left out: <str of length 1>" in record.getMessage()


async def test_a_fault_is_logged_even_if_the_box_or_the_event_has_no_repr(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Shy(FailingBox):
        def __repr__(self) -> str:
            raise ValueError

    async with running_hub() as hub:
        hub.add(Shy(), plain)
        hub.publish("x" * 1000)
        hub.add(ListBox(), lambda event: bytes(len(event) // 0))
        hub.publish("x" * 1000)
        await hub.wait_delivered()
    assert {len(record.getMessage()) < 400 for record in caplog.records} == {True}
    assert len(caplog.records) == 2


# The end, and slow members


async def test_publishing_works_in_finally_and_under_cancellation() -> None:
    async with running_hub() as hub:
        ann, bob = members_of(hub, 2)

        async def session() -> None:
            try:
                await trio.sleep_forever()
            finally:
                hub.discard(ann)
                hub.publish("ann left", exclude=ann)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(session)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await hub.wait_delivered()
        assert (ann.lines, bob.lines) == (b"", b"ann left\n")


async def test_after_the_hub_has_ended_nothing_raises_and_nothing_waits() -> None:
    async with running_hub() as hub:
        (box,) = members_of(hub, 1)
        await hub.wait_delivered()
    for _ in range(2 * HIGH_WATER):
        hub.publish("x")
    hub.add(ListBox(), plain)
    hub.tell(box, "x")
    hub.discard(box)
    with trio.testing.assert_checkpoints():
        await hub.wait_room()
    with trio.testing.assert_checkpoints():
        await hub.wait_delivered()
    assert box.puts == []


async def test_a_task_that_waits_for_a_hub_is_released_when_it_ends() -> None:
    hub = Hub[str]()
    run = hub.run()
    for _ in range(HIGH_WATER + 1):
        hub.publish("x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.wait_room)
        nursery.start_soon(hub.wait_delivered)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await run


async def test_a_task_that_waits_for_a_hub_is_released_when_it_ends_during_a_delivery() -> None:
    hub = Hub[str]()

    class CancellingBox(ListBox):
        def put(self, lines: bytes, /) -> None:
            super().put(lines)
            scope.cancel()

    run = hub.run()
    hub.add(CancellingBox(), plain)
    boxes = members_of(hub, 1000)
    hub.publish("x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.wait_delivered)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            await run
        assert boxes[-1].puts == []
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks
        nursery.cancel_scope.cancel()


# With real outboxes


async def test_one_slow_member_costs_the_others_nothing() -> None:
    async with running_hub() as hub, trio.open_nursery() as nursery:
        link = Link(capacity=100)
        pairs = [memory_stream_pair(link) for _ in range(3)]
        boxes = [
            Outbox(ours, nursery, max_waiting=50, when_slow=WhenSlow.DROP_OLDEST)
            for ours, _ in pairs
        ]
        for box in boxes:
            hub.add(box, plain)
        received = [b"", b""]
        for number in range(100):
            hub.publish(f"{number:03}")
            await hub.wait_delivered()
            for index, (_, theirs) in enumerate(pairs[1:]):
                received[index] += await theirs.receive_some()
        assert received == [b"".join(b"%03d\n" % number for number in range(100))] * 2
        assert (boxes[0].dropped > 0, boxes[1].dropped, boxes[2].dropped) == (True, 0, 0)
        nursery.cancel_scope.cancel()


async def test_a_subclass_of_outbox_has_its_put_called_for_all_lines() -> None:
    class Noted(Outbox):
        def put(self, lines: bytes) -> None:
            super().put(b"noted: " + lines)

    async with running_hub() as hub, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        box = Noted(ours, nursery)
        hub.add(box, plain)
        hub.tell(box, "for you")
        await hub.wait_delivered()
        hub.publish("for all")
        await hub.wait_delivered()
        assert await theirs.receive_some() == b"noted: for you\nnoted: for all\n"


async def test_a_wrapper_of_an_outbox_has_its_put_called_for_all_lines() -> None:
    class Wrapper:
        def __init__(self, outbox: Outbox) -> None:
            self._outbox = outbox

        def __getattr__(self, name: str) -> Any:
            return getattr(self._outbox, name)

        def put(self, lines: bytes, /) -> None:
            self._outbox.put(b"noted: " + lines)

    async with running_hub() as hub, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        box = Wrapper(Outbox(ours, nursery))
        hub.add(box, plain)
        hub.tell(box, "for you")
        await hub.wait_delivered()
        hub.publish("for all")
        await hub.wait_delivered()
        assert await theirs.receive_some() == b"noted: for you\nnoted: for all\n"


# The model

Step: TypeAlias = tuple[str, int, int]


def model(steps: list[Step]) -> list[bytes]:
    """Return what each of four members gets: the whole specification, in ten lines."""
    received = [b""] * 4
    formats: dict[int, Callable[[str], bytes]] = {}
    for number, (kind, member, other) in enumerate(steps):
        if kind == "add":
            formats.setdefault(member, (plain, quoted)[other % 2])
        elif kind == "discard":
            formats.pop(member, None)
        for one, encode in formats.items():
            if (kind == "tell" and one == member) or (kind == "publish" and one != member):
                received[one] += encode(str(number))
    return received


def append(hub: Hub[str], boxes: Sequence[Box], number: int, step: Step) -> bool:
    """Do what a step says; false: it says to end the batch."""
    kind, member, other = step
    match kind:
        case "add":
            hub.add(boxes[member], (plain, quoted)[other % 2])
        case "discard":
            hub.discard(boxes[member])
        case "publish":
            hub.publish(str(number), exclude=boxes[member])
        case "tell":
            hub.tell(boxes[member], str(number))
        case _:
            return False
    return True


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "discard", "publish", "publish", "tell", "end"]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(steps=steps)
def test_every_member_gets_exactly_what_the_model_says_however_batches_end(
    steps: list[Step],
) -> None:
    boxes = [ListBox() for _ in range(4)]

    async def main() -> None:
        async with running_hub() as hub:
            for number, step in enumerate(steps):
                if not append(hub, boxes, number, step):
                    await trio.testing.wait_all_tasks_blocked()
            await hub.wait_delivered()

    trio.run(main)
    assert [box.lines for box in boxes] == model(steps)
    assert all(line for box in boxes for line in box.puts)


@settings(deadline=None, max_examples=200)
@given(steps=steps, capacity=st.sampled_from([5, 40, 100_000]))
def test_outboxes_send_what_the_model_says_and_count_it(steps: list[Step], capacity: int) -> None:
    received = [b""] * 4
    counts: list[tuple[int, int]] = []

    async def read(index: int, stream: MemoryStream) -> None:
        while data := await stream.receive_some():
            received[index] += data

    async def main() -> None:
        async with (
            trio.open_nursery() as reading,
            trio.open_nursery() as nursery,
            running_hub() as hub,
        ):
            boxes: list[Outbox] = []
            for index in range(4):
                ours, theirs = memory_stream_pair(Link(capacity=capacity))
                boxes.append(Outbox(ours, nursery))
                reading.start_soon(read, index, theirs)
            for number, step in enumerate(steps):
                if not append(hub, boxes, number, step):
                    # Perhaps in the middle of a delivery.
                    await trio.lowlevel.checkpoint()
            await hub.wait_delivered()
            for box in boxes:
                await box.flush()
                counts.append((box.lines_out, box.bytes_out))
                await box._stream.aclose()

    with (
        mock.patch("trionet.fanout.group.MEMBERS_AT_ONCE", 1),
        mock.patch("trionet.fanout.delivery.MEMBERS_AT_ONCE", 1),
    ):
        trio.run(main)
    assert received == model(steps)
    assert counts == [(lines.count(b"\n"), len(lines)) for lines in received]


# Topics


async def test_what_is_published_on_a_topic_goes_to_those_who_have_it_in_one_order() -> None:
    async with running_hub() as hub:
        x, y, both, neither, everything = (ListBox() for _ in range(5))
        hub.add(x, plain, topics=["x"])
        hub.add(y, quoted, topics=["y"])
        hub.add(both, plain, topics=["y", "x"])
        hub.add(neither, plain)
        hub.add(everything, plain, topics=None)
        hub.publish("1", topic="x")
        hub.publish("2", topic="y")
        hub.publish("3")
        hub.publish_all(["4", "5"], topic="x", exclude=both)
        await hub.wait_delivered()
        assert x.puts == [b"1\n3\n4\n5\n"]
        assert y.puts == [b"<2>\n<3>\n"]
        assert both.puts == [b"1\n2\n3\n"]
        assert neither.puts == [b"3\n"]
        assert everything.puts == [b"1\n2\n3\n4\n5\n"]


async def test_a_member_gets_what_comes_while_it_has_the_topic() -> None:
    async with running_hub() as hub:
        (ann,) = members_of(hub, 1)
        hub.publish("1", topic="x")
        hub.subscribe(ann, "x")
        hub.subscribe(ann, "x")
        hub.publish("2", topic="x")
        hub.unsubscribe(ann, "x")
        hub.unsubscribe(ann, "x")
        hub.publish("3", topic="x")
        hub.subscribe(ann, "x")
        hub.publish("4", topic="x")
        await hub.wait_delivered()
        hub.publish("5", topic="x")
        await hub.wait_delivered()
        hub.unsubscribe(ann, "x")
        hub.publish("6", topic="x")
        await hub.wait_delivered()
        assert ann.puts == [b"2\n4\n", b"5\n"]
        hub.discard(ann)
        hub.subscribe(ann, "x")
        hub.unsubscribe(ann, "x")
        hub.publish("7", topic="x")
        await hub.wait_delivered()
        assert ann.lines == b"2\n4\n5\n"


async def test_topics_may_be_given_and_taken_before_the_hub_runs() -> None:
    hub = Hub[str]()
    ann, bob = ListBox(), ListBox()
    hub.add(ann, plain)
    hub.subscribe(ann, "x")
    hub.add(bob, plain, topics={"x"})
    hub.unsubscribe(bob, "x")
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        hub.publish("1", topic="x")
        await hub.wait_delivered()
        assert (ann.lines, bob.lines) == (b"1\n", b"")
        nursery.cancel_scope.cancel()


async def test_several_members_may_be_left_out() -> None:
    async with running_hub() as hub:
        ann, bob, cid = members_of(hub, 3)
        hub.publish("1", exclude=ann, without=[bob, ListBox()])
        hub.publish("2", without=[cid])
        await hub.wait_delivered()
        assert [box.lines for box in (ann, bob, cid)] == [b"2\n", b"2\n", b"1\n"]


async def test_a_thousand_topics_are_neither_tasks_nor_left_over() -> None:
    async with running_hub() as hub:
        tasks = trio.lowlevel.current_statistics().tasks_living
        boxes = members_of(hub, 1000)
        for number, box in enumerate(boxes):
            hub.subscribe(box, number)
            hub.subscribe(box, "all")
        for number in range(1000):
            hub.publish(str(number), topic=number)
        await hub.wait_delivered()
        assert [box.lines for box in boxes] == [b"%d\n" % number for number in range(1000)]
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        for box in boxes:
            hub.discard(box)
        await hub.wait_delivered()
        members = hub._membership
        assert (members._groups, members._by_topic, members.group_of) == ({}, {}, {})


async def test_an_outbox_counts_what_it_was_sent_through_all_its_topics() -> None:
    async with running_hub() as hub, trio.open_nursery() as nursery:
        stream, peer = memory_stream_pair()
        outbox, twin = Outbox(stream, nursery), Outbox(memory_stream_pair()[0], nursery)
        for box in (outbox, twin):
            hub.add(box, plain, topics=["x"])
        for number, topic in enumerate(("x", "y", "x")):
            hub.publish(str(number), topic=topic)
            await hub.wait_delivered()
            hub.subscribe(outbox, "y")
        assert (outbox.lines_out, outbox.bytes_out) == (3, 6)
        hub.publish("own", topic="y", exclude=outbox)
        hub.publish("last", topic="y")
        await hub.wait_delivered()
        assert await peer.receive_some() == b"0\n1\n2\nlast\n"
        assert (outbox.lines_out, outbox.bytes_out) == (4, 11)
        assert (twin.lines_out, twin.bytes_out) == (2, 4)


@pytest.mark.parametrize("entries", [0, -1, -(10**9)])
async def test_an_event_counts_as_one_entry_at_least(entries: int) -> None:
    async with trio.open_nursery() as nursery:
        hub = Hub[str]()
        nursery.start_soon(hub.run)
        with pytest.raises(ValueError, match="entries must be at least 1"):
            hub.publish("x", entries=entries)
        nursery.cancel_scope.cancel()


def test_a_class_is_no_member() -> None:
    with pytest.raises(TypeError, match="not the class"):
        Hub[str]().add(Outbox, str.encode)  # type: ignore[arg-type]


def test_a_member_that_comes_into_many_rooms_has_its_format_checked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[object] = []
    monkeypatch.setattr("trionet.fanout.membership.check_encode", checked.append)

    hub, box = Hub[str](), ListBox()
    hub.add(box, plain, topics=())
    for number in range(10):
        hub.subscribe(box, number)
    assert checked == [plain]
