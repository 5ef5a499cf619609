"""`pcsc-verify`, written from the formats alone, beside the program that writes them: what one writes the other understands."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from annex.parameters import Party
from benchmarks.proof import tamper
from contact_point import archive, notes, verify
from contact_point.verify import DifferenceError, FormError, VerificationError
from pcsc import checkpoints, merkle, receipts, records
from pcsc.checkpoints import Checkpoint, Head
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import Side, State
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pcsc.records import Recorded

ENTRIES = 24
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
JP, US = "urn:pcsc:ncp:jp", "urn:pcsc:ncp:us"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tamper.Scene:
    return tamper.play(ENTRIES, tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def key(scene: tamper.Scene) -> verify.Key:
    return verify.read_key(scene.signer.key.public_pem.decode(), "the key")


@pytest.fixture(scope="module")
def other_key(scene: tamper.Scene) -> verify.Key:
    assert scene.signer.other_key is not None
    return verify.read_key(scene.signer.other_key.pem.decode(), "the other key")


@pytest.fixture(scope="module")
def record(scene: tamper.Scene) -> bytes:
    return tamper.exported(scene)


def check(data: bytes, **how: Any) -> verify.Found:
    return verify.check_record(io.BytesIO(data), **how)


def changed(record: bytes, line: int, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return a record in which the JSON of one line (from 0, the header) was changed, and written as it should be."""
    lines = record.splitlines(keepends=True)
    said = json.loads(lines[line])
    change(said)
    lines[line] = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return b"".join(lines)


# Two ways to do trees


