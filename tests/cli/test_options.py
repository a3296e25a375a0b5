"""Whatever an option is set to, there is a usage error in one sentence or a working program."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from typer.main import get_command
from typer.testing import CliRunner

from trionet import Limits, Server, SystemNetwork, TrionetError, calc, chat
from trionet.calc import Arithmetic
from trionet.cli.main import app
from trionet.cli.running import Signals
from trionet.limits import BOUNDS
from trionet.testing import LineClient, MemoryNetwork
from trionet.text.safe import safe_text

if TYPE_CHECKING:
    from tests.cli.conftest import Programs

COMMANDS = (
    ("calc", "serve"), ("calc", "connect"), ("calc", "eval"),
    ("chat", "serve"), ("chat", "join"),
)  # fmt: skip


def options_of(group: str, command: str) -> Mapping[str, bool]:
    """Return the options of a command, and whether each takes a value."""
    found: Any = get_command(app)
    for name in (group, command):
        found = found.commands[name]
    return {
        option.opts[0]: not option.is_flag
        for option in found.params
        if option.opts[0].startswith("--") and option.opts[0] != "--help"
    }


# What people and attackers write: reasonable and unreasonable numbers, and texts that are not.
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["0", "1", "-1", "1e9", "1e308", "-1e308", "1e-300", "5e-324", "nan", "inf", "-inf", "1_0",
         "99999999999", "65535", "65536", "777", "99999", "0x10", "", " ", "9" * 400, "9" * 5000,
         "1" + "0" * 400, "0." + "0" * 400 + "1", "٣", "²", "½"]
    ),
)  # fmt: skip
VALUES = st.one_of(NUMBERS, st.text(max_size=30), st.just("x" * 5000), st.just("\udcff"))
ADDRESSES = st.sampled_from(
    ["localhost:7000", ":0", "unix:/run/s", "tls:localhost:0", "99999", "localhost:99999", "",
     "unix:", "[::1]:7000", "a" * 300 + ":1", "unix:" + "/x" * 300, "localhost:-1", "\udcff:1"]
)  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn) -> tuple[str, ...]:
    command = draw(st.sampled_from(COMMANDS))
    options = options_of(*command)
    chosen = draw(st.lists(st.sampled_from(sorted(options)), max_size=3, unique=True))
    words = [*command]
    words += [f"{option}={draw(VALUES)}" if options[option] else option for option in chosen]
    if command[1] != "eval":
        words += draw(st.lists(ADDRESSES, max_size=1 if command[1] != "serve" else 2))
    else:
        words.append(draw(st.sampled_from(["1 + 1", "1 / 3", "2 ^ 99", "-1"])))
    return tuple(words)


class Paper:
    """A console that prints nothing."""

    def print(self, line: str) -> None:
        assert "\n" not in line

    async def flush(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_room(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_ended(self) -> None:
        await trio.sleep_forever()


@dataclass
class Stage:
    """The runtime of a command, and what became of the command."""

    out: Paper = field(default_factory=Paper)
    err: Paper = field(default_factory=Paper)
    signals: Signals = field(default_factory=Signals)
    served: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Run commands in this process, on a network in memory and on virtual time."""
    stage = Stage()
    network = MemoryNetwork()

    def in_memory(**options: Any) -> MemoryNetwork:
        nonlocal network
        SystemNetwork(**options)
        network = MemoryNetwork()
        return network

    async def serve_one_client(
        serve: Callable[..., Awaitable[None]], runtime: Stage, **_options: object
    ) -> None:
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(serve)
            client = LineClient(await network.connect(server.addresses[0]))
            is_calculator = getattr(serve, "func", None) is calc.serve
            # One letter, so that even the smallest limit on a line's length admits it.
            await client.send("a", *(["1"] if is_calculator else []))
            answer = await client.receive()
            assert answer == "1" if is_calculator else answer.startswith("*** welcome, a ")
            assert len(server.connections) == 1
            await server.drain()
            runtime.served.append(answer)
            nursery.cancel_scope.cancel()

    def run(command: Callable[[Stage], Awaitable[object]], **_options: object) -> None:
        try:
            trio.run(command, stage, clock=MockClock(autojump_threshold=0))
        except* TrionetError as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            # As `run` prints it.
            stage.refused.append(safe_text(str(error)))

    async def serve_by_workers(addresses: list[str], _runtime: Stage, **options: Any) -> None:
        settings = in_memory(**options["network"])
        for address in addresses:
            await settings.listen(address)
        stage.served.append(f"by {options['count']} workers")

    def evaluate(_expression: str, precision: int) -> int:
        stage.served.append(repr(Arithmetic(precision)))
        return 0

    with pytest.MonkeyPatch.context() as patch:
        # Any text may become the name of a history file.
        patch.chdir(tmp_path_factory.mktemp("stage"))
        patch.setattr("os.isatty", lambda _fd: False)
        for module in ("calc_serve", "calc_connect", "chat_serve", "chat_join"):
            patch.setattr(f"trionet.cli.{module}.SystemNetwork", in_memory)
        for module in ("calc_serve", "chat_serve"):
            patch.setattr(f"trionet.cli.{module}.serve_until_signalled", serve_one_client)
        patch.setattr("trionet.cli.workers.serve_by_workers", serve_by_workers)
        patch.setattr("trionet.cli.running.run", run)
        patch.setattr("trionet.cli.calc_eval.evaluate_one", evaluate)
        yield stage


