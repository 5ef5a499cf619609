"""Stage one of the search, exhaustive: how well each finger's minutiae find their like among the probe's.

In reading order: how a gallery's descriptors lie in memory (:func:`blocks_of`), how a probe's do (:func:`rows_of`), what is
computed for every finger listed (:func:`sift`), what stage two asks for about the few that are left (:data:`similarities`),
and the ways to compute it.

A descriptor is 64 numbers of one signed byte; the similarity of two is their inner product. Of a finger's minutiae each takes
its best similarity with any of the probe's and counts with what that exceeds a floor by; the finger's score is the sum. All
of it is integers and exact: every way gives the same numbers, on every machine.

Sixteen minutiae of a finger lie together in a *block*, four dimensions of all sixteen beside each other, so that one
instruction, VPDPBUSD, multiplies and adds 64 bytes of the block and four dimensions of a minutia of the probe. One of its
operands is unsigned: the gallery is stored + 128, and a minutia of the probe starts its sums at -128 times its own sum, its
*bias*. Which instructions there are, numba says when this module is loaded (:func:`way_of`); only those are ever compiled.

Microseconds a finger, one core of Zen 4 at 3.6 GHz, probe of 34 minutiae, 200,000 fingers of 32 to 34 in memory: 0.31 with
AVX-512 VNNI (34 x 2 x 16 instructions at one a cycle are 0.30), 0.37 with VNNI of 256 bits, 0.89 with AVX2; with plain loops
2.0 to 2.6 where they become vectors of that width, 6.2 with SSE2 alone. List fingers in rising order: in no order they cost
0.65, because each then waits for its own pages. Probes of under 20 minutiae wait for memory, too: 0.27 with 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils, codegen, config, errors

from matcher._arrays import aligned, expect
from matcher._compiled import bare_kernel, kernel
from matcher.descriptors import DIMENSIONS
from matcher.template import MAX_MINUTIAE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LANES: Final = 16
"""Minutiae of a block."""
GROUP: Final = 4
"""Dimensions of a lane that lie together."""
GROUPS: Final = DIMENSIONS // GROUP
MOST_BLOCKS: Final = -(-MAX_MINUTIAE // LANES)

# numba's own annotations are too few to be held to.
intrinsic: Final[Callable[[Callable[..., Any]], Any]] = extending.intrinsic
_tools: Final[Any] = cgutils
_settings: Final[Any] = config
_target: Final[Any] = codegen

_DIRECTION: Final = slice(62, 64)  # cosine and sine of a minutia's own direction
NOUGHT: Final = 128
"""How a block stores 0."""

BLOCK: Final = (GROUPS, LANES, GROUP)
"""Shape of a block."""
_AHEAD: Final = 4  # fingers between the one compared and the one fetched from memory: 2 to 8 serve equally well


class Blocks(NamedTuple):
    """Descriptors of a gallery's fingers in blocks; finger ``f`` owns whole ones, from ``first[f]``."""

    values: NDArray[np.uint8]  # (b, GROUPS, LANES, GROUP) + 128; an empty lane is all zeros, stored 128
    first: NDArray[np.int64]  # (f,)
    read: NDArray[np.int32]  # (f,) how many of its blocks stage one reads


class Rows(NamedTuple):
    """Descriptors of a probe's minutiae."""

    values: NDArray[np.int8]  # (m, DIMENSIONS)
    wide: NDArray[np.int16]  # the same numbers
    bias: NDArray[np.int32]  # (m,) what a sum over a block starts at: -128 times the sum of the values


# --- how descriptors lie in memory -----------------------------------------------------------------------------------


