"""The minutiae of Type-9 records: four forms of one print that must give the same minutiae, and what is refused."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_point.nist.minutiae import (
    Features,
    FeatureSet,
    ImageSize,
    Kind,
    read,
    write_m1,
    write_standard,
)
from contact_point.nist.transaction import Field, FieldError, Record
from matcher.comparison import compare
from matcher.extraction import Extractor
from matcher.images import Image
from matcher.template import ImpressionType, MinutiaKind, Origin, Template

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CARD = ImageSize(800, 768, 500)


def records(path: Path, kind: int) -> list[Record]:
    """Cut the tagged records of one type out of a file by their lengths; good enough for the samples used here."""
    data = path.read_bytes()
    found = []
    for start in re.finditer(rb"(?:^|\x1c)(%d\.001:(\d+)\x1d)" % kind, data):
        body = data[start.start(1) : start.start(1) + int(start[2]) - 1]
        head, mark, image = body.partition(b"\x1d%d.999:" % kind)
        tagged = [part.partition(b":") for part in head.split(b"\x1d")[1:]]
        fields = [Field(int(tag.split(b".")[1]), value) for tag, _, value in tagged]
        found.append(Record(kind, (*fields, *([Field(999, image)] if mark else []))))
    return found


def record(**values: str) -> Record:
    """Make a Type-9 record: ``f12="..."`` is its field 9.012, with | for RS and , for US."""
    coded = {int(name[1:]): value.replace("|", "\x1e").replace(",", "\x1f") for name, value in values.items()}
    return Record(9, tuple(Field(number, value.encode()) for number, value in sorted(coded.items())))


def m1(rows: str, **changes: str) -> Record:
    """Make an M1 set of these minutiae in an image of 300 x 400 pixels at 500 per inch."""
    fields = {"f128": "300", "f129": "400", "f130": "1", "f131": "500", "f132": "500", "f134": "3", "f137": rows}
    return record(**(fields | changes))


def only(features: Features) -> FeatureSet:
    """Return the one set that was read without a fault."""
    assert features.faults == ()
    (found,) = features.sets
    return found


def fault(features: Features) -> str:
    """Return why the one set was refused."""
    assert features.sets == ()
    (found,) = features.faults
    return found.text


def codes(features: Features) -> list[tuple[int, str]]:
    """Return field and code of each deviation."""
    return [(each.field, each.code) for each in features.deviations]


def turned(one: Template, other: Template) -> NDArray[np.float64]:
    """Return by how many degrees the directions differ, minutia by minutia."""
    difference = np.exp(1j * (one.direction.astype(np.float64) - other.direction))
    angles: NDArray[np.float64] = np.abs(np.degrees(np.angle(difference)))
    return angles


def off_the_ridges(pixels: NDArray[np.uint8], template: Template) -> list[float]:
    """Return by how many degrees each minutia's direction leaves that of the ridges around it, which have no sense."""
    grey = pixels.astype(np.float64)
    down, right = np.diff(grey, axis=0, append=grey[-1:]), np.diff(grey, axis=1, append=grey[:, -1:])
    found = []
    for x, y, direction in zip(template.x, template.y, template.direction, strict=True):
        around = slice(max(y - 12, 0), y + 13), slice(max(x - 12, 0), x + 13)
        across, along = right[around], -down[around]
        steepest = 0.5 * np.arctan2(2 * (across * along).sum(), (across**2 - along**2).sum())
        found.append(abs((np.degrees(direction - steepest) + 180) % 180 - 90))
    return found


@st.composite
def templates(draw: st.DrawFn, most: int = 255) -> Template:
    """Any template that fits into 99.99 mm."""
    width, height = draw(st.integers(1, 1968)), draw(st.integers(1, 1968))
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, most))
    rng = np.random.default_rng(seed)
    return Template.of(
        rng.integers(0, width, count),
        rng.integers(0, height, count),
        rng.uniform(0, 2 * np.pi, count),
        width=width,
        height=height,
        kind=rng.integers(0, 3, count),
        quality=rng.integers(0, 101, count),
        position=draw(st.integers(0, 10)),
    )


