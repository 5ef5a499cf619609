"""Deletion receipts: what they prove, and that nothing else passes for one."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex.parameters import Party
from pcsc import merkle
from pcsc.checkpoints import CheckpointError, Head, of_heads
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.exchange import Side, State
from pcsc.merkle import Frontier, Growth, MerkleError
from pcsc.receipts import HEADING, DeletionReceipt, ReceiptError, check, of_deletion, parse
from pcsc.records import Recorded, append, commitment, expire, of_act, verify
from tests.builders import NOW, QUERY, SALT, exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcsc.checkpoints import Checkpoint

US: Final = "urn:pcsc:ncp:us"
NOTE: Final = "probe destroyed: its key was overwritten in place"


def record(
    entries: int = 7, *, deletion: int = 4, begins: int = 2, note: str = NOTE, side: Side = Side.QUERIED
) -> list[Recorded]:
    """Return a record of two months of which one entry is a deletion; ``begins`` is the first of the second month."""
    places: list[Recorded] = []
    for number in range(entries):
        act = of_act(
            number,
            exchange(State.PROVIDED, side),
            "deletion" if number == deletion else "examination",
            article="8(1)",
            note=note,
            now=NOW + timedelta(days=30 * (number >= begins), minutes=number, microseconds=123_456),
        )
        places.append(append(places[-1] if places else None, act, f"{number:064x}"))
    return places


def leaves_of(places: list[Recorded], tree: str) -> list[bytes]:
    """Return the data of the leaves of a tree."""
    return [bytes.fromhex(place.leaf) for place in places if place.tree == tree]


def checkpoint_of(places: list[Recorded]) -> Checkpoint:
    """Return the checkpoint of a record as it stands."""
    return of_heads(US, verify(places).heads, NOW + timedelta(days=31))


def grown(leaves: list[bytes], begun: int = 0) -> Growth:
    """Return the tree over these leaves, as it grew from the first of them."""
    return Growth(Frontier.over(leaves[:begun]), leaves[begun:])


PLACES: Final = record()
LEAVES: Final = leaves_of(PLACES, "2026-12")
CHECKPOINT: Final = checkpoint_of(PLACES)
RECEIPT: Final = of_deletion(PLACES[4], grown(LEAVES), CHECKPOINT, first=2)
TEXT: Final = RECEIPT.text()
CHECKPOINT_BEGINS: Final = 12  # its first line, from 0


def test_a_receipt_shows_the_entry_of_the_deletion_and_proves_that_it_is_recorded() -> None:
    expected = DeletionReceipt(
        exchange=QUERY,
        party=Party.US,
        destroyed=Content.PROBE,
        article="8(1)",
        at=(NOW + timedelta(days=30, minutes=4)),
        place=PLACES[4],
        index=2,
        proof=RECEIPT.proof,
        checkpoint=CHECKPOINT,
    )
    assert expected == RECEIPT
    assert len(RECEIPT.proof) == 3
    check(RECEIPT)


def test_the_text_of_a_receipt_is_what_is_signed() -> None:
    body = PLACES[4].body or ""
    proof = " ".join(base64.b64encode(each).decode() for each in RECEIPT.proof)
    expected = (
        "pcsc deletion receipt v1\n"
        f"exchange {QUERY}\n"
        "party US\n"
        "destroyed probe\n"
        "article 8(1)\n"
        "at 2026-12-22T03:08:05Z\n"
        "entry 4 2026-12\n"
        f"salt {4:064x}\n"
        f"body {base64.b64encode(body.encode()).decode()}\n"
        f"leaf {PLACES[4].leaf}\n"
        "index 2\n"
        f"proof {proof}\n" + "".join(f"checkpoint {line}\n" for line in CHECKPOINT.text().splitlines())
    )
    assert expected == TEXT


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 20), st.data())
def test_a_receipt_comes_back_from_its_text_and_holds_wherever_the_entry_is_and_whenever_the_record_is_signed(
    entries: int, data: st.DataObject
) -> None:
    deletion, begins = data.draw(st.integers(0, entries - 1)), data.draw(st.integers(0, entries))
    kind = data.draw(st.sampled_from(Content))
    places = record(
        entries, deletion=deletion, begins=begins, note=f"{kind} destroyed", side=data.draw(st.sampled_from(Side))
    )
    tree = places[deletion].tree
    first = next(place.number for place in places if place.tree == tree)
    until = data.draw(st.integers(deletion + 1, max(place.number for place in places if place.tree == tree) + 1))
    leaves, index = leaves_of(places[:until], tree), deletion - first
    begun = data.draw(st.integers(0, index))  # the recipient knows those before, or some of them
    receipt = of_deletion(places[deletion], grown(leaves, begun), checkpoint_of(places[:until]), first=first)
    assert receipt.proof == merkle.inclusion(leaves, index)
    assert parse(receipt.text()) == receipt
    assert receipt.destroyed is kind
    check(receipt)


def test_a_receipt_with_nothing_beside_its_entry_has_an_empty_proof() -> None:
    places = record(1, deletion=0)
    receipt = of_deletion(places[0], grown(leaves_of(places, "2026-11")), checkpoint_of(places), first=0)
    assert "\nindex 0\nproof\ncheckpoint " in receipt.text()
    check(parse(receipt.text()))


def test_nothing_of_a_print_is_in_a_receipt_and_the_party_is_the_one_that_destroyed() -> None:
    ours = record(side=Side.QUERYING)
    receipt = of_deletion(ours[4], grown(leaves_of(ours, "2026-12")), checkpoint_of(ours), first=2)
    assert (receipt.party, RECEIPT.party) == (Party.JP, Party.US)
    check(receipt)


# What cannot be shown


def test_an_entry_whose_term_has_ended_can_no_longer_be_shown() -> None:
    with pytest.raises(
        ReceiptError, match=r"^Art\. 11\(1\): entry 4 does not give its leaf, or its term has ended"
    ) as refused:
        of_deletion(expire(PLACES[4]), grown(LEAVES), CHECKPOINT, first=2)
    assert isinstance(refused.value, RecordError)


def test_only_the_entry_of_a_deletion_is_shown() -> None:
    with pytest.raises(
        ReceiptError, match="a deletion receipt shows the entry of a deletion; entry 5 is of something else"
    ):
        of_deletion(PLACES[5], grown(LEAVES), CHECKPOINT, first=2)


def test_what_was_destroyed_is_named_by_its_kind() -> None:
    places = record(note="everything destroyed")
    with pytest.raises(ReceiptError, match=r"expected one of probe, candidate, .*; got something else"):
        of_deletion(places[4], grown(LEAVES), CHECKPOINT, first=2)


@pytest.mark.parametrize("until", [1, 2, 3, 4])
def test_a_checkpoint_that_was_made_before_the_deletion_proves_nothing_of_it(until: int) -> None:
    with pytest.raises(
        ReceiptError, match="by a checkpoint of its tree that was made after it; entry 4 is at index 2 in tree 2026-12"
    ):
        of_deletion(PLACES[4], grown(LEAVES), checkpoint_of(PLACES[:until]), first=2)


def test_a_checkpoint_of_more_leaves_than_there_are_proves_nothing() -> None:
    with pytest.raises(ReceiptError, match="and the checkpoint is of 5 entries in tree 2026-12"):
        of_deletion(PLACES[4], grown(LEAVES[:4]), CHECKPOINT, first=2)
    with pytest.raises(MerkleError, match="the leaves of a tree of 5 have the indexes from 0 to 4; got -1"):
        of_deletion(PLACES[4], grown(LEAVES), CHECKPOINT, first=5)
    with pytest.raises(MerkleError, match="of the first 3 leaves of a tree of 5 only the frontier is known"):
        of_deletion(PLACES[4], grown(LEAVES, 3), CHECKPOINT, first=2)


# What does not hold


OTHER: Final = append(
    PLACES[3], of_act(4, exchange(State.PROVIDED, Side.QUERIED), "deletion", article="8(1)", note=NOTE, now=NOW), SALT
)
"""Another entry in the place of the deletion, with a leaf of its own."""

CHANGES: Final[dict[str, tuple[Callable[[DeletionReceipt], DeletionReceipt], str]]] = {
    "exchange": (lambda one: replace(one, exchange="JP261122-ANOTHER0"), "the exchange of a deletion receipt is that of"),
    "party": (lambda one: replace(one, party=Party.JP), "the Party of a deletion receipt is that of the entry"),
    "kind": (lambda one: replace(one, destroyed=Content.CANDIDATE), "the kind of what was destroyed of a deletion receipt"),
    "article": (lambda one: replace(one, article="8(2)"), "the article of a deletion receipt is that of the entry"),
    "earlier": (lambda one: replace(one, at=one.at - timedelta(seconds=1)), "the time of a deletion receipt is that of"),
    "salt": (lambda one: replace(one, place=replace(one.place, salt=SALT)), "entry 4 does not give its leaf"),
    "body": (lambda one: replace(one, place=replace(one.place, body=(one.place.body or "") + " ")), "does not give its leaf"),
    "no body": (lambda one: replace(one, place=replace(one.place, body=None)), "entry 4 does not give its leaf"),
    "number": (lambda one: replace(one, place=replace(one.place, number=5)), "entry 5 does not give its leaf"),
    "tree": (lambda one: replace(one, place=replace(one.place, tree="2026-11")), "the tree of a deletion receipt is that of"),
    "entry": (lambda one: replace(one, place=PLACES[3]), "entry 3 is of something else"),
    "another entry": (lambda one: replace(one, place=OTHER, at=NOW), "the leaf is not at index 2 of the tree of 5"),
    "index": (lambda one: replace(one, index=3), "the leaf is not at index 3 of the tree of 5"),
    "index beyond": (lambda one: replace(one, index=5), "entry 4 cannot be at index 5 of its tree"),
    "index below": (lambda one: replace(one, index=-1), "have the indexes from 0 to 4; got -1"),
    "first tree": (
        lambda one: replace(one, checkpoint=replace(one.checkpoint, before=None)),
        "entry 4 cannot be at index 2 of its tree: numbers run on over all trees, and the first begins with 0",
    ),
    "root": (
        lambda one: replace(one, checkpoint=replace(one.checkpoint, head=Head("2026-12", 5, "00" * 32))),
        "the proof leads to .* and the tree's root is 00000000",
    ),
    "size": (
        lambda one: replace(one, checkpoint=replace(one.checkpoint, head=replace(one.checkpoint.head, size=4))),
        "the proof of leaf 2 in a tree of 4 has 2 hashes; got 3",
    ),
    "proof": (lambda one: replace(one, proof=one.proof[::-1]), "the leaf is not at index 2"),
    "shorter": (lambda one: replace(one, proof=one.proof[:-1]), "the proof of leaf 2 in a tree of 5 has 3 hashes; got 2"),
    "longer": (lambda one: replace(one, proof=one.proof * 1000), "the proof of leaf 2 in a tree of 5 has 3 hashes; got 3000"),
    "hash": (lambda one: replace(one, proof=(b"", *one.proof[1:])), "a hash of a proof is 32 bytes; got 0"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_receipt_of_which_one_word_is_another_does_not_hold(
    change: Callable[[DeletionReceipt], DeletionReceipt], message: str
) -> None:
    with pytest.raises(RecordError, match=message):
        check(change(RECEIPT))


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"at":"2026-12-22T03:08:05+00:00","number":4}',
        '{"article":8,"at":"2026-12-22T03:08:05+00:00","event":"deletion","exchange":"x","note":"n","number":4,"other":"JP"}',
        '{"article":"8(1)","at":"2026-12-22T03:08:05+00:00","event":"deletion","exchange":"x","note":"n","number":4,"other":"FR"}',
        "[]",
        "4",
        "[" * 10_000,
    ],
)
def test_what_is_no_entry_does_not_hold_although_its_leaf_was_made_of_it(body: str) -> None:
    leaf = commitment(SALT, body.encode())
    place = Recorded(4, "2026-12", body, SALT, leaf)
    head = Head("2026-12", 1, Frontier.over([bytes.fromhex(leaf)]).root().hex())
    receipt = replace(RECEIPT, place=place, index=0, proof=(), checkpoint=replace(CHECKPOINT, head=head))
    with pytest.raises(ReceiptError, match="entry 4 does not give its leaf"):
        check(receipt)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.integers(0, len(TEXT) - 1), st.characters() | st.sampled_from("09AZaf+/= \n\r"))
def test_a_receipt_with_one_other_character_is_no_receipt_or_does_not_hold(place: int, other: str) -> None:
    changed = TEXT[:place] + other + TEXT[place + 1 :]
    if changed == TEXT:
        return
    try:
        found = parse(changed)
        check(found)
    except RecordError:
        return
    assert found.text() == changed
    # Of the checkpoint only the root is proven; the rest is signed, and whoever keeps the checkpoints compares it.
    assert TEXT[:place].count("\n") >= CHECKPOINT_BEGINS


# What is no receipt


def with_line(number: int, line: str) -> str:
    """Return the text of the receipt with another line."""
    lines = TEXT.split("\n")
    return "\n".join([*lines[: number - 1], line, *lines[number:]])


BODY64: Final = TEXT.split("\n")[8].removeprefix("body ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a deletion receipt begins with"),
        ("\n" * 17, "a deletion receipt begins with"),
        (TEXT.replace("v1", "v2"), "a deletion receipt begins with"),
        (TEXT[:-1], "a deletion receipt has one text; got another that says the same"),
        (TEXT + "\n", "has 16 lines after it; got 17"),
        (TEXT.replace("\n", "\r\n"), "a deletion receipt begins with"),
        (TEXT.replace("party US\n", ""), "has 16 lines after it; got 15"),
        (with_line(2, "exchanges x"), 'line 2 of a deletion receipt begins with "exchange"; got something else'),
        (with_line(3, "party FR"), "expected one of JP, US; got something else"),
        (with_line(3, "party "), "expected one of JP, US; got something else"),
        (with_line(4, "destroyed person"), "expected one of probe, candidate"),
        (with_line(6, "at yesterday"), "a part of the deletion receipt is not of its form: a time is in UTC"),
        (with_line(6, "at 2026-12-22T03:08:05.123456+00:00"), "a time is in UTC and of whole seconds"),
        (with_line(7, "entry 4"), 'the line "entry" has the number of the entry and the month of its tree'),
        (with_line(7, "entry 4 2026-13"), 'the line "entry" has the number of the entry and the month of its tree'),
        (with_line(7, "entry 04 2026-12"), "a number has at most 19 digits and no zeros before it; got 2 characters"),
        (with_line(7, "entry -4 2026-12"), "a number has at most 19 digits"),
        (with_line(7, "entry \N{FULLWIDTH DIGIT FOUR} 2026-12"), "a number has at most 19 digits"),
        (
            with_line(7, f"entry {'9' * 50_000} 2026-12"),
            "a number has at most 19 digits and no zeros before it; got 50000",
        ),
        (with_line(8, "salt " + "A" * 64), 'the line "salt" has 64 lower-case hexadecimal digits; got 64 others'),
        (with_line(8, "salt"), 'the line "salt" has 64 lower-case hexadecimal digits; got 0 others'),
        (with_line(9, "body"), "an entry is in base64 with its padding"),
        (with_line(9, f"body {BODY64}="), "an entry is in base64 with its padding"),
        (with_line(9, "body /w=="), "an entry is a text in UTF-8; got bytes that are not"),
        (with_line(10, "leaf 00"), 'the line "leaf" has 64 lower-case hexadecimal digits; got 2 others'),
        (with_line(11, "index +2"), "a number has at most 19 digits"),
        (with_line(12, "proof "), "a deletion receipt has one text"),
        (with_line(12, "proof  "), "a hash is in base64 with its padding"),
        (with_line(12, "proof not-base64"), "a hash is in base64 with its padding"),
        (with_line(12, "proof" + " =" * 50_000), "a hash is in base64 with its padding"),
        (with_line(13, "checkpoint"), "is not of its form: a tree has the name of its month"),
        (with_line(14, "checkpoint 0"), "the size of a tree is a number"),
        (with_line(15, "checkpoints x"), 'line 15 of a deletion receipt begins with "checkpoint"; got something else'),
        ("x" * 131_073, "a deletion receipt has at most 131072 characters; got 131073"),
        (f"{HEADING}\n" + "\n" * 100_000, "has 16 lines after it; got 100"),
    ],
)
def test_a_text_that_is_not_that_of_a_receipt_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReceiptError, match=message):
        parse(text)


def test_the_article_is_said_once_also_where_a_part_is_at_fault() -> None:
    with pytest.raises(ReceiptError) as refused:
        parse(with_line(6, "at yesterday"))
    assert str(refused.value).count("Art. 11(1)") == 1
    assert not isinstance(refused.value, CheckpointError)


def test_a_time_of_another_zone_in_the_entry_is_the_same_time() -> None:
    at: Any = datetime(2026, 12, 22, 12, 8, 5, 999_999, tzinfo=UTC)
    places = record(1, deletion=0)
    other = append(
        None,
        replace(of_act(0, exchange(State.PROVIDED, Side.QUERIED), "deletion", article="8(1)", note=NOTE, now=at)),
        SALT,
    )
    leaves = leaves_of([other], "2026-12")
    receipt = of_deletion(
        other, grown(leaves), of_heads(US, [Head("2026-12", 1, Frontier.over(leaves).root().hex())], at), first=0
    )
    assert receipt.at == at.replace(microsecond=0)
    assert places[0].tree == "2026-11"
    check(receipt)
