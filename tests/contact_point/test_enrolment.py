"""Persons on their way into the gallery: whole or not at all, many at a time, and what is said of those that are not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from annex.eligibility import Case, Disposition, Standing
from contact_point import enrolment, prints
from contact_point.enrolment import EnrolmentError, FileOf, Person, Ready
from contact_point.holdings import Particulars, read_particulars
from contact_point.nist import minutiae, traditional
from contact_point.nist.transaction import Field, Record
from matcher import images, synthesis
from matcher.formats import read_iso19794_2, write_iso19794_2
from matcher.images import Image
from matcher.jail import Jail, JailError
from matcher.template import ImpressionType, Origin, Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from contact_point.prints import PrintReader

AT = datetime(2026, 11, 22, tzinfo=UTC)
SIDE = 192
KNOWN = Particulars(
    Standing(date(1980, 5, 1), (Case(Disposition.CONVICTED_FINAL, date(2015, 4, 1)),)), {"name": "SAMPLE"}
)
LINE: dict[str, Any] = {
    "name": "person-1",
    "particulars": {"standing": {"born_on": "1980-05-01", "cases": [{"disposition": "convicted_final"}]}, "items": {}},
    "prints": [{"path": "good.png", "position": 2}],
}
MINUTIAE = Template.of(np.arange(20, 180, 8), np.arange(20, 180, 8), np.zeros(20), width=SIDE, height=SIDE, position=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files: a good print, a blank one, cards, a damaged one, latent prints, and minutiae."""
    folder = tmp_path_factory.mktemp("files")
    good = Image(synthesis.Finger(7, person=1).image(0, width=SIDE, height=SIDE), 500.0)
    blank = Image(np.full((SIDE, SIDE), 255, np.uint8), 500.0)
    (folder / "good.png").write_bytes(images.write_png(good))
    (folder / "blank.png").write_bytes(images.write_png(blank))
    (folder / "card.an2").write_bytes(transaction(good, blank))
    (folder / "misstated.an2").write_bytes(misstated(transaction(good)))
    (folder / "damaged.png").write_bytes(images.write_png(good)[:500])
    (folder / "latent.an2").write_bytes(transaction(good, impressions=(4,)))
    (folder / "scene.an2").write_bytes(transaction(good, good, impressions=(3, 4)))
    (folder / "poor-and-latent.an2").write_bytes(transaction(blank, good, impressions=(3, 4)))
    (folder / "poor-latent.an2").write_bytes(transaction(blank, impressions=(4,)))
    (folder / "marked-card.an2").write_bytes(with_minutiae(transaction(good)))
    (folder / "marked-blank.an2").write_bytes(with_minutiae(transaction(blank)))
    (folder / "large.png").write_bytes(images.write_png(Image(np.full((1001, 1000), 255, np.uint8), 500.0)))
    both = write_iso19794_2([MINUTIAE, replace(MINUTIAE, position=2)])
    (folder / "latent.fmr").write_bytes(said_latent(write_iso19794_2([MINUTIAE])))
    (folder / "mixed.fmr").write_bytes(said_latent(both))
    (folder / "minutiae.fmr").write_bytes(both)
    (folder / "letter.txt").write_bytes(b"Dear colleague,\n")
    return folder


def transaction(*pictures: Image, impressions: tuple[int, ...] = (3, 3)) -> bytes:
    sent = [
        prints.finger_image(picture, position, impression=impression)
        for position, (picture, impression) in enumerate(zip(pictures, impressions, strict=False), 2)
    ]
    said: dict[str, Any] = {"originator": "JP/NPA", "destination": "US/FBI", "delete_by": None, "now": AT}
    return prints.transaction(sent, kind=prints.SEARCH, control_number="1", **said)


def misstated(data: bytes) -> bytes:
    """Return a transaction whose image has another width than its record says."""
    whole = traditional.read(data)
    fields = tuple(Field(6, b"200") if field.number == 6 else field for field in whole.records[2].fields)
    return traditional.write(replace(whole, records=(*whole.records[:2], Record(14, fields))))


def with_minutiae(data: bytes) -> bytes:
    """Return a transaction of one image with a Type-9 record of minutiae beside it, in both its forms."""
    whole = traditional.read(data)
    forms = minutiae.write_standard(MINUTIAE, idc=1, impression=3), minutiae.write_m1(MINUTIAE, idc=1, impression=3)
    fields = {field.number: field for form in forms for field in form.fields}
    both = Record(9, tuple(fields[number] for number in sorted(fields)))
    return traditional.write(replace(whole, records=(*whole.records, both)))


def said_latent(record: bytes) -> bytes:
    """Return a record of minutiae whose first view says that it is of a latent print (ISO/IEC 19794-2:2005, 7.4.2.3)."""
    at = 24 + 1  # the record's header, and the finger position of the view
    assert record[24] == MINUTIAE.position
    return record[:at] + bytes([record[at] & 0xF0 | 7]) + record[at + 1 :]