def test_three_forms_of_one_print_give_the_same_minutiae(shared_data: Path) -> None:
    folder = shared_data / "ansi_nist" / "nist_csr"
    standard = read(records(folder / "type-9-14-std.an2", 9)[0], image_size=CARD)
    iafis = read(records(folder / "type-9-4-iafis.an2", 9)[0], image_size=CARD)
    minutiae = read(records(folder / "type-9-13-9-14-m1.an2", 9)[1], image_size=CARD)
    assert [only(each).kind for each in (standard, iafis, minutiae)] == [Kind.STANDARD, Kind.IAFIS, Kind.M1]
    reference = only(minutiae).template
    assert (len(reference), reference.position, minutiae.impression) == (48, 8, 3)
    for each in (standard, iafis):
        template = only(each).template
        assert only(each).positions == (8,)
        assert np.abs(template.x - reference.x).max() <= 1
        assert np.abs(template.y - reference.y).max() <= 1
        assert turned(template, reference).max() < 1.01  # M1 counts in steps of two degrees
        np.testing.assert_array_equal(template.kind, reference.kind)
        assert each.deviations == ()


def test_the_latent_marked_by_an_examiner_mates_with_its_exemplar_in_every_form(shared_data: Path) -> None:
    folder = shared_data / "ansi_nist" / "nist_csr"
    latent, exemplar = (only(read(each)).template for each in records(folder / "type-9-13-9-14-m1.an2", 9))
    again = only(read(records(folder / "type-9-13-std.an2", 9)[0], image_size=CARD)).template
    old = only(read(records(folder / "type-9-14-std.an2", 9)[0], image_size=CARD)).template
    for probe, candidate in ((latent, exemplar), (again, old), (again, exemplar), (latent, old)):
        found = compare(probe, candidate)
        assert found.score > 12
        assert len(found.pairs) > 40


def test_an_image_of_unknown_size_moves_the_minutiae_and_matches_all_the_same(shared_data: Path) -> None:
    folder = shared_data / "ansi_nist" / "nist_csr"
    features = read(records(folder / "type-9-13-std.an2", 9)[0], place=2)
    assert codes(features) == [(12, "frame-unknown")]
    assert features.deviations[0].record == 2
    exemplar = only(read(records(folder / "type-9-14-std.an2", 9)[0], image_size=CARD)).template
    template = only(features).template
    assert template.y.max() < template.height < 768
    assert compare(template, exemplar).score > 12


def test_marked_minutiae_lie_on_ridges_of_the_image_and_its_extraction_mates(shared_data: Path) -> None:
    path = shared_data / "ansi_nist" / "nist_csr" / "type-9-13-9-14-m1.an2"
    marked = only(read(records(path, 9)[1])).template
    data = records(path, 14)[0].get(999)
    assert data is not None
    pixels = np.frombuffer(data, dtype=np.uint8).reshape(768, 800)
    assert np.median(off_the_ridges(pixels, marked)) < 15
    upside_down = Template.of(marked.x, 767 - marked.y, marked.direction, width=800, height=768)
    assert np.median(off_the_ridges(pixels, upside_down)) > 20
    left, top = marked.x.min() - 40, marked.y.min() - 40
    cut = pixels[top : marked.y.max() + 40, left : marked.x.max() + 40]
    found = Extractor().extract(Image(np.ascontiguousarray(cut), 500.0))
    assert compare(marked, found).score > 12
    backwards = Template.of(marked.x, marked.y, marked.direction + np.pi, width=marked.width, height=marked.height)
    assert compare(backwards, found).score < 0


def test_the_extended_feature_sets_of_eight_prints_are_read_within_their_regions(shared_data: Path) -> None:
    found = [read(each) for each in records(shared_data / "ansi_nist" / "libbiomeval" / "type9-efs.an2k", 9)]
    assert [len(only(each).template) for each in found] == [60, 35, 68, 37, 54, 48, 53, 59]
    assert [only(each).positions for each in found] == [(8,), (5,), (3,), (10,), (9,), (7,), (2,), (4,)]
    assert [codes(each) for each in found] == [
        [(315, "laterally-reversed")],
        [],
        [],
        [],
        [],
        [(331, "angle-360")],
        [],
        [],
    ]
    first = only(found[0]).template
    # 9.300: offset 36.61 mm; the first minutia at 19.08 mm, 0.41 mm in the region, 186 degrees, an ending.
    assert (first.x[0], first.y[0]) == (round((36.61 + 19.08) / 25.4 * 500), round(0.41 / 25.4 * 500))
    assert np.degrees(first.direction[0]) == pytest.approx(186)
    assert first.kind[0] == MinutiaKind.ENDING


