"""The load generator for machines without a C compiler: ``main.c`` says what it does.

It takes the same commands and gives the same answers, but is about ten times as slow. Against the
faster servers it measures itself, and the results show it as 100 % busy.
"""

from __future__ import annotations

import json
import os
import random
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks.load.clients import PATIENCE, Client, Crowd, GaveUp
from benchmarks.load.messages import Checks, filler, message
from benchmarks.machine import allow_descriptors, processor_time

Values: TypeAlias = Mapping[str, str]
Answer: TypeAlias = dict[str, object]

CLOSING = b"*** server is closing\n"


class Times:
    """Measures real time, and the CPU time of this process and of the server, since it was made."""

    def __init__(self, server_pid: int) -> None:
        self._pid = server_pid
        self._began = self._now()

    def _now(self) -> Sequence[float]:
        return time.perf_counter(), time.process_time(), processor_time(self._pid) or 0.0

    def taken(self) -> Answer:
        """Return all three, in seconds."""
        names = ("seconds", "load_cpu", "server_cpu")
        return {
            name: now - then
            for name, now, then in zip(names, self._now(), self._began, strict=True)
        }


def join(crowd: Crowd, values: Values) -> Answer:
    """Let more members join, and wait until each knows of all."""
    n, group, limit = int(values["n"]), int(values["group"]), float(values["limit"])
    total = len(crowd.clients) + n
    for client in crowd.clients:
        client.heard = client.owed = 0
    crowd.members_known = len(crowd.clients) ** 2
    crowd.lines_heard = 0
    began = time.perf_counter()
    # No member can know of more than all, so the sum tells when each knows of all.
    while crowd.members_known + crowd.lines_heard < total**2:
        while len(crowd.clients) < total and len(crowd.clients) - crowd.welcomed < group:
            crowd.add()
        if time.perf_counter() - began > limit:
            raise GaveUp(
                f"after {limit:g} s {crowd.welcomed} of {total} are welcomed, "
                f"and know {crowd.members_known + crowd.lines_heard} of {total**2}"
            )
        crowd.loop_once(began + limit)
    took = time.perf_counter() - began
    for client in crowd.clients:
        client.owed = client.heard
    return {"members": total, "joined": n, "seconds": took}


