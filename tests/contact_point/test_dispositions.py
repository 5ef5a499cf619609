"""The standing that follows from events: Annex II is asked about it, whatever order they came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annex.eligibility import Case, Disposition, Standing, available
from annex.parameters import Party
from contact_point import dispositions
from contact_point.dispositions import KINDS, OF_A_CASE, REMOVING, CaseError, Event, Kept, Kind
from contact_point.holdings import Particulars, ParticularsError, read_particulars

if TYPE_CHECKING:
    from collections.abc import Sequence

AT: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
ON: Final = date(2026, 11, 22)
ADULT: Final = date(1980, 5, 1)
ARREST: Final = date(2026, 2, 3)
ARRESTED: Final = Standing(ADULT, (Case(Disposition.PENDING, ARREST),))


def event(number: int, kind: Kind, day: int = 1, case: str = "", **said: object) -> Event:
    """Return an event of March 2026; of the case A where its kind is about one."""
    on = date(2026, 3, day)
    if kind in OF_A_CASE:
        case = case or "A"
    if kind is Kind.ARRESTED:
        said = {"arrested_on": on} | said
    return Event("NPA", str(number), "someone", on, kind, case, **said)  # type: ignore[arg-type]


def after(base: Standing, *events: Event, numbers: tuple[str, ...] = ()) -> Standing | None:
    """Return the standing after events, the same in whichever order they come."""
    known = Particulars(base, {}, numbers)
    found = {repr(dispositions.replayed(known, each)) for each in permutations(events)}
    assert len(found) == 1
    made = dispositions.replayed(known, events)
    return None if made is None else made.standing


def only_case(standing: Standing | None) -> Case:
    assert standing is not None
    (case,) = standing.cases
    return case


def test_annex_2_every_disposition_is_an_event_and_each_party_has_those_its_paragraph_asks_for() -> None:
    assert {each.value for each in Disposition} == {each.value for each in dispositions.DISPOSITIONS}
    assert Kind.TERRORIST not in KINDS[Party.JP]
    assert {Kind.PETTY, Kind.JUVENILE_NON_CRIMINAL, Kind.NON_PROSECUTION_ART_248}.isdisjoint(KINDS[Party.US])
    assert {Kind.ARRESTED, Kind.CONVICTED_FINAL, Kind.ACQUITTED, Kind.WANTED} <= KINDS[Party.JP] & KINDS[Party.US]


def test_a_case_stands_where_its_last_event_left_it() -> None:
    numbered = ("A",)
    for kind, disposition in dispositions.DISPOSITIONS.items():
        assert only_case(after(ARRESTED, event(1, kind), numbers=numbered)) == Case(disposition, ARREST)
    retried = after(ARRESTED, event(1, Kind.CONVICTED_FINAL, 1), event(2, Kind.PROSECUTED, 5), numbers=numbered)
    assert only_case(retried).disposition is Disposition.PROSECUTED


def test_of_one_day_the_later_stage_counts_and_of_two_outcomes_the_one_that_discloses_less() -> None:
    said = event(1, Kind.CONVICTED_FINAL), event(2, Kind.PROSECUTED), event(3, Kind.ARRESTED)
    assert only_case(after(Standing(ADULT), *said)) == Case(Disposition.CONVICTED_FINAL, date(2026, 3, 1))
    assert only_case(after(Standing(ADULT), *said, event(4, Kind.ACQUITTED))).disposition is Disposition.ACQUITTED


def test_annex_2_1_1_b_a_case_that_was_stated_without_a_number_is_told_by_its_arrest() -> None:
    acquitted = event(1, Kind.ACQUITTED, arrested_on=ARREST)
    assert only_case(after(ARRESTED, acquitted)) == Case(Disposition.ACQUITTED, ARREST)
    another = after(ARRESTED, event(1, Kind.ARRESTED, 7), event(2, Kind.PETTY, 8))
    assert another is not None
    assert [case.disposition for case in another.cases] == [Disposition.PENDING, Disposition.PETTY]


@pytest.mark.parametrize("arrested_on", [None, ARREST])
def test_annex_2_1_1_b_which_case_it_is_is_never_guessed(arrested_on: date | None) -> None:
    twice = Standing(ADULT, (Case(Disposition.PENDING, ARREST), Case(Disposition.PETTY, ARREST)))
    with pytest.raises(
        CaseError, match=r"Annex II 1\(1\)\(b\), the case relevant to the arrest.*`pcsc update`"
    ) as caught:
        dispositions.replayed(Particulars(twice), [event(1, Kind.ACQUITTED, case="B", arrested_on=arrested_on)])
    assert caught.value.case == "B"


def test_a_case_that_is_struck_counts_no_more_until_something_becomes_of_it_again() -> None:
    struck = event(1, Kind.CASE_STRUCK, 2)
    gone = after(ARRESTED, struck, numbers=("A",))
    assert gone is not None
    assert gone.cases == ()
    again = after(ARRESTED, struck, event(2, Kind.PROSECUTED, 9), numbers=("A",))
    assert only_case(again) == Case(Disposition.PROSECUTED, ARREST)


def test_what_is_known_of_a_person_is_what_was_said_last() -> None:
    said = (
        event(1, Kind.BORN, 1, born_on=date(2007, 1, 1)),
        event(2, Kind.BORN, 3, born_on=date(2008, 1, 1)),
        event(3, Kind.WANTED, 1),
        event(4, Kind.TERRORIST, 2),
        event(5, Kind.NO_LONGER_TERRORIST, 4),
    )
    found = after(Standing(ADULT), *said)
    assert found == Standing(date(2008, 1, 1), arrest_request_circulated=True)
    unknown = after(Standing(ADULT), event(1, Kind.BORN), event(2, Kind.WANTED), event(3, Kind.NO_LONGER_WANTED, 2))
    assert unknown == Standing(None)


@pytest.mark.parametrize("kind", sorted(REMOVING))
def test_who_is_to_be_erased_has_no_standing_whatever_else_was_said(kind: Kind) -> None:
    assert after(ARRESTED, event(1, kind, 1), event(2, Kind.BORN, 9, born_on=ADULT)) is None
    withdrawn = event(2, Kind.WITHDRAWN, 9, withdraws="1")
    assert after(ARRESTED, event(1, kind, 1), withdrawn) == ARRESTED


def test_what_is_withdrawn_never_was_and_only_its_own_source_withdraws_it() -> None:
    convicted, withdrawn = event(1, Kind.CONVICTED_FINAL), event(2, Kind.WITHDRAWN, 2, withdraws="1")
    assert after(Standing(ADULT), convicted, withdrawn) == Standing(ADULT)
    elsewhere = replace(withdrawn, source="MOJ")
    assert only_case(after(Standing(ADULT), convicted, elsewhere)).disposition is Disposition.CONVICTED_FINAL


# What is kept


def test_what_was_known_at_a_time_is_told_by_the_history_also_when_it_was_withdrawn_later() -> None:
    hours = [AT + timedelta(hours=each) for each in range(6)]
    kept = dispositions.enrolled(Particulars(Standing(ADULT), {"name": "X"}), hours[1])
    for hour, each in ((2, event(1, Kind.CONVICTED_FINAL)), (3, event(2, Kind.WITHDRAWN, 2, withdraws="1"))):
        taken = dispositions.taken(kept, [each], feed=hour, at=hours[hour])
        assert taken is not None
        kept = taken
    stated = dispositions.restated(kept, Particulars(ARRESTED, {"name": "Y"}), hours[4])
    read = dispositions.read_kept(dispositions.write_kept(stated))
    assert read == stated
    convicted = Standing(ADULT, (Case(Disposition.CONVICTED_FINAL),))
    known = [dispositions.known_at(read, hour) for hour in hours]
    assert known == [None, Standing(ADULT), convicted, Standing(ADULT), ARRESTED, ARRESTED]
    assert read_particulars(dispositions.write_kept(read)) == Particulars(ARRESTED, {"name": "Y"})


def test_events_count_over_what_was_stated_last_and_over_nothing_of_before() -> None:
    kept: Kept | None = dispositions.enrolled(Particulars(Standing(ADULT)), AT)
    assert kept is not None
    kept = dispositions.taken(kept, [event(1, Kind.CONVICTED_FINAL)], feed=1, at=AT)
    assert kept is not None
    kept = dispositions.restated(kept, Particulars(Standing(ADULT)), AT)
    kept = dispositions.taken(kept, [event(2, Kind.WANTED)], feed=2, at=AT)
    assert kept is not None
    assert kept.standing == Standing(ADULT, arrest_request_circulated=True)
    assert [each.number for each in kept.events()] == ["1", "2"]


def test_who_was_enrolled_before_a_history_was_kept_begins_one_with_the_first_event() -> None:
    kept = dispositions.taken(Kept(ARRESTED), [event(1, Kind.WANTED)], feed=1, at=AT)
    assert kept is not None
    assert [each.at for each in kept.history] == [None, AT]
    assert dispositions.known_at(kept, AT - timedelta(days=900)) == ARRESTED


@pytest.mark.parametrize("numbers", [("A", "B"), ("A", "A", "A")])
def test_annex_2_1_1_b_there_is_one_number_for_each_case(numbers: tuple[str, ...]) -> None:
    with pytest.raises(ParticularsError, match="expected no case_numbers, or one of its own for each of 1 cases"):
        Particulars(ARRESTED, {}, numbers)


def test_what_is_stored_and_is_no_person_is_told_by_its_field() -> None:
    with pytest.raises(ParticularsError, match=r"a standing \(Annex II\).* and a history; standing: Field required"):
        dispositions.read_kept("{}")


# Any events, against a twin that knows nothing of sorting, numbers of cases or a base


def twin(events: Sequence[Event]) -> Standing | None:
    """Replay every event from the beginning, day by day and stage by stage, of somebody of whom nothing was known."""
    withdrawn = {each.withdraws for each in events if each.kind is Kind.WITHDRAWN}
    told = [each for each in events if each.number not in withdrawn]
    if any(each.kind in REMOVING for each in told):
        return None
    standing, cases = Standing(None), dict[str, Case | None]()
    for day in range(1, 29):
        for kind in Kind:
            for each in sorted(told, key=lambda event: event.number):
                if (each.on.day, each.kind) == (day, kind):
                    standing = told_of_the_person(standing, each)
                    told_of_a_case(cases, each)
    return replace(standing, cases=tuple(case for _, case in sorted(cases.items()) if case is not None))


def told_of_the_person(before: Standing, each: Event) -> Standing:
    said = {
        Kind.BORN: {"born_on": each.born_on},
        Kind.WANTED: {"arrest_request_circulated": True},
        Kind.NO_LONGER_WANTED: {"arrest_request_circulated": False},
        Kind.TERRORIST: {"known_or_suspected_terrorist": True},
        Kind.NO_LONGER_TERRORIST: {"known_or_suspected_terrorist": False},
    }
    return replace(before, **said.get(each.kind, {}))


def told_of_a_case(cases: dict[str, Case | None], each: Event) -> None:
    if each.kind is Kind.CASE_STRUCK:
        cases[each.case] = None
    elif each.case:
        cases[each.case] = Case(Disposition(each.kind.value), ARRESTS[each.case])


ARRESTS: Final = {"A": date(2026, 2, 1), "B": date(2026, 2, 2), "C": None}


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Return events of one person, some of them of one day, some withdrawn."""
    made: list[Event] = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from([each for each in Kind if each is not Kind.ARRESTED]))
        day, case = draw(st.integers(1, 4)), draw(st.sampled_from("ABC"))
        if kind is Kind.WITHDRAWN:
            before = [each.number for each in made if each.kind is not Kind.WITHDRAWN]
            if before:
                made.append(event(number, kind, day, withdraws=draw(st.sampled_from(before))))
        elif kind in OF_A_CASE:
            made.append(event(number, kind, day, case, arrested_on=ARRESTS[case]))
        else:
            born_on = draw(st.sampled_from([None, ADULT, date(2006, 11, 22)])) if kind is Kind.BORN else None
            made.append(event(number, kind, day, born_on=born_on))
    return made


@given(histories(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_annex_2_the_view_follows_from_the_events_alone_however_they_came(
    events: list[Event], random: object, feeds: int
) -> None:
    expected = twin(events)
    random.shuffle(events)  # type: ignore[attr-defined]
    kept: Kept | None = dispositions.enrolled(Particulars(Standing(None)), AT)
    removing_first = sorted(events, key=lambda each: each.kind in REMOVING)
    for number in range(feeds):
        if kept is not None:
            share = removing_first[number::feeds]
            kept = dispositions.taken(kept, share, feed=number + 1, at=AT)
    if kept is None:
        # A removal is at once: a withdrawal of it that comes with a later feed finds nobody.
        assert any(each.kind in REMOVING for each in events)
        return
    assert expected is not None
    assert kept.standing == expected
    for party in Party:
        for identified in (True, False):
            said = [available(each, queried=party, identified=identified, on=ON) for each in (kept.standing, expected)]
            assert said[0] == said[1]