def test_a_set_that_a_common_extractor_wrote_mates_with_the_image_it_came_with(shared_data: Path) -> None:
    (image,) = records(shared_data / "ansi_nist" / "libbiomeval" / "type9-13.an2k", 13)
    (minutiae,) = records(shared_data / "ansi_nist" / "libbiomeval" / "type9.an2k", 9)
    data = image.get(999)
    assert data is not None
    pixels = np.frombuffer(data[: 357 * 191], dtype=np.uint8).reshape(357, 191)
    written = only(read(minutiae, image_size=ImageSize(191, 357, 500))).template
    assert compare(written, Extractor().extract(Image(pixels, 500.0))).score > 12


def test_a_record_with_several_sets_gives_every_sound_one_and_names_the_faults() -> None:
    rows = {"f12": "1,10001000045,0,A|2,12001100360,63,B", "f6": "07"}
    both = Record(9, (*record(**rows).fields, *m1("1,10,20,180,1,50").fields, *record(f331="1,2,3,E").fields))
    features = read(both, image_size=ImageSize(600, 600, 500))
    assert [each.kind for each in features.sets] == [Kind.STANDARD, Kind.EFS]
    (refused,) = features.faults
    assert refused.kind is Kind.M1
    assert refused.text == (
        "9.137 FMD, minutia 1, angle in steps of two degrees: expected a number of 0 to 179, got '180': correct the field"
    )
    assert features.of_kind(Kind.M1) is None
    standard = features.of_kind(Kind.STANDARD)
    assert standard is not None
    np.testing.assert_array_equal(standard.x, [197, 236])
    np.testing.assert_array_equal(standard.y, [600 - 197, 600 - 217])
    np.testing.assert_allclose(np.degrees(standard.direction), [225, 180], atol=1e-4)
    np.testing.assert_array_equal(standard.kind, [MinutiaKind.ENDING, MinutiaKind.BIFURCATION])
    np.testing.assert_array_equal(standard.quality, [0, 1])
    assert codes(features) == [(12, "angle-360"), (128, "size-differs"), (300, "no-region"), (302, "no-position")]


@given(templates())
def test_what_is_written_as_m1_is_read_again_to_two_degrees(template: Template) -> None:
    written = write_m1(template, idc=1, impression=3)
    assert [field.number for field in written.fields] == sorted(field.number for field in written.fields)
    features = read(written)
    if len(template) == 0:
        assert features.sets == ()
        return
    again = only(features).template
    for name in ("x", "y", "kind", "quality", "width", "height", "position"):
        np.testing.assert_array_equal(getattr(again, name), getattr(template, name))
    assert turned(again, template).max() <= 1.001
    assert (features.impression, features.deviations) == (3, ())
    assert write_m1(again, idc=1, impression=3) == written


@given(templates(254))
def test_what_is_written_in_the_standard_form_is_read_again_to_a_degree(template: Template) -> None:
    written = write_standard(template, idc=7, impression=4, method="M")
    features = read(written, image_size=ImageSize(template.width, template.height, 500))
    if len(template) == 0:
        assert features.sets == ()
        return
    again = only(features).template
    for name in ("x", "y", "kind", "width", "height", "position"):
        np.testing.assert_array_equal(getattr(again, name), getattr(template, name))
    assert turned(again, template).max() <= 0.501
    assert np.abs(again.quality.astype(int) - template.quality).max() <= 1
    assert (features.impression, features.deviations) == (4, ())
    assert write_standard(again, idc=7, impression=4, method="M") == written


# --- who found the minutiae

