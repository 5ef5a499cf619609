"""Files of fingerprints of every kind: what is in them, what is forgiven, what is refused, and why."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_point import cbeff, files
from contact_point.files import Contents, Impression, NothingReadError, UnknownFileError
from contact_point.nist import agreed, minutiae, traditional
from contact_point.nist.headers import Compression
from contact_point.nist.transaction import Field, LimitError, MalformedError, Record, Transaction, UnsupportedError
from matcher import images
from matcher.formats import FormatError, finger_images, write_iso19794_2
from matcher.formats.finger_images import Standard, Units, View
from matcher.images import Image
from matcher.jail import Jail, JailError
from matcher.template import Template

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 22, tzinfo=UTC)
RS, US = b"\x1e", b"\x1f"
NOWHERE = Jail(program="raise SystemExit")  # what needs no jail is read without one

WIDTH, HEIGHT = 96, 112
GREY = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
RAW = GREY.tobytes()
PNG = images.write_png(Image(GREY, 500.0))
MINUTIAE = Template.of([10, 30, 50], [20, 60, 100], [0.0, 1.0, 2.0], width=WIDTH, height=HEIGHT, position=2)


def read(data: bytes, **options: Any) -> Contents:
    return files.read(data, at=AT, **options)


def of(path: Path) -> Contents:
    return read(path.read_bytes())


Fields = dict[str, Any]
"""Fields by name, such as f6: for one field of a record to be otherwise."""


def record(kind: int, fields: dict[int, bytes]) -> Record:
    return Record(kind, tuple(Field(number, value) for number, value in sorted(fields.items())))


def transaction(*records: Record, **head: bytes) -> bytes:
    """Return a transaction in the traditional encoding; ``head`` names fields of Type-1 such as ``f11``."""
    fields = {2: b"0502", 4: b"CPS", 5: b"20260304", 7: b"US/FBI", 8: b"JP/NPA", 9: b"1", 11: b"00.00", 12: b"00.00"}
    fields |= {int(name[1:]): value for name, value in head.items()}
    return traditional.write(Transaction((record(1, fields), record(2, {2: b"00"}), *records)))


def type_4(idc: int = 1, data: bytes = PNG, *, position: int = 2, **fields: bytes) -> Record:
    padded = RS.join([b"%d" % position, *[b"255"] * 5])
    sizes = {6: b"%d" % WIDTH, 7: b"%d" % HEIGHT}
    given = {int(name[1:]): value for name, value in fields.items()}
    return record(4, {2: b"%d" % idc, 3: b"1", 4: padded, 5: b"0", 8: b"1", 9: data} | sizes | given)


def tagged(idc: int = 1, data: bytes = RAW, *, kind: int = 14, **fields: bytes) -> Record:
    common = {2: b"%02d" % idc, 3: b"4" if kind == 13 else b"0", 4: b"JP/NPA", 5: b"20260304", 6: b"%d" % WIDTH}
    common |= {7: b"%d" % HEIGHT, 8: b"1", 9: b"500", 10: b"500", 11: b"NONE", 12: b"8", 13: b"2", 999: data}
    return record(kind, common | {int(name[1:]): value for name, value in fields.items()})


def only(contents: Contents) -> Impression:
    (impression,) = contents.impressions
    return impression


def pixels(impression: Impression) -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert impression.image is not None
    return impression.image.pixels


def where(contents: Contents) -> list[int]:
    return [each.position for each in contents.impressions]


# --- which of the formats it is


@pytest.mark.parametrize(
    ("name", "what", "records", "count", "positions"),
    [
        ("ansi_nist/nist_csr/type-13-14-latent-match.an2", "ANSI/NIST-ITL, traditional encoding", 4, 2, [8, 8]),
        ("ansi_nist/nist_csr/type-3.an2", "ANSI/NIST-ITL, traditional encoding", 3, 1, [2]),
        ("ansi_nist/openebts/NISTFile2.ebts", "ANSI/NIST-ITL, traditional encoding", 5, 2, [2, 2, 3, 4, 5]),
        ("ansi_nist/libbiomeval/type9-efs.an2k", "ANSI/NIST-ITL, traditional encoding", 9, 0, [8, 5, 3, 10, 9, 7, 2, 4]),
        ("ansi_nist/mosip_xml/AllFields.xml", "ANSI/NIST-ITL, XML", 27, 0, [7, 0, 5]),
        ("iso19794_4/mosip_2005/FingerPrintRight_Index.iso", "ISO/IEC 19794-4:2005", 1, 1, [2]),
        ("iso19794_4/mosip_auth_wsq/Left_Little_wsq.iso", "ISO/IEC 19794-4:2011", 1, 1, [10]),
        ("iso19794_4/mosip_auth_jp2/Left_Thumb.iso", "ISO/IEC 19794-4:2011", 1, 1, [6]),
        ("iso19794_4/mosip_reg/Right_Thumb.iso", "ISO/IEC 19794-4:2011", 1, 1, [1]),
        ("templates/iso19794p2v2005-sample.dat", "ISO/IEC 19794-2:2005", 2, 0, [7, 2]),
        ("templates/iso19794p2v2011-sample.dat", "ISO/IEC 19794-2:2011", 2, 0, [7, 2]),
        ("templates/ansi378v2004-sample.dat", "INCITS 378-2004", 2, 0, [7, 2]),
        ("templates/ansi378v2009-sample.dat", "INCITS 378-2009", 2, 0, [7, 2]),
        ("cbeff/gsa_01_Golden_PIV.bin", "PIV container of INCITS 378-2004", 2, 0, [7, 2]),
        ("wsq/node_left_index.wsq", "WSQ image", 1, 1, [0]),
        ("jp2/openebts_finger24.jp2", "JP2 image", 1, 1, [0]),
        ("multi/nbisrs_p1_1.png", "PNG image", 1, 1, [0]),
        ("fvc2002/DB1_B/101_1.tif", "TIFF image", 1, 1, [0]),
        ("rolled1000/card0003_05.bmp", "BMP image", 1, 1, [0]),
        ("synthetic/SFinGe_Test01.pgm", "PGM image", 1, 1, [0]),
    ],
)  # fmt: skip
def test_a_file_is_known_by_its_bytes(
    shared_data: Path, name: str, what: str, records: int, count: int, positions: list[int]
) -> None:
    found = of(shared_data / name)
    assert (found.format, found.records, found.images) == (what, records, count)
    assert where(found) == positions
    pictured = [each for each in found.impressions if each.image is not None]
    assert len(pictured) == (len(positions) if count else 0)
    for each in found.impressions:
        assert (each.image is None) != (each.template is None)
        assert each.template is None or len(each.template) > 0
    resolution = {"type-3.an2": 250.0, "card0003_05.bmp": 1000.0}.get(name.rpartition("/")[2], 500.0)
    assert {each.image.dpi for each in pictured if each.image is not None} <= {resolution}


@pytest.mark.parametrize(
    ("name", "type_of_record", "slaps"),
    [
        ("type-4-tpcard.an2", 4, [10, 9, 8, 7, 6, 1, 2, 3, 4, 5]),
        pytest.param("type-14-tpcard-nqm.an2", 14, [10, 9, 8, 7, 6, 1, 2, 3, 4, 5], marks=pytest.mark.long),
    ],
)
def test_a_whole_card_has_ten_rolled_fingers_and_ten_of_the_slaps(
    shared_data: Path, name: str, type_of_record: int, slaps: list[int]
) -> None:
    """The slaps are in the file's order, and the fingers of one from left to right."""
    found = of(shared_data / "ansi_nist" / "nist_csr" / name)
    assert (found.records, found.images, found.faults, found.besides) == (16, 14, (), ())
    assert where(found) == [*range(1, 11), *slaps]
    assert {each.impression for each in found.impressions[:10]} == {3}  # table 7: rolled, not live
    assert {each.impression for each in found.impressions[10:]} == {2}
    assert found.impressions[0].origin == f"record 3 (Type-{type_of_record})"
    assert found.impressions[10].origin == f"record 13 (Type-{type_of_record}), finger 10 of the slap"
    assert [each.remarks for each in found.impressions[10:] if each.position == 8] == [("cut",)]


