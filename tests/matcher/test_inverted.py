"""The inverted file equals its slow twin, knows nothing of who is outside the mask, and refuses what it would misread."""

from __future__ import annotations

import io
import itertools
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher import _inverted, cells
from matcher._inverted import (
    GREATEST_SCORE,
    GREATEST_VOTE,
    NEAREST,
    TRIED,
    VOTES,
    Segment,
    aim,
    best,
    encode,
    seal,
    shortlist,
    tally,
    work_for,
)
from matcher.cells import BOOKS, BRANCHES, CELLS, DIMENSIONS, ENTRIES, LEAVES, Cells, CellsError, cells_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def drawn(seed: int, *shape: int, most: int = 60) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(np.int8)


def a_codebook() -> Cells:
    branches = drawn(1, BRANCHES, DIMENSIONS)
    leaves = (np.repeat(branches, LEAVES, axis=0) + drawn(2, CELLS, DIMENSIONS, most=30)).astype(np.int8)
    books = drawn(3, BOOKS, ENTRIES, DIMENSIONS, most=30)
    for b in range(BOOKS):
        books[b, :, np.arange(DIMENSIONS) % BOOKS != b] = 0
    return cells_of(branches, leaves, books)


CODEBOOK = a_codebook()


def gallery(seed: int, counts: Sequence[int], mates: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return descriptors and owners of fingers of so many minutiae, a third of which resemble the probe's or cells."""
    rng = np.random.default_rng(seed)
    rows = drawn(seed, sum(counts), DIMENSIONS, most=127)
    near = CODEBOOK.leaves[rng.integers(0, CELLS, len(rows))]
    if len(mates):
        near = np.where(rng.random((len(rows), 1)) < 0.5, near, mates[rng.integers(0, len(mates), len(rows))])
    rows = np.where(rng.random((len(rows), 1)) < 0.7, near + rng.integers(-12, 13, near.shape), rows)
    return rows.clip(-127, 127).astype(np.int8), np.repeat(np.arange(len(counts)), counts)


# --- the slow twin ---------------------------------------------------------------------------------------------------


def closeness(row: NDArray[np.int8], centres: NDArray[np.int8]) -> NDArray[np.int64]:
    wide = centres.astype(np.int64)
    values: NDArray[np.int64] = wide @ row.astype(np.int64) - (wide**2).sum(axis=-1) // 2
    return values


def by_closeness(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the values, greatest first, of equal ones the first first."""
    return np.argsort(-values, kind="stable")


def code_by_hand(row: NDArray[np.int8]) -> tuple[int, int, int]:
    tried = by_closeness(closeness(row, CODEBOOK.branches))[:TRIED]
    among = sorted(leaf for branch in tried for leaf in range(branch * LEAVES, (branch + 1) * LEAVES))
    cell = among[by_closeness(closeness(row, CODEBOOK.leaves[among]))[0]]
    residual = row.astype(np.int64) - CODEBOOK.leaves[cell]
    even, odd = (by_closeness(closeness(residual, book))[0] for book in CODEBOOK.books)
    return int(cell), int(even), int(odd)


def scores_by_hand(
    probe: NDArray[np.int8], rows: NDArray[np.int8], owner: NDArray[np.int64], fingers: int, nearest: int
) -> list[int]:
    codes = [code_by_hand(row) for row in rows]
    votes = [0] * fingers
    for minutia in probe.astype(np.int64):
        near = by_closeness(closeness(minutia, CODEBOOK.leaves))[:nearest]
        similarity = CODEBOOK.leaves[near].astype(np.int64) @ minutia
        far = max(nearest // 4, 1)
        gain = dict(zip(near.tolist(), (similarity - similarity[-far:].sum() // far).tolist(), strict=True))
        for (cell, even, odd), finger in zip(codes, owner.tolist(), strict=True):
            if cell in gain:
                residual = CODEBOOK.books[0, even].astype(np.int64) + CODEBOOK.books[1, odd]
                votes[finger] += min(max(gain[cell] + int(minutia @ residual), 0) // 128, GREATEST_VOTE)
    sizes = np.bincount(owner, minlength=fingers).tolist()
    return [
        min(vote * ((32 << 16) // max(size, 1)) // 65536, GREATEST_SCORE - 1) + 1
        for vote, size in zip(votes, sizes, strict=True)
    ]


def best_by_hand(scores: Sequence[int], count: int) -> list[int]:
    ranked = sorted((finger for finger, score in enumerate(scores) if score), key=lambda f: (-scores[f], f))
    return sorted(ranked[:count])


# --- what equals it --------------------------------------------------------------------------------------------------


def scored(probe: NDArray[np.int8], segment: Segment, mask: NDArray[np.bool_], nearest: int) -> list[int]:
    scores = np.full(len(segment.sizes), 7, dtype=np.uint16)
    tally(aim(CODEBOOK, probe, nearest), segment, mask, np.full(VOTES, 9, dtype=np.int32), scores)
    return scores.tolist()


HOSTILE = {
    "least": np.full((3, DIMENSIONS), -128, dtype=np.int8),
    "greatest": np.full((3, DIMENSIONS), 127, dtype=np.int8),
    "nought": np.zeros((3, DIMENSIONS), dtype=np.int8),
    "a centre": CODEBOOK.leaves[[0, CELLS - 1, 5]],
}


@pytest.mark.parametrize("rows", [drawn(7, 60, DIMENSIONS, most=127), *HOSTILE.values()], ids=["any", *HOSTILE])
def test_codes_are_the_nearest_cell_of_the_nearest_branches_and_the_nearest_entries(rows: NDArray[np.int8]) -> None:
    found = [(int(code) & 0xFFFF, int(code) >> 16 & 0xFF, int(code) >> 24) for code in encode(CODEBOOK, rows)]
    assert found == [code_by_hand(row) for row in rows]


@pytest.mark.parametrize(
    ("m", "counts", "nearest"),
    [
        (34, (34, 20, 0, 40, 1, 33), NEAREST),
        (6, (12, 255, 3), 1),
        (1, (1,), 3),
        (255, (30, 2), 5),
        (0, (30, 2), NEAREST),
        (20, (0, 0), NEAREST),
        (9, (40, 41), 400),
    ],
)
def test_scores_equal_the_slow_twin(m: int, counts: tuple[int, ...], nearest: int) -> None:
    probe = drawn(m, m, DIMENSIONS, most=40)
    rows, owner = gallery(nearest, counts, probe)
    segment = seal(encode(CODEBOOK, rows), owner, len(counts))
    everybody = np.ones(len(counts), dtype=np.bool_)
    expected = scores_by_hand(probe, rows, owner, len(counts), nearest)
    assert scored(probe, segment, everybody, nearest) == expected
    if m >= 6 and len(rows):
        assert max(expected) > 1


def test_equal_descriptors_everywhere_score_what_the_slow_twin_says_and_stay_within_bounds() -> None:
    probe = np.full((255, DIMENSIONS), 127, dtype=np.int8)
    owner = np.repeat(np.arange(3), 255)
    rows = np.full((len(owner), DIMENSIONS), 127, dtype=np.int8)
    segment = seal(encode(CODEBOOK, rows), owner, 3)
    once = scores_by_hand(probe[:1], rows[:1], owner[:1], 1, NEAREST)
    assert once[0] > 1
    scores = scored(probe, segment, np.ones(3, dtype=np.bool_), NEAREST)
    assert scores == [min((once[0] - 1) * 255, GREATEST_SCORE - 1) + 1] * 3


def test_no_vote_counts_more_than_the_greatest() -> None:
    wide = cells_of(CODEBOOK.branches, np.full((CELLS, DIMENSIONS), -127, dtype=np.int8), CODEBOOK.books)
    leaves = wide.leaves.copy()
    leaves[0] = 127
    wide = cells_of(CODEBOOK.branches, leaves, CODEBOOK.books)
    probe = np.full((1, DIMENSIONS), 127, dtype=np.int8)
    segment = seal(np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.int64), 1)
    scores = np.zeros(1, dtype=np.uint16)
    tally(aim(wide, probe, 4), segment, np.ones(1, dtype=np.bool_), np.zeros(VOTES, dtype=np.int32), scores)
    assert scores.tolist() == [min(GREATEST_VOTE * 32, GREATEST_SCORE - 1) + 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12) | st.just(GREATEST_SCORE), max_size=40), st.integers(0, 45))
def test_the_best_are_those_of_the_slow_twin(scores: list[int], count: int) -> None:
    found = best(np.array(scores, dtype=np.uint16), count, work_for(0).histogram)
    assert found.tolist() == best_by_hand(scores, count)


# --- whole searches --------------------------------------------------------------------------------------------------


PROBE = drawn(34, 34, DIMENSIONS, most=40)
COUNTS = [int(n) for n in np.random.default_rng(8).integers(0, 45, 300)]


def segments_of(seed: int, counts: Sequence[int], cuts: Sequence[int]) -> list[Segment]:
    """Return the fingers in segments that end at the cuts."""
    rows, owner = gallery(seed, counts, PROBE)
    codes = encode(CODEBOOK, rows)
    made = []
    for first, last in itertools.pairwise([0, *cuts, len(counts)]):
        held = (owner >= first) & (owner < last)
        made.append(seal(codes[held], owner[held] - first, last - first))
    return made


def found(segments: Sequence[Segment], mask: NDArray[np.bool_], count: int) -> list[int]:
    numbers: list[int] = shortlist(aim(CODEBOOK, PROBE), segments, mask, count, work_for(len(mask))).tolist()
    return numbers


def test_where_segments_end_changes_nothing() -> None:
    everybody = np.ones(len(COUNTS), dtype=np.bool_)
    whole = found(segments_of(5, COUNTS, []), everybody, 20)
    assert whole == found(segments_of(5, COUNTS, [1, 100, 100, 299]), everybody, 20)
    assert len(whole) == 20


def test_who_is_outside_the_mask_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    mask = rng.random(len(COUNTS)) < 0.4
    others = [count if inside else int(rng.integers(0, 200)) for count, inside in zip(COUNTS, mask, strict=True)]
    rows, owner = gallery(5, COUNTS, PROBE)
    strangers, their = gallery(9, others, PROBE)
    mixed = [
        (rows if inside else strangers)[(owner if inside else their) == finger] for finger, inside in enumerate(mask)
    ]
    again = seal(
        encode(CODEBOOK, np.concatenate(mixed)), np.repeat(np.arange(len(mixed)), [*map(len, mixed)]), len(mixed)
    )
    alone = [part for part, inside in zip(mixed, mask, strict=True) if inside]
    only = seal(
        encode(CODEBOOK, np.concatenate(alone)), np.repeat(np.arange(len(alone)), [*map(len, alone)]), len(alone)
    )
    for count in (1, 10, 1000):
        expected = found(segments_of(5, COUNTS, []), mask, count)
        assert found([again], mask, count) == expected
        inside = np.flatnonzero(mask)
        assert inside[found([only], np.ones(len(alone), dtype=np.bool_), count)].tolist() == expected
        assert len(expected) == min(count, np.count_nonzero(mask))


def test_nobody_is_found_where_everybody_is_masked_out_or_nobody_is_asked_for() -> None:
    segments = segments_of(5, COUNTS, [150])
    assert found(segments, np.zeros(len(COUNTS), dtype=np.bool_), 20) == []
    assert found(segments, np.ones(len(COUNTS), dtype=np.bool_), 0) == []
    assert found([], np.zeros(0, dtype=np.bool_), 20) == []


def test_ties_go_to_the_lower_number() -> None:
    segment = seal(np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.int64), 9)
    mask = np.array([False, True, True, False, True, True, True, True, True])
    assert found([segment], mask, 4) == [1, 2, 4, 5]


def test_searches_at_once_find_what_each_finds_alone() -> None:
    segments = segments_of(5, COUNTS, [150])
    masks = [np.random.default_rng(seed).random(len(COUNTS)) < 0.5 for seed in range(4)]
    alone = [found(segments, mask, 20) for mask in masks]
    together: dict[int, list[list[int]]] = {}

    def search(number: int) -> None:
        together[number] = [found(segments, masks[number], 20) for _ in range(20)]

    threads = [threading.Thread(target=search, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results == [alone[number]] * 20 for number, results in together.items())
    assert len(together) == 4


def test_a_mate_comes_before_strangers() -> None:
    codebook = cells.cells()
    rows = codebook.leaves[np.random.default_rng(1).integers(0, CELLS, 34 * 500)]
    owner = np.repeat(np.arange(500), 34)
    segment = seal(encode(codebook, rows), owner, 500)
    mate = rows[owner == 321][:20] + drawn(4, 20, DIMENSIONS, most=3)
    mask = np.ones(500, dtype=np.bool_)
    assert shortlist(aim(codebook, mate.astype(np.int8)), [segment], mask, 1, work_for(500)).tolist() == [321]


def test_a_damaged_segment_makes_no_kernel_leave_its_arrays() -> None:
    segment = seal(encode(CODEBOOK, PROBE), np.zeros(34, dtype=np.int64), 1)
    for offsets in (segment.offsets - 1000, segment.offsets + 2**30, segment.offsets[::-1].copy()):
        scored(PROBE, segment._replace(offsets=offsets), np.ones(1, dtype=np.bool_), NEAREST)
    postings = np.full(34, 2**32 - 1, dtype=np.uint32)
    scored(PROBE, segment._replace(postings=postings), np.ones(1, dtype=np.bool_), NEAREST)


# --- refusals --------------------------------------------------------------------------------------------------------

CODES = np.zeros(3, dtype=np.uint32)
OWNER = np.array([0, 0, 1])


def test_refusals_of_seal_say_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"codes must be uint32 of shape \(any\), contiguous in C order; got int64"):
        seal(CODES.astype(np.int64), OWNER, 2)
    with pytest.raises(
        ValueError, match=r"owner must be int64 of shape \(3\), contiguous .* got int64 of shape \(2,\)"
    ):
        seal(CODES, OWNER[:2], 2)
    with pytest.raises(ValueError, match="a segment holds 0 to 65535 fingers, as many as two bytes name; got 65537"):
        seal(CODES, OWNER, 65_537)
    for owner in (OWNER[::-1].copy(), OWNER - 1, OWNER + 1):
        with pytest.raises(
            ValueError, match="owners ascend from 0 to the number of fingers, 2, less one; these do not"
        ):
            seal(CODES, owner, 2)
    with pytest.raises(ValueError, match=r"at most 255 minutiae \(ISO/IEC 19794-2:2005, 7.4.1.4\); got 256: keep"):
        seal(np.zeros(256, dtype=np.uint32), np.zeros(256, dtype=np.int64), 1)
    with pytest.raises(
        ValueError, match="codes name cells 0 to 15359; got 15360: they are not of this form of codebook"
    ):
        seal(np.full(3, CELLS, dtype=np.uint32), OWNER, 2)


def test_refusals_of_a_probe_say_what_was_expected() -> None:
    with pytest.raises(
        ValueError, match=r"descriptors must be int8 of shape \(any, 64\).* got int8 of shape \(3, 32\)"
    ):
        aim(CODEBOOK, np.zeros((3, 32), dtype=np.int8))
    with pytest.raises(ValueError, match=r"descriptors must be int8 .*, not contiguous"):
        encode(CODEBOOK, PROBE[::2])
    with pytest.raises(ValueError, match=r"a probe has at most 255 minutiae .* got 256: keep those of best quality"):
        aim(CODEBOOK, np.zeros((256, DIMENSIONS), dtype=np.int8))
    for nearest in (0, CELLS + 1):
        with pytest.raises(ValueError, match=f"a minutia looks into 1 to 15360 cells; got {nearest}"):
            aim(CODEBOOK, PROBE, nearest)


def test_refusals_of_a_search_say_what_was_expected() -> None:
    segment = seal(CODES, OWNER, 2)
    target, work = aim(CODEBOOK, PROBE), work_for(2)
    with pytest.raises(ValueError, match=r"mask must be bool of shape \(2\).* got bool of shape \(3,\)"):
        shortlist(target, [segment], np.ones(3, dtype=np.bool_), 1, work)
    with pytest.raises(ValueError, match=r"scores must be uint16 of shape \(2\).* got uint16 of shape \(1,\)"):
        shortlist(target, [segment], np.ones(2, dtype=np.bool_), 1, work_for(1))
    with pytest.raises(ValueError, match=r"votes must be int32 of shape \(65536\).* got int32 of shape \(9,\)"):
        tally(target, segment, np.ones(2, dtype=np.bool_), np.zeros(9, dtype=np.int32), work.scores)
    with pytest.raises(ValueError, match=r"segment.offsets must be int32 of shape \(15361\)"):
        tally(target, segment._replace(offsets=OWNER), np.ones(2, dtype=np.bool_), work.votes, work.scores)
    with pytest.raises(ValueError, match="a shortlist has 0 or more fingers; got -1"):
        best(work.scores, -1, work.histogram)
    with pytest.raises(ValueError, match="scores are 0 to 16383; got 16384"):
        best(np.full(2, 16_384, dtype=np.uint16), 1, work.histogram)
    foreign = target._replace(cells=target.cells + np.int32(CELLS))
    with pytest.raises(ValueError, match="cells of a probe are numbers from 0 to 15359; these are not"):
        tally(foreign, segment, np.ones(2, dtype=np.bool_), work.votes, work.scores)


# --- the codebook ----------------------------------------------------------------------------------------------------


def test_the_codebook_that_ships_has_its_shape_is_read_only_and_is_told_where_from() -> None:
    shipped = cells.cells()
    assert cells.cells() is shipped
    assert not any(array.flags.writeable for array in shipped)
    assert len(cells.serialized(shipped)) < 1 << 20
    for b in range(BOOKS):
        assert not shipped.books[b, :, np.arange(DIMENSIONS) % BOOKS != b].any()


def test_a_codebook_is_read_back_from_its_bytes_and_equal_ones_have_equal_bytes() -> None:
    data = cells.serialized(CODEBOOK)
    again = cells.parse(data)
    for one, other in zip(CODEBOOK, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert cells.serialized(again) == data


def an_npz(**arrays: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def test_refusals_of_a_codebook_say_what_was_expected() -> None:
    data = cells.serialized(CODEBOOK)
    for damaged in (b"", data[:100], data[:-40], b"x" * 1000):
        with pytest.raises(CellsError, match=r"a codebook of cells is an \.npz file of arrays; this is none"):
            cells.parse(damaged)
    with pytest.raises(
        CellsError, match=r"books of a codebook of cells is int8 of shape \(2, 256, 64\); got int16 of \(3,\)"
    ):
        cells_of(CODEBOOK.branches, CODEBOOK.leaves, np.zeros(3, dtype=np.int16))
    with pytest.raises(CellsError, match="a codebook of cells of version 1 is needed; got 2: train it again"):
        cells.parse(an_npz(version=np.array(2)))
    with pytest.raises(CellsError, match="a codebook of cells of version 1 is needed; got 0: train it again"):
        cells.parse(an_npz(books=CODEBOOK.books))
    with pytest.raises(CellsError, match="a codebook of cells holds branches, leaves, books; got leaves"):
        cells.parse(an_npz(version=np.array(1), leaves=CODEBOOK.leaves))


def test_every_kernel_of_the_inverted_file_releases_the_interpreter_lock() -> None:
    for name in ("_encode", "_file", "_aim", "_tally", "_score", "_best"):
        assert getattr(_inverted, name).targetoptions["nogil"]
