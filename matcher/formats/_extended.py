"""The extended data of a finger view: a length in two bytes and areas, each with a type, a length and its content.

Type 1 are ridge counts, 2 cores and deltas, 3 (ISO/IEC only) the quality of zones, others are a vendor's own. Formats
differ in three things, which a :class:`Dialect` says: in how a direction is counted, in whether the presence of directions
is stated at each core and delta (ISO/IEC) or once for all of them (INCITS), and in whether an area's length counts its
header of 4 bytes. In ISO/IEC 19794-2:2005 it does not, in all others it does, and writers have mixed this up ever since:
both are tried, the format's own way first.

The matcher needs none of this, so what makes no sense is kept as it is and named, never refused; unless its length is
wrong, for then nobody knows where the next view begins. In the last view one does: there, cores and deltas that end
exactly with the record when read by their own numbers are believed more than the length stated above them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from matcher.formats._cursor import Cursor, FormatError, fitting
from matcher.formats.deviations import Deviation
from matcher.formats.minutiae import (
    Area,
    Core,
    CoresAndDeltas,
    Delta,
    OtherArea,
    RidgeCounts,
    ZonalQuality,
)
from matcher.template import TAU

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RIDGE_COUNTS, _CORES_AND_DELTAS, _ZONES = 1, 2, 3
_HEADER: Final = 4
_COORDINATE: Final = 0x3FFF
_WITH_DIRECTION: Final = 1
_MOST_POINTS: Final = 15
_MOST_BYTES: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a format writes extended data.

    ``steps`` make a full turn. ``each`` means that each point says whether it has directions. ``zones`` is the length of
    the header of zonal quality, 0 where there is none. ``clause`` is where the format defines it all.
    """

    steps: int
    each: bool
    counts_header: bool
    zones: int
    clause: str


def read_extended(
    cursor: Cursor, dialect: Dialect, size: tuple[int, int], view: int, *, last: bool
) -> tuple[tuple[Area, ...], list[Deviation]]:
    """Return the areas at the cursor, and what was forgiven in them.

    ``size`` is the view's image size, ``view`` its place from 1; ``last`` says that nothing may follow this view.

    Raises:
        FormatError: more bytes are stated than remain.

    """
    stated = cursor.number(2, f"view {view}: the length of its extended data is missing ({dialect.clause})")
    if stated <= cursor.left:
        block = cursor.data[cursor.at : cursor.at + stated]
        for way, notes in ((dialect, []), (_other_way(dialect), [_other_count(dialect, view)])):
            areas = _divided(block, way, size)
            if areas is not None:
                cursor.at += stated
                return areas, notes
    if last:
        areas = _self_counted(cursor.data[cursor.at :], dialect, size)
        if areas is not None:
            return areas, [_wrong_length(cursor, stated, dialect, view)]
    block = cursor.take(stated, f"view {view}: {stated} bytes of extended data are stated ({dialect.clause})")
    text = f"view {view}: its {stated} bytes of extended data ({dialect.clause}) make no areas: kept as they are"
    return (OtherArea(None, block),), [Deviation(view, "extended-data-unread", text)]


def write_extended(areas: tuple[Area, ...], dialect: Dialect) -> bytes:
    """Write areas with the length of them all.

    Raises:
        FormatError: an area does not fit into the format.

    """
    block = b"".join(_area(area, dialect) for area in areas)
    if len(block) > _MOST_BYTES:
        raise FormatError(
            f"a view has at most {_MOST_BYTES} bytes of extended data ({dialect.clause}); got {len(block)}"
        )
    return len(block).to_bytes(2) + block


def _other_way(dialect: Dialect) -> Dialect:
    return replace(dialect, counts_header=not dialect.counts_header)


def _other_count(dialect: Dialect, view: int) -> Deviation:
    rule = "counts" if dialect.counts_header else "does not count"
    text = (
        f"view {view}: the length of an area of extended data {rule} its own header of {_HEADER} bytes ({dialect.clause}); "
        "here it is the other way round, and all lengths add up so: read so"
    )
    return Deviation(view, "extended-length", text)


