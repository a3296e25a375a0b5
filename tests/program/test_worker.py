"""What a worker is told by its parent, and what it tells it."""

from __future__ import annotations

import os
import socket

from trionet import Reading
from trionet.program.worker import (
    READY,
    VARIABLE,
    NumbersTold,
    numbers_of,
    take_worker,
    variable_for,
)


def test_a_process_without_the_variable_is_no_worker() -> None:
    assert take_worker({"HOME": "/"}) is None


def test_a_worker_takes_its_sockets_and_its_link_and_passes_nothing_on() -> None:
    ours, theirs = socket.socketpair()
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [sock.getsockname()[1] for sock in socks]
    fds = [os.dup(sock.fileno()) for sock in socks]
    link = os.dup(theirs.fileno())
    for fd in (*fds, link):
        os.set_inheritable(fd, True)
    given = [(":0", fds[:2]), (":0", fds[2:]), ("localhost:7", [])]
    environ = {VARIABLE: variable_for(4, given, link), "HOME": "/"}
    worker = take_worker(environ)
    assert worker is not None
    assert environ == {"HOME": "/"}
    assert worker.number == 4
    assert worker.addresses == [":0", ":0", "localhost:7"]
    assert list(worker.opened) == [":0", "localhost:7"]
    taken = [one for each in worker.opened.values() for socks in each for one in socks]
    assert [sock.getsockname()[1] for sock in taken] == ports
    assert [len(each) for each in worker.opened[":0"]] == [2, 1]
    assert not any(os.get_inheritable(fd) for fd in (*fds, link))
    worker.tell_ready()
    assert ours.recv(100) == READY
    ours.close()
    # Nobody hears it, and that is not the worker's fault.
    worker.tell_ready()
    for sock in (theirs, worker.link, *socks, *taken):
        sock.close()


def test_numbers_come_in_whole_lines_however_slowly_the_parent_reads() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        told = NumbersTold(theirs)
        values = {f"kind{number}": float(number) for number in range(2000)}
        for number in range(50):
            told.tell([Reading.counter("jobs_total", "Jobs.", {**values, "n": number}, label="k")])
        received = b""
        while received.count(b"\n") < 3:
            received += ours.recv(65536)
            told.tell([Reading.gauge("late", "Late.", 1)])
        for line in received.split(b"\n")[:-1]:
            (reading,) = numbers_of(line)
            assert reading.name in ("jobs_total", "late")
    # Nobody hears it any more, and nothing is raised.
    told.tell([])
