"""The pictures of the window show what the program shows now."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tools.draw_window import DOCS, SCENES, Scene, draw


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_committed_picture_is_current(scene: Scene) -> None:
    path = DOCS / f"{scene.name}.svg"
    assert path.read_text() == draw(scene), "run python tools/draw_window.py"
    ElementTree.parse(path)
