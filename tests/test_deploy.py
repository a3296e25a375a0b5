"""The units and the Dockerfile that come with trionet: what they start exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from typer.main import get_command

import needs
from trionet.cli.main import app
from trionet.transport.addresses import parse_address

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy").glob("*.s*"))
SERVICE = ROOT / "deploy" / "trionet-chat.service"

# Where the units expect the program.
INSTALLED = "/opt/trionet/bin/trionet"


def check_command(words: list[str]) -> None:
    """See that the command line has commands, options and addresses that trionet knows."""
    command: Any = get_command(app)
    words = [*words]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {name: option for option in command.params for name in option.opts}
    addresses = []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            addresses.append(word)
        elif not options[word].is_flag:
            words.pop(0)
    for address in addresses:
        parse_address(address)


def settings(path: Path) -> dict[str, list[str]]:
    """Return the settings of a unit."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if re.match("[A-Z]", line):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def instructions() -> dict[str, list[str]]:
    """Return the instructions of the Dockerfile's last stage."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    found: dict[str, list[str]] = {}
    for line in text[text.rindex("FROM") :].splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        needs.lacking("systemd-analyze is missing (Debian's package systemd)")
    for unit in UNITS:
        # It looks for the program, too.
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_the_unit_starts_a_command_that_exists_on_sockets_that_exist() -> None:
    unit = settings(SERVICE)
    program, *words = shlex.split(unit["ExecStart"][0])
    assert program == INSTALLED
    check_command(words)
    names = [settings(path)["FileDescriptorName"][0] for path in UNITS if path.suffix == ".socket"]
    assert {word.partition(":")[2] for word in words if word.startswith("fd:")} <= {*names}


def test_the_unit_gives_a_drain_its_time() -> None:
    unit = settings(SERVICE)
    assert unit["Type"] == ["notify"]
    # The drain has 5 seconds.
    assert float(unit["TimeoutStopSec"][0]) > 5


def test_each_node_of_a_template_serves_its_port_and_keeps_its_own_history() -> None:
    unit = settings(ROOT / "deploy" / "trionet-chat@.service")
    program, *words = shlex.split(unit["ExecStart"][0].replace("%i", "22223").replace("%d", "/run"))
    assert program == INSTALLED
    check_command(words)
    assert ":22223" in words
    assert unit["StateDirectory"] == ["trionet-chat-%i"]
    assert unit["LoadCredential"] == ["redis:/etc/trionet/redis"]
    # It waits for Redis, and systemd for it.
    wait = float(words[words.index("--redis-wait") + 1])
    assert float(unit["TimeoutStartSec"][0]) > wait
    assert float(unit["TimeoutStopSec"][0]) > 5


def test_the_nodes_of_the_composition_start_a_command_that_exists() -> None:
    text = (ROOT / "compose.yaml").read_text()
    command = re.search(r"command:\s+(\[.*?\])", text, re.DOTALL)
    assert command is not None
    words = json.loads(command[1])
    check_command(words)
    assert words[words.index("--redis") + 1] == "redis://redis:6379/0"
    # Who comes through the balancer is known by its header, and the nodes want it.
    assert words[words.index("--proxy-from") + 1] in text.partition("ipam:")[2]
    assert text.count("send-proxy-v2 check-send-proxy") == text.count(": *node") == 2
    # Whoever is sent to a node that has ended goes on to the other one.
    assert "option redispatch 1" in text
    assert "--maxmemory-policy" in text
    assert "noeviction" in text


def test_the_container_starts_commands_that_exist_and_runs_as_an_ordinary_user() -> None:
    last = instructions()
    assert json.loads(last["ENTRYPOINT"][0]) == ["trionet"]
    check_command(json.loads(last["CMD"][0]))
    assert last["USER"] == ["10001:10001"]
    port = last["EXPOSE"][0]
    assert f":{port}" in json.loads(last["CMD"][0])


def test_the_containers_health_is_asked_where_it_serves() -> None:
    last = instructions()
    program, *words = json.loads(last["HEALTHCHECK"][0].partition("CMD ")[2])
    assert program == "trionet"
    check_command(words)
    assert f"localhost:{last['EXPOSE'][0]}" in words


def test_what_the_container_is_built_from_is_there() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    text = (ROOT / "Dockerfile").read_text()
    sources = " ".join(re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE)).split()
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in sent
