"""What a worker is told by its parent, and what it tells it."""

from __future__ import annotations

import json
import os
import socket

from trionet.program.worker import VARIABLE, take_worker, variable_for


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
    assert json.loads(ours.recv(100)) == {"ready": True}
    ours.close()
    # Nobody hears it, and that is not the worker's fault.
    worker.tell_ready()
    for sock in (theirs, worker.link, *socks, *taken):
        sock.close()
