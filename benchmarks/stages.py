"""What each stage of a search costs: ``python -m benchmarks.stages`` (or ``python -m pytest benchmarks/stages.py``).

A gallery of synthetic fingers, each a subject of its own with an unknown position, so that every one is compared; the probe
is a second impression of one of them. Times are CPU seconds of one thread. The slow twin of the tests searches a small gallery
as the engine does, which gives the ratio between the two.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import machine
from matcher import Gallery, Policy, Template
from matcher._inverted import aim, encode, seal, shortlist, work_for
from matcher.cells import cells
from matcher.comparison import pack, pack_probe, relate, verify
from matcher.synthesis import Finger, population
from tests.matcher import naive

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from matcher.comparison import Packed, Probe

SEED = 2014
SMALL, LARGE = 20, 2_000
POLICY = Policy(false_positive_identification_rate=1e-3, limit=20)

pytestmark = pytest.mark.benchmark(timer=time.process_time, warmup=True, warmup_iterations=1)


@functools.cache
def fingers(count: int) -> list[Template]:
    """Return so many prints of different fingers."""
    prints = itertools.chain.from_iterable(population(SEED, -(-count // 10)))
    return [replace(print_, position=0) for print_ in itertools.islice(prints, count)]


@functools.cache
def packed() -> Packed:
    """Return the larger set as the kernels read it."""
    return pack(fingers(LARGE))


@functools.cache
def gallery(count: int) -> Gallery:
    """Return a gallery of so many subjects with one finger each."""
    made = Gallery()
    made.add_many((str(number), [print_]) for number, print_ in enumerate(fingers(count)))
    return made


def template() -> Template:
    """Return another impression of the first finger."""
    return replace(Finger(SEED, 0, 1).template(1), position=0)


def probe() -> Probe:
    """Return it as the kernels read a probe."""
    return pack_probe(template())


def microseconds(benchmark: BenchmarkFixture, count: int) -> float:
    """Return the median time that was measured, for each of so many."""
    assert benchmark.stats is not None, "nothing was timed"
    return round(1e6 * float(benchmark.stats.stats.median) / count, 3)


def measure(benchmark: BenchmarkFixture, count: int, what: str, work: Callable[..., Any], *given: Any) -> Any:
    """Time some work, and keep its cost for each of so many, in microseconds, and the machine."""
    result = benchmark.pedantic(work, given, rounds=10, warmup_rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info["us"] = microseconds(benchmark, count)
    benchmark.extra_info["each"] = what
    benchmark.extra_info["machine"] = machine.describe()
    return result


def test_pack(benchmark: BenchmarkFixture) -> None:
    """Describe prints, find hulls, lay out blocks."""
    measure(benchmark, LARGE, "print", pack, fingers(LARGE))


def test_encode(benchmark: BenchmarkFixture) -> None:
    """Find the cells of minutiae."""
    measure(benchmark, LARGE, "print", encode, cells(), packed().descriptors)


def test_skim(benchmark: BenchmarkFixture) -> None:
    """Ask the inverted file for a tenth of the fingers."""
    prints = packed().prints
    owner = np.repeat(np.arange(LARGE), np.diff(prints.starts))
    segment = seal(encode(cells(), packed().descriptors), owner, LARGE)
    target, mask, work = aim(cells(), probe().rows.values), np.ones(LARGE, dtype=np.bool_), work_for(LARGE)
    found = measure(benchmark, LARGE, "finger", shortlist, target, [segment], mask, LARGE // 10, work)
    assert 0 in found


def test_sift(benchmark: BenchmarkFixture) -> None:
    """Score every finger by its minutiae's neighbourhoods."""
    scores = measure(benchmark, LARGE, "finger", gallery(LARGE).sifted, probe())
    assert scores.argmax() == 0


def test_relate(benchmark: BenchmarkFixture) -> None:
    """Let pairs of similar minutiae agree on a motion."""
    agreement = measure(benchmark, LARGE, "finger", relate, probe(), packed().prints, np.arange(LARGE))
    assert agreement.argmax() == 0


def test_verify(benchmark: BenchmarkFixture) -> None:
    """Lay one print on the other."""
    found, _ = measure(benchmark, LARGE, "finger", verify, probe(), packed().prints, np.arange(LARGE))
    assert found[:, -1].argmax() == 0


@pytest.mark.benchmark(group="engine and slow twin")
def test_engine(benchmark: BenchmarkFixture) -> None:
    """Search a gallery small enough for the twin."""
    measure(benchmark, SMALL, "finger", gallery(SMALL).search, [template()], None, POLICY)


@pytest.mark.benchmark(group="engine and slow twin")
def test_twin(benchmark: BenchmarkFixture) -> None:
    """Search the same gallery with the slow twin; descriptors are given to it."""
    subjects = [[slowly(print_)] for print_ in fingers(SMALL)]
    searched = [slowly(template())]
    rate = POLICY.false_positive_identification_rate
    found = benchmark.pedantic(naive.search, (searched, subjects, rate), rounds=1)  # type: ignore[no-untyped-call]
    assert [one.subject for one in found] == [0]
    benchmark.extra_info.update(us=microseconds(benchmark, SMALL), each="finger")


def slowly(print_: Template) -> naive.Finger:
    """Return a print as the slow twin reads it."""
    made = pack([print_])
    return naive.Finger(
        naive.print_of(print_, made.descriptors[np.argsort(made.order)]), print_.position, print_.origin
    )


class _Figures:
    """Prints what the runs kept, when they are over."""

    def pytest_terminal_summary(self, config: Any) -> None:
        figures = {run.name: dict(run.extra_info) for run in config._benchmarksession.benchmarks}  # noqa: SLF001 - the plugin offers no other way
        for name, figure in figures.items():
            print(f"{name.removeprefix('test_'):10} {figure['us']:>12,} us a {figure['each']}")
        print(f"{'twin : engine':10} {figures['test_twin']['us'] / figures['test_engine']['us']:>9,.0f} : 1")
        print(machine.describe())


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[_Figures()]))
