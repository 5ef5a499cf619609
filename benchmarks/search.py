"""How fast a search is, and what its speed costs: ``python -m benchmarks.search [--fingers 1000000] [--json]``.

One gallery of synthetic people with ten fingers each (``benchmarks.backgrounds``) grows to 10,000, 100,000 and as many fingers
as are asked for, and is measured at each size; probes are second impressions of people enrolled. Times are CPU seconds, all
threads together. ``--json`` gives one object a line, the last that of the largest gallery:

* ``exhaustive_per_s_core``: fingers a second that stage one alone compares with one probe, every one of them.
* ``search_cpu_ms``: the median whole search with one finger of unknown position, so that every finger is searched.
* ``kept``: of the probes whose mate comes first in a search without the inverted file, the share whose mate comes first in
  one with it; ``rank1`` is the share of all.
* ``tenprint_cpu_ms``: the median whole search with ten fingers of known positions, of which two are missing.
* ``masked_cpu_ms``: as ``search_cpu_ms``, with half of the people masked.
* ``enrol_cpu_ms``: for each finger. ``bytes_per_finger``: of the gallery's arrays.
* ``peer_ratio``: fingers searched in a CPU second (from ``search_cpu_ms``) to those of the fastest peer at hand
  (``benchmarks.peers``), measured in the same run on prints of the same gallery.

The last line says how the cost of a search grows with the gallery: the exponent of a power of its size, fitted.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import backgrounds, machine, peers
from matcher import Gallery, Policy
from matcher._parameters import CASCADE
from matcher.comparison import pack_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.backgrounds import Block
    from matcher import Candidate, Template

SEED: Final = 2014
SIZES: Final = (10_000, 100_000)
FINGERS: Final = 10  # of a person
MISSING: Final = (3, 9)  # positions that a ten-finger probe lacks
SINGLE, TEN, EXHAUSTIVE = 200, 20, 20  # searches
PEER_PROBES, PEER_CANDIDATES = 4, 500
BATCH: Final = 500  # people enrolled together
_FIRST: Final = Policy(false_positive_identification_rate=1e300, limit=1)
_STDERR: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Figures:
    """One line."""

    fingers: int
    exhaustive_per_s_core: int
    search_cpu_ms: float
    masked_cpu_ms: float
    tenprint_cpu_ms: float
    enrol_cpu_ms: float
    rank1: float
    kept: float
    bytes_per_finger: int
    peer_ratio: float | None = None


class Growing:
    """A gallery that grows, and what is searched for in it."""

    def __init__(self, block: Block, second: Block, threads: int) -> None:
        self.gallery = Gallery(threads=threads)
        self.persons = 0
        self._block, self._second = block, second

    def grow(self, persons: int) -> float:
        """Enrol people up to so many; return the CPU milliseconds for a finger."""
        begin = time.process_time()
        firsts = range(self.persons, persons, BATCH)
        for first in track(firsts, description=f"enrolling {persons * FINGERS:,}", console=_STDERR):
            people = range(first, min(first + BATCH, persons))
            self.gallery.add_many((str(person), _hands(self._block, person, range(1, 11))) for person in people)
        added = persons - self.persons
        self.persons = persons
        return 1e3 * (time.process_time() - begin) / (FINGERS * max(added, 1))

    def probes(self, count: int) -> list[tuple[str, Template]]:
        """Return second impressions of so many fingers of people enrolled, of unknown position, and whose they are."""
        there = min(self.persons, len(self._second) // FINGERS)
        rng = np.random.default_rng(SEED)
        chosen = zip(rng.integers(there, size=count).tolist(), rng.integers(FINGERS, size=count).tolist(), strict=True)
        return [(str(person), self._second.template(person * FINGERS + finger, 0)) for person, finger in chosen]

    def hands(self, count: int) -> list[tuple[str, list[Template]]]:
        """Return second impressions of the hands of so many people enrolled, two fingers missing."""
        positions = [position for position in range(1, FINGERS + 1) if position not in MISSING]
        return [(str(person), _hands(self._second, person, positions)) for person in range(min(count, self.persons))]

    def first(self, prints: Sequence[Template], mask: Any = None) -> str:
        """Return the subject that comes first."""
        found: list[Candidate] = self.gallery.search(prints, mask, _FIRST)
        return found[0].subject if found else ""

    def exhaustively(self, *, exhaustive: bool) -> None:
        """Let the following searches do without the inverted file, or with it."""
        self.gallery.skim_from = 1 << 62 if exhaustive else CASCADE.skim_from


def _hands(block: Block, person: int, positions: Sequence[int]) -> list[Template]:
    return [block.template(person * FINGERS + position - 1, position) for position in positions]


def _median_ms(work: Callable[[Any], object], each: Sequence[Any]) -> float:
    times = []
    for one in each:
        begin = time.process_time()
        work(one)
        times.append(time.process_time() - begin)
    return round(1e3 * float(np.median(times)), 2)


def measured(growing: Growing, persons: int) -> Figures:
    """Let the gallery grow to so many people, and measure."""
    enrol = growing.grow(persons)
    probes = growing.probes(SINGLE)
    half = np.arange(persons) % 2 == 0
    growing.first([probes[0][1]])  # files what was added
    single = _median_ms(lambda probe: growing.first([probe[1]]), probes)
    masked = _median_ms(lambda probe: growing.first([probe[1]], half), probes[:TEN])
    tenprint = _median_ms(lambda hand: growing.first(hand[1]), growing.hands(TEN))
    found = [
        growing.first([print_]) == person for person, print_ in track(probes, description="searching", console=_STDERR)
    ]
    growing.exhaustively(exhaustive=True)
    anyway = [
        growing.first([print_]) == person
        for person, print_ in track(probes, description="exhaustively", console=_STDERR)
    ]
    growing.exhaustively(exhaustive=False)
    both = sum(one and other for one, other in zip(found, anyway, strict=True))
    return Figures(
        fingers=persons * FINGERS,
        exhaustive_per_s_core=_exhaustive_rate(growing),
        search_cpu_ms=single,
        masked_cpu_ms=masked,
        tenprint_cpu_ms=tenprint,
        enrol_cpu_ms=round(enrol, 3),
        rank1=float(np.mean(found)),
        kept=both / max(sum(anyway), 1),
        bytes_per_finger=growing.gallery.size // (persons * FINGERS),
    )


def _exhaustive_rate(growing: Growing) -> int:
    """Return how many fingers stage one compares with a probe in a CPU second."""
    times = []
    for _, print_ in growing.probes(EXHAUSTIVE):
        probe = pack_probe(print_)
        begin = time.process_time()
        growing.gallery.sifted(probe)
        times.append(time.process_time() - begin)
    return round(growing.persons * FINGERS / float(np.median(times)))


def exponent(lines: Sequence[Figures]) -> float:
    """Return the power of the number of fingers that the cost of a search grows with."""
    sizes, costs = np.log([line.fingers for line in lines]), np.log([line.search_cpu_ms for line in lines])
    return float(np.polyfit(sizes, costs, 1)[0])


def beside_peers(figures: Figures, block: Block) -> tuple[Figures, list[str]]:
    """Return the figures with the ratio to the fastest peer, and a line on each peer."""
    searched = figures.fingers / figures.search_cpu_ms * 1e3
    probes = [block.template(number, 0) for number in range(PEER_PROBES)]
    candidates = [block.template(number, 0) for number in range(PEER_PROBES, PEER_PROBES + PEER_CANDIDATES)]
    ratios, reasons = peers.beside(searched, probes, candidates)
    said = [
        f"{each.name}: {each.comparisons_a_second:,.0f} comparisons a second, {each.times:,.0f} times"
        for each in ratios
    ]
    least = min((each.times for each in ratios), default=None)
    return Figures(**(asdict(figures) | {"peer_ratio": least and round(least)})), said + reasons


def main() -> None:
    """Make people, enrol, search, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description="Speed of the search engine.")
    parser.add_argument("--fingers", type=int, default=100_000, help="in the largest gallery (default: 100,000)")
    parser.add_argument("--threads", type=int, default=1, help="cores of one search (default: 1)")
    parser.add_argument(
        "--cache", type=Path, default=backgrounds.default_cache(), help="where synthetic prints are kept"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    arguments = parser.parse_args()
    sizes = [*(size for size in SIZES if size < arguments.fingers), arguments.fingers]
    block = backgrounds.synthetic(SEED, -(-sizes[-1] // FINGERS), arguments.cache)
    second = backgrounds.synthetic(SEED, min(1_000, sizes[0] // FINGERS), arguments.cache, impression=1)
    growing = Growing(block, second, arguments.threads)
    lines = [measured(growing, size // FINGERS) for size in sizes]
    lines[-1], said = beside_peers(lines[-1], block)
    show(lines, said, as_json=arguments.json)


def show(lines: list[Figures], said: list[str], *, as_json: bool) -> None:
    """Print the figures, the growth, the peers and the machine."""
    if as_json:
        for line in lines:
            print(json.dumps(asdict(line)))
        print(
            json.dumps(
                {"exponent": exponent(lines) if len(lines) > 1 else None, "peers": said, "machine": machine.describe()}
            )
        )
        return
    table = Table("", *(f"{line.fingers:,}" for line in lines))
    for name in asdict(lines[0]):
        table.add_row(name, *(_shown(getattr(line, name)) for line in lines))
    Console(width=120).print(table)
    if len(lines) > 1:
        print(f"a search costs the number of fingers to the power of {exponent(lines):.2f}")
    print(*said, sep="\n")
    print(machine.describe())


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


if __name__ == "__main__":
    main()