def slow_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root as RFC 9162, 2.1.1, defines it."""
    if len(leaves) < 2:
        return hashlib.sha256(b"".join(b"\0" + leaf for leaf in leaves)).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


LEAVES = [bytes([number]) * 32 for number in range(40)]


@pytest.mark.parametrize("size", range(40))
def test_both_have_the_root_that_the_definition_has(size: int) -> None:
    tree = verify.Tree("2026-11")
    for leaf in LEAVES[:size]:
        tree.add(leaf)
    assert tree.root == merkle.root(LEAVES[:size]) == slow_root(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, 34))
def test_the_proofs_that_one_makes_the_other_accepts_and_no_other_proof(size: int) -> None:
    root = merkle.root(LEAVES[:size])
    for index in range(size):
        proof = merkle.inclusion(LEAVES[:size], index)
        assert verify.root_by_inclusion(LEAVES[index], index, size, proof) == root
        for at in range(len(proof)):
            bent = (*proof[:at], bytes(32), *proof[at + 1 :])
            assert verify.root_by_inclusion(LEAVES[index], index, size, bent) != root
        with pytest.raises(DifferenceError, match=rf"has {len(proof)} hashes .*; this one has {len(proof) + 1}$"):
            verify.root_by_inclusion(LEAVES[index], index, size, (*proof, bytes(32)))
    with pytest.raises(DifferenceError, match=f"^a tree of {size} leaves has no leaf {size}$"):
        verify.root_by_inclusion(LEAVES[0], size, size, ())


@pytest.mark.parametrize("size", range(1, 26))
def test_a_tree_that_grew_is_told_from_one_that_was_rewritten(size: int) -> None:
    later = verify.Head("2026-11", size, merkle.root(LEAVES[:size]))
    for smaller in range(1, size + 1):
        earlier = verify.Head("2026-11", smaller, merkle.root(LEAVES[:smaller]))
        proof = merkle.consistency(LEAVES[:size], smaller)
        verify.check_consistency(earlier, later, proof)
        for one, two in ((replace(earlier, root=bytes(32)), later), (earlier, replace(later, root=bytes(32)))):
            with pytest.raises(
                DifferenceError, match=r"^tree 2026-11 with \d+ leaves does not begin with the \d+ that"
            ):
                verify.check_consistency(one, two, proof)
        with pytest.raises(DifferenceError, match=r"^the proof that .* has \d+ hashes .*; this one has \d+$"):
            verify.check_consistency(earlier, later, (*proof, bytes(32)))
    with pytest.raises(DifferenceError, match=f"^{size + 1} leaves cannot come before {size} in tree 2026-11$"):
        verify.check_consistency(replace(later, size=size + 1), later, ())


# Two ways to read notes and checkpoints


def heads(tree: str) -> st.SearchStrategy[Head]:
    roots = st.binary(min_size=32, max_size=32).map(bytes.hex)
    return st.builds(Head, st.just(tree), st.integers(1, 10**12), roots)


CHECKPOINTS = st.builds(
    Checkpoint,
    st.just(f"{JP}/record/2026-11"),
    heads("2026-11"),
    st.none() | heads("2026-10"),
    st.datetimes(datetime(2019, 1, 5), datetime(2099, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC)),  # noqa: DTZ001 - set beside
)


def same(one: Head | None, two: verify.Head | None) -> bool:
    return (one and (one.tree, one.size, one.digest)) == (two and (two.tree, two.size, two.root))


@given(CHECKPOINTS)
def test_a_checkpoint_that_one_writes_the_other_reads(checkpoint: Checkpoint) -> None:
    read = verify.read_checkpoint(checkpoint.text(), "it")
    assert (read.uri, read.at) == (JP, checkpoints.time_text(checkpoint.at))
    assert same(checkpoint.head, read.head)
    assert same(checkpoint.before, read.before)


@given(CHECKPOINTS, st.data())
def test_both_refuse_the_same_texts_as_checkpoints(checkpoint: Checkpoint, data: st.DataObject) -> None:
    text = checkpoint.text()
    at = data.draw(st.integers(0, len(text) - 1))
    text = text[:at] + data.draw(st.sampled_from("\n \r0129=aZ-+/\N{FULLWIDTH DIGIT ONE}\u3000")) + text[at + 1 :]
    try:
        parsed: Checkpoint | None = checkpoints.parse(text)
    except RecordError:
        parsed = None
    try:
        read: verify.Checkpoint | None = verify.read_checkpoint(text, "it")
    except FormError:
        read = None
    assert (parsed is None) is (read is None)
    assert parsed is None or read is None or (same(parsed.head, read.head) and same(parsed.before, read.before))


@given(st.text("ab\n\N{EM DASH} ", max_size=40), st.lists(st.binary(min_size=5, max_size=9), max_size=18))
def test_both_take_the_same_texts_for_notes(text: str, signatures: list[bytes]) -> None:
    lines = "".join(f"\N{EM DASH} {JP}{at} {base64.b64encode(each).decode()}\n" for at, each in enumerate(signatures))
    note = f"{text}\n{lines}"
    try:
        parsed = [(each.name, each.key_id, each.signature) for each in checkpoints.parse_note(note).signatures]
    except RecordError:
        with pytest.raises(FormError):
            verify.read_note(note, "it")
    else:
        read = verify.read_note(note, "it")
        assert read.text == checkpoints.parse_note(note).text
        assert [(each.name, each.key_id, each.signature) for each in read.signatures] == parsed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "",
            "it: expected a note of at most 131072 characters: a text, an empty line, and signature lines, each ended by a",
        ),
        ("text\n\n\N{EM DASH} a AAAAAAAA", "it: expected a note of at most"),
        ("a" * 140_000 + "\n\n\N{EM DASH} a AAAAAAAA\n", "it: expected a note of at most"),
        ("te\rxt\n\n\N{EM DASH} a AAAAAAAA\n", "it: a note has no control characters but line feeds"),
        (
            "text\n\n- a AAAAAAAA\n",
            "it: a signature line is an em dash, the name of the key, and the key's id and signature",
        ),
        ("text\n\n\N{EM DASH} a+b AAAAAAAA\n", "it: a signature line is an em dash"),
        ("text\n\n\N{EM DASH} a AAAA\n", "it: a signature line is an em dash"),
        ("text\n\n\N{EM DASH} a AAAAAA\n", "it: expected base64 (RFC 4648, 4)"),
        ("text\n\n\N{EM DASH} a AAAAAAB=\n", "it: expected base64 as it is written, without free bits"),
        ("text\n\n" + "\N{EM DASH} a AAAAAAAA\n" * 2, "it: each key signs a note once; here is one twice"),
        ("text\n\n\N{EM DASH} a\x9b31m AAAAAAAA\n", "it: a signature line is an em dash"),
        ("text\n\n" + "\N{EM DASH} a AAAAAAAA\n" * 17, "it: expected at most 16 signatures; got 17"),
    ],
)
def test_what_is_no_note_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormError) as refused:
        verify.read_note(text, "it")
    assert str(refused.value).startswith(said)


LINES = (f"{JP}/record/2026-11", "7", base64.b64encode(bytes(32)).decode(), "before none", "at 2026-11-22T17:07:09Z")


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (0, f"{JP}/2026-11", "it: the origin of a checkpoint is the URI of a contact point, /record/ and a month"),
        (0, f"{JP}/record/2026-13", "it: the origin of a checkpoint is"),
        (1, "07", "it: expected a decimal number of at most 9223372036854775807, without leading zeros"),
        (1, str(2**63), "it: expected a decimal number of at most 9223372036854775807, without"),
        (1, "0", "it: a tree has a leaf at least; got size 0"),
        (2, "AAAA", "it: a hash has 32 bytes (SHA-256); got 3"),
        (3, "after none", "it: the fourth line of a checkpoint is `before ...`, the fifth `at ...`"),
        (
            3,
            "before 2026-11 7 AAAA",
            "it: before the tree 2026-11 comes an earlier month, its size and its root, or none",
        ),
        (4, "at 2026-11-22T17:07:09+00:00", "it: expected a time in UTC such as 2026-11-22T17:07:09Z"),
        (4, "at 2026-11-22T17:07:09.000001Z", "it: expected a time in UTC such as 2026-11-22T17:07:09Z"),
        (0, "urn:\x7f/record/2026-11", "it: the origin of a checkpoint is"),
        (0, "urn:\N{RIGHT-TO-LEFT OVERRIDE}/record/2026-11", "it: the origin of a checkpoint is"),
        (0, "urn:\x9b31m/record/2026-11", "it: the origin of a checkpoint is"),
        (4, "at 2026-11-31T17:07:09Z", "it: expected a time in UTC such as"),
        (4, "at 2026-11-22T17:07:09Z\n", "it: a checkpoint has five lines: origin, size, root, before, at; got 6"),
    ],
)
def test_what_is_no_checkpoint_is_refused(line: int, text: str, said: str) -> None:
    lines = [*LINES[:line], text, *LINES[line + 1 :]]
    with pytest.raises(FormError) as refused:
        verify.read_checkpoint("".join(f"{each}\n" for each in lines), "it")
    assert str(refused.value).startswith(said)


# Keys


def pem(public: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(public.public_bytes(serialization.Encoding.PEM, form).decode())


def test_both_name_a_key_alike(scene: tamper.Scene, key: verify.Key) -> None:
    signed = checkpoints.parse_note(scene.signer.sign(scene.heads[0], NOW)).signatures[0]
    assert signed.key_id == key.id_as(JP)
    assert key.fingerprint == scene.signer.key.key_id
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    raw = edwards.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert verify.Key(edwards).id_as(JP) == checkpoints.key_id(JP, checkpoints.ED25519, raw)


def card(party: str, uri: str, key: verify.Key) -> str:
    return json.dumps({"party": party, "uri": uri, "signing_key_pem": key.pem})


def test_a_key_is_read_from_its_card_too_which_says_whose_it_is(key: verify.Key) -> None:
    found = verify.read_key(card("JP", JP, key), "card.json")
    assert (found.pem, found.party, found.uri) == (key.pem, "JP", JP)
    assert (key.party, key.uri) == (None, None)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("no key", "got something else"),
        ("{}", "got JSON that does not name signing_key_pem, party and uri"),
        ("{", "got JSON that does not name signing_key_pem, party and uri"),
        ("[" * 100_000, "got something else"),
        ("{" + '"a":[' * 100_000, "got JSON that does not name signing_key_pem, party and uri"),
        (pem(ec.generate_private_key(ec.SECP256R1()).public_key()), "got a key of another kind"),
    ],
)
def test_what_is_no_key_of_a_contact_point_is_refused(text: str, got: str) -> None:
    with pytest.raises(FormError) as refused:
        verify.read_key(text, "key.pem")
    expected = "expected a public key in PEM, ECDSA on P-384 or Ed25519, or the card of a contact point"
    assert str(refused.value) == f"key.pem: {expected}; {got}"


# A record


def test_an_exported_record_holds(record: bytes, scene: tamper.Scene, key: verify.Key, other_key: verify.Key) -> None:
    found = check(record, key=key, other_key=other_key)
    assert (found.header.party, found.header.uri, found.header.made_at) == ("JP", JP, "2026-11-30T12:00:00Z")
    assert (found.entries, found.empty) == (14, 10)
    assert all(map(same, scene.heads[-1], found.heads))
    assert (found.cosigned_through, found.kept_through) == (22, None)
    assert check(record).heads == found.heads


def test_both_find_the_same_record(record: bytes, scene: tamper.Scene, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_bytes(record)
    header = archive.read_header(path)
    signed = archive.signed(header, JP, scene.signer.key.verifying)
    found = records.verify(archive.read(path), checkpoints=signed)
    assert (found.entries, found.expired, found.covered) == (14, 10, ENTRIES)
    assert all(map(same, found.heads, check(record).heads))


def emptied(place: Recorded) -> Recorded:
    return records.expire(place)


CHANGES: dict[str, Callable[[list[Recorded]], list[Recorded]]] = {
    "an entry rewritten": lambda places: [*places[:16], tamper._rewritten(places[16]), *places[17:]],
    "a leaf of an ended term exchanged": lambda places: [replace(places[0], leaf="00" * 32), *places[1:]],
    "an entry dropped": lambda places: [*places[:20], *places[21:]],
    "the end cut off": lambda places: places[:-1],
    "two empty places exchanged": lambda places: [
        replace(places[1], number=0),
        replace(places[0], number=1),
        *places[2:],
    ],
    "a place moved to another month": lambda places: [
        *places[:4],
        replace(places[4], tree="2024-10"),
        *places[5:],
    ],
    "a body without its salt": lambda places: [*places[:16], replace(places[16], salt=None), *places[17:]],
    "an entry added": lambda places: [
        *places,
        records.append(places[-1], replace(entry_of(places[-1]), number=len(places)), "5a" * 32),
    ],
}


def entry_of(place: Recorded) -> records.Entry:
    (entry,) = archive.entries([place])
    return entry


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_both_find_what_was_changed(
    change: Callable[[list[Recorded]], list[Recorded]], scene: tamper.Scene, record: bytes, tmp_path: Path
) -> None:
    places = change(scene.rested)
    file = io.BytesIO()
    path = tmp_path / "record.jsonl"
    path.write_bytes(record)
    header = archive.read_header(path)
    archive.write(file, header, places)
    with pytest.raises(VerificationError):
        check(file.getvalue())
    added = len(places) > ENTRIES  # nothing is signed of what comes after: records.verify counts it as not covered
    signed = archive.signed(header, JP, scene.signer.key.verifying)
    if added:
        assert records.verify(places, checkpoints=signed).covered == ENTRIES
    else:
        with pytest.raises(RecordError):
            records.verify(places, checkpoints=signed)


def drop_checkpoint(at: int) -> Callable[[dict[str, Any]], None]:
    return lambda said: said["checkpoints"].pop(at)


def swap_checkpoints(said: dict[str, Any]) -> None:
    said["checkpoints"][:2] = reversed(said["checkpoints"][:2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda said: said.update(format="pcsc record 1"),
            "line 1, the header: expected format 'pcsc record 2', party JP or US",
        ),
        (lambda said: said.update(party="UK"), "line 1, the header: expected format 'pcsc record 2', party JP or US"),
        (lambda said: said.update(party="US"), "line 12: entry 10 is not of the record of US"),
        (lambda said: said.update(party=1), "line 1, the header: party is a text"),
        (
            lambda said: said.update(uri=US),
            f"line 1, the header, checkpoint 1: it is of the record of {JP}, and this is",
        ),
        (
            lambda said: said.update(made_at="2026-11-30T12:00:01Z"),
            "line 1, the header: it says that the record was exported",
        ),
        (lambda said: said.update(made_at="today"), "line 1, the header: expected a time in UTC"),
        (
            lambda said: said.update(key=said["key"] + "\n"),
            "line 1, the header: expected a public key in PEM as it is written",
        ),
        (
            lambda said: said.update(key=said["other_key"]),
            "line 1, the header, checkpoint 1: it bears no signature of urn:pcsc",
        ),
        (
            lambda said: said.update(other_key=said["key"]),
            "line 1, the header, checkpoint 1: its cosignature was not made with",
        ),
        (
            lambda said: said.update(other_key=None),
            "line 1, the header, checkpoint 1: it is cosigned, and the header names no",
        ),
        (
            lambda said: said.update(checkpoints=[]),
            "line 1, the header: it names no checkpoint, so nothing of this record",
        ),
        (lambda said: said.update(checkpoints=[1]), "line 1, the header: expected a list of texts"),
        (lambda said: said.update(checkpoints="x"), "line 1, the header: expected a list of texts"),
        (
            lambda said: said.update(checkpoints=said["checkpoints"][-1:]),
            "line 1, the header: it names a key of the other",
        ),
        (
            swap_checkpoints,
            "line 1, the header: expected each checkpoint after those of fewer leaves and earlier trees",
        ),
        (
            drop_checkpoint(-1),
            "line 1, the header: it says that the record was exported at 2026-11-30T12:00:00Z, and the last",
        ),
        (
            drop_checkpoint(2),
            "line 12: nothing signed speaks of the end of tree 2024-10: no checkpoint of it, none of 2026-09",
        ),
        (
            lambda said: said.pop("uri"),
            "line 1, the header: expected the members format, party, uri, made_at, key, other_key",
        ),
        (lambda said: said.update(more=1), "line 1, the header: expected the members format, party, uri, made_at, key"),
    ],
)
def test_a_header_that_says_otherwise_is_refused(
    record: bytes, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(VerificationError) as refused:
        check(changed(record, 0, change))
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        (1, lambda said: said.update(number=1), "line 2: entry 0 is missing: entry 1 stands in its place"),
        (
            1,
            lambda said: said.update(number=0.0),
            "line 2: expected a number, a month such as 2026-11, and a leaf of 64",
        ),
        (1, lambda said: said.update(number=True), "line 2: expected a number, a month"),
        (1, lambda said: said.update(tree="2024-9"), "line 2: expected a number, a month"),
        (1, lambda said: said.update(leaf=said["leaf"].upper()), "line 2: expected a number, a month"),
        (1, lambda said: said.update(leaf=None), "line 2: leaf is a text"),
        (
            1,
            lambda said: said.update(leaf="00" * 32),
            "line 1, the header, checkpoint 1: the checkpoint of 2024-09-01T06:04:00Z",
        ),
        (
            1,
            lambda said: said.update(body=""),
            "line 2: expected an entry and its salt of 64 lower-case hexadecimal digits, or",
        ),
        (
            1,
            lambda said: said.update(body="", salt="00" * 32),
            "line 2: the entry was changed: with its salt it no longer",
        ),
        (
            14,
            lambda said: said.update(salt=None),
            "line 15: expected an entry and its salt of 64 lower-case hexadecimal digits",
        ),
        (
            14,
            lambda said: said.update(salt="00" * 32),
            "line 15: the entry was changed: with its salt it no longer gives its",
        ),
        (
            14,
            lambda said: said.update(tree="2026-10"),
            "line 15: entry 13 stands in tree 2026-10; its month is 2026-09, and",
        ),
        (
            5,
            lambda said: said.update(tree="2024-10"),
            "line 6: tree 2024-10 begins here, and line 1, the header, checkpoint 2",
        ),
        (
            24,
            lambda said: said.update(body=None, salt=None, tree="2026-12"),
            "line 1, the header, checkpoint 6: the checkpoint of 2026-11-30T12:00:00Z over 4 leaves of tree 2026-11, speaks of",
        ),
        (
            24,
            lambda said: said.update(number=10**30),
            "line 25: the entry says that it is number 23; it stands in place 1000000000",
        ),
    ],
)
def test_a_place_that_was_changed_is_found_and_named(
    record: bytes, line: int, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(VerificationError) as refused:
        check(changed(record, line, change))
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _data: b"", "expected a file of lines; it is empty"),
        (
            lambda data: data[:-1],
            "line 25: expected a line of at most 16777216 bytes that ends in a line feed: cut off?",
        ),
        (lambda data: data + b"\n", "line 26: expected one JSON object in UTF-8 (RFC 8259)"),
        (lambda data: data + b"\xff\n", "line 26: expected one JSON object in UTF-8"),
        (lambda data: data + b"[" * 100_000 + b"\n", "line 26: expected one JSON object in UTF-8"),
        (
            lambda data: data + b"[]\n",
            "line 26: expected the members number, tree, body, salt, leaf, in this order and no others",
        ),
        (
            lambda data: data.replace(b'{"number":3,', b'{"number": 3,'),
            "line 5: expected JSON as it is written, without spaces",
        ),
        (
            lambda data: data.replace(b'{"number":3,', b'{"number":3,"number":3,'),
            "line 5: expected JSON as it is written",
        ),
        (
            lambda data: data.replace(b'"tree":"2024-09"', b'"tree":"2024\\u002d09"', 1),
            "line 2: expected JSON as it is",
        ),
        (lambda data: data.replace(b"\n", b"\r\n"), "line 1, the header: expected JSON as it is written"),
        (
            lambda data: data + data.splitlines(keepends=True)[-1],
            "line 26: entry 24 is missing: entry 23 stands in its place",
        ),
        (
            lambda data: data[: data.index(b"\n") + 1],
            "line 1, the header, checkpoint 1: the checkpoint of 2024-09-01T06:04:00Z",
        ),
        (
            lambda data: b"".join(data.splitlines(keepends=True)[:-1]),
            "line 1, the header, checkpoint 6: the checkpoint of 2026",
        ),
    ],
)
def test_what_is_no_file_of_lines_as_they_are_written_is_refused(
    record: bytes, change: Callable[[bytes], bytes], said: str
) -> None:
    with pytest.raises(VerificationError) as refused:
        check(change(record))
    assert str(refused.value).startswith(said)


def test_a_line_is_not_read_without_end() -> None:
    with pytest.raises(FormError, match=r"^line 1: expected a line of at most 16777216 bytes"):
        check(b"a" * (verify.MAX_LINE + 1) + b"\n")


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        '{"number":0}',
        '{"article":"","at":5,"event":"","exchange":"","note":"","number":0,"other":"US"}',
        '{"article":"","at":"2026-11-22T03:04:05","event":"","exchange":"","note":"","number":0,"other":"US"}',
        '{"article":"","at":"0001-01-01T00:00:00+14:00","event":"","exchange":"","note":"","number":0,"other":"US"}',
        '{"article":"", "at":"2026-11-22T03:04:05+00:00","event":"","exchange":"","note":"","number":0,"other":"US"}',
        '{"article":1,"at":"2026-11-22T03:04:05+00:00","event":"","exchange":"","note":"","number":0,"other":"US"}',
        '{"article":"","at":"2026-11-22T03:04:05+00:00","event":"","exchange":"","note":"","number":true,"other":"US"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_entry_is_told_also_where_its_leaf_was_written_with_it(body: str) -> None:
    salt = "00" * 32
    place = records.Recorded(0, "2026-11", body, salt, records.commitment(salt, body.encode()))
    with pytest.raises(FormError, match=r"^line 2(, in the entry)?: expected "):
        tamper._read(place)


def test_the_key_that_was_given_is_the_one_that_counts(record: bytes, key: verify.Key, other_key: verify.Key) -> None:
    with pytest.raises(
        DifferenceError, match=f"^line 1, the header: it names key {key.fingerprint} of the contact point, and"
    ):
        check(record, key=other_key)
    with pytest.raises(
        DifferenceError, match=f"it names key {other_key.fingerprint} of the other contact point, and the key"
    ):
        check(record, other_key=key)


def test_a_record_that_nobody_cosigned_does_not_pass_for_one(
    scene: tamper.Scene, key: verify.Key, other_key: verify.Key
) -> None:
    header = archive.header(replace(scene.signer, other_uri=None, other_key=None), scene.heads[-1], [], NOW)
    file = io.BytesIO()
    archive.write(file, header, scene.rested)
    assert check(file.getvalue(), key=key).cosigned_through is None
    with pytest.raises(
        DifferenceError, match=r"^line 1, the header: no checkpoint of this record is cosigned by the other"
    ):
        check(file.getvalue(), key=key, other_key=other_key)


def test_a_second_signature_of_the_same_contact_point_is_no_cosignature(record: bytes, other_key: verify.Key) -> None:
    def sign_twice(said: dict[str, Any]) -> None:
        note = verify.read_note(said["checkpoints"][0], "it")
        said["checkpoints"][0] = noted(
            note.text, [(JP, note.signatures[0]), (JP, note.signatures[1])], [None, other_key]
        )

    with pytest.raises(
        DifferenceError, match=f"checkpoint 1: expected the signature of {JP} first, and after it that of the"
    ):
        check(changed(record, 0, sign_twice))


def noted(text: str, signed: Sequence[tuple[str, verify.Signature]], keys: Sequence[verify.Key | None]) -> str:
    """Return a note with signatures under other names; a key gives the id that it has under the name."""
    lines = []
    for (name, each), key in zip(signed, keys, strict=True):
        key_id = each.key_id if key is None else key.id_as(name)
        lines.append(f"\N{EM DASH} {name} {base64.b64encode(key_id + each.signature).decode()}\n")
    return f"{text}\n{''.join(lines)}"


def exchanged(note: str, key: verify.Key, other_key: verify.Key) -> str:
    """Return a note as if the other contact point had signed it first: names are under no signature."""
    read = verify.read_note(note, "it")
    return noted(read.text, [(JP, read.signatures[1]), (US, read.signatures[0])], [other_key, key])


def test_what_a_contact_point_cosigned_does_not_pass_for_its_own_record(
    scene: tamper.Scene, key: verify.Key, other_key: verify.Key
) -> None:
    swapped = [exchanged(each.note, key, other_key) for each in scene.kept(ENTRIES)]
    last = verify.read_checkpoint(verify.read_note(swapped[-1], "it").text, "it")
    header = archive.Header(Party.JP, JP, last.at, other_key.pem, key.pem, tuple(swapped))
    file = io.BytesIO()
    archive.write(file, header, scene.rested[: scene.kept(ENTRIES)[-1].entries])
    jp, us = (verify.read_key(card(*whose), "card") for whose in (("JP", JP, key), ("US", US, other_key)))
    assert check(file.getvalue(), key=other_key).header.uri == JP  # a key without its card cannot tell
    said = rf"line 1, the header: it is of the record of JP \({JP}\), and the card given is that of US \({US}\)$"
    with pytest.raises(DifferenceError, match=said):
        check(file.getvalue(), key=us)
    said = f"checkpoint 1: {US} cosigned it, and the other card given is that of {JP}$"
    with pytest.raises(DifferenceError, match=said):
        check(file.getvalue(), other_key=jp)
    chain = archive.history(JP, swapped, lambda tree: leaves(scene, tree)).encode()
    proof = json.loads(included(scene, 16)) | {"checkpoint": swapped[-2]}
    written = json.dumps(proof, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    assert verify.check_inclusion(written, other_key)[1].uri == JP
    said = f"^(the proof|c, checkpoint 1): it is of the record of {JP}, and the card given is that of {US}$"
    with pytest.raises(DifferenceError, match=said):
        verify.check_inclusion(written, us)
    with pytest.raises(DifferenceError, match=said):
        verify.check_checkpoints([("c", chain)], us)


def test_a_card_says_whose_record_it_is_also_where_every_place_is_empty(scene: tamper.Scene, key: verify.Key) -> None:
    header = archive.header(replace(scene.signer, party=Party.US), scene.heads[-1], [], NOW)
    file = io.BytesIO()
    archive.write(file, header, map(emptied, scene.rested))
    assert check(file.getvalue(), key=key).header.party == "US"
    with pytest.raises(DifferenceError, match=rf"it is of the record of US \({JP}\), and the card given is that of JP"):
        check(file.getvalue(), key=verify.read_key(card("JP", JP, key), "card"))


def test_the_twin_of_an_ecdsa_signature_says_nothing_else(
    record: bytes, key: verify.Key, other_key: verify.Key
) -> None:
    """Of (r, s) everybody can make (r, n-s): the file is another, and what it says is not. DER is taken in one form alone."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
    note = verify.read_note(json.loads(record[: record.index(b"\n")])["checkpoints"][0], "it")
    first, second = note.signatures
    r, s = decode_dss_signature(first.signature)

    def said(signature: bytes) -> Callable[[dict[str, Any]], None]:
        signed = [(JP, replace(first, signature=signature)), (US, second)]
        return lambda said: said["checkpoints"].__setitem__(0, noted(note.text, signed, [None, None]))

    twin = changed(record, 0, said(encode_dss_signature(r, order - s)))
    assert twin != record
    assert check(twin, key=key, other_key=other_key).heads == check(record).heads
    for bent in (
        b"\x30\x81" + first.signature[1:],
        first.signature + b"\0",
        encode_dss_signature(r, s + order),
        encode_dss_signature(r, 0),
        b"\0" * 96,
    ):
        with pytest.raises(DifferenceError, match=f"checkpoint 1: the signature of {JP} is not of this text: it was"):
            check(changed(record, 0, said(bent)), key=key)


