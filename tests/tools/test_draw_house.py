"""The picture of the house is drawn from the source as it is now."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.draw_house import PICTURE, draw, needed_arrows, read_house

SETTINGS = """
[[tool.importlinter.contracts]]
type = "layers"
name = "downward only"
layers = ["trionet.roof", "trionet.left | trionet.right", "trionet.middle", "trionet.ground"]

[[tool.importlinter.contracts]]
type = "forbidden"
name = "pure"
source_modules = ["trionet.left", "trionet.right"]
ignore_imports = ["trionet.left.clock -> trio"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    settings = tmp_path / "pyproject.toml"
    settings.write_text(SETTINGS)
    return settings


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small house: the roof uses all floors, and `left` is a package."""
    source = tmp_path / "trionet"
    (source / "left").mkdir(parents=True)
    (source / "__init__.py").write_text("from trionet.roof import *\n")
    (source / "left" / "__init__.py").write_text('"""On the left side."""\n')
    (source / "left" / "clock.py").write_text("import trio\nfrom trionet import middle\n")
    (source / "left" / "left.py").write_text("def late():\n    from trionet.ground import stone\n")
    (source / "right.py").write_text('"""On the right.\n\nAnd more."""\n')
    (source / "middle.py").write_text("import trionet.ground\n")
    (source / "ground.py").write_text("")
    (source / "roof.py").write_text(
        "from trionet.left import clock\nfrom trionet import middle\nimport trionet.ground\n"
    )
    return source


def test_the_committed_picture_is_current() -> None:
    current = draw(read_house())
    assert PICTURE.read_text(encoding="utf-8") == current, "run python tools/draw_house.py"
    assert ElementTree.fromstring(current).tag.endswith("svg")


def test_rooms_have_a_purpose_files_and_imports(source: Path, settings: Path) -> None:
    house = read_house(source, settings)
    assert house.floors == [["roof"], ["left", "right"], ["middle"], ["ground"]]
    assert house.rooms["left"].purpose == "On the left side"
    assert house.rooms["left"].files == ("clock", "left")
    assert house.rooms["left"].pure == {"left"}
    assert house.rooms["right"].purpose == "On the right"
    assert house.rooms["right"].pure == {"right"}
    assert house.imports["roof"] == {"left", "middle", "ground"}
    assert house.imports["left"] == {"middle", "ground"}


def test_an_import_that_others_imply_has_no_arrow(source: Path, settings: Path) -> None:
    # A way leads from the roof to the middle through `left`.
    arrows = needed_arrows(read_house(source, settings))
    assert arrows == [("roof", "left"), ("left", "middle")]


def test_every_arrow_leads_downward() -> None:
    house = read_house()
    floor_of = {name: number for number, floor in enumerate(house.floors) for name in floor}
    arrows = needed_arrows(house)
    assert len(arrows) > 10
    assert all(floor_of[start] < floor_of[end] for start, end in arrows)


def test_an_import_upward_is_refused(source: Path, settings: Path) -> None:
    (source / "middle.py").write_text("from trionet.left import clock\n")
    with pytest.raises(ValueError, match="middle imports left, which is not on a floor below"):
        read_house(source, settings)


def test_a_room_without_a_floor_is_refused(source: Path, settings: Path) -> None:
    (source / "attic.py").write_text("")
    with pytest.raises(ValueError, match="attic is on no floor"):
        read_house(source, settings)
