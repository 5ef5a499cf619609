"""Exports of the record: what they hold, what shows it, and that nothing that is done to one passes (Article 11)."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.exports import fill
from contact_point import archive, columns, disposal, due, export_folder, exports, notes, verify
from contact_point.columns import FORMS
from contact_point.keys import SigningKey
from pcsc import records
from pcsc.errors import RecordError
from pcsc.records import Direction
from pcsc.searches import Asked

from .test_due import Desk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contact_point.columns import Form
    from contact_point.export_folder import Plan
    from contact_point.service import Installation

N = 60
START = datetime(2026, 1, 20, 6, tzinfo=UTC)
STEP = timedelta(days=2)
"""So the entries stand in five months, up to May."""
MADE = START + timedelta(days=150)
WHO = "C. Officer"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a contact point with a record; whoever changes it takes a copy."""
    folder = tmp_path_factory.mktemp("template") / "jp"
    desk = Desk(folder)
    fill(desk.here, N, START, STEP)
    desk.store.close()
    return folder


def desk_at(folder: Path) -> Desk:
    desk = Desk(folder)
    desk.now = MADE
    return desk


@pytest.fixture(scope="module")
def here(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("here") / "jp"
    shutil.copytree(template, folder)
    return desk_at(folder).here


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Desk:
    """Return a contact point of one's own."""
    shutil.copytree(template, tmp_path / "jp")
    return desk_at(tmp_path / "jp")


@pytest.fixture(scope="module")
def key(here: Installation) -> verify.Key:
    return verify.read_key(here.settings.folder.card.read_text(encoding="utf-8"), "the card")


def export(here: Installation, folder: Path, asked: Asked | None = None, form: Form = "csv", **how: Any) -> Plan:
    """Write an export; parts are small, so that there are several."""
    sizes = {name: how.pop(name) for name in ("rows", "places") if name in how}
    made = exports.plan(here, asked or Asked(), form=form, by=WHO, now=MADE, **how)
    exports.begin(here, folder, made, MADE)
    exports.write(here, folder, **({"rows": 16, "places": 25} | sizes))
    return made


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def parquet(path: Path) -> list[dict[str, Any]]:
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()  # type: ignore[no-any-return]


def rows_of(folder: Path, form: Form) -> list[dict[str, Any]]:
    """Return the rows of an export, every cell as its text."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"entries-*.{form}")):
        if form == "parquet":
            found += [{name: _text(value) for name, value in row.items()} for row in parquet(path)]
        elif form == "jsonl":
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [{name: _text(value) for name, value in json.loads(line).items()} for line in lines]
        else:
            with path.open(encoding="utf-8", newline="") as file:
                found += [{name: columns.wild(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    return found


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


# What is in them


@pytest.mark.parametrize("form", FORMS)
def test_11_2_the_same_entries_are_in_every_form_with_all_that_an_entry_says(
    here: Installation, key: verify.Key, tmp_path: Path, form: Form
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    made = export(here, tmp_path / "export", form=form)
    rows = rows_of(tmp_path / "export", form)
    with here.store.reading() as tx:
        entries = list(tx.entries())
    assert rows == [{each.name: _text(each.of(entry)) for each in columns.COLUMNS} for entry in entries]
    assert {json.dumps(records.Entry.canonical(entry)) for entry in entries}
    found = verify.check_export(tmp_path / "export", key=key)
    assert (made.completeness, found.manifest.counts) == (
        "whole",
        {"places": N, "shown": N, "rows": N, "ended": 0},
    )
    assert (found.begins, found.ends) == (
        "the record begins there",
        "the record ended there when it was exported",
    )
    assert len(found.manifest.of("entries")) == 4


def test_11_the_columns_of_the_verifier_and_of_the_docs_are_those_that_are_written(shared_root: Path) -> None:
    assert verify.COLUMNS == columns.NAMES
    lines = (shared_root / "docs" / "exports.md").read_text(encoding="utf-8").splitlines()
    told = [tuple(cell.strip(" `") for cell in line.split("|")[1:3]) for line in lines if line.startswith("| `")]
    assert told == [(each.name, each.type) for each in columns.COLUMNS]


@pytest.fixture
def shared_root() -> Path:
    """Return the root of the checkout."""
    from pathlib import Path  # noqa: PLC0415 - beside the one that is for types

    return Path(__file__).parents[2]


DAY = timedelta(days=1)
PERIODS = [
    (
        Asked(since=START + 10 * DAY, until=START + 40 * DAY),
        15,
        "the entry before is earlier",
        "the entry after is later",
    ),
    (
        Asked(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 4, 1, tzinfo=UTC)),
        16,
        "the tree before is of an earlier month",
        "the entry after is later",
    ),
    (Asked(until=START + 10 * DAY), 5, "the record begins there", "the entry after is later"),
    (Asked(since=START + 110 * DAY), 5, "the entry before is earlier", "the record ended there when it was exported"),
    (Asked(since=MADE), 0, "the last tree of the record is of an earlier month", "the record ended before it"),
    (Asked(until=START - DAY), 0, "the record begins there", "the entry after is later"),
    (
        Asked(since=START + timedelta(hours=1), until=START + DAY),
        0,
        "the entry before is earlier",
        "the entry after is later",
    ),
]


@pytest.mark.parametrize("period", PERIODS)
def test_11_an_export_of_a_period_shows_that_nothing_of_it_is_left_out(
    here: Installation, key: verify.Key, tmp_path: Path, period: tuple[Asked, int, str, str]
) -> None:
    asked, rows, begins, ends = period
    made = export(here, tmp_path / "export", asked)
    found = verify.check_export(tmp_path / "export", key=key)
    assert (made.counts.rows, found.begins, found.ends) == (rows, begins, ends)
    assert made.counts.shown == made.counts.places


def test_11_of_a_selection_the_leaves_of_the_rest_go_along(here: Installation, key: verify.Key, tmp_path: Path) -> None:
    asked = Asked(since=START + 10 * DAY, events=("deletion", "query"), directions=(Direction.ACT,))
    made = export(here, tmp_path / "export", asked)
    found = verify.check_export(tmp_path / "export", key=key)
    assert {row["event"] for row in rows_of(tmp_path / "export", "csv")} == {"deletion"}
    assert made.completeness == "selected"
    assert (made.counts.shown, found.empty) == (made.counts.rows, made.counts.places - made.counts.rows)
    assert 0 < made.counts.rows < made.counts.places == N - 5


@pytest.mark.parametrize("form", FORMS)
def test_11_with_columns_left_out_no_entry_and_no_salt_goes_along(
    here: Installation, key: verify.Key, tmp_path: Path, form: Form
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    left_out = ("note", "authority", "authority_name", "authority_unit")
    made = export(here, tmp_path / "export", form=form, left_out=left_out)
    found = verify.check_export(tmp_path / "export", key=key)
    assert (made.completeness, found.manifest.counts["rows"], found.empty) == ("abridged", N, N)
    with here.store.reading() as tx:
        (place,) = tx.record(3, 4)
        (entry,) = archive.entries([place])
    everything = b"".join(content(tmp_path / "export").values())
    assert place.salt
    assert place.salt.encode() not in everything
    assert place.leaf.encode() in everything
    assert entry.authority.unit.encode() not in everything
    assert not {*left_out} & {*rows_of(tmp_path / "export", form)[0]}


def test_what_cannot_be_exported_is_refused(here: Installation, tmp_path: Path) -> None:
    for left_out in (("number",), ("nothing",)):
        with pytest.raises(
            ValueError, match=rf"expected columns that can be left out \(at, .*; got {left_out[0]}: by its number"
        ):
            exports.plan(here, Asked(), form="csv", by=WHO, now=MADE, left_out=left_out)
    with pytest.raises(ValueError, match="an export says who asked for it, and nobody is named: name the person"):
        exports.plan(here, Asked(), form="csv", by=" ", now=MADE)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    made = exports.plan(here, Asked(), form="csv", by=WHO, now=MADE)
    with pytest.raises(FileExistsError, match="an export is written to a new folder, or an empty one"):
        exports.begin(here, tmp_path / "file", made, MADE)
    with pytest.raises(
        RecordError, match=r"the first term in what is asked for ends now \(Art\. 11\(3\)\), so late was not"
    ):
        exports.begin(here, tmp_path / "late", made, datetime.fromisoformat(made.expires_at))
    with pytest.raises(
        RecordError, match="nothing holds no export that is being written: it is whole, or was never begun"
    ):
        exports.write(here, tmp_path / "nothing")


# A spreadsheet

HARMFUL = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "'=1",
    "''",
    " =1",
    "\t=1",
    "\n=1",
    "a;=1",
    "a,\t'@x",
    "\uff1d1",
    "a\r\n-1",
    "a|+1",
]


@pytest.mark.parametrize("text", [*HARMFUL, "", "a", "a=1", "a-b; c", "8(1)", "it's"])
def test_a_cell_that_a_spreadsheet_takes_for_a_formula_is_tamed_and_comes_back(text: str) -> None:
    tamed = columns.tame(text)
    assert columns.wild(tamed) == text
    assert (tamed != text) == (text in HARMFUL)
    for cell in (
        tamed.replace("\t", ";").replace("\n", ";").replace("\r", ";").replace("|", ";").replace(",", ";").split(";")
    ):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert verify.csv_line([text]) == columns.csv_line([text])


def test_notes_of_a_record_come_alive_in_no_spreadsheet(desk: Desk, tmp_path: Path, key: verify.Key) -> None:
    with desk.store.transaction() as tx:
        exchange = tx.exchanges()[0]
        entry = records.of_act(N, exchange, "use", article="8(6)", note='=HYPERLINK("http://x")', now=MADE)
        tx.append(entry, "5a" * 32)
    export(desk.here, tmp_path / "export")
    assert b',"\'=HYPERLINK(""http://x"")",' in b"".join(content(tmp_path / "export").values())
    assert rows_of(tmp_path / "export", "csv")[-1]["note"] == '=HYPERLINK("http://x")'
    verify.check_export(tmp_path / "export", key=key)


# Tampering


def last(folder: Path, kind: str) -> Path:
    return max(folder.glob(f"{kind}-*"))


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def said(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_bytes())  # type: ignore[no-any-return]


def put(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(export_folder.text(manifest), encoding="utf-8")


def signed_anew(folder: Path, here: Installation, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest as the holder of the key can, and sign it."""
    manifest = said(folder)
    del manifest["signature"]
    change(manifest)
    for part in manifest["parts"]:
        data = (folder / part["name"]).read_bytes() if (folder / part["name"]).exists() else b""
        part |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    key = SigningKey.load(here.settings.folder.signing_key)
    manifest["signature"] = notes.sign(export_folder.signed_text(manifest), manifest["uri"], key)
    put(folder, manifest)


def changed(**members: Any) -> Callable[[Path, Path], None]:
    return lambda folder, _other: put(folder, said(folder) | members)


def swap(folder: Path, _other: Path) -> None:
    one, two = sorted(folder.glob("places-*"))[:2]
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)


