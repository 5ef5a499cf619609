"""The proof that nothing grows under load, in seconds; and that it finds a service that leaks."""

from __future__ import annotations

from dataclasses import asdict
from random import Random
from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import soak

if TYPE_CHECKING:
    from pathlib import Path

ROOMY = {name: 1e6 * bound for name, bound in soak.MOST.items()}
"""Bounds for a run of seconds, in which everything is still being loaded."""


def looks(hours: float, start: float, an_hour: float, seed: int = 1) -> list[soak.Look]:
    """Return looks at a process whose memory is noisy and grows, and nothing else does."""
    chance = Random(seed)  # noqa: S311 - noise that must come out again
    times = [second / 3600 for second in range(0, round(3600 * hours), 30)]
    return [
        soak.Look(3600 * at, start + an_hour * at + chance.gauss(0, 3e6), 40, 20, chance.randint(0, 3), 0.1, 4e6, at)
        for at in times
    ]


def piece(hours: float, start: float, an_hour: float, seed: int = 1) -> soak.Piece:
    return soak.Piece("a machine", 5.0, 60 * hours, 100, 0, looks(hours, start, an_hour, seed))


def test_noise_is_no_growth_and_a_small_leak_is() -> None:
    assert soak.judged([piece(1, 300e6, 0)]).violations == []
    (found,) = soak.judged([piece(1, 300e6, 40e6)]).violations
    assert found.startswith("memory grows by ")
    assert found.endswith(" MiB an hour; expected 16 at most")


def test_pieces_add_up_and_each_begins_where_it_begins() -> None:
    pieces = [piece(0.25, start, 0, seed) for seed, start in enumerate((250e6, 300e6, 350e6, 400e6))]
    outcome = soak.judged(pieces)
    assert (outcome.counts["pieces"], outcome.counts["minutes"]) == (4, 60)
    assert outcome.violations == [], "a later piece has more from its start: that is no growth"
    leaking = [piece(0.25, start, 40e6, seed) for seed, start in enumerate((400e6, 350e6, 300e6, 250e6))]
    assert soak.judged(leaking[:1]).violations == [], "a quarter of an hour does not show it for certain"
    assert len(soak.judged(leaking).violations) == 1


def test_what_is_written_down_is_read_again(tmp_path: Path) -> None:
    import json  # noqa: PLC0415 - here alone

    state = tmp_path / "state.json"
    state.write_text(json.dumps([asdict(piece(0.1, 1e8, 0))]))
    assert soak.read_pieces(state) == [piece(0.1, 1e8, 0)]


def test_queries_that_are_not_answered_are_told() -> None:
    lost = soak.Piece("a machine", 5.0, 1, 100, 2)
    assert soak.judged([lost]).violations == ["2 of 100 queries were not answered"]


_LEAKING = """
import os, sys
from pathlib import Path
from contact_point import main, queried

kept, receive = [], queried.receive

def leaking(*args):
    kept.append((bytearray(os.urandom(5_000_000)), os.open("/", os.O_RDONLY)))
    return receive(*args)

queried.receive = leaking
main.serve(Path(sys.argv[1]))
"""


def run(command: tuple[str, ...] | None = None) -> soak.Piece:
    """Load a service for some seconds."""
    options = {} if command is None else {"command": command}
    return soak.played(6.0, print, measured=2.0, every=0.25, **options)  # type: ignore[arg-type]


def test_a_service_is_loaded_and_looked_at() -> None:
    found = run()
    outcome = soak.judged([found], warm_up=0.0, most=ROOMY)
    assert outcome.violations == []
    assert (found.failed, found.capacity > 0) == (0, True)
    assert found.looks[-1].rows > found.looks[0].rows
    assert all(look.memory > 1e8 and look.threads > 1 and look.descriptors > 10 for look in found.looks)


@pytest.mark.long
def test_a_service_that_leaks_is_found() -> None:
    most = ROOMY | {"memory": 2.0**30, "descriptors": 600.0}
    violations = soak.judged([run(("-c", _LEAKING))], warm_up=0.0, most=most).violations
    assert [each.split()[0] for each in violations] == ["memory", "descriptors"]
