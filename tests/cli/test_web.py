"""Browsers and passwords on the command line."""

from __future__ import annotations

import json
import re
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trustme
from typer.testing import CliRunner

from trionet import SYSTEM, SystemNetwork
from trionet.cli.main import app
from trionet.cli.password import NoPassword, given_password, read_password
from trionet.testing import LineClient

if TYPE_CHECKING:
    from tests.cli.conftest import Programs

SECRET = "correct horse"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text(f"{SECRET}\n")
    return file


async def test_a_page_is_announced_for_each_address_beside_the_tcp_addresses(
    programs: Programs,
) -> None:
    server = await programs.start("chat", "serve", "127.0.0.1:0", "--web", "localhost:0")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", await server.address())
    four, six = await server.address(), await server.address()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", four)
    # One port for both families.
    assert six == f"http://[::1]:{four.rpartition(':')[2]}"
    ann = LineClient(await SYSTEM.connect(f"web:{four.removeprefix('http://')}"))
    await ann.send('{"type": "login", "name": "Ann"}', '{"type": "quit"}')
    assert json.loads(await ann.receive())["type"] == "welcome"
    assert json.loads(await ann.receive())["type"] == "entered"
    await ann.expect_end()
    await ann.aclose()
    # It does not end with its last member.
    await server.expect("*** Ann joined (1 here)", "*** Ann left (0 here)")
    server.signal(signal.SIGTERM)
    await server.expect("*** server is closing")


async def test_with_a_certificate_the_page_is_encrypted(programs: Programs, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    keys = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--web", "127.0.0.1:0", "--quiet", *keys
    )
    await server.address()
    url = await server.address()
    assert url.startswith("https://127.0.0.1:")
    where = url.removeprefix("https://")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    host, port = where.split(":")
    stream = await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=context)
    await stream.send_all(f"GET / HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 OK\r\n")
    await trio.aclose_forcefully(stream)
    network = SystemNetwork(ca=tmp_path / "ca.pem")
    ann = LineClient(await network.connect(f"web:tls:{where}"))
    await ann.send('{"type": "login", "name": "Ann"}')
    assert json.loads(await ann.receive())["type"] == "welcome"
    await ann.aclose()


async def test_open_shows_the_page_in_a_browser(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}.new\nmv {seen}.new {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--web", ":0", "--open", "--quiet", real=True
    )
    await server.address()
    port = (await server.address()).rpartition(":")[2]
    await server.address()
    with trio.fail_after(20):
        # The browser is a process of nobody here.
        while not await trio.Path(seen).exists():  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert await trio.Path(seen).read_text() == f"http://localhost:{port}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--web-host", "a.b"), "there is no --web to use it for"),
        (("--web-proxy", "127.0.0.1"), "there is no --web to use it for"),
        (("--open",), "there is no --web to use it for"),
        (("--web", "8080"), "is only a port"),
        (("--web", "localhost:99999"), "the port must be a number"),
        (("--web", "localhost:0", "--web-host", "a b"), "is not a host"),
        (("--web", "localhost:0", "--web-host", "a.b:80"), "a host counts with any port"),
        (("--web", "localhost:0", "--web-proxy", "proxy"), "neither an IP address nor a network"),
        (("--web", "localhost:0", "--tls-cert", "a.pem"), "together with --tls-cert"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    arguments: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(app, ["chat", "serve", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(re.sub("[│╭╮╯╰─]", " ", result.output).split())


async def test_the_program_says_in_one_line_that_the_library_is_missing(
    programs: Programs, tmp_path: Path
) -> None:
    (tmp_path / "websockets.py").write_text("raise ModuleNotFoundError('no', name='websockets')")
    run = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from trionet.cli.main import main; main()"
    )
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--web", "127.0.0.1:0", interpreter=("-c", run)
    )
    await server.expect_error(
        "error: cannot listen on web:127.0.0.1:0: a web: address needs the extra `web`: "
        "pip install 'trionet[web]'"
    )
    await server.expect_end(1)


# Passwords


async def test_send_tail_and_join_know_the_password(
    programs: Programs, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--forever", "--messages", "--password-file", str(password)
    )
    address = await server.address()
    given = ("--password-file", str(password))
    sender = await programs.start("chat", "send", address, "--name", "ci", "hello", *given)
    await sender.expect_end(0)
    tail = await programs.start("chat", "tail", address, "--since", "10m", *given)
    assert (await tail.out.line()).endswith("Z ci: hello")
    member = await programs.start("chat", "join", address, "--name", "Ann", *given)
    assert re.fullmatch(r"\*\*\* welcome, Ann \(2 here: tail-\w+, Ann\)", await member.out.line())
    without = await programs.start("chat", "send", address, "--name", "cj", "hello")
    await without.expect_error("error: a password is wanted here")
    await without.expect_end(1)
    plain = await programs.start("chat", "join", address, "--name", "cj")
    await plain.expect_error(
        "error: the server wants a password: give it with --password-file or TRIONET_PASSWORD"
    )
    await plain.expect_end(1)
    monkeypatch.setenv("TRIONET_PASSWORD", SECRET)
    sender = await programs.start("chat", "send", address, "--name", "ck", "bye", real=True)
    await sender.expect_end(0)
    # Neither the arguments nor what anybody printed has it.
    shown = await trio.run_process(["ps", "axww", "-o", "args"], capture_stdout=True)
    assert SECRET.encode() not in shown.stdout
    assert SECRET not in server.out.text + server.err.text + tail.out.text + member.out.text


@pytest.mark.parametrize(
    ("way", "term"), [("--plain", "xterm"), ("--linear", "xterm"), ("--linear", "dumb")]
)
async def test_a_person_is_asked_for_the_password_unseen(
    programs: Programs, password: Path, way: str, term: str
) -> None:
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--forever", "--password-file", str(password)
    )
    address = await server.address()
    member = await programs.start_on_terminal(
        "chat", "join", address, "--name", "Ann", way, term=term
    )
    await member.expect_screen("password:")
    await member.type("wrong\n")
    await member.expect_screen("password:", "wrong password", "password:")
    await member.type(f"{SECRET}\n")
    await server.expect("*** Ann joined (1 here)")
    assert SECRET not in member.told()