def test_an_amputated_finger_is_not_looked_for(shared_data: Path) -> None:
    found = of(shared_data / "ansi_nist" / "nist_csr" / "type-14-amp-nqm-utf8.an2")
    assert where(found) == [6, 1, 2, 3, 4, 5, 10, 8, 7]
    assert found.faults == ()


def test_the_record_header_says_the_resolution_and_not_the_image(shared_data: Path) -> None:
    # The resolution boxes of these JPEG 2000 files say 1000 dpi.
    for name in ("mosip_auth_jp2/Left_Index.iso", "mosip_reg/Left_Index.iso", "mosip_auth_wsq/Left_Index_wsq.iso"):
        image = only(of(shared_data / "iso19794_4" / name)).image
        assert image is not None
        assert (image.dpi, image.pixels.shape) == (500.0, (448, 280))


def test_the_minutiae_of_a_record_come_with_their_fingers(shared_data: Path) -> None:
    found = of(shared_data / "templates" / "iso19794p2v2005-sample.dat")
    assert [(each.origin, each.position, each.impression) for each in found.impressions] == [
        ("view 1", 7, 0),
        ("view 2", 2, 0),
    ]
    assert [len(each.template or ()) for each in found.impressions] == [27, 22]


def test_the_signature_of_a_container_is_spoken_of(shared_data: Path) -> None:
    found = of(shared_data / "cbeff" / "gsa_01_Golden_PIV.bin")
    assert [len(each.template or ()) for each in found.impressions] == [41, 50]
    assert found.forgiven[-1].startswith("the container's signature is not proven: the digest holds, but the signer's")


def test_a_container_that_was_changed_is_refused(shared_data: Path) -> None:
    with pytest.raises(cbeff.MalformedError, match=r"signature does not hold: .*one of them was changed; refuse it"):
        of(shared_data / "cbeff" / "gsa_07_Tampered_Fingerprints.bin")