def outcome(stage: Stage, words: tuple[str, ...]) -> str:
    """Run a command, and return its outcome."""
    stage.served.clear()
    stage.refused.clear()
    stage.signals = Signals()
    result = CliRunner().invoke(app, words, env={"TERM": "dumb", "COLUMNS": "2000"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code == 2:
        assert "Traceback" not in result.stderr
        assert re.search(r"Invalid value|Missing argument|give one with --name", result.stderr), (
            result.stderr
        )
        assert not stage.served
        return "usage error"
    assert result.exit_code == 0
    if stage.refused:
        (told,) = stage.refused
        assert len(told.splitlines()) == 1
        return "refused"
    assert len(stage.served) == 1 or words[1] in ("connect", "join")
    return "served"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(words=command_lines())
@example(words=("chat", "serve", "--burst=" + "9" * 400))
@example(words=("chat", "serve", "--rate=5e-324"))
@example(words=("chat", "serve", "--rate=0.001", "--burst=1", "--max-line=1", "--max-waiting=1"))
@example(words=("calc", "serve", "--precision=1e9"))
def test_any_value_of_an_option_is_a_usage_error_or_gives_a_working_program(
    stage: Stage, words: tuple[str, ...]
) -> None:
    outcome(stage, words)


@pytest.mark.parametrize("command", ["calc", "chat"])
@pytest.mark.parametrize("end", ["least", "most"])
def test_a_server_works_with_all_limits_at_their_least_or_most(
    stage: Stage, command: str, end: str
) -> None:
    words = [command, "serve", "localhost:7000"]
    for option in options_of(command, "serve"):
        name = option.removeprefix("--").replace("-", "_")
        name = {"drain": "drain_seconds"}.get(name, name)
        if name in BOUNDS:
            value = getattr(BOUNDS[name], end)
            words.append(f"{option}={value}")
    assert len(words) > 12
    assert outcome(stage, tuple(words)) == "served"


# Any text can be one.
PATHS_AND_NAMES = ("--name", "--ca", "--tls-cert", "--tls-key", "--history", "--password-file")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (command, option)
        for command in COMMANDS
        for option, takes_value in options_of(*command).items()
        if takes_value and option not in PATHS_AND_NAMES
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "inf",
        "-1",
        "1e308",
        "99999999999999999999",
        "9" * 400,
        "9" * 5000,
        "",
        "ten",
        "1_000",
        "٣",
        "５",
        "\udcff",
    ],
)
def test_a_value_that_nobody_can_mean_is_a_usage_error_for_every_option(
    stage: Stage, command: tuple[str, str], option: str, value: str
) -> None:
    where = ["unix:/run/s"] if command[1] == "serve" else ["1"]
    assert outcome(stage, (*command, f"{option}={value}", *where)) == "usage error"


@pytest.mark.parametrize("command", ["calc", "chat"])
def test_a_unix_mode_without_a_unix_socket_is_a_usage_error(stage: Stage, command: str) -> None:
    assert outcome(stage, (command, "serve", "--unix-mode=660")) == "usage error"
    assert outcome(stage, (command, "serve", "--unix-mode=660", "unix:/run/s")) == "served"


def test_the_command_line_and_the_services_have_the_same_defaults() -> None:
    """The help shows the defaults: they must be those that the service has."""
    for service, standard in (("calc", calc.ONE_AT_A_TIME), ("chat", chat.OPEN_ROOM)):
        found: Any = get_command(app)
        for option in found.commands[service].commands["serve"].params:
            name = {"drain": "drain_seconds"}.get(option.name, option.name)
            if name in Limits.__dataclass_fields__:
                assert option.default == getattr(standard, name), (service, name)


async def test_a_real_server_works_with_every_limit_at_its_most(programs: Programs) -> None:
    words = [
        f"{option}={BOUNDS[name].most}"
        for option, name in (
            ("--backlog", "backlog"), ("--burst", "burst"), ("--rate", "rate"),
            ("--max-line", "max_line"), ("--max-waiting", "max_waiting"),
            ("--max-clients", "max_clients"), ("--login-timeout", "login_timeout"),
            ("--idle-timeout", "idle_timeout"), ("--write-timeout", "write_timeout"),
            ("--drain", "drain_seconds"),
        )
    ]  # fmt: skip
    server = await programs.start("chat", "serve", "127.0.0.1:0", *words)
    client = await programs.connect(await server.address(), "ann", "q")
    await client.expect("*** welcome, ann (1 here: ann)")
    await client.expect_end()
