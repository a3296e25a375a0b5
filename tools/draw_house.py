"""Draw the rooms of trionet and who imports whom: `docs/house.svg`.

    python tools/draw_house.py            write the picture
    python tools/draw_house.py --check    fail if it is not current

A *room* is a package or a single file directly under `src/trionet`; the floors are the layers of
the first import-linter contract in `pyproject.toml`. Everything else is read from the source: a
room's purpose from its docstring, its files, and its imports.

The plan of this file: read the house (`read_house`), leave out the arrows that others imply
(`needed_arrows`), give each room a place (`Plan`), and write it as SVG (`draw`).
"""

from __future__ import annotations

import ast
import itertools
import math
import random
import sys
import textwrap
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "trionet"
PICTURE = ROOT / "docs" / "house.svg"


# Reading the house


@dataclass(frozen=True)
class Room:
    """A package, or a file that stands by itself.

    Attributes:
        purpose: the first sentence of its docstring.
        files: its modules; empty for a room that is a single file.
        pure: those of its files that must not do I/O; its own name if it is a single file.
    """

    name: str
    purpose: str
    files: tuple[str, ...]
    pure: frozenset[str]


@dataclass(frozen=True)
class House:
    """All rooms, floor by floor from the top, and whose files import whose."""

    floors: list[list[str]]
    rooms: dict[str, Room]
    imports: dict[str, set[str]]


def read_house(source: Path = SOURCE, settings: Path = ROOT / "pyproject.toml") -> House:
    """Read the rooms and their imports from the source, and the floors from the contracts.

    Raises:
        ValueError: a room is on no floor, or imports one that is not below it.
    """
    contracts = tomllib.loads(settings.read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one for one in contracts if one["type"] == "layers")
    floors = [
        [module.strip().removeprefix("trionet.") for module in layer.split("|")]
        for layer in layers["layers"]
    ]
    ignored = {*layers.get("ignore_imports", ())}
    purity = next(one for one in contracts if "pure" in one["name"])
    files: dict[str, list[Path]] = {}
    for path in sorted(source.rglob("*.py")):
        room = path.relative_to(source).with_suffix("").parts[0]
        if not room.startswith("_"):
            files.setdefault(room, []).append(path)
    house = House(
        floors,
        {name: _read_room(name, paths, purity) for name, paths in files.items()},
        {
            name: {used for path in paths for used in _imported_rooms(path, source, ignored)}
            & files.keys() - {name}
            for name, paths in files.items()
        },
    )
    floor_of = {name: number for number, floor in enumerate(floors) for name in floor}
    for name, used in house.imports.items():
        if name not in floor_of:
            raise ValueError(f"{name} is on no floor: add it to the layers in {settings.name}")
        for other in sorted(used):
            if floor_of[other] <= floor_of[name]:
                raise ValueError(f"{name} imports {other}, which is not on a floor below")
    return house


def _read_room(name: str, paths: Sequence[Path], purity: Mapping[str, list[str]]) -> Room:
    head = next(path for path in paths if path.stem == "__init__" or len(paths) == 1)
    docstring = ast.get_docstring(ast.parse(head.read_text(encoding="utf-8"))) or ""
    modules = [path.stem for path in paths if path != head and not path.stem.startswith("_")]
    impure = {line.partition(" -> ")[0] for line in purity["ignore_imports"]}
    pure = set[str]()
    for module in modules or [name]:
        whole = f"trionet.{name}.{module}" if modules else f"trionet.{name}"
        if whole not in impure and {whole, f"trionet.{name}"} & {*purity["source_modules"]}:
            pure.add(module)
    purpose = " ".join(docstring.partition("\n\n")[0].replace("`", "").split()).rstrip(".")
    return Room(name, purpose, tuple(modules), frozenset(pure))


