"""Stage one equals its slow twin in every way there is to compute it, and refuses what it would misread."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding
from numba.core.errors import TypingError

from matcher import _sift
from matcher._sift import GROUP, GROUPS, LANES, Blocks, Rows, blocks_of, rows_of, sift, similarities
from matcher.descriptors import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Compute = Callable[[NDArray[np.int8], NDArray[np.int8], Sequence[int], int], list[int]]

ROOT = Path(__file__).parents[2]
COUNTS = (0, 1, 7, 8, 15, 16, 17, 24, 33, 34, 40, 0)
NOBODY = (np.zeros(0, dtype=np.int64), np.int32(0), np.zeros(0, dtype=np.int32))
FLOORS = (0, 1, 60_000, 2**31 - 1)


def random(seed: int, n: int) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-127, 128, (n, DIMENSIONS), dtype=np.int8)


def starts_of(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def fingers_like(seed: int, counts: Sequence[int], mate: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return descriptors of so many fingers, some of whose minutiae resemble a probe's."""
    rng = np.random.default_rng(seed)
    descriptors = random(seed, sum(counts))
    if len(mate):
        alike = rng.random(len(descriptors)) < 0.3
        noise = rng.integers(-30, 31, (int(alike.sum()), DIMENSIONS))
        descriptors[alike] = (mate[rng.integers(0, len(mate), int(alike.sum()))] + noise).clip(-127, 127)
    return descriptors