def test_11_3_an_entry_that_was_emptied_before_its_term_is_told(scene: tamper.Scene, record: bytes) -> None:
    assert check(record, kept_since=datetime(2024, 11, 1, tzinfo=UTC)).empty == 10
    with pytest.raises(
        DifferenceError, match=r"^line 7: entry 5 was emptied before its term: it is not older than 2024-09-30"
    ):
        check(record, kept_since=datetime(2024, 9, 30, tzinfo=UTC))
    file = io.BytesIO()
    line = record[: record.index(b"\n") + 1]
    archive.write(file, json_header(line), [emptied(p) if p.number == 18 else p for p in scene.rested])
    with pytest.raises(
        DifferenceError, match=r"^line 20: entry 18 was emptied before its term: it is not older than 2026-10-01"
    ):
        check(file.getvalue(), kept_since=datetime(2026, 10, 1, tzinfo=UTC))


def json_header(line: bytes) -> archive.Header:
    said = json.loads(line)
    del said["format"]
    return archive.Header(**said | {"checkpoints": tuple(said["checkpoints"])})


def kept(scene: tamper.Scene, entries: int = ENTRIES) -> list[tuple[str, verify.Note]]:
    return [(f"note {each.tree}", verify.read_note(each.note, each.tree)) for each in scene.kept(entries)]