ROWS = "1,10001000045,0,A"


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("AFIS,A", Origin.OTHER),
        ("AFIS,U", Origin.OTHER),
        ("AFIS,E", Origin.MARKED),
        ("AFIS,M", Origin.MARKED),
        ("AFIS,U,sr", Origin.OTHER),
        ("AFIS,X", None),
        ("AFIS", None),
        ("M", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("impression", [0, 3, 4, 5, 6, 7, 10, 29, 99])
def test_a_set_of_the_standard_says_by_what_method_it_was_made(
    said: str, origin: Origin | None, impression: int
) -> None:
    features = read(record(f3=str(impression), f5=said, f6="07", f12=ROWS), image_size=CARD)
    expected = origin if origin is not None else Origin.MARKED if impression in {4, 5, 6, 7} else Origin.OTHER
    template = only(features).template
    assert template.origin is expected
    assert template.impression is ImpressionType.of(impression)
    assert features.impression == impression


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("ALL,AUTO,Vendor,Algorithm", Origin.OTHER),
        ("9.331,REV", Origin.OTHER),
        ("331,EDIT", Origin.MARKED),
        ("ALL,MAN,,,Surname,Given name", Origin.MARKED),
        ("9.320,AUTO|9.331,MAN", Origin.MARKED),
        ("9.320,MAN", None),
        ("ALL", None),
        ("ALL,GUESS", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("impression", ["0", "4"])
def test_an_extended_feature_set_says_by_what_method_it_was_made(
    said: str, origin: Origin | None, impression: str
) -> None:
    fields = {"f3": impression, "f300": "4000,4000", "f302": "3", "f331": "100,200,3,E", "f350": said}
    expected = origin if origin is not None else Origin.MARKED if impression == "4" else Origin.OTHER
    assert only(read(record(**fields))).template.origin is expected


def test_a_form_without_a_method_was_marked_by_an_examiner_on_a_latent_print() -> None:
    old = {"f14": "03", "f23": ROWS}
    for impression, origin in (("4", Origin.MARKED), ("3", Origin.OTHER), ("x", Origin.OTHER)):
        assert only(read(m1("1,10,20,30,1,50", f3=impression))).template.origin is origin
        assert only(read(record(f3=impression, **old), image_size=CARD)).template.origin is origin
    # A picture in Type-13 is of a latent print whatever the minutiae beside it say.
    assert only(read(m1("1,10,20,30,1,50", f3="0"), latent=True)).template.origin is Origin.MARKED
    found = only(read(record(f3="4", f5="AFIS,A", f6="07", f12=ROWS), image_size=CARD, latent=True))
    assert found.template.origin is Origin.OTHER


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=3))
def test_no_record_can_say_that_our_own_extractor_found_its_minutiae(method: bytes, efs: bytes, code: bytes) -> None:
    fields = {3: code, 5: method, 6: b"07", 12: ROWS.replace(",", "\x1f").encode(), 302: b"3", 350: efs}
    fields |= {300: b"4000\x1f4000", 331: b"100\x1f200\x1f3\x1fE"}
    features = read(Record(9, tuple(Field(number, fields[number]) for number in sorted(fields))), image_size=CARD)
    assert features.faults == ()
    assert {each.template.origin for each in features.sets} <= {Origin.OTHER, Origin.MARKED}


def test_the_samples_of_the_standard_say_who_found_their_minutiae(shared_data: Path) -> None:
    folder = shared_data / "ansi_nist"
    said = {
        "nist_csr/type-9-13-std.an2": [(Origin.MARKED, 4)],
        "nist_csr/type-9-14-std.an2": [(Origin.MARKED, 3)],
        "nist_csr/type-9-4-iafis.an2": [(Origin.OTHER, 3)],
        "nist_csr/type-9-13-9-14-m1.an2": [(Origin.MARKED, 4), (Origin.OTHER, 3)],
        "libbiomeval/type9.an2k": [(Origin.OTHER, 6)],
    }
    for name, expected in said.items():
        found = [only(read(each, image_size=CARD)).template for each in records(folder / name, 9)]
        assert [(each.origin, each.impression) for each in found] == expected, name


def test_m1_brings_other_resolutions_to_500_dpi() -> None:
    changes = {"f130": "2", "f131": "394", "f132": "394"}
    template = only(read(m1("1,299,399,10,2,80|2,100,200,90", **changes))).template
    assert (template.width, template.height) == (150, 200)
    np.testing.assert_array_equal(template.x, [149, 50])
    np.testing.assert_array_equal(template.y, [199, 100])
    np.testing.assert_array_equal(template.quality, [80, 0])
    assert template.kind.tolist() == [MinutiaKind.BIFURCATION, MinutiaKind.OTHER]


def test_a_palm_has_five_digits_a_coordinate_and_no_finger_position() -> None:
    found = only(read(record(f12="1,1250125011231,2,B,1,0", f6="28"), image_size=ImageSize(5000, 5000, 500)))
    assert (found.positions, found.template.position) == ((28,), 0)
    assert (found.template.x[0], found.template.y[0]) == (2461, 5000 - 4924 + 1)
    assert found.template.quality[0] == 100