def talk(crowd: Crowd, values: Values) -> Answer:
    """Keep messages in flight, and count the deliveries."""
    talkers, flight, size = int(values["talkers"]), int(values["flight"]), int(values["size"])
    clients = crowd.clients
    if talkers >= len(clients):
        raise GaveUp("somebody must listen")
    fill = filler(size)
    for client in clients:
        client.began = client.owed + client.said
    who = [clients[i * len(clients) // talkers] for i in range(talkers)]
    listeners = [client for client in clients if client not in who]
    checks = Checks(clients, [listeners[0], listeners[-1], who[0]], fill)

    sent = done = first_lines = 0
    slowest = listeners[0]
    times: Times | None = None
    start = time.perf_counter() + float(values["warmup"])
    end = start + float(values["seconds"])
    while True:
        # The minimum can only have changed if its owner has more now.
        if slowest.progress > done or not sent:
            slowest = min(listeners, key=lambda client: client.progress)
            done = slowest.progress
            budget = flight - (sent - done)
            for i in range(min(talkers, budget)):
                # Every talker sends as many; the remainder goes round.
                share = -(-budget // (talkers - i))
                talker = who[(sent + i) % talkers]
                crowd.send(talker, b"".join(message(talker.said + k, fill) for k in range(share)))
                talker.said += share
                budget -= share
            sent = max(sent, flight + done)
        crowd.loop_once(end if times else start)
        now = time.perf_counter()
        if times is None and now >= start:
            times, first_lines = Times(crowd.server_pid), crowd.lines_heard
            end = now + float(values["seconds"])
        if times is not None and now >= end:
            break
    taken, deliveries = times.taken(), crowd.lines_heard - first_lines
    for client in clients:
        client.owed = client.heard + sent - client.progress
    missing = crowd.catch_up(float(values["patience"]))
    faults, one_order = checks.end()
    return {
        "deliveries": deliveries,
        "messages": sent,
        "missing": missing,
        "faults": faults,
        "one_order": one_order,
        **taken,
    }


def ping(crowd: Crowd, values: Values) -> Answer:
    """Send one message at a time."""
    count, warmup = int(values["count"]), int(values["warmup"])
    limit = time.perf_counter() + float(values["limit"])
    fill = filler(int(values["size"]))
    took: list[float] = []
    times = Times(crowd.server_pid)
    chance = random.Random(1)
    for i in range(-warmup, count):
        if i == 0:
            times = Times(crowd.server_pid)
        if took and time.perf_counter() > limit:
            break
        client = chance.choice(crowd.clients)
        wanted = crowd.lines_heard + len(crowd.clients) - 1
        began = time.perf_counter()
        crowd.send(client, message(client.said, fill))
        client.said += 1
        while crowd.lines_heard < wanted:
            if not crowd.loop_once(time.perf_counter() + PATIENCE):
                raise GaveUp(f"{wanted - crowd.lines_heard} did not get a message")
        if i >= 0:
            took.append(time.perf_counter() - began)
    for client in crowd.clients:
        client.owed = client.heard
    took.sort()
    percentiles = {
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "max": took[-1],
    }
    return {"count": len(took), **percentiles, **times.taken()}


def stall(crowd: Crowd, values: Values) -> Answer:
    """Let members join who never read."""
    for _ in range(int(values["n"])):
        sock = socket.socket()
        if hasattr(socket, "TCP_MAXSEG"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(crowd.server)
        sock.sendall(b"stalled%d\n" % len(crowd.stalled))
        crowd.stalled.append(sock)
    return _all_hear(crowd, int(values["n"]))


def unstall(crowd: Crowd, _values: Values) -> Answer:
    """Let members leave."""
    n = len(crowd.stalled)
    while crowd.stalled:
        crowd.stalled.pop().close()
    return _all_hear(crowd, n)


def _all_hear(crowd: Crowd, notices: int) -> Answer:
    for client in crowd.clients:
        client.owed += notices
    if lost := crowd.catch_up(PATIENCE):
        raise GaveUp(f"{lost} lines do not come")
    return {"stalled": len(crowd.stalled)}


def drain(crowd: Crowd, values: Values) -> Answer:
    """End the server, and wait until all members are told and closed."""
    began = time.perf_counter()
    told = closed = 0.0
    heard: dict[Client, bytes] = dict.fromkeys(crowd.clients, b"")
    n_told = n_closed = 0
    os.kill(int(values["pid"]), signal.SIGTERM)
    while n_closed < len(heard) and time.perf_counter() < began + float(values["limit"]):
        for key, _ in crowd.selector.select(1.0):
            client: Client = key.data
            data = client.receive()
            if not data:
                crowd.selector.unregister(client.sock)
                client.sock.close()
                closed = time.perf_counter() - began
                n_closed += 1
                continue
            heard[client] += data
            if heard[client] == CLOSING:
                told = time.perf_counter() - began
                n_told += 1
    return {
        "members": len(heard),
        "told": n_told,
        "closed": n_closed,
        "told_seconds": told,
        "closed_seconds": closed,
    }


def drink(crowd: Crowd, values: Values) -> Answer:
    """Count the lines that a firehose sends."""
    while len(crowd.clients) < int(values["n"]):
        crowd.add().known = 1
    start = time.perf_counter() + float(values["warmup"])
    while time.perf_counter() < start:
        crowd.loop_once(start)
    times, lines = Times(crowd.server_pid), crowd.lines_heard
    end = time.perf_counter() + float(values["seconds"])
    while time.perf_counter() < end:
        crowd.loop_once(end)
    return {"deliveries": crowd.lines_heard - lines, **times.taken()}


def calc(crowd: Crowd, values: Values) -> Answer:
    """Send requests, and compare every reply with the expected one."""
    depth = int(values["depth"])
    lines = Path(values["cases"]).read_text().splitlines()
    cases = [tuple(text.encode() + b"\n" for text in line.split("\t")) for line in lines]
    while len(crowd.clients) < int(values["n"]):
        client = crowd.add()
        client.asked = client.answered = len(crowd.clients) % len(cases)

    def ask(client: Client, count: int) -> None:
        wanted = [cases[(client.asked + i) % len(cases)][0] for i in range(count)]
        client.asked += count
        client.owed += count
        crowd.send(client, b"".join(wanted))

    def take(client: Client) -> int:
        *replies, client.part = (client.part + client.receive(or_fail=True)).split(b"\n")
        for reply in replies:
            operation, expected = cases[client.answered % len(cases)]
            if reply + b"\n" != expected:
                raise GaveUp(f"{operation!r}: got {reply!r}")
            client.answered += 1
        client.heard += len(replies)
        crowd.lines_heard += len(replies)
        return len(replies)

    start = time.perf_counter() + float(values["warmup"])
    end = start + float(values["seconds"])
    times: Times | None = None
    first = 0
    for client in crowd.clients:
        ask(client, depth)
    while time.perf_counter() < end or times is None:
        for key, events in crowd.selector.select(0.1):
            if events & selectors.EVENT_WRITE:
                crowd.send(key.data, b"")
            if events & selectors.EVENT_READ:
                ask(key.data, take(key.data))
        if times is None and time.perf_counter() >= start:
            times, first = Times(crowd.server_pid), crowd.lines_heard
    taken, requests = times.taken(), crowd.lines_heard - first
    while missing := crowd.missing():
        ready = crowd.selector.select(PATIENCE)
        if not ready:
            raise GaveUp(f"{missing} replies are missing")
        for key, events in ready:
            crowd.send(key.data, b"")
            if events & selectors.EVENT_READ:
                take(key.data)
    return {"requests": requests, **taken}


COMMANDS: Mapping[str, Callable[[Crowd, Values], Answer]] = {
    command.__name__: command for command in (join, talk, ping, stall, unstall, drain, drink, calc)
}


def main() -> None:
    """Carry out commands until there are no more."""
    host, port, pid = sys.argv[1:]
    allow_descriptors()
    crowd = Crowd((host, int(port)), int(pid))
    for line in sys.stdin:
        name, *words = line.split()
        values = dict(word.split("=", 1) for word in words)
        try:
            answer = COMMANDS[name](crowd, values)
        except (GaveUp, OSError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        if "error" in answer:
            sys.exit(1)


if __name__ == "__main__":
    main()
