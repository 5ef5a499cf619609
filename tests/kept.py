"""Texts that are kept word for word beside the tests, so that a change of one word is seen and read over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def compare(path: Path, made: str) -> None:
    """Compare a text with the one that is kept; with WRITE_KEPT=1 in the environment keep it, to be read over before use."""
    if os.environ.get("WRITE_KEPT") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(made + "\n", encoding="utf-8")
    assert made.splitlines() == path.read_text(encoding="utf-8").splitlines(), f"{path.name}: see tests/kept.py"