def person(folder: Path, *names: str, name: str = "someone", position: int = 0) -> Person:
    return Person(name, KNOWN, tuple(FileOf(folder / each, position) for each in names))


def ready(reader: PrintReader, who: Person, *, leave_out: bool = False) -> Ready:
    return enrolment.ready(who, reader, at=AT, leave_out=leave_out)


def stored(made: Ready) -> list[tuple[int, bool]]:
    """Return the positions of what is stored of a person, and whether there is a picture."""
    found = []
    for impression in made.subject.impressions:
        (template,) = read_iso19794_2(impression.template)
        found.append((template.position, impression.image is not None))
    return found


# --- one person


def test_a_person_is_the_prints_of_all_the_files(reader: PrintReader, folder: Path) -> None:
    who = Person("someone", KNOWN, (FileOf(folder / "good.png", 5), FileOf(folder / "misstated.an2")))
    made = ready(reader, who)
    assert (stored(made), made.without_image, made.left_out) == ([(5, True), (2, True)], 0, ())
    assert made.subject.name == "someone"
    assert read_particulars(made.subject.particulars) == KNOWN
    assert made.forgiven == (
        f"{folder / 'misstated.an2'}: record 3 (Type-14): stated to be 200 x 192 pixels; the image has 192 x 192",
    )


def test_the_picture_that_is_kept_is_the_one_that_was_given(reader: PrintReader, folder: Path) -> None:
    (impression,) = ready(reader, person(folder, "good.png")).subject.impressions
    assert impression.image is not None
    assert np.array_equal(images.read(impression.image).pixels, images.read((folder / "good.png").read_bytes()).pixels)


def test_one_print_that_cannot_be_compared_stops_the_person(reader: PrintReader, folder: Path) -> None:
    with pytest.raises(EnrolmentError) as caught:
        ready(reader, person(folder, "good.png", "card.an2"))
    told = str(caught.value)
    assert told.startswith(
        f"someone: 1 of the prints cannot be enrolled: {folder / 'card.an2'}: record 4 (Type-14): a print"
    )
    assert told.endswith("Take them again, or say --leave-out to enrol the person without them")


def test_it_is_left_out_where_that_is_said(reader: PrintReader, folder: Path) -> None:
    made = ready(reader, person(folder, "card.an2"), leave_out=True)
    assert stored(made) == [(2, True)]
    (reason,) = made.left_out
    assert reason.startswith(f"{folder / 'card.an2'}: record 4 (Type-14): a print needs at least 8 minutiae")


def test_a_person_of_whom_nothing_is_left_is_not_enrolled(reader: PrintReader, folder: Path) -> None:
    with pytest.raises(EnrolmentError) as caught:
        ready(reader, person(folder, "blank.png"), leave_out=True)
    assert str(caught.value) == "someone: no print is left that can be enrolled: enrol at least one"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("damaged.png", "PNG: "),
        ("letter.txt", "a file of prints is an ANSI/NIST-ITL transaction"),
        ("nowhere.png", "No such file"),
    ],
)
@pytest.mark.parametrize("leave_out", [False, True])
def test_a_file_that_cannot_be_read_stops_the_person_whatever_is_left_out(
    reader: PrintReader, folder: Path, name: str, says: str, leave_out: bool
) -> None:
    with pytest.raises(EnrolmentError) as caught:
        ready(reader, person(folder, "good.png", name), leave_out=leave_out)
    assert str(caught.value).startswith(f"someone: {folder / name}: ")
    assert says in str(caught.value)


def test_a_position_that_contradicts_a_file_stops_the_person(reader: PrintReader, folder: Path) -> None:
    with pytest.raises(EnrolmentError, match=r"misstated\.an2: a position is said for a file with one print"):
        ready(reader, person(folder, "misstated.an2", position=7))


def test_4_5_minutiae_without_a_picture_are_kept_and_counted(reader: PrintReader, folder: Path) -> None:
    made = ready(reader, person(folder, "minutiae.fmr", "good.png"))
    assert stored(made) == [(7, False), (2, False), (0, True)]
    assert made.without_image == 2
    assert ready(reader, person(folder, "minutiae.fmr")).without_image == 2
    kept = [read_iso19794_2(each.template, ours=True)[0] for each in made.subject.impressions]
    assert [each.origin for each in kept] == [Origin.OTHER, Origin.OTHER, Origin.EXTRACTED]


