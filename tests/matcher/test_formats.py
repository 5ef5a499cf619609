"""ISO/IEC 19794-2:2005 records: what is read, what is refused, what a round trip keeps; and what all formats share."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher import formats
from matcher.formats import FormatError, minutiae_records, read_iso19794_2, unstretch, write_iso19794_2
from matcher.formats.deviations import DEVIATIONS
from matcher.formats.scaling import nominal_dpi
from matcher.template import ImpressionType, MinutiaKind, Origin, Template

STEP = 2 * np.pi / 256


def record(
    views: int = 1, *, width: int = 300, height: int = 400, per_cm: int = 197, body: bytes | None = None
) -> bytes:
    """A record of one view with two minutiae, unless told otherwise."""
    if body is None:
        body = bytes.fromhex("07 00 5a 024064 00c8 40 5080c8 012c 00 000000")
    header = b"FMR\x00 20\x00" + (24 + len(body)).to_bytes(4) + bytes(2) + width.to_bytes(2) + height.to_bytes(2)
    return header + per_cm.to_bytes(2) * 2 + bytes([views, 0]) + body


@st.composite
def templates(draw: st.DrawFn) -> Template:
    count = draw(st.integers(0, 255))
    width, height = draw(st.integers(1, 0x3FFF)), draw(st.integers(1, 0x3FFF))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Template.of(
        rng.integers(0, width, count),
        rng.integers(0, height, count),
        rng.uniform(0, 2 * np.pi, count),
        kind=rng.integers(0, 3, count),
        quality=rng.integers(0, 101, count),
        width=width,
        height=height,
        position=draw(st.integers(0, 10)),
        origin=draw(st.sampled_from(Origin)),
        impression=draw(st.sampled_from(ImpressionType)),
    )


def test_a_record_is_read_field_by_field() -> None:
    (template,) = read_iso19794_2(record())
    assert template.position == 7
    assert (template.width, template.height) == (300, 400)
    assert template.x.tolist() == [100, 200]
    assert template.y.tolist() == [200, 300]
    assert template.direction.tolist() == pytest.approx([np.pi / 2, 0.0])
    assert template.kind.tolist() == [MinutiaKind.ENDING, MinutiaKind.BIFURCATION]
    assert template.quality.tolist() == [80, 0]


@given(st.lists(templates(), min_size=1, max_size=4))
def test_a_round_trip_keeps_everything_but_the_fineness_of_directions(given_templates: list[Template]) -> None:
    again = read_iso19794_2(write_iso19794_2(given_templates))
    assert len(again) == len(given_templates)
    for before, after in zip(given_templates, again, strict=True):
        for name in ("x", "y", "kind", "quality"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert after.position == before.position
        turned = np.angle(np.exp(1j * (after.direction.astype(float) - before.direction)))
        assert np.all(np.abs(turned) <= STEP / 2 + 1e-6)
        assert after.origin is Origin.OTHER


@given(st.lists(templates(), min_size=1, max_size=4))
def test_who_found_the_minutiae_and_how_the_print_came_about_outlast_being_kept(several: list[Template]) -> None:
    again = read_iso19794_2(write_iso19794_2(several), ours=True)
    for before, after in zip(several, again, strict=True):
        assert after.origin is before.origin
        nothing_known = before.origin is Origin.OTHER and before.impression is ImpressionType.UNKNOWN
        assert after.impression is (ImpressionType.LIVE_PLAIN if nothing_known else before.impression)


PLACES = {"width": 300, "height": 400, "position": 7, "kind": [1, 2], "quality": [80, 0]}


def kept(origin: Origin, impression: ImpressionType) -> bytes:
    """The record of two minutiae with what is known of them."""
    said: dict[str, Any] = {"origin": origin, "impression": impression} | PLACES
    return write_iso19794_2([Template.of([100, 200], [200, 300], [np.pi / 2, 0], **said)])


OWN = bytes.fromhex("000e 5043 000a") + b"pcsc" + bytes.fromhex("01 04 5043 0004")


def test_a_template_of_another_maker_is_written_as_ever() -> None:
    bare = record(body=bytes.fromhex("07 00 28 024064 00c8 40 5080c8 012c 00 000000"))
    assert kept(Origin.OTHER, ImpressionType.UNKNOWN) == bare
    assert kept(Origin.OTHER, ImpressionType.LIVE_PLAIN) == bare
    rolled = kept(Origin.OTHER, ImpressionType.LIVE_ROLLED)
    assert [at for at in range(len(bare)) if rolled[at] != bare[at]] == [25]  # the view's number and impression
    assert rolled[25] == 1


def test_our_own_template_has_an_area_of_extended_data_that_others_pass_over() -> None:
    bare, ours = kept(Origin.OTHER, ImpressionType.PLAIN), kept(Origin.EXTRACTED, ImpressionType.LATENT)
    assert ours[24:-16] == bare[24:-2]  # the edition has no code for a latent print, and PLAIN is the nearest
    assert ours[-16:] == OWN
    (others_view,) = minutiae_records.read(ours).views
    assert others_view.template.origin is Origin.OTHER
    assert others_view.template.impression is ImpressionType.PLAIN
    assert minutiae_records.read(ours).deviations == ()


def test_who_counts_the_header_of_an_area_finds_two_that_end_with_the_block() -> None:
    block = OWN[2:]
    first = int.from_bytes(block[2:4])
    second = int.from_bytes(block[first + 2 : first + 4])
    assert (first, second, first + second) == (10, 4, len(block))
    assert int.from_bytes(OWN[:2]) == len(block) == 4 + first  # and who does not count it finds one


def test_what_a_record_says_of_its_origin_is_believed_of_our_own_alone() -> None:
    ours = kept(Origin.EXTRACTED, ImpressionType.LATENT)
    assert read_iso19794_2(ours)[0].origin is Origin.OTHER
    assert read_iso19794_2(ours, ours=True)[0].origin is Origin.EXTRACTED
    # Areas of other vendors, of our type too, say nothing of it.
    for foreign in ("0008 5043 0004 70637364", "0004 5043 0000", "0007 4141 0003 706373"):
        body = bytes.fromhex("07 00 00 00") + bytes.fromhex(foreign)
        assert read_iso19794_2(record(body=body), ours=True)[0].origin is Origin.OTHER


@pytest.mark.parametrize(
    ("said", "got"),
    [
        ("0010 5043 000c 70637363 01 04 50430004 0000", r"1 area\(s\), the first of 12 bytes: 7063736301"),
        ("0008 5043 0004 70637363", r"1 area\(s\), the first of 4 bytes: 70637363: enrol"),
        ("000e 5043 000a 70637363 03 04 50430004", r"1 area\(s\), the first of 10 bytes: 706373630304"),
        ("000e 5043 000a 70637363 01 0a 50430004", r"1 area\(s\), the first of 10 bytes: 70637363010a"),
        ("001c" + "5043 000a 70637363 01 04 50430004" * 2, r"2 area\(s\), the first of 10 bytes: 706373630104"),
    ],
)
def test_an_area_of_ours_that_no_version_writes_is_refused(said: str, got: str) -> None:
    damaged = record(body=bytes.fromhex("07 00 00 00") + bytes.fromhex(said))
    message = r"says once, in 10 bytes of extended data, who found its minutiae \(0 to 2\) and how .*; got " + got
    with pytest.raises(FormatError, match=message):
        read_iso19794_2(damaged, ours=True)
    assert read_iso19794_2(damaged)[0].origin is Origin.OTHER


def test_a_second_round_trip_changes_nothing() -> None:
    once = write_iso19794_2(read_iso19794_2(record()))
    assert write_iso19794_2(read_iso19794_2(once)) == once


def test_views_of_one_record_share_the_largest_image_size() -> None:
    small = Template.of([1], [1], [0], width=100, height=400)
    wide = Template.of([1], [1], [0], width=300, height=200)
    assert [(t.width, t.height) for t in read_iso19794_2(write_iso19794_2([small, wide]))] == [(300, 400)] * 2


@pytest.mark.parametrize(("per_cm", "scale"), [(197, 1.0), (196, 500 / 497.84), (394, 0.5), (224, 500 / 568.96)])
def test_coordinates_come_at_500_dpi(per_cm: int, scale: float) -> None:
    (template,) = read_iso19794_2(record(per_cm=per_cm))
    assert template.x.tolist() == [round(100 * scale), round(200 * scale)]
    assert (template.width, template.height) == (round(300 * scale), round(400 * scale))


def test_a_minutia_in_the_last_column_stays_inside_the_image_when_scaled() -> None:
    body = bytes.fromhex("00 00 00 01012b 018f 00 000000")
    (template,) = read_iso19794_2(record(per_cm=394, body=body))
    assert (template.x[0], template.y[0]) == (149, 199)


def test_a_view_without_minutiae_is_a_template_without_minutiae() -> None:
    (template,) = read_iso19794_2(record(body=bytes.fromhex("00 00 00 00 0000")))
    assert len(template) == 0


def test_extended_data_are_passed_over() -> None:
    body = bytes.fromhex("01 00 00 000004 0102030402 00 00 000000")
    assert [t.position for t in read_iso19794_2(record(2, body=body))] == [1, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"header of 24 bytes \(7\.3\); got 0"),
        (record()[:23], r"header of 24 bytes \(7\.3\); got 23"),
        (b"FMR\x00030\x00" + record()[8:], r"begins with b'FMR\\x00 20\\x00'; got b'FMR\\x00030\\x00'"),
        (record()[:-1], r"a length of 42 bytes \(7\.3\); got 41"),
        (record(0), "at least one finger view"),
        (record(2), r"view 2: its header has 4 bytes \(7\.4\.1\); 0 remain"),
        (record(width=0), "1 to 16383 pixels .* states 0 x 400"),
        (record(per_cm=0), "40 to 800 pixels per centimetre .* states 0"),
        (record(width=200), "view 1: a minutia lies outside the image of 200 x 400"),
        (record(body=bytes.fromhex("0b 00 00 00 0000")), "view 1: a finger position is .* got 11"),
        (record(body=bytes.fromhex("01 00 00 02 0000")), "view 1: 2 minutiae need 12 bytes"),
        (record(body=bytes.fromhex("01 00 00 00")), "extended data is missing"),
        (record(body=bytes.fromhex("01 00 00 00 0005 01")), "5 bytes of extended data are stated .* 1 remain"),
        (record(body=bytes.fromhex("01 00 00 00 0000 00")), r"end after its 1 view\(s\) .* 1 more byte"),
        (record(body=bytes.fromhex("01 00 00 01 c001 0001 00 00 0000")), "every kind must be 0 to 2"),
        (record(body=bytes.fromhex("01 00 00 01 4001 0001 00 65 0000")), "every quality must be 0 to 100"),
        (record(width=0x3FFF, per_cm=40), "view 1: an image side is 1 to 16383"),
    ],
)
def test_what_is_no_whole_record_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_iso19794_2(data)


@given(st.data())
def test_a_damaged_record_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    damaged = bytearray(record())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    _read_or_refuse(bytes(damaged))
    ours = bytearray(kept(Origin.EXTRACTED, ImpressionType.LATENT))
    ours[data.draw(st.integers(24, len(ours) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(ours))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    _read_or_refuse(data)
    _read_or_refuse(record()[:24] + data)


def _read_or_refuse(data: bytes) -> None:
    for ours in (False, True):
        try:
            templates = read_iso19794_2(data, ours=ours)
        except FormatError:
            continue
        assert all(isinstance(template, Template) for template in templates)
        assert ours or {template.origin for template in templates} == {Origin.OTHER}


@pytest.mark.parametrize(
    ("several", "message"),
    [
        ([], "1 to 255 views .* got 0 templates"),
        ([Template.of([], [], [], width=9, height=9, position=3)] * 17, "at most 16 views .* position 3 has more"),
    ],
)
def test_templates_that_do_not_fit_a_record_are_refused(several: list[Template], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        write_iso19794_2(several)


def test_unstretching_brings_coordinates_and_directions_back() -> None:
    squashed = Template.of([150, 0], [200, 399], [np.pi / 4, np.pi], width=300, height=400, quality=[7, 8], position=2)
    true = unstretch(squashed, 600, 400)
    assert (true.width, true.height, true.position) == (600, 400, 2)
    assert true.x.tolist() == [300, 0]
    assert true.y.tolist() == [200, 399]
    assert true.direction.tolist() == pytest.approx([np.arctan2(1, 2), np.pi])
    assert true.quality.tolist() == [7, 8]


def test_unstretching_brings_another_resolution_to_500_dpi() -> None:
    squashed = Template.of([299], [200], [1.0], width=300, height=400)
    true = unstretch(squashed, 600, 800, dpi=1000)
    assert (true.width, true.height) == (300, 400)
    assert (true.x[0], true.y[0]) == (299, 200)
    assert true.direction[0] == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(0, 5, 500.0), (5, 0, 500.0), (5, 5, 0.0), (5, 5, float("nan")), (99999, 5, 500.0)])
def test_unstretching_to_an_impossible_size_is_refused(size: tuple[Any, ...]) -> None:
    with pytest.raises(FormatError, match=r"must be positive|1 to 16383"):
        unstretch(Template.of([1], [1], [1], width=5, height=5), *size)


def test_the_records_of_another_vendor_are_read(shared_data: Path) -> None:
    paths = sorted(shared_data.glob("fvc2002/*/*.iso"))
    assert len(paths) == 320
    for path in paths:
        (template,) = read_iso19794_2(path.read_bytes())
        assert (template.width, template.height) == (300, 400)
        assert not template.quality.any()


def test_the_standards_own_example_is_read(shared_data: Path) -> None:
    data = (shared_data / "templates" / "iso19794p2v2005-sample.dat").read_bytes()
    first, second = read_iso19794_2(data)
    assert (len(first), first.position, len(second), second.position) == (27, 7, 22, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("biomdi_iso19794-2_2005_C2.fmr", "states a length of 340 bytes .* got 341"),
        ("libbiomeval_fmr.iso2005", "view 2: 42 bytes of extended data are stated .* 41 remain"),
        ("iso19794p2v2011-sample.dat", "begins with"),
        ("ansi378v2004-sample.dat", "begins with"),
        ("libbiomeval_fmr.ansi2004", "states a length"),
        ("invalid/101_1_truncate_1_byte.iso", "states a length of 30 bytes .* got 29"),
    ],
)
def test_records_of_other_standards_or_with_wrong_lengths_are_refused(
    shared_data: Path, name: str, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        read_iso19794_2((shared_data / "templates" / name).read_bytes())


# What all formats share


def test_the_codes_of_deviations_that_readers_use_are_those_of_the_one_list() -> None:
    used = set()
    for path in Path(formats.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Deviation":
                code = node.args[1]
                assert isinstance(code, ast.Constant), f"{path.name}, line {node.lineno}: the code is not written out"
                used.add(code.value)
    assert used == set(DEVIATIONS)


@pytest.mark.parametrize(("per_cm", "dpi"), [(197, 500), (394, 1000), (98, 250), (99, 250), (79, 200), (224, 568.96)])
def test_whole_pixels_per_centimetre_mean_the_resolution_that_they_round(per_cm: int, dpi: float) -> None:
    assert nominal_dpi(per_cm) == pytest.approx(dpi)
