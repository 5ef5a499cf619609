"""Checkpoints and signed notes: their one text, the known answers, and what is refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsc import checkpoints
from pcsc.checkpoints import (
    ECDSA_P384,
    ED25519,
    MAX_NOTE,
    MAX_SIGNATURES,
    Checkpoint,
    CheckpointError,
    Head,
    Note,
    NoteSignature,
    key_id,
    of_heads,
    origin,
    parse,
    parse_note,
    time_text,
    write_note,
)
from pcsc.errors import RecordError
from pcsc.merkle import MAX_SIZE

JP: Final = "urn:pcsc:ncp:jp"
AT: Final = datetime(2026, 11, 22, 17, 7, 9, tzinfo=UTC)
OCTOBER: Final = Head("2026-10", 988, "e48c35ca5dcc087dabc337169eb66c1fa477fbc55566fd251d3be61db536a008")
NOVEMBER: Final = Head("2026-11", 1204, "0ac5186291863cfa1d90c8080149aaa36fd76a38fb87d9fd8ccfc0f78f68f16a")
CHECKPOINT: Final = Checkpoint(f"{JP}/record/2026-11", NOVEMBER, OCTOBER, AT)
FIRST: Final = replace(CHECKPOINT, before=None)

NEUMANN: Final = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
"""The key of the example of Go's sumdb/note, which C2SP signed-note describes: the signature type, then the key."""
NEUMANNS_NOTE: Final = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


# The text of a checkpoint


def test_the_text_of_a_checkpoint_is_what_tlog_checkpoint_has_and_two_lines_of_ours() -> None:
    assert CHECKPOINT.text() == (
        "urn:pcsc:ncp:jp/record/2026-11\n"
        "1204\n"
        f"{base64.b64encode(bytes.fromhex(NOVEMBER.root)).decode()}\n"
        f"before 2026-10 988 {base64.b64encode(bytes.fromhex(OCTOBER.root)).decode()}\n"
        "at 2026-11-22T17:07:09Z\n"
    )
    assert FIRST.text().split("\n")[3] == "before none"


@pytest.mark.parametrize("checkpoint", [CHECKPOINT, FIRST])
def test_a_checkpoint_comes_back_from_its_text(checkpoint: Checkpoint) -> None:
    assert parse(checkpoint.text()) == checkpoint


