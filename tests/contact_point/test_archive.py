"""An exported record: what is written is read again, byte for byte, and nothing that was written otherwise."""

from __future__ import annotations

import base64
import io
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annex.parameters import Party
from benchmarks.proof import tamper
from contact_point import archive, notes, verify
from contact_point.keys import SignatureError
from pcsc import checkpoints, merkle, records, retention
from pcsc.checkpoints import CheckpointError
from pcsc.errors import RecordError
from pcsc.exchange import Side, State
from pcsc.records import Direction, Recorded
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENTRIES = 24
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
JP, US = "urn:pcsc:ncp:jp", "urn:pcsc:ncp:us"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tamper.Scene:
    return tamper.play(ENTRIES, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def file(scene: tamper.Scene, tmp_path: Path) -> Path:
    """Return the exported record of the scene."""
    path = tmp_path / "record.jsonl"
    path.write_bytes(tamper.exported(scene))
    return path


def header(scene: tamper.Scene, kept: list[str] | None = None, now: datetime = NOW) -> archive.Header:
    found = [each.note for each in scene.witnessed] if kept is None else kept
    return archive.header(scene.signer, scene.heads[-1], found, now)


def sizes(made: archive.Header) -> list[tuple[str, int, int]]:
    """Return tree, size and number of signatures of each checkpoint of a header."""
    found = []
    for text in made.checkpoints:
        note = checkpoints.parse_note(text)
        head = checkpoints.parse(note.text).head
        found.append((head.tree, head.size, len(note.signatures)))
    return found


# Written and read


def test_what_is_written_is_read_again(scene: tamper.Scene, file: Path) -> None:
    assert list(archive.read(file)) == scene.rested
    assert archive.read_header(file) == replace(header(scene), checkpoints=archive.read_header(file).checkpoints)
    entries = list(archive.entries(archive.read(file)))
    assert entries == scene.entries[10:]


HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
PLACES = st.lists(
    st.builds(
        Recorded,
        st.integers(0, 2**40),
        st.just("2026-11"),
        st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        st.none() | HEX,
        HEX,
    ),
    max_size=3,
)


@given(PLACES)
def test_any_place_comes_back_from_its_line(tmp_path_factory: pytest.TempPathFactory, places: list[Recorded]) -> None:
    path = tmp_path_factory.mktemp("written") / "record.jsonl"
    with path.open("wb") as written:
        made = archive.Header(Party.JP, JP, "2026-11-30T12:00:00Z", "", None, ())
        told = archive.write(written, made, places)
    assert told.places == len(places)
    assert list(archive.read(path)) == places
    assert archive.read_header(path) == made


def test_what_gives_its_leaf_and_is_no_entry_is_refused_without_showing_it() -> None:
    salt, body = "5a" * 32, '{"at":"2026-11-01T00:00:00+00:00","exchange":"a person","number":0}'
    place = Recorded(0, "2026-11", body, salt, records.commitment(salt, body.encode()))
    assert records.verify([place]).entries == 1
    with pytest.raises(RecordError) as refused:
        list(archive.entries([place]))
    assert str(refused.value) == (
        "Art. 11(1): entry 0 is not an entry of a record: direction: Field required; ask whose record it is"
    )


def test_an_entry_is_taken_only_as_it_is_written(scene: tamper.Scene) -> None:
    place = scene.places[-1]
    assert place.body is not None
    assert len(list(archive.entries([place]))) == 1
    for body in (place.body.replace('"trace":""', '"more":1,"trace":""'), place.body.replace(',"trace":""', "")):
        with pytest.raises(
            RecordError, match=r"entry 23 is not an entry of a record as one is written; ask whose record"
        ):
            list(archive.entries([replace(place, body=body)]))


def test_a_file_is_saved_whole_for_its_owner_alone_and_over_no_other(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    archive.save(path, io.BytesIO(b"content"))
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        archive.save(path, io.BytesIO(b"other"))
    assert path.read_bytes() == b"content"


def test_a_file_that_cannot_be_saved_to_its_end_is_removed(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error", size)

    with pytest.raises(OSError, match="Input/output error"):
        archive.save(tmp_path / "copy", Broken(b"content"))
    assert list(tmp_path.iterdir()) == []


def test_the_other_party_sees_messages_and_not_our_acts(scene: tamper.Scene) -> None:
    written = io.BytesIO()
    archive.write(written, header(scene), scene.places, for_other_party=True)
    lines = [json.loads(line) for line in written.getvalue().splitlines()[1:]]
    acts = [entry.direction is Direction.ACT for entry in scene.entries]
    assert [each["body"] is None and each["salt"] is None for each in lines] == acts
    assert [each["leaf"] for each in lines] == [place.leaf for place in scene.places]
    written.seek(0)
    assert verify.check_record(written).empty == sum(acts) > 0


# What was written otherwise


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _line: b"", "it is no JSON object that names its format; export it again"),
        (
            lambda _line: b"[]\n",
            "the whole text: Input should be a dictionary or an instance of Header; export it again",
        ),
        (lambda _line: b"[" * 100_000, "it is no JSON object that names its format; export it again"),
        (
            lambda line: line.replace(b"record 2", b"record 1"),
            "it is of another, or not as it was written; export it again",
        ),
        (lambda line: line.replace(b'","', b'", "', 1), "it is of another, or not as it was written; export it again"),
        (lambda line: line.replace(b'"JP"', b'"XX"'), "party: Input should be 'JP' or 'US'; export it again"),
        (lambda line: line.replace(b'"uri"', b'"url"'), "uri: Field required; export it again"),
    ],
)
def test_a_header_that_is_none_is_refused(file: Path, change: Callable[[bytes], bytes], said: str) -> None:
    first, _, rest = file.read_bytes().partition(b"\n")
    file.write_bytes(change(first + b"\n") + rest)
    with pytest.raises(RecordError) as refused:
        archive.read_header(file)
    assert said in str(refused.value)
    assert str(refused.value).startswith(
        "Art. 11(1): line 1 of record.jsonl is not the header of a record of format 'pcsc"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: line.replace(b":", b": ", 1), " as it was written; export it again"),
        (lambda line: line.replace(b'"number":0', b'"number":"0"'), " as it was written; export it again"),
        (lambda line: line.replace(b'"number":0', b'"number":0,"more":0'), " as it was written; export it again"),
        (lambda line: line.rstrip(b"\n"), " as it was written; export it again"),
        (lambda line: line.replace(b'"leaf"', b'"loaf"'), ": leaf: Field required; export it again"),
        (lambda _line: b"\xff\n", "; export it again"),
        (lambda _line: b"\n", "; export it again"),
    ],
)
def test_a_place_that_was_written_otherwise_is_refused(file: Path, change: Callable[[bytes], bytes], said: str) -> None:
    first, place, *_ = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + change(place))
    with pytest.raises(
        RecordError, match=r"^Art\. 11\(1\): line 2 of record\.jsonl is not a place of a record"
    ) as refused:
        list(archive.read(file))
    assert said in str(refused.value)


