"""Prints between files, the matcher and the other contact point: which are taken, which go out, and why one is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from contact_point import files, prints
from contact_point.nist import agreed, minutiae, traditional
from contact_point.nist.transaction import Field, Record, Transaction
from contact_point.prints import Print, best_of_each_finger, check_individual
from matcher import images, synthesis
from matcher.extraction import PrintTooLargeError
from matcher.formats import write_iso19794_2
from matcher.images import Image
from matcher.quality import Quality, Reason
from matcher.template import LEAST_MINUTIAE, ImpressionType, Origin, Template
from pcsc.errors import BulkQueryError, NoPrintsError, PrintQualityError, SearchKindError

if TYPE_CHECKING:
    from pathlib import Path

    from contact_point.prints import PrintFile, PrintReader

AT = datetime(2026, 11, 22, tzinfo=UTC)
ROLLED, PLAIN = ImpressionType.ROLLED, ImpressionType.PLAIN
LATENT, UNKNOWN = ImpressionType.LATENT, ImpressionType.UNKNOWN

SIDE = 192
BLANK = Image(np.full((SIDE, SIDE), 255, np.uint8), 500.0)
TOO_FEW = (
    "a print needs at least 8 minutiae to be compared; 0 were found: few-minutiae: little of the ridges could be made out: "
    "take the print again, the whole fingertip flat on the glass; too-small: the print covers little skin: place the whole "
    "fingertip, or roll it from nail to nail"
)


@pytest.fixture(scope="module")
def small() -> tuple[Image, Image]:
    """Two small synthetic fingers."""
    first, second = (synthesis.Finger(7, person=person).image(0, width=SIDE, height=SIDE) for person in (1, 2))
    return Image(first, 500.0), Image(second, 500.0)


def marks(count: int, position: int = 0, **said: Any) -> Template:
    """So many minutiae as an examiner marks them, on a grid, without a quality."""
    x, y = np.meshgrid(np.arange(20, 180, 20), np.arange(20, 180, 20))
    quality = np.zeros(count)
    at = (x.ravel()[:count], y.ravel()[:count], np.arange(count) % 6)
    said = {"origin": Origin.MARKED} | said
    return Template.of(*at, quality=quality, width=SIDE, height=SIDE, position=position, **said)


def made(position: int, expected: float, *, impression: int = UNKNOWN) -> Print:
    """Return a print of a finger with so many expected minutiae."""
    quality = Quality(50, (), expected, 200.0, 9.0)
    found = marks(20, position, origin=Origin.EXTRACTED, impression=impression)
    return Print(BLANK, found, quality)


def image(of: Image, position: int = 0, **changes: Any) -> agreed.FingerImage:
    return replace(prints.finger_image(of, position), **changes)


def transaction(*sent: agreed.FingerImage) -> bytes:
    said: dict[str, Any] = {"originator": "JP/NPA", "destination": "US/FBI", "delete_by": None, "now": AT}
    return prints.transaction(sent, kind=prints.SEARCH, control_number="JP-1", **said)


def read_file(reader: PrintReader, data: bytes, **options: Any) -> PrintFile:
    return reader.read_file(data, at=AT, **options)


# --- which print of a finger


def test_of_the_rolled_and_the_plain_print_of_a_finger_the_better_one_is_taken() -> None:
    rolled = [made(position, 80.0 - position, impression=ROLLED) for position in (1, 2, 3)]
    plain = [made(position, expected, impression=PLAIN) for position, expected in ((3, 90.0), (2, 30.0), (4, 10.0))]
    assert best_of_each_finger([*rolled, *plain]) == [rolled[0], rolled[1], plain[0], plain[2]]
    assert best_of_each_finger([*plain, *rolled]) == [rolled[0], rolled[1], plain[0], plain[2]]


def test_of_two_prints_as_good_as_each_other_the_first_is_taken() -> None:
    first, second = made(5, 40.0), made(5, 40.0)
    assert best_of_each_finger([first, second]) == [first]
    assert best_of_each_finger([]) == []


def test_4_3_prints_of_unknown_fingers_are_not_taken_for_prints_of_one() -> None:
    one, two, known = made(0, 40.0), made(0, 30.0), made(2, 50.0)
    assert best_of_each_finger([known, one, two]) == [one, two, known]
    with pytest.raises(BulkQueryError, match=r"got positions \[0, 0, 2\]: send one query for each individual"):
        check_individual([each.template.position for each in best_of_each_finger([known, one, two])])


@pytest.mark.parametrize("positions", [[0], [7], [1, 2], [*range(1, 11)]])
def test_4_3_one_print_or_different_fingers_are_of_an_individual(positions: list[int]) -> None:
    check_individual(positions)


@pytest.mark.parametrize("positions", [[], [0, 0], [0, 1], [2, 2], [1, 2, 3, 1]])
def test_4_3_prints_that_may_be_of_several_individuals_are_refused(positions: list[int]) -> None:
    with pytest.raises(BulkQueryError) as caught:
        check_individual(positions)
    assert str(caught.value) == (
        "Art. 4(3): a query is about one individual: one print, or different fingers with their positions; got positions "
        f"{positions}: send one query for each individual"
    )


# --- which search


def test_4_7_a_print_of_unknown_kind_goes_into_a_latent_search_as_latent() -> None:
    unknown = made(0, 40.0)
    latent = unknown.searched(latent=True)
    assert latent.template.impression is latent.impression is ImpressionType.LATENT
    assert latent.template.x is unknown.template.x
    assert latent.template.origin is Origin.EXTRACTED
    assert latent.sent.record_type == 13
    assert unknown.searched(latent=False) is unknown
    assert unknown.sent.record_type == 14


def test_4_7_a_print_goes_into_the_search_of_its_kind_as_it_is() -> None:
    for impression in (4, 5, 6, 7):
        latent = made(0, 40.0, impression=impression)
        assert latent.searched(latent=True) is latent
    for impression in (0, 1, 2, 3, 8, 28):
        taken = made(2, 40.0, impression=impression)
        assert taken.searched(latent=False) is taken


@pytest.mark.parametrize(
    ("impression", "latent", "says"),
    [
        (ROLLED, True, "a latent search carries prints left at a scene (Article 4(7)); this one is of impression type 3"),
        (6, False, "a ten-print search carries prints taken from a person (Article 4(7)); this one is of impression type 6"),
    ],
)  # fmt: skip
def test_4_7_a_print_of_the_other_kind_is_refused_by_our_side(impression: int, latent: bool, says: str) -> None:
    with pytest.raises(SearchKindError) as caught:
        made(0, 40.0, impression=impression).searched(latent=latent)
    assert str(caught.value) == f"Art. 4(7): {says} (table 7): say which search it is"


@pytest.mark.parametrize(
    ("latent", "said", "sent"), [(True, "latent prints, Type-13", 14), (False, "prints of known fingers, Type-14", 13)]
)
def test_4_7_a_print_of_the_other_kind_is_refused_by_the_queried_side(
    reader: PrintReader, latent: bool, said: str, sent: int
) -> None:
    """Before anything is made of it: the picture here would be refused for its quality."""
    probe = transaction(image(BLANK, impression=ROLLED if latent else 4))
    with pytest.raises(SearchKindError) as caught:
        reader.of_transaction(probe, latent=latent)
    assert str(caught.value) == (
        f"Art. 4(7): the search was announced to be of {said} (Article 4(7)); the transaction has Type-{sent}: send what was "
        "announced"
    )


# --- what goes out and comes back


def test_what_an_examiner_marked_on_a_latent_print_is_searched_with(
    reader: PrintReader, small: tuple[Image, Image]
) -> None:
    sent = Print(small[0], marks(12, 3, impression=LATENT), Quality(50, (), 12.0, 200.0, 9.0))
    (back,) = reader.of_transaction(transaction(sent.sent), latent=True)
    assert (back.marked, back.impression, back.template.position, len(back.template)) == (True, LATENT, 3, 12)
    assert (back.template.origin, back.template.impression) == (Origin.MARKED, LATENT)
    assert np.array_equal(back.template.x, sent.template.x)
    assert np.array_equal(back.template.y, sent.template.y)
    turned = np.abs(back.template.direction - sent.template.direction)
    assert np.degrees(np.minimum(turned, 2 * np.pi - turned)).max() <= 1.0  # M1 counts in steps of two degrees
    assert np.array_equal(back.image.pixels, small[0].pixels)


def test_a_latent_print_without_marks_is_extracted_from(reader: PrintReader, small: tuple[Image, Image]) -> None:
    (back,) = reader.of_transaction(transaction(image(small[0], impression=4)), latent=True)
    assert not back.marked
    assert (back.template.origin, back.template.impression) == (Origin.EXTRACTED, LATENT)
    assert len(back.template) >= LEAST_MINUTIAE
    (again,) = reader.of_transaction(transaction(back.sent), latent=None)
    assert np.array_equal(again.template.x, back.template.x)
    assert minutiae.write_m1(back.template, idc=1, impression=4).type == 9
    assert not [each for each in traditional.read(transaction(back.sent)).records if each.type == 9]


def test_a_transaction_without_prints_is_told_apart_from_one_that_cannot_be_read(reader: PrintReader) -> None:
    with pytest.raises(NoPrintsError, match=r"at least one finger image \(Type-14, Type-13\); this one carries none"):
        reader.of_transaction(transaction())


def test_4_3_two_prints_of_one_finger_are_refused_before_they_are_read(reader: PrintReader) -> None:
    with pytest.raises(BulkQueryError, match=r"got positions \[2, 2\]"):
        reader.of_transaction(transaction(image(BLANK, 2), image(BLANK, 2)))


def test_an_image_of_another_size_than_its_record_says_is_refused(reader: PrintReader) -> None:
    """A file of our own is forgiven that; what the other Party sends is written by our own kind of writer."""
    with pytest.raises(images.SizeError, match=r"says 200 x 192 pixels .* its image has 192 x 192: correct the record"):
        reader.of_transaction(transaction(image(BLANK, width=200)))


@pytest.mark.parametrize(("width", "height", "dpi"), [(SIDE + 2, SIDE, 500), (SIDE, 100, 500), (SIDE, SIDE, 1000)])
def test_4_5_minutiae_of_another_image_are_refused_since_a_match_could_not_be_shown(
    reader: PrintReader, width: int, height: int, dpi: int
) -> None:
    few = Template.of([5], [5], [0.0], width=width, height=height)
    latent = replace(prints.finger_image(Image(BLANK.pixels, float(dpi)), 0, impression=4), marked=few)
    with pytest.raises(images.SizeError) as caught:
        reader.of_transaction(transaction(latent), latent=True)
    assert str(caught.value) == (
        f"the minutiae were marked on {width} x {height} pixels at 500 dpi (9.128, 9.129), and the image has 192 x 192 at "
        f"{dpi}: mark them on this image"
    )


@pytest.mark.parametrize(("width", "dpi"), [(SIDE, 500), (SIDE - 1, 500), (SIDE // 2, 1000), (192 * 500 // 600, 600)])
def test_minutiae_of_the_image_at_500_dpi_are_taken(reader: PrintReader, width: int, dpi: int) -> None:
    x, y = np.meshgrid(np.arange(5, 90, 20), np.arange(5, 90, 20))
    few = Template.of(x.ravel(), y.ravel(), np.zeros(x.size), width=width, height=width)
    latent = replace(prints.finger_image(Image(BLANK.pixels, float(dpi)), 0, impression=4), marked=few)
    (back,) = reader.of_transaction(transaction(latent), latent=True)
    assert len(back.template) == x.size


# --- quality


def test_4_4_a_print_that_cannot_be_compared_is_refused_with_reasons_and_advice_and_nothing_else(
    reader: PrintReader,
) -> None:
    for read in (
        lambda: reader.read(images.write_png(BLANK)),
        lambda: reader.read_image(BLANK, 2),
        lambda: reader.of_transaction(transaction(image(BLANK, 2))),
    ):
        with pytest.raises(PrintQualityError) as caught:
            read()
        assert str(caught.value) == f"Art. 4(4): {TOO_FEW}"
        assert (caught.value.code, caught.value.article) == (PrintQualityError.code, "4(4)")


def test_4_4_a_print_at_a_wrong_resolution_is_told_how_far_apart_its_ridges_are(reader: PrintReader) -> None:
    rows, columns = np.mgrid[:300, :300]
    ridges = np.rint(130 + 90 * np.sin(2 * np.pi * (rows + columns) / (18.0 * np.sqrt(2)))).astype(np.uint8)
    with pytest.raises(PrintQualityError) as caught:
        reader.read_image(Image(ridges, 500.0), marked=marks(20))
    told = str(caught.value)
    assert told.startswith("Art. 4(4): a print is compared at its true resolution; the ridges of this one are 1")
    assert f"pixels apart at 500 dpi: resolution: {Reason.RESOLUTION.advice}" in told


def test_marks_too_few_to_be_compared_are_refused_as_minutiae_are(
    reader: PrintReader, small: tuple[Image, Image]
) -> None:
    with pytest.raises(PrintQualityError, match="needs at least 8 minutiae to be compared; 7 were found: few-minutiae"):
        reader.read_image(small[0], marked=marks(LEAST_MINUTIAE - 1))
    with pytest.raises(PrintQualityError, match="0 were found: few-minutiae"):
        reader.read_image(small[0], marked=marks(0))
    assert reader.read_image(small[0], marked=marks(LEAST_MINUTIAE)).marked


def test_a_picture_larger_than_a_print_is_refused(reader: PrintReader) -> None:
    with pytest.raises(PrintTooLargeError, match=r"at most 1000000 pixels at 500 dpi; this one is 1100 x 1000"):
        reader.read_image(Image(np.zeros((1000, 1100), np.uint8), 500.0))


# --- files


def test_a_file_gives_what_can_be_compared_and_says_what_was_left_out(
    reader: PrintReader, small: tuple[Image, Image]
) -> None:
    written = traditional.read(transaction(image(small[0], 2, impression=ROLLED), image(BLANK, 3), image(BLANK, 4)))
    broken = tuple(Field(10, b"400") if field.number == 10 else field for field in written.records[4].fields)
    data = traditional.write(replace(written, records=(*written.records[:4], Record(14, broken))))
    found = read_file(reader, data)
    (taken,) = found.prints
    assert (taken.template.position, taken.impression, taken.marked) == (2, ROLLED, False)
    assert np.array_equal(taken.image.pixels, small[0].pixels)
    fault, poor = found.left_out
    assert fault.startswith("record 5 (Type-14), 14.010: expected the 500 of 14.009")
    assert poor == f"record 4 (Type-14): {TOO_FEW}"
    assert (found.templates, found.contents.images, len(found.contents.impressions)) == ((), 2, 2)


def test_a_picture_that_is_too_large_leaves_the_other_prints(reader: PrintReader, small: tuple[Image, Image]) -> None:
    large = Image(np.zeros((1000, 1100), np.uint8), 500.0)
    found = read_file(reader, transaction(image(large, 1), image(small[0], 2)))
    assert [each.template.position for each in found.prints] == [2]
    assert found.left_out[0].startswith("record 3 (Type-14): a print has at most 1000000 pixels at 500 dpi")


def test_a_position_is_given_to_a_print_that_has_none(reader: PrintReader, small: tuple[Image, Image]) -> None:
    for data in (images.write_png(small[0]), transaction(image(small[0]))):
        (taken,) = read_file(reader, data, position=7).prints
        assert taken.template.position == 7
    (taken,) = read_file(reader, transaction(image(small[0], 7)), position=7).prints
    assert taken.template.position == 7
    (template,) = read_file(reader, write_iso19794_2([marks(20)]), position=7).templates
    assert template.position == 7


def test_a_position_that_contradicts_the_file_is_refused(reader: PrintReader) -> None:
    for sent, positions in (([image(BLANK, 3)], "[3]"), ([image(BLANK, 2), image(BLANK, 7)], "[2, 7]")):
        with pytest.raises(ValueError, match="a position is said") as caught:
            read_file(reader, transaction(*sent), position=2)
        assert str(caught.value) == (
            "a position is said for a file with one print that names no finger; this one has prints of "
            f"{positions}: leave the position out"
        )
    with pytest.raises(ValueError, match=r"this one has prints of \[2, 7\]"):
        read_file(reader, write_iso19794_2([marks(20, 2), marks(20, 7)]), position=2)
    with pytest.raises(ValueError, match="this one has none, but nothing"):
        read_file(reader, transaction(), position=2)


def test_a_latent_print_and_its_marks_are_one_print(reader: PrintReader, small: tuple[Image, Image]) -> None:
    data = transaction(image(small[0], impression=4, marked=marks(12)))
    found = read_file(reader, data, position=7)
    (latent,) = found.prints
    assert (latent.marked, latent.impression, latent.template.position, len(latent.template)) == (True, 4, 7, 12)
    assert latent.sent.marked is not None  # the image and its marks name one finger, as 9.134 must


def test_minutiae_alone_are_templates_and_no_prints(reader: PrintReader) -> None:
    found = read_file(reader, write_iso19794_2([marks(20, 2), marks(12, 7)]))
    assert (found.prints, found.left_out) == ((), ())
    assert [(each.position, len(each)) for each in found.templates] == [(2, 20), (7, 12)]
    assert {each.origin for each in found.templates} == {Origin.OTHER}  # whatever the file says


def test_nobody_outside_can_have_minutiae_taken_for_ours(reader: PrintReader, small: tuple[Image, Image]) -> None:
    ours = marks(20, 2, origin=Origin.EXTRACTED, impression=LATENT)
    (alone,) = read_file(reader, write_iso19794_2([ours])).templates
    assert alone.origin is Origin.OTHER
    sent = image(small[0], 2, impression=LATENT, marked=ours)
    (marked,) = reader.of_transaction(transaction(sent), latent=True)
    assert marked.template.origin is Origin.MARKED
    for method, origin in (("A", Origin.OTHER), ("M", Origin.MARKED)):
        written = traditional.read(transaction(image(small[0], 2, impression=LATENT)))
        found = minutiae.write_standard(ours, idc=1, impression=4, method=method)
        (latent,) = read_file(reader, traditional.write(replace(written, records=(*written.records, found)))).prints
        assert (latent.marked, latent.template.origin, latent.impression) == (True, origin, LATENT)


def test_what_is_known_of_how_a_print_was_taken_is_known_of_its_template(
    reader: PrintReader, small: tuple[Image, Image]
) -> None:
    (rolled,) = read_file(reader, transaction(image(small[0], 2, impression=ROLLED))).prints
    assert rolled.template.impression is rolled.impression is ImpressionType.ROLLED
    assert rolled.template.origin is Origin.EXTRACTED
    (taken,) = reader.of_transaction(transaction(image(small[0], 2, impression=ROLLED)), latent=False)
    assert taken.template.impression is ImpressionType.ROLLED
    assert set(ImpressionType) == agreed.IMPRESSIONS  # so that every print that was agreed has one
    assert {each for each in ImpressionType if each.latent} == agreed.LATENT


def test_an_impression_that_is_not_agreed_is_an_unknown_one(reader: PrintReader, small: tuple[Image, Image]) -> None:
    written = traditional.read(transaction(image(small[0], 2)))
    for code, impression in ((b"0", 0), (b"15", UNKNOWN), (b"77", UNKNOWN)):
        fields = tuple(Field(3, code) if field.number == 3 else field for field in written.records[2].fields)
        data = traditional.write(Transaction((*written.records[:2], Record(14, fields)), written.charset))
        (taken,) = read_file(reader, data).prints
        assert taken.impression == impression
        assert taken.sent.impression == impression
    (taken,) = read_file(reader, images.write_png(small[0])).prints
    assert taken.impression == UNKNOWN


def test_the_real_latent_print_goes_out_with_the_minutiae_that_its_examiner_marked(
    reader: PrintReader, shared_data: Path
) -> None:
    found = read_file(reader, (shared_data / "ansi_nist" / "nist_csr" / "type-9-13-std.an2").read_bytes())
    (latent,) = found.prints
    assert (latent.template.position, latent.impression, latent.marked, len(latent.template)) == (8, 6, True, 48)
    assert found.left_out == ()
    (back,) = reader.of_transaction(transaction(latent.searched(latent=True).sent), latent=True)
    assert (back.impression, back.marked, back.template.origin) == (6, True, Origin.MARKED)
    assert np.array_equal(back.template.x, latent.template.x)
    assert np.array_equal(back.template.y, latent.template.y)


@pytest.mark.long
def test_of_a_real_card_one_print_of_each_finger_goes_out(reader: PrintReader, shared_data: Path) -> None:
    found = read_file(reader, (shared_data / "ansi_nist" / "nist_csr" / "type-4-tpcard.an2").read_bytes())
    assert (len(found.prints), found.left_out, found.templates) == (20, (), ())
    best = best_of_each_finger(found.prints)
    assert [each.template.position for each in best] == [*range(1, 11)]
    assert {each.impression for each in best} == {ROLLED}  # each shows more than its slap
    assert len(transaction(*(each.sent for each in best))) < 10_000_000


def large(dpi: float) -> Image:
    """Stripes that cover more skin than a finger."""
    rows = np.mgrid[:1100, :1000][0]
    return Image((127 + 120 * np.sin(2 * np.pi * rows / 9 * 500 / dpi)).astype(np.uint8), dpi)


def test_marks_on_a_picture_larger_than_a_print_are_refused_before_anything_is_computed(reader: PrintReader) -> None:
    # Marked minutiae spare the extraction, and with it nobody else would look at the size.
    sent = image(large(250.0), impression=LATENT, marked=replace(marks(20), width=2000, height=2200))
    with pytest.raises(
        images.SizeError, match="a print has at most 1000000 pixels at 500 dpi; this one is 1000 x 1100"
    ):
        reader.of_transaction(transaction(sent), latent=True)
    found = read_file(reader, transaction(sent))
    assert found.prints == ()
    assert "a print has at most 1000000 pixels at 500 dpi" in found.left_out[0]


def test_4_5_an_examiner_sees_a_print_that_is_too_poor_for_a_search(reader: PrintReader) -> None:
    data = transaction(image(BLANK, 2))
    with pytest.raises(PrintQualityError, match="0 were found"):
        reader.of_transaction(data)
    (shown,) = reader.of_transaction(data, gate=False)
    assert shown.quality.value == 0


@pytest.mark.parametrize(
    ("latent", "expected"),
    [(False, [(0, 3), (2, 3), (3, UNKNOWN)]), (True, [(2, 4), (3, UNKNOWN)])],
)
def test_4_7_a_probe_is_made_of_the_prints_that_fit_the_search(latent: bool, expected: list[tuple[int, int]]) -> None:
    here = (
        made(2, 20, impression=ROLLED),
        made(2, 90, impression=LATENT),
        made(3, 30),
        made(0, 10, impression=ROLLED),
    )
    probe = prints.PrintFile(files.Contents("", 4, 4, ()), here, (), ()).probe(latent=latent)
    assert [(each.template.position, each.impression) for each in probe] == expected


@pytest.mark.parametrize("dpi", [500.0, 510.54, 569.4, 1000.0])
def test_marks_go_out_in_the_frame_of_whole_dots_an_inch(reader: PrintReader, dpi: float) -> None:
    pixels = np.full((900, 700), 255, np.uint8)
    side = round(150 * 500 / dpi)
    at = (np.arange(10, side, 12), np.arange(10, side, 12))
    said: dict[str, Any] = {"origin": Origin.MARKED, "impression": LATENT, "quality": np.full(len(at[0]), 90)}
    size = {"width": round(700 * 500 / dpi), "height": round(900 * 500 / dpi)}
    marked = Template.of(*at, np.zeros(len(at[0])), **(said | size))
    sent = Print(Image(pixels, dpi), marked, Quality(50, (), 9.0, 1.0, None)).sent
    (back,) = reader.of_transaction(transaction(sent), latent=True, gate=False)
    assert (back.template.origin, back.template.impression) == (Origin.MARKED, LATENT)
    assert np.abs(back.template.x - marked.x).max() <= 1