def _wrong_length(cursor: Cursor, stated: int, dialect: Dialect, view: int) -> Deviation:
    remain = cursor.left
    cursor.at = len(cursor.data)
    text = (
        f"view {view}: {stated} bytes of extended data are stated ({dialect.clause}); {remain} remain, which its cores and "
        "deltas use to the last by their own numbers: read so"
    )
    return Deviation(view, "extended-data-length", text)


def _divided(block: bytes, dialect: Dialect, size: tuple[int, int]) -> tuple[Area, ...] | None:
    """Return the areas that the block is made of by the lengths stated, None where it is not."""
    areas: list[Area] = []
    cursor = Cursor(block)
    try:
        while cursor.left:
            code = cursor.number(2, "")
            length = cursor.number(2, "") - (_HEADER if dialect.counts_header else 0)
            if length < 0:
                return None
            areas.append(_content(code, cursor.take(length, ""), dialect, size))
    except FormatError:
        return None
    return tuple(areas)


def _self_counted(block: bytes, dialect: Dialect, size: tuple[int, int]) -> tuple[Area, ...] | None:
    """Return the areas of a block of which the last are cores and deltas, whose stated length is not heeded."""
    cursor = Cursor(block)
    areas: list[Area] = []
    try:
        while cursor.left:
            code = cursor.number(2, "")
            length = cursor.number(2, "") - (_HEADER if dialect.counts_header else 0)
            if code == _CORES_AND_DELTAS:
                return (*areas, _points(cursor.take(cursor.left, ""), dialect))
            if length < 0:
                return None
            areas.append(_content(code, cursor.take(length, ""), dialect, size))
    except FormatError:
        return None
    return None


def _content(code: int, data: bytes, dialect: Dialect, size: tuple[int, int]) -> Area:
    if code == _RIDGE_COUNTS:
        return _ridge_counts(data)
    if code == _CORES_AND_DELTAS:
        return _points(data, dialect)
    if code == _ZONES and dialect.zones:
        return _zonal_quality(data, dialect, size)
    return OtherArea(code, data)


def _ridge_counts(data: bytes) -> RidgeCounts:
    if len(data) % 3 != 1:
        raise FormatError("ridge counts are a byte for the method and three for each pair of minutiae")
    return RidgeCounts(data[0], tuple(zip(data[1::3], data[2::3], data[3::3], strict=True)))


def _points(data: bytes, dialect: Dialect) -> CoresAndDeltas:
    cursor = Cursor(data)
    cores = tuple(Core(x, y, turns[0] if turns else None) for x, y, turns in _points_of(cursor, dialect, 1))
    deltas = tuple(
        Delta(x, y, (turns[0], turns[1], turns[2]) if turns else None) for x, y, turns in _points_of(cursor, dialect, 3)
    )
    if cursor.left:
        raise FormatError(f"cores and deltas end {cursor.left} byte(s) before their area")
    return CoresAndDeltas(cores, deltas)


def _points_of(cursor: Cursor, dialect: Dialect, directions: int) -> Iterator[tuple[int, int, list[float]]]:
    """Yield x, y and no or so many directions of each point of the list at the cursor."""
    count = cursor.number(1, "")
    all_with = not dialect.each and count >> 6 == _WITH_DIRECTION
    if count & ~_MOST_POINTS & ~(0 if dialect.each else _WITH_DIRECTION << 6):
        raise FormatError("a list of cores or deltas has reserved bits that are not 0")
    for _ in range(count & _MOST_POINTS):
        x, y = cursor.number(2, ""), cursor.number(2, "")
        if y > _COORDINATE or x >> 14 > (_WITH_DIRECTION if dialect.each else 0):
            raise FormatError("a core or delta has reserved bits that are not 0")
        turns = cursor.take(directions if all_with or x > _COORDINATE else 0, "")
        if any(turn >= dialect.steps for turn in turns):
            raise FormatError("a core or delta has a direction beyond a full turn")
        yield x & _COORDINATE, y, [turn * TAU / dialect.steps for turn in turns]


