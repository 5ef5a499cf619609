"""A few hundred damaged files of every format, and that damaging and finding work at all; ``make fuzz`` runs 100,000."""

from __future__ import annotations

import importlib.util
import random
import signal
from typing import TYPE_CHECKING

import pytest

from matcher.jail import Jail, KilledError
from tests.fuzz import guided, seeds
from tests.fuzz.mutate import FORMATS, MAX_BYTES, Seed, mutated
from tests.fuzz.run import again, file_of, run, smallest
from tests.fuzz.targets import MODULES, READ, TARGETS, BrokenPromiseError, Target, killed

if TYPE_CHECKING:
    from collections.abc import Iterator

# From Python 3.12 on, of any process that has threads, such as those of a linear algebra library, which nobody waits for.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def place() -> Iterator[Jail]:
    jail = Jail(places=1, warm=2, modules=MODULES)
    yield jail
    jail.close()


# --- the readers


def test_damaged_files_of_every_format_are_read_or_refused_and_nothing_else() -> None:
    tallies = run(1_000, seed=7, jobs=2)
    assert {name: tally.findings for name, tally in tallies.items() if tally.findings} == {}
    assert all(tally.files and tally.files == tally.outcomes.total() for tally in tallies.values())
    assert sum(tally.outcomes[READ] for tally in tallies.values()) > 100


NOT_READ = {"jpeg": 1, "tiff": 2, "pgm": 1, "slap": 2}
"""How many of the files made of each format are of a kind that is refused, so that refusing begins from them as well."""


@pytest.mark.parametrize("kind", FORMATS)
def test_what_damaging_begins_with_is_sound(kind: str, place: Jail) -> None:
    target = TARGETS.get(f"{kind}-image") or TARGETS[kind]
    outcomes = [target.outcome(data, place) for data in seeds.MADE[kind]()]
    assert len(outcomes) - outcomes.count(READ) == NOT_READ.get(kind, 0), outcomes


# --- damaging


@pytest.mark.parametrize("kind", FORMATS)
def test_the_pieces_of_a_file_are_the_file(kind: str) -> None:
    for data in seeds.all_of(kind):
        assert b"".join(FORMATS[kind].pieces(data)) == data


@pytest.mark.parametrize("kind", FORMATS)
def test_mending_leaves_a_sound_file_as_it_is(kind: str) -> None:
    for data in seeds.MADE[kind]():
        assert FORMATS[kind].mended(data) == data


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_generator_gives_the_same_file_and_none_that_is_huge(kind: str) -> None:
    sound = tuple(Seed.of(kind, data) for data in seeds.all_of(kind))
    one, other = ([mutated(kind, sound, random.Random(seed)) for seed in range(50)] for _ in range(2))  # noqa: S311
    assert one == other
    assert len(set(one)) > 25
    assert max(map(len, one)) <= MAX_BYTES + 8_000  # mending may add a check sum or some digits


def test_a_file_is_known_by_its_number() -> None:
    target = TARGETS["itl"]
    assert file_of(target, 1, 5) == file_of(target, 1, 5)
    assert len({file_of(target, 1, number) for number in range(20)}) > 15


# --- finding


RAISED = {b"D": KeyError("D"), b"E": BrokenPromiseError("as it was said"), b"F": SystemExit(0)}


def faulty(data: bytes, _place: Jail) -> None:
    """A reader with faults: it dies of A, hangs at B, eats memory at C, raises at D, breaks its promise at E, leaves at F."""
    if b"A" in data:
        signal.raise_signal(signal.SIGSEGV)
    while b"B" in data:
        pass
    if b"C" in data:
        bytearray(4 << 30)
    raise next((error for letter, error in RAISED.items() if letter in data), ValueError("refused"))


FAULTY = Target("faulty", ("card",), faulty, (ValueError,), 0)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"xxAxx", "death: SIGSEGV"),
        (b"xxBxx", "death: more than 2 seconds of CPU time"),
        (b"xxCxx", "MemoryError"),
        (b"xxDxx", "KeyError"),
        (b"xxExx", "BrokenPromiseError"),
        (b"xxFxx", "SystemExit"),
    ],
)
def test_what_a_reader_does_besides_reading_and_refusing_is_found(data: bytes, what: str) -> None:
    finding = again(FAULTY, data)
    assert finding is not None
    assert finding.what == what


def test_a_refusal_is_no_finding() -> None:
    assert again(FAULTY, b"xx") is None


def test_the_file_of_a_finding_is_made_small() -> None:
    data = b"x" * 30 + b"D" + b"x" * 40
    finding = again(FAULTY, data)
    assert finding is not None
    assert finding.where.startswith("tests/fuzz/test_damaged_files.py:")
    assert smallest(FAULTY, data, finding) == b"D"


def test_a_worker_that_dies_costs_one_file_and_the_rest_of_its_stretch_is_done() -> None:
    def dies_at_some(data: bytes, _place: Jail) -> None:
        if len(data) % 7 == 3:
            signal.raise_signal(signal.SIGKILL)

    target = Target("dies", ("card",), dies_at_some, (ValueError,), 1)
    (tally,) = run(60, seed=1, jobs=2, targets={"dies": target}).values()
    numbers = [number for number in range(60) if len(file_of(target, 1, number)) % 7 == 3]
    assert sorted(finding.number for finding in tally.findings) == numbers
    assert (tally.files, tally.outcomes) == (60, {"death": len(numbers), READ: 60 - len(numbers)})
    assert {finding.what for finding in tally.findings} == {"death: SIGKILL"}


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is not None, reason="atheris is there and would run for minutes"
)
def test_without_atheris_guided_fuzzing_is_skipped_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert guided.main([]) == 0
    assert capsys.readouterr().out.startswith("atheris is not installed (requirements/fuzz.in;")


def test_a_refusal_says_how_its_child_was_killed() -> None:
    refusal = ValueError("damaged")
    assert killed(refusal) == ""
    refusal.__cause__ = KilledError(
        "killed: more than 2 seconds of CPU time, or the system was out of memory (SIGKILL)"
    )
    assert killed(refusal) == "killed: more than 2 seconds of CPU time, or the system was out of memory"