def test_records_and_minutiae_need_no_jail(shared_data: Path) -> None:
    for name in ("templates/ansi378v2009-sample.dat", "cbeff/gsa_01_Golden_PIV.bin"):
        assert where(read((shared_data / name).read_bytes(), place=NOWHERE)) == [7, 2]
    with pytest.raises(JailError, match="does not start"):
        read(PNG, place=NOWHERE)
    with pytest.raises(JailError, match="does not start"):
        read(transaction(), place=NOWHERE)


def test_a_plain_image_is_one_impression_of_an_unknown_finger() -> None:
    found = read(PNG)
    impression = only(found)
    assert (impression.origin, impression.position, impression.impression) == ("the image", 0, None)
    assert (found.format, found.forgiven, found.besides, found.faults) == ("PNG image", (), (), ())
    assert np.array_equal(pixels(impression), GREY)


def test_the_resolution_given_counts_for_a_plain_image_only() -> None:
    plain, stated = only(read(PNG, dpi=1000.0)), only(read(transaction(type_4()), dpi=1000.0))
    assert plain.image is not None
    assert plain.image.dpi == 1000.0
    assert stated.image is not None
    assert stated.image.dpi == 500.0


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"%PDF-1.7\n", b"Dear colleague,\n", RAW, b"FMRX", bytes(40)], ids=range(7)
)
def test_what_is_no_file_of_prints_is_refused_with_what_is_one(data: bytes) -> None:
    first = data[:4].hex(" ").upper() or "none"
    with pytest.raises(UnknownFileError) as caught:
        read(data)
    assert str(caught.value) == (
        "a file of prints is an ANSI/NIST-ITL transaction, a record of ISO/IEC 19794-2 or -4 or INCITS 378, a PIV "
        "container, or an image; an image is WSQ, JPEG 2000, JPEG, TIFF, PNG, BMP or PGM; these bytes begin with "
        f"{first}: send one of these"
    )


def test_a_file_without_a_word_of_its_own_is_unknown(shared_data: Path) -> None:
    with pytest.raises(UnknownFileError, match="begin with 23 20 4D 61"):
        of(shared_data / "malformed" / "README.md")
    with pytest.raises(UnknownFileError, match="begin with F5 F6 F5 F4"):
        of(shared_data / "wsq" / "a001.raw")


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"1. Introduction\n", MalformedError, "expected the tag 1.001"),
        (b"1." + bytes(10_000_000), LimitError, "at most 10000000 bytes"),
        (b"<html></html>", UnsupportedError, "expected the root element NISTBiometricInformationExchangePackage"),
        (b"FIR\x00010\x00", FormatError, "ISO/IEC 19794-4"),
        (b"FMR\x00 20\x00", FormatError, "no whole record"),
        (b"\x03\x0d\x00", cbeff.CbeffError, "container"),
        (PNG[:60], images.DecodeError, "PNG"),
        (b"II*\x00" + bytes(50), images.ImageError, "TIFF"),
    ],
)  # fmt: skip
def test_what_begins_like_a_file_of_prints_and_is_none_is_refused_as_what_it_claims(
    data: bytes, error: type[Exception], says: str
) -> None:
    assert issubclass(error, files.FILE_ERRORS)
    with pytest.raises(error, match=says):
        read(data)


def test_no_more_is_loaded_of_a_file_than_any_file_of_prints_has(tmp_path: Path) -> None:
    path = tmp_path / "large.eft"
    path.write_bytes(bytes(10_000_000))
    assert len(files.load(path)) == 10_000_000
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a terabyte of which the disk holds nothing
    with pytest.raises(files.TooLargeError) as caught:
        files.load(path)
    assert str(caught.value) == f"{path}: expected at most 10000000 bytes, got more; divide the transaction"
    with pytest.raises(FileNotFoundError):
        files.load(tmp_path / "nowhere.eft")


# --- transactions: what is forgiven


def test_a_header_that_contradicts_its_image_is_forgiven_by_name(shared_data: Path) -> None:
    found = of(shared_data / "ansi_nist" / "nbis_an2k" / "valid1.8.an2")
    assert [each for each in found.forgiven if "stated to be" in each] == [
        "record 3 (Type-14): stated to be 1800 x 1000 pixels; the image has 1600 x 976",
        "record 4 (Type-14): stated to be 1800 x 1000 pixels; the image has 1600 x 976",
        "record 5 (Type-14): stated to be 1800 x 900 pixels; the image has 1600 x 800",
    ]
    assert where(found) == [2, 3, 4, 5, 10, 9, 8, 7, 6, 1]
    found = of(shared_data / "ansi_nist" / "jet" / "sample.eft")
    assert [each for each in found.forgiven if "stated to be" in each] == [
        "record 3 (Type-4): stated to be 800 x 750 pixels; the image has 368 x 368"
    ]
    assert [pixels(each).shape for each in found.impressions] == [(368, 368)] + 9 * [(750, 800)]


def test_a_header_without_a_size_is_forgiven_too() -> None:
    for size in (b"0", b"65535"):
        found = read(transaction(type_4(f6=size, f7=size)))
        assert pixels(only(found)).shape == (HEIGHT, WIDTH)
        assert "the image has 96 x 112" in found.forgiven[-1]


