"""Servers that share a Redis, in JSON lines: sentences J123 to J126 of docs/protocol.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from json_peer import JSONPeer
from redis_server import RedisServer, need_redis
from service import Room, Starter


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need_redis()
    with RedisServer(tmp_path / "redis") as redis:
        yield redis


def room_at(start: Starter, redis: RedisServer) -> Room:
    return start.room("--quiet", "--redis", redis.url, "--lease", "2")


def until(peer: JSONPeer, type_: str, **fields: Any) -> dict[str, Any]:
    """Read until an event has these fields, and return it."""
    while True:
        event: dict[str, Any] = peer.receive()
        if {"type": type_, **fields}.items() <= event.items():
            return event


def test_j123_all_servers_are_one_chat(start: Starter, redis: RedisServer) -> None:
    one, two = room_at(start, redis), room_at(start, redis)
    ann, bob = one.log_in_json("Ann"), two.log_in_json("Bob")
    two.connect_json("other").refused("name-taken", "login", name="ann")
    until(ann, "joined", name="Bob")
    for number in range(20):
        ann.request("say", room="lobby", text=f"a{number}")
        bob.request("say", room="lobby", text=f"b{number}")
    heard = [[until(peer, "said") for _ in range(40)] for peer in (ann, bob)]
    told = [[(event["number"], event["name"], event["text"]) for event in one] for one in heard]
    assert told[0] == told[1]
    assert [number for number, _, _ in told[0]] == list(range(told[0][0][0], told[0][0][0] + 40))


def test_j124_an_outage_is_told_and_what_was_said_comes_after_it(
    start: Starter, redis: RedisServer
) -> None:
    ann = room_at(start, redis).log_in_json("Ann")
    redis.pause()
    ann.request("say", room="lobby", text="hello")
    ann.expect_only("log", available=False)
    redis.resume()
    come = [ann.receive(), ann.receive()]
    assert {"type": "log", "available": True} in come
    assert [event["text"] for event in come if event["type"] == "said"] == ["hello"]


def test_j125_members_of_a_server_that_died_are_lost_or_held(
    start: Starter, redis: RedisServer
) -> None:
    one, two = room_at(start, redis), room_at(start, redis)
    ann = one.log_in_json("Ann")
    bob = two.connect_json("Bob")
    bob.request("login", name="Bob", hold=True)
    token = bob.expect("welcome", name="Bob")["token"]
    two.log_in_json("Cid")
    until(ann, "joined", name="Cid")
    with two.program.stopped():
        until(ann, "left", name="Cid", reason="lost")
        again = one.connect_json("Bob")
        again.request("login", name="Bob", hold=True, token=token)
        until(again, "welcome", name="Bob", resumed=True)


def test_j126_after_a_loss_there_is_one_epoch_and_nobody_leaves(
    start: Starter, redis: RedisServer
) -> None:
    one, two = room_at(start, redis), room_at(start, redis)
    ann, bob = one.log_in_json("Ann"), two.log_in_json("Bob")
    until(ann, "joined", name="Bob")
    ann.request("say", room="lobby", text="before")
    last = until(bob, "said", text="before")["number"]
    redis.command("FLUSHALL")
    epochs = [until(peer, "epoch")["epoch"] for peer in (ann, bob)]
    assert epochs[0] == epochs[1]
    ann.request("say", room="lobby", text="after")
    assert until(bob, "said", text="after")["number"] > last
    assert sorted(one.log_in_json("Cid").ask("who", room="lobby")["members"]) == [
        "Ann",
        "Bob",
        "Cid",
    ]