def test_of_more_minutiae_than_a_template_holds_the_best_are_kept_in_their_order() -> None:
    rows = "|".join(f"{index},{index % 300},7,0,1,{1 + index % 100}" for index in range(300))
    features = read(m1(rows, f136="12"))
    assert codes(features) == [(136, "count-misstated"), (137, "minutiae-left-out")]
    template = only(features).template
    assert len(template) == 255
    assert template.quality.min() == 16  # three of each quality: the 45 worst are gone
    assert (np.diff(template.x.astype(int)) > 0).all()


def test_features_whose_form_is_not_public_are_named_and_left_alone() -> None:
    features = read(record(f13="packed", f40="?", f56="?", f71="?", f111="?", f160="?", f201="?"))
    assert (features.sets, features.faults) == ((), ())
    assert codes(features) == [(number, "not-interpreted") for number in (13, 40, 56, 71, 111, 160, 201)]
    assert features.deviations[1].text == (
        "Features in a form that is not public are kept as they came, not interpreted. Here: 9.040, of Cogent (9.031-9.055)."
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (record(f12="1,1000100045,0,A"), "9.012 MRC, minutia 1: expected 11 digits of x, y, theta (13 for a palm), got 10"),
        (record(f12="1,1000X000045,0,A"), "9.012 MRC, minutia 1, y: expected a number of 0 to 99999, got 'X000'"),
        (record(f12="1,10001000361,0,A"), "9.012 MRC, minutia 1, theta: expected a number of 0 to 360, got '361'"),
        (record(f12="1,10001000045,64,A"), "9.012 MRC, minutia 1, quality: expected a number of 0 to 63, got '64'"),
        (record(f12="1,10001000045,2,E"), "9.012 MRC, minutia 1, type: expected one of A, B, C, D, got 'E'"),
        (record(f12="1"), "9.012 MRC, minutia 1: expected at least 2 items, got 1: send the whole minutia"),
        (record(f12=""), "9.012 MRC, minutia 1: expected at least 2 items, got 1"),
        (record(f12="1,99990100045"), "9.012 MRC, minutia 1: expected a place in the image, 600 x 600 pixels at 500 dpi, got"),
        (record(f12="1,10001000045", f6="x"), "9.006 FGP: expected a number of 0 to 99, got 'x': correct the field"),
        (record(f12="1,10001000045", f10="-1"), "9.010 MIN: expected a number of 0 to 9999, got '-1'"),
        (record(f23="1,10001000045,0,A", f14="|" * 30), "9.014 FGN: expected at most 20 positions, got 31"),
        (record(f12="|" * 999), "9.012 MRC: expected at most 999 minutiae in 500000 bytes (table 30), got 1000 in 999: keep"),
        (record(f12="1" * 500_001), "9.012 MRC: expected at most 999 minutiae in 500000 bytes (table 30), got 1 in 500001"),
        (m1("1,300,5,0,1,0"), "9.137 FMD, minutia 1, x: expected a number of 0 to 299, got '300': correct the field"),
        (m1("1,3,5,0,3,0"), "9.137 FMD, minutia 1, type: expected one of 0, 1, 2, got '3'"),
        (m1("1,3,5"), "9.137 FMD, minutia 1: expected at least 4 items, got 3"),
        (m1("1,3,5,0", f128="0"), "9.128 HLL: expected a number of 1 to 16383, got 0: correct the field"),
        (m1("1,3,5,0", f129=""), "9.129 VLL: expected a number of 0 to 16383, got '': correct the field"),
        (m1("1,3,5,0", f130="0"), "9.130 SLC: expected a number of 1 to 2, got 0"),
        (m1("1,3,5,0", f131="72"), "9.131 THPS: expected 100 to 2000 pixels per inch, got 72: correct 9.130-9.132"),
        (record(f331="1,2,3,Z", f300="100,100"), "9.331 MIN, minutia 1, type: expected one of E, B, X, got 'Z'"),
        (record(f331="1,2,,E", f300="100,100"), "9.331 MIN, minutia 1, theta: expected a number of 0 to 360, got ''"),
        (record(f331="1,2,3,E", f300="100"), "9.300 ROI: expected width and height, got 1 item(s): state the region"),
        (record(f331="1,2,3,E", f300="99999,99999,99999,99999"), "9.331 MIN, minutia 1: expected a place in the image"),
    ],
)  # fmt: skip
def test_a_set_with_a_fault_is_refused_with_the_reason(wrong: Record, message: str) -> None:
    assert message in fault(read(wrong, image_size=ImageSize(600, 600, 500)))