heads = st.builds(
    Head,
    st.builds("{:04}-{:02}".format, st.integers(2019, 2200), st.integers(1, 12)),
    st.integers(1, MAX_SIZE),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
)
times = st.datetimes(datetime(1900, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds; the strategy adds the zone


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(heads, min_size=1, max_size=2, unique_by=lambda head: head.tree), times)
def test_every_checkpoint_has_one_text_and_every_text_one_checkpoint(ends: list[Head], at: datetime) -> None:
    checkpoint = of_heads(JP, sorted(ends, key=lambda head: head.tree), at)
    assert parse(checkpoint.text()) == checkpoint
    assert parse(checkpoint.text()).text() == checkpoint.text()


def test_a_checkpoint_of_a_record_has_its_last_tree_and_the_end_of_the_one_before() -> None:
    assert (
        of_heads(JP, [Head("2026-09", 1, "00" * 32), OCTOBER, NOVEMBER], AT + timedelta(microseconds=5)) == CHECKPOINT
    )
    assert of_heads(JP, [NOVEMBER], AT.astimezone(timezone(timedelta(hours=9)))) == FIRST
    assert (CHECKPOINT.uri, CHECKPOINT.origin) == (JP, origin(JP, "2026-11"))
    assert NOVEMBER.digest.hex() == NOVEMBER.root
    with pytest.raises(CheckpointError, match="a checkpoint is of a record with at least one entry; got none"):
        of_heads(JP, [], AT)
    with pytest.raises(
        CheckpointError, match="the tree before 2026-10 is of an earlier month; got 2026-11: the record cannot go"
    ):
        of_heads(JP, [NOVEMBER, OCTOBER], AT)


def test_what_is_wrong_with_a_checkpoint_is_told_under_the_article_of_the_record() -> None:
    with pytest.raises(RecordError, match=r"^Art\. 11\(1\): a checkpoint has 5 lines") as refused:
        parse("")
    assert refused.value.code == "11-1.UNRECORDED"


TEXT: Final = CHECKPOINT.text()
ROOT64: Final = TEXT.split("\n")[2]


def with_line(number: int, line: str) -> str:
    """Return the text of the checkpoint with another line."""
    lines = TEXT.split("\n")
    return "\n".join([*lines[: number - 1], line, *lines[number:]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n" * 5, 'line 4 of a checkpoint begins with "before "'),
        (TEXT[:-1], "its line feed; got 4 and a line without"),
        (TEXT + "\n", "its line feed; got 6"),
        (TEXT + "more\n", "its line feed; got 6"),
        (TEXT + "x", "its line feed; got 5 and a line without"),
        (TEXT.replace("\n", "\r\n"), r"got '1204\\r'"),
        (TEXT.replace("\n", "\N{LINE SEPARATOR}"), "a checkpoint has 5 lines"),
        (with_line(1, ""), "the name of its month"),
        (with_line(1, "urn:pcsc:ncp:jp"), "the name of its month"),
        (with_line(1, "/record/2026-11"), "the name of a key has 1 to 1000 characters; got 0"),
        (
            with_line(1, "urn:pcsc:ncp:jp/2026-11"),
            r"the origin of a checkpoint is the URI .* and the tree 2026-11; got",
        ),
        (with_line(1, "urn pcsc/record/2026-11"), "no spaces, no plus sign"),
        (with_line(1, "urn+pcsc/record/2026-11"), "no spaces, no plus sign"),
        (with_line(1, "urn\x85pcsc/record/2026-11"), "nothing that cannot be printed"),
        (with_line(1, "urn\ud800/record/2026-11"), "nothing that cannot be printed"),
        (with_line(1, "x" * 1001 + "/record/2026-11"), "1 to 1000 characters; got 1001"),
        (with_line(1, JP + "/record/2026-13"), "the name of its month"),
        (with_line(1, JP + "/record/2026-1"), "the name of its month"),
        (with_line(1, JP + "/record/2026-\N{FULLWIDTH DIGIT ONE}1"), "the name of its month"),
        (with_line(2, "0"), "not 0 and without zeros before it; got '0'"),
        (with_line(2, "01204"), "without zeros before it; got '01204'"),
        (with_line(2, "+1204"), "a number of at most 19 digits"),
        (with_line(2, "-1"), "a number of at most 19 digits"),
        (with_line(2, "1_204"), "a number of at most 19 digits"),
        (with_line(2, " 1204"), "a number of at most 19 digits"),
        (with_line(2, "12e2"), "a number of at most 19 digits"),
        (with_line(2, "\N{ARABIC-INDIC DIGIT ONE}"), r"a number of at most 19 digits.*got '\\u0661'"),
        (with_line(2, "9" * 100_000), r"got '9{60}\.\.\.'"),
        (with_line(2, "9223372036854775808"), "a tree has 1 to 9223372036854775807 entries"),
        (with_line(3, ROOT64[:-1]), "a root is in base64 with its padding"),
        (with_line(3, ROOT64 + "="), "a root is in base64 with its padding"),
        (with_line(3, ROOT64 + " "), "a root is in base64 with its padding"),
        (with_line(3, ROOT64[:-2] + "r="), "a root is in base64 with its padding"),  # free bits that are not zero
        (with_line(3, ROOT64.replace("+", "-").replace("/", "_")), "a root is in base64 with its padding"),
        (with_line(3, ""), "a root is in base64 with its padding"),
        (with_line(3, "A" * 44), "a root is 32 bytes in base64; got 33 bytes"),
        (with_line(3, "AAAA"), "a root is 32 bytes in base64; got 3 bytes"),
        (with_line(4, "after none"), "line 4 of a checkpoint begins with"),
        (with_line(4, "before"), "line 4 of a checkpoint begins with"),
        (with_line(4, "before "), "got 1 words after before"),
        (with_line(4, "before  none"), "got 2 words after before"),
        (with_line(4, "before none "), "got 2 words after before"),
        (with_line(4, f"before 2026-10 988 {ROOT64} more"), "got 4 words after before"),
        (with_line(4, f"before 2026-11 988 {ROOT64}"), "the tree before 2026-11 is of an earlier month; got 2026-11"),
        (with_line(4, f"before 2027-01 988 {ROOT64}"), "an earlier month; got 2027-01"),
        (with_line(4, f"before october 988 {ROOT64}"), "the name of its month"),
        (with_line(5, "at"), 'line 5 of a checkpoint begins with "at "'),
        (with_line(5, "at 2026-11-22T17:07:09+00:00"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 2026-11-22T17:07:09.5Z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 2026-11-22 17:07:09Z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 2026-11-22t17:07:09z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 2026-02-30T17:07:09Z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 2026-11-22T24:00:00Z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 2026-11-22T17:07:60Z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at 0000-11-22T17:07:09Z"), "in UTC and of whole seconds, such as"),
        (with_line(5, "at \N{FULLWIDTH DIGIT TWO}026-11-22T17:07:09Z"), "in UTC and of whole seconds, such as"),
        ("x" * (MAX_NOTE + 1), "a checkpoint has at most 131072 characters; got 131073"),
    ],
)
def test_a_text_that_is_not_that_of_a_checkpoint_is_refused(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        parse(text)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, len(TEXT) - 1), st.characters() | st.sampled_from("09AZaz+/= \n\r-:T"))
def test_a_text_with_one_other_character_is_another_checkpoint_or_none(place: int, other: str) -> None:
    changed = TEXT[:place] + other + TEXT[place + 1 :]
    try:
        found = parse(changed)
    except CheckpointError:
        return
    assert found.text() == changed
    assert (found == CHECKPOINT) == (changed == TEXT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tree": "november"}, "such as \"2026-11\"; got 'november'"),
        ({"size": 0}, "a tree has 1 to 9223372036854775807 entries, since none is begun without; got 0"),
        ({"size": -1}, "got -1"),
        ({"size": MAX_SIZE + 1}, "got a number of 64 bits"),
        (
            {"root": NOVEMBER.root.upper()},
            "a root is 64 lower-case hexadecimal digits; got something else, of 64 characters",
        ),
        ({"root": ""}, "a root is 64 lower-case hexadecimal digits"),
    ],
)
def test_what_is_no_head_is_refused(changes: dict[str, str | int], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        replace(NOVEMBER, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "at", [datetime(2026, 11, 22), AT.replace(microsecond=1), AT.astimezone(timezone(timedelta(hours=9)))]  # noqa: DTZ001 - a time without a zone is what is refused
)  # fmt: skip
def test_the_time_of_a_checkpoint_is_in_utc_and_of_whole_seconds(at: datetime) -> None:
    with pytest.raises(CheckpointError, match="the time of a checkpoint is in UTC and of whole seconds; got"):
        replace(CHECKPOINT, at=at)


def test_a_time_is_written_in_utc_whatever_its_zone() -> None:
    assert time_text(AT.astimezone(timezone(timedelta(hours=9))).replace(microsecond=999_999)) == "2026-11-22T17:07:09Z"


# Keys


def test_the_id_of_a_key_is_that_of_the_example_of_sumdb() -> None:
    assert key_id("PeterNeumann", ED25519, NEUMANN[1:]).hex() == "c74f20a3"
    assert NEUMANN[0] == ED25519


def test_ecdsa_with_sha_384_has_no_number_of_its_own_and_never_says_that_of_another() -> None:
    # C2SP signed-note: 0x02 is ECDSA with SHA-256; a type without a number is 0xff and a name.
    key = b"a key"
    assert key_id(JP, ECDSA_P384, key) != key_id(JP, ED25519, key)
    assert key_id(JP, ECDSA_P384, key).hex() == "24969ea7"  # SHA-256 of "urn:pcsc:ncp:jp\\n\\xffECDSA-P384-SHA384a key"
    for algorithm in (0x02, 0x00, 0x04, -1):
        with pytest.raises(CheckpointError, match=r"Ed25519 \(type 0x01\) or with ECDSA on P-384 with SHA-384"):
            key_id(JP, algorithm, key)


def test_the_id_of_a_key_is_of_its_name_too() -> None:
    assert key_id(JP, ED25519, NEUMANN[1:]) != key_id("urn:pcsc:ncp:us", ED25519, NEUMANN[1:])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\tb", "a\N{NO-BREAK SPACE}b", "a\ud800b", "x" * 1001])
def test_what_no_key_may_be_called_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match="the name of a key has"):
        key_id(name, ED25519, NEUMANN[1:])
    with pytest.raises(CheckpointError, match="the name of a key has"):
        origin(name, "2026-11")


