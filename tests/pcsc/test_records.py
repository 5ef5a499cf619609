"""The record of Article 11: every change of it is found, and two records of the same exchanges agree or say where not."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsc import matters
from pcsc.checkpoints import Checkpoint, Head, of_heads
from pcsc.errors import RecordError
from pcsc.exchange import Side, State
from pcsc.messages import Authority, Search
from pcsc.records import (
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
from tests.pcsc import naive_merkle

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
URI: Final = "urn:pcsc:ncp:jp"


def over(places: list[Recorded]) -> list[Recorded]:
    """Return a record all of whose terms have ended."""
    return [expire(place) for place in places]


def heads_of(places: list[Recorded]) -> tuple[Head, ...]:
    """Return the heads of a record's trees, each the slow way: the definition of RFC 9162 over its leaves."""
    leaves: dict[str, list[bytes]] = {}
    for place in places:
        leaves.setdefault(place.tree, []).append(bytes.fromhex(place.leaf))
    return tuple(Head(tree, len(each), naive_merkle.mth(each).hex()) for tree, each in leaves.items())


def checkpoint_of(places: list[Recorded]) -> Checkpoint:
    """Return the checkpoint of a record as it stands."""
    return of_heads(URI, heads_of(places), NOW)


SEALED: Final = checkpoint_of(WHOLE)


def test_a_record_verifies_from_its_first_entry_to_its_last() -> None:
    assert verify(WHOLE) == Verification(entries=6, expired=0, heads=heads_of(WHOLE))
    assert verify([]) == Verification(entries=0, expired=0, heads=())
    assert verify(iter(WHOLE), checkpoints=[SEALED]) == Verification(6, 0, heads_of(WHOLE), covered=6)


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
@pytest.mark.parametrize("field", ["tree", "body", "salt", "leaf"])
def test_every_single_change_of_a_character_of_an_entry_is_found(field: str, at: int) -> None:
    text = getattr(WHOLE[at], field)
    for place in range(len(text)):
        for other in {"0", "f", "F", " ", "\n", "z", '"', "9"} - {text[place]}:
            changed = text[:place] + other + text[place + 1 :]
            with pytest.raises(RecordError, match=rf"entry {at} of the record was (changed|moved)"):
                verify([*WHOLE[:at], altered(WHOLE[at], field, changed), *WHOLE[at + 1 :]])


@pytest.mark.parametrize("at", range(6))
def test_every_single_change_of_a_place_whose_term_has_ended_is_found_by_a_checkpoint(at: int) -> None:
    for field in ("tree", "leaf"):
        text = getattr(WHOLE[at], field)
        for place in range(len(text)):
            for other in {"0", "f", "1", "F", "9"} - {text[place]}:
                changed = altered(expire(WHOLE[at]), field, text[:place] + other + text[place + 1 :])
                places = [*over(WHOLE[:at]), changed, *over(WHOLE[at + 1 :])]
                with pytest.raises(
                    RecordError, match=r"(is not that of its checkpoint|was changed|was moved|was cut off)"
                ):
                    verify(places, checkpoints=[SEALED])


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("field", ["salt", "leaf"])
@pytest.mark.parametrize("text", ["", "0", "not hexadecimal", "00" * 31, "00" * 33, "\N{FULLWIDTH DIGIT ONE}" * 64])
def test_what_is_no_hash_at_all_is_a_change_like_any_other(field: str, at: int, text: str) -> None:
    for places in (WHOLE, over(WHOLE)):
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
    with pytest.raises(
        RecordError, match="the end of the record was cut off: a checkpoint says that tree 2026-11 had 6 entr"
    ):
        verify(over(WHOLE[:at] + moved), checkpoints=[SEALED])


def test_entries_dropped_at_the_end_leave_other_heads() -> None:
    heads = {verify(WHOLE[:length]).heads for length in range(7)}
    assert len(heads) == 7  # so a head that somebody else holds shows it


@pytest.mark.parametrize("length", range(6))
def test_entries_dropped_at_the_end_are_missed_by_a_checkpoint(length: int) -> None:
    for places in (WHOLE[:length], over(WHOLE[:length])):
        with pytest.raises(
            RecordError,
            match=f"was cut off: a checkpoint says that tree 2026-11 had 6 entries, and the record has {length} in it",
        ):
            verify(places, checkpoints=[SEALED])


@pytest.mark.parametrize("at", range(7))
def test_an_entry_that_was_slipped_in_is_found(at: int) -> None:
    slipped = append(WHOLE[at - 1] if at else None, entry(at, "slipped in"), SALT)
    moved = [replace(place, number=place.number + 1) for place in WHOLE[at:]]
    if at < 6:
        with pytest.raises(RecordError, match=f"entry {at + 1} of the record was changed"):
            verify([*WHOLE[:at], slipped, *moved])
        with pytest.raises(
            RecordError, match="is not that of its checkpoint: tree 2026-11 had another root when it had 6"
        ):
            verify(over([*WHOLE[:at], slipped, *moved]), checkpoints=[SEALED])
    else:
        found = verify([*WHOLE, slipped], checkpoints=[SEALED])
        assert (found.entries, found.covered) == (7, 6)  # what comes after the last checkpoint may have come yesterday