def blocks_of(descriptors: NDArray[np.int8], starts: NDArray[np.int64]) -> Blocks:
    """Lay out the descriptors, int8 (n, 64), of fingers; finger ``f`` has the rows ``starts[f]`` to ``starts[f + 1]``.

    Its minutiae fill its blocks in their order, and stage one reads the first ones of them only: as many as hold 16
    minutiae each once its number of minutiae is rounded to the nearest multiple of 16 (8 and 24 up), at least one. So the
    best minutiae of a finger stand first. Blocks begin at a multiple of 64 bytes.

    Raises:
        ValueError: for another type or shape, rows that ``starts`` does not divide, or a finger of over 255 minutiae.
    """
    expect("descriptors", descriptors, np.int8, (None, DIMENSIONS))
    expect("starts", starts, np.int64, (None,))
    counts = np.diff(starts)
    if not starts.size or starts[0] != 0 or starts[-1] != len(descriptors) or (counts < 0).any():
        raise ValueError(
            f"starts must rise from 0 to the number of descriptors, {len(descriptors)}, so that every descriptor is of one "
            "finger; it does not: give f + 1 offsets for f fingers"
        )
    if counts.size and counts.max() > MAX_MINUTIAE:
        raise ValueError(
            f"a finger has at most {MAX_MINUTIAE} minutiae (ISO/IEC 19794-2:2005, 7.4.1.4); got {counts.max()}: keep "
            "those of best quality"
        )
    owned = -(-counts // LANES)
    first = np.cumsum(owned) - owned
    blocks = aligned(int(owned.sum()), np.uint8, BLOCK)
    _fill(descriptors.view(np.uint32), starts, first, blocks.view(np.uint32)[..., 0])
    read = np.maximum((counts + LANES // 2) // LANES, np.minimum(counts, 1))
    return Blocks(blocks, first, read.astype(np.int32))


@bare_kernel
def _fill(
    descriptors: NDArray[np.uint32], starts: NDArray[np.int64], first: NDArray[np.int64], blocks: NDArray[np.uint32]
) -> None:
    """Write four dimensions at a time; to flip the highest bit of a signed byte adds 128."""
    flip = np.uint32(0x80808080)
    for f in range(first.shape[0]):
        count = starts[f + 1] - starts[f]
        for done in range(0, count, LANES):
            block = blocks[first[f] + done // LANES]
            full = min(count - done, LANES)
            for lane in range(full):
                for g in range(GROUPS):
                    block[g, lane] = descriptors[starts[f] + done + lane, g] ^ flip
            for g in range(GROUPS):
                for lane in range(full, LANES):
                    block[g, lane] = flip


def rows_of(descriptors: NDArray[np.int8], *, turned: bool = False) -> Rows:
    """Return the rows of a probe's descriptors, int8 (m, 64); a copy, so that nobody changes them afterwards.

    ``turned`` leaves the minutiae's own directions out: for a probe of which nobody knows how it was held.

    Raises:
        ValueError: for another type or shape.
    """
    expect("descriptors", descriptors, np.int8, (None, DIMENSIONS))
    values = descriptors.copy()
    if turned:
        values[:, _DIRECTION] = 0
    return Rows(values, values.astype(np.int16), -NOUGHT * values.sum(axis=1, dtype=np.int32))


# --- what is computed for every finger -------------------------------------------------------------------------------


def sift(
    rows: Rows,
    blocks: Blocks,
    fingers: NDArray[np.int64],
    floor: int,
    scores: NDArray[np.int32],
) -> None:
    """Write the score of each finger numbered in ``fingers``, int64 (k,), into ``scores``, int32 (k,).

    A score is the sum, over the minutiae in the blocks that are read, of what the best similarity with any minutia of the
    probe exceeds ``floor`` by. The interpreter lock is released; several threads may share everything but ``scores``.

    Raises:
        ValueError: for another type or shape, a floor below 0 (which the empty lanes of blocks would exceed), a finger that
            is not there, or a finger whose blocks are not. ``scores`` is then partly written.
    """
    expect("rows.values", rows.values, np.int8, (None, DIMENSIONS))
    expect("rows.wide", rows.wide, np.int16, (len(rows.values), DIMENSIONS))
    expect("rows.bias", rows.bias, np.int32, (len(rows.values),))
    expect("blocks.values", blocks.values, np.uint8, (None, GROUPS, LANES, GROUP))
    expect("blocks.first", blocks.first, np.int64, (None,))
    expect("blocks.read", blocks.read, np.int32, (len(blocks.first),))
    expect("fingers", fingers, np.int64, (None,))
    expect("scores", scores, np.int32, (len(fingers),))
    if not 0 <= floor <= np.iinfo(np.int32).max:
        raise ValueError(
            f"a floor is from 0, the similarity of an empty lane of a block, to {np.iinfo(np.int32).max}; got {floor}"
        )
    place = _sift(rows, blocks, fingers, np.int32(floor), scores)
    if place >= 0:
        raise _not_there(int(fingers[place]), place, blocks)


def _not_there(finger: int, place: int, blocks: Blocks) -> ValueError:
    """Return what is wrong with the finger at which a kernel stopped."""
    held = len(blocks.first)
    if not 0 <= finger < held:
        return ValueError(f"fingers are numbers of the gallery's {held}, from 0; got {finger} at place {place}")
    return ValueError(
        f"finger {finger} must lie in at most {MOST_BLOCKS} of the gallery's {len(blocks.values)} blocks; got "
        f"{blocks.read[finger]} from block {blocks.first[finger]} on: blocks.first and blocks.read are of another gallery, or "
        "damaged"
    )


@bare_kernel
def _is_there(f: int, blocks: Blocks) -> bool:
    """Tell whether there is such a finger and it lies within the blocks."""
    if f < 0 or f >= blocks.first.shape[0]:
        return False
    first, count = blocks.first[f], np.int64(blocks.read[f])
    return bool(count >= 0 and count <= MOST_BLOCKS and first >= 0 and first <= blocks.values.shape[0] - count)


@bare_kernel
def _start(f: int, blocks: Blocks) -> int:
    """Return the first block of a finger, or of any where there is no such finger."""
    return int(blocks.first[f]) if f >= 0 and f < blocks.first.shape[0] else 0


# --- with vectors ----------------------------------------------------------------------------------------------------
#
# numba knows no vectors: what handles them is written in LLVM's intermediate representation here. In a loop over the rows of
# the probe the sixteen vectors of a block and the maxima stay in registers and a row's bytes are operands in memory ({1to16}),
# so with AVX-512 VNNI a row by a block is sixteen VPDPBUSD and five cheaper instructions. Each waits four cycles for the one
# before it in its sum: hence four sums, added at the end. Narrower registers are sixteen, too few: there the block waits in
# the nearest cache.

_INT16: Final = ir.IntType(16)
_INT32: Final = ir.IntType(32)
_INT64: Final = ir.IntType(64)
_BYTES: Final = ir.IntType(8).as_pointer()
_VECTOR: Final = ir.VectorType(_INT32, LANES)
_LINE: Final = 64  # bytes of a cache line and of a vector


def _call(builder: Any, name: str, returns: Any, *arguments: Any) -> Any:
    shape = ir.FunctionType(returns, [argument.type for argument in arguments])
    return builder.call(_tools.get_or_insert_function(builder.module, shape, name), arguments)


def _load(builder: Any, base: Any, offset: Any, kind: Any) -> Any:
    """Load from so many bytes behind a base, aligned or not."""
    return builder.load(builder.bitcast(builder.gep(base, [offset]), kind.as_pointer()), align=1)


def _everywhere(builder: Any, value: Any, lanes: int) -> Any:
    """Return a vector with a value in all its lanes."""
    nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes))


def _part(builder: Any, vector: Any, lanes: range) -> Any:
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_INT32, len(lanes)), list(lanes)))