def test_deviations_of_the_encoding_are_told_by_record_and_code(shared_data: Path) -> None:
    found = of(shared_data / "ansi_nist" / "nist-fingerprint" / "sample.eft")
    assert where(found) == [6]
    assert [each.split(": ")[:2] for each in found.forgiven] == [
        ["record 1", "short-tag"],
        ["record 2", "short-tag"],
        ["record 3", "position-padding"],
    ]


def test_a_native_resolution_that_is_none_is_forgiven(shared_data: Path) -> None:
    """The sample has counts of pixels in NSR; it matters once the image is said to be at that resolution."""
    whole = traditional.read((shared_data / "ansi_nist" / "nist-fingerprint" / "sample.eft").read_bytes())
    assert whole.records[0].get(11) == b"05450622"
    native = tuple(Field(5, b"1") if field.number == 5 else field for field in whole.records[2].fields)
    found = read(traditional.write(replace(whole, records=(*whole.records[:2], Record(4, native)))))
    assert "record 3 (Type-4): 1.011 NSR states no resolution of a scanner; 500 dpi is taken" in found.forgiven
    image = only(found).image
    assert image is not None
    assert image.dpi == 500.0


@pytest.mark.parametrize(
    ("stated", "dpi"),
    [(b"19.69", 500.0), (b"39.37", 1000.0), (b"09.84", 250.0), (b"00.00", None), (b"nan", None), (b"1e400", None), (b"", None)],
)  # fmt: skip
def test_the_native_resolution_counts_where_the_image_is_at_it(stated: bytes, dpi: float | None) -> None:
    found = read(transaction(type_4(f5=b"1"), f11=stated))
    image = only(found).image
    assert image is not None
    assert image.dpi == (dpi or 500.0)
    assert any("1.011 NSR" in each for each in found.forgiven) == (dpi is None)


@pytest.mark.parametrize(
    ("scale", "across", "dpi"),
    [(b"1", b"500", 500.0), (b"1", b"1000", 1000.0), (b"2", b"197", 500.0), (b"2", b"394", 1000.0), (b"0", b"1", 500.0)],
)  # fmt: skip
def test_a_resolution_counts_by_its_scale(scale: bytes, across: bytes, dpi: float) -> None:
    found = read(transaction(tagged(f8=scale, f9=across, f10=across)))
    image = only(found).image
    assert image is not None
    assert image.dpi == dpi
    unscaled = "record 3 (Type-14): 14.008 SLC gives no scale for the resolution; 500 dpi is taken"
    assert (unscaled in found.forgiven) == (scale == b"0")


def test_an_image_that_is_said_to_be_raw_and_is_not_is_read_as_what_it_is() -> None:
    found = read(transaction(tagged(data=PNG)))
    assert np.array_equal(pixels(only(found)), GREY)
    assert found.forgiven == ("record 3 (Type-14): stated to be raw pixels, and PNG by its bytes",)


def test_raw_pixels_that_begin_like_a_codec_are_raw_pixels_still() -> None:
    data = b"\xff\xa0" + RAW[2:]
    found = read(transaction(tagged(data=data)))
    assert pixels(only(found)).tobytes() == data
    assert found.forgiven == ()


