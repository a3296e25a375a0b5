"""Checks a value against docs/json-lines.schema.json: as much of JSON Schema as that file uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent.parent / "docs" / "json-lines.schema.json").read_text("utf-8")
)

_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
}  # fmt: skip
_KEYWORDS = {
    *("$schema", "$defs", "$ref", "title", "description", "oneOf", "type", "const", "enum"),
    *("properties", "required", "additionalProperties", "items", "maxItems"),
    *("minLength", "maxLength", "minimum", "maximum", "pattern"),
}


def check_said(line: str) -> dict[str, Any]:
    """Return the object that a line is; fail unless the schema has it."""
    value = json.loads(line)
    assert isinstance(value, dict), line
    wrong = list(_problems(value, SCHEMA))
    assert not wrong, f"{line}\n{wrong}"
    return value


def _problems(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    assert schema.keys() <= _KEYWORDS, f"this checker does not know all of {[*schema]}"
    if "$ref" in schema:
        yield from _problems(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    if "oneOf" in schema:
        found = [list(_problems(value, one)) for one in schema["oneOf"]]
        if sum(not problems for problems in found) != 1:
            yield f"{value!r:.80} fits none, or several: {min(found, key=len)}"
    if "const" in schema and value != schema["const"]:
        yield f"{value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is none of {schema['enum']}"
    if "type" in schema:
        kind = schema["type"]
        if not isinstance(value, _KINDS[kind]) or (kind == "integer" and value is True):
            yield f"{value!r:.80} is no {kind}"
            return
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{value!r:.80} has {len(value)} characters"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{value!r} does not match"
    if type(value) is int and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        yield f"{value} is out of range"
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{len(value)} items"
        for item in value if "items" in schema else ():
            yield from _problems(item, schema["items"])
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{name} is missing"
        for name, item in value.items():
            if name in properties:
                yield from _problems(item, properties[name])
            elif schema.get("additionalProperties") is False:
                yield f"{name} is too much"
