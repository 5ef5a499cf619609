"""`pcsc nist`: showing a file, checking it, and making one from a description."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from contact_point.nist import traditional
from contact_point.nist.transaction import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DESCRIPTION = """
profile = "int-i"

[[records]]
type = 1
TOT = "CPS"
DAT = 2026-11-22
PRY = 4
DAI = "US/FBI"
ORI = "JP/NPA"
TCN = "0001"
NSR = "19.69"
NTR = "19.69"
DOM = [["INT-I", "4.22"]]
GMT = 2026-11-22T12:00:00+09:00

[[records]]
type = 2
SYS = "0422"
CRN = "MARMALADE"
EXP = 2026-12-22

[[records]]
type = 14
image = "right-index.png"
IMP = 1
SRC = "JP/NPA"
FCD = 2026-11-20
SLC = 1
THPS = 500
TVPS = 500
13 = 2
AMP = [[3, "XX"], [4, "UP"]]
"""


@pytest.fixture
def run(run: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `pcsc nist` with arguments and returns its exit code and what it printed."""
    return partial(run, "nist")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a description and the image it names."""
    PIL.Image.fromarray(np.full((40, 60), 200, np.uint8)).save(tmp_path / "right-index.png")
    (tmp_path / "search.toml").write_text(DESCRIPTION, encoding="utf-8")
    return tmp_path


@pytest.fixture
def search(folder: Path, run: Callable[..., tuple[int, str]]) -> Path:
    """Return a file that `pcsc nist make` made."""
    code, printed = run("make", folder / "search.toml", "--output", folder / "search.an2")
    assert code == 0, printed
    return folder / "search.an2"


def test_a_description_makes_a_file_that_reads_without_deviations(search: Path) -> None:
    transaction = traditional.read(search.read_bytes())
    assert transaction.deviations == ()
    head, text, image = transaction.records
    assert head.get(2) == b"0502"
    assert head.get(3) == b"1\x1f2\x1e2\x1f00\x1e14\x1f01"
    assert head.get(14) == b"20261122030000Z"
    assert text.get(92) == b"20261222"
    assert [image.get(number) for number in (2, 6, 7, 11, 12, 13)] == [b"01", b"60", b"40", b"PNG", b"8", b"2"]
    assert image.get(18) == b"3\x1fXX\x1e4\x1fUP"


def test_making_tells_what_was_made(folder: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("make", folder / "search.toml", "--output", folder / "search.an2", "--json")
    told = json.loads(printed)
    assert code == 0
    assert (told["records"], told["profile"]) == (3, "int_i")
    assert told["bytes"] == (folder / "search.an2").stat().st_size


def test_a_file_that_is_there_is_not_written_over(search: Path, run: Callable[..., tuple[int, str]]) -> None:
    before = search.read_bytes()
    code, printed = run("make", search.with_suffix(".toml"), "--output", search)
    assert code == 1
    assert "search.an2: File exists" in printed
    assert search.read_bytes() == before


def test_the_same_description_in_json_makes_the_same_file(
    search: Path, folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    description = {
        "profile": "int-i",
        "records": [
            {
                "type": 1, "TOT": "CPS", "DAT": "20261122", "PRY": 4, "DAI": "US/FBI", "ORI": "JP/NPA", "TCN": "0001",
                "NSR": "19.69", "NTR": "19.69", "DOM": [["INT-I", "4.22"]], "GMT": "20261122030000Z",
            },
            {"type": 2, "SYS": "0422", "CRN": "MARMALADE", "EXP": "20261222"},
            {
                "type": 14, "image": "right-index.png", "IMP": 1, "SRC": "JP/NPA", "FCD": "20261120", "SLC": 1,
                "THPS": 500, "TVPS": 500, "FGP": 2, "AMP": [[3, "XX"], [4, "UP"]],
            },
        ],
    }  # fmt: skip
    (folder / "search.json").write_text(json.dumps(description), encoding="utf-8")
    assert run("make", folder / "search.json", "--output", folder / "json.an2")[0] == 0
    assert (folder / "json.an2").read_bytes() == search.read_bytes()


def test_a_record_of_fixed_layout_and_text_in_utf_8_can_be_made(
    folder: Path, run: Callable[..., tuple[int, str]]
) -> None:
    text = DESCRIPTION.replace("MARMALADE", "京都").replace('profile = "int-i"', 'profile = "int-i"\ncharset = "utf-8"')
    image = text.partition("[[records]]\ntype = 14")[0]
    (folder / "raw").write_bytes(bytes(2400))
    image += '[[records]]\ntype = 4\nimage = "raw"\nIMP = 1\nFGP = 2\nHLL = 60\nVLL = 40\nCGA = 0\n'
    (folder / "utf8.toml").write_text(image, encoding="utf-8")
    code, printed = run("make", folder / "utf8.toml", "--output", folder / "utf8.an2")
    assert code == 0, printed
    transaction = traditional.read((folder / "utf8.an2").read_bytes())
    assert transaction.charset == "utf-8"
    assert transaction.records[1].get(10) == "京都".encode()
    assert transaction.records[2].get(4) == b"2" + b"\x1e255" * 5


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('TOT = "CPS"', "", "1.004 TOT: expected a value, the field is mandatory (INTERPOL INT-I), got none; add it"),
        ('TOT = "CPS"', 'TOT = "CAR"', "1.004 TOT: expected a type of transaction that INTERPOL INT-I has, got another"),
        ("THPS = 500", "THPS = 197", "14.009 THPS: expected as many pixels across as down with a scale (SLC 1)"),
        ("13 = 2", "13 = 99", "14.013 FGP: expected a code of its table (Table 8)"),
        ("13 = 2", "XYZ = 2", "record 3 (Type-14): expected fields by number or by a mnemonic of INTERPOL INT-I, got 'XYZ'"),
        ("13 = 2", "13 = true", "record 3 (Type-14), 13: expected a text, a number or a date, or a list of them"),
        ("13 = 2", '13 = "a\\u001eb"', "record 3 (Type-14), 13: expected a text, a number or a date"),
        ("MARMALADE", "京都", "record 2 (Type-2), CRN: expected text in the character set 'ascii', got other characters"),
        ("right-index.png", "none.png", "none.png: No such file or directory"),
        ("type = 14", "type = 2", "a Type-2 record: expected no image, it has no field for one, got right-index.png"),
        ("[[records]]\ntype = 1\n", "[[records]]\n", "search.toml: expected [[records]], each with its type as a number"),
        ("[[records]]\ntype = 1\n", "[[records", "search.toml: expected TOML, or JSON in a file named .json, got something"),
        ('profile = "int-i"', 'profile = "nist"', "the profile: expected one of itl, int_i, ebts, got 'nist'"),
    ],
)  # fmt: skip
def test_a_description_that_does_not_keep_to_the_rules_makes_no_file(
    folder: Path, run: Callable[..., tuple[int, str]], old: str, new: str, expected: str
) -> None:
    assert old in DESCRIPTION
    (folder / "search.toml").write_text(DESCRIPTION.replace(old, new, 1), encoding="utf-8")
    code, printed = run("make", folder / "search.toml", "--output", folder / "search.an2")
    assert code == 1
    assert expected in printed
    assert not (folder / "search.an2").exists()


def test_a_file_is_shown_by_the_names_of_its_fields(search: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("show", search)
    assert code == 0
    assert "search.an2: traditional encoding, ascii, by INTERPOL INT-I" in printed
    assert "Record 3: Type-14 Variable-resolution fingerprint image" in printed
    assert "    1.004 TOT  Type of transaction: CPS\n" in printed
    assert "    14.013 FGP  Friction ridge generalized position: 2 (right index)\n" in printed
    assert "    14.018 AMP  Amputated or bandaged: 3, XX; 4, UP\n" in printed
    size = search.parent.joinpath("right-index.png").stat().st_size
    assert f"    14.999 DATA  Fingerprint image: PNG, 60 x 40, {size} bytes\n" in printed


def test_what_is_of_a_person_is_hidden(search: Path, run: Callable[..., tuple[int, str]]) -> None:
    for arguments in ((), ("--json",), ("--profile", "itl"), ("--profile", "ebts")):
        code, printed = run("show", search, *arguments)
        assert code == 0
        assert "MARMALADE" not in printed
    assert "    2.010 CRN  Criminal reference number: hidden, 9 bytes\n" in run("show", search)[1]


def test_what_is_of_a_person_is_shown_on_a_terminal_only(
    search: Path, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = run("show", search, "--values")
    assert code == 2
    assert "--values shows what is of a person" in " ".join(printed.split())
    assert "MARMALADE" not in printed
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("show", search, "--values", "--json")[0] == 2
    code, printed = run("show", search, "--values")
    assert code == 0
    assert "Criminal reference number: MARMALADE" in printed


def test_a_program_is_told_the_same(search: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("show", search, "--json")
    told: dict[str, Any] = json.loads(printed)
    assert code == 0
    assert (told["profile"], told["encoding"], told["charset"], told["deviations"]) == (
        "int_i",
        "traditional",
        "ascii",
        [],
    )
    fields = {each["number"]: each for each in told["records"][2]["fields"]}
    assert fields[13]["value"] == "2 (right index)"
    assert fields[999]["image"] == {"compression": "PNG", "width": 60, "height": 40}
    assert told["records"][1]["fields"][1] == {
        "number": 3, "mnemonic": "SYS", "name": "System information", "bytes": 4, "hidden": True,
    }  # fmt: skip


def test_a_file_that_keeps_to_its_rules_is_checked_with_0(search: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("check", search)
    assert code == 0
    assert "by INTERPOL INT-I: 0 deviations forgiven in reading, 0 errors, 0 warnings" in " ".join(printed.split())
    assert json.loads(run("check", search, "--json")[1]) == {"profile": "int_i", "deviations": [], "findings": []}


def test_a_file_that_does_not_is_checked_with_1_and_each_thing_is_named(
    search: Path, run: Callable[..., tuple[int, str]]
) -> None:
    code, printed = run("check", search, "--profile", "ebts")
    assert code == 1
    assert (
        "error: record 1 (Type-1) 1.007 DAI: expected letters and digits, got something else (6 characters)" in printed
    )
    assert "MARMALADE" not in printed
    told = json.loads(run("check", search, "--profile", "ebts", "--json")[1])
    codes = {(each["record"], each["field"], each["code"], each["severity"]) for each in told["findings"]}
    assert {(1, 4, "transaction-type", "warning"), (1, 7, "characters", "error")} <= codes
    search.write_bytes(search.read_bytes() + b"\n")
    code, printed = run("check", search)
    assert code == 1
    assert "forgiven: NUL, line ends or spaces follow the last record; they are left out. Here: 1 bytes." in printed


def test_what_is_no_transaction_is_refused_with_the_reason(tmp_path: Path, run: Callable[..., tuple[int, str]]) -> None:
    (tmp_path / "no.an2").write_bytes(b"hello")
    (tmp_path / "no.xml").write_bytes(b"\xef\xbb\xbf <html/>")
    (tmp_path / "large.an2").write_bytes(bytes(MAX_BYTES + 1))
    for command in ("show", "check"):
        assert run(command, tmp_path / "no.an2")[0] == 1
        assert run(command, tmp_path / "no.xml")[0] == 1
        code, printed = run(command, tmp_path / "large.an2")
        assert code == 1
        assert f"large.an2: expected at most {MAX_BYTES} bytes, got more; divide the transaction" in printed
        code, printed = run(command, tmp_path / "none.an2", "--json")
        assert code == 1
        assert json.loads(printed)["error"].endswith("none.an2: No such file or directory")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jet/sample.eft", "4.009 DATA  Image data: WSQ20, 368 x 368, 10808 bytes"),
        ("nist_csr/type-9-4-iafis.an2", "9.023 MAT  IAFIS: minutiae and ridge count data: 001, "),
        ("nist_csr/type-7-latent.an2", "Record 3: Type-7 User-defined image of the FBI"),
        ("mosip_xml/AllFields.xml", "AllFields.xml: xml encoding, "),
    ],
)
def test_the_reference_files_are_shown(
    shared_data: Path, run: Callable[..., tuple[int, str]], name: str, expected: str
) -> None:
    code, printed = run("show", shared_data / "ansi_nist" / name)
    assert code == 0
    assert expected in printed


def test_a_known_defect_is_named_by_check(shared_data: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("check", shared_data / "ansi_nist" / "nbis_an2k" / "valid1.8.an2")
    assert code == 1
    assert "14.006 HLL: expected the size of the image, 1600 x 976 by its own header, got 1800 x 1000" in printed
