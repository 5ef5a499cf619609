"""The drill's own parts: whatever form a mark takes and wherever it lies, it is found; what is no mark is not."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_point import drill
from contact_point.cli.drill import _show
from contact_point.drill import Report, Searched, look, places, play
from contact_point.drill.marks import Chunk, Mark, Marks, What, _written, of_image, of_key, of_template
from contact_point.drill.places import PlaceError
from contact_point.nist import minutiae
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.template import Template

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(8)
FINGER = synthesis.Finger(8)
IMAGE = play.marked(FINGER.image(0))
TEMPLATE = FINGER.template(0)
KEY = RNG.bytes(32)
MARKS = Marks(
    [
        Mark(What.IMAGE, "0", of_image(IMAGE), images.write_png(IMAGE)),
        Mark(What.TEMPLATE, "0", of_template(TEMPLATE), write_iso19794_2([TEMPLATE])),
        Mark(What.KEY, "0", of_key(KEY), KEY),
    ]
)
TYPE_9 = b"".join(field.value for field in minutiae.write_m1(TEMPLATE, idc=1, impression=4).fields)

FORMS = {
    "pixels": (0, IMAGE.pixels.tobytes()),
    "pixels in single precision": (0, IMAGE.pixels.astype(np.float32).tobytes()),
    "PNG": (0, images.write_png(IMAGE)),
    "ISO/IEC 19794-2": (1, write_iso19794_2([TEMPLATE])),
    "Type-9": (1, TYPE_9),
    "direction": (1, TEMPLATE.direction.tobytes()),
    "x as int16": (1, TEMPLATE.x.tobytes()),
    "y as float32": (1, TEMPLATE.y.astype(np.float32).tobytes()),
    "x as float64": (1, TEMPLATE.x.astype(np.float64).tobytes()),
    "key": (2, KEY),
}


def numbers(data: bytes) -> set[int]:
    return {number for _, number, _ in MARKS.found(data)}


def naive(marks: Marks, data: bytes) -> set[tuple[int, int, str]]:
    """Return what is found by looking for each chunk of each mark by itself."""
    found = set()
    for number, mark in enumerate(marks.marks):
        for chunk in mark.chunks:
            for form, text in _written(chunk):
                at = data.find(text)
                while at >= 0:
                    found.add((at, number, form))
                    at = data.find(text, at + 1)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_mark_is_found_as_that_form(form: str) -> None:
    number, content = FORMS[form]
    assert {(number, form)} <= {(each, found) for _, each, found in MARKS.found(b"-" * 5 + content)}


@pytest.mark.parametrize("form", ["pixels", "PNG", "ISO/IEC 19794-2", "Type-9", "key"])
@pytest.mark.parametrize("skipped", range(3))
def test_a_mark_is_found_in_base64_whatever_stands_before_it(form: str, skipped: int) -> None:
    number, content = FORMS[form]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found = {(each, said) for _, each, said in MARKS.found(encode(b"\xff" * skipped + content))}
        assert (number, f"{form} in base64") in found


@pytest.mark.parametrize("form", ["pixels", "PNG", "ISO/IEC 19794-2", "key"])
def test_a_mark_is_found_in_hexadecimal_of_either_case(form: str) -> None:
    number, content = FORMS[form]
    for text in (content.hex(), content.hex().upper()):
        assert (number, f"{form} in hexadecimal") in {(each, said) for _, each, said in MARKS.found(text.encode())}


@given(share=st.floats(0, 1), form=st.sampled_from(["PNG", "pixels", "pixels in single precision"]))
def test_no_page_of_a_picture_goes_unseen(share: float, form: str) -> None:
    content = FORMS[form][1]
    margin = len(content) // 3 if form != "PNG" else 0  # what is blank tells nothing, and shows nothing either
    at = margin + round(share * (len(content) - 2 * margin - 4096))
    assert numbers(content[at : at + 4096]) == {0}


@given(
    st.lists(st.sampled_from([b"x", b"yy" * 9, KEY, KEY[:15], KEY[:16], KEY[16:], FORMS["x as int16"][1]]), max_size=8)
)
def test_the_search_finds_what_a_naive_one_finds(parts: list[bytes]) -> None:
    small = Marks([Mark(What.KEY, "0", of_key(KEY), KEY), MARKS.marks[1]])
    data = b"".join(parts)
    assert set(small.found(data)) == naive(small, data)


def test_a_mark_across_the_end_of_a_block_is_found_where_it_lies() -> None:
    at = (1 << 20) - 7
    data = bytes(at) + KEY + bytes(100)
    assert {(at, 2, "key"), (at + 16, 2, "key")} == set(MARKS.found(data))


def test_neither_other_bytes_nor_another_print_of_the_same_finger_are_taken_for_a_mark() -> None:
    other = play.marked(FINGER.image(1))
    strange = [RNG.bytes(1 << 20), bytes(1 << 16), images.write_png(other), other.pixels.tobytes()]
    assert [numbers(each) for each in strange] == [set()] * len(strange)


def test_what_two_marks_have_in_common_is_not_looked_for() -> None:
    one, two, both = RNG.bytes(16), RNG.bytes(16), RNG.bytes(16)
    marks = Marks(
        [Mark(What.KEY, str(at), (Chunk("key", own), Chunk("key", both)), own) for at, own in ((0, one), (1, two))]
    )
    assert {number for _, number, _ in marks.found(both + one)} == {0}


def test_a_print_with_few_minutiae_is_no_mark_by_its_template() -> None:
    assert of_template(Template.of([5, 9], [5, 9], [0, 1], width=90, height=90)) == ()


# Places


def test_a_mark_across_two_reads_of_a_file_is_found_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(places.BLOCK - 9) + KEY)
    assert look("a file", [path], MARKS).found == {What.KEY: 1}


def test_a_file_that_went_is_passed_over_and_a_lawful_place_is_not_searched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(KEY)
    lawful = Marks([Mark(What.KEY, "0", of_key(KEY), KEY, frozenset({"the gallery"}))])
    found = look("the gallery", [path, tmp_path / "gone"], lawful)
    assert (found.total, found.looked_for, found.size) == (0, 0, 32)
    assert look("elsewhere", [path], lawful).total == 1


def test_an_ordinary_folder_says_why_it_is_no_block_device(tmp_path: Path) -> None:
    with places.volume(tmp_path, "volume", loop=False) as volume:
        assert (volume.image, volume.why_not) == (None, "an ordinary folder was asked for")
        assert volume.root.is_dir()


def test_what_was_deleted_from_a_volume_is_found_on_its_device_and_nothing_stays_mounted(tmp_path: Path) -> None:
    with places.volume(tmp_path, "volume") as volume:
        if volume.image is None:
            pytest.skip(f"no loop device can be had: {volume.why_not}")
        (volume.root / "file").write_bytes(KEY)
        os.sync()
        (volume.root / "file").unlink()
        places.unmount(volume.root)
        assert look("device", [volume.image], MARKS).found == {What.KEY: 1}
    with pytest.raises(ValueError, match="told to end"), places.volume(tmp_path, "other") as volume:
        raise ValueError("told to end")
    assert not (tmp_path / "volume").is_mount()
    assert not (tmp_path / "other").is_mount()


def test_a_core_of_a_process_holds_what_the_process_holds(tmp_path: Path) -> None:
    if shutil.which("gcore") is None:
        pytest.skip("gcore is not installed")
    planted = [Mark(What.KEY, "0", of_key(KEY), KEY)]
    with drill._holding(planted) as pid:
        try:
            with places.core(pid, tmp_path) as path:
                assert look("memory", [path], Marks(planted)).total == 1
        except PlaceError as error:
            pytest.skip(f"the kernel lets nobody look into a process: {error}")
    assert list(tmp_path.iterdir()) == []


def test_no_core_can_be_had_of_a_process_that_is_not_there(tmp_path: Path) -> None:
    if shutil.which("gcore") is None:
        pytest.skip("gcore is not installed")
    with pytest.raises(PlaceError, match=r"gcore (ended with|wrote no core)"), places.core(2**22 + 1, tmp_path):
        raise AssertionError


def test_a_file_without_a_name_is_found_in_the_process_that_holds_it_open(tmp_path: Path) -> None:
    with (tmp_path / "spool").open("w+b") as file:
        file.write(KEY)
        file.flush()
        (tmp_path / "spool").unlink()
        assert look("open files", places.nameless([os.getpid()]), MARKS).found[What.KEY] == 1


def test_the_descendants_of_a_process_are_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            assert child.pid in places.processes(os.getpid())
        finally:
            child.kill()


def test_the_control_finds_every_mark_in_a_place_of_each_kind(tmp_path: Path) -> None:
    report = Report(3, {})
    drill._control(report, MARKS.marks, tmp_path, lambda _text: None, loop=False)
    assert [each.place for each in report.control][: len(drill.CONTROLS)] == list(drill.CONTROLS)
    assert report.violations == []
    assert {each.looked_for for each in report.control} == {3}


# The report


def searched(place: str, found: int) -> Searched:
    return Searched(place, {What.IMAGE: 5}, {What.IMAGE: found} if found else {}, {}, 10)


def test_a_mark_that_is_found_and_one_that_the_control_misses_are_violations() -> None:
    report = Report(5, {}, [searched("logs", 2), searched("slots", 0)], [searched("a log", 4), searched("a slot", 5)])
    assert report.violations == [
        "logs: 2 of 5 marks of the kind 'probe image' were found",
        "control, a log: 1 of 5 marks were not found",
    ]
    assert report.told()["searched"][0]["found of planted"] == {"probe image": [2, 5]}


def test_the_report_is_printed_with_what_was_not_searched_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(5, {"no match": 5}, [searched("logs", 2)], [searched("a log", 5)], {"swap": "there is none"})
    _show(report)
    printed = capsys.readouterr().out
    for expected in (
        "5  no match",
        "2 of 5 probe image",
        "not searched: swap: there is none",
        "violation: logs: 2 of 5",
    ):
        assert expected in printed