def test_4_5_the_minutiae_of_a_card_that_was_read_count_as_minutiae(reader: PrintReader, shared_data: Path) -> None:
    made = ready(reader, person(shared_data / "cbeff", "gsa_01_Golden_PIV.bin"))
    assert (stored(made), made.without_image) == ([(7, False), (2, False)], 2)
    assert "the container's signature is not proven: the digest holds" in made.forgiven[0]


def test_4_5_of_a_print_with_a_picture_our_own_minutiae_are_kept_and_no_others(
    reader: PrintReader, folder: Path
) -> None:
    made = ready(reader, person(folder, "marked-card.an2"))
    assert (stored(made), made.without_image, made.left_out) == ([(2, True)], 0, ())
    assert made.notes == (
        f"{folder / 'marked-card.an2'}: minutiae beside pictures are not kept (sets: 2): our own are",
    )
    (impression,) = made.subject.impressions
    (template,) = read_iso19794_2(impression.template, ours=True)
    assert len(template) != len(MINUTIAE)
    assert (template.origin, template.impression) == (Origin.EXTRACTED, ImpressionType.ROLLED)
    assert ready(reader, person(folder, "good.png", "minutiae.fmr")).notes == ()


def test_4_5_a_picture_that_was_left_out_leaves_no_minutiae_behind(reader: PrintReader, folder: Path) -> None:
    made = ready(reader, person(folder, "good.png", "marked-blank.an2"), leave_out=True)
    assert (stored(made), made.without_image, len(made.left_out)) == ([(0, True)], 0, 1)
    with pytest.raises(EnrolmentError, match="someone: no print is left that can be enrolled: enrol at least one"):
        ready(reader, person(folder, "marked-blank.an2"), leave_out=True)


# --- prints left at a scene


OF_NOBODY = "a print left at a scene is of nobody yet: it is searched for, not enrolled"


def test_a_print_that_was_left_at_a_scene_is_not_enrolled(reader: PrintReader, folder: Path) -> None:
    who = person(folder, "scene.an2")
    with pytest.raises(EnrolmentError) as caught:
        ready(reader, who)
    reason = f"{folder / 'scene.an2'}: record 4 (Type-13): {OF_NOBODY}"
    assert str(caught.value).startswith(
        f"someone: 1 of the prints cannot be enrolled: {reason}. Take them again, or say"
    )
    made = ready(reader, who, leave_out=True)
    assert (stored(made), made.left_out) == ([(2, True)], (reason,))


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("name", ["latent.an2", "poor-latent.an2", "latent.fmr"])
def test_a_file_of_prints_left_at_a_scene_stops_the_person_whatever_is_left_out(
    reader: PrintReader, folder: Path, name: str, leave_out: bool
) -> None:
    with pytest.raises(EnrolmentError) as caught:
        ready(reader, person(folder, "good.png", name), leave_out=leave_out)
    assert str(caught.value) == f"someone: {folder / name}: {OF_NOBODY}; leave the file out"


def test_where_only_what_was_left_at_a_scene_can_be_compared_nobody_is_enrolled(
    reader: PrintReader, folder: Path
) -> None:
    with pytest.raises(EnrolmentError, match="someone: no print is left that can be enrolled"):
        ready(reader, person(folder, "poor-and-latent.an2"), leave_out=True)


def test_minutiae_that_were_left_at_a_scene_are_not_enrolled(reader: PrintReader, folder: Path) -> None:
    made = ready(reader, person(folder, "mixed.fmr"), leave_out=True)
    assert (stored(made), made.left_out) == ([(2, False)], (f"{folder / 'mixed.fmr'}: view 1: {OF_NOBODY}",))


# --- many


def test_persons_come_out_in_their_order_and_the_bad_ones_with_their_reason(reader: PrintReader, folder: Path) -> None:
    kinds = ("good.png", "blank.png", "minutiae.fmr", "letter.txt", "misstated.an2", "damaged.png")
    names = [f"person-{number}" for number in range(12)]
    people = [person(folder, kinds[number % 6], name=name) for number, name in enumerate(names)]
    found = list(enrolment.all_ready(people, reader, at=AT, leave_out=False, cores=2))
    for number, (name, each) in enumerate(zip(names, found, strict=True)):
        if number % 2:
            assert isinstance(each, EnrolmentError)
            assert str(each).startswith(f"{name}: ")
        else:
            assert isinstance(each, Ready)
            assert each.subject.name == name