def _zonal_quality(data: bytes, dialect: Dialect, size: tuple[int, int]) -> ZonalQuality:
    cursor = Cursor(data)
    algorithm = None
    if dialect.zones > 3:
        algorithm = cursor.number(2, ""), cursor.number(2, "")
    cell = cursor.number(1, ""), cursor.number(1, "")
    bits = cursor.number(1, "")
    if not (cell[0] and cell[1] and 1 <= bits <= 8) or cursor.left != _zone_bytes(size, cell, bits):
        raise FormatError("the zones do not cover the image")
    return ZonalQuality(cell, bits, cursor.take(cursor.left, ""), algorithm)


def _zone_bytes(size: tuple[int, int], cell: tuple[int, int], bits: int) -> int:
    zones = -(-size[0] // cell[0]) * -(-size[1] // cell[1])
    return -(-zones * bits // 8)


def _area(area: Area, dialect: Dialect) -> bytes:
    if isinstance(area, OtherArea):
        if area.code is None:
            return area.data
        code, data = area.code, area.data
    elif isinstance(area, RidgeCounts):
        numbers = (area.method, *(number for triple in area.counts for number in triple))
        code, data = _RIDGE_COUNTS, bytes(fitting(number, 8, "a ridge count") for number in numbers)
    elif isinstance(area, CoresAndDeltas):
        code, data = _CORES_AND_DELTAS, _written_points(area, dialect)
    else:
        code, data = _ZONES, _written_zones(area, dialect)
    length = len(data) + (_HEADER if dialect.counts_header else 0)
    if length > _MOST_BYTES:
        raise FormatError(f"an area of extended data has at most {_MOST_BYTES} bytes ({dialect.clause}); got {length}")
    return fitting(code, 16, "the type of an area").to_bytes(2) + length.to_bytes(2) + data


def _written_points(area: CoresAndDeltas, dialect: Dialect) -> bytes:
    cores = [(core.x, core.y, () if core.direction is None else (core.direction,)) for core in area.cores]
    deltas = [(delta.x, delta.y, delta.directions or ()) for delta in area.deltas]
    return _written_list(cores, dialect) + _written_list(deltas, dialect)


def _written_list(points: Sequence[tuple[int, int, tuple[float, ...]]], dialect: Dialect) -> bytes:
    if len(points) > _MOST_POINTS:
        raise FormatError(
            f"a view has at most {_MOST_POINTS} cores and as many deltas ({dialect.clause}); got {len(points)}"
        )
    with_directions = [bool(turns) for _x, _y, turns in points]
    if not dialect.each and len(set(with_directions)) > 1:
        raise FormatError(
            f"either all cores, or deltas, of a view have directions or none ({dialect.clause}); got both"
        )
    flag = _WITH_DIRECTION << 6 if not dialect.each and any(with_directions) else 0
    written = [bytes([flag | len(points)])]
    for x, y, turns in points:
        if not (0 <= x <= _COORDINATE and 0 <= y <= _COORDINATE):
            raise FormatError(f"a core or delta lies at 0 to {_COORDINATE} ({dialect.clause}); got {x}, {y}")
        bit = _WITH_DIRECTION << 14 if dialect.each and turns else 0
        written.append((x | bit).to_bytes(2) + y.to_bytes(2))
        written.append(bytes(round(turn * dialect.steps / TAU) % dialect.steps for turn in turns))
    return b"".join(written)


def _written_zones(area: ZonalQuality, dialect: Dialect) -> bytes:
    if not dialect.zones:
        raise FormatError(f"this format has no quality of zones ({dialect.clause}): leave that area out")
    numbers = area.algorithm or (0, 0)
    algorithm = b"".join(fitting(number, 16, "an algorithm's owner or number").to_bytes(2) for number in numbers)
    zones = bytes(fitting(number, 8, "a zone's side or bits") for number in (*area.cell, area.bits))
    return (algorithm if dialect.zones > 3 else b"") + zones + area.data