@given(st.permutations(range(6)))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_entries_that_changed_places_are_found(order: list[int]) -> None:
    for ended in (False, True):
        places = [WHOLE[index] for index in order]
        renumbered = [replace(place, number=number) for number, place in enumerate(places)]
        if ended:
            renumbered = over(renumbered)
        if order == sorted(order):
            assert verify(renumbered, checkpoints=[SEALED]).heads == heads_of(WHOLE)
        else:
            with pytest.raises(RecordError, match=r"(was changed|is not that of its checkpoint)"):
                verify(renumbered, checkpoints=[SEALED])


@given(st.sets(st.integers(0, 5)))
@settings(derandomize=True, deadline=None, max_examples=64)
def test_entries_whose_term_has_ended_are_gone_and_the_record_still_verifies(ended: set[int]) -> None:
    places = [expire(place) if place.number in ended else place for place in WHOLE]
    assert verify(places, checkpoints=[SEALED]) == Verification(6 - len(ended), len(ended), heads_of(WHOLE), covered=6)
    assert all((places[number].body, places[number].salt) == (None, None) for number in ended)


def test_a_change_next_to_an_expired_entry_is_found_all_the_same() -> None:
    places = [expire(WHOLE[0]), replace(WHOLE[1], leaf=WHOLE[2].leaf), *WHOLE[2:]]
    with pytest.raises(RecordError, match="entry 1 of the record was changed"):
        verify(places)
    with pytest.raises(RecordError, match="so one of the entries 0 to 5 was changed, moved, added or dropped since"):
        verify(over(places), checkpoints=[SEALED])


# Trees: one a month


def act(number: int, at: datetime) -> Entry:
    """Return an act of that time."""
    return of_act(number, exchange(State.MATCH), "note", article="11(1)", note="", now=at)


def record_at(*times: datetime) -> list[Recorded]:
    """Return a record with one entry at each of these times, in this order."""
    places: list[Recorded] = []
    for number, at in enumerate(times):
        places.append(append(places[-1] if places else None, act(number, at), f"{number:064x}"))
    return places


