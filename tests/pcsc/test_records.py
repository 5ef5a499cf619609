"""The record of Article 11: every change of it is found, and two records of the same exchanges agree or say where not."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsc import matters
from pcsc.errors import RecordError
from pcsc.exchange import Side, State
from pcsc.messages import Authority, Search
from pcsc.records import (
    GENESIS,
    Difference,
    Direction,
    Entry,
    Recorded,
    Verification,
    append,
    commitment,
    expire,
    of_act,
    of_message,
    reconcile,
    verify,
)
from tests import builders
from tests.builders import NOW, SALT, determination, exchange, match, no_match, query

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcsc.messages import Message

BODIES: Final[dict[str, bytes]] = {"query": b"the query", "match": b"the match", "determination": b"the notice"}


def entry(number: int = 0, note: str = "") -> Entry:
    return of_act(
        number, exchange(State.MATCH), "note", article="11(1)", note=note, now=NOW + timedelta(minutes=number)
    )


def record_of(*notes: str) -> list[Recorded]:
    """Return a record with one entry a note."""
    places: list[Recorded] = []
    for number, note in enumerate(notes):
        salt = f"{number:064x}"
        places.append(append(places[-1] if places else None, entry(number, note), salt))
    return places


def altered(place: Recorded, field: str, value: str | None) -> Recorded:
    """Return a place with one field changed, as somebody with access to the database could."""
    changes: dict[str, Any] = {field: value}
    return replace(place, **changes)


WHOLE: Final = record_of("one", "two", "three", "four", "five", "six")


def test_a_record_verifies_from_its_first_entry_to_its_last() -> None:
    assert verify(WHOLE) == Verification(entries=6, expired=0, head=WHOLE[-1].link)
    assert verify([]) == Verification(entries=0, expired=0, head=GENESIS)


def test_the_same_entries_give_the_same_record() -> None:
    assert record_of("one", "two") == WHOLE[:2]


def test_an_entry_is_put_in_its_place_and_in_no_other() -> None:
    with pytest.raises(
        RecordError, match=r"^Art\. 11\(1\): the next entry of the record is number 6; got 7"
    ) as refused:
        append(WHOLE[-1], entry(7), SALT)
    assert refused.value.code == "11-1.UNRECORDED"
    with pytest.raises(RecordError, match="the next entry of the record is number 0; got 6"):
        append(None, entry(6), SALT)


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("field", ["body", "salt", "leaf", "link"])
def test_every_single_change_of_a_character_is_found(field: str, at: int) -> None:
    text = getattr(WHOLE[at], field)
    for place in range(len(text)):
        for other in {"0", "f", "F", " ", "\n", "z", '"'} - {text[place]}:
            changed = text[:place] + other + text[place + 1 :]
            with pytest.raises(RecordError, match=f"(entry {at} of the record was changed|broken before entry {at})"):
                verify([*WHOLE[:at], altered(WHOLE[at], field, changed), *WHOLE[at + 1 :]])


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("field", ["salt", "leaf", "link"])
@pytest.mark.parametrize("text", ["", "0", "not hexadecimal", "00" * 31, "00" * 33])
def test_what_is_no_hash_at_all_is_a_change_like_any_other(field: str, at: int, text: str) -> None:
    for places in (WHOLE, [expire(place) for place in WHOLE]):
        with pytest.raises(RecordError, match=f"entry {at}"):
            verify([*places[:at], altered(places[at], field, text), *places[at + 1 :]])


@pytest.mark.parametrize("field", ["body", "salt"])
def test_an_entry_that_is_half_gone_was_changed(field: str) -> None:
    with pytest.raises(RecordError, match="entry 2 of the record was changed: it no longer gives its leaf"):
        verify([*WHOLE[:2], altered(WHOLE[2], field, None), *WHOLE[3:]])


@pytest.mark.parametrize("at", range(5))
def test_an_entry_that_was_dropped_is_missed(at: int) -> None:
    with pytest.raises(RecordError, match=f"entry {at} is missing from the record: entry {at + 1} stands in its place"):
        verify(WHOLE[:at] + WHOLE[at + 1 :])


@pytest.mark.parametrize("at", range(5))
def test_an_entry_that_was_dropped_is_missed_even_if_the_others_are_numbered_anew(at: int) -> None:
    moved = [replace(place, number=place.number - 1) for place in WHOLE[at + 1 :]]
    with pytest.raises(RecordError, match=f"entry {at} of the record was changed"):
        verify(WHOLE[:at] + moved)
    with pytest.raises(RecordError, match=f"the record is broken before entry {at}"):
        verify([expire(place) for place in WHOLE[:at] + moved])


def test_entries_dropped_at_the_end_leave_another_head() -> None:
    heads = {verify(WHOLE[:length]).head for length in range(7)}
    assert len(heads) == 7  # so a head that somebody else holds shows it


@pytest.mark.parametrize("at", range(7))
def test_an_entry_that_was_slipped_in_is_found(at: int) -> None:
    slipped = append(WHOLE[at - 1] if at else None, entry(at, "slipped in"), SALT)
    moved = [replace(place, number=place.number + 1) for place in WHOLE[at:]]
    with pytest.raises(RecordError, match="entry") if at < 6 else pytest.raises(AssertionError):
        assert verify([*WHOLE[:at], slipped, *moved]).head == WHOLE[-1].link


@given(st.permutations(range(6)))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_entries_that_changed_places_are_found(order: list[int]) -> None:
    for expired in (False, True):
        places = [WHOLE[index] for index in order]
        renumbered = [replace(place, number=number) for number, place in enumerate(places)]
        if expired:
            renumbered = [expire(place) for place in renumbered]
        if order == sorted(order):
            assert verify(renumbered).head == WHOLE[-1].link
        else:
            with pytest.raises(RecordError, match=r"(was changed|is broken before entry)"):
                verify(renumbered)


@given(st.sets(st.integers(0, 5)))
@settings(derandomize=True, deadline=None, max_examples=64)
def test_entries_whose_term_has_ended_are_gone_and_the_record_still_verifies(ended: set[int]) -> None:
    places = [expire(place) if place.number in ended else place for place in WHOLE]
    assert verify(places) == Verification(6 - len(ended), len(ended), WHOLE[-1].link)
    assert all((places[number].body, places[number].salt) == (None, None) for number in ended)


def test_a_change_next_to_an_expired_entry_is_found_all_the_same() -> None:
    places = [expire(WHOLE[0]), replace(WHOLE[1], leaf=WHOLE[2].leaf), *WHOLE[2:]]
    with pytest.raises(RecordError, match="entry 1 of the record was changed"):
        verify(places)
    with pytest.raises(RecordError, match="the record is broken before entry 1"):
        verify([expire(place) for place in places])


# Entries


@pytest.mark.parametrize("side", Side)
def test_11_2_the_entry_of_a_message_has_its_place_its_number_and_what_the_exchange_stands_for(side: Side) -> None:
    of = replace(exchange(State.MATCH, side), search=Search.TENPRINT)
    received = match(made_at=NOW - timedelta(minutes=1))
    made = of_message(7, of, received, Direction.RECEIVED, committed="c0", trace="decided so", now=NOW)
    assert made == Entry(
        number=7,
        exchange=of.control_number,
        direction=Direction.RECEIVED,
        event="match",
        message=received.control_number,
        information=("result of automated querying", "reference number", "fingerprint data"),
        at=NOW,
        made_at=NOW - timedelta(minutes=1),
        other=of.other,
        authority=of.authority,
        identified=of.identified,
        article="4(5)",
        arrangement=of.arrangement,
        rules=of.rules,
        search=Search.TENPRINT,
        commitment="c0",
        note="",
        trace="decided so",
    )
    untold = of_message(7, replace(of, search=None), received, Direction.RECEIVED, committed="c0", now=NOW)
    assert untold == replace(made, search="", trace="")


def test_11_1_the_entry_of_an_act_has_the_article_that_orders_it_and_no_information() -> None:
    of = replace(exchange(State.MATCH), search=Search.TENPRINT)
    made = of_act(8, of, "deletion", article="8(2)", note="the prints", trace="decided so", now=NOW)
    assert made == Entry(
        number=8,
        exchange=of.control_number,
        direction=Direction.ACT,
        event="deletion",
        message=of.control_number,
        information=(),
        at=NOW,
        made_at=NOW,
        other=of.other,
        authority=of.authority,
        identified=of.identified,
        article="8(2)",
        arrangement=of.arrangement,
        rules=of.rules,
        search=Search.TENPRINT,
        note="the prints",
        trace="decided so",
    )
    untold = of_act(8, replace(of, search=None), "deletion", article="8(2)", note="the prints", now=NOW)
    assert untold == replace(made, search="", trace="")


def test_an_entry_is_committed_to_as_one_text_that_a_person_can_read() -> None:
    text = entry(note="放火").canonical()
    assert '"note":"放火","number":0,' in text
    assert f'"at":"{NOW.isoformat()}"' in text
    assert ": " not in text.replace("放火", "")
    keys = list(json.loads(text))
    assert keys == sorted(keys)
    with pytest.raises(TypeError, match=r"^an entry holds texts, numbers, times and lists of them; got bytes$"):
        replace(entry(), note=b"bytes").canonical()  # type: ignore[arg-type]


# Commitments


def test_a_commitment_is_the_hmac_of_the_bytes_under_the_salt() -> None:
    assert commitment(SALT, b"body") == hmac.new(bytes.fromhex(SALT), b"body", hashlib.sha256).hexdigest()


def test_a_commitment_needs_its_salt() -> None:
    guess = b"a body of which everybody knows that it is a no match"
    assert commitment("00" * 32, guess) != commitment("01" * 32, guess)
    assert commitment(SALT, guess) == commitment(SALT, guess)
    assert commitment(SALT, guess) != commitment(SALT, guess + b" ")


@pytest.mark.parametrize("salt", ["", "00" * 16, "AB" * 32, "zz" * 32, "00 " * 32, SALT + "\n"])
def test_a_salt_is_thirty_two_bytes_in_hexadecimal(salt: str) -> None:
    with pytest.raises(RecordError, match=r"^Art\. 11\(1\): a salt is 64 lower-case hexadecimal digits; got"):
        commitment(salt, b"body")


def test_the_leaf_of_an_entry_tells_nothing_without_its_salt() -> None:
    one, two = (append(None, entry(), f"{salt:064x}") for salt in (1, 2))
    assert (one.body, one.leaf == two.leaf) == (two.body, False)


# Reconciliation


def crossing(message: Message, event: str, *, provided_by_jp: bool, side: Side, **changes: object) -> Entry:
    here_provides = provided_by_jp is (side is Side.QUERYING)
    made = of_message(
        0,
        exchange(State.MATCH, side),
        message,
        Direction.PROVIDED if here_provides else Direction.RECEIVED,
        committed=commitment(SALT, BODIES.get(event, b"")),
        now=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def both() -> tuple[list[Entry], list[Entry]]:
    """Return the entries of one exchange as the two sides have them."""
    return tuple(  # type: ignore[return-value]
        [
            crossing(query(), "query", provided_by_jp=True, side=side),
            crossing(match(), "match", provided_by_jp=False, side=side),
            crossing(determination(), "determination", provided_by_jp=True, side=side),
        ]
        for side in Side
    )


def test_the_two_records_of_an_exchange_agree() -> None:
    ours, theirs = both()
    assert reconcile(ours, theirs) == reconcile(theirs, ours) == ()


def test_a_record_is_compared_with_the_other_partys_and_not_with_itself() -> None:
    ours, _ = both()
    for entries in (ours, ours[:1]):
        with pytest.raises(
            RecordError, match="both records are kept by JP; the other Party's record is needed: ask US for it"
        ):
            reconcile(entries, entries[:1])


def test_each_sides_own_acts_and_the_order_of_the_entries_do_not_matter() -> None:
    ours, theirs = both()
    assert reconcile([entry(9, "examination"), *reversed(ours)], theirs) == ()


@pytest.mark.parametrize(("at", "provider"), [(0, "JP"), (1, "US"), (2, "JP")])
def test_a_message_that_one_record_lacks_is_named(at: int, provider: str) -> None:
    ours, theirs = both()
    missing = theirs.pop(at)
    name, event = missing.message, missing.event
    assert reconcile(ours, theirs) == (Difference(name, event, f"provided by {provider} in our record only"),)
    assert reconcile(theirs, ours) == (Difference(name, event, f"provided by {provider} in their record only"),)


MEANT_OTHERWISE: Final = "the two records differ in the authority, the flag or the types of information"
OTHER_AUTHORITY: Final = Authority("Customs", "Investigation", "CUS-1", "Japan")
CHANGES: Final[dict[str, tuple[Callable[[Entry], Entry], str]]] = {
    "bytes": (
        lambda one: replace(one, commitment=commitment(SALT, b"others")),
        "the two records commit to different bytes",
    ),
    "authority": (lambda one: replace(one, authority=OTHER_AUTHORITY), MEANT_OTHERWISE),
    "flag": (lambda one: replace(one, identified=False), MEANT_OTHERWISE),
    "types": (lambda one: replace(one, information=()), MEANT_OTHERWISE),
}


@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("at", range(3))
def test_a_difference_between_two_entries_of_a_message_is_named(
    at: int, change: Callable[[Entry], Entry], what: str
) -> None:
    ours, theirs = both()
    theirs[at] = change(theirs[at])
    (difference,) = reconcile(ours, theirs)
    assert difference == Difference(ours[at].message, ours[at].event, what)


def test_a_match_here_and_no_match_there_are_two_differences() -> None:
    ours, theirs = both()
    theirs[1] = crossing(no_match(), "no match", provided_by_jp=False, side=Side.QUERIED)
    assert [(one.event, one.what) for one in reconcile(ours, theirs)] == [
        ("match", "provided by US in our record only"),
        ("no match", "provided by US in their record only"),
    ]


def test_both_claiming_to_have_provided_a_message_is_a_difference() -> None:
    ours, theirs = both()
    theirs[0] = replace(theirs[0], direction=Direction.PROVIDED)
    assert len(reconcile(ours, theirs)) == 2


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[]",
        "{}",
        '{"number":0}',
        '{"number":0,"at":5}',
        '{"number":0,"at":"2026-11-22T03:04:05"}',
        '{"at":"x"}',
    ],
)
def test_what_is_no_entry_is_told_also_where_its_leaf_and_link_were_written_with_it(body: str) -> None:
    salt = "00" * 32
    leaf = commitment(salt, body.encode())
    link = hashlib.sha256(bytes.fromhex(GENESIS) + bytes.fromhex(leaf)).hexdigest()
    with pytest.raises(RecordError, match="entry 0 of the record was changed: it no longer gives its leaf"):
        verify([Recorded(0, body, salt, leaf, link)])


def test_8_7_a_message_about_consent_is_recorded_under_the_clause_it_is_about() -> None:
    asked = builders.release_request()
    before = exchange(State.PROVIDED)
    raised = matters.raised(before, asked, before.ours, builders.arrangement(), NOW)
    decided = builders.consent_decision(question=asked.control_number)
    entries = [
        of_message(0, raised, message, Direction.PROVIDED, committed="", now=NOW)
        for message in (asked, decided, builders.consent_request())
    ]
    assert [entry.article for entry in entries] == ["8(7)", "8(7)", "8(5)(2)"]
