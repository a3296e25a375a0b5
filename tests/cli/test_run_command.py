"""`trionet run`: a handler of one's own, with the options of a server."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_targets import SHOUT
from typer.testing import CliRunner

from trionet import Limits, Service
from trionet.cli.main import app

if TYPE_CHECKING:
    from tests.cli.conftest import Programs


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """Collect what would be served."""
    (tmp_path / "a_shouter.py").write_text(
        SHOUT + "\nsmall = service.replace(limits=trionet.Limits(max_clients=2, max_line=7))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "a_shouter", raising=False)
    served: list[Service] = []
    monkeypatch.setattr(
        "trionet.program.run.run_services", lambda services, **_: served.extend(services)
    )
    return served


def invoke(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["run", *arguments], env={"TERM": "dumb", "COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_handler_is_served_on_the_default_address_with_the_default_limits(
    services: list[Service],
) -> None:
    assert invoke("a_shouter:shout").exit_code == 0
    (service,) = services
    assert service.addresses == ("localhost:22224",)
    assert service.limits == Limits()


def test_options_set_limits(services: list[Service]) -> None:
    invoke("a_shouter:shout", "unix:/run/s", ":7", "--max-line=9", "--rate=3", "--drain=1")
    (service,) = services
    assert service.addresses == ("unix:/run/s", ":7")
    assert service.limits == Limits(max_line=9, rate=3, drain_seconds=1)


def test_a_service_keeps_what_no_option_changes(services: list[Service]) -> None:
    invoke("a_shouter:small", "--max-line=9")
    invoke("a_shouter:small", "localhost:7001")
    first, second = services
    assert first.addresses == ("localhost:7000",)
    assert first.limits == Limits(max_clients=2, max_line=9)
    assert second.addresses == ("localhost:7001",)
    assert second.limits == Limits(max_clients=2, max_line=7)


def test_lines_can_be_bytes(services: list[Service]) -> None:
    invoke("a_shouter:shout", "--bytes")
    invoke("a_shouter:small", "--bytes")
    invoke("a_shouter:shout")
    assert [service.options.get("decode", True) for service in services] == [False, False, True]
    result = invoke("a_shouter:shout", "--bytes", "web:localhost:80")
    assert result.exit_code == 2
    assert "error: a_shouter:shout: the lines of a WebSocket are texts" in result.output


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such:shout", "error: there is no module no_such in this folder or installed\n"),
        (
            "a_shouter:trionet",
            "error: a_shouter:trionet: the handler must be a function, async or plain",
        ),
    ],
)
def test_a_bad_target_is_one_line_and_status_2(
    services: list[Service], target: str, told: str
) -> None:
    result = invoke(target)
    assert result.exit_code == 2
    assert result.stderr.startswith(told)
    assert result.stderr.count("\n") == 1
    assert not services


async def test_a_handler_is_served_until_ctrl_c(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_shouter.py").write_text(SHOUT)
    monkeypatch.chdir(tmp_path)
    server = await programs.start("run", "a_shouter:shout", "127.0.0.1:0", "--quiet", real=True)
    address = await server.address()
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"hello\n")
        assert client.recv(100) == b"HELLO\n"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    server.signal(signal.SIGINT)
    await server.expect_end(0)


async def test_a_signal_in_its_last_milliseconds_does_not_change_its_status(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "atexit.register(os.kill, os.getpid(), signal.SIGTERM)"
    (tmp_path / "a_late_shouter.py").write_text(f"import atexit, os, signal\n{late}\n{SHOUT}")
    monkeypatch.chdir(tmp_path)
    server = await programs.start("run", "a_late_shouter:shout", "127.0.0.1:0", real=True)
    await server.address()
    server.signal(signal.SIGTERM)
    await server.expect_end(0)


def test_the_readme_and_the_help_tell_of_it() -> None:
    assert re.search(r"^\W*run ", CliRunner().invoke(app, ["--help"]).stdout, re.MULTILINE)
