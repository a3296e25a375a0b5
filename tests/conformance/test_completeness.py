"""Every sentence of the protocol has a test, and every test here is named after a sentence."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PROTOCOL = HERE.parent.parent / "docs" / "protocol.md"

# The part whose tests each file has.
PARTS = {
    "test_lines.py": "L",
    "test_calculator.py": "C",
    "test_chat.py": "R",
    "test_names.py": "N",
    "test_json.py": "J",
    "test_json_past.py": "J",
    "test_web.py": "W",
    "test_passwords.py": "R",
    "test_json_passwords.py": "J",
    "test_several_servers.py": "R",
    "test_json_several_servers.py": "J",
}


def sentences(text: str) -> list[str]:
    """Return the numbers of the sentences, such as `L8`, in the order of the document."""
    return re.findall(r"^- \*\*([LCRNJW]\d+)\.\*\* ", text, re.MULTILINE)


def functions(text: str) -> list[str]:
    """Return the names of the test functions of a file."""
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    ]


def held(name: str) -> str | None:
    """Return the number of the sentence that a test is named after."""
    match = re.match(r"test_([lcrnjw]\d+)_[a-z]", name)
    return match[1].upper() if match else None


def all_sentences() -> list[str]:
    return sentences(PROTOCOL.read_text(encoding="utf-8"))


def all_tests() -> dict[str, list[str]]:
    """Return the names of all tests by file, except this file."""
    return {
        path.name: functions(path.read_text(encoding="utf-8"))
        for path in sorted(HERE.glob("test_*.py"))
        if path != Path(__file__)
    }


def test_the_document_and_the_tests_are_read_as_they_are_written() -> None:
    document = "# Lines\n\n- **L1.** One thing\n  (L9).\n- **C12.** Another.\n\nSee **L3.** too.\n"
    assert sentences(document) == ["L1", "C12"]
    assert functions("def test_l1_a(): pass\nasync def test_b(): pass\ndef c(): pass\n") == [
        "test_l1_a",
        "test_b",
    ]
    assert held("test_c12_spaces_may_stand_anywhere") == "C12"
    assert held("test_c12") is None
    assert held("test_anything_else") is None


def test_every_sentence_has_a_test() -> None:
    tested = {held(name) for names in all_tests().values() for name in names}
    missing = [number for number in all_sentences() if number not in tested]
    assert not missing, (
        f"no test is named after {', '.join(missing)}: in tests/conformance, write "
        f"test_{missing[0].lower()}_WHAT_IT_SAYS"
    )


def test_every_test_is_named_after_a_sentence_that_exists() -> None:
    known = set(all_sentences())
    strangers = [
        name for names in all_tests().values() for name in names if held(name) not in known
    ]
    assert not strangers, (
        f"docs/protocol.md has no sentence for {', '.join(strangers)}: name a test here "
        "test_l8_WHAT_IT_SAYS after sentence L8, or write the sentence; a test of anything else "
        "belongs to the tests of its module"
    )


def test_every_test_stands_in_the_file_of_its_part() -> None:
    files = all_tests()
    assert sorted(files) == sorted(PARTS)
    for file, part in PARTS.items():
        astray = [name for name in files[file] if not (held(name) or "").startswith(part)]
        assert not astray, f"{file} is for sentences {part}1, {part}2, …, not {', '.join(astray)}"


def misnumbered(found: list[str], part: str) -> str | None:
    """Return what is wrong with the first number of a part that is; ``None``: all are right."""
    numbers = [number for number in found if number.startswith(part)]
    for count, number in enumerate(numbers, 1):
        if number != f"{part}{count}":
            return (
                f"{number} stands where {part}{count} belongs: the numbers of a part ascend "
                f"through the whole document, without a gap. A new sentence stands behind the "
                f"last of its part, and is {part}{len(numbers)} here"
            )
    return None if numbers else f"there is no sentence of part {part}"


def test_the_numbers_of_each_part_ascend_without_a_gap() -> None:
    for part in sorted(set(PARTS.values())):
        wrong = misnumbered(all_sentences(), part)
        assert wrong is None, wrong


def test_a_number_out_of_place_is_named_with_what_to_write_instead() -> None:
    assert misnumbered(["L1", "R1", "R2"], "R") is None
    assert "R9 stands where R2 belongs" in (misnumbered(["R1", "R9", "R2"], "R") or "")
    assert "is R3 here" in (misnumbered(["R1", "R3", "R2"], "R") or "")
    assert "R1 stands where R2" in (misnumbered(["R1", "R1"], "R") or "")
    assert misnumbered(["L1"], "R") == "there is no sentence of part R"


def test_every_sentence_that_the_document_speaks_of_exists() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    spoken_of = set(re.findall(r"\b[LCRNJW][1-9]\d*\b", text))
    unknown = spoken_of - set(all_sentences())
    assert not unknown, f"docs/protocol.md speaks of {sorted(unknown)}, and has no such sentence"