# The checkpoints of an export


def test_a_header_has_the_last_cosigned_checkpoint_of_each_tree_and_a_fresh_one_over_all(scene: tamper.Scene) -> None:
    made = header(scene)
    assert sizes(made) == [
        ("2024-09", 5, 2),
        ("2024-10", 4, 2),
        ("2026-09", 3, 2),
        ("2026-10", 5, 2),
        ("2026-11", 3, 2),
        ("2026-11", 4, 1),
    ]
    assert made.made_at == "2026-11-30T12:00:00Z"
    assert made.other_key is not None


def test_a_tree_that_the_other_contact_point_never_saw_is_signed_by_us_alone(scene: tamper.Scene) -> None:
    kept = [each.note for each in scene.witnessed if each.tree != "2026-09"]
    made = header(scene, kept)
    assert ("2026-09", 5, 1) in sizes(made)
    written = io.BytesIO()
    archive.write(written, made, scene.rested)
    written.seek(0)
    found = verify.check_record(written)
    assert (found.cosigned_through, found.beyond) == (8, frozenset({"cosigned"}))
    alone = header(scene, [])
    assert alone.other_key is None
    assert [count for _, _, count in sizes(alone)] == [1] * 5


def test_a_checkpoint_that_says_just_this_is_not_signed_twice(scene: tamper.Scene) -> None:
    heads = scene.heads[22]
    at = scene.entries[22].at
    made = archive.header(scene.signer, heads, [each.note for each in scene.witnessed], at)
    assert sizes(made)[-2:] == [("2026-10", 5, 2), ("2026-11", 3, 2)]
    assert made.made_at == checkpoints.time_text(at)


def test_a_note_under_a_key_of_before_is_none_of_the_two(scene: tamper.Scene, tmp_path: Path) -> None:
    other = tamper.play(2, tmp_path).signer
    signer = replace(scene.signer, other_key=other.other_key)
    made = archive.header(signer, scene.heads[-1], [each.note for each in scene.witnessed], NOW)
    assert [count for _, _, count in sizes(made)] == [1] * 5


def test_a_record_without_entries_is_not_exported(scene: tamper.Scene) -> None:
    with pytest.raises(CheckpointError, match="a checkpoint is of a record with at least one entry"):
        archive.header(scene.signer, [], [], NOW)