def _joined(builder: Any, low: Any, high: Any) -> Any:
    lanes = list(range(2 * low.type.count))
    return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes))


class _RowsAt(NamedTuple):
    """Where :class:`Rows` begin, and how many there are, in the code generated."""

    values: Any
    wide: Any
    bias: Any
    count: Any


class _Wide:
    """VPDPBUSD on 64 bytes: AVX-512 VNNI."""

    needs: ClassVar[tuple[set[str], ...]] = ({"+avx512f", "+avx512vnni"},)
    sums: ClassVar[int] = 4
    nought: ClassVar[Any] = ir.Constant(_VECTOR, None)

    @staticmethod
    def prepare(builder: Any, quarter: Any) -> Any:  # noqa: ARG004, the other ways need the builder
        """Return four dimensions of the sixteen minutiae of a block as :meth:`add` wants them."""
        return quarter

    @staticmethod
    def group(builder: Any, rows: _RowsAt, number: Any) -> Any:
        """Return four dimensions of one row, once for every lane; ``number`` counts the fours of all rows."""
        offset = builder.mul(number, ir.Constant(_INT64, GROUP))
        return _everywhere(builder, _load(builder, rows.values, offset, _INT32), LANES)

    @staticmethod
    def add(builder: Any, total: Any, quarter: Any, group: Any) -> Any:
        """Add the products to the sums of the lanes."""
        return _call(builder, "llvm.x86.avx512.vpdpbusd.512", _VECTOR, total, quarter, group)

    @staticmethod
    def finish(builder: Any, totals: list[Any]) -> Any:
        """Return the sum of each lane."""
        return builder.add(builder.add(totals[0], totals[1]), builder.add(totals[2], totals[3]))


