"""Servers that share a Redis, in plain lines: sentence R96 of docs/protocol.md."""

from __future__ import annotations

from pathlib import Path

from redis_server import RedisServer, need_redis
from service import Starter


def test_r96_an_outage_is_told_and_what_was_said_comes_after_it(
    start: Starter, tmp_path: Path
) -> None:
    need_redis()
    with RedisServer(tmp_path / "redis") as redis:
        room = start.room("--quiet", "--redis", redis.url)
        ann, bob = room.join("Ann", "Bob")
        redis.pause()
        ann.say("hello")
        for peer in (ann, bob):
            peer.expect("*** messages wait: the log is out of reach")
        redis.resume()
        # In whatever order: the log is back with what it brings.
        assert {bob.read(), bob.read()} == {"Ann: hello", "*** the log is back"}
        ann.expect("*** the log is back")