def on(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_tree_begins_with_the_first_entry_of_a_month_in_utc() -> None:
    last, first = on("2026-11-30T23:59:59.999999"), on("2026-12-01T00:00:00")
    assert [place.tree for place in record_at(last, first)] == ["2026-11", "2026-12"]
    tokyo = timezone(timedelta(hours=9))
    assert [place.tree for place in record_at(last.astimezone(tokyo), first.astimezone(tokyo))] == [
        "2026-11",
        "2026-12",
    ]
    with pytest.raises(
        RecordError, match=r"Art\. 11\(1\): the time of an entry is in UTC .* which does not say its zone"
    ):
        append(None, act(0, datetime(2026, 11, 22)), SALT)  # noqa: DTZ001 - a time without a zone is what is refused


def test_a_month_without_entries_has_no_tree() -> None:
    places = record_at(on("2026-11-22"), on("2027-02-03"), on("2027-02-04"))
    found = verify(places, checkpoints=[checkpoint_of(places)])
    assert [(head.tree, head.size) for head in found.heads] == [("2026-11", 1), ("2027-02", 2)]
    assert found == Verification(3, 0, heads_of(places), covered=3)


def test_a_clock_that_goes_back_opens_no_tree_before_the_last() -> None:
    places = record_at(on("2026-11-30"), on("2027-01-01"), on("2026-12-31"), on("2026-01-01"), on("2027-02-01"))
    assert [place.tree for place in places] == ["2026-11", "2027-01", "2027-01", "2027-01", "2027-02"]
    assert verify(places, checkpoints=[checkpoint_of(places)]).heads == heads_of(places)


times = st.lists(st.integers(-40, 40), min_size=1, max_size=25)


@given(times, st.data())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_every_checkpoint_that_a_record_ever_had_is_one_of_it_for_ever(steps: list[int], data: st.DataObject) -> None:
    moments = [NOW + timedelta(days=sum(steps[: count + 1])) for count in range(len(steps))]
    places = record_at(*moments)
    kept = [checkpoint_of(places[:length]) for length in range(1, len(places) + 1)]
    found = verify(places, checkpoints=data.draw(st.permutations(kept)))
    assert found == Verification(len(places), 0, heads_of(places), covered=len(places))
    assert verify(over(places), checkpoints=kept) == Verification(0, len(places), heads_of(places), covered=len(places))
    at = data.draw(st.integers(0, len(places) - 1))
    shorter = places[:at] + [replace(place, number=place.number - 1) for place in places[at + 1 :]]
    with pytest.raises(RecordError, match="record"):
        verify(over(shorter), checkpoints=kept)


def test_a_place_that_moved_into_another_tree_is_found() -> None:
    places = record_at(on("2026-11-22"), on("2026-11-23"), on("2026-12-03"))
    kept = [checkpoint_of(places[:2]), checkpoint_of(places)]
    moved = [places[0], replace(places[1], tree="2026-12"), places[2]]
    with pytest.raises(
        RecordError, match=r"entry 1 of the record was moved: by its time .* its tree is 2026-11; it stands in 2026-12"
    ):
        verify(moved)
    with pytest.raises(
        RecordError, match="tree 2026-12 had another root when it had 1 entries, so one of the entries 1 to 1"
    ):
        verify(over(moved), checkpoints=kept)
    assert verify(over(moved)).heads != heads_of(places)


@pytest.mark.parametrize("tree", ["", "2026-10", "2026-1", "2026-13", "november", "2026-11\n", "2026-11-22"])
def test_a_place_is_in_a_tree_of_its_month_or_a_later_one(tree: str) -> None:
    for places in (WHOLE, over(WHOLE)):
        with pytest.raises(
            RecordError, match="entry 3 of the record was moved: its tree is not a month from 2026-11 on"
        ):
            verify([*places[:3], replace(places[3], tree=tree), *places[4:]])
    with pytest.raises(RecordError, match="entry 0 of the record was moved"):
        verify([replace(WHOLE[0], tree=tree)])


def test_the_end_of_a_month_is_kept_by_the_checkpoint_of_the_next() -> None:
    places = record_at(on("2026-11-22"), on("2026-11-23"), on("2026-12-03"), on("2027-01-04"))
    december, january = checkpoint_of(places[:3]), checkpoint_of(places)
    for kept in ([december], [december, january]):
        verify(over(places), checkpoints=kept)
        cut = [places[0], *(replace(place, number=place.number - 1) for place in places[2:])]
        with pytest.raises(
            RecordError,
            match=r"before tree 2026-12 stood tree 2026-11 with 2 entries and the root \w{8}, and now tree 2026-11 with 1",
        ):
            verify(over(cut), checkpoints=kept)
    none = [replace(place, number=place.number - 2) for place in places[2:]]
    with pytest.raises(RecordError, match=r"before tree 2026-12 stood tree 2026-11 with 2 .* and now no tree"):
        verify(over(none), checkpoints=[december])
    assert verify(places, checkpoints=[january]).covered == 2  # January, and the December that it names
    assert verify(places, checkpoints=[december, january]).covered == 4


def test_a_checkpoint_speaks_for_its_tree_and_the_one_before_so_the_last_of_every_tree_is_kept() -> None:
    places = record_at(on("2026-11-22"), on("2026-12-03"), on("2027-01-04"))
    cut = [replace(place, number=place.number - 1) for place in over(places)[1:]]
    assert verify(cut, checkpoints=[checkpoint_of(places)]).covered == 2
    with pytest.raises(RecordError, match="before tree 2026-12 stood tree 2026-11"):
        verify(cut, checkpoints=[checkpoint_of(places), checkpoint_of(places[:2])])


def test_a_record_that_got_a_month_before_its_first_is_found() -> None:
    places = record_at(on("2026-10-22"), on("2026-11-22"))
    kept = checkpoint_of([replace(places[1], number=0)])
    with pytest.raises(RecordError, match="before tree 2026-11 stood no tree, and now tree 2026-10 with 1 entries"):
        verify(places, checkpoints=[kept])


def test_a_tree_that_is_gone_altogether_is_missed() -> None:
    places = record_at(on("2026-11-22"), on("2026-12-03"))
    with pytest.raises(
        RecordError, match="a checkpoint says that tree 2026-12 had 1 entries, and the record has 0 in it"
    ):
        verify(places[:1], checkpoints=[checkpoint_of(places)])


def test_a_record_that_was_rolled_back_and_went_on_otherwise_is_found() -> None:
    other = append(WHOLE[3], entry(4, "another"), SALT)
    last = append(other, entry(5, "six"), f"{5:064x}")
    with pytest.raises(RecordError, match="tree 2026-11 had another root when it had 6 entries"):
        verify([*WHOLE[:4], other, last], checkpoints=[SEALED])
    verify([*WHOLE[:4], other, last], checkpoints=[checkpoint_of(WHOLE[:4])])


def test_checkpoints_that_contradict_each_other_tell_of_two_records() -> None:
    other = replace(SEALED, head=replace(SEALED.head, root="00" * 32))
    with pytest.raises(
        RecordError, match=r"tree 2026-11 of the record had another root at 6 entries: .* keeps two records"
    ):
        verify(WHOLE, checkpoints=[SEALED, other])
    other = replace(SEALED, before=Head("2026-10", 1, "00" * 32))
    with pytest.raises(
        RecordError, match=r"tree 2026-11 say that the tree before it ended otherwise: .* keeps two records"
    ):
        verify(WHOLE, checkpoints=[SEALED, other])


def test_a_record_is_held_to_its_own_checkpoints_and_to_nobody_elses() -> None:
    theirs = of_heads("urn:pcsc:ncp:us", heads_of(WHOLE[:2]), NOW)
    with pytest.raises(RecordError, match="the checkpoints are of 2 records, and one record is verified"):
        verify(WHOLE, checkpoints=[SEALED, theirs])


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
PUT_OTHERWISE: Final = "the two records differ in the exchange, or in when it was made"
OTHER_AUTHORITY: Final = Authority("Customs", "Investigation", "CUS-1", "Japan")
CHANGES: Final[dict[str, tuple[Callable[[Entry], Entry], str]]] = {
    "bytes": (
        lambda one: replace(one, commitment=commitment(SALT, b"others")),
        "the two records commit to different bytes",
    ),
    "authority": (lambda one: replace(one, authority=OTHER_AUTHORITY), MEANT_OTHERWISE),
    "flag": (lambda one: replace(one, identified=False), MEANT_OTHERWISE),
    "types": (lambda one: replace(one, information=()), MEANT_OTHERWISE),
    "exchange": (lambda one: replace(one, exchange="JP261122-ANOTHER0"), PUT_OTHERWISE),
    "time": (lambda one: replace(one, made_at=one.made_at + timedelta(seconds=1)), PUT_OTHERWISE),
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


def test_a_message_that_stands_twice_in_one_record_is_named() -> None:
    ours, theirs = both()
    twice = [*ours, replace(ours[1], number=9)]
    name = ours[1].message
    assert reconcile(twice, theirs) == (Difference(name, "match", "provided by US 2 times in our record"),)
    assert reconcile(theirs, twice) == (Difference(name, "match", "provided by US 2 times in their record"),)
    assert [one.what for one in reconcile(twice, [*theirs[:1], theirs[2]])] == [
        "provided by US 2 times in our record",
        "provided by US in our record only",
    ]


def test_a_period_has_a_beginning_that_counts_and_an_end_that_does_not() -> None:
    ours, theirs = both()
    del theirs[:]
    for at, one in zip((NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)), range(3), strict=True):
        ours[one] = replace(ours[one], at=at)
    events = ["query", "match", "determination"]
    day = timedelta(days=1)
    for since, until, expected in (
        (None, None, events),
        (NOW, None, events[1:]),
        (None, NOW, events[:1]),
        (NOW, NOW + day, events[1:2]),
        (NOW + timedelta(microseconds=1), NOW + day, []),
    ):
        found = [one.event for one in reconcile(ours, theirs, since=since, until=until)]
        assert sorted(found) == sorted(expected)


def test_a_message_that_was_on_its_way_at_midnight_is_of_both_days_and_no_difference() -> None:
    ours, theirs = both()
    theirs = [replace(one, at=one.at + timedelta(minutes=5)) for one in theirs]
    between = NOW + timedelta(minutes=1)
    assert reconcile(ours, theirs, until=between) == reconcile(ours, theirs, since=between) == ()
    changed = [replace(theirs[0], commitment="00" * 32), *theirs[1:]]
    for period in ({"since": between}, {"until": between}):
        assert [one.event for one in reconcile(ours, changed, **period)] == ["query"]


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
        '{"at":"2026-11-22T03:04:05+00:00","number":true}',
        '{"at":"2026-11-22T03:04:05+00:00","number":0.0}',
        '{"at":"2026-11-22T03:04:05+00:00","number": 0}',
        '{"number":0,"at":"2026-11-22T03:04:05+00:00"}',
        '{"at":"2026-11-22T03:04:05+00:00","number":0,"number":0}',
        '{"at":"0001-01-01T00:00:00+23:59","number":0}',
        "[" * 100_000,
        "9" * 10_000,
    ],
)
def test_what_is_no_entry_is_told_also_where_its_leaf_was_written_with_it(body: str) -> None:
    salt = "00" * 32
    leaf = commitment(salt, body.encode())
    with pytest.raises(RecordError, match="entry 0 of the record was changed: it no longer gives its leaf"):
        verify([Recorded(0, "2026-11", body, salt, leaf)])


def test_a_body_that_cannot_be_encoded_is_no_entry() -> None:
    with pytest.raises(RecordError, match="entry 0 of the record was changed: it no longer gives its leaf"):
        verify([replace(WHOLE[0], body="\ud800")])


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