def test_the_checkpoints_of_a_header_are_signed_by_its_contact_point(scene: tamper.Scene, file: Path) -> None:
    made, key = archive.read_header(file), scene.signer.key.verifying
    found = archive.signed(made, JP, key)
    assert [each.head.tree for each in found] == [head.tree for head in scene.heads[-1]] + ["2026-11"]
    with pytest.raises(RecordError, match=f"expected the record of {US}; got that of {JP}: ask for the right one"):
        archive.signed(made, US, key)
    assert scene.signer.other_key is not None
    with pytest.raises(SignatureError, match=f"expected a note with a signature of {JP} under key"):
        archive.signed(made, JP, scene.signer.other_key)
    for changes in ({"made_at": "2026-11-30T12:00:01Z"}, {"checkpoints": ()}):
        bent: Any = replace(made, **changes)
        with pytest.raises(RecordError, match="the last checkpoint of an exported record is signed with the export"):
            archive.signed(bent, JP, key)


# When a copy is to be gone


def test_11_3_a_copy_ends_with_the_first_term_in_it() -> None:
    arrangement = builders.arrangement()
    ended = [builders.exchange(State.NO_MATCH, last_event_at=builders.NOW + timedelta(days=days)) for days in (9, 3, 5)]
    still_open = builders.exchange(State.REQUESTED, side=Side.QUERIED)
    now = builders.NOW + timedelta(days=30)
    assert retention.copy_until([*ended, still_open], arrangement, now) == datetime(2028, 11, 25, 3, 4, 5, tzinfo=UTC)
    for open_ones in ([], [still_open]):
        assert retention.copy_until(open_ones, arrangement, now) == datetime(2028, 12, 22, 3, 4, 5, tzinfo=UTC)


# What is shown of a record


def leaves(scene: tamper.Scene, tree: str) -> list[bytes]:
    return [bytes.fromhex(place.leaf) for place in scene.places if place.tree == tree]


def test_an_entry_is_shown_under_a_checkpoint_that_is_not_older(scene: tamper.Scene) -> None:
    place, note = scene.places[23], scene.witnessed[-1].note
    with pytest.raises(RecordError, match="entry 23 does not stand under a checkpoint over 3 entries of 2026-11"):
        archive.inclusion(place, leaves(scene, place.tree), 20, note)
    shown = archive.inclusion(scene.places[21], leaves(scene, place.tree), 20, note)
    key = verify.read_key(scene.signer.key.public_pem.decode(), "the key")
    assert verify.check_inclusion(shown.encode(), key)[0].number == 21


def test_the_notes_of_a_record_that_is_not_ours_come_without_proofs(scene: tamper.Scene) -> None:
    said = json.loads(archive.history(JP, [each.note for each in scene.witnessed]))
    assert said["proofs"] == []
    ours = json.loads(archive.history(JP, said["checkpoints"], lambda tree: leaves(scene, tree)))
    assert ours["checkpoints"] == said["checkpoints"]
    assert [(each["tree"], each["from"], each["to"]) for each in ours["proofs"]][:2] == [
        ("2024-09", 2, 5),
        ("2024-10", 2, 4),
    ]


def test_the_proofs_of_a_history_are_those_over_all_leaves(scene: tamper.Scene) -> None:
    notes = [scene.signer.sign(heads, NOW) for heads in scene.heads]
    found = json.loads(archive.history(JP, notes, lambda tree: leaves(scene, tree)))["proofs"]
    assert len(found) > 10
    for each in found:
        slow = merkle.consistency(leaves(scene, each["tree"])[: each["to"]], each["from"])
        assert each["proof"] == [base64.b64encode(hashed).decode() for hashed in slow]


def test_11_a_record_that_is_shorter_than_what_was_signed_has_no_history(scene: tamper.Scene) -> None:
    with pytest.raises(
        RecordError,
        match=r"5 entries of 2024-09 were signed, and the record has 4 there \(Art\. 11\): it was cut off or set back: comp",
    ):
        archive.history(JP, [each.note for each in scene.witnessed], lambda tree: leaves(scene, tree)[:4])


def test_whoever_cosigned_is_told_by_the_signature_and_not_by_the_name(scene: tamper.Scene, tmp_path: Path) -> None:
    stranger = tamper.play(2, tmp_path).signer.key
    note = scene.signer.sign(scene.heads[-1], NOW)
    assert not scene.signer.cosigned(note)
    assert not scene.signer.cosigned(notes.cosign(note, US, stranger))
    assert scene.signer.cosigned(scene.witnessed[0].note)
    assert not replace(scene.signer, other_uri=None).cosigned(scene.witnessed[0].note)


def test_both_read_the_same_of_an_export(scene: tamper.Scene, file: Path) -> None:
    found = records.verify(
        archive.read(file), checkpoints=archive.signed(archive.read_header(file), JP, scene.signer.key.verifying)
    )
    with file.open("rb") as opened:
        said = verify.check_record(opened)
    assert (found.entries, found.expired) == (said.entries, said.empty)
