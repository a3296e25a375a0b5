"""One chat by Redis, from the command line: its options, its workers and what can be seen of it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from redis_server import RedisServer, need_redis
from trionet.testing import LineClient

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

SECRET = "s3cr3t"
NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need_redis()
    with RedisServer(tmp_path / "redis") as redis:
        yield redis


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis with a password."""
    need_redis()
    with RedisServer(tmp_path / "redis", "--requirepass", SECRET, password=SECRET) as redis:
        yield redis


async def usage_error(program: Program) -> str:
    assert await program.within_patience(program.process.wait) == 2
    return " ".join((await program.err.rest()).replace("│", "").split())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--workers", "2"), "it needs --redis, through which the workers share one chat"),
        (("--lease", "2"), "there is no --redis to use it for"),
        (("--redis-key", "k"), "there is no --redis to use it for"),
        (("--redis", "localhost"), "a Redis URL is redis://HOST:PORT/0"),
        (("--redis", NOBODY, "--lease", "0"), "a number from 0.4 to 3,600"),
        (("--redis", NOBODY, "--max-pending", "1"), "a whole number from 65,536"),
        (("--redis", NOBODY, "--redis-file", "x"), "cannot be used together with --redis-file"),
        (("--redis-file", "/nowhere/at/all"), "no such file or directory"),
    ],
)
async def test_options_that_do_not_go_together_are_usage_errors(
    programs: Programs, arguments: tuple[str, ...], error: str
) -> None:
    program = await programs.run("chat", "serve", "127.0.0.1:0", *arguments)
    assert error in await usage_error(program)


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "127.0.0.1:0", "--redis", f"redis://:{SECRET}@127.0.0.1:1/0"),
        ("serve", "127.0.0.1:0", "--redis", f"redis://ann:{SECRET}@127.0.0.1:1/0"),
        ("cluster", f"rediss://:{SECRET}@127.0.0.1:1/0"),
        ("cluster", f"redis://:{SECRET}@nonsense:port"),
    ],
)
async def test_a_password_in_an_argument_is_refused_in_one_line_that_does_not_show_it(
    programs: Programs, words: tuple[str, ...]
) -> None:
    program = await programs.run("chat", *words)
    assert await program.within_patience(program.process.wait) == 2
    (line,) = (await program.err.rest()).splitlines()
    assert line.startswith("error: everybody can see a password in an argument")
    assert f"TRIONET_CHAT_{words[0].upper()}_REDIS" in line
    assert SECRET not in program.out.text + program.err.text