TAMPERED: list[tuple[str, Callable[[Path, Path], Any], str]] = [
    (
        "a cell",
        lambda f, _: edit(last(f, "entries"), lambda d: d.replace(b"done", b"gone", 1)),
        "it is not the part that was signed",
    ),
    (
        "a bit",
        lambda f, _: edit(last(f, "places"), lambda d: d[:-9] + bytes([d[-9] ^ 1]) + d[-8:]),
        "not the part that was signed",
    ),
    (
        "a row less",
        lambda f, _: edit(last(f, "entries"), lambda d: b"".join(d.splitlines(True)[:-1])),
        "cut off or exchanged",
    ),
    (
        "a place less",
        lambda f, _: edit(last(f, "places"), lambda d: b"".join(d.splitlines(True)[:-1])),
        "cut off or exchanged",
    ),
    (
        "a row more",
        lambda f, _: edit(last(f, "entries"), lambda d: d + d.splitlines(True)[-1]),
        "not the part that was signed",
    ),
    ("cut in a line", lambda f, _: edit(last(f, "entries"), lambda d: d[:-5]), "not the part that was signed"),
    ("emptied", lambda f, _: edit(last(f, "places"), lambda _d: b""), "not the part that was signed"),
    ("a part less", lambda f, _: last(f, "places").unlink(), "this part is missing"),
    ("rows less", lambda f, _: last(f, "entries").unlink(), "this part is missing"),
    (
        "a part more",
        lambda f, _: shutil.copy(last(f, "places"), f / "places-00009.jsonl"),
        "in the folder, and not in the manifest",
    ),
    (
        "a file more",
        lambda f, _: (f / "notes.txt").write_text("x"),
        "'notes.txt': this file is in the folder, and not in",
    ),
    ("parts swapped", swap, "it is not the part that was signed"),
    (
        "another part",
        lambda f, o: shutil.copy(last(o, "places"), last(f, "places")),
        "it is not the part that was signed",
    ),
    (
        "another manifest",
        lambda f, o: shutil.copy(o / "manifest.json", f / "manifest.json"),
        "it is not the part that was signed",
    ),
    ("another period", changed(asked={"since": None, "until": None}), "its signature is of another manifest"),
    (
        "the other's period",
        lambda f, o: put(f, said(f) | {"asked": said(o)["asked"]}),
        "its signature is of another manifest: it was changed, or exchanged",
    ),
    ("who asked", changed(by="Somebody Else"), "its signature is of another manifest"),
    ("its end", changed(expires_at="2099-01-01T00:00:00Z"), "its signature is of another manifest"),
    ("what it shows", changed(proves=["Everything."]), "its signature is of another manifest"),
    (
        "the other's signature",
        lambda f, o: put(f, said(f) | {"signature": said(o)["signature"]}),
        "its signature is of another",
    ),
    (
        "spaces",
        lambda f, _: edit(f / "manifest.json", lambda d: d.replace(b'"by": ', b'"by":  ')),
        "in this order and no others",
    ),
    ("a cut manifest", lambda f, _: edit(f / "manifest.json", lambda d: d[:-3]), "expected one JSON object"),
    ("no manifest", lambda f, _: (f / "manifest.json").unlink(), "No such file"),
]


