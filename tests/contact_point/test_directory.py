"""The directory of authorities: what the sources state, where they state it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import pytest

from contact_point.directory import MODEL, read_directory
from pcsc.authorities import NOT_STATED, Direction, DirectoryError, Function, LegalBasis, Section, Status

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY: Final = read_directory()
TEXT: Final = files("contact_point").joinpath(MODEL).read_text(encoding="utf-8")
ENTRIES: Final = {entry.id: entry for entry in DIRECTORY.entries}


def test_every_entry_has_a_source_with_its_standing_and_its_date_where_it_has_one() -> None:
    for entry in DIRECTORY.entries:
        source = DIRECTORY.sources[entry.source]
        assert entry.place
        assert source.title
        assert source.standing
        assert entry.status is not Status.VERIFIED  # nobody has asked the authorities
    assert DIRECTORY.sources["coe-2020"].as_of == date(2020, 7, 3)
    assert "does not necessarily reflect official positions" in DIRECTORY.sources["coe-2020"].standing
    assert DIRECTORY.sources["moj-assistance"].as_of is None


def test_the_authorities_of_the_sheet_of_2020_are_as_it_states_them() -> None:
    mofa, moj, npsc = ENTRIES["jp-mofa-extradition"], ENTRIES["jp-moj-budapest"], ENTRIES["jp-npsc-budapest"]
    assert (mofa.telephone, mofa.fax, mofa.email) == ("+81 3 5501 8206", "+81 3 5501 8205", NOT_STATED)
    assert (moj.telephone, moj.fax, moj.email) == ("+81 3 3592 7049", "+81 3 3592 7063", "cabiad@i.moj.go.jp")
    assert (npsc.telephone, npsc.fax, npsc.email) == ("+81 3 3581 0141", "+81 3 3591 3504", "kokusou@npa.go.jp")
    assert (mofa.directions, moj.directions, npsc.directions) == (
        (),
        (Direction.ANSWERS, Direction.SENDS),
        (Direction.SENDS,),
    )


def test_a_division_that_a_later_order_does_not_know_is_marked() -> None:
    for entry in (ENTRIES["jp-npsc-budapest"], ENTRIES["jp-24-7"]):
        assert entry.status is Status.DRIFTED
        assert any("2022-11-01" in note for note in entry.notes)


def test_the_commission_sends_and_is_never_the_recipient() -> None:
    for basis in LegalBasis:
        recipient = DIRECTORY.recipient("JP", Function.ASSISTANCE, basis)
        assert recipient is None or "Commission" not in recipient.authority
    assert "jp-npsc-budapest" in {
        entry.id for entry in DIRECTORY.senders("JP", Function.ASSISTANCE, LegalBasis.BUDAPEST)
    }
    alone = replace(DIRECTORY, entries=(ENTRIES["jp-npsc-budapest"],))
    assert alone.recipient("JP", Function.ASSISTANCE, LegalBasis.BUDAPEST) is None


def test_partners_are_those_of_the_ministry_of_justice_and_their_authorities_have_no_invented_address() -> None:
    assert [partner.code for partner in DIRECTORY.partners] == ["US", "KR", "CN", "HK", "EU", "RU"]
    assert DIRECTORY.partner("FR") is None
    assert DIRECTORY.recipient("EU", Function.ASSISTANCE, LegalBasis.BILATERAL) is None  # the page links to none
    for entry in DIRECTORY.entries:
        if entry.state != "JP":
            assert {entry.unit, entry.address, entry.telephone, entry.fax, entry.email, entry.web} == {NOT_STATED}


def test_what_a_country_sheet_leaves_empty_is_not_stated() -> None:
    sheet = DIRECTORY.sheet("JP", "stored-content")
    assert sheet is not None
    assert [sheet.said(section) for section in Section if section is not Section.GENERAL_REMARKS] == [NOT_STATED] * 10
    definitions = DIRECTORY.sheet("JP", "definitions")
    assert definitions is not None
    assert "court order in general" in definitions.said(Section.GENERAL_REMARKS)
    assert DIRECTORY.sheet("US", "stored-content") is None


def test_no_defect_of_the_scanned_text_is_in_the_data() -> None:
    for defect in ("Delevent", "Polovant", "Ticuse", "Concret", "ITAIISIALIOII", "Authoritietus", "N/A\n"):
        assert defect not in TEXT


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('fax = "+81 3 5501 8205"', 'fx = "1"', r"d\.toml: entries\.18\.fx: Unexpected keyword argument"),
        ('function = "extradition"', 'function = "x"', r"d\.toml: entries\.18\.function: Input should be 'agreement'"),
        ("as_of = 2020-07-03", 'as_of = "July"', r"d\.toml: sources\.coe-2020\.as_of: "),
        ('id = "jp-24-7"', 'id = "jp-interpol"', r"jp-interpol: two entries have this id: give each its own"),
        ('source = "npa-order"', 'source = "npa"', r"'npa' is cited and is no source of the directory, which are"),
        ("[[partners]]", "[[partners", r"d\.toml is not TOML: "),
        (
            'authority = "National Police Agency, liaison with INTERPOL"',
            'authority = " "',
            r"jp-interpol: an entry names an authority and the place in its source",
        ),
        (
            '30(iv)"',
            '30(iv)"\nstatus = "verified with the authority"',
            r"jp-interpol: an entry is verified by somebody on a day, and then only has that status",
        ),
        (
            'authority = "The Minister for Foreign Affairs"',
            'authority = "The Minister for Foreign Affairs"\nstatus = "a later source says otherwise"',
            r"jp-consultation: an entry that a later source contradicts notes which one: add the note",
        ),
    ],
)
def test_a_fault_is_named_with_file_and_key(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(DirectoryError, match=message):
        read_directory(path)


def test_an_entry_that_was_verified_says_by_whom_and_when(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    verified = 'status = "verified with the authority"\nverified_on = 2026-11-01\nverified_by = "the liaison officer"'
    path.write_text(TEXT.replace('30(iv)"', f'30(iv)"\n{verified}'), encoding="utf-8")
    entry = read_directory(path).recipient("JP", Function.INTERPOL, LegalBasis.INTERPOL)
    assert entry is not None
    assert (entry.status, entry.verified_on) == (Status.VERIFIED, date(2026, 11, 1))


def test_a_directory_of_ones_own_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_directory(tmp_path / "none.toml")