@pytest.mark.parametrize("where", ["file", "environment", "configuration"])
async def test_a_url_with_a_password_comes_from_elsewhere_and_is_never_shown(
    programs: Programs,
    locked: RedisServer,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"redis://:{SECRET}@{locked.place}/0"
    file = tmp_path / "url"
    file.touch(0o600)
    arguments: tuple[str, ...] = ()
    if where == "file":
        file.write_text(f"{url}\n")
        arguments = ("--redis-file", str(file))
    elif where == "environment":
        monkeypatch.setenv("TRIONET_CHAT_SERVE_REDIS", url)
        monkeypatch.setenv("TRIONET_CHAT_CLUSTER_REDIS", url)
    else:
        file.write_text(f'[chat.serve]\nredis = "{url}"\n[chat.cluster]\nredis = "{url}"\n')
        arguments = ("--config", str(file))
        shown = await programs.run("config", "show", "chat", "serve", *arguments)
        assert 'redis = "***"' in await shown.out.rest()
        assert SECRET not in shown.out.text + shown.err.text
    server = await programs.start("chat", "serve", "127.0.0.1:0", *arguments)
    await server.address()
    cluster = await programs.run("chat", "cluster", *arguments)
    assert await cluster.within_patience(cluster.process.wait) == 0
    assert re.match(r"node \S+: life \d+, lag \d+\.\d s, 0 members\n", await cluster.out.rest())
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0
    assert SECRET not in server.out.text + server.err.text + cluster.out.text + cluster.err.text


async def test_a_file_that_others_may_read_is_refused(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"redis://:{SECRET}@127.0.0.1:1/0")
    file.chmod(0o644)
    program = await programs.run("chat", "serve", "127.0.0.1:0", "--redis-file", str(file))
    assert "others may read it: run chmod 600" in await usage_error(program)
    assert SECRET not in program.err.text


async def test_a_node_that_finds_no_redis_says_that_it_waits_and_then_ends_with_one_line(
    programs: Programs,
) -> None:
    options = ("--redis", NOBODY, "--redis-wait", "0.5")
    program = await programs.run("chat", "serve", "127.0.0.1:0", *options)
    await program.expect_error("waiting for Redis at 127.0.0.1:1")
    line = await program.within_patience(program.err.line)
    assert line.startswith("error: Redis at 127.0.0.1:1 ")
    await program.expect_end(1)


async def test_without_redis_there_is_no_cluster_to_show(programs: Programs) -> None:
    program = await programs.run("chat", "cluster", NOBODY)
    line = await program.within_patience(program.err.line)
    assert line.startswith("error: Redis at 127.0.0.1:1 ")
    await program.expect_end(1)


async def test_another_policy_is_refused_and_a_stream_only_in_memory_is_warned_of(
    programs: Programs, redis: RedisServer
) -> None:
    redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    program = await programs.run("chat", "serve", "127.0.0.1:0", "--redis", redis.url)
    line = await program.within_patience(program.err.line)
    assert line.startswith("error: ")
    assert "maxmemory-policy" in line
    await program.expect_end(1)
    redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.command("CONFIG", "SET", "appendonly", "no")
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--redis", redis.url, "--workers", "2"
    )
    await server.expect_error("2 workers: each limit holds for each of them")
    line = await server.within_patience(server.err.line)
    assert line.startswith("warning: ")
    assert "appendonly" in line
    await server.address()
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0
    assert server.err.text.count("warning: ") == 1


async def test_workers_are_one_chat_and_the_first_alone_prints_and_writes(
    programs: Programs, redis: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "history"
    server = await programs.start(
        *("chat", "serve", "127.0.0.1:0", "--redis", redis.url, "--workers", "3"),
        *("--history", str(file), "--messages"),
    )
    address = await server.address()
    members: list[LineClient] = []
    for number in range(9):
        member = await programs.connect(address, f"m{number}")
        assert (await member.receive()).startswith(f"*** welcome, m{number} ({number + 1} here")
        for other in members:
            await other.expect(f"*** m{number} joined ({number + 1} here)")
        await server.expect(f"*** m{number} joined ({number + 1} here)")
        members.append(member)
    cluster = await programs.run("chat", "cluster", redis.url, "--json")
    assert await cluster.within_patience(cluster.process.wait) == 0
    told = [json.loads(line) for line in (await cluster.out.rest()).splitlines()]
    nodes = [one for one in told if one["type"] == "node"]
    assert len(nodes) == 3
    assert sum(node["members"] for node in nodes) == 9
    assert all(set(node) == {"type", "node", "life", "lag", "members"} for node in nodes)
    assert [one["type"] for one in told[3:]] == ["stream", "snapshot"]
    await members[0].send("hello, all of you")
    for member in members[1:]:
        await member.expect("m0: hello, all of you")
    await server.expect("m0: hello, all of you")
    server.signal(signal.SIGTERM)
    for member in members:
        # The others may end a moment earlier.
        while (line := await member.receive()) != "*** server is closing":
            assert re.fullmatch(r"\*\*\* m\d left \(\d here\)", line)
        await member.expect_end()
        await member.aclose()
    assert await server.within_patience(server.process.wait) == 0
    history = await programs.run("chat", "history", str(file))
    assert "m0: hello, all of you" in await history.out.rest()
    # Each worker reads what the first has written, also what no stream has any more.
    redis.command("FLUSHALL")
    server = await programs.start(
        *("chat", "serve", "127.0.0.1:0", "--redis", redis.url, "--workers", "3"),
        *("--history", str(file), "--quiet"),
    )
    address = await server.address()
    for number in range(6):
        member = await programs.connect(address, f"late{number}")
        await member.receive()
        await member.send("/history")
        while "hello, all of you" not in (line := await member.receive()):
            assert line.startswith(("*** ", "["))
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0
