"""Holds what a chat server says in JSON lines to docs/chat.schema.json; it knows no trionet."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Event = dict[str, Any]

PATH = Path(__file__).parent.parent.parent / "docs" / "chat.schema.json"

# What a line towards a client may have, without its LF (L12).
MOST_BYTES = 65536


@cache
def schema() -> dict[str, Any]:
    """Return the schema."""
    loaded: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return loaded


def event_types() -> list[str]:
    """Return the types of all events that a server may send."""
    return [one["$ref"].rpartition("/")[2] for one in schema()["oneOf"]]


def request_types() -> list[str]:
    """Return the types of all requests that a client may send."""
    return list(schema()["$defs"]["requests"])


def check_said(line: str) -> Event:
    """Return a server's line as an object, if it is one that the schema allows.

    Raises:
        AssertionError: it is none, or too long, or names a field twice, or its type comes not
            first.
    """
    assert len(line.encode()) <= MOST_BYTES, f"a line of {len(line.encode())} bytes"
    event = json.loads(line, object_pairs_hook=_object, parse_constant=_refuse)
    assert isinstance(event, dict), f"no object: {line}"
    assert next(iter(event), None) == "type", f"the type is not first: {line}"
    assert event["type"] in event_types(), f"no type of event: {line}"
    _check(f"#/$defs/{event['type']}", event)
    return event


def check_request(request: dict[str, Any]) -> None:
    """See that the schema allows a client's request.

    Raises:
        AssertionError: it does not.
    """
    _check(f"#/$defs/requests/{request['type']}", request)


@cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "$defs": schema()["$defs"]})


def _check(reference: str, value: dict[str, Any]) -> None:
    errors = [error.message for error in _validator(reference).iter_errors(value)]
    assert not errors, f"{value} does not fit {reference}: {'; '.join(errors)}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    assert len(fields) == len(pairs), f"a field stands twice: {pairs}"
    return fields


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")