def test_few_persons_are_taken_from_a_long_list_ahead_of_need(reader: PrintReader, folder: Path) -> None:
    taken = 0

    def endless() -> Iterator[Person]:
        nonlocal taken
        while True:
            taken += 1
            yield person(folder, "minutiae.fmr", name=f"person-{taken}")

    made = enrolment.all_ready(endless(), reader, at=AT, leave_out=False, cores=2)
    for number in range(1, 8):
        each = next(made)
        assert isinstance(each, Ready)
        assert each.subject.name == f"person-{number}"
        assert taken <= number + 5
    made.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_jail_that_does_not_work_ends_a_list_after_those_before_it(
    reader: PrintReader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Jail(program="raise SystemExit")
    monkeypatch.setattr(prints, "JAIL", broken)
    kinds = ("minutiae.fmr", "good.png", "minutiae.fmr")  # minutiae are tables of numbers, and need no jail
    people = [person(folder, kind, name=f"person-{number}") for number, kind in enumerate(kinds)]
    made = enrolment.all_ready(people, reader, at=AT, leave_out=False, cores=1)
    first = next(made)
    assert isinstance(first, Ready)
    with pytest.raises(JailError, match="the jail does not start: its process ended"):
        next(made)
    broken.close()


def test_a_print_that_is_too_large_is_left_out_and_the_list_goes_on(reader: PrintReader, folder: Path) -> None:
    people = [person(folder, name, name=name) for name in ("large.png", "good.png")]
    large, good = enrolment.all_ready(people, reader, at=AT, leave_out=False, cores=2)
    assert isinstance(large, EnrolmentError)
    assert "the image: a print has at most 1000000 pixels at 500 dpi" in str(large)
    assert isinstance(good, Ready)


# --- lists


def listed(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_a_list_names_its_files_from_its_own_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "whole.eft"
    given: Sequence[dict[str, Any]] = [{"path": "prints/a.png", "position": 2, "dpi": 1000}, {"path": str(elsewhere)}]
    path = listed(tmp_path / "persons.jsonl", LINE | {"prints": given}, "", "   ", LINE | {"name": "人物-2"})
    first, second = enrolment.read_list(path)
    assert first.prints == (FileOf(tmp_path / "prints" / "a.png", 2, 1000.0), FileOf(elsewhere))
    assert (second.name, second.prints) == ("人物-2", (FileOf(tmp_path / "good.png", 2),))
    assert second.particulars.standing.cases == (Case(Disposition.CONVICTED_FINAL),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "the whole text: Invalid JSON"),
        ("null", "it is null"),
        ("[]", "the whole text: Input should be an object"),
        (LINE | {"name": ""}, "name: String should match pattern"),
        (LINE | {"name": " \t"}, "name: String should match pattern"),
        (LINE | {"name": 7}, "name: Input should be a valid string"),
        ({key: value for key, value in LINE.items() if key != "particulars"}, "particulars: Field required"),
        (LINE | {"particulars": {"items": {}}}, "particulars.standing: Field required"),
        (
            LINE | {"particulars": {"standing": {"born_on": "1980-05-01", "cases": [{"disposition": "innocent"}]}}},
            "particulars.standing.cases.0.disposition: Input should be",
        ),
        (LINE | {"prints": []}, "prints: Tuple should have at least 1 item"),
        (LINE | {"prints": [{"position": 2}]}, "prints.0.path: Field required"),
        (LINE | {"prints": [{"path": "a.png", "position": 11}]}, "prints.0.position: Input should be less than or equal to 10"),
        (LINE | {"prints": [{"path": "a.png", "dpi": 0}]}, "prints.0.dpi: Input should be greater than 0"),
        (LINE | {"prints": [{"path": "a.png", "postion": 2}]}, "prints.0.postion: Unexpected keyword argument"),
        (LINE | {"remark": "Jane Doe"}, "remark: Unexpected keyword argument"),
        (b"\xff\xfe".decode("latin-1"), "the whole text: Invalid JSON"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_person_is_named_by_line_and_field(tmp_path: Path, line: object, says: str) -> None:
    path = listed(tmp_path / "persons.jsonl", LINE, "", line, LINE)
    with pytest.raises(EnrolmentError) as caught:
        list(enrolment.read_list(path))
    told = str(caught.value)
    assert told.startswith(f"{path}, line 3: expected a JSON object with name, particulars and prints; {says}")
    assert told.endswith(": correct the line; `pcsc enrol-list --help` shows one")
    assert "Jane Doe" not in told


def test_a_line_that_is_not_utf_8_is_named_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "persons.jsonl"
    path.write_bytes(json.dumps(LINE).encode() + b"\n" + '{"name": "人物'.encode("shift_jis") + b"\n")
    with pytest.raises(EnrolmentError, match=r"persons\.jsonl, line 2: expected a JSON object"):
        list(enrolment.read_list(path))


def test_a_person_has_one_line(tmp_path: Path) -> None:
    path = listed(tmp_path / "persons.jsonl", LINE, LINE | {"name": "another"}, LINE)
    with pytest.raises(EnrolmentError) as caught:
        list(enrolment.read_list(path))
    assert str(caught.value) == (
        f"{path}, line 3: expected each name once, got that of line 1 again: give all prints of a person in one line, or "
        "another person another name"
    )
