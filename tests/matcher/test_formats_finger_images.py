"""Finger image records: what is read, what is written again, what is named and what is refused."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher import images
from matcher.formats import FormatError, finger_images
from matcher.formats.finger_images import (
    UNKNOWN_TIME,
    Certification,
    Compression,
    Device,
    ExtendedData,
    Quality,
    Record,
    Standard,
    Units,
    View,
    read,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

OLD = (Standard.INCITS_2004, Standard.ISO_2005)
FINGERS = {
    name: position
    for position, name in enumerate(
        f"{hand}_{finger}" for hand in ("Right", "Left") for finger in ("Thumb", "Index", "Middle", "Ring", "Little")
    )
}
PICTURE = View(position=2, width=3, height=2, compression=0, image=b"abcdef")
OF_2005 = Record(Standard.ISO_2005, (PICTURE,), level=31)
OF_2011 = Record(Standard.ISO_2011, (replace(PICTURE, number=0),))
LOADED = Record(
    Standard.ISO_2011,
    (
        replace(
            PICTURE,
            number=0,
            qualities=(Quality(57, 15, 1), Quality(None, 15, 2)),
            device=Device(1, 0x0102, 0x0304),
            certifications=(Certification(5, 1), Certification(6, 2)),
            extended=(ExtendedData(1, b"segments"), ExtendedData(3, b"remark")),
        ),
    ),
    certified=True,
)


# A slow twin of the header parsing: byte by byte, by the tables


def number(data: bytes, at: int, size: int) -> int:
    value = 0
    for byte in data[at : at + size]:
        value = value * 256 + byte
    return value


def slowly_2005(data: bytes, product: int = 0) -> list[dict[str, Any]]:
    """Describe the views of an edition of 2005; of 2004, with 4 bytes of product identifier."""
    assert data[0:8] == b"FIR\x00010\x00"
    assert number(data, 8, 6) == len(data)
    header = 14 + product
    common = {
        "device": number(data, header, 2),
        "level": number(data, header + 2, 2),
        "units": data[header + 5],
        "scan_resolution": (number(data, header + 6, 2), number(data, header + 8, 2)),
        "image_resolution": (number(data, header + 10, 2), number(data, header + 12, 2)),
        "bit_depth": data[header + 14],
        "compression": data[header + 15],
    }
    views, at = [], header + 18
    for _ in range(data[header + 4]):
        length = number(data, at, 4)
        views.append(
            common
            | {
                "position": data[at + 4],
                "count": data[at + 5],
                "number": data[at + 6],
                "score": data[at + 7],
                "impression": data[at + 8],
                "width": number(data, at + 9, 2),
                "height": number(data, at + 11, 2),
                "image": data[at + 14 : at + length],
            }
        )
        at += length
    assert at == len(data)
    return views


def slowly_2011(data: bytes) -> list[dict[str, Any]]:
    assert data[0:8] == b"FIR\x00020\x00"
    assert number(data, 8, 4) == len(data)
    views, at = [], 16
    for _ in range(number(data, 12, 2)):
        end = at + number(data, at, 4)
        time, technology = data[at + 4 : at + 13], data[at + 13]
        vendor, kind = number(data, at + 14, 2), number(data, at + 16, 2)
        at, qualities = (
            at + 19,
            [
                (data[at + 19 + 5 * i], number(data, at + 20 + 5 * i, 2), number(data, at + 22 + 5 * i, 2))
                for i in range(data[at + 18])
            ],
        )
        at += 5 * len(qualities)
        certifications = []
        if data[14] == 1:
            certifications = [(number(data, at + 1 + 3 * i, 2), data[at + 3 + 3 * i]) for i in range(data[at])]
            at += 1 + 3 * len(certifications)
        size = number(data, at + 18, 4)
        view = {
            "time": time,
            "device": (technology, vendor, kind),
            "qualities": qualities,
            "certifications": certifications,
            "position": data[at],
            "number": data[at + 1],
            "units": data[at + 2],
            "scan_resolution": (number(data, at + 3, 2), number(data, at + 5, 2)),
            "image_resolution": (number(data, at + 7, 2), number(data, at + 9, 2)),
            "bit_depth": data[at + 11],
            "compression": data[at + 12],
            "impression": data[at + 13],
            "width": number(data, at + 14, 2),
            "height": number(data, at + 16, 2),
            "image": data[at + 22 : at + 22 + size],
        }
        at += 22 + size
        extended = []
        while at < end:
            extended.append((number(data, at, 2), data[at + 4 : at + number(data, at + 2, 2)]))
            at += number(data, at + 2, 2)
        views.append(view | {"extended": extended})
    assert at == len(data)
    return views


def same_2005(record: Record, slow: list[dict[str, Any]]) -> None:
    assert len(record.views) == len(slow)
    for view, expected in zip(record.views, slow, strict=True):
        score = view.qualities[0].score if view.qualities else 254
        got = {name: getattr(view, name) for name in expected.keys() - {"device", "level", "score"}}
        assert got | {"device": record.device, "level": record.level, "score": score} == expected


def same_2011(record: Record, slow: list[dict[str, Any]]) -> None:
    assert len(record.views) == len(slow)
    for view, expected in zip(record.views, slow, strict=True):
        got = {name: getattr(view, name) for name in expected} | {
            "device": (view.device.technology, view.device.vendor, view.device.type),
            "qualities": [
                (255 if each.score is None else each.score, each.vendor, each.algorithm) for each in view.qualities
            ],
            "certifications": [(each.authority, each.scheme) for each in view.certifications],
            "extended": [(each.type, each.data) for each in view.extended],
        }
        assert got == expected


# Real records


def real_records(shared_data: Path, folder: str) -> list[tuple[str, bytes]]:
    files = sorted((shared_data / "iso19794_4" / folder).glob("*.iso"))
    assert len(files) == 10
    return [(file.stem.removeprefix("FingerPrint").removesuffix("_wsq"), file.read_bytes()) for file in files]


@pytest.mark.parametrize("folder", ["mosip_2005", "mosip_auth_jp2", "mosip_auth_wsq", "mosip_reg"])
def test_real_records_are_read_as_their_tables_say_and_written_again_to_the_byte(
    shared_data: Path, folder: str
) -> None:
    for name, data in real_records(shared_data, folder):
        record = read(data)
        (view,) = record.views
        assert record.deviations == ()
        assert view.position == FINGERS[name] + 1
        assert (view.dpi, view.bit_depth, view.count) == ((500.0, 500.0), 8, 1)
        assert write(record) == data
        if folder == "mosip_2005":
            same_2005(record, slowly_2005(data))
        else:
            same_2011(record, slowly_2011(data))


def test_real_records_state_the_codec_that_their_pictures_are_in(shared_data: Path) -> None:
    stated = {
        "mosip_2005": Compression.JPEG_2000,
        "mosip_auth_jp2": Compression.JPEG_2000,
        "mosip_auth_wsq": Compression.WSQ,
        "mosip_reg": Compression.JPEG_2000_LOSSLESS,
    }
    for folder, compression in stated.items():
        for _name, data in real_records(shared_data, folder):
            record = read(data)
            (view,) = record.views
            assert record.compression(view) is compression
            jp2, wsq = b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\xa0"
            assert view.image.startswith(wsq if compression is Compression.WSQ else jp2)


def test_the_record_counts_where_the_picture_states_another_resolution(shared_data: Path) -> None:
    data = (shared_data / "iso19794_4" / "mosip_reg" / "Left_Index.iso").read_bytes()
    (view,) = read(data).views
    box = view.image.index(b"resc") + 4
    per_metre = number(view.image, box, 2) / number(view.image, box + 2, 2) * 10 ** view.image[box + 8]
    assert round(per_metre * 0.0254) == 1000
    assert view.dpi == (500.0, 500.0)


def test_a_picture_of_a_real_record_has_the_size_that_the_record_states(shared_data: Path) -> None:
    data = (shared_data / "iso19794_4" / "mosip_auth_wsq" / "Right_Index_wsq.iso").read_bytes()
    (view,) = read(data).views
    picture = images.read(view.image, dpi=view.dpi[0])
    assert picture.pixels.shape == (view.height, view.width)


def test_the_blocks_of_2011_are_kept(shared_data: Path) -> None:
    data = (shared_data / "iso19794_4" / "mosip_reg" / "Left_Index.iso").read_bytes()
    record = read(data)
    (view,) = record.views
    assert record.certified
    assert view.qualities == (Quality(57, 0x40, 0x0F),)
    assert view.certifications == (Certification(0x40, 2), Certification(0x40, 2))
    assert view.captured == dt.datetime(2022, 12, 28, 12, 30, 15, 976000, tzinfo=dt.UTC)
    assert [block.type for block in view.extended] == [1, 2, 3]
    assert " image=" not in repr(view)
    assert "data=" not in repr(view.extended)


# What is written


bytes_ = st.integers(0, 0xFF)
words = st.integers(0, 0xFFFF)
resolutions = st.sampled_from([(500, 500), (1000, 1000), (500, 1000), (250, 250)])


@st.composite
def pictures(draw: st.DrawFn, standard: Standard) -> dict[str, Any]:
    """What all views of an old record have in common."""
    raw = draw(st.booleans())
    codes = 7 if standard is Standard.ISO_2011 else 6
    units = draw(st.sampled_from(Units))
    scan = draw(resolutions) if units is Units.INCH else draw(st.sampled_from([(197, 197), (394, 394)]))
    image = (scan[0] // draw(st.sampled_from([1, 2])), scan[1]) if scan[0] >= 394 else scan
    return {
        "units": units,
        "scan_resolution": scan,
        "image_resolution": image,
        "bit_depth": draw(st.integers(1, 16)),
        "compression": draw(st.integers(0, 1)) if raw else draw(st.integers(2, codes - 1)),
    }


@st.composite
def views(draw: st.DrawFn, standard: Standard, common: dict[str, Any]) -> View:
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    depth = common["bit_depth"]
    size = {0: width * height * (2 if depth > 8 else 1), 1: (width * height * depth + 7) // 8}.get(
        common["compression"]
    )
    image = draw(st.binary(min_size=1, max_size=40)) if size is None else draw(st.binary(min_size=size, max_size=size))
    new = standard is Standard.ISO_2011
    position = draw(st.sampled_from([0, 1, 2, 7, 10, 13, 14, 15, 20, 36, *([40, 50] if new else [])]))
    impression = draw(st.sampled_from([0, 1, 2, 3, 7, 8, 9, *([15, 24, 28, 29] if new else [])]))
    view = View(position, width, height, image=image, impression=impression, **common)
    if not new:
        return replace(
            view, qualities=tuple(Quality(score) for score in draw(st.lists(st.integers(0, 100), max_size=1)))
        )
    scores = st.none() | st.integers(0, 100)
    moments = st.datetimes(min_value=dt.datetime(1, 1, 1), max_value=dt.datetime(9999, 12, 31))  # noqa: DTZ001 - UTC
    moment = draw(st.none() | moments)
    return replace(
        view,
        qualities=tuple(draw(st.lists(st.builds(Quality, scores, words, words), max_size=3))),
        time=UNKNOWN_TIME if moment is None else time_of(moment),
        device=draw(st.builds(Device, st.integers(0, 19), words, words)),
        extended=tuple(
            draw(st.lists(st.builds(ExtendedData, st.integers(1, 0xFFFF), st.binary(max_size=9)), max_size=3))
        ),
    )


def time_of(moment: dt.datetime) -> bytes:
    fields = moment.month, moment.day, moment.hour, moment.minute, moment.second
    return moment.year.to_bytes(2) + bytes(fields) + (moment.microsecond // 1000).to_bytes(2)


@st.composite
def records(draw: st.DrawFn, standard: Standard) -> Record:
    common = draw(pictures(standard))
    drawn = draw(st.lists(views(standard, common), min_size=1, max_size=5))
    first = 0 if standard is Standard.ISO_2011 else 1
    positions = [view.position for view in drawn]
    numbered = [
        replace(view, number=first + positions[:place].count(view.position), count=positions.count(view.position))
        for place, view in enumerate(drawn)
    ]
    if standard is Standard.ISO_2011:
        certified = draw(st.booleans())
        certifications = st.lists(st.builds(Certification, words, bytes_), max_size=2)
        if certified:
            numbered = [replace(view, certifications=tuple(draw(certifications))) for view in numbered]
        return Record(standard, tuple(numbered), certified=certified)
    product = draw(st.tuples(words, words)) if standard is Standard.INCITS_2004 else (0, 0)
    return Record(standard, tuple(numbered), draw(words), draw(st.sampled_from([10, 20, 30, 31, 40, 41])), product)


@given(st.sampled_from(Standard).flatmap(records))
def test_what_is_written_is_read_again_as_it_was(record: Record) -> None:
    data = write(record)
    assert read(data) == record
    assert write(record) == data
    if record.standard is Standard.ISO_2011:
        same_2011(record, slowly_2011(data))
    else:
        same_2005(record, slowly_2005(data, product=4 if record.standard is Standard.INCITS_2004 else 0))


def test_a_record_holds_several_fingers_and_several_views_of_one() -> None:
    thumb, again = (
        replace(PICTURE, position=1, count=2),
        replace(PICTURE, position=1, count=2, number=2, image=b"ghijkl"),
    )
    slap = replace(PICTURE, position=13)
    assert [
        (view.position, view.number) for view in read(write(replace(OF_2005, views=(thumb, again, slap)))).views
    ] == [
        (1, 1),
        (1, 2),
        (13, 1),
    ]


@pytest.mark.parametrize(
    ("units", "resolution", "dpi"),
    [
        (Units.CENTIMETRE, 197, 500.0),
        (Units.CENTIMETRE, 394, 1000.0),
        (Units.CENTIMETRE, 224, 568.96),
        (Units.INCH, 569, 569.0),
    ],
)
def test_a_resolution_comes_out_in_dpi(units: Units, resolution: int, dpi: float) -> None:
    both = (resolution, resolution)
    view = replace(PICTURE, units=units, scan_resolution=both, image_resolution=both)
    (back,) = read(write(replace(OF_2005, views=(view,)))).views
    assert back.dpi == pytest.approx((dpi, dpi))


def test_packed_lines_may_end_with_a_byte_or_run_on() -> None:
    for image in (b"\x12\x30\x45\x60", b"\x12\x34\x56"):  # 3 x 2 pixels of 4 bits
        view = replace(PICTURE, compression=1, bit_depth=4, image=image)
        assert read(write(replace(OF_2005, views=(view,)))).views[0].image == image


# What deviates


def changed(data: bytes, at: int, *values: int) -> bytes:
    return data[:at] + bytes(values) + data[at + len(values) :]


@pytest.mark.parametrize(
    ("at", "value", "code", "text"),
    [
        (17, 7, "acquisition-level", "an image acquisition level is one of 10, 20, 30, 31, 40, 41; got 7"),
        (18, 3, "count-misstated", "the header states 3 image(s), 1 are there"),
        (31, 9, "reserved", "the header's last two bytes are 0 (ISO/IEC 19794-4:2005); 0x0009 is passed over"),
        (32 + 13, 9, "reserved", "byte 13 is 0 (ISO/IEC 19794-4:2005); 0x09 is passed over"),
        (
            32 + 7,
            200,
            "quality",
            "a quality is 0 to 100, or 254 for undefined (ISO/IEC 19794-4:2005); 200 is read as undefined",
        ),
        (32 + 4, 12, "position", "ISO/IEC 19794-4:2005 has no position 12"),
        (32 + 8, 29, "impression", "ISO/IEC 19794-4:2005 has no impression type 29"),
        (29, 6, "compression", "ISO/IEC 19794-4:2005 has no image compression 6"),
        (32 + 5, 2, "view-count", "1 view(s) of position 2 are there, 2 are stated"),
        (21, 0, "resolution", "an image is at most as fine as its scan; (500, 500) is stated for (244, 500)"),
    ],
)
def test_what_deviates_from_2005_is_read_and_named(at: int, value: int, code: str, text: str) -> None:
    data = changed(write(OF_2005), at, value) if at != 21 else changed(write(OF_2005), 20, 0)
    record = read(data)
    assert [(deviation.code, deviation.text) for deviation in record.deviations] == [(code, text)]


@pytest.mark.parametrize(
    ("at", "values", "code", "text"),
    [
        (15, (4,), "positions-misstated", "the header states 4 different position(s), 1 are there"),
        (20, (7, 231, 13), "capture-time", "the nine bytes of the capture time are no date; it is read as unknown"),
        (29, (20,), "technology", "ISO/IEC 19794-4:2011 has no capture device technology 20"),
        (35, (101,), "quality", "a quality is 0 to 100, or 255 where computing it failed; 101 is read as 255"),
    ],
)
def test_what_deviates_from_2011_is_read_and_named(at: int, values: tuple[int, ...], code: str, text: str) -> None:
    record = read(changed(write(LOADED), at, *values))
    assert [(deviation.code, deviation.text) for deviation in record.deviations] == [(code, text)]


def test_two_views_of_one_number_are_named() -> None:
    twice = replace(OF_2005, views=(replace(PICTURE, count=2), replace(PICTURE, count=2, number=2)))
    (deviation,) = read(changed(write(twice), 32 + 20 + 6, 1)).deviations
    assert (deviation.view, deviation.code) == (2, "view-number")
    assert deviation.text == "views of one position have different numbers; number 1 is there twice"


def test_a_missing_image_resolution_is_taken_from_the_scan() -> None:
    record = read(changed(write(OF_2005), 24, 0, 0, 0, 0))
    assert record.views[0].dpi == (500.0, 500.0)
    assert [deviation.code for deviation in record.deviations] == ["image-resolution"]


def test_extended_data_whose_length_counts_only_the_data_are_read_and_named() -> None:
    data = write(replace(LOADED, views=(replace(LOADED.views[0], extended=(ExtendedData(3, b"remark"),)),)))
    record = read(changed(data, len(data) - 8, 0, 6))
    assert record.views[0].extended == (ExtendedData(3, b"remark"),)
    assert [deviation.code for deviation in record.deviations] == ["extended-length"]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (replace(OF_2005, views=()), "a finger image record holds 1 to 255 views; got 0"),
        (replace(OF_2005, views=(PICTURE,) * 256), "a finger image record holds 1 to 255 views; got 256"),
        (replace(OF_2005, level=0), "an image acquisition level is one of 10, 20, 30, 31, 40, 41; got 0"),
        (
            replace(OF_2005, device=70_000),
            "the device, the level and each half of the product identifier are numbers from 0 to 65535",
        ),
        (
            replace(OF_2005, product=(1, 0)),
            "ISO/IEC 19794-4:2005 has no product identifier: leave it 0, or write ANSI/INCITS 381-2004",
        ),
        (
            replace(OF_2011, level=31),
            "ISO/IEC 19794-4:2011 has no device number, level or product of the whole record: leave them 0",
        ),
        (replace(OF_2005, certified=True), "ISO/IEC 19794-4:2005 has no certifications; write ISO/IEC 19794-4:2011"),
        (
            replace(OF_2005, views=(PICTURE, replace(PICTURE, position=3, bit_depth=7))),
            (
                "view 2: one record of ISO/IEC 19794-4:2005 has one resolution, depth and compression; "
                "write several records"
            ),
        ),
        (replace(LOADED, certified=False), "view 1: certifications are there, but the record says that it has none"),
        (
            replace(LOADED, standard=Standard.ISO_2005, certified=False, level=31),
            "view 1: certifications are there, but the record says that it has none",
        ),
    ],
)
def test_records_that_do_not_fit_are_not_written(record: Record, text: str) -> None:
    with pytest.raises(FormatError) as raised:
        write(record)
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"width": 0}, "view 1: a picture has at least one pixel each way; it states 0 x 2"),
        ({"height": 0}, "view 1: a picture has at least one pixel each way; it states 3 x 0"),
        ({"image": b"abcde"}, "view 1: a raw picture of 3 x 2 pixels with 8 bit(s) has 6 bytes; got 5"),
        (
            {"compression": 1, "bit_depth": 4},
            "view 1: a packed picture of 3 x 2 pixels with 4 bit(s) has 3 or 4 bytes; got 6",
        ),
        ({"compression": 2, "image": b""}, "view 1: no bytes of a picture follow its header"),
        ({"bit_depth": 17}, "view 1: a pixel has 1 to 16 bits; the record states 17"),
        ({"image_resolution": (72, 72)}, "view 1: a print has 100 to 2000 pixels per inch; the record states 72 x 72"),
        ({"position": 11}, "view 1: ISO/IEC 19794-4:2005 has no position 11"),
        ({"position": 256}, "view 1: a code or count does not fit into its byte (0 to 255)"),
        ({"width": 65_536}, "view 1: a size, resolution, identifier or block does not fit into two bytes (0 to 65535)"),
        ({"count": 2}, "view 1: 1 view(s) of position 2 are there, 2 are stated"),
        ({"qualities": (Quality(101),)}, "view 1: a quality is 0 to 100, or None"),
        ({"time": b""}, "view 1: a time has 9 bytes; got 0"),
        (
            {"qualities": (Quality(50, 15, 1),)},
            (
                "view 1: an edition before 2011 holds one quality of 0 to 100 without its algorithm; "
                "write it by ISO/IEC 19794-4:2011"
            ),
        ),
        (
            {"device": Device(1, 2, 3)},
            (
                "view 1: an edition before 2011 has no place for time, device, certifications and extended data; "
                "write it by ISO/IEC 19794-4:2011"
            ),
        ),
    ],
)
def test_views_that_do_not_fit_are_not_written(change: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError) as raised:
        write(replace(OF_2005, views=(replace(PICTURE, **change),)))
    assert str(raised.value) == text


def test_more_bytes_than_a_record_may_have_are_neither_written_nor_read() -> None:
    large = replace(PICTURE, compression=5, image=bytes(finger_images.MAX_BYTES + 1))
    with pytest.raises(FormatError, match=r"a finger image record has at most 10000000 bytes here: divide it"):
        write(replace(OF_2005, views=(large,)))
    with pytest.raises(FormatError, match=r"at most 10000000 bytes here; got 10000001: divide it"):
        read(bytes(finger_images.MAX_BYTES + 1))


# What is refused


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", r"a finger image record begins with b'FIR\x00' (ISO/IEC 19794-4); got b''"),
        (b"FMR\x00 20\x00", r"a finger image record begins with b'FIR\x00' (ISO/IEC 19794-4); got b'FMR\x00'"),
        (
            b"FIR\x00030\x00",
            r"a finger image record has version b'010\x00' (2005) or b'020\x00' (2011) in bytes 4 to 7; got b'030\x00'",
        ),
        (b"FIR\x00010\x00", "a record of ISO/IEC 19794-4:2005 begins with a header of 32 bytes; got 8"),
        (b"FIR\x00020\x00", "a record of ISO/IEC 19794-4:2011 begins with a header of 16 bytes; got 8"),
        (write(OF_2005)[:-1], "the header states a length of 52 bytes (ISO/IEC 19794-4:2005); got 51"),
        (
            changed(write(OF_2005)[:32], 13, 32),
            "a finger image record has at least one view; nothing follows its header of 32 bytes",
        ),
        (
            changed(write(OF_2005)[:40], 13, 40),
            "view 1: its header has 14 bytes (ISO/IEC 19794-4:2005); 8 remain",
        ),
        (
            changed(write(OF_2005), 35, 13),
            "view 1: its length is 14 to the 20 bytes that remain (ISO/IEC 19794-4:2005); it states 13",
        ),
        (
            changed(write(OF_2005), 35, 21),
            "view 1: its length is 14 to the 20 bytes that remain (ISO/IEC 19794-4:2005); it states 21",
        ),
        (changed(write(OF_2005), 19, 0), "scale units are 1 (pixels per inch) or 2 (per centimetre); got 0"),
        (changed(write(OF_2005), 32 + 9, 0, 0), "view 1: a picture has at least one pixel each way; it states 0 x 2"),
        (changed(write(OF_2011), 11, 0), "the header states a length of 0 bytes; got 63"),
        (changed(write(OF_2011), 14, 2), "the certification flag in byte 14 is 0 or 1; got 2"),
        (changed(write(OF_2011), 13, 0), "a record has 1 to 255 representations here; the header states 0"),
        (changed(write(OF_2011), 12, 1), "a record has 1 to 255 representations here; the header states 257"),
        (changed(write(OF_2011), 13, 2), "representation 2: its header has at least 41 bytes; 0 remain"),
        (
            changed(write(OF_2011), 19, 40),
            "representation 1: its length is 41 to the 47 bytes that remain; it states 40",
        ),
        (
            changed(write(OF_2011) + b"x", 11, 64),
            "the record should end after its 1 representation(s); 1 byte(s) follow",
        ),
        (
            changed(write(OF_2011), 34, 6),
            "representation 1: quality blocks should have 30 byte(s); 28 remain of the representation",
        ),
        (
            changed(write(OF_2011), 34, 2),
            "representation 1: the description of the picture should have 22 byte(s); 18 remain of the representation",
        ),
        (
            changed(write(OF_2011), 56, 7),
            "representation 1: the picture should have 7 byte(s); 6 remain of the representation",
        ),
        (
            changed(write(OF_2011), 56, 5),
            (
                "representation 1: 1 byte(s) follow the picture; they should be extended data blocks, "
                "each with a type and a length of two bytes, and their lengths do not add up"
            ),
        ),
        (changed(write(OF_2011), 37, 3), "view 1: scale units are 1 (pixels per inch) or 2 (per centimetre); got 3"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(data: bytes, text: str) -> None:
    with pytest.raises(FormatError) as raised:
        read(data)
    assert str(raised.value) == text


def test_a_certification_that_is_cut_off_is_refused() -> None:
    data = write(replace(OF_2011, certified=True))
    with pytest.raises(
        FormatError, match=r"^representation 1: certification blocks should have 765 byte\(s\); 28 remain"
    ):
        read(changed(data, 35, 255))


def test_more_extended_data_than_a_representation_may_have_are_refused() -> None:
    blocks = (ExtendedData(3, b""),) * 255
    data = write(replace(LOADED, views=(replace(LOADED.views[0], extended=blocks),)))
    assert read(data).views[0].extended == blocks
    longer = data[:8] + (len(data) + 4).to_bytes(4) + data[12:16] + (len(data) - 12).to_bytes(4) + data[20:] + data[-4:]
    with pytest.raises(
        FormatError, match=r"^a representation has at most 255 extended data blocks here; more are there$"
    ):
        read(longer)


def test_only_a_format_error_leaves_whatever_the_bytes_are() -> None:
    picker = random.Random(19794)  # noqa: S311 - mutations, no secrets
    seeds = [write(OF_2005), write(replace(OF_2005, standard=Standard.INCITS_2004, product=(1, 2))), write(LOADED)]
    outcomes = {"read": 0, "refused": 0}
    for turn in range(3_000):
        data = bytearray(seeds[turn % len(seeds)])
        for _ in range(picker.randint(1, 4)):
            data[picker.randrange(len(data))] = picker.choice((0, 1, 255, picker.randrange(256)))
        if turn % 7 == 0:
            del data[picker.randrange(len(data)) :]
        try:
            record = read(bytes(data))
        except FormatError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            if not record.deviations:
                assert read(write(record)) == record
    assert min(outcomes.values()) > 300


@given(st.binary(max_size=120), st.sampled_from([b"FIR\x00010\x00", b"FIR\x00020\x00"]))
def test_any_bytes_after_the_magic_are_read_or_refused(rest: bytes, start: bytes) -> None:
    size = 6 if start[5] == ord("1") else 4
    data = start + (8 + size + len(rest)).to_bytes(size) + rest
    try:
        read(data)
    except FormatError:
        return
