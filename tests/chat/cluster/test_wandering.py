"""Members who go on at another node while the one they came from is cut off from Redis."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import trio
import trio.testing

from shared_chat import Json, Node, clusters, messages, said
from trionet.chat.state.receipts import MOST

__all__ = ["clusters"]


async def resumed(node: Node, welcome: dict[str, Any], **fields: Any) -> Json:
    """Go on with a member at a node."""
    return await node.json(welcome["name"], hold=True, token=welcome["token"], **fields)


async def cut_off_with_ann(cluster: Any) -> tuple[Json, dict[str, Any]]:
    """Let Ann in at the first node, and cut that off from Redis; return her and her welcome."""
    ann = await cluster.nodes[0].json("Ann", hold=True)
    welcome = await ann.next("welcome")
    await cluster.settle()
    cluster.redis.cut_off.add("node-0")
    return ann, welcome


@pytest.mark.parametrize("while_cut", [1.0, 3.0, 10.0])
async def test_what_was_said_at_a_node_that_was_cut_off_is_not_said_again_behind_what_followed(
    while_cut: float, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann, welcome = await cut_off_with_ann(cluster)
        await ann.request("say", room="lobby", text="once", id=0)
        await trio.sleep(0.1)
        await ann.client.aclose()
        again = await resumed(two, welcome)
        # No receipt is kept for so long.
        for number in range(MOST + 2):
            await again.request("say", room="lobby", text="once" if not number else "-", id=number)
        await trio.sleep(while_cut)
        cluster.redis.heal()
        await trio.sleep(10)
        assert Counter(said(one.shown))["Ann: once"] == 1
        assert Counter(said(two.shown))["Ann: once"] == 1
        assert "Ann" in one.names()


async def test_a_quit_at_a_node_that_was_cut_off_does_not_end_what_the_member_began_elsewhere(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann, welcome = await cut_off_with_ann(cluster)
        await ann.request("quit")
        await trio.sleep(0.1)
        again = await resumed(two, welcome)
        await again.next("entered")
        cluster.redis.heal()
        await cluster.settle()
        await again.request("say", room="lobby", text="still here", id=1)
        assert (await again.next("said"))["text"] == "still here"
        assert one.names() == two.names() == ("Ann",)


@pytest.mark.parametrize("is_held_elsewhere", [False, True])
async def test_a_node_that_was_cut_off_for_long_does_not_take_back_a_member_that_has_gone_on(
    is_held_elsewhere: bool, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        # This connection stands for good: its network is gone, and nobody is told.
        ann, welcome = await cut_off_with_ann(cluster)
        # Its life ends.
        await trio.sleep(8)
        again = await resumed(two, welcome)
        assert (await again.next("welcome"))["resumed"] is True
        if is_held_elsewhere:
            await again.client.aclose()
            await trio.sleep(0.5)
        cluster.redis.heal()
        await trio.sleep(8)
        assert (await ann.next("closing"))["reason"] == "taken over"
        await ann.client.expect_end()
        if is_held_elsewhere:
            again = await resumed(two, welcome)
            assert (await again.next("welcome"))["resumed"] is True
        assert not [event for event in await messages(again) if event["type"] == "closing"]
        assert one.names() == two.names() == ("Ann",)


async def test_the_newest_of_two_logins_counts_even_if_the_log_has_lost_it(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        first = await one.json("Ann", hold=True)
        welcome = await first.next("welcome")
        await cluster.settle()
        second = await resumed(two, welcome)
        await second.next("entered")
        assert (await first.next("closing"))["reason"] == "taken over"
        cluster.redis.roll_back(1)
        await trio.sleep(10)
        await second.request("say", room="lobby", text="here", id=1)
        events = await messages(second)
        assert [event["text"] for event in events if event["type"] == "said"] == ["here"]
        assert not [event for event in events if event["type"] == "closing"]
        assert one.names() == two.names() == ("Ann",)


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_member_that_was_never_told_its_token_is_not_held(
    pipelined: bool, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        await cluster.settle()
        cluster.redis.cut_off.add("node-0")
        ann = await one.json("Ann", hold=True)
        if pipelined:
            await ann.request("say", room="lobby", text="am I in?", id=1)
            await ann.request("join", room="other", id=2)
        await trio.sleep(0.1)
        await ann.client.aclose()
        await trio.sleep(0.5)
        cluster.redis.heal()
        await trio.sleep(3)
        assert one.names() == two.names() == ()
        again = await two.json("Ann", hold=True)
        assert (await again.next("welcome"))["name"] == "Ann"


async def test_a_member_that_brings_its_token_is_held_even_if_it_goes_before_its_welcome(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        first = await two.json("Ann", hold=True)
        welcome = await first.next("welcome")
        await cluster.settle()
        cluster.redis.cut_off.add("node-0")
        again = await resumed(one, welcome)
        await trio.sleep(0.1)
        await again.client.aclose()
        await trio.sleep(0.5)
        cluster.redis.heal()
        await trio.sleep(3)
        assert one.names() == two.names() == ("Ann",)
        third = await resumed(two, welcome)
        assert (await third.next("welcome"))["resumed"] is True
