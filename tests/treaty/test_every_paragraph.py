"""Every paragraph of the agreement has a test here that is named after it, or a reason why software cannot have one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from docs import treaty

HERE: Final = Path(__file__).parent
NOTHING_TO_TEST: Final = {
    "12": "who pays is settled between the Governments and their budgets; no act of a contact point turns on it",
}
"""Paragraphs that software can neither keep nor break."""

PARAGRAPHS: Final = [
    key for keys in treaty.AGREEMENT.values() for key in keys if key.count("(") <= (0 if key.startswith("II") else 1)
]


def names() -> set[str]:
    """Return the names of the tests of this folder, from the source alone."""
    return {
        node.name
        for path in HERE.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.fixture(scope="module")
def cited() -> set[str]:
    return {key for name in names() for key in treaty.cited_by_name(name)}


@pytest.mark.parametrize("paragraph", [key for key in PARAGRAPHS if key not in NOTHING_TO_TEST])
def test_a_test_is_named_after_the_paragraph(paragraph: str, cited: set[str]) -> None:
    assert any(key == paragraph or key.startswith(f"{paragraph}(") for key in cited), (
        f"no test in tests/treaty is named after {paragraph}: write one that shows it kept, or say in NOTHING_TO_TEST why "
        "software can neither keep nor break it"
    )


@pytest.mark.parametrize("paragraph", NOTHING_TO_TEST)
def test_what_is_excused_is_a_paragraph_that_nothing_enforces_or_tests(paragraph: str, cited: set[str]) -> None:
    assert paragraph in PARAGRAPHS
    assert paragraph not in cited
    (row,) = (clause for clause in treaty.CLAUSES if clause.key == paragraph)
    assert row.note in treaty.ASIDE
