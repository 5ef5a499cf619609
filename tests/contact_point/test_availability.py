"""Who enters and leaves the views of Annex II, by a change and by time, against asking about everybody on every day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from annex.eligibility import Case, Disposition, Standing, available
from annex.parameters import MAJORITY_AT_18, Party
from contact_point.availability import ABSENT, SEARCHES, UNSHOWN, Known, What, _birthday, by_time, compare, place
from pcsc.messages import Search

ON: Final = date(2026, 11, 22)
ADULT: Final = date(1980, 5, 1)


def known(*dispositions: Disposition, born_on: date | None = ADULT, searched: bool = True) -> Known:
    return Known(Standing(born_on, tuple(Case(each, date(2026, 2, 3)) for each in dispositions)), searched)


def test_4_2_a_diff_says_who_enters_leaves_and_changes_under_which_words_of_annex_ii() -> None:
    persons = {
        "acquitted": known(Disposition.PENDING),
        "convicted": known(Disposition.PENDING),
        "erased": known(Disposition.CONVICTED_FINAL),
        "same": known(Disposition.CONVICTED_FINAL),
    }
    changed = {
        "acquitted": known(Disposition.ACQUITTED),
        "convicted": known(Disposition.CONVICTED_FINAL),
        "erased": None,
        "new": known(Disposition.CONVICTED_FINAL),
        "same": known(Disposition.CONVICTED_FINAL),
    }
    diff = compare(persons, changed, Party.JP, ON)
    found = [(each.subject, each.identified, each.what, each.before.clause, each.after.clause) for each in diff.changes]
    assert found == [
        ("acquitted", True, What.LEAVES, "Annex II 1(1)(b)(iii)", "Annex II 1(1)"),
        ("convicted", True, What.CHANGES, "Annex II 1(1)(b)(iii)", "Annex II 1(1)(a)"),
        ("erased", True, What.LEAVES, "Annex II 1(1)(a)", ABSENT.clause),
        ("erased", False, What.LEAVES, "Annex II 1(2)", ABSENT.clause),
        ("new", True, What.ENTERS, ABSENT.clause, "Annex II 1(1)(a)"),
        ("new", False, What.ENTERS, ABSENT.clause, "Annex II 1(2)"),
    ]
    assert "final acquittal" in diff.changes[0].after.reason
    assert (diff.persons_before, diff.persons_after, diff.rules) == (4, 4, MAJORITY_AT_18.isoformat())
    counted = [(each.before, each.after, each.enters, each.leaves, each.changes) for each in diff.counts]
    assert counted == [(4, 3, 1, 2, 1), (4, 4, 1, 1, 0)]
    assert set(SEARCHES) == set(Search)


def test_4_5_who_has_no_print_with_an_image_is_in_no_view() -> None:
    bare = known(Disposition.CONVICTED_FINAL, searched=False)
    assert place(bare, Party.JP, identified=True, on=ON) == UNSHOWN
    assert compare({}, {"bare": bare}, Party.JP, ON).changes == ()
    outside = known(Disposition.ACQUITTED, searched=False)
    assert place(outside, Party.JP, identified=True, on=ON).clause == "Annex II 1(1)"


def test_annex_2_1_1_b_who_comes_of_age_enters_the_view_on_that_day() -> None:
    persons = {"young": known(Disposition.PENDING, born_on=date(2006, 12, 1))}
    (change,) = by_time(persons, Party.JP, ON, 30)
    assert (change.what, change.identified, change.on) == (What.ENTERS, True, date(2026, 12, 1))
    assert by_time(persons, Party.JP, ON, 8) == by_time(persons, Party.US, ON, 30) == ()


def test_annex_2_1_1_an_arrest_that_was_entered_ahead_changes_the_category_on_its_day() -> None:
    wanted = Standing(ADULT, (Case(Disposition.PENDING, date(2026, 12, 1)),), arrest_request_circulated=True)
    (change,) = by_time({"wanted": Known(wanted, searched=True)}, Party.JP, ON, 30)
    assert (change.what, change.on) == (What.CHANGES, date(2026, 12, 1))
    assert (change.before.clause, change.after.clause) == ("Annex II 1(1)(c)", "Annex II 1(1)(b)(iii)")


def test_who_was_born_on_29_february_comes_of_age_on_1_march_of_a_common_year() -> None:
    assert _birthday(date(2004, 2, 29), 18) == date(2022, 3, 1)
    assert _birthday(date(2004, 2, 29), 20) == date(2024, 2, 29)


DAYS = st.dates(date(2019, 1, 6), date(2028, 3, 5))
PERSONS = st.builds(
    Known,
    st.builds(
        Standing,
        st.none()
        | st.dates(date(1999, 1, 1), date(2008, 12, 31))
        | st.just(date(2004, 2, 29))
        | st.just(date(2000, 2, 29)),
        st.lists(st.builds(Case, st.sampled_from(Disposition), st.none() | DAYS), max_size=2).map(tuple),
        st.booleans(),
    ),
    st.booleans(),
)


@given(PERSONS, DAYS, st.integers(0, 400), st.sampled_from(Party))
def test_annex_2_what_time_changes_is_what_asking_on_every_day_finds(
    person: Known, on: date, days: int, party: Party
) -> None:
    expected = []
    for day in (on + timedelta(days=each) for each in range(days)):
        for identified in (True, False):
            was, becomes = (
                available(person.standing, queried=party, identified=identified, on=each)
                for each in (day, day + timedelta(days=1))
            )
            other = was.available is not becomes.available or (was.available and was.clause != becomes.clause)
            if person.searched and other:
                expected.append((day + timedelta(days=1), identified))
    assert [(each.on, each.identified) for each in by_time({"someone": person}, party, on, days)] == expected