class _Half(_Wide):
    """VPDPBUSD on 32 bytes: AVX-VNNI, of processors without AVX-512; or its like there."""

    needs = ({"+avxvnni"}, {"+avx512vl", "+avx512vnni"})
    sums = 2

    @staticmethod
    def add(builder: Any, total: Any, quarter: Any, group: Any) -> Any:
        def half(first: int) -> Any:
            parts = [_part(builder, vector, range(first, first + 8)) for vector in (total, quarter, group)]
            return _call(builder, "llvm.x86.avx512.vpdpbusd.256", parts[0].type, *parts)

        return _joined(builder, half(0), half(8))

    @staticmethod
    def finish(builder: Any, totals: list[Any]) -> Any:
        return builder.add(*totals)


class _Pairs(_Wide):
    """VPMADDWD of AVX2, on two bytes a number: two sums of two dimensions each for a lane, added at the end."""

    needs = ({"+avx2"},)
    sums = 1
    nought = ir.Constant(ir.VectorType(_INT32, 2 * LANES), None)

    @staticmethod
    def prepare(builder: Any, quarter: Any) -> Any:
        stored = builder.bitcast(quarter, ir.VectorType(ir.IntType(8), GROUP * LANES))
        return builder.zext(stored, ir.VectorType(_INT16, GROUP * LANES))

    @staticmethod
    def group(builder: Any, rows: _RowsAt, number: Any) -> Any:
        offset = builder.mul(number, ir.Constant(_INT64, 2 * GROUP))
        four = _everywhere(builder, _load(builder, rows.wide, offset, _INT64), LANES // 4)
        return builder.bitcast(four, ir.VectorType(_INT16, LANES))

    @staticmethod
    def add(builder: Any, total: Any, quarter: Any, group: Any) -> Any:
        def four_lanes(first: int) -> Any:
            lanes = _part(builder, quarter, range(GROUP * first, GROUP * (first + 4)))
            return _call(builder, "llvm.x86.avx2.pmadd.wd", ir.VectorType(_INT32, 8), lanes, group)

        low = _joined(builder, four_lanes(0), four_lanes(4))
        return builder.add(total, _joined(builder, low, _joined(builder, four_lanes(8), four_lanes(12))))

    @staticmethod
    def finish(builder: Any, totals: list[Any]) -> Any:
        even, odd = (_part(builder, totals[0], range(first, 2 * LANES, 2)) for first in (0, 1))
        return builder.add(even, odd)


def way_of(features: str) -> type[_Wide] | None:
    """Return the best way for a processor with such features, as LLVM lists them (``+avx2,-sse4a``); None: plain loops."""
    known = set(features.split(","))
    return next((way for way in (_Wide, _Half, _Pairs) if any(needed <= known for needed in way.needs)), None)


def _features() -> str:
    """Return the features that numba compiles for, none where it compiles nothing (NUMBA_DISABLE_JIT)."""
    if _settings.DISABLE_JIT:
        return ""
    return str(_target.get_host_cpu_features() if _settings.CPU_FEATURES is None else _settings.CPU_FEATURES)


WAY: Final = way_of(_features())
_WAY: Final = WAY or _Wide  # _insist_on_input() sees to it that nothing is compiled where there is none


def _load_block(builder: Any, blocks: Any, number: Any) -> list[Any]:
    base = builder.mul(number, ir.Constant(_INT64, DIMENSIONS * LANES))
    offsets = [builder.add(base, ir.Constant(_INT64, _LINE * g)) for g in range(GROUPS)]
    return [_WAY.prepare(builder, _load(builder, blocks, offset, _VECTOR)) for offset in offsets]


def _row_by_block(builder: Any, rows: _RowsAt, row: Any, block: list[Any]) -> Any:
    """Return the similarities of one minutia of the probe with the sixteen of a block."""
    totals = [_WAY.nought] * _WAY.sums
    base = builder.mul(row, ir.Constant(_INT64, GROUPS))
    for g in range(GROUPS):
        group = _WAY.group(builder, rows, builder.add(base, ir.Constant(_INT64, g)))
        totals[g % _WAY.sums] = _WAY.add(builder, totals[g % _WAY.sums], block[g], group)
    bias = _load(builder, rows.bias, builder.mul(row, ir.Constant(_INT64, 4)), _INT32)
    return builder.add(_WAY.finish(builder, totals), _everywhere(builder, bias, LANES))


def _fetch(builder: Any, blocks: Any, number: Any, row: Any) -> None:
    """Ask for two of the sixteen lines of a block that a later finger will need; harmless where there is none."""
    lines = builder.mul(builder.and_(row, ir.Constant(_INT64, 7)), ir.Constant(_INT64, 2 * _LINE))
    base = builder.add(builder.mul(number, ir.Constant(_INT64, DIMENSIONS * LANES)), lines)
    for_reading, near, data = (ir.Constant(_INT32, n) for n in (0, 3, 1))
    for line in range(2):
        at = builder.gep(blocks, [builder.add(base, ir.Constant(_INT64, _LINE * line))])
        _call(builder, "llvm.prefetch.p0", ir.VoidType(), at, for_reading, near, data)


def _insist(what: str, kind: Any, dtype: Any, dimensions: int) -> None:
    """Refuse to compile for an array of which the code below would misread the bytes."""
    if not isinstance(kind, types.Array) or (kind.dtype, kind.ndim, kind.layout) != (dtype, dimensions, "C"):
        raise errors.TypingError(f"{what} must be {dtype} of {dimensions} dimensions in C order; got {kind}")


def _insist_on_input(rows: Any, blocks: Any) -> None:
    if WAY is None:
        raise errors.TypingError("this processor has no instructions for vectors of bytes: use the portable kernels")
    kinds = zip(rows, (types.int8, types.int16, types.int32), (2, 2, 1), strict=True)
    for name, (kind, dtype, dimensions) in zip(Rows._fields, kinds, strict=True):
        _insist(f"rows.{name}", kind, dtype, dimensions)
    _insist("blocks.values", blocks, types.uint8, 4)


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return builder.bitcast(context.make_array(kind)(context, builder, array).data, _BYTES)


def _rows_at(context: Any, builder: Any, kind: Any, rows: Any) -> _RowsAt:
    values, wide, bias = (builder.extract_value(rows, place) for place in range(len(Rows._fields)))
    count = builder.extract_value(context.make_array(kind[2])(context, builder, bias).shape, 0)
    return _RowsAt(
        values=_data(context, builder, kind[0], values),
        wide=_data(context, builder, kind[1], wide),
        bias=_data(context, builder, kind[2], bias),
        count=count,
    )


@intrinsic
def _finger(_: Any, rows: Any, blocks: Any, first: Any, count: Any, ahead: Any, floor: Any) -> tuple[Any, Any]:
    """Return the score of the finger in ``count`` blocks from ``first``; fetch as many from ``ahead``. Checks nothing."""
    del first, count, ahead, floor  # integers; the signature says of what size
    _insist_on_input(rows, blocks)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        probe = _rows_at(context, builder, signature.args[0], arguments[0])
        lanes = _data(context, builder, signature.args[1], arguments[1])
        number, many, later, least = arguments[2:]
        ground = _everywhere(builder, least, LANES)
        total = _tools.alloca_once_value(builder, ir.Constant(_VECTOR, None))
        best = _tools.alloca_once(builder, _VECTOR)
        with _tools.for_range(builder, many) as each:
            block = _load_block(builder, lanes, builder.add(number, each.index))
            builder.store(ground, best)
            with _tools.for_range(builder, probe.count) as row:
                _fetch(builder, lanes, builder.add(later, each.index), row.index)
                found = _row_by_block(builder, probe, row.index, block)
                builder.store(_call(builder, "llvm.smax.v16i32", _VECTOR, builder.load(best), found), best)
            excess = builder.sub(builder.load(best), ground)
            builder.store(builder.add(builder.load(total), excess), total)
        return _call(builder, "llvm.vector.reduce.add.v16i32", _INT32, builder.load(total))

    return types.int32(rows, blocks, types.int64, types.int64, types.int64, types.int32), generate


@intrinsic
def _rows_by_block(_: Any, rows: Any, blocks: Any, number: Any, out: Any, column: Any) -> tuple[Any, Any]:
    """Write the similarities of all rows with the sixteen minutiae of a block, from a column on. Checks nothing."""
    del number, column
    _insist_on_input(rows, blocks)
    _insist("out", out, types.int32, 2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        probe = _rows_at(context, builder, signature.args[0], arguments[0])
        block = _load_block(builder, _data(context, builder, signature.args[1], arguments[1]), arguments[2])
        written = context.make_array(signature.args[3])(context, builder, arguments[3])
        stride = builder.extract_value(written.strides, 0)
        across = builder.mul(arguments[4], ir.Constant(_INT64, 4))
        with _tools.for_range(builder, probe.count) as row:
            found = _row_by_block(builder, probe, row.index, block)
            offset = builder.add(builder.mul(row.index, stride), across)
            at = builder.gep(builder.bitcast(written.data, _BYTES), [offset])
            builder.store(found, builder.bitcast(at, _VECTOR.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.none(rows, blocks, types.int64, out, types.int64), generate


@bare_kernel
def _sift_vectors(
    rows: Rows,
    blocks: Blocks,
    fingers: NDArray[np.int64],
    floor: np.int32,
    scores: NDArray[np.int32],
) -> int:
    """Write the scores; return the place of a finger that is not there, -1 if all are."""
    last = fingers.shape[0] - 1
    for k in range(last + 1):
        f = fingers[k]
        if not _is_there(f, blocks):
            return k
        ahead = _start(fingers[min(k + _AHEAD, last)], blocks)
        scores[k] = _finger(rows, blocks.values, blocks.first[f], blocks.read[f], ahead, floor)
    return -1


@bare_kernel
def _similarities_vectors(rows: Rows, blocks: Blocks, f: int, n: int, out: NDArray[np.int32]) -> int:
    if not _has_room(rows, blocks, f, n, out):
        return -1
    for b in range((n + LANES - 1) // LANES):
        _rows_by_block(rows, blocks.values, blocks.first[f] + b, out, b * LANES)
    return n


# --- on any other processor ------------------------------------------------------------------------------------------


@kernel
def _sift_portable(
    rows: Rows,
    blocks: Blocks,
    fingers: NDArray[np.int64],
    floor: np.int32,
    scores: NDArray[np.int32],
) -> int:
    """As :func:`_sift_vectors`."""
    lanes = np.empty((LANES, DIMENSIONS), dtype=np.int16)
    for k in range(fingers.shape[0]):
        f = fingers[k]
        if not _is_there(f, blocks):
            return k
        scores[k] = _finger_portable(rows, blocks, f, floor, lanes)
    return -1


@bare_kernel
def _finger_portable(rows: Rows, blocks: Blocks, f: int, floor: np.int32, lanes: NDArray[np.int16]) -> np.int32:
    total = np.int32(0)
    for b in range(blocks.first[f], blocks.first[f] + blocks.read[f]):
        _spread(blocks.values[b], lanes)
        for lane in range(LANES):
            best = floor
            for row in range(rows.wide.shape[0]):
                best = max(best, dot(rows.wide[row], lanes[lane]))
            total = np.int32(total + np.int32(best - floor))
    return total


@bare_kernel
def _spread(block: NDArray[np.uint8], lanes: NDArray[np.int16]) -> None:
    """Write the sixteen descriptors of a block one behind the other, two bytes a number."""
    for g in range(GROUPS):
        for lane in range(LANES):
            for d in range(GROUP):
                lanes[lane, GROUP * g + d] = np.int16(block[g, lane, d]) - np.int16(NOUGHT)


@bare_kernel
def dot(a: NDArray[np.int16], b: NDArray[np.int16 | np.int8]) -> np.int32:
    """Return the inner product of two descriptors, exactly, in a form that becomes packed multiply-adds (VPMADDWD on x86)."""
    total = np.int32(0)
    for d in range(DIMENSIONS):
        total = np.int32(total + np.int32(np.int32(a[d]) * np.int32(b[d])))
    return total


@kernel
def _similarities_portable(rows: Rows, blocks: Blocks, f: int, n: int, out: NDArray[np.int32]) -> int:
    """As :func:`_similarities_vectors`."""
    if not _has_room(rows, blocks, f, n, out):
        return -1
    lanes = np.empty((LANES, DIMENSIONS), dtype=np.int16)
    for b in range((n + LANES - 1) // LANES):
        _spread(blocks.values[blocks.first[f] + b], lanes)
        for row in range(rows.wide.shape[0]):
            for lane in range(LANES):
                out[row, b * LANES + lane] = dot(rows.wide[row], lanes[lane])
    return n


@bare_kernel
def _has_room(rows: Rows, blocks: Blocks, f: int, n: int, out: NDArray[np.int32]) -> bool:
    """Tell whether there are so many minutiae's blocks of a finger and ``out`` holds every row and lane of them."""
    if f < 0 or f >= blocks.first.shape[0] or n < 0 or n > MAX_MINUTIAE:
        return False
    first, count = blocks.first[f], (n + LANES - 1) // LANES
    if first < 0 or first > blocks.values.shape[0] - count:
        return False
    m = rows.bias.shape[0]
    if rows.values.shape != (m, DIMENSIONS) or rows.wide.shape != (m, DIMENSIONS):
        return False
    if blocks.values.shape[1:] != (GROUPS, LANES, GROUP):
        return False
    return bool(out.shape[0] >= m and out.shape[1] >= count * LANES)


# --- what this machine uses ------------------------------------------------------------------------------------------

_sift = _sift_vectors if WAY else _sift_portable

similarities = _similarities_vectors if WAY else _similarities_portable
"""``similarities(rows, blocks, finger, n, out) -> int``: write the similarities of all rows, down, with the first ``n``
minutiae of a finger, across. A kernel, for kernels and for Python.

``out`` int32, C order, at least (m, n rounded up to a multiple of 16); the columns from ``n`` on are written, too. Returns
``n``, or -1, with nothing written, where ``out`` is smaller or the gallery has no such finger or fewer blocks. It does not
know whether the last of the blocks are another finger's.
"""