class Compared(str):
    """A text that counts how often one like it is compared."""

    __slots__ = ()
    __hash__ = str.__hash__
    times: ClassVar[list[int]] = [0]

    def __eq__(self, other: object) -> bool:
        self.times[0] += 1
        return super().__eq__(other)


def test_many_checkpoints_are_each_looked_at_once() -> None:
    tree, places, signed = verify.Tree("2026-11"), [], []
    for number in range(300):
        tree.add(leaf := number.to_bytes(32, "big"))
        places.append(verify.Place(number, tree.name, leaf, None))
        checkpoint = verify.Checkpoint(Compared(JP), tree.head, None, "2026-11-30T12:00:00Z")
        signed.append(verify.Signed(checkpoint, "cosigned", f"note {number}"))
    edwards = verify.Key(ed25519.Ed25519PrivateKey.generate().public_key())
    header = verify.Header("JP", JP, "2026-11-30T12:00:00Z", edwards, edwards, tuple(signed))
    assert verify.follow(header, places).cosigned_through == 299
    assert Compared.times[0] <= 300


def test_a_record_continues_the_notes_that_were_kept_of_it(scene: tamper.Scene, record: bytes) -> None:
    assert check(record, kept=kept(scene)).kept_through == 22


def test_a_note_binds_its_tree_and_the_end_of_the_one_before_and_nothing_earlier(
    scene: tamper.Scene, record: bytes
) -> None:
    notes_ = kept(scene)
    for given_, through in ((notes_, 22), (notes_[1:], 22), (notes_[:2], 8)):
        found = check(record, kept=given_)
        assert (found.kept_through, found.beyond) == (through, frozenset())
    for given_, reached in ((notes_[2:], None), (notes_[-1:], None), (notes_[:1] + notes_[3:], 4)):
        found = check(record, kept=given_)
        assert (found.kept_through, found.beyond) == (reached, frozenset({"kept"}))
    unseen = [each.note for each in scene.witnessed if each.tree not in {"2024-10", "2026-09"}]
    file = io.BytesIO()
    archive.write(file, archive.header(scene.signer, scene.heads[-1], unseen, NOW), scene.rested)
    found = check(file.getvalue())
    assert (found.cosigned_through, found.beyond) == (4, frozenset({"cosigned"}))


