"""What the `chat cluster` command does: it shows what a stranger can see of a chat in Redis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trionet.cli.running import Runtime, until_interrupted
from trionet.text.safe import safe_text

if TYPE_CHECKING:
    from trionet.chat.cluster.options import RedisOptions
    from trionet.chat.cluster.report import ClusterReport


async def show(options: RedisOptions, runtime: Runtime, *, as_json: bool) -> None:
    """Print a line for each node, for the stream and for the snapshot.

    Args:
        options: where Redis is, and which chat.
        runtime: the outputs and signals.
        as_json: whether each line is a JSON object.

    Raises:
        RedisError: Redis cannot be asked.
    """
    from trionet.chat.cluster.report import inspect

    async def ask() -> None:
        report = await inspect(options)
        for line in (in_json if as_json else in_words)(report):
            runtime.out.print(safe_text(line))

    await until_interrupted(ask, runtime)


def in_words(report: ClusterReport) -> list[str]:
    """Return the lines for people."""
    lines = [
        f"node {one.node}: life {one.life}, lag {one.lag:.1f} s, {_counted(one.members, 'member')}"
        for one in report.nodes
    ]
    size = "" if report.stream_bytes is None else f", {report.stream_bytes:,} bytes"
    last = f", last {report.last_id}" if report.last_id else ""
    entries = "1 entry" if report.stream_entries == 1 else f"{report.stream_entries:,} entries"
    lines.append(f"stream: {entries}{size}{last}, {_counted(report.members, 'member')} in all")
    if not report.snapshot_id:
        return [*lines, "snapshot: none"]
    age = "" if report.snapshot_age is None else f", {report.snapshot_age:.1f} s old"
    return [*lines, f"snapshot: at {report.snapshot_id}, {report.snapshot_bytes:,} bytes{age}"]


def in_json(report: ClusterReport) -> list[str]:
    """Return the lines for programs."""
    objects: list[dict[str, Any]] = [
        {
            "type": "node",
            "node": one.node,
            "life": one.life,
            "lag": round(one.lag, 3),
            "members": one.members,
        }
        for one in report.nodes
    ]
    objects.append(
        {
            "type": "stream",
            "entries": report.stream_entries,
            "bytes": report.stream_bytes,
            "last": report.last_id,
            "members": report.members,
            "epoch": report.epoch,
        }
    )
    age = None if report.snapshot_age is None else round(report.snapshot_age, 3)
    objects.append(
        {
            "type": "snapshot",
            "at": report.snapshot_id or None,
            "bytes": report.snapshot_bytes,
            "age": age,
        }
    )
    return [json.dumps(one, ensure_ascii=False) for one in objects]


def _counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