@pytest.fixture(scope="module")
def untouched(here: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return an export of each kind."""
    folder = tmp_path_factory.mktemp("untouched")
    period = Asked(since=START + 10 * DAY, until=START + 90 * DAY)
    export(here, folder / "whole", period)
    export(here, folder / "other", Asked(since=START + 12 * DAY, until=START + 90 * DAY))
    export(here, folder / "selected", replace(period, events=("deletion",)))
    export(here, folder / "abridged", period, left_out=("note",))
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["whole", "selected", "abridged"])
@pytest.mark.parametrize(("tampering", "expected"), [each[1:] for each in TAMPERED], ids=[each[0] for each in TAMPERED])
def test_11_whatever_is_done_to_an_export_is_found(
    untouched: dict[str, Path],
    key: verify.Key,
    tmp_path: Path,
    kind: str,
    tampering: Callable[[Path, Path], Any],
    expected: str,
) -> None:
    folder = tmp_path / kind
    shutil.copytree(untouched[kind], folder)
    verify.check_export(folder, key=key)
    before = content(folder)
    tampering(folder, untouched["other"])
    if content(folder) == before:
        pytest.skip("there is nothing of it to change in this kind of export")
    with pytest.raises((verify.VerificationError, OSError), match=expected):
        verify.check_export(folder, key=key)


def withhold(folder: Path) -> None:
    """Empty a place that is to be shown, and take its row away."""
    path = min(folder.glob("places-*"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = archive.place_line(records.expire(records.Recorded(**json.loads(lines[4]))))
    path.write_bytes(b"".join(lines))
    table = min(folder.glob("entries-*"))
    rows = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join([*rows[:4], *rows[5:]]))


def fewer(manifest: dict[str, Any]) -> None:
    """Count what is left after :func:`withhold`."""
    manifest["counts"] |= {"shown": manifest["counts"]["shown"] - 1, "rows": manifest["counts"]["rows"] - 1, "ended": 1}
    manifest["parts"][1]["count"] -= 1


def less(name: str) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["counts"][name] -= 1

    return change


def set_in(path: tuple[Any, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        inner: Any = manifest
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return change


def nothing(_folder: Path) -> None:
    """Change nothing but what is signed."""


def rows_edited(old: bytes, new: bytes) -> Callable[[Path], None]:
    return lambda folder: edit(last(folder, "entries"), lambda data: data.replace(old, new, 1))


HELD_BY_THE_KEY: dict[str, tuple[Callable[[Path], Any], Callable[[dict[str, Any]], Any], str]] = {
    "withheld as ended": (withhold, fewer, "is empty, and no older than two years: its term cannot have ended"),
    "a row changed": (rows_edited(b"done", b"gone"), dict, "the row that is to be entry .. does not say what the"),
    "a row doubled": (rows_edited(b'"\r\n', b'"\r\n"1"\r\n'), dict, "does not say what the entry says"),
    "a row at the end": (
        lambda f: edit(last(f, "entries"), lambda d: d + b"x"),
        dict,
        "there is more in it than its rows",
    ),
    "a column renamed": (
        rows_edited(b'"made_at"', b'"done_at"'),
        dict,
        "expected the names of the columns in its first",
    ),
    "fewer rows counted": (nothing, less("rows"), r"it counts \d+ rows; there are \d+"),
    "an earlier period": (nothing, set_in(("asked", "since"), "2026-01-25T06:00:00Z"), "rows that begins with entry 4"),
    "a longer period": (nothing, set_in(("asked", "until"), "2026-06-25T06:00:00Z"), "part of rows that begins with"),
    "a proof less": (nothing, lambda m: m["ranges"][0]["left"].pop(), "leaves of tree 2026-01 continue 0 has"),
    "another leaf before": (
        nothing,
        set_in(("ranges", 0, "left", 0), "A" * 43 + "="),
        "has another root than the places",
    ),
    "a tree left out": (nothing, lambda m: m["ranges"].pop(1), "leave out places, or have them twice"),
    "heads left out": (nothing, lambda m: m["ranges"][1].update(heads=[]), "no signed head of tree 2026-02 covers"),
    "columns left out": (nothing, set_in(("left_out",), ["note"]), "its columns are not those that are known"),
    "abridged": (nothing, set_in(("completeness",), "abridged"), "columns are left out where it is abridged, and only"),
    "a part outside": (nothing, set_in(("parts", 0, "name"), "../places-00001.jsonl"), "a part is named places-00001"),
    "asked by event": (nothing, set_in(("asked", "events"), ["query"]), "it is whole, and not all of the period was"),
    "another time": (
        nothing,
        set_in(("made_at",), "2026-06-20T06:00:00Z"),
        "the checkpoint over the whole record was not",
    ),
    "another first": (nothing, set_in(("ranges", 0, "first"), 1), "leave out places, or have them twice"),
}


@pytest.mark.parametrize("case", HELD_BY_THE_KEY)
def test_11_what_does_not_hang_together_is_found_although_it_is_signed(
    here: Installation, untouched: dict[str, Path], key: verify.Key, tmp_path: Path, case: str
) -> None:
    tampering, signing, expected = HELD_BY_THE_KEY[case]
    folder = tmp_path / "whole"
    shutil.copytree(untouched["whole"], folder)
    tampering(folder)
    signed_anew(folder, here, signing)
    with pytest.raises(verify.VerificationError, match=expected):
        verify.check_export(folder, key=key)


def test_a_manifest_is_of_the_contact_point_whose_card_was_given(
    untouched: dict[str, Path], key: verify.Key, tmp_path: Path
) -> None:
    stranger = verify.read_key(SigningKey.create(tmp_path / "key.pem").public_pem.decode(), "a key")
    with pytest.raises(
        verify.DifferenceError, match=r"manifest\.json: it names key .* of the contact point, and the key given is"
    ):
        verify.check_export(untouched["whole"], key=stranger)
    with pytest.raises(
        verify.DifferenceError, match=r"it is of the record of JP \(urn:pcsc:ncp:jp\), and the card given is that of US"
    ):
        verify.check_export(untouched["whole"], key=replace(key, party="US", uri="urn:pcsc:ncp:us"))
    with pytest.raises(verify.DifferenceError, match="no head in this export is cosigned by the other contact point"):
        verify.check_export(untouched["whole"], key=key, other_key=stranger)


# Terms


def test_11_3_an_export_ends_with_the_first_term_in_it_and_is_erased_whole(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    made = export(desk.here, folder)
    with desk.store.transaction() as tx:
        (copy,) = tx.copies()
        assert tx.planned("")[due.COPIES] == copy.holds_until == datetime.fromisoformat(made.expires_at)
    assert (copy.path, copy.sha256) == (str(folder), made.digest)
    assert export_folder.is_copy(folder, made.digest)
    (folder / "mine.txt").write_text("not of the export", encoding="utf-8")
    held = [path.open("rb") for path in export_folder.files(folder)]
    assert disposal.end_copies(desk.here, copy.holds_until - timedelta(seconds=1)) == []
    assert disposal.end_copies(desk.here, copy.holds_until) == [folder]
    for file in held:
        with file:
            assert not any(file.read())
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    with desk.store.reading() as tx:
        assert [each.destroyed_at for each in tx.copies()] == [copy.holds_until]


def test_11_3_an_export_of_which_a_part_was_carried_away_stays_on_the_list(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    export(desk.here, folder)
    last(folder, "entries").rename(tmp_path / "carried-away")
    with desk.store.reading() as tx:
        (copy,) = tx.copies()
    assert disposal.end_copies(desk.here, copy.holds_until) == []
    assert not any(b"".join(content(folder).values()))
    with desk.store.reading() as tx:
        assert [each.destroyed_at for each in tx.copies()] == [None]


def test_11_3_another_export_in_the_same_place_is_not_erased(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    export(desk.here, folder)
    folder.rename(tmp_path / "elsewhere")
    export(desk.here, folder, Asked(events=("deletion",)))
    with desk.store.transaction() as tx:
        first, second = tx.copies()
        tx.copy_destroyed(second.id, MADE)
    before = content(folder)
    with pytest.raises(
        disposal.UnerasedError, match=r"1 of 1 copies of the record whose term has ended are still there"
    ):
        disposal.end_copies(desk.here, first.holds_until)
    assert content(folder) == before


def test_11_3_an_export_that_is_being_written_is_erased_too(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    made = interrupted(desk, folder, after=2)
    end = datetime.fromisoformat(made.expires_at)
    with export_folder.locked(folder), pytest.raises(disposal.UnerasedError):
        disposal.end_copies(desk.here, end)
    assert disposal.end_copies(desk.here, end) == [folder]
    assert not folder.exists()


def test_11_3_an_export_is_not_written_on_after_its_end_nor_signed_when_an_entry_has_gone(
    desk: Desk, tmp_path: Path
) -> None:
    made = interrupted(desk, tmp_path / "export", after=1)
    with desk.store.transaction() as tx:
        slot = tx.erase(next(iter(tx.entries(since=N - 1))).exchange)
    assert slot is not None
    desk.store.destroy_exchange(slot)
    with pytest.raises(
        RecordError, match=r"60 rows were to be written and \d+ are there: a term ended meanwhile \(Art\. 11\(3\)\)"
    ):
        exports.write(desk.here, tmp_path / "export")
    assert not (tmp_path / "export" / "manifest.json").exists()
    interrupted(desk, tmp_path / "late", after=1)
    desk.now = datetime.fromisoformat(made.expires_at)
    with pytest.raises(
        RecordError, match=r"this export was to be destroyed at .*, with the first term in it \(Art\. 11\(3\)\)"
    ):
        exports.write(desk.here, tmp_path / "late")


# Interruptions


class Interrupted(Exception):  # noqa: N818 - nothing is wrong
    """The process is to be taken for dead here."""


def interrupted(desk: Desk, folder: Path, *, after: int, form: Form = "csv") -> Plan:
    """Begin an export, and stop before so many parts are written."""
    made = exports.plan(desk.here, Asked(), form=form, by=WHO, now=MADE)
    exports.begin(desk.here, folder, made, MADE)
    left = iter(range(after))

    def told(_what: str, _done: int, _of: int) -> None:
        if next(left, None) is None:
            raise Interrupted

    with pytest.raises(Interrupted):
        exports.write(desk.here, folder, told=told, rows=7)
    return made


def alike(one: Path, two: Path) -> bool:
    """Whether two exports are the same but for the manifests' signatures, which are drawn at random."""
    same = {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    parts = all(path.read_bytes() == (two / path.name).read_bytes() for path in one.glob("*-*"))
    return same and parts and (said(one) | {"signature": ""}) == (said(two) | {"signature": ""})


@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_was_interrupted_comes_out_as_one_that_was_not(
    desk: Desk, key: verify.Key, tmp_path: Path, form: Form
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    folder, whole = tmp_path / "export", tmp_path / "whole"
    interrupted(desk, folder, after=0, form=form)
    shutil.copytree(folder, whole)
    exports.write(desk.here, whole, rows=7)
    for after in (1, 2, 1):
        # What a process that died leaves: a part that no journal names, a line that was cut off, an unfinished manifest.
        (folder / "entries-00099.csv").write_bytes(b"half of a part")
        (folder / ".manifest.json.new").write_bytes(b"{")
        edit(folder / "journal.jsonl", lambda data: data + b'{"through":')
        left = iter(range(after))

        def told(_what: str, _done: int, _of: int, left: Any = left) -> None:
            if next(left, None) is None:
                raise Interrupted

        with pytest.raises(Interrupted):
            exports.write(desk.here, folder, told=told, rows=7)
    shutil.copy(folder / "journal.jsonl", tmp_path / "journal.jsonl")
    exports.write(desk.here, folder, rows=7)
    assert alike(folder, whole)
    verify.check_export(folder, key=key)
    shutil.copy(tmp_path / "journal.jsonl", folder / "journal.jsonl")  # it died before the journal was removed
    exports.write(desk.here, folder, rows=7)
    assert alike(folder, whole)


def test_two_do_not_write_one_export(desk: Desk, tmp_path: Path) -> None:
    interrupted(desk, tmp_path / "export", after=1)
    with export_folder.locked(tmp_path / "export"), pytest.raises(BlockingIOError):
        exports.write(desk.here, tmp_path / "export")


WRITER = """
import os, sys
from pathlib import Path
from contact_point import exports, main
root, folder = map(Path, sys.argv[1:])
for _ in sys.stdin:
    if not (writer := os.fork()):
        with main.opened(root) as here:
            exports.write(here, folder, rows=2, places=2)
        os._exit(0)
    print(writer, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]), flush=True)
"""
"""For each line it is told, a process that writes; its number and how it ended."""


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_an_export_whose_writer_is_killed_at_random_comes_out_as_one_that_was_not(
    desk: Desk, key: verify.Key, tmp_path: Path, form: Form
) -> None:
    folder, whole, root = tmp_path / "export", tmp_path / "whole", desk.here.settings.folder.root
    interrupted(desk, folder, after=0, form=form)
    shutil.copytree(folder, whole)
    exports.write(desk.here, whole, rows=2, places=2)
    draw, killed = random.Random(form), 0  # noqa: S311 - moments, not keys
    command = [sys.executable, "-c", WRITER, str(root), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        while (folder / "journal.jsonl").exists():
            killed += run_and_kill(writers, folder / "journal.jsonl", draw) == -signal.SIGKILL
        assert writers.stdin is not None
        writers.stdin.close()
    assert killed >= 3
    assert alike(folder, whole)
    verify.check_export(folder, key=key)


def run_and_kill(writers: subprocess.Popen[str], journal: Path, draw: random.Random) -> int:
    """Let a process write, kill it some moments after the journal grew by up to two lines, and return how it ended."""
    assert writers.stdin is not None
    assert writers.stdout is not None
    before, lines = lines_of(journal), draw.randrange(3)
    writers.stdin.write("\n")
    writers.stdin.flush()
    writer = int(writers.stdout.readline())
    deadline = time.monotonic() + 60
    while lines_of(journal) < before + lines and time.monotonic() < deadline:
        time.sleep(0.0002)
    time.sleep(draw.random() * (0.005 if lines else 0.05))
    with suppress(ProcessLookupError):
        os.kill(writer, signal.SIGKILL)
    return int(writers.stdout.readline())


def lines_of(journal: Path) -> float:
    """Return how many whole lines a journal has; more than any where it is done with."""
    try:
        return journal.read_bytes().count(b"\n")
    except FileNotFoundError:
        return float("inf")