@given(st.integers(32, 70), st.integers(32, 70), st.sampled_from([8, 16, 24]), st.sampled_from([4, 14]))
@settings(max_examples=12)
def test_raw_pixels_come_out_row_by_row(width: int, height: int, bits: int, kind: int) -> None:
    grey = np.random.default_rng(width).integers(0, 256, (height, width), np.uint8)
    sizes: Fields = {"f6": b"%d" % width, "f7": b"%d" % height}
    if kind == 4:
        made = type_4(data=grey.tobytes(), f8=b"0", **sizes)
    else:
        second = np.full_like(grey, 77) if bits == 16 else grey
        samples = np.stack([grey, second, grey][: bits // 8], axis=-1)
        made = tagged(data=samples.tobytes(), f12=b"%d" % bits, **sizes)
    assert np.array_equal(pixels(only(read(transaction(made)))), grey)


# --- transactions: slaps


def slap_without_a_ring_finger(shared_data: Path) -> bytes:
    """Return the WSQ of the left slap from which finger 9 is missing."""
    whole = traditional.read((shared_data / "ansi_nist" / "nist_csr" / "type-14-amp-nqm-utf8.an2").read_bytes())
    assert whole.records[4].get(18) == b"9\x1fXX"
    return whole.records[4].get(999) or b""


def with_amputations(data: bytes, amputated: bytes, *, domain: bytes, kind: int = 4) -> bytes:
    sizes: Fields = {"f6": b"1608", "f7": b"1000"}
    slap = type_4(data=data, position=14, **sizes) if kind == 4 else tagged(data=data, f11=b"WSQ20", f13=b"14", **sizes)
    whole = traditional.read(transaction(slap, **({"f13": domain} if domain else {})))
    personal = record(2, {2: b"00", 84: amputated})
    return traditional.write(replace(whole, records=(whole.records[0], personal, whole.records[2])))


@pytest.mark.parametrize("domain", [b"", b"NORAM\x1f", b"NORAM\x1fEBTS 10.0", b"EBTS\x1f11.1"])
@pytest.mark.parametrize("kind", [4, 14])
def test_amputations_of_an_ebts_transaction_hold_for_its_slaps(shared_data: Path, domain: bytes, kind: int) -> None:
    """2.084 AMP of the FBI's EBTS is a list of fingers with XX (amputated) or UP (bandaged)."""
    data = slap_without_a_ring_finger(shared_data)
    found = read(with_amputations(data, b"2\x1fUP\x1e9\x1fXX", domain=domain, kind=kind))
    assert where(found) == [10, 8, 7]
    assert found.faults == ()


@pytest.mark.parametrize(
    ("amputated", "domain"), [(b"9\x1fXX", b"INT-I\x1f5.0"), (b"4\x1fXX", b""), (b"19\x1fXX", b"")]
)
def test_a_slap_with_fewer_fingers_than_it_should_show_is_a_fault_that_says_how_many(
    shared_data: Path, amputated: bytes, domain: bytes
) -> None:
    """In another domain than EBTS field 2.084 is something else."""
    data = with_amputations(slap_without_a_ring_finger(shared_data), amputated, domain=domain)
    with pytest.raises(NothingReadError) as caught:
        read(data)
    assert str(caught.value).startswith(
        "ANSI/NIST-ITL, traditional encoding: nothing in it could be read as a fingerprint; record 3 (Type-4): slap 14 "
        "should show 4 of its fingers (positions 10, 9, 8, 7), 3 found: state which"
    )


def test_a_slap_that_cannot_be_cut_leaves_the_other_prints(shared_data: Path) -> None:
    slap = type_4(2, slap_without_a_ring_finger(shared_data), position=14, f6=b"1608", f7=b"1000")
    found = read(transaction(type_4(1), slap))
    assert (where(found), found.images) == ([2], 2)
    (fault,) = found.faults
    assert fault.startswith("record 4 (Type-4): slap 14 should show 4 of its fingers")


def test_a_slap_whose_fingers_are_all_missing_has_none() -> None:
    missing = RS.join(b"%d\x1fXX" % finger for finger in (7, 8, 9, 10))
    found = read(transaction(tagged(1, f13=b"14", f18=missing), tagged(2)))
    assert (where(found), found.images, found.faults) == ([2], 2, ())


@pytest.mark.parametrize(("stated", "finger"), [(11, 1), (12, 6), (1, 1), (10, 10), (0, 0)])
def test_a_plain_thumb_is_its_finger(stated: int, finger: int) -> None:
    assert where(read(transaction(type_4(position=stated)))) == [finger]
    assert where(read(transaction(tagged(f13=b"%d" % stated)))) == [finger]


def test_a_print_of_one_of_several_fingers_is_of_an_unknown_one() -> None:
    found = read(transaction(tagged(kind=13, f13=b"2\x1e3\x1e7"), type_4(2, f4=b"2\x1e3\x1e255\x1e255\x1e255\x1e255")))
    assert where(found) == [0, 0]
    assert where(read(transaction(tagged(f13=b"11\x1e1")))) == [1]


# --- transactions: what cannot be read


BROKEN = {
    "unequal resolutions": (tagged(f10=b"400"), "14.010: expected the 500 of 14.009, since a print has one resolution"),
    "no resolution": (tagged(f9=b"0", f10=b"0"), "a print has 200 to 1300 dpi; got 0"),
    "a palm's resolution": (tagged(f9=b"100", f10=b"100"), "a print has 200 to 1300 dpi; got 100"),
    "raw pixels too few": (tagged(data=RAW[:-1]), "96 x 112 raw pixels of 8 bits are 10752 bytes; got 10751: the size"),
    "raw pixels too many": (tagged(data=RAW + b"0"), "96 x 112 raw pixels of 8 bits are 10752 bytes; got 10753"),
    "raw pixels of 12 bits": (tagged(f12=b"12"), "raw pixels here have 8, 16 or 24 bits; got 12"),
    "16 bits half there": (tagged(f12=b"16"), "96 x 112 raw pixels of 16 bits are 21504 bytes; got 10752"),
    "no width": (tagged(f6=b"0"), "a side has 32 to 5000 pixels and a picture at most 16000000; got 0 x 112"),
    "width no number": (tagged(f6=b"wide"), "14.006: expected 1-9 digits, got something else: send a number"),
    "width endless": (tagged(f6=b"9" * 10), "14.006: expected 1-9 digits, got something else"),
    "position no number": (tagged(f13=b"left"), "14.013 FGP: expected 1-9 digits, got something else"),
    "unknown bytes": (type_4(data=RAW), "an image is WSQ, JPEG 2000, JPEG, TIFF, PNG, BMP or PGM; these bytes begin"),
    "cut image": (type_4(data=PNG[:300]), "PNG: "),
    "a slap of noise": (type_4(position=13), "slap 13 should show 4 of its fingers (positions 2, 3, 4, 5), "),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_picture_that_cannot_be_read_is_a_fault_of_its_record(what: str) -> None:
    broken, says = BROKEN[what]
    found = read(transaction(tagged(7), broken))
    assert where(found) == [2]
    (fault,) = found.faults
    assert fault.startswith(f"record 4 (Type-{broken.type})")
    assert says in fault


def test_a_transaction_of_which_nothing_can_be_read_names_every_picture() -> None:
    broken = [made for made, _ in BROKEN.values()]
    numbered = [
        Record(made.type, tuple(Field(2, b"%d" % idc) if field.number == 2 else field for field in made.fields))
        for idc, made in enumerate(broken, 1)
    ]
    with pytest.raises(NothingReadError) as caught:
        read(transaction(*numbered))
    told = str(caught.value)
    assert told.startswith("ANSI/NIST-ITL, traditional encoding: nothing in it could be read as a fingerprint; record ")
    for number, (made, says) in enumerate(BROKEN.values(), 3):
        assert f"record {number} (Type-{made.type})" in told
        assert says in told


def test_a_fault_shows_no_value_of_a_text_field() -> None:
    with pytest.raises(NothingReadError) as caught:
        read(transaction(tagged(f6=b"SECRET"), tagged(2, f13=b"SECRET"), tagged(3, f10=b"SECRET")))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "besides"),
    [
        ("nbis_an2k/valid1.5.an2", ["record 3 (Type-13): position 19: no fingertip, and no slap of fingers"]),
        ("nbis_an2k/valid1.4.an2", ["record 3 (Type-13): position 20: no fingertip, and no slap of fingers"]),
        ("nist_csr/type-7-latent.an2", ["record 3 (Type-7): an image in a layout of the sender's own"]),
        ("nist_csr/type-6.an2", ["record 3 (Type-6): a binary image, whose ridges have no grey"]),
        ("nist_csr/type-5.an2", ["record 3 (Type-5): a low-resolution binary image, on which no minutiae show"]),
        ("nist_csr/type-8-sig-fax.an2", ["record 3 (Type-8): a signature"]),
        ("jet/empty_image.eft", ["record 3 (Type-10): a photograph"]),
        ("nbis_an2k/valid1.10.an2", ["record 3 (Type-17): an iris"]),
        (
            "nist_csr/type-13-tip-eji-wsq.an2",
            [f"record {at} (Type-13): position 19: no fingertip, and no slap of fingers" for at in range(3, 8)],
        ),
    ],
)
def test_what_is_no_print_of_a_finger_is_named_and_is_no_fault(
    shared_data: Path, name: str, besides: list[str]
) -> None:
    found = of(shared_data / "ansi_nist" / name)
    assert (list(found.besides), found.faults, found.impressions, found.images) == (besides, (), (), 0)


def test_palms_and_joints_stand_beside_what_could_be_read(shared_data: Path) -> None:
    found = of(shared_data / "ansi_nist" / "nbis_an2k" / "valid1.11.an2")
    assert where(found) == [10]
    assert found.besides == (
        "record 5 (Type-13): position 20: no fingertip, and no slap of fingers",
        "record 4 (Type-10): a photograph",
        "record 7 (Type-15): a palm print",
        "record 8 (Type-16): an image for tests",
        "record 9 (Type-17): an iris",
    )
    assert [each[:18] for each in found.faults] == ["record 6 (Type-14)"]


def test_a_record_without_an_image_is_beside_the_others() -> None:
    found = read(transaction(tagged(1, data=b""), tagged(2)))
    assert (where(found), found.besides) == ([2], ("record 3 (Type-14): no image",))


def test_what_is_not_mapped_in_xml_is_named(shared_data: Path) -> None:
    found = of(shared_data / "ansi_nist" / "nbis_an2k" / "All-Supported-Records-test-comp.xml")
    assert (found.format, found.records, len(found.impressions)) == ("ANSI/NIST-ITL, XML", 23, 2)
    assert "record 19 (Type-14): position 19: no fingertip, and no slap of fingers" in found.besides
    assert "record 20 (Type-15): a palm print" in found.besides
    assert [each[:18] for each in found.faults] == [
        "record 3 (Type-3):",
        "record 4 (Type-4):",
        "record 14 (Type-13",
        "record 17 (Type-14",
        "record 18 (Type-14",
    ]


# --- transactions: minutiae


@pytest.mark.parametrize("name", ["type-9-13-std.an2", "type-9-13-9-14-m1.an2"])
def test_the_minutiae_that_were_marked_on_a_latent_print_come_with_it(shared_data: Path, name: str) -> None:
    found = of(shared_data / "ansi_nist" / "nist_csr" / name)
    pictured = [each for each in found.impressions if each.image is not None]
    latent = pictured[0]
    assert (latent.position, latent.impression) == (8, 6)
    assert latent.template is not None
    assert (len(latent.template), latent.template.width, latent.template.height) == (48, 800, 768)
    # Those of a print whose finger is known are read and not searched with: its picture counts.
    assert [each.template for each in pictured[1:]] == [None] * (len(pictured) - 1)


def test_a_designation_is_a_number_however_it_is_written(shared_data: Path) -> None:
    """Type-4 counts it in a byte, Type-9 in digits: 1 and 01 are one."""
    found = of(shared_data / "ansi_nist" / "nist_csr" / "type-9-4-iafis.an2")
    assert [(each.position, each.image is None) for each in found.impressions] == [(8, True), (8, False)]
    assert not [each for each in found.forgiven if "frame-unknown" in each]


def test_minutiae_lie_in_the_image_as_it_is_whatever_its_header_says() -> None:
    marks = minutiae.write_standard(replace(MINUTIAE, position=0), idc=1, impression=4)
    for width, height in ((WIDTH, HEIGHT), (0, 0), (4000, 4000)):
        latent_print = tagged(1, PNG, kind=13, f6=b"%d" % width, f7=b"%d" % height, f11=b"PNG")
        found = read(transaction(latent_print, marks))
        latent = next(each for each in found.impressions if each.image is not None)
        assert latent.template is not None
        assert np.abs(latent.template.y.astype(int) - MINUTIAE.y).max() <= 1  # which 9.012 counts from the lower edge
        assert (latent.template.width, latent.template.height) == (WIDTH, HEIGHT)


def test_minutiae_stated_in_another_frame_are_brought_into_that_of_their_image() -> None:
    """A match is shown to an examiner with the minutiae on their ridges: Article 4(5)."""
    for width, height in ((WIDTH, HEIGHT), (51, 101), (300, 101), (60, 400)):
        stated = replace(MINUTIAE, width=width, height=height)
        found = read(transaction(tagged(1, kind=13), minutiae.write_m1(stated, idc=1, impression=4)))
        latent = next(each.template for each in found.impressions if each.image is not None)
        assert latent is not None
        assert (latent.width, latent.height) == (WIDTH, HEIGHT)
        assert np.array_equal(latent.x, MINUTIAE.x)
        assert any("size-differs" in each for each in found.forgiven) == ((width, height) != (WIDTH, HEIGHT))
        assert found.faults == ()


def test_minutiae_of_an_image_at_1000_dpi_are_in_its_frame_at_500() -> None:
    marks = minutiae.write_m1(replace(MINUTIAE, width=60, height=HEIGHT), idc=1, impression=4)
    found = read(transaction(tagged(1, kind=13, f9=b"1000", f10=b"1000"), marks))
    assert [each.template for each in found.impressions if each.image is not None] == [None]
    at_250 = read(transaction(tagged(1, kind=13, f9=b"250", f10=b"250"), marks))
    latent = next(each.template for each in at_250.impressions if each.image is not None)
    assert latent is not None
    assert (latent.width, latent.height) == (2 * WIDTH, 2 * HEIGHT)


def test_minutiae_beside_their_image_are_a_fault_and_are_no_marks_of_it() -> None:
    away = replace(MINUTIAE, width=400, height=400, x=MINUTIAE.x + np.int16(80))
    found = read(transaction(tagged(1, kind=13), minutiae.write_m1(away, idc=1, impression=4)))
    assert [each.template for each in found.impressions if each.image is not None] == [None]
    assert found.faults == ("record 4 (Type-9), 9.126-9.150: minutiae lie beside the image: mark them on this one",)


def test_minutiae_that_cannot_be_read_are_a_fault_and_the_picture_remains() -> None:
    marks = minutiae.write_m1(MINUTIAE, idc=1, impression=4)
    wrong = Record(9, tuple(Field(130, b"7") if field.number == 130 else field for field in marks.fields))
    found = read(transaction(tagged(1, kind=13), wrong))
    assert [(each.position, each.template) for each in found.impressions] == [(2, None)]
    (fault,) = found.faults
    assert fault.startswith("record 4 (Type-9): 9.130 SLC: expected")


def test_minutiae_without_their_picture_remain() -> None:
    for records in ((), (tagged(1, RAW[:-1], kind=13),), (tagged(2, kind=14),)):
        found = read(transaction(*records, minutiae.write_m1(MINUTIAE, idc=1, impression=4)))
        alone = next(each for each in found.impressions if each.image is None)
        assert (alone.position, alone.impression, len(alone.template or ())) == (2, 4, 3)
        assert all(each.template is None for each in found.impressions if each.image is not None)


# --- records of images and of minutiae


def image_record(*views: View, standard: Standard = Standard.ISO_2005) -> bytes:
    return finger_images.write(finger_images.Record(standard, views, level=31))


def view(**changes: Any) -> View:
    return replace(View(position=2, width=WIDTH, height=HEIGHT, compression=0, image=RAW), **changes)


def test_raw_pixels_of_an_image_record_are_read_without_a_jail() -> None:
    found = read(image_record(view(), view(position=10, number=1)), place=NOWHERE)
    assert (found.format, found.records, found.images, where(found)) == ("ISO/IEC 19794-4:2005", 2, 2, [2, 10])
    assert np.array_equal(pixels(found.impressions[1]), GREY)
    assert found.impressions[0].impression == 0


def test_pixels_per_centimetre_of_an_image_record_are_500_dpi() -> None:
    metric = {"units": Units.CENTIMETRE, "scan_resolution": (197, 197), "image_resolution": (197, 197)}
    image = only(read(image_record(view(**metric)))).image
    assert image is not None
    assert image.dpi == 500.0


def test_an_image_record_whose_resolutions_differ_is_a_fault() -> None:
    # Bytes 26 and 27 of the header of 2005: the image's resolution down.
    data = bytearray(image_record(view()))
    assert struct.unpack_from(">HH", data, 24) == (500, 500)
    struct.pack_into(">H", data, 26, 400)
    with pytest.raises(
        NothingReadError, match=r"view 1: a print has one resolution; this one has 500 dpi across and 400"
    ):
        read(bytes(data))


def test_a_palm_in_an_image_record_stands_beside_its_fingers() -> None:
    found = read(image_record(view(), view(position=25)))
    assert (where(found), found.records) == ([2], 2)
    assert found.besides == ("view 2: position 25: no fingertip, and no slap of fingers",)


def test_a_slap_of_noise_in_an_image_record_is_a_fault() -> None:
    found = read(image_record(view(), view(position=13)))
    assert (where(found), found.images) == ([2], 2)
    assert found.faults[0].startswith("view 2: slap 13 should show 4 of its fingers (positions 2, 3, 4, 5), ")


def test_the_image_of_a_record_is_known_by_its_bytes(shared_data: Path) -> None:
    found = of(shared_data / "iso19794_4" / "mosip_2005" / "FingerPrintLeft_Index.iso")
    assert (pixels(only(found)).shape, only(found).impression, found.faults) == ((427, 252), 0, ())


def test_what_a_minutiae_record_does_otherwise_is_forgiven_by_view_and_code(shared_data: Path) -> None:
    found = of(shared_data / "templates" / "libbiomeval_fmr.ansi2004")
    assert where(found) == [7, 2, 3]
    assert [each.split(": ")[:2] for each in found.forgiven] == [["view 3", "extended-data-length"]]


def test_a_minutiae_record_cut_short_is_refused(shared_data: Path) -> None:
    for path in sorted((shared_data / "templates" / "invalid").iterdir()):
        with pytest.raises(FormatError, match="the bytes are no whole record"):
            of(path)


def test_our_own_template_is_read_again() -> None:
    impression = only(read(write_iso19794_2([MINUTIAE]), place=NOWHERE))
    assert impression.template is not None
    assert (impression.position, impression.image) == (2, None)
    assert np.array_equal(impression.template.x, MINUTIAE.x)


def test_what_the_parties_send_each_other_is_a_file_of_prints_too() -> None:
    image = agreed.FingerImage(2, PNG, Compression.PNG, WIDTH, HEIGHT, 500, impression=4, marked=MINUTIAE)
    sent = agreed.Transaction("CPS", "1", "JP/NPA", "US/FBI", AT.date(), (image,))
    found = read(agreed.write(sent))
    assert (found.forgiven, found.faults, found.besides) == ((), (), ())
    latent = found.impressions[-1]
    assert (latent.position, latent.impression, len(latent.template or ())) == (2, 4, 3)


def test_a_finger_that_is_stated_to_be_missing_is_no_print_to_be_taken_again() -> None:
    found = read(transaction(tagged(1), tagged(2, f13=b"3", f18=b"3\x1fXX")))
    assert where(found) == [2]
    assert found.faults == ()
    assert found.besides == ("record 4 (Type-14): finger 3 is stated to be missing or bandaged",)


def test_a_second_set_of_marks_that_cannot_be_read_does_not_take_the_first_away() -> None:
    marks = minutiae.write_m1(MINUTIAE, idc=1, impression=4)
    wrong = Record(9, tuple(Field(130, b"7") if field.number == 130 else field for field in marks.fields))
    found = read(transaction(tagged(1, kind=13), marks, wrong))
    pictured = [each for each in found.impressions if each.image is not None]
    assert [len(each.template or ()) for each in pictured] == [len(MINUTIAE)]
    assert len(found.faults) == 1


def test_minutiae_of_a_known_finger_that_cannot_be_read_are_no_fault_of_its_picture() -> None:
    marks = minutiae.write_m1(MINUTIAE, idc=1, impression=0)
    wrong = Record(9, tuple(Field(130, b"7") if field.number == 130 else field for field in marks.fields))
    found = read(transaction(tagged(1), wrong))
    assert found.faults == ()
    assert "9.130 SLC" in found.besides[0]


def test_pictures_beyond_what_a_file_may_hold_together_are_not_decoded() -> None:
    huge = b"\xff" * (4000 * 1000)
    found = files._Findings(pixels=files.MAX_PIXELS + 1)
    picture = files._Picture("record 3", 2, 0, (4000, 1000), 500.0, huge, raw=True)
    assert files._image(picture, found, files.reading.JAIL) is None
    assert found.faults == [
        "record 3: the pictures before it have more than 80000000 pixels together: divide the transaction"
    ]


@pytest.mark.parametrize(
    ("stated", "dpi"), [(b"19.69", 500.0), (b"39.37", 1000.0), (b"20.00", 508.0), (b"22.40", 568.96)]
)
def test_the_native_resolution_is_a_multiple_of_fifty_only_where_it_was_rounded_from_one(
    stated: bytes, dpi: float
) -> None:
    found = files._Findings()
    head = Transaction((record(1, {11: stated}),))
    assert files._native(head, "record 3", 500.0, found) == pytest.approx(dpi)
    assert found.forgiven == []