def test_a_record_that_was_set_back_is_found_by_a_note_that_was_kept(scene: tamper.Scene, key: verify.Key) -> None:
    older = scene.heads[17]
    alone = replace(scene.signer, other_uri=None, other_key=None)
    file = io.BytesIO()
    archive.write(file, archive.header(alone, older, [], NOW), scene.places[:18])
    assert check(file.getvalue(), key=key).entries == 18
    with pytest.raises(DifferenceError) as found:
        check(file.getvalue(), key=key, kept=kept(scene))
    assert str(found.value) == (
        "note 2026-10: the checkpoint of 2026-10-01T06:04:00Z over 5 leaves of tree 2026-10, speaks of more than the record "
        "has in tree 2026-10: the record was cut off, or an older one put in its place; it has 18 places, and 5 leaves of "
        "2026-10 were signed"
    )


def test_a_kept_note_is_of_this_record_and_signed_by_its_contact_point(
    scene: tamper.Scene, record: bytes, tmp_path: Path
) -> None:
    stranger = tamper.play(2, tmp_path)
    (what, note), *_ = kept(stranger)
    with pytest.raises(DifferenceError, match=f"^note 2024-09: it bears no signature of {JP} under key "):
        check(record, kept=[(what, note)])
    theirs = notes.sign(stranger_text(scene), US, stranger.signer.key)
    with pytest.raises(DifferenceError, match=f"^a note: it is of the record of {US}, and this is the record of {JP}$"):
        check(record, kept=[("a note", verify.read_note(theirs, "a note"))])
    bent = replace(note, text=note.text.replace("T06:00", "T07:00"))
    with pytest.raises(
        DifferenceError, match=f"^a note: the signature of {JP} is not of this text: it was changed, or"
    ):
        check(tamper.exported(stranger), kept=[("a note", bent)])


def stranger_text(scene: tamper.Scene) -> str:
    return checkpoints.of_heads(US, scene.heads[-1], NOW).text()


def test_a_record_signed_with_ed25519_holds(scene: tamper.Scene) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    signed = []
    for at in range(len(scene.heads[-1])):
        text = checkpoints.of_heads(JP, scene.heads[-1][: at + 1], NOW).text()
        key_id = checkpoints.key_id(JP, checkpoints.ED25519, raw)
        signature = checkpoints.NoteSignature(JP, key_id, private.sign(text.encode()))
        signed.append(checkpoints.write_note(checkpoints.Note(text, (signature,))))
    header = archive.Header(Party.JP, JP, "2026-11-30T12:00:00Z", pem(private.public_key()), None, tuple(signed))
    file = io.BytesIO()
    archive.write(file, header, scene.rested)
    key = verify.Key(private.public_key())
    assert check(file.getvalue(), key=key).entries == 14
    bent = json.loads(json.dumps(signed[-1])).replace(":00Z", ":01Z")
    file = io.BytesIO()
    archive.write(file, replace(header, checkpoints=(*signed[:-1], bent)), scene.rested)
    with pytest.raises(DifferenceError, match="checkpoint 5: the signature of urn:pcsc:ncp:jp is not of this text"):
        check(file.getvalue(), key=key)


# An inclusion


def included(scene: tamper.Scene, number: int) -> bytes:
    place = scene.rested[number]
    tree = [each for each in scene.places if each.tree == place.tree]
    note = next(each.note for each in scene.kept(ENTRIES) if each.tree == place.tree)
    return archive.inclusion(place, [bytes.fromhex(each.leaf) for each in tree], tree[0].number, note).encode()


def test_an_entry_is_shown_to_be_in_the_record(scene: tamper.Scene, key: verify.Key) -> None:
    for number in {*range(23)} - {9, 13, 14}:  # after these no message crossed in their month
        place, checkpoint = verify.check_inclusion(included(scene, number), key)
        assert (place.number, checkpoint.head.tree) == (number, scene.places[number].tree)
        assert (place.entry is None) is (number < 10)


