"""Finger minutiae records of all five standards: whose they are, what they say, what is forgiven and what refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.formats import FormatError, read_iso19794_2
from matcher.formats.minutiae import (
    Area,
    Core,
    CoresAndDeltas,
    Delta,
    Device,
    FingerView,
    Format,
    OtherArea,
    Quality,
    Record,
    RidgeCounts,
    ZonalQuality,
)
from matcher.formats.minutiae_records import MAX_BYTES, read, read_as, write
from matcher.template import DPI, ImpressionType, Origin, Template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TURN = 2 * np.pi
STEPS = {
    Format.ISO_2005: 256,
    Format.ISO_2011: 256,
    Format.INCITS_2004: 180,
    Format.INCITS_2007: 180,
    Format.INCITS_2009: 180,
    Format.INCITS_2009_AM1: 180,
}
LATER = (Format.ISO_2011, Format.INCITS_2007, Format.INCITS_2009, Format.INCITS_2009_AM1)

SAMPLES = {
    "iso19794p2v2005-sample.dat": (Format.ISO_2005, []),
    "iso19794p2v2011-sample.dat": (Format.ISO_2011, []),
    "biomdi_ansi378_2004_B2.fmr": (Format.INCITS_2004, []),
    "libbiomeval_fmr.ansi2007": (Format.INCITS_2007, []),
    "ansi378v2009-sample.dat": (Format.INCITS_2009, ["record-length"]),
    "ansi378v2009am1-sample.dat": (Format.INCITS_2009_AM1, []),
    "biomdi_iso19794-2_2005_C2.fmr": (Format.ISO_2005, ["extended-length", "record-length"]),
    "libbiomeval_fmr.iso2005": (Format.ISO_2005, ["extended-data-length"]),
    "libbiomeval_fmr.ansi2004": (Format.INCITS_2004, ["extended-data-length"]),
}
"""Each file that is read, with its format and what is forgiven in it."""


# --- A second reader, bit by bit and without a thought of speed or of what may be wrong


class Bits:
    """A record as one long row of bits."""

    def __init__(self, data: bytes) -> None:
        self.row = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def next(self, count: int) -> int:
        self.at += count
        return int("0" + self.row[self.at - count : self.at], 2)


@dataclass
class Dump:
    position: int
    number: int
    impression: int
    minutiae: list[tuple[int, int, int, int, int]]  # type, x, y, angle, quality


def _minutiae(bits: Bits, count: int, *, graded: bool = True) -> list[tuple[int, int, int, int, int]]:
    found = []
    for _ in range(count):
        kind, x, _reserved, y, angle = bits.next(2), bits.next(14), bits.next(2), bits.next(14), bits.next(8)
        found.append((kind, x, y, angle, bits.next(8) if graded else 254))
    return found


def _dumped_short_views(bits: Bits, count: int) -> Iterator[Dump]:
    for _ in range(count):
        position, number, impression, _quality, minutiae = (bits.next(n) for n in (8, 4, 4, 8, 8))
        yield Dump(position, number, impression, _minutiae(bits, minutiae))
        bits.next(8 * bits.next(16))


def _dumped_long_views(bits: Bits, count: int) -> Iterator[Dump]:
    for _ in range(count):
        position, number, impression = (bits.next(8) for _ in range(3))
        bits.next(8 + 32 + 4 * 16)
        yield Dump(position, number, impression, _minutiae(bits, bits.next(8)))
        bits.next(8 * bits.next(16))


def _dumped_representations(bits: Bits, count: int, certified: int) -> Iterator[Dump]:
    for _ in range(count):
        bits.next(32 + 72 + 8 + 16 + 16)
        bits.next(40 * bits.next(8))
        if certified:
            bits.next(24 * bits.next(8))
        position, number, _per_cm, impression, _size = (bits.next(n) for n in (8, 8, 32, 8, 32))
        length, _ending, minutiae = bits.next(4), bits.next(4), bits.next(8)
        yield Dump(position, number, impression, _minutiae(bits, minutiae, graded=length == 6))
        bits.next(8 * bits.next(16))


def dumped(data: bytes, format: Format) -> list[Dump]:  # noqa: A002 - as in the product
    bits = Bits(data)
    bits.next(64)
    if format is Format.ISO_2005:
        bits.next(32 + 16 + 64)
    elif format is Format.INCITS_2004:
        bits.next(16 + 32 + 16 + 64)
    elif format is Format.INCITS_2007:
        bits.next(32 + 32 + 16)
    elif format in {Format.INCITS_2009, Format.INCITS_2009_AM1}:
        bits.next(32 + 32 + 24)
    else:
        bits.next(32)
        count, certified = bits.next(16), bits.next(8)
        return list(_dumped_representations(bits, count, certified))
    count, _reserved = bits.next(8), bits.next(8)
    views = _dumped_short_views if format in {Format.ISO_2005, Format.INCITS_2004} else _dumped_long_views
    return list(views(bits, count))


def as_dump(view: FingerView, steps: int) -> Dump:
    angles = np.rint(view.direction * steps / TURN).astype(int)
    columns = (column.tolist() for column in (view.kind, view.x, view.y, angles, view.quality))
    return Dump(view.position, view.number, view.impression, list(zip(*columns, strict=True)))


# --- The files


@pytest.mark.parametrize("name", SAMPLES)
def test_each_sample_is_read_as_what_it_is(shared_data: Path, name: str) -> None:
    record = read((shared_data / "templates" / name).read_bytes())
    edition, codes = SAMPLES[name]
    assert record.format is edition
    assert [deviation.code for deviation in record.deviations] == codes
    assert [(view.position, len(view.template)) for view in record.views][:2] == [(7, 27), (2, 22)]
    assert [view.score for view in record.views][:2] == [90, 70]
    assert {(view.size, view.per_cm) for view in record.views} == {((512, 512), (197, 197))}
    assert {view.device.id for view in record.views} == {0xB5}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_reader_that_counts_bits_sees_the_same_minutiae_in_the_samples(shared_data: Path, name: str) -> None:
    data = (shared_data / "templates" / name).read_bytes()
    record = read(data)
    assert dumped(data, record.format) == [as_dump(view, STEPS[record.format]) for view in record.views]


def test_all_editions_samples_show_the_same_two_prints(shared_data: Path) -> None:
    records = [read((shared_data / "templates" / name).read_bytes()) for name in SAMPLES]
    for place in range(2):
        first = records[0].views[place].template
        for record in records[1:]:
            other = record.views[place].template
            for name in ("x", "y", "kind", "quality"):
                np.testing.assert_array_equal(getattr(other, name), getattr(first, name))
            turned = np.degrees(np.angle(np.exp(1j * (other.direction.astype(float) - first.direction))))
            # Later editions give three minutiae of the first print other directions; else only the fineness differs.
            assert set(np.flatnonzero(np.abs(turned) > 2)) <= ({11, 13, 17} if place == 0 else set())


def test_the_first_minutia_of_the_standards_example_is_an_ending_at_112_degrees(shared_data: Path) -> None:
    template = read((shared_data / "templates" / "biomdi_ansi378_2004_B2.fmr").read_bytes()).views[0].template
    assert (template.x[0], template.y[0], template.kind[0], template.quality[0]) == (100, 14, 1, 90)
    assert np.degrees(template.direction[0]) == pytest.approx(112)


def test_extended_data_of_the_samples_are_read(shared_data: Path) -> None:
    def areas(name: str) -> list[Area]:
        record = read((shared_data / "templates" / name).read_bytes())
        return [area for view in record.views for area in view.extended]

    assert areas("biomdi_ansi378_2004_B2.fmr") == [RidgeCounts(1, ((1, 20, 12), (5, 7, 5)))]
    assert areas("biomdi_iso19794-2_2005_C2.fmr") == areas("biomdi_ansi378_2004_B2.fmr")
    assert areas("iso19794p2v2011-sample.dat") == [OtherArea(0x221, bytes.fromhex("0144bc362143"))]
    assert areas("iso19794p2v2005-sample.dat") == areas("iso19794p2v2011-sample.dat")
    few, many, points = areas("libbiomeval_fmr.ansi2004")
    assert few == areas("biomdi_ansi378_2004_B2.fmr")[0]
    assert isinstance(many, RidgeCounts)
    assert (many.method, len(many.counts), many.counts[5]) == (2, 224, (1, 3, 6))
    assert isinstance(points, CoresAndDeltas)
    assert [(core.x, core.y, round(np.degrees(core.direction or 0))) for core in points.cores] == [
        (150, 250, 180),
        (100, 150, 90),
    ]
    assert [(delta.x, delta.y) for delta in points.deltas] == [(143, 232), (103, 104), (136, 214), (130, 319)]
    assert [round(np.degrees(turn)) for turn in points.deltas[0].directions or ()] == [200, 220, 240]


def test_cores_and_deltas_of_the_iso_sample_say_each_whether_they_have_directions(shared_data: Path) -> None:
    (area,) = read((shared_data / "templates" / "libbiomeval_fmr.iso2005").read_bytes()).views[1].extended
    assert isinstance(area, CoresAndDeltas)
    assert [core.direction is None for core in area.cores] == [False, False]
    assert [delta.directions is None for delta in area.deltas] == [False, True, False, False]


def test_the_sample_of_2011_says_when_and_by_what_it_was_captured(shared_data: Path) -> None:
    first, second = read((shared_data / "templates" / "iso19794p2v2011-sample.dat").read_bytes()).views
    assert first.captured == (2005, 12, 15, 17, 35, 20, 0)
    assert first.device == Device(id=0xB5, vendor=0xABCD)
    assert first.qualities == (Quality(90, 0xABCD, 0x123),)
    assert (first.number, second.number) == (0, 1)


def test_the_samples_of_incits_name_their_product(shared_data: Path) -> None:
    for name, (edition, _codes) in SAMPLES.items():
        record = read((shared_data / "templates" / name).read_bytes())
        assert record.product == ((0, 0) if edition in {Format.ISO_2005, Format.ISO_2011} else (0x42, 0x11))


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "biomdi_iso19794-2_2005_C2.fmr",
            ["length of an area of extended data does not count", "340 bytes .* got 341"],
        ),
        ("ansi378v2009-sample.dat", ["states a length of 363 bytes .* got 364, which the views use to the last byte"]),
        ("libbiomeval_fmr.iso2005", ["view 2: 42 bytes of extended data are stated .* 41 remain, which its cores and"]),
        ("libbiomeval_fmr.ansi2004", ["view 3: 719 bytes of extended data are stated .* 721 remain, which its cores"]),
    ],
)
def test_what_is_forgiven_in_a_sample_is_said(shared_data: Path, name: str, texts: list[str]) -> None:
    record = read((shared_data / "templates" / name).read_bytes())
    for deviation, text in zip(record.deviations, texts, strict=True):
        with pytest.raises(FormatError, match=text):
            raise FormatError(deviation.text)


def test_the_sample_of_2004_counts_directions_as_iso_does(shared_data: Path) -> None:
    # As printed it also states a version of "020" and a length of 340 where it has 342.
    record = read((shared_data / "templates" / "ansi378v2004-sample.dat").read_bytes())
    assert record.format is Format.INCITS_2004
    assert {deviation.code for deviation in record.deviations} == {
        "direction-steps",
        "version",
        "record-length",
        "extended-data-unread",
    }
    assert "180 steps (INCITS 378-2004, 6.5.2); some are beyond: all were read as ISO/IEC's 256 steps" in (
        record.deviations[0].text
    )
    same = read((shared_data / "templates" / "iso19794p2v2005-sample.dat").read_bytes())
    for ours, theirs in zip(record.views, same.views, strict=True):
        assert ours.x.tolist() == theirs.x.tolist()
        assert ours.direction.tolist() == theirs.direction.tolist()


@pytest.mark.parametrize("missing", ["1_byte", "2_bytes", "3_bytes"])
def test_a_record_that_was_cut_short_is_refused(shared_data: Path, missing: str) -> None:
    data = (shared_data / "templates" / "invalid" / f"101_1_truncate_{missing}.iso").read_bytes()
    with pytest.raises(
        FormatError, match=rf"19794-2:2005: the header states a length of 30 bytes \(7\.3\); got {len(data)}"
    ):
        read(data)


def test_the_records_of_another_vendor_are_read_with_nothing_to_forgive(shared_data: Path) -> None:
    paths = sorted(shared_data.glob("fvc2002/*/*.iso"))
    assert len(paths) == 320
    for path in paths:
        data = path.read_bytes()
        record = read(data)
        (template,) = read_iso19794_2(data)
        assert (record.format, record.deviations) == (Format.ISO_2005, ())
        assert dumped(data, record.format) == [as_dump(record.views[0], 256)]
        for name in ("x", "y", "direction", "kind", "quality"):
            np.testing.assert_array_equal(getattr(record.views[0].template, name), getattr(template, name))
        assert write(record) == data


@pytest.mark.parametrize("name", [name for name, (_edition, codes) in SAMPLES.items() if not codes])
def test_a_sample_with_nothing_to_forgive_is_written_as_it_was(shared_data: Path, name: str) -> None:
    data = (shared_data / "templates" / name).read_bytes()
    assert write(read(data)) == data


@pytest.mark.parametrize("name", [name for name, (_edition, codes) in SAMPLES.items() if codes])
def test_a_sample_with_deviations_is_written_without_them(shared_data: Path, name: str) -> None:
    record = read((shared_data / "templates" / name).read_bytes())
    again = read(write(record))
    assert again.deviations == ()
    assert [as_dump(view, 256) for view in again.views] == [as_dump(view, 256) for view in record.views]
    assert [view.extended for view in again.views] == [view.extended for view in record.views]


# --- Round trips


@st.composite
def templates(draw: st.DrawFn) -> Template:
    count = draw(st.one_of(st.sampled_from([0, 1, 255]), st.integers(0, 255)))
    width, height = draw(st.integers(1, 0x3FFF)), draw(st.integers(1, 0x3FFF))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Template.of(
        rng.integers(0, width, count),
        rng.integers(0, height, count),
        rng.uniform(0, TURN, count),
        kind=rng.integers(0, 3, count),
        quality=rng.integers(0, 101, count),
        width=width,
        height=height,
        position=draw(st.integers(0, 10)),
        origin=draw(st.sampled_from(Origin)),
        impression=draw(st.sampled_from(ImpressionType)),
    )


@pytest.mark.parametrize("edition", STEPS)
@settings(max_examples=40)
@given(given_templates=st.lists(templates(), min_size=1, max_size=3))
def test_a_round_trip_keeps_everything_but_the_fineness_of_directions(
    edition: Format, given_templates: list[Template]
) -> None:
    record = read(write(Record.of(given_templates, edition)))
    assert (record.format, record.deviations) == (edition, ())
    for before, view in zip(given_templates, record.views, strict=True):
        after = view.template
        for name in ("x", "y", "kind", "quality"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert after.position == before.position
        assert after.origin is Origin.OTHER
        assert view.impression == written_as(before.impression, edition)
        turned = np.angle(np.exp(1j * (after.direction.astype(float) - before.direction)))
        assert np.all(np.abs(turned) <= TURN / STEPS[edition] / 2 + 1e-6)
        if edition in LATER:
            assert (after.width, after.height) == (before.width, before.height)


SHARED = {0, 1, 2, 3, 8}
LISTED = {
    Format.ISO_2005: SHARED,
    Format.INCITS_2004: SHARED,
    Format.ISO_2011: SHARED | {4, 5, 6, 7, 24, 28, 29},
    Format.INCITS_2007: SHARED | {*range(20, 30)},
    Format.INCITS_2009: SHARED | {*range(20, 30)},
    Format.INCITS_2009_AM1: SHARED | {*range(20, 30)},
}
"""The codes of impression types that an edition lists and that mean the same in table 7 of ANSI/NIST-ITL."""


def written_as(impression: ImpressionType, edition: Format) -> int:
    """The code that a record has for an impression, found the slow way."""
    if impression in LISTED[edition]:
        return impression
    if edition is Format.INCITS_2004 and impression == 24:
        return 9
    return 2 if impression in {4, 5, 6, 7} else 1 if impression in {21, 23, 25, 27, 41} else 0


@pytest.mark.parametrize("edition", STEPS)
def test_how_a_print_came_about_is_read_from_its_record(edition: Format) -> None:
    nine = {Format.INCITS_2004: ImpressionType.CONTACTLESS_PLAIN, Format.ISO_2011: ImpressionType.LIVE_ROLLED}
    empty = FingerView.of(Template.of([], [], [], width=9, height=9))
    for code in range(16 if edition in {Format.ISO_2005, Format.INCITS_2004} else 256):
        (view,) = read(write(Record(edition, (replace(empty, impression=code),)))).views
        known = ImpressionType(code) if code in set(ImpressionType) else ImpressionType.UNKNOWN
        assert view.impression == code
        assert view.template.impression is (nine.get(edition, known) if code == 9 else known)


@pytest.mark.parametrize("edition", STEPS)
def test_what_an_edition_lists_is_read_again_as_it_was(edition: Format) -> None:
    for code in sorted(LISTED[edition]):
        print_ = Template.of([], [], [], width=9, height=9, impression=ImpressionType(code))
        (view,) = read(write(Record.of([print_], edition))).views
        assert view.template.impression is print_.impression


def test_a_view_of_a_template_has_the_code_that_all_formats_share() -> None:
    for impression in ImpressionType:
        print_ = Template.of([], [], [], width=9, height=9, impression=impression)
        assert FingerView.of(print_).impression == written_as(impression, Format.ISO_2005)
        assert FingerView.of(print_, impression=7).impression == 7


byte, short = st.integers(0, 255), st.integers(0, 0xFFFF)


@st.composite
def areas(draw: st.DrawFn, edition: Format, size: tuple[int, int]) -> Area:
    steps = STEPS[edition]
    turn = st.integers(0, steps - 1).map(lambda step: step * TURN / steps)
    coordinate = st.integers(0, 0x3FFF)
    iso = edition in {Format.ISO_2005, Format.ISO_2011}
    which = draw(st.integers(0, 3 if iso else 2))
    if which == 0:
        return RidgeCounts(draw(byte), tuple(draw(st.lists(st.tuples(byte, byte, byte), max_size=20))))
    if which == 1:
        ways = [True, False] if iso else [draw(st.booleans())]
        cores = st.builds(
            Core, coordinate, coordinate, st.sampled_from(ways).flatmap(lambda w: turn if w else st.none())
        )
        three = st.tuples(turn, turn, turn)
        deltas = st.builds(
            Delta, coordinate, coordinate, st.sampled_from(ways).flatmap(lambda w: three if w else st.none())
        )
        return CoresAndDeltas(tuple(draw(st.lists(cores, max_size=15))), tuple(draw(st.lists(deltas, max_size=15))))
    if which == 2:
        return OtherArea(draw(st.integers(0x100, 0xFFFF)), draw(st.binary(max_size=50)))
    cell, bits = (draw(st.integers(32, 255)), draw(st.integers(32, 255))), draw(st.integers(1, 8))
    zones = -(-size[0] // cell[0]) * -(-size[1] // cell[1])
    data = bytes(-(-zones * bits // 8))
    return ZonalQuality(cell, bits, data, (draw(short), draw(short)) if edition is Format.ISO_2011 else None)


@st.composite
def records(draw: st.DrawFn, edition: Format) -> Record:
    """A record with all that its format can say."""
    shared = edition in {Format.ISO_2005, Format.INCITS_2004}
    wide = edition in {Format.INCITS_2009, Format.INCITS_2009_AM1}
    side, per_cm = st.integers(1, 2000), st.integers(40, 800)
    images = st.tuples(st.tuples(side, side), st.tuples(per_cm, per_cm))
    certified = draw(st.booleans())
    if edition is Format.ISO_2011:
        pairs = st.lists(st.tuples(short, byte), max_size=3).map(tuple) if certified else st.none()
        devices = st.builds(Device, short, short, byte, st.just(0), pairs)
        qualities = st.lists(st.builds(Quality, st.sampled_from([0, 50, 100, 254, 255]), short, short), max_size=3)
    else:
        device = Device(
            draw(short if wide else st.integers(0, 0xFFF)), certified=draw(byte if wide else st.integers(0, 15))
        )
        devices = st.just(device)
        score = st.builds(Quality, st.integers(0, 100)) if shared else st.builds(Quality, st.just(254), short, short)
        qualities = score.map(lambda quality: [quality])
    image = draw(images)
    views = []
    for number in range(draw(st.integers(1, 3))):
        size, resolution = image if shared else draw(images)
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        count = draw(st.sampled_from([0, 1, 7, 255]))
        grades = np.array([0, 1, 100] if shared else [0, 1, 100, 254, 255], np.uint8)
        view = FingerView.of(
            Template.of([], [], [], width=1, height=1, position=draw(st.integers(0, 10))), number=number
        )
        views.append(
            replace(
                view,
                impression=draw(st.integers(0, 15 if shared else 255)),
                qualities=tuple(draw(qualities)),
                size=size,
                per_cm=resolution,
                x=rng.integers(0, size[0], count).astype(np.uint16),
                y=rng.integers(0, size[1], count).astype(np.uint16),
                direction=rng.integers(0, STEPS[edition], count).astype(np.float64) * (TURN / STEPS[edition]),
                kind=rng.integers(0, 3, count).astype(np.uint8),
                quality=grades[rng.integers(0, len(grades), count)],
                extended=tuple(draw(st.lists(areas(edition, size), max_size=3))),
                device=draw(devices),
                captured=draw(st.none() | st.just((2026, 11, 22, 9, 30, 0, 999)))
                if edition is Format.ISO_2011
                else None,
                ending=draw(st.integers(0, 1)) if edition is Format.ISO_2011 else 0,
            )
        )
    incits = edition not in {Format.ISO_2005, Format.ISO_2011}
    return Record(edition, tuple(views), (draw(short), draw(short)) if incits else (0, 0))


@pytest.mark.parametrize("edition", STEPS)
@settings(max_examples=20)
@given(data=st.data())
def test_what_a_record_says_is_written_and_read_again(edition: Format, data: st.DataObject) -> None:
    before = data.draw(records(edition))
    written = write(before)
    after = read(written)
    assert write(after) == written
    assert (after.format, after.product, after.deviations) == (edition, before.product, ())
    for one, other in zip(before.views, after.views, strict=True):
        assert as_dump(one, STEPS[edition]) == as_dump(other, STEPS[edition])
        for name in ("size", "per_cm", "qualities", "device", "captured", "ending"):
            assert getattr(one, name) == getattr(other, name), name
        assert [type(area) for area in one.extended] == [type(area) for area in other.extended]
        assert [_rounded(area) for area in one.extended] == [_rounded(area) for area in other.extended]
    assert dumped(written, edition) == [as_dump(view, STEPS[edition]) for view in before.views]


def _rounded(area: Area) -> object:
    """The area with directions that floating point cannot tell apart made equal."""
    if not isinstance(area, CoresAndDeltas):
        return area
    cores = [(core.x, core.y, None if core.direction is None else round(core.direction, 9)) for core in area.cores]
    turns = [delta.directions and [round(turn, 9) for turn in delta.directions] for delta in area.deltas]
    return cores, [(delta.x, delta.y) for delta in area.deltas], turns


def test_a_record_of_more_than_65535_bytes_has_its_length_elsewhere() -> None:
    many = Template.of(np.arange(255), np.arange(255), np.zeros(255), width=300, height=300)
    views = [replace(many, position=place % 11) for place in range(50)]
    data = write(Record.of(views, Format.INCITS_2004))
    assert len(data) > 0xFFFF
    assert (data[8:10], int.from_bytes(data[10:14])) == (bytes(2), len(data))
    assert len(read(data).views) == 50
    assert len(read(write(Record.of(views, Format.ISO_2005))).views) == 50


def test_a_template_without_qualities_is_written_without_them() -> None:
    template = Template.of([1, 2], [3, 4], [0, 1], width=9, height=9)
    for edition in LATER:
        view = read(write(Record.of([template], edition))).views[0]
        assert view.quality.tolist() == [254, 254]
        assert view.score is None
        assert view.template.quality.tolist() == [0, 0]
    assert len(write(Record.of([template], Format.ISO_2011))) == 15 + 34 + 5 + 2 * 5


# --- Resolutions, sizes, positions


@pytest.mark.parametrize("edition", STEPS)
@pytest.mark.parametrize(
    ("per_cm", "dpi"),
    [((197, 197), (500, 500)), ((394, 99), (1000, 250)), ((99, 394), (250, 1000)), ((224, 196), (568.96, 497.84))],
)
def test_coordinates_come_at_500_dpi_across_and_down(
    edition: Format, per_cm: tuple[int, int], dpi: tuple[float, float]
) -> None:
    template = Template.of([100, 299], [200, 399], [1, 2], width=300, height=400)
    view = replace(Record.of([template], edition).views[0], per_cm=per_cm)
    again = read(write(Record(edition, (view,)))).views[0]
    across, down = DPI / dpi[0], DPI / dpi[1]
    width, height = round(300 * across), round(400 * down)
    assert (again.template.width, again.template.height) == (width, height)
    assert again.template.x.tolist() == [round(100 * across), min(round(299 * across), width - 1)]
    assert again.template.y.tolist() == [round(200 * down), min(round(399 * down), height - 1)]
    assert (again.x.tolist(), again.y.tolist()) == ([100, 299], [200, 399])


def iso_2005(body: str, *, views: int = 1, length: int | None = None, more: str = "", reserved: int = 0) -> bytes:
    """A record of 300 x 400 at 500 dpi."""
    rest = bytes.fromhex(body)
    stated = 24 + len(rest) if length is None else length
    fields = stated.to_bytes(4) + bytes.fromhex("0000 012c 0190 00c5 00c5") + bytes([views, reserved])
    return b"FMR\x00 20\x00" + fields + rest + bytes.fromhex(more)


def incits_2009(body: str, *, reserved: int = 0, views: int = 1) -> bytes:
    rest = bytes.fromhex(body)
    return b"FMR\x00030\x00" + (21 + len(rest)).to_bytes(4) + bytes(7) + bytes([views, reserved]) + rest


def test_a_minutia_at_the_edge_is_inside_and_one_beyond_it_is_refused() -> None:
    (view,) = read(iso_2005("01 00 00 01 012b 018f 00 00 0000")).views
    assert (view.x[0], view.y[0]) == (299, 399)
    for beyond in ("012c 018f", "012b 0190"):
        with pytest.raises(FormatError, match="view 1: a minutia lies outside the image of 300 x 400"):
            read(iso_2005(f"01 00 00 01 {beyond} 00 00 0000"))


def test_a_view_of_several_fingers_is_refused() -> None:
    with pytest.raises(FormatError, match=r"view 1: a finger position is 0 \(unknown\) or 1-10 .* got 13"):
        read(incits_2009("0d 00 00 fe 0000 0000 012c 0190 00c5 00c5 00 0000"))


def test_several_views_of_several_fingers_are_read_in_order() -> None:
    empty = [Template.of([], [], [], width=9, height=9, position=position) for position in (0, 7, 7, 2)]
    for edition in STEPS:
        views = read(write(Record.of(empty, edition))).views
        assert [(view.position, view.number) for view in views] == [(0, 0), (7, 0), (7, 1), (2, 0)]


# --- What is forgiven


@pytest.mark.parametrize("length", [14, 29, 31, 46])
def test_a_length_that_is_wrong_by_a_few_bytes_is_forgiven_where_the_views_use_every_byte(length: int) -> None:
    record = read(iso_2005("01 00 00 00 0000", length=length))
    assert [deviation.code for deviation in record.deviations] == ["record-length"]
    assert f"states a length of {length} bytes (7.3); got 30" in record.deviations[0].text


@pytest.mark.parametrize("length", [0, 13, 47, 65536])
def test_a_length_that_is_quite_wrong_is_refused(length: int) -> None:
    with pytest.raises(
        FormatError, match=rf"states a length of {length} bytes \(7\.3\); got 30; its 1 view\(s\) use 30"
    ):
        read(iso_2005("01 00 00 00 0000", length=length))


def test_zeros_after_a_record_are_read_over_and_anything_else_is_not() -> None:
    record = read(iso_2005("01 00 00 00 0000", more="000000"))
    assert [deviation.code for deviation in record.deviations] == ["trailing-zeros"]
    with pytest.raises(FormatError, match=r"states a length of 30 bytes \(7\.3\); got 33; its 1 view\(s\) use 30"):
        read(iso_2005("01 00 00 00 0000", more="000001"))


def test_two_records_in_a_row_are_not_taken_for_one() -> None:
    once = iso_2005("01 00 00 00 0000")
    with pytest.raises(FormatError, match="got 60; its 1 view"):
        read(once + once)


def test_a_version_with_a_zero_for_a_blank_is_read_as_the_same_number() -> None:
    data = iso_2005("01 00 00 00 0000").replace(b" 20", b"020")
    assert [deviation.code for deviation in read(data).deviations] == ["version"]
    with pytest.raises(FormatError, match="begins with"):
        read_iso19794_2(data)


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (iso_2005("01 00 00 01 4001 c001 00 00 0000"), "reserved", "two bits before each y"),
        (iso_2005("01 00 00 00 0000", reserved=7), "reserved", "the header is reserved and 0 .* got 7"),
        (iso_2005("01 00 65 00 0000"), "quality", r"quality of a finger is 0 to 100 \(7\.4\.1\)"),
        (iso_2005("01 00 00 01 4001 0001 00 fe 0000"), "minutia-quality", r"254 or 255: read as not reported"),
        (iso_2005("01 00 00 00 0004 01020304"), "extended-data-unread", "its 4 bytes of extended data .* as they are"),
        (iso_2005("01 00 00 00 0005 0002 0001 00"), "extended-data-unread", "make no areas"),
        (iso_2005("01 00 00 00 0007 0100 0007 010203"), "extended-length", "does not count its own header"),
    ],
)
def test_what_touches_no_meaning_is_forgiven_and_named(data: bytes, code: str, text: str) -> None:
    (deviation,) = read(data).deviations
    assert deviation.code == code
    with pytest.raises(FormatError, match=text):
        raise FormatError(deviation.text)


def test_a_kept_template_may_have_only_what_it_could_always_have() -> None:
    assert len(read_iso19794_2(iso_2005("01 00 65 01 4001 c001 00 00 0004 01020304", reserved=7))) == 1
    with pytest.raises(FormatError, match="254 or 255"):
        read_iso19794_2(iso_2005("01 00 00 01 4001 0001 00 fe 0000"))


def test_extended_data_that_make_no_areas_are_kept_and_written_as_they_were() -> None:
    data = iso_2005("01 00 00 00 0004 01020304 02 00 00 00 0000", views=2)
    record = read(data)
    assert record.views[0].extended == (OtherArea(None, bytes.fromhex("01020304")),)
    assert write(record) == data


def test_directions_of_cores_beyond_a_full_turn_leave_the_block_unread() -> None:
    area = "0002 000b 41 0001 0001 b4 00"
    data = incits_2009(f"01 00 00 fe 0000 0000 012c 0190 00c5 00c5 00 000b {area}")
    assert [deviation.code for deviation in read(data).deviations] == ["extended-data-unread"]


def test_a_quality_that_was_not_reported_is_no_quality_of_the_template() -> None:
    minutiae = "4001 0001 00 fe 4002 0002 00 ff 4003 0003 00 64"
    record = read(incits_2009(f"01 00 00 ff 0000 0000 012c 0190 00c5 00c5 03 {minutiae} 0000"))
    assert record.deviations == ()
    assert record.views[0].quality.tolist() == [254, 255, 100]
    assert record.views[0].template.quality.tolist() == [0, 0, 100]
    assert (record.views[0].score, record.views[0].qualities) == (None, (Quality(255),))


# --- Whose record it is


def test_bytes_that_fit_two_formats_alike_are_refused() -> None:
    # As ISO/IEC's of 2011: one representation of 281 bytes, captured in the year 256, with one quality and no minutiae.
    # As INCITS' of 2009: one view from byte 21, of 300 x 400 pixels. The extended data of both end with the record.
    header = (
        "0001 00 00000119 0100 01 02 00 32 00 0000 00 012c 0190 01 32 00c5 0001 00 00 00c5 00c5 00 012c 0190 60 00 00f2"
    )
    body = bytes.fromhex(header)
    data = b"FMR\x00030\x00" + (296).to_bytes(4) + body + b"\xff" * (296 - 12 - len(body))
    assert len(read_as(data, Format.ISO_2011).views) == len(read_as(data, Format.INCITS_2009).views) == 1
    with pytest.raises(FormatError, match=r"fit ISO/IEC 19794-2:2011 and INCITS 378-2009 alike.*ask the sender"):
        read(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"begins with b'FMR\\x00' and a version, one of .*; got b''"),
        (b"FMR\x00", r"begins with .*; got b'FMR\\x00'"),
        (b"FIR\x00010\x00" + bytes(60), r"begins with .*; got b'FIR\\x00010\\x00'"),
        (b"FMR\x00040\x00" + bytes(60), r"begins with .*; got b'FMR\\x00040\\x00'"),
        (b"FMR\x00 20\x00", r"19794-2:2005: .*header of 24 bytes \(7\.3\); got 8.*378-2004: .*header of 26 bytes"),
        (
            b"FMR\x00030\x00",
            r"2011: .*header of 15 bytes.*; 0 remain.*2009: .*header of 21 bytes.*; .*2007: .*20 bytes",
        ),
        (b"FMR\x00035\x00" + bytes(12), r"AM1-2010: a record begins with a header of 21 bytes .* got 20"),
        (incits_2009("", views=0), r"2009: a record has at least one finger view"),
        (incits_2009("", reserved=9), r"2009: the last byte of the header is reserved and 0 .* got 9"),
        (incits_2009("01"), r"2009: view 1: its header has 17 bytes .*; 1 remain"),
        (incits_2009("01 00 00 fe 0000 0000 0000 0190 00c5 00c5 00 0000"), "1 to 16383 pixels .* states 0 x 400"),
        (
            incits_2009("01 00 00 fe 0000 0000 012c 0190 0000 00c5 00 0000"),
            "40 to 800 pixels per centimetre .* states 0",
        ),
        (incits_2009("01 00 00 fe 0000 0000 012c 0190 00c5 00c5 01 c001 0001 00 00 0000"), "every kind must be 0 to 2"),
        (
            incits_2009("01 00 00 fe 0000 0000 012c 0190 00c5 00c5 00 0000 00"),
            r"end after its 1 view\(s\) .* 1 more byte",
        ),
        (b"FMR\x00 20\x00" + bytes(MAX_BYTES), f"at most {MAX_BYTES} bytes here; got {MAX_BYTES + 8}"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason_of_each_layout(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(data)


REPRESENTATION = "ffff ff ff ff ff ff ffff 00 0000 0000 00 01 00 00c5 00c5 00 012c 0190 {kinds} {count} {minutiae} 0000"


def iso_2011(
    *, kinds: str = "60", minutiae: str = "", views: int = 1, certified: int = 0, least: int = 0, more: str = ""
) -> bytes:
    """A record of one representation, whose length is stated ``least`` too great."""
    count = len(bytes.fromhex(minutiae)) // int(kinds[0])
    body = bytes.fromhex(REPRESENTATION.format(kinds=kinds, count=f"{count:02x}", minutiae=minutiae) + more)
    whole = (4 + len(body) + least).to_bytes(4) + body
    return b"FMR\x00030\x00" + (15 + len(whole)).to_bytes(4) + views.to_bytes(2) + bytes([certified]) + whole


def test_minutiae_of_2011_may_have_five_bytes() -> None:
    (view,) = read(iso_2011(kinds="51", minutiae="4001 0002 40 8003 0004 80")).views
    assert (view.x.tolist(), view.y.tolist(), view.kind.tolist()) == ([1, 3], [2, 4], [1, 2])
    assert view.direction.tolist() == pytest.approx([np.pi / 2, np.pi])
    assert (view.quality.tolist(), view.ending, view.captured, view.qualities) == ([254, 254], 1, None, ())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (iso_2011(kinds="40"), "view 1: a minutia has 5 or 6 bytes .* states 4"),
        (iso_2011(certified=2), r"certifications are stated \(1\) or not \(0\) .* got 2"),
        (iso_2011(certified=1), r"2011: view 1: its header is cut short .*; \d+ remain"),
        (iso_2011(views=0), "1 to 176 representations .* got 0"),
        (iso_2011(views=177), "1 to 176 representations .* got 177"),
        (iso_2011(views=2), "view 2: its length has 4 bytes .*; 0 remain"),
        (iso_2011(least=1), "view 1: it states 35 bytes .*; 30 remain"),
        (iso_2011(least=-1), "view 1: a representation has at least 34 bytes .* states 33"),
        (iso_2011(more="00"), r"view 1: it states 35 bytes .*; 1 more than its contents have"),
    ],
)
def test_a_representation_that_does_not_add_up_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(data)


def test_a_card_has_no_header_to_be_read_or_written() -> None:
    with pytest.raises(FormatError, match="compact size, has no record header: read it as a card's data"):
        read_as(b"", Format.CARD_COMPACT)
    with pytest.raises(FormatError, match="normal size, has no record header: write it as a card's data"):
        write(Record.of([Template.of([], [], [], width=9, height=9)], Format.CARD_NORMAL))


# --- What is not written

EMPTY = FingerView.of(Template.of([1], [1], [0], width=9, height=9))


@pytest.mark.parametrize(
    ("edition", "changes", "message"),
    [
        (Format.ISO_2005, {"position": 11}, "a position is 0 to 10 and a view's number 0 to 15 .* got 11 and 0"),
        (Format.ISO_2011, {"number": 16}, "got 0 and 16"),
        (Format.INCITS_2004, {"impression": 16}, r"an impression \(INCITS 378-2004, 6\.5\.1\) is 0 to 15; got 16"),
        (Format.INCITS_2009, {"impression": -1}, "an impression is 0 to 255; got -1"),
        (Format.INCITS_2009, {"qualities": (Quality(1), Quality(2))}, "one quality .* got 2"),
        (Format.INCITS_2009, {"qualities": (Quality(101),)}, "the quality of a finger is 0 to 100, 254 or 255"),
        (Format.ISO_2011, {"qualities": (Quality(1, 70000),)}, "a quality's owner is 0 to 65535; got 70000"),
        (Format.ISO_2005, {"size": (0, 9)}, "view 1 does not fit ISO/IEC 19794-2:2005, 7.3.* states 0 x 9"),
        (Format.ISO_2005, {"per_cm": (39, 197)}, "40 to 800"),
        (Format.ISO_2005, {"size": (1, 9)}, "a minutia lies outside the image or has a type above 2"),
        (Format.ISO_2005, {"kind": np.array([3], np.uint8)}, "has a type above 2"),
        (Format.ISO_2005, {"kind": np.array([], np.uint8)}, "arrays of different lengths"),
        (
            Format.ISO_2005,
            {name: np.zeros(256, np.uint8) for name in ("x", "y", "direction", "kind", "quality")},
            "it has 256 minutiae, more than 255",
        ),
        (Format.ISO_2011, {"quality": np.array([101], np.uint8)}, "a quality is 0 to 100, 254 or 255"),
        (Format.ISO_2005, {"direction": np.array([np.nan])}, "a direction is a finite number"),
        (Format.ISO_2005, {"captured": (1, 2, 3, 4, 5, 6, 7)}, "it cannot say when"),
        (Format.INCITS_2009, {"ending": 1}, "how endings were taken"),
        (Format.INCITS_2004, {"device": Device(vendor=1)}, "by which technology"),
        (Format.INCITS_2004, {"device": Device(id=0x1000)}, "a device's number is 0 to 4095; got 4096"),
        (Format.ISO_2011, {"device": Device(certified=1)}, "no bits of compliance"),
        (Format.ISO_2011, {"captured": (1, 2)}, "a time has 7 numbers.* got 2"),
        (Format.INCITS_2009, {"extended": (ZonalQuality((9, 9), 8, b"1"),)}, "has no quality of zones"),
        (
            Format.ISO_2005,
            {"extended": (OtherArea(256, bytes(65532)),)},
            "at most 65535 bytes of extended data .* 65536",
        ),
        (
            Format.ISO_2011,
            {"extended": (OtherArea(256, bytes(65532)),)},
            "an area of extended data has at most .* 65536",
        ),
        (Format.ISO_2005, {"extended": (OtherArea(65536, b""),)}, "the type of an area is 0 to 65535"),
        (Format.ISO_2005, {"extended": (RidgeCounts(256, ()),)}, "a ridge count is 0 to 255; got 256"),
        (Format.ISO_2005, {"extended": (CoresAndDeltas((Core(1, 1),) * 16),)}, "at most 15 cores .* got 16"),
        (Format.ISO_2005, {"extended": (CoresAndDeltas((Core(16384, 1),)),)}, "lies at 0 to 16383 .* got 16384, 1"),
        (Format.INCITS_2004, {"extended": (CoresAndDeltas((Core(1, 1), Core(1, 1, 1.0))),)}, "have directions or none"),
    ],
)
def test_what_a_format_cannot_say_is_not_written(edition: Format, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        write(Record(edition, (replace(EMPTY, **changes),)))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Record(Format.ISO_2005, ()), "1 to 255 views; got 0"),
        (Record(Format.ISO_2011, (EMPTY,) * 177), "1 to 176 representations .* got 177"),
        (Record(Format.ISO_2005, (EMPTY,), (1, 1)), "names no product"),
        (Record(Format.ISO_2011, (EMPTY,), (1, 1)), "names no product"),
        (Record(Format.INCITS_2004, (EMPTY,), (65536, 1)), "a product's number is 0 to 65535"),
        (Record(Format.ISO_2005, (EMPTY, replace(EMPTY, size=(10, 9)))), "one image size, .* view 2 has others"),
        (Record(Format.INCITS_2009, (EMPTY, replace(EMPTY, device=Device(id=1)))), "one device for all views"),
        (Record(Format.ISO_2011, (EMPTY, replace(EMPTY, device=Device(certifications=())))), "certifications or none"),
    ],
)
def test_a_record_that_its_format_cannot_hold_is_not_written(record: Record, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        write(record)


# --- Damage


def _read_or_refuse(data: bytes) -> bool:
    try:
        record = read(data)
    except FormatError:
        return False
    assert record.views
    return True


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(damaged)))
        match rng.integers(0, 4):
            case 0:
                damaged[at] = int(rng.integers(0, 256))
            case 1:
                damaged[at] ^= 1 << int(rng.integers(0, 8))
            case 2:
                del damaged[at : at + int(rng.integers(1, 4))]
            case _:
                damaged[at:at] = damaged[: int(rng.integers(1, 30))]
        damaged = damaged or bytearray(1)
    return bytes(damaged)


def test_five_thousand_damaged_samples_are_read_or_refused_and_nothing_else(shared_data: Path) -> None:
    samples = [path.read_bytes() for path in sorted((shared_data / "templates").glob("*.*"))]
    rng = np.random.default_rng(19794)
    outcomes = [_read_or_refuse(_mutated(samples[n % len(samples)], rng)) for n in range(5000)]
    assert 0 < sum(outcomes) < 5000


@given(st.sampled_from([b" 20\x00", b"020\x00", b"030\x00", b"035\x00", b""]), st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(version: bytes, rest: bytes) -> None:
    _read_or_refuse(b"FMR\x00" + version + rest)


@pytest.mark.parametrize("edition", STEPS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_damaged_record_of_any_format_is_read_or_refused_and_nothing_else(
    edition: Format, data: st.DataObject
) -> None:
    damaged = bytearray(write(data.draw(records(edition)))[:400])
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(byte)
    _read_or_refuse(bytes(damaged))