def _imported_rooms(path: Path, source: Path, ignored: Collection[str]) -> Iterator[str]:
    """Yield the rooms that a file imports anywhere, also in its functions or for types alone."""
    importer = ".".join(("trionet", *path.relative_to(source).with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *rest = name.split(".")
            if f"{importer} -> {name.rpartition('.')[0]}" in ignored:
                continue
            if package == "trionet" and rest:
                yield rest[0]


def needed_arrows(house: House) -> list[tuple[str, str]]:
    """Return the imports that no chain of others implies, except those of the lowest floor.

    Every room may import the lowest floor, and nearly all do.
    """
    below: dict[str, set[str]] = {}
    for floor in reversed(house.floors):
        for name in floor:
            used = house.imports[name]
            below[name] = used.union(*(below[other] for other in used))
    return [
        (name, other)
        for floor in house.floors
        for name in floor
        for other in sorted(house.imports[name])
        if other not in house.floors[-1]
        and not any(other in below[between] for between in house.imports[name])
    ]


# Giving each room a place

WIDTH = 960
MARGIN = 24
GAP = 28  # between the rooms of a floor
STOREY = 38  # between two floors
PADDING = 12
LINE = 15

# Pixels: what a character takes on average in the fonts below.
TEXT_CHARACTER, FILE_CHARACTER = 6.1, 6.5

# How many plans are tried, each from different starting places.
PLANS = 300

# Crossing another arrow counts like leading this many pixels to the side.
CROSSING = 300


@dataclass(eq=False)
class Place:
    """A room's place on its floor, or, without a room, where a long arrow crosses the floor."""

    room: Room | None
    width: float
    height: float = 0.0
    x: float = 0.0  # its middle
    y: float = 0.0  # its upper edge
    purpose: list[str] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    above: list[Place] = field(default_factory=list)
    below: list[Place] = field(default_factory=list)


class Plan:
    """Where everything stands.

    Attributes:
        floors: the places of each floor, from left to right.
        arrows: for each arrow the places that it leads through.
        height: of the whole picture.
    """

    def __init__(self, house: House, number: int) -> None:
        chance = random.Random(number)
        self._places = {
            name: _furnish(house.rooms[name], _width(house, floor, name))
            for floor in house.floors
            for name in floor
        }
        self.floors = [[self._places[name] for name in floor] for floor in house.floors]
        self.arrows = [self._lead(house, *arrow) for arrow in needed_arrows(house)]
        for place in itertools.chain.from_iterable(self.floors):
            place.x = chance.uniform(0, WIDTH)
        for _ in range(8):
            for floor in self.floors:
                self._arrange(floor)
            for floor in reversed(self.floors):
                self._arrange(floor)
        y = float(MARGIN)
        for floor in self.floors:
            tallest = max(place.height for place in floor)
            for place in floor:
                place.y = y
                place.height = tallest
            y += tallest + STOREY
        self.height = y - STOREY + MARGIN

    @property
    def cost(self) -> float:
        """How far arrows lead to the side, and how often they cross."""
        steps = [step for way in self.arrows for step in itertools.pairwise(way)]
        crossings = sum(
            (first[0].x - second[0].x) * (first[1].x - second[1].x) < 0
            for first, second in itertools.combinations(steps, 2)
            if first[0].y == second[0].y
        )
        return math.fsum(abs(start.x - end.x) for start, end in steps) + CROSSING * crossings

    def _lead(self, house: House, start: str, end: str) -> list[Place]:
        """Make the places where an arrow crosses the floors between its ends."""
        first, last = (
            next(number for number, floor in enumerate(house.floors) if name in floor)
            for name in (start, end)
        )
        way = [self._places[start]]
        for number in range(first + 1, last):
            way.append(Place(None, 0.0))
            self.floors[number].append(way[-1])
        way.append(self._places[end])
        for upper, lower in itertools.pairwise(way):
            upper.below.append(lower)
            lower.above.append(upper)
        return way

    @staticmethod
    def _arrange(floor: list[Place]) -> None:
        """Sort a floor by where its arrows come from and go to, and let nothing overlap.

        A room is drawn to the middle of the picture too, as if it had two more arrows there.
        """
        wanted = {}
        for place in floor:
            ends = [end.x for end in place.above + place.below]
            if place.room is not None:
                ends += [WIDTH / 2, WIDTH / 2]
            else:
                # An arrow bends early, and then leads straight down.
                ends += [end.x for end in place.below for _ in range(3)]
            # Not `sum`: its result differs between versions of Python.
            wanted[place] = math.fsum(ends) / len(ends) if ends else WIDTH / 2
        floor.sort(key=lambda place: wanted[place])
        whole = math.fsum(place.width for place in floor) + GAP * (len(floor) - 1)
        left = float(MARGIN)
        room_left = WIDTH - MARGIN - whole
        for place in floor:
            # As near to where it wants to be as its neighbours on both sides allow.
            place.x = min(max(wanted[place], left + place.width / 2), room_left + place.width / 2)
            left = place.x + place.width / 2 + GAP
            room_left += place.width + GAP


def _width(house: House, floor: Sequence[str], name: str) -> float:
    """Return the width of a room: packages share what single files leave of their floor."""
    files = [other for other in floor if not house.rooms[other].files]
    if name in files:
        return min(232.0, (WIDTH - 2 * MARGIN - GAP * len(files)) / len(files))
    room_left = WIDTH - 2 * MARGIN - GAP * len(floor) - 232 * len(files)
    return min(460.0, room_left / (len(floor) - len(files)))


def _furnish(room: Room, width: float) -> Place:
    """Return the place of a room, with its texts wrapped and its height."""
    purpose = textwrap.wrap(room.purpose, int((width - 2 * PADDING) / TEXT_CHARACTER))
    names = textwrap.wrap(" ".join(room.files), int((width - 2 * PADDING) / FILE_CHARACTER))
    files = [line.split() for line in names]
    place = Place(room, width, purpose=purpose, files=files)
    place.height = 2 * PADDING + LINE * (1 + len(purpose) + len(files)) + 4 * bool(files)
    return place


# Writing it as SVG

# The colours outside the queries are for viewers that do not know the queries.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .name { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .file { font: 10.5px ui-monospace, monospace; fill: #57606a }
  .pure { fill: #1a7f37 }
  .room { fill: #f6f8fa; stroke: #8c959f }
  .base { fill: #ddf4ff; stroke: #54aeff }
  .arrow { fill: none; stroke: #57606a; stroke-width: 1.5 }
  .head { fill: #57606a }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text, .file { fill: #9198a1 }
    .name { fill: #e6edf3 }
    .pure { fill: #3fb950 }
    .room { fill: #161b22; stroke: #6e7681 }
    .base { fill: #0c2d6b; stroke: #388bfd }
    .arrow { stroke: #9198a1 }
    .head { fill: #9198a1 }
    .paper { fill: #0d1117 }
  }
"""


def draw(house: House) -> str:
    """Return the picture of a house."""
    plan = min((Plan(house, number) for number in range(PLANS)), key=lambda plan: plan.cost)
    height = plan.height + 2 * LINE + MARGIN
    parts = [f'<rect class="paper" width="{WIDTH}" height="{height:.0f}"/>']
    parts += [_arrow(way) for way in plan.arrows]
    for floor in plan.floors:
        kind = "base" if floor is plan.floors[-1] else "room"
        for place in floor:
            if place.room is not None:
                parts += _room(place.room, place, kind)
    notes = (
        "Arrows are imports. Not drawn: those that others imply, and those to the lowest floor.",
        "Green files are pure: they import no Trio, do no I/O and read no clock.",
    )
    for number, note in enumerate(notes):
        parts.append(_text(MARGIN, plan.height + LINE * (number + 1), note))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img">\n'
        "<title>The rooms of trionet, and who imports whom</title>\n"
        f"<style>{STYLE}</style>\n"
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>\n'
        f"{body}\n</svg>\n"
    )


def _arrow(way: Sequence[Place]) -> str:
    """Draw an arrow: straight down through floors that it crosses, curved between floors."""
    x, y = way[0].x, way[0].y + way[0].height
    path = f"M{x:.0f} {y:.0f}"
    for place in way[1:]:
        middle = (y + place.y) / 2
        path += f"C{x:.0f} {middle:.0f} {place.x:.0f} {middle:.0f} {place.x:.0f} {place.y:.0f}"
        x, y = place.x, place.y
        if place is not way[-1]:
            y += place.height
            path += f"V{y:.0f}"
    return f'<path class="arrow" d="{path}" marker-end="url(#head)"/>'


def _room(room: Room, place: Place, kind: str) -> Iterator[str]:
    left = place.x - place.width / 2
    yield (
        f'<rect class="{kind}" x="{left:.0f}" y="{place.y:.0f}" width="{place.width:.0f}" '
        f'height="{place.height:.0f}" rx="6"/>'
    )
    y = place.y + PADDING + LINE - 3
    is_pure = room.name in room.pure
    name = f"{room.name}/" if room.files else f"{room.name}.py"
    yield _text(left + PADDING, y, name, "name pure" if is_pure else "name")
    for line in place.purpose:
        y += LINE
        yield _text(left + PADDING, y, line)
    y += 4
    for files in place.files:
        y += LINE
        spans = " ".join(
            f'<tspan class="pure">{file}</tspan>' if file in room.pure else file for file in files
        )
        yield f'<text class="file" x="{left + PADDING:.0f}" y="{y:.0f}">{spans}</text>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def main(arguments: list[str]) -> int:
    """Write the picture, or check it, and return the exit status."""
    picture = draw(read_house())
    if arguments == ["--check"]:
        current = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == picture
        if not current:
            print(f"{PICTURE.relative_to(ROOT)} is not current: run python tools/draw_house.py")
        return 0 if current else 1
    PICTURE.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