def rehash(said: dict[str, Any]) -> None:
    place = said["place"]
    place["body"] = place["body"].replace('"event":"', '"event":"x')
    place["leaf"] = records.commitment(place["salt"], place["body"].encode())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda said: said["place"].update(salt="00" * 32),
            "the proof: the entry was changed: with its salt it no longer",
        ),
        (
            rehash,
            "the proof: entry 16 is not leaf 1 under the checkpoint of 2026-10-01T06:04:00Z over 5 leaves of tree 2026-10",
        ),
        (lambda said: said.update(index=2), "the proof: entry 16 is not leaf 2 under"),
        (lambda said: said.update(index=17), "the proof: entry 16 cannot be leaf 17 of tree 2026-10"),
        (lambda said: said.update(index=-1), "a tree of 5 leaves has no leaf -1"),
        (
            lambda said: said.update(index="1"),
            "the proof: expected format 'pcsc inclusion 1', an index and a checkpoint",
        ),
        (lambda said: said["proof"].pop(), "the proof that leaf 1 is in a tree of 5 has 3 hashes"),
        (lambda said: said["proof"].append("AAAA"), "the proof: a hash has 32 bytes (SHA-256); got 3"),
        (lambda said: said["place"].update(tree="2026-11"), "the proof: entry 16 is not of tree 2026-10"),
        (lambda said: said.update(place=1), "the proof: expected the members number, tree, body, salt, leaf"),
        (lambda said: said.update(checkpoint="x"), "the proof: expected a note"),
    ],
)
def test_a_proof_that_does_not_lead_there_is_refused(
    scene: tamper.Scene, key: verify.Key, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    proof = json.loads(included(scene, 16))
    change(proof)
    written = json.dumps(proof, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(VerificationError) as refused:
        verify.check_inclusion(written, key)
    assert str(refused.value).startswith(said)


def test_a_proof_is_one_line_and_signed(scene: tamper.Scene, key: verify.Key, other_key: verify.Key) -> None:
    proof = included(scene, 16)
    with pytest.raises(FormError, match=r"^the proof: expected one line that ends in a line feed$"):
        verify.check_inclusion(proof + proof, key)
    with pytest.raises(
        DifferenceError, match=f"^the proof: it bears no signature of {JP} under key {other_key.fingerprint}$"
    ):
        verify.check_inclusion(proof, other_key)


# Checkpoints


def leaves(scene: tamper.Scene, tree: str) -> Sequence[bytes]:
    return [bytes.fromhex(place.leaf) for place in scene.places if place.tree == tree]


def chained(scene: tamper.Scene, kept: Sequence[str]) -> tuple[str, bytes]:
    return "chain.json", archive.history(JP, kept, lambda tree: leaves(scene, tree)).encode()


def every(scene: tamper.Scene) -> list[str]:
    return [each.note for each in scene.witnessed]


def test_checkpoints_with_their_proofs_are_one_history(scene: tamper.Scene, key: verify.Key) -> None:
    chain = chained(scene, every(scene))
    assert len(verify.check_checkpoints([chain], key)) == len(scene.witnessed)
    loose = [(f"{at}.note", each.encode()) for at, each in enumerate(every(scene))]
    assert len(verify.check_checkpoints([chain, *loose], key)) == 2 * len(scene.witnessed)


def forked(scene: tamper.Scene, number: int, upto: int) -> str:
    """Return a note over another record that is the same up to an entry."""
    places = [*scene.places[:number], tamper._rewritten(scene.places[number]), *scene.places[number + 1 : upto]]
    return scene.signer.sign(tamper._heads(places), scene.entries[upto - 1].at)


@pytest.mark.parametrize(
    ("number", "upto", "said"),
    [
        (0, 5, "two histories: two different roots were signed for 5 leaves of tree 2024-09"),
        (
            0,
            7,
            "two histories: the checkpoint of 2024-10-01T06:01:00Z over 2 leaves of tree 2024-10 and another of its",
        ),
        (16, 20, "two histories: two different roots were signed for 5 leaves of tree 2026-10"),
    ],
)
def test_two_histories_are_told(scene: tamper.Scene, key: verify.Key, number: int, upto: int, said: str) -> None:
    with pytest.raises(DifferenceError) as found:
        verify.check_checkpoints(
            [chained(scene, every(scene)), ("other.note", forked(scene, number, upto).encode())], key
        )
    assert str(found.value).startswith(said)


def test_a_checkpoint_that_nothing_connects_is_told(scene: tamper.Scene, key: verify.Key) -> None:
    loose = scene.signer.sign(scene.heads[5], scene.entries[5].at).encode()
    with pytest.raises(
        DifferenceError, match=r"^nothing shows that \d leaves of tree 2024-10 continue the 1 signed before: add"
    ):
        verify.check_checkpoints([chained(scene, every(scene)), ("loose.note", loose)], key)


def test_a_proof_between_checkpoints_is_checked(scene: tamper.Scene, key: verify.Key) -> None:
    name, content = chained(scene, every(scene))
    said = json.loads(content)
    step = next(each for each in said["proofs"] if each["proof"])
    step["proof"][0] = base64.b64encode(bytes(32)).decode()
    bent = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    with pytest.raises(DifferenceError, match=r"does not begin with the \d that were signed before: it was rewritten$"):
        verify.check_checkpoints([(name, bent)], key)


def test_a_tree_that_went_on_after_the_next_began_is_told(scene: tamper.Scene, key: verify.Key) -> None:
    first = scene.signer.sign(scene.heads[4], NOW)
    longer = tamper._heads([*scene.places[:5], replace(scene.places[5], tree="2024-09")])
    with pytest.raises(
        DifferenceError, match=r"^tree 2024-09 ended with 5 leaves, as tree 2024-10 says, and more were signed$"
    ):
        verify.check_checkpoints(
            [
                (
                    "chain.json",
                    archive.history(
                        JP,
                        [first, scene.signer.sign(longer, NOW), scene.signer.sign(scene.heads[6], NOW)],
                        lambda tree: (
                            leaves(scene, tree)
                            if tree != "2024-09"
                            else [*leaves(scene, tree), *leaves(scene, "2024-10")]
                        ),
                    ).encode(),
                )
            ],
            key,
        )


def test_a_month_that_is_missing_from_a_chain_is_told(scene: tamper.Scene, key: verify.Key) -> None:
    heads = scene.heads[-1]
    named = {head.tree: scene.signer.sign(heads[: at + 1], NOW).encode() for at, head in enumerate(heads)}
    with pytest.raises(
        DifferenceError, match=r"^before tree 2026-10 came 2026-09, as its .* and 2026-09 is here$|^nothing shows"
    ):
        verify.check_checkpoints([("a", named["2024-10"]), ("b", named["2026-10"])], key)
    several = [(tree, note) for tree, note in named.items() if tree != "2026-09"]
    with pytest.raises(
        DifferenceError, match=r"^nothing shows that tree 2026-09 continues 2024-10: no checkpoint of 2026-09"
    ):
        verify.check_checkpoints(several, key)


def test_checkpoints_are_of_one_record_and_one_order_of_months(scene: tamper.Scene, key: verify.Key) -> None:
    ours = scene.signer.sign(scene.heads[-1], NOW).encode()
    theirs = notes.sign(stranger_text(scene), US, scene.signer.key).encode()
    with pytest.raises(DifferenceError, match=f"^the checkpoints are of different records: {JP}, {US}$"):
        verify.check_checkpoints([("a", ours), ("b", theirs)], key)
    begun = scene.signer.sign(scene.heads[-1][2:3], NOW).encode()
    earlier = scene.signer.sign(scene.heads[6], NOW).encode()
    with pytest.raises(
        DifferenceError, match=r"^before tree 2026-09 came none, as its checkpoints say, and 2024-10 is here$"
    ):
        verify.check_checkpoints([("a", begun), ("b", earlier)], key)


CHAINED = b'{"format":"pcsc checkpoints 1","uri":"","checkpoints":["/record/"],"proofs":['


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}\n", "f: expected the members format, uri, checkpoints, proofs, in this order and no others"),
        (b"{}", "f: expected one line that ends in a line feed"),
        (b"\xff", "f: expected text in UTF-8"),
        (b"text", "f: expected a note"),
        (
            b'{"format":"x","uri":"","checkpoints":["/record/"],"proofs":[]}\n',
            "f: expected format 'pcsc checkpoints 1', and a checkpoint at least",
        ),
        (
            CHAINED + b"1]}\n",
            "f: a proof has the members tree, from",
        ),
        (
            CHAINED + b'{"tree":"","from":1.5,"to":2,"proof":[]}]}\n',
            "f: a proof leads from a size to a size",
        ),
        (
            b'{"format":"pcsc checkpoints 1","uri":"","checkpoints":[],"proofs":[]}\n',
            "f: expected format 'pcsc checkpoints 1', and a checkpoint at least",
        ),
    ],
)
def test_what_is_no_chain_is_refused(key: verify.Key, content: bytes, said: str) -> None:
    with pytest.raises(FormError) as refused:
        verify.check_checkpoints([("f", content)], key)
    assert str(refused.value).startswith(said)


def test_a_chain_is_of_the_record_that_it_names(scene: tamper.Scene, key: verify.Key) -> None:
    for uri in (US, "", 1):
        said = json.loads(chained(scene, every(scene))[1]) | {"uri": uri}
        bent = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        with pytest.raises(DifferenceError, match=r"^f: a checkpoint in it is not of the record that the chain names$"):
            verify.check_checkpoints([("f", bent)], key)


# Receipts


@pytest.fixture(scope="module")
def receipt(scene: tamper.Scene) -> receipts.DeletionReceipt:
    exchange = builders.exchange(State.NO_REQUEST, Side.QUERYING)
    note = "candidate destroyed: its key was overwritten in place"
    number = len(scene.places)
    entry = records.of_act(number, exchange, "deletion", article="8(2)", note=note, now=NOW + timedelta(microseconds=7))
    place = records.append(scene.places[-1], entry, "5a" * 32)
    tree = [each for each in (*scene.places, place) if each.tree == place.tree]
    checkpoint = checkpoints.of_heads(JP, tamper._heads([*scene.places, place]), NOW)
    grown = merkle.Growth(merkle.Frontier.empty(), [bytes.fromhex(each.leaf) for each in tree])
    return receipts.of_deletion(place, grown, checkpoint, first=tree[0].number)