async def test_the_window_asks_for_the_password_unseen(programs: Programs, password: Path) -> None:
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--forever", "--password-file", str(password)
    )
    member = await programs.start_on_terminal(
        "chat", "join", await server.address(), "--name", "Ann", window=(80, 24)
    )
    await member.expect_that(lambda rows: any("password:" in row for row in rows), "a question")
    await member.type("wrong\n")
    await member.expect_that(lambda rows: "wrong password" in "".join(rows), "the refusal")
    await member.type(f"{SECRET}\n")
    await server.expect("*** Ann joined (1 here)")
    assert SECRET not in member.told()
    member.process.send_signal(signal.SIGTERM)
    await server.expect("*** Ann left (0 here)")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
async def test_a_file_that_others_may_read_is_refused(
    programs: Programs, password: Path, mode: int
) -> None:
    await trio.Path(password).chmod(mode)
    server = await programs.start("chat", "serve", "127.0.0.1:0", "--password-file", str(password))
    await server.expect_error(
        f"error: password file {password}: others may read it: run chmod 600 {password}"
    )
    await server.expect_end(1)


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"\xff\n", b"q\n", b"x" * 5000])
def test_a_file_that_is_not_one_line_is_refused(password: Path, content: bytes) -> None:
    password.write_bytes(content)
    with pytest.raises(NoPassword, match="one line of UTF-8"):
        read_password(password)


def test_a_password_is_the_line_without_its_end(password: Path) -> None:
    password.write_bytes(b" with spaces \r\n")
    assert read_password(password) == " with spaces "
    with pytest.raises(NoPassword, match=r"^password file .*: no such file"):
        read_password(password.parent / "missing")


def test_a_client_does_not_take_a_password_where_it_could_be_read(
    password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIONET_PASSWORD", SECRET)
    for address in "localhost:1", "127.0.0.1:1", "[::1]:1", "tls:a.b:1", "web:tls:a.b:1", "unix:/s":
        assert given_password(None, address) == SECRET
        assert given_password(password, address) == SECRET
    for address in "a.b:1", "10.0.0.1:1", "web:a.b:1":
        with pytest.raises(NoPassword, match="use TLS"):
            given_password(None, address)
    monkeypatch.setenv("TRIONET_PASSWORD", "")
    assert given_password(None, "a.b:1") is None