# Notes


def test_the_example_of_sumdb_is_read_and_its_signature_is_of_the_text_that_is_read() -> None:
    note = parse_note(NEUMANNS_NOTE)
    (signature,) = note.signatures
    assert (signature.name, signature.key_id.hex()) == ("PeterNeumann", "c74f20a3")
    key = Ed25519PublicKey.from_public_bytes(NEUMANN[1:])
    key.verify(signature.signature, note.text.encode())
    with pytest.raises(InvalidSignature):
        key.verify(signature.signature, note.text.encode() + b"\n")
    assert write_note(note) == NEUMANNS_NOTE


def signed_by(name: str = JP, number: int = 0) -> NoteSignature:
    """Return a signature that nobody made."""
    return NoteSignature(name, number.to_bytes(4), b"signature")


def test_a_note_is_the_text_an_empty_line_and_a_line_for_each_signature() -> None:
    note = Note(TEXT, (signed_by(), signed_by("urn:pcsc:ncp:us", 7)))
    assert write_note(note) == (
        f"{TEXT}\n— urn:pcsc:ncp:jp AAAAAHNpZ25hdHVyZQ==\n— urn:pcsc:ncp:us AAAAB3NpZ25hdHVyZQ==\n"
    )
    assert parse_note(write_note(note)) == note


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="+"), min_size=1, max_size=30
)
texts = st.text(st.characters(codec="utf-8", min_codepoint=0x20) | st.just("\n"), max_size=60).map(
    lambda text: text + "\n"
)
signatures = st.builds(NoteSignature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(texts, st.lists(signatures, min_size=1, max_size=16, unique_by=lambda each: (each.name, each.key_id)))
def test_every_note_has_one_text_and_comes_back_from_it(text: str, signed: list[NoteSignature]) -> None:
    note = Note(text, tuple(signed))
    assert parse_note(write_note(note)) == note


def test_a_text_may_have_empty_lines_and_lines_like_signatures_and_the_last_empty_line_ends_it() -> None:
    for text in ("\n", "\n\n", "one\n\ntwo\n", "one\n\n— urn:x AAAAAA==\n", "one\n— urn:x AAAAAA==\n"):
        note = Note(text, (signed_by(),))
        assert parse_note(write_note(note)) == note


SIGNED: Final = write_note(Note(TEXT, (signed_by(),)))
LINE: Final = SIGNED.split("\n")[-2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a note is a text, an empty line, and at least one line"),
        ("\n", "a note is a text"),
        ("\n\n", "a note is a text"),
        (TEXT, "a note is a text"),
        (TEXT + "\n", "a note is a text"),
        (TEXT + LINE + "\n", "a note is a text"),
        (SIGNED[:-1], "each with its line feed; got something else"),
        (SIGNED + "\n", "a note is a text"),
        (SIGNED.replace("\n", "\r\n"), "a note is a text"),
        (SIGNED.replace(LINE, LINE + "\r"), "got 21 characters that are not"),
        (SIGNED.replace("1204", "12\x0004"), "a note has no control characters but line feeds"),
        (SIGNED.replace("1204", "12\t04"), "a note has no control characters but line feeds"),
        (SIGNED.replace("1204", "12\r04"), "a note has no control characters but line feeds"),
        (SIGNED.replace("1204", "12\ud80004"), "a note is UTF-8"),
        (SIGNED.replace("—", "-"), "a line for a signature is an em dash"),
        (SIGNED.replace("—", "\N{EN DASH}"), "a line for a signature is an em dash"),
        (SIGNED.replace("— ", "—"), "a line for a signature is an em dash"),
        (SIGNED.replace("— ", "—  "), "a line for a signature is an em dash"),
        (SIGNED.replace("— ", " — "), "a line for a signature is an em dash"),
        (SIGNED.replace("— ", "—\N{NO-BREAK SPACE}"), "a line for a signature is an em dash"),
        (SIGNED.replace(LINE, LINE + " "), "a line for a signature is an em dash"),
        (SIGNED.replace(LINE, "— urn:pcsc:ncp:jp"), "a line for a signature is an em dash"),
        (SIGNED.replace(LINE, LINE.replace("urn:pcsc", "urn+pcsc")), "the name of a key has no spaces"),
        (SIGNED.replace(LINE, LINE.replace("urn:pcsc", "urn\u2003pcsc")), "the name of a key has no spaces"),
        (
            SIGNED.replace(LINE, LINE.replace("AAAAAHN", "AAAA-HN")),
            "a signature of a note, with the id of its key, is in base64",
        ),
        (SIGNED.replace(LINE, LINE[:-1]), "a signature of a note, with the id of its key, is in base64"),
        (SIGNED.replace(LINE, LINE[:-3] + "R=="), "a signature of a note, with the id of its key, is in base64"),
        (SIGNED.replace(LINE, "— urn:pcsc:ncp:jp AAAA"), r"4 bytes, and the signature; got 3 and 0 bytes"),
        (SIGNED.replace(LINE, "— urn:pcsc:ncp:jp AAAAAA=="), r"4 bytes, and the signature; got 4 and 0 bytes"),
        (SIGNED + LINE + "\n", "each key signs a note once; got two signatures of one key"),
        (SIGNED + LINE.replace("HNp", "HNq") + "\n", "each key signs a note once; got two signatures of one key"),
        (SIGNED + "not a signature\n", "a line for a signature is an em dash"),
        ("x" * (MAX_NOTE + 1), "a note has at most 131072 characters; got 131073"),
    ],
)
def test_what_is_no_note_is_refused(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        parse_note(text)


def test_a_note_has_at_most_sixteen_signatures_however_many_lines_come() -> None:
    lines = [LINE.replace("AAAAAH", f"AAAA{chr(65 + number)}H") for number in range(MAX_SIGNATURES)]
    whole = f"{TEXT}\n" + "".join(f"{line}\n" for line in lines)
    assert len(parse_note(whole).signatures) == MAX_SIGNATURES
    for more in (1, 2000):
        with pytest.raises(CheckpointError, match="a note has at most 16 signatures; got more"):
            parse_note(whole + f"{LINE}\n" * more)


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (Note("no line feed", (signed_by(),)), "the text of a note ends with a line feed"),
        (Note("", (signed_by(),)), "the text of a note ends with a line feed"),
        (Note("a\rb\n", (signed_by(),)), "no control characters but line feeds"),
        (Note("\ud800\n", (signed_by(),)), "a note is UTF-8"),
        (Note("x" * MAX_NOTE + "\n", (signed_by(),)), "a note has at most 131072 characters"),
        (Note(TEXT, ()), "a note has 1 to 16 signatures; got 0"),
        (Note(TEXT, tuple(signed_by(number=each) for each in range(17))), "a note has 1 to 16 signatures; got 17"),
        (Note(TEXT, (signed_by(), signed_by())), "each key signs a note once"),
        (Note(TEXT, (signed_by("a b"),)), "the name of a key has no spaces"),
        (Note(TEXT, (NoteSignature(JP, b"abc", b"signature"),)), "got 3 and 9 bytes"),
        (Note(TEXT, (NoteSignature(JP, b"abcd", b""),)), "got 4 and 0 bytes"),
    ],
)
def test_what_would_not_be_read_as_a_note_is_not_written(note: Note, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        write_note(note)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, len(SIGNED) - 1), st.characters() | st.sampled_from("AZaz+/= \n\r—"))
def test_a_note_with_one_other_character_is_another_note_or_none(place: int, other: str) -> None:
    changed = SIGNED[:place] + other + SIGNED[place + 1 :]
    try:
        found = parse_note(changed)
    except CheckpointError:
        return
    assert write_note(found) == changed


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from("— \nAa=+/0\r\N{LINE SEPARATOR}\ud800"), max_size=60))
def test_no_text_makes_a_reader_fail_otherwise_than_it_says(text: str) -> None:
    for read in (parse_note, parse, checkpoints.parse_time):
        try:
            read(text)
        except CheckpointError:
            continue