def test_a_receipt_that_one_writes_the_other_accepts(
    scene: tamper.Scene, key: verify.Key, receipt: receipts.DeletionReceipt
) -> None:
    found = verify.check_receipt(notes.sign(receipt.text(), JP, scene.signer.key), key)
    assert (found.exchange, found.party, found.what, found.article) == (builders.QUERY, "JP", "candidate", "8(2)")
    assert (found.at, found.entry.number, found.checkpoint.uri) == ("2026-11-30T12:00:00Z", ENTRIES, JP)


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (
            0,
            "pcsc deletion receipt v2",
            "the receipt: expected 'pcsc deletion receipt v1' and 16 lines after it; got 16",
        ),
        (1, "exchange JP261122-OTHER", "the receipt: its exchange is not that of entry 24, which it shows"),
        (2, "party US", "the receipt: its party is not that of entry 24"),
        (3, "destroyed all of it", "the receipt: what was destroyed is a kind of content, such as probe or candidate"),
        (3, "destroyed probe", "the receipt: its word for what was destroyed is not that of entry 24"),
        (4, "article 8(1)", "the receipt: its article is not that of entry 24"),
        (5, "at 2026-11-30T12:00:01Z", "the receipt: its time is not that of entry 24"),
        (6, "entry 23 2026-11", "the receipt: the entry says that it is number 24; it stands in place 23"),
        (6, "entry 24 2026-10", "the receipt: entry 24 is not of tree 2026-11"),
        (7, f"salt {'00' * 32}", "the receipt: the entry was changed: with its salt it no longer gives its leaf"),
        (7, "salt", "the receipt: expected a line that begins with 'salt' here"),
        (8, "body AAAA", "the receipt: the entry was changed: with its salt it no longer gives its leaf"),
        (9, f"leaf {'00' * 32}", "the receipt: the entry was changed"),
        (10, "index 3", "the proof that leaf 3 is in a tree of 5 has 3 hashes"),
        (11, "proof", "the proof that leaf 4 is in a tree of 5 has 1 hashes"),
        (11, "proof ", "the receipt: expected a line that begins with 'proof' here"),
        (12, f"checkpoint {US}/record/2026-11", f"the receipt: it bears no signature of {US} under key"),
        (13, "checkpoint 6", "the proof that leaf 4 is in a tree of 6 has 2 hashes"),
        (16, "at 2026-11-30T12:00:00Z", "the receipt: expected a line that begins with 'checkpoint' here"),
    ],
)
def test_a_receipt_that_says_otherwise_is_refused_by_both(
    scene: tamper.Scene, key: verify.Key, receipt: receipts.DeletionReceipt, line: int, text: str, said: str
) -> None:
    lines = receipt.text().split("\n")
    bent = "\n".join([*lines[:line], text, *lines[line + 1 :]])
    with pytest.raises(VerificationError) as refused:
        verify.check_receipt(notes.sign(bent, JP, scene.signer.key), key)
    assert str(refused.value).startswith(said)
    if line != 12:  # whose checkpoint it is, is for whoever knows the key
        with pytest.raises(RecordError):
            receipts.check(receipts.parse(bent))


def test_a_receipt_is_of_a_deletion(scene: tamper.Scene, key: verify.Key, receipt: receipts.DeletionReceipt) -> None:
    entry = replace(entry_of(receipt.place), event="use")
    place = records.append(scene.places[-1], entry, "5a" * 32)
    made = replace(receipt, place=place)
    with pytest.raises(DifferenceError, match=r"^the receipt: entry 24 is not leaf 4 under"):
        verify.check_receipt(notes.sign(made.text(), JP, scene.signer.key), key)
    checkpoint = checkpoints.of_heads(JP, tamper._heads([*scene.places, place]), NOW)
    made = replace(made, checkpoint=checkpoint, proof=receipt.proof)
    with pytest.raises(DifferenceError, match=r"^the receipt: its event is not that of entry 24, which it shows$"):
        verify.check_receipt(notes.sign(made.text(), JP, scene.signer.key), key)


def test_a_receipt_of_what_was_not_destroyed_is_none(
    scene: tamper.Scene, key: verify.Key, receipt: receipts.DeletionReceipt
) -> None:
    for note in ("candidate", "candidate not destroyed", "candidate is kept"):
        place = records.append(scene.places[-1], replace(entry_of(receipt.place), note=note), "5a" * 32)
        checkpoint = checkpoints.of_heads(JP, tamper._heads([*scene.places, place]), NOW)
        text = replace(receipt, place=place, checkpoint=checkpoint).text()
        with pytest.raises(DifferenceError, match="its word for what was destroyed is not that of entry 24, which it"):
            verify.check_receipt(notes.sign(text, JP, scene.signer.key), key)


def test_both_know_the_same_kinds_of_content() -> None:
    assert all(verify._KIND.fullmatch(kind) for kind in Content)
    assert verify._KIND.pattern.split("|") == list(Content)


def test_a_receipt_is_of_the_party_whose_card_was_given(
    scene: tamper.Scene, key: verify.Key, receipt: receipts.DeletionReceipt
) -> None:
    note = notes.sign(receipt.text(), JP, scene.signer.key)
    assert verify.check_receipt(note, verify.read_key(card("JP", JP, key), "card")).party == "JP"
    with pytest.raises(
        DifferenceError, match=r"^the receipt: it speaks for another Party than US, whose card was given$"
    ):
        verify.check_receipt(note, verify.read_key(card("US", JP, key), "card"))


def test_a_receipt_is_signed(scene: tamper.Scene, other_key: verify.Key, receipt: receipts.DeletionReceipt) -> None:
    with pytest.raises(
        DifferenceError, match=f"^the receipt: it bears no signature of {JP} under key {other_key.fingerprint}$"
    ):
        verify.check_receipt(notes.sign(receipt.text(), JP, scene.signer.key), other_key)


# The command


SOURCE = Path(verify.__file__)


def test_it_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"cryptography"}


@pytest.fixture
def files(scene: tamper.Scene, record: bytes, receipt: receipts.DeletionReceipt, tmp_path: Path) -> Path:
    """Return a folder with everything that the command reads, and the command itself, alone."""
    assert scene.signer.other_key is not None
    shutil.copy(SOURCE, tmp_path / "verify.py")
    (tmp_path / "record.jsonl").write_bytes(record)
    (tmp_path / "jp.pem").write_bytes(scene.signer.key.public_pem)
    (tmp_path / "us.pem").write_bytes(scene.signer.other_key.pem)
    for party, uri, pem in (("JP", JP, scene.signer.key.public_pem), ("US", US, scene.signer.other_key.pem)):
        (tmp_path / f"{uri[-2:]}.json").write_text(
            card(party, uri, verify.read_key(pem.decode(), "it")), encoding="utf-8"
        )
    (tmp_path / "chain.json").write_bytes(chained(scene, every(scene))[1])
    (tmp_path / "kept.json").write_text(archive.history(JP, every(scene)), encoding="utf-8")
    (tmp_path / "last.note").write_text(scene.witnessed[-1].note, encoding="utf-8")
    alone = replace(scene.signer, other_uri=None, other_key=None)
    with (tmp_path / "alone.jsonl").open("wb") as file:
        archive.write(file, archive.header(alone, scene.heads[-1], [], NOW), scene.rested)
    unseen = [each.note for each in scene.witnessed if each.tree not in {"2024-10", "2026-09"}]
    with (tmp_path / "unseen.jsonl").open("wb") as file:
        archive.write(file, archive.header(scene.signer, scene.heads[-1], unseen, NOW), scene.rested)
    (tmp_path / "proof.json").write_bytes(included(scene, 16))
    (tmp_path / "old.json").write_bytes(included(scene, 1))
    (tmp_path / "receipt.note").write_text(notes.sign(receipt.text(), JP, scene.signer.key), encoding="utf-8")
    (tmp_path / "broken.jsonl").write_bytes(b"".join(record.splitlines(keepends=True)[:-1]))
    (tmp_path / "none.jsonl").write_bytes(b"nothing\n")
    return tmp_path


