"""How fast a search is: ``python -m benchmarks.search`` (or ``python -m pytest benchmarks/search.py``).

A gallery of synthetic fingers, each a subject of its own with an unknown position, so that every one is compared; probes
are second impressions of enrolled fingers. Times are CPU seconds of one thread, figures are fingers searched in one of
them. The slow twin of the tests searches the same small gallery as the engine, which gives the ratio between the two.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks import machine
from matcher import Gallery, Policy, Template
from matcher.comparison import pack
from matcher.synthesis import Finger, population
from tests.matcher import naive

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SEED = 2014
SMALL = 20
POLICY = Policy(false_positive_identification_rate=1e-3, limit=20)

pytestmark = pytest.mark.benchmark(timer=time.process_time, warmup=True, warmup_iterations=1)


@functools.cache
def fingers(count: int) -> list[Template]:
    """Return so many prints of different fingers."""
    prints = itertools.chain.from_iterable(population(SEED, -(-count // 10)))
    return [replace(print_, position=0) for print_ in itertools.islice(prints, count)]


@functools.cache
def gallery(count: int) -> Gallery:
    """Return a gallery of so many subjects with one finger each."""
    made = Gallery()
    made.add_many((str(number), [print_]) for number, print_ in enumerate(fingers(count)))
    return made


def probe() -> list[Template]:
    """Return another impression of the first finger."""
    return [replace(Finger(SEED, 0, 1).template(1), position=0)]


def note(benchmark: BenchmarkFixture, count: int, what: str) -> None:
    """Keep the figure and the machine beside the times."""
    benchmark.extra_info[what] = round(count / benchmark.stats.stats.median)
    benchmark.extra_info["machine"] = machine.describe()


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_search(benchmark: BenchmarkFixture, count: int) -> None:
    """Search one finger."""
    made, searched = gallery(count), probe()
    found = benchmark.pedantic(made.search, (searched,), {"view": None, "policy": POLICY}, rounds=10, warmup_rounds=1)
    assert [candidate.subject for candidate in found] == ["0"]
    note(benchmark, count, "fingers/s/core")


def test_enrolment(benchmark: BenchmarkFixture) -> None:
    """Enrol a thousand subjects of one finger each."""
    batch = [(str(number), [print_]) for number, print_ in enumerate(fingers(1_000))]
    benchmark.pedantic(lambda: Gallery().add_many(batch), rounds=5, warmup_rounds=1)
    note(benchmark, len(batch), "prints/s/core")


@pytest.mark.benchmark(group="engine and slow twin")
def test_engine_on_what_the_twin_can_do(benchmark: BenchmarkFixture) -> None:
    """Search a gallery small enough for the twin."""
    made, searched = gallery(SMALL), probe()
    benchmark.pedantic(made.search, (searched,), {"view": None, "policy": POLICY}, rounds=50, warmup_rounds=1)
    note(benchmark, SMALL, "fingers/s/core")


@pytest.mark.benchmark(group="engine and slow twin")
def test_twin(benchmark: BenchmarkFixture) -> None:
    """Search the same gallery with the slow twin; descriptors are given to it."""
    subjects = {str(number): [print_] for number, print_ in enumerate(fingers(SMALL))}
    searched = probe()
    every = [*searched, *(print_ for prints in subjects.values() for print_ in prints)]
    described = {id(print_): pack([print_]).descriptors for print_ in every}
    rate = POLICY.false_positive_identification_rate
    found = benchmark.pedantic(naive.search, (searched, subjects, described, rate), rounds=1)
    assert [name for name, _ in found] == ["0"]
    note(benchmark, SMALL, "fingers/s/core")


class _Figures:
    """Prints what the runs kept, when they are over."""

    def pytest_terminal_summary(self, config: pytest.Config) -> None:
        figures = {run.name: dict(run.extra_info) for run in config._benchmarksession.benchmarks}  # noqa: SLF001 - the plugin offers no other way
        for name, figure in figures.items():
            print(f"{name:40}", *(f"{value:>12,} {what}" for what, value in figure.items() if what != "machine"))
        engine, twin = (
            figures[name]["fingers/s/core"] for name in ("test_engine_on_what_the_twin_can_do", "test_twin")
        )
        print(f"{'engine : twin':40} {engine / twin:>12,.0f} : 1")
        print(machine.describe())


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[_Figures()]))
