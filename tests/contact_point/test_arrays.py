"""Small arrays leave nothing of a print behind: numpy keeps no block of theirs, and what is given back is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import contact_point
from contact_point.arrays import NAME, unkept
from contact_point.hardening import WIPING
from matcher import Gallery, Policy
from matcher import gallery as searching
from matcher.synthesis import population

ROOT = Path(contact_point.__file__).parents[1]

LEFT = """
import contextlib, ctypes
import numpy as np
from contact_point.arrays import unkept

with unkept() if {within} else contextlib.nullcontext():
    made = [np.full(size, 0xA7, np.uint8) for size in range(32, 1024)]
    places = [(each.ctypes.data, each.nbytes) for each in made]
    del made
print(sum(ctypes.string_at(*place).count(0xA7 .to_bytes()) for place in places))
"""


def left(*, within: bool) -> int:
    """Return how many bytes of small arrays are still there when they have ended, in a process that wipes its memory."""
    script = LEFT.format(within=within)
    told = os.environ | WIPING
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT, env=told
    )
    assert done.stderr == ""
    return int(done.stdout)


def test_8_1_what_small_arrays_held_is_overwritten_when_they_end() -> None:
    """All but the last eight bytes of a block at most, in which the C library keeps its own account of it."""
    whole = sum(range(32, 1024))
    assert left(within=False) == whole
    assert left(within=True) <= 8 * len(range(32, 1024))


def handler() -> str:
    """Return what numpy calls the memory of an array that is made now."""
    name: str = np._core.multiarray.get_handler_name(np.empty(8))
    return name


def test_arrays_made_in_the_block_outlive_it_and_others_are_as_before() -> None:
    before = handler()
    with unkept():
        assert handler() == NAME
        made = np.arange(10)
        with unkept():
            assert handler() == NAME
        assert handler() == NAME
    assert handler() == before != NAME
    made = np.resize(made, 1000)
    assert made.sum() == 45 * 100


@pytest.mark.parametrize("threads", [1, 3])
def test_8_1_the_threads_of_a_search_give_back_what_they_made_of_the_probe(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery(threads=threads)
    gallery.add_many((str(n), prints) for n, prints in enumerate(population(7, 12)))
    probe = next(iter(population(7, 1)))
    seen = []
    real = searching.verify

    def verified(*given: Any) -> Any:
        seen.append(handler())
        return real(*given)

    monkeypatch.setattr(searching, "verify", verified)
    with unkept():
        gallery.search(probe, mask=None, policy=Policy(false_positive_identification_rate=1e9, limit=10))
    assert set(seen) == {NAME}