def test_a_copy_of_the_file_alone_does_its_work(files: Path) -> None:
    command = [sys.executable, "-I", "verify.py", "record", "record.jsonl", "--key", "jp.pem"]
    ended = subprocess.run(command, cwd=files, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(
        f"The record of JP ({JP}), exported at 2026-11-30T12:00:00Z, holds.\n24 places in 5 trees: "
    )


RECORD = ("record", "record.jsonl")
BOTH = ("--key", "jp.pem", "--other-key", "us.pem")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((*RECORD, *BOTH), 0, "Cosigned through entry 22, at 2026-11-01T06:02:00Z, with key "),
        (
            (*RECORD, *BOTH),
            0,
            ", as given, without a card, so it does not say whose it is.\n1 entries after it are under the contact point's own",
        ),
        (
            RECORD,
            0,
            "alone: it could have written them anew,\nand left out others, up to the export at 2026-11-30T12:00:00Z.\n",
        ),
        ((*RECORD, "--key", "jp.json"), 0, ", as given.\n"),
        ((*RECORD, "--other-key", "us.json"), 0, ", as given.\n"),
        (RECORD, 0, "A place is empty whose entry ended its term, or was left out of the export.\n"),
        (
            RECORD,
            0,
            "It is held to nothing that was kept elsewhere (--note), so it may be an older state, later entries cut",
        ),
        (RECORD, 0, ", named by the file itself, which shows nothing: compare it with the card, or give --key.\n"),
        ((*RECORD, "--note", "kept.json"), 0, "kept elsewhere, through entry 22, at 2026-11-01T06:02:00Z;\nwhat is"),
        (
            (*RECORD, "--note", "last.note"),
            0,
            "The kept notes leave a gap, in which all could be written anew: give the",
        ),
        (
            ("record", "alone.jsonl"),
            0,
            "Not cosigned by the other contact point: its holder could have written all of it",
        ),
        (
            ("record", "unseen.jsonl"),
            0,
            "Later checkpoints are cosigned too, with a month between that the other contact",
        ),
        ((*RECORD, "--kept-since", "2024-11-30"), 0, "24 places in 5 trees: 14 entries, 10 empty.\n"),
        ((*RECORD, "--kept-since", "2024-11-30"), 0, "From 2024-11-30 on no place is empty, but perhaps in that month"),
        ((*RECORD, "--kept-since", "2024-09-30"), 1, "which leaves out acts: check it without --kept-since\n"),
        ((*RECORD, "--kept-since", "2024-09-30"), 1, "pcsc-verify: line 7: entry 5 was emptied before its term"),
        ((*RECORD, "--key", "us.pem"), 1, "pcsc-verify: line 1, the header: it names key "),
        (("record", "broken.jsonl"), 1, "the record was cut off, or an older one put in its place"),
        (("record", "none.jsonl"), 2, "pcsc-verify: line 1, the header: expected one JSON object in UTF-8"),
        (("record", "missing.jsonl"), 2, "missing.jsonl: No such file or directory\n"),
        ((*RECORD, "--key", "record.jsonl"), 2, "pcsc-verify: record.jsonl: expected a public key in PEM"),
        (
            ("inclusion", "proof.json", "--key", "jp.pem"),
            0,
            "It holds: entry 16 ('use', Art. 11(1), 2026-10-01) is in the record",
        ),
        (
            ("inclusion", "old.json", "--key", "jp.pem"),
            0,
            "It holds: a place that is empty, said to be number 1, is in the record of urn:",
        ),
        (
            ("inclusion", "proof.json", "--key", "us.pem"),
            1,
            "pcsc-verify: the proof: it bears no signature of urn:pcsc:ncp:jp",
        ),
        (
            ("checkpoints", "chain.json", "--key", "jp.pem"),
            0,
            "They hold: 10 checkpoints of the record of urn:pcsc:ncp:jp are one",
        ),
        (
            ("checkpoints", "kept.json", "--key", "jp.pem"),
            1,
            "pcsc-verify: nothing shows that 5 leaves of tree 2024-09 continue",
        ),
        (
            ("receipt", "receipt.note", "--key", "jp.pem"),
            0,
            "It holds: JP signed that it destroyed 'candidate' of exchange 'JP261122-AAAABBBB",
        ),
        (
            ("receipt", "receipt.note", "--key", "jp.pem"),
            0,
            "That is its word, and no proof that nothing is left. Whether",
        ),
        (
            ("inclusion", "proof.json", "--key", "jp.pem"),
            0,
            "Who cosigned was not looked at. Whether others were shown",
        ),
        (("checkpoints", "chain.json", "--key", "jp.pem"), 0, ": they show nothing of what was recorded later, nor of"),
        (("checkpoints", "/dev/zero", "--key", "jp.pem"), 2, "zero: expected a file of at most 67108864 bytes\n"),
        ((*RECORD, "--note", "/dev/zero"), 2, "pcsc-verify: zero: expected a file of at most 67108864 bytes\n"),
        ((*RECORD, "--key", "/dev/zero"), 2, "pcsc-verify: zero: expected a file of at most 16777216 bytes\n"),
        (("inclusion", "/dev/zero", "--key", "jp.pem"), 2, "zero: expected a file of at most 16777216 bytes\n"),
        (("receipt", "/dev/zero", "--key", "jp.pem"), 2, "zero: expected a file of at most 16777216 bytes\n"),
        (("receipt", "proof.json", "--key", "jp.pem"), 2, "pcsc-verify: the receipt: expected a note of at most"),
    ],
)
def test_the_command_ends_with_0_1_or_2_and_says_why(
    files: Path,
    arguments: tuple[str, ...],
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    assert verify.main(arguments) == status
    out, err = capsys.readouterr()
    assert said in (err if status else out)
    assert not (out if status else err)


def test_what_a_file_says_does_not_steer_a_terminal_and_is_told_in_every_encoding(
    scene: tamper.Scene, files: Path
) -> None:
    uri = "urn:pcsc:\N{GREEK SMALL LETTER ALPHA}"
    alone = replace(scene.signer, uri=uri, other_uri=None, other_key=None)
    name = "\x1b[31m.jsonl"
    with (files / name).open("wb") as file:
        archive.write(file, archive.header(alone, scene.heads[-1], [], NOW), scene.rested)
    for arguments, status, said in (
        (("record", name), 0, "The record of JP (urn:pcsc:\\u03b1), exported at"),
        (("record", "record.jsonl", "--key", name), 2, "pcsc-verify: \\x1b[31m.jsonl: expected a public key in PEM"),
    ):
        command = [sys.executable, "-X", "utf8=0", "verify.py", *arguments]
        environment = {"PYTHONIOENCODING": "ascii"}
        ended = subprocess.run(command, cwd=files, capture_output=True, text=True, check=False, env=environment)
        assert ended.returncode == status
        assert (ended.stdout + ended.stderr).startswith(said)


def test_what_cannot_be_told_is_not_taken_for_told(files: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-I", "verify.py", *RECORD]
        ended = subprocess.run(command, cwd=files, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode  # 2, or what the interpreter makes of it when it ends
    assert ended.stderr.startswith("pcsc-verify: what it found could not be told: No space left on device\n")


def test_a_day_is_asked_for_as_one_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        verify.main([*RECORD, "--kept-since", "30/11/2024"])
    assert ended.value.code == 2
    assert "--kept-since: expected a day such as 2024-11-30; got '30/11/2024'" in capsys.readouterr().err


def test_a_clock_that_went_back_is_said(
    scene: tamper.Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes_ = [scene.signer.sign(scene.heads[1], NOW), scene.signer.sign(scene.heads[3], NOW - timedelta(days=1))]
    (tmp_path / "chain.json").write_bytes(chained(scene, notes_)[1])
    (tmp_path / "jp.pem").write_bytes(scene.signer.key.public_pem)
    assert verify.main(["checkpoints", str(tmp_path / "chain.json"), "--key", str(tmp_path / "jp.pem")]) == 0
    assert "The clock went back: the checkpoint of 2026-11-29T12:00:00Z over 4 leaves" in capsys.readouterr().out