def read_by_hand(count: int) -> int:
    """Return how many minutiae of a finger stage one reads."""
    return min(count, max(1, (count + 8) // 16) * 16)


def scored_by_hand(
    probe: NDArray[np.int8], descriptors: NDArray[np.int8], counts: Sequence[int], floor: int
) -> list[int]:
    """Return the score of every finger: sums over matrices of products, in 64 bits."""
    scores = []
    for start, count in zip(starts_of(counts), counts, strict=False):
        products = descriptors[start : start + read_by_hand(count)].astype(np.int64) @ probe.astype(np.int64).T
        best = products.max(axis=1) if len(probe) else np.zeros(0, dtype=np.int64)
        scores.append(int(np.maximum(best - floor, 0).sum()))
    return scores


def sifted(probe: NDArray[np.int8], descriptors: NDArray[np.int8], counts: Sequence[int], floor: int) -> list[int]:
    scores = np.full(len(counts), -7, dtype=np.int32)
    sift(rows_of(probe), blocks_of(descriptors, starts_of(counts)), np.arange(len(counts)), floor, scores)
    return list(scores.tolist())


def sifted_portably(
    probe: NDArray[np.int8], descriptors: NDArray[np.int8], counts: Sequence[int], floor: int
) -> list[int]:
    scores = np.full(len(counts), -7, dtype=np.int32)
    blocks = blocks_of(descriptors, starts_of(counts))
    fingers = np.arange(len(counts))
    assert _sift._sift_portable(rows_of(probe), blocks, fingers, np.int32(floor), scores) == -1
    return list(scores.tolist())


WAYS = pytest.mark.parametrize("compute", [sifted, sifted_portably])


# --- how descriptors lie ---------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=8), st.integers(0, 2**32 - 1))
def test_descriptors_are_found_again_in_the_blocks_of_their_finger_and_empty_lanes_hold_zero(
    counts: list[int], seed: int
) -> None:
    descriptors, starts = random(seed, sum(counts)), starts_of(counts)
    values, first, read = blocks_of(descriptors, starts)
    assert values.shape == (sum(-(-count // LANES) for count in counts), GROUPS, LANES, GROUP)
    assert read.tolist() == [-(-read_by_hand(count) // LANES) for count in counts]
    for start, count, block in zip(starts, counts, first, strict=False):
        owned = values[block : block + -(-count // LANES)]
        lanes = owned.transpose(0, 2, 1, 3).reshape(-1, DIMENSIONS).astype(int) - 128
        assert (lanes[:count] == descriptors[start : start + count]).all()
        assert not lanes[count:].any()


def test_blocks_begin_at_lines_of_the_cache() -> None:
    assert not any(blocks_of(random(1, n), starts_of([n])).values.ctypes.data % 64 for n in (1, 40, 200))


def test_rows_carry_their_bias_and_are_a_copy() -> None:
    descriptors = random(2, 9)
    kept = descriptors.copy()
    rows = rows_of(descriptors)
    descriptors[:] = 1
    assert (rows.values == kept).all()
    assert (rows.wide == kept).all()
    assert rows.bias.tolist() == [-128 * int(row.sum()) for row in kept.astype(int)]


def test_rows_of_a_probe_held_in_an_unknown_way_leave_the_directions_out() -> None:
    descriptors = random(3, 9)
    rows = rows_of(descriptors, turned=True)
    assert not rows.values[:, 62:].any()
    assert (rows.values[:, :62] == descriptors[:, :62]).all()
    assert rows.bias.tolist() == [-128 * int(row.sum()) for row in descriptors[:, :62].astype(int)]


# --- scores ----------------------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("m", [0, 1, 2, 7, 8, 9, 34, 255])
def test_scores_equal_the_slow_twin(compute: Compute, m: int, floor: int) -> None:
    probe = random(10 + m, m)
    descriptors = fingers_like(11 + m, COUNTS, probe)
    assert compute(probe, descriptors, COUNTS, floor) == scored_by_hand(probe, descriptors, COUNTS, floor)


@WAYS
@pytest.mark.parametrize("gallery", [-128, -127, 0, 127])
@pytest.mark.parametrize("probe", [-128, -127, 0, 127])
def test_largest_numbers_do_not_overflow(compute: Compute, probe: int, gallery: int) -> None:
    rows = np.full((255, DIMENSIONS), probe, dtype=np.int8)
    descriptors = np.full((255, DIMENSIONS), gallery, dtype=np.int8)
    assert compute(rows, descriptors, [255], 0) == [255 * max(0, DIMENSIONS * probe * gallery)]


@WAYS
def test_minutiae_that_resemble_nothing_of_the_probe_and_empty_lanes_add_nothing(compute: Compute) -> None:
    probe = np.full((3, DIMENSIONS), 100, dtype=np.int8)
    assert compute(probe, -np.repeat(probe, 3, axis=0), [9], 0) == [0]


@WAYS
def test_minutiae_behind_those_read_do_not_count(compute: Compute) -> None:
    probe = random(20, 1)
    strangers = np.zeros((16, DIMENSIONS), dtype=np.int8)
    mates = np.repeat(probe, 7, axis=0)
    assert compute(probe, np.concatenate([strangers, mates]), [23], 0) == [0]
    assert compute(probe, np.concatenate([mates, strangers]), [23], 0)[0] > 0


def test_fingers_are_scored_in_the_order_listed_and_more_than_once_where_listed_so() -> None:
    probe = random(30, 34)
    descriptors = fingers_like(31, COUNTS, probe)
    expected = scored_by_hand(probe, descriptors, COUNTS, 50_000)
    fingers = np.array([9, 3, 3, 0, 11, 9], dtype=np.int64)
    scores = np.zeros(len(fingers), dtype=np.int32)
    sift(rows_of(probe), blocks_of(descriptors, starts_of(COUNTS)), fingers, 50_000, scores)
    assert scores.tolist() == [expected[f] for f in fingers]


@pytest.mark.parametrize("counts", [[], [40]])
def test_an_empty_list_of_fingers_is_no_work(counts: list[int]) -> None:
    nobody = np.zeros(0, dtype=np.int64)
    blocks = blocks_of(random(1, sum(counts)), starts_of(counts))
    sift(rows_of(random(2, 34)), blocks, nobody, 0, np.zeros(0, dtype=np.int32))


def test_a_gallery_is_read_from_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    probe = random(40, 34)
    descriptors = fingers_like(41, COUNTS, probe)
    blocks = blocks_of(descriptors, starts_of(COUNTS))
    (tmp_path / "values").write_bytes(b"?" + blocks.values.tobytes())  # no vector lies where vectors like to lie
    mapped = np.memmap(tmp_path / "values", dtype=np.uint8, mode="r", offset=1, shape=blocks.values.shape)
    scores = np.zeros(len(COUNTS), dtype=np.int32)
    sift(rows_of(probe), blocks._replace(values=mapped), np.arange(len(COUNTS)), 50_000, scores)
    assert scores.tolist() == scored_by_hand(probe, descriptors, COUNTS, 50_000)


def test_threads_share_the_gallery() -> None:
    probe, counts = random(50, 34), [34] * 400
    descriptors = fingers_like(51, counts, probe)
    rows, blocks = rows_of(probe), blocks_of(descriptors, starts_of(counts))
    scores = np.zeros(400, dtype=np.int32)
    parts = [slice(0, 150), slice(150, 400)]
    threads = [
        threading.Thread(target=sift, args=(rows, blocks, np.arange(400)[part], 50_000, scores[part])) for part in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores.tolist() == scored_by_hand(probe, descriptors, counts, 50_000)


# --- similarities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compute", [similarities, _sift._similarities_portable])
@pytest.mark.parametrize("m", [0, 1, 34])
def test_similarities_are_the_matrix_product(compute: Callable[..., int], m: int) -> None:
    probe, descriptors, starts = random(60, m), random(61, sum(COUNTS)), starts_of(COUNTS)
    blocks = blocks_of(descriptors, starts)
    for f, n in enumerate(COUNTS):
        out = np.full((m + 2, 51), -7, dtype=np.int32)
        assert compute(rows_of(probe), blocks, f, n, out) == n
        expected = probe.astype(np.int32) @ descriptors[starts[f] : starts[f + 1]].astype(np.int32).T
        assert (out[:m, :n] == expected).all()
        assert (out[m:] == -7).all()
        assert (out[:, -(-n // LANES) * LANES :] == -7).all()


@pytest.mark.parametrize("compute", [similarities, _sift._similarities_portable])
@pytest.mark.parametrize(
    ("finger", "n", "shape"),
    [
        (-1, 20, (9, 32)),
        (2, 20, (9, 32)),
        (2**62, 20, (9, 32)),
        (1, 33, (9, 48)),
        (1, -1, (9, 32)),
        (1, 256, (9, 256)),
        (1, 2**63 - 1, (9, 32)),
        (1, 20, (8, 32)),
        (1, 20, (9, 31)),
    ],
)
def test_similarities_without_room_or_blocks_write_nothing(
    compute: Callable[..., int], finger: int, n: int, shape: tuple[int, int]
) -> None:
    blocks = blocks_of(random(61, 40), starts_of([20, 20]))
    out = np.full(shape, -7, dtype=np.int32)
    assert compute(rows_of(random(60, 9)), blocks, finger, n, out) == -1
    assert (out == -7).all()


@pytest.mark.parametrize("compute", [similarities, _sift._similarities_portable])
def test_similarities_of_damaged_rows_or_blocks_write_nothing(compute: Callable[..., int]) -> None:
    rows, blocks = rows_of(random(60, 9)), blocks_of(random(61, 40), starts_of([20, 20]))
    out = np.full((9, 32), -7, dtype=np.int32)
    assert compute(rows._replace(values=rows.values[:8]), blocks, 1, 20, out) == -1
    assert compute(rows._replace(wide=rows.wide[:, :32].copy()), blocks, 1, 20, out) == -1
    assert compute(rows, blocks._replace(values=blocks.values[:, :8].copy()), 1, 20, out) == -1
    assert compute(rows, blocks._replace(first=np.array([0, 3])), 1, 20, out) == -1
    assert compute(rows, blocks._replace(first=np.array([0, 2**63 - 1])), 1, 20, out) == -1
    assert (out == -7).all()


@pytest.mark.skipif(_sift.WAY is None, reason="plain loops convert numbers by themselves")
@pytest.mark.parametrize("wrong", [np.zeros((9, 32)), np.zeros((32, 9), dtype=np.int32).T])
def test_similarities_are_not_compiled_for_an_array_whose_bytes_they_would_misread(wrong: np.ndarray) -> None:
    blocks = blocks_of(random(61, 20), starts_of([20]))
    with pytest.raises(TypingError, match="out must be int32 of 2 dimensions in C order; got array"):
        similarities(rows_of(random(60, 9)), blocks, 0, 20, wrong)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_descriptors_of_another_shape_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"descriptors must be int8 of shape \(any, 64\), .* got int8 of shape \(9, 32\)"
    ):
        rows_of(np.zeros((9, 32), dtype=np.int8))
    with pytest.raises(ValueError, match=r"descriptors must be int8 .* got int16 of shape \(9, 64\)"):
        blocks_of(np.zeros((9, 64), dtype=np.int16), starts_of([9]))
    with pytest.raises(ValueError, match=r"got int8 of shape \(9, 64\), not contiguous"):
        rows_of(np.zeros((64, 9), dtype=np.int8).T)


@pytest.mark.parametrize("starts", [[], [0], [1, 9], [0, 8], [0, 10], [0, 12, 9], [0, -3, 9]])
def test_rows_that_are_not_divided_into_fingers_are_refused(starts: list[int]) -> None:
    with pytest.raises(ValueError, match="starts must rise from 0 to the number of descriptors, 9, so that"):
        blocks_of(random(1, 9), np.array(starts, dtype=np.int64))


def test_a_finger_of_too_many_minutiae_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"a finger has at most 255 minutiae \(ISO/IEC 19794-2:2005, 7.4.1.4\); got 256"
    ):
        blocks_of(random(1, 257), starts_of([1, 256]))


def refused(
    *,
    rows: Rows | None = None,
    blocks: Blocks | None = None,
    fingers: Sequence[int] | np.ndarray = (0, 1),
    floor: int = 0,
    scores: np.ndarray | None = None,
) -> str:
    """Return the message with which a search among two fingers of 20 and 40 minutiae is refused."""
    listed = np.asarray(fingers, dtype=None if isinstance(fingers, np.ndarray) else np.int64)
    with pytest.raises(ValueError) as caught:
        sift(
            rows or rows_of(random(70, 5)),
            blocks or blocks_of(random(71, 60), starts_of([20, 40])),
            listed,
            floor,
            np.zeros(len(listed), dtype=np.int32) if scores is None else scores,
        )
    return str(caught.value)


@pytest.mark.parametrize("finger", [-1, 2, 2**62, -(2**63)])
def test_a_finger_that_is_not_in_the_gallery_is_refused(finger: int) -> None:
    assert refused(fingers=[0, finger]) == f"fingers are numbers of the gallery's 2, from 0; got {finger} at place 1"


@pytest.mark.parametrize(
    ("first", "read"), [(-1, 1), (5, 1), (4, 2), (0, -1), (0, 17), (2**63 - 1, 2), (-(2**63), 2), (0, -(2**31))]
)
def test_a_finger_whose_blocks_are_not_in_the_gallery_is_refused(first: int, read: int) -> None:
    good = blocks_of(random(71, 60), starts_of([20, 40]))
    bad = good._replace(first=np.array([0, first]), read=np.array([1, read], dtype=np.int32))
    assert refused(blocks=bad) == (
        f"finger 1 must lie in at most 16 of the gallery's 5 blocks; got {read} from block {first} on: blocks.first and "
        "blocks.read are of another gallery, or damaged"
    )


@pytest.mark.parametrize("floor", [-1, 2**31])
def test_a_floor_that_empty_lanes_would_exceed_is_refused(floor: int) -> None:
    assert refused(floor=floor).endswith(f"to 2147483647; got {floor}")


def test_arrays_of_another_type_or_length_are_refused() -> None:
    rows, blocks = rows_of(random(70, 5)), blocks_of(random(71, 60), starts_of([20, 40]))
    assert "rows.values must be int8" in refused(rows=rows._replace(values=rows.wide))  # type: ignore[arg-type]
    assert "rows.wide must be int16 of shape (5, 64)" in refused(rows=rows._replace(wide=rows.wide[:4]))
    assert "rows.bias must be int32 of shape (5)" in refused(rows=rows._replace(bias=rows.bias[:4]))
    assert "blocks.values must be uint8 of shape (any, 16, 16, 4)" in refused(
        blocks=blocks._replace(values=blocks.values.reshape(-1, 8, 32, 4))
    )
    assert "blocks.first must be int64" in refused(blocks=blocks._replace(first=blocks.first.astype(float)))
    assert "blocks.read must be int32 of shape (2)" in refused(blocks=blocks._replace(read=blocks.read[:1]))
    assert "fingers must be int64 of shape (any)" in refused(fingers=np.zeros(2, dtype=np.int32))
    assert "scores must be int32 of shape (2)" in refused(scores=np.zeros(3, dtype=np.int32))


# --- other processors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "way"),
    [
        ("", None),
        ("+sse4.2,-avx2,-avx512vnni", None),
        ("+neon,+dotprod,+i8mm", None),
        ("+avx2,+avx512f,-avx512vnni", _sift._Pairs),
        ("+avx2,+avxvnni,-avx512f", _sift._Half),
        ("+avx2,+avx512f,+avx512vl,+avx512vnni,+avxvnni", _sift._Wide),
    ],
)
def test_the_way_is_chosen_by_what_the_processor_knows(features: str, way: type | None) -> None:
    assert _sift.way_of(features) is way


def digest() -> str:
    """Return the way and a digest of scores and similarities, of little work: plain Python does it in a second."""
    content = hashlib.sha256()
    if _sift.WAY is None and not _sift._settings.DISABLE_JIT:
        with pytest.raises(TypingError, match="this processor has no instructions for vectors of bytes"):
            _sift._sift_vectors(rows_of(random(1, 1)), blocks_of(random(1, 1), starts_of([1])), *NOBODY)
    for m in (0, 1, 6):
        probe = random(80 + m, m)
        descriptors = fingers_like(81 + m, COUNTS, probe)
        for compute in (sifted, sifted_portably):
            found = compute(probe, descriptors, COUNTS, 50_000)
            assert found == scored_by_hand(probe, descriptors, COUNTS, 50_000)
            content.update(repr(found).encode())
        out = np.zeros((m, 48), dtype=np.int32)
        assert similarities(rows_of(probe), blocks_of(descriptors, starts_of(COUNTS)), 10, 40, out) == 40
        content.update(out.tobytes())
    return f"{getattr(_sift.WAY, '__name__', None)} {content.hexdigest()}"


def elsewhere(**environment: str) -> list[str]:
    """Return the way and the digest of a process to which numba is told that the machine is another."""
    call = "from tests.matcher.test_sift import digest; print(digest())"
    done = subprocess.run(
        [sys.executable, "-c", call],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_results_are_the_same_without_compiling() -> None:
    assert elsewhere(NUMBA_DISABLE_JIT="1") == ["None", digest().split()[1]]


@pytest.mark.parametrize(
    ("needed", "way"), [("avx512vl,avx512vnni", "_Half"), ("avxvnni", "_Half"), ("avx2", "_Pairs"), ("", "None")]
)
def test_results_are_the_same_on_other_processors(needed: str, way: str) -> None:
    known = binding.get_host_cpu_features()
    names = [name for name in needed.split(",") if name]
    if not all(known.get(name) for name in names):
        pytest.skip(f"this machine cannot run code for {needed}")
    if binding.get_default_triple().split("-")[0] != "x86_64":
        pytest.skip("the other processors are x86-64")
    told = ",".join(f"+{name}" for name in names)
    assert elsewhere(NUMBA_CPU_NAME="x86-64", NUMBA_CPU_FEATURES=told) == [way, digest().split()[1]]