def test_a_region_too_large_for_any_print_is_a_fault() -> None:
    text = fault(read(record(f331="1,2,3,E", f300="99999,99999,9,9")))
    assert text == "9.331 MIN: an image side is 1 to 16383 pixels (ISO/IEC 19794-2:2005, 7.4.2.2); got 19687 x 19687"


def test_an_offset_of_the_coordinates_is_named_not_applied() -> None:
    features = read(record(f23="1,10001000045,0,A", f14="08", f19="00010002000"), image_size=CARD)
    assert only(features).template.y[0] == 197
    assert codes(features) == [(19, "offset-not-applied")]


def test_only_a_type_9_record_and_a_sensible_image_are_taken() -> None:
    with pytest.raises(
        FieldError, match=r"minutiae are in records of Type-9; got one of Type-14: pass the Type-9 record"
    ):
        read(Record(14, ()))
    with pytest.raises(
        FieldError, match=r"an image has sides of 1 to 16383 pixels at 100 to 2000 per inch; got \(0, 5, 500\)"
    ):
        read(record(), image_size=ImageSize(0, 5, 500))


def test_what_no_field_can_hold_is_not_written() -> None:
    small = Template.of([1], [2], [0.0], width=10, height=10)
    many = Template.of(range(255), range(255), np.zeros(255), width=300, height=300)
    for message, arguments in (
        (r"9\.012 MRC: expected at most 254 minutiae, got 255: keep the best, or use M1", {"template": many}),
        (r"9\.002: expected a number of 0 to 99, got 100: use the code of the standard", {"idc": 100}),
        (r"9\.003: expected a number of 0 to 99, got -1: use the code of the standard", {"impression": -1}),
        (r"9\.005 OFR: expected the method A, U, E or M, got 'X': use its letter", {"method": "X"}),
        (r"9\.005 OFR: expected a name of 1-40 printable ASCII characters, got 0: shorten it", {"system": ""}),
        (
            r"9\.012 MRC: expected at most 99\.99 mm \(four digits\), got 1969 x 5 pixels at 500 dpi: use M1",
            {"template": Template.of([1], [2], [0.0], width=1969, height=5)},
        ),
    ):
        chosen = {"template": small, "idc": 1, "impression": 0} | arguments
        template = chosen.pop("template")
        with pytest.raises(FieldError, match=message):
            write_standard(template, **chosen)  # type: ignore[arg-type]  # one dict for all parameters
    with pytest.raises(FieldError, match=r"9\.003: expected a number of 0 to 99, got 100"):
        write_m1(small, idc=1, impression=100)


def test_no_bytes_in_the_fields_of_a_record_make_anything_but_a_fault() -> None:
    random_ = random.Random(9)  # noqa: S311  # repeatable damage, no secret
    sound = {
        **{field.number: field.value for field in m1("1,10,20,90,1,50|2,30,40,5,2,100").fields},
        **{field.number: field.value for field in record(f12="1,10001000045,0,A", f23="1,10001000045,0,A").fields},
        **{field.number: field.value for field in record(f331="1,2,3,E", f300="900,900,0,0", f3="4").fields},
    }
    pieces = [b"\x1e", b"\x1f", b"-", b"\xff", b"9" * 40, b"", b"\xc2\xb2", b"\x00", b" 1", b"1e5", b"nan"]
    outcomes = set()
    for _ in range(3000):
        changed = dict(sound)
        for number in random_.sample(sorted(sound), 3):
            value = bytearray(changed[number])
            at = random_.randrange(len(value) + 1)
            value[at : at + random_.randrange(3)] = random_.choice(pieces)
            changed[number] = bytes(value)
        features = read(Record(9, tuple(Field(number, value) for number, value in changed.items())), image_size=CARD)
        outcomes.add((len(features.sets), len(features.faults)))
        assert len(features.sets) + len(features.faults) == 4
    assert len(outcomes) > 2
