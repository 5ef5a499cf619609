"""The proof that a bent record is found: it finds nothing where nothing is wrong, and tells a verifier that looks away."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import tamper
from benchmarks.proof.tamper import File, Tally, Verifier
from contact_point import verify

if TYPE_CHECKING:
    from benchmarks.proof.tamper import Scene

ENTRIES = 24


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return tamper.play(ENTRIES, tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def verifier(scene: Scene) -> Verifier:
    return Verifier.of(scene)


@pytest.fixture(scope="module")
def file(scene: Scene, verifier: Verifier) -> File:
    return File.of(tamper.exported(scene), verifier)


def tally() -> Tally:
    return Tally(lambda _text: None)


def test_the_record_of_the_proof_has_trees_ended_terms_and_notes_of_the_other_contact_point(
    scene: Scene, file: File
) -> None:
    assert [place.entry is None for place in file.places] == [True] * 10 + [False] * 14
    assert len(scene.heads[-1]) == 5
    assert len(file.header.checkpoints) == 6
    assert [each.by for each in file.header.checkpoints] == ["cosigned"] * 5 + [""]
    last = scene.witnessed[-1].entries
    assert 0 < last < ENTRIES, "there is a tail, so that the proof has something to measure"


def test_every_bit_of_every_place_is_found(file: File, verifier: Verifier) -> None:
    found = tally()
    tamper.bits_of_places(file, verifier, found)
    assert found.violations == []
    assert found.counts["bits_of_places"] == found.counts["bits_of_places_found"] == 8 * sum(map(len, file.lines))


def test_bits_of_the_header_and_its_notes_are_found(file: File, verifier: Verifier) -> None:
    found = tally()
    tamper.bits_of_header(file, verifier, found, every=13)
    assert found.violations == []
    assert found.counts["bits_of_header_found"] == -(-8 * (1 + file.data.index(b"\n")) // 13)


def test_a_whole_run_comes_to_the_verdict_that_looking_at_the_line_alone_comes_to(
    file: File, verifier: Verifier
) -> None:
    found = tally()
    tamper.bits_by_whole_runs(file, verifier, found, 150)
    assert found.violations == []
    assert found.counts["whole_runs_that_agree"] == found.counts["bits_by_whole_runs_found"] == 150


def test_cuts_and_moved_places_are_found(file: File) -> None:
    found = tally()
    tamper.truncations(file, found)
    tamper.moves(file, found)
    assert found.violations == []
    assert found.counts["truncations_found"] == len(file.data)
    assert found.counts["left_out_found"] == 2 * ENTRIES
    assert found.counts["replayed_found"] == 6 * ENTRIES
    assert found.counts["swapped_found"] == 2 * (ENTRIES - 1) + 2 * ENTRIES


def test_what_the_holder_of_the_key_signs_anew_is_found_by_the_kept_notes_and_by_nothing_else(
    scene: Scene, verifier: Verifier
) -> None:
    found = tally()
    tamper.holder(scene, verifier, found)
    assert found.violations == []
    last = scene.witnessed[-1].entries
    assert found.counts["rollbacks_found"] == last - 1
    assert found.counts["signed_anew_found"] == last
    assert found.counts["found_without_the_note"] == 0


def test_the_tail_is_the_messages_of_one_exchange_at_most_and_reconciling_finds_those(
    scene: Scene, verifier: Verifier
) -> None:
    found = tally()
    tamper.tail(scene, verifier, found)
    assert found.violations == []
    assert found.counts["tail_exchanges_max"] == 1
    assert found.counts["tail_messages_max"] == 2, "a query and its match"
    assert found.counts["tail_messages_found"] == found.counts["tail_messages"]
    assert found.counts["tail_ends_found"] == 2 * len(scene.witnessed)


# What the proof is to tell


def careless(line: bytes, what: str) -> verify.Place:
    """Read a place whatever the case of its hexadecimal digits."""
    said = json.loads(line)
    for name in ("salt", "leaf"):
        said[name] = said[name] and str(said[name]).lower()
    return verify.read_place(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(), what)


def credulous(line: bytes, what: str) -> verify.Place:
    """Read a place without asking whether its entry gives its leaf."""
    said = json.loads(line)
    entry = None if said["body"] is None else verify.read_entry(said["body"], what)
    return verify.Place(said["number"], said["tree"], bytes.fromhex(said["leaf"]), entry)


@pytest.mark.parametrize("lenient", [careless, credulous])
def test_a_verifier_that_looks_away_is_told(file: File, verifier: Verifier, lenient: object) -> None:
    def read(line: bytes, what: str) -> verify.Place:
        try:
            return lenient(line, what)  # type: ignore[operator,no-any-return]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise verify.FormError(f"{what}: no place") from None

    found = tally()
    tamper.bits_of_places(file, replace(verifier, read_place=read), found)
    assert len(found.violations) > ENTRIES
    assert found.violations[0].startswith("bits_of_places: bit ")
    assert found.violations[0].endswith(" was not found")


def test_a_witness_that_slept_is_told(scene: Scene, verifier: Verifier) -> None:
    found = tally()
    tamper.tail(replace(scene, witnessed=scene.witnessed[:1]), verifier, found)
    assert found.violations == ["the tail holds messages of 4 exchanges; the promise is one at most"]


def test_a_lost_note_of_an_old_month_is_told(scene: Scene, verifier: Verifier) -> None:
    """A note binds its own tree and the end of the one before: with the last alone, older months could be written anew."""
    found = tally()
    tamper.holder(replace(scene, witnessed=scene.witnessed[-1:]), verifier, found)
    assert found.violations == [f"signed_anew: entry {number} rewritten was not found" for number in range(15)]


@pytest.mark.long
def test_the_whole_proof_finds_no_violation() -> None:
    outcome = tamper.prove(ENTRIES, lambda _text: None)
    assert outcome.violations == []
    assert all(outcome.counts[name] == count for name, count in found_of(outcome.counts))


def found_of(counts: dict[str, int | float | str]) -> list[tuple[str, int | float | str]]:
    return [(name.removesuffix("_found"), count) for name, count in counts.items() if name.endswith("_found")]
