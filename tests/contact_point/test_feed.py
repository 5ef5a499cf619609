"""Feeds of dispositions: tried, applied whole or not at all, and explained afterwards (Article 4(2), Annex II)."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex.eligibility import Disposition, available
from annex.parameters import Party
from contact_point import disposal, dispositions, feed, main, service
from contact_point.availability import What
from contact_point.dispositions import KINDS, OF_A_CASE, Kind
from contact_point.feed import ChangedError
from contact_point.feed_files import FeedError, read_feed, write_rejects
from contact_point.holdings import Holdings, Particulars, read_particulars, write_particulars

from .feeding import ARREST, HEADER, NOW, enrol, feed_of, line, make, person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from annex.eligibility import Standing
    from contact_point.service import Installation
    from contact_point.store import Applied, Transaction

BY: Final = "A. Officer"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation of Japan."""
    make(tmp_path / "jp")
    with main.opened(tmp_path / "jp") as opened:
        yield opened


def apply(here: Installation, *lines: str, **said: Any) -> tuple[feed.Plan, Applied | None]:
    return feed.apply(here, feed_of(lines), NOW, **{"by": BY, "code": None} | said)


def standings(here: Installation) -> dict[str, Standing]:
    with here.store.reading() as tx:
        return {name: read_particulars(each.particulars).standing for name, each in tx.standings()}


def view(here: Installation, *, identified: bool = True) -> set[str]:
    """Return who is in view, by asking about everybody."""
    party, on = here.settings.party, NOW.date()
    return {
        name
        for name, each in standings(here).items()
        if available(each, queried=party, identified=identified, on=on).available
    }


def revision(here: Installation) -> int:
    with here.store.reading() as tx:
        return tx.revision()


# The dry run


def test_a_dry_run_says_who_enters_and_leaves_and_changes_nothing(here: Installation) -> None:
    enrol(here, "one", "two", "three")
    before = standings(here), revision(here)
    lines = [line(1, "one", "acquitted"), line(2, "two", "convicted_final"), line(3, "three", "erased")]
    made = feed.plan(here, feed_of(lines), NOW)
    assert [(each.subject, each.identified, each.what) for each in made.diff.changes] == [
        ("one", True, What.LEAVES),
        ("three", True, What.LEAVES),
        ("three", False, What.LEAVES),
        ("two", True, What.CHANGES),
    ]
    assert made.removed == ("three",)
    assert (standings(here), revision(here)) == before
    assert made.counts == {
        "events": 3,
        "persons": 3,
        "removed": 1,
        "refused": 0,
        "known": 0,
        "moot": 0,
        "identified_enters": 0,
        "identified_leaves": 2,
        "identified_changes": 1,
        "unidentified_enters": 0,
        "unidentified_leaves": 1,
        "unidentified_changes": 0,
    }


def test_annex_2_1_1_b_a_dry_run_says_who_enters_by_time_alone_after_it(here: Installation) -> None:
    enrol(here, "one")
    born = line(1, "one", "born", born_on="2006-12-01")
    made = feed.plan(here, feed_of([born]), NOW, days=30)
    assert [(each.what, each.on) for each in made.ahead] == [(What.ENTERS, date(2026, 12, 1))]
    assert feed.plan(here, feed_of([born]), NOW, days=8).ahead == ()


KINDS_OF_JAPAN: Final = sorted(KINDS[Party.JP] - {Kind.WITHDRAWN})


@st.composite
def lines_of(draw: st.DrawFn) -> list[str]:
    """Return lines about four persons, some of them withdrawn, some twice."""
    made = []
    for number in range(draw(st.integers(1, 10))):
        kind, subject = draw(st.sampled_from(KINDS_OF_JAPAN)), draw(st.sampled_from("abcd"))
        day = f"2026-11-{draw(st.integers(1, 5)):02}"
        case = {"case": draw(st.sampled_from(["pending", "K-1", "K-2"]))} if kind in OF_A_CASE else {}
        born = {"born_on": "2006-12-01"} if kind is Kind.BORN and draw(st.booleans()) else {}
        made.append(line(number, subject, kind, day, **case, **born))
        if draw(st.integers(0, 5)) == 0:
            made.append(line(f"{number}w", subject, "withdrawn", day, withdraws=str(number)))
    return made + made[: draw(st.integers(0, 2))]


@pytest.fixture(scope="module")
def always_there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return one installation for many examples."""
    folder = tmp_path_factory.mktemp("feed") / "jp"
    make(folder)
    with main.opened(folder) as opened:
        yield opened


def begin_again(here: Installation) -> None:
    """Let nobody be enrolled but four persons of whom nothing has happened."""
    with here.store.transaction() as tx:
        slots = service.withdraw(tx, sorted(tx.names()))
        tx.enrol([person(name, Disposition.PENDING) for name in "abcd"])
    service.destroy_removed(here, slots)


@settings(max_examples=20)
@given(lines_of(), st.integers(0, 10))
def test_annex_2_what_a_dry_run_says_is_what_happens_and_what_a_search_sees(
    always_there: Installation, lines: list[str], cut: int
) -> None:
    here = always_there
    begin_again(here)
    holdings = Holdings(here.store, here.settings.party, threads=1)
    for part in (lines[:cut], lines[cut:]):
        was = {identified: view(here, identified=identified) for identified in (True, False)}
        read = feed_of(part)
        tried = feed.plan(here, read, NOW, days=0)
        made, _ = feed.apply(here, read, NOW, by=BY, code=tried.code, skip_invalid=True)
        assert tried == made
        for count in tried.diff.counts:
            now = view(here, identified=count.identified)
            assert moved(tried, What.ENTERS, identified=count.identified) == now - was[count.identified]
            assert moved(tried, What.LEAVES, identified=count.identified) == was[count.identified] - now
            assert holdings.view(identified=count.identified, on=NOW.date()).available == count.after == len(now)


def moved(tried: feed.Plan, what: What, *, identified: bool) -> set[str]:
    """Return of whom a plan says that they do so."""
    return {each.subject for each in tried.diff.changes if each.identified is identified and each.what is what}


# What is refused


def test_all_that_is_wrong_with_a_feed_is_told_together_and_nothing_is_applied(here: Installation) -> None:
    enrol(here, "one")
    before = standings(here), revision(here)
    wrong = [
        line(1, "one", "acquitted"),
        line(1, "one", "petty"),
        line(2, "Jane Doe", "wanted"),
        line(3, "one", "withdrawn", withdraws="9"),
        line(4, "one", "innocent"),
        line(5, "one", "withdrawn", withdraws="3"),
    ]
    with pytest.raises(FeedError) as caught:
        apply(here, *wrong)
    told = str(caught.value).splitlines()
    assert told[0].startswith(
        "lines of the feed that are refused: 5; nothing was applied: correct them, or say --skip-invalid"
    )
    assert [each.split(":")[:2] for each in told[1:]] == [
        ["line 3", " number"],
        ["line 4", " subject"],
        ["line 5", " withdraws"],
        ["line 6", " event"],
        ["line 7", " withdraws"],
    ]
    assert "Jane" not in str(caught.value)
    assert (standings(here), revision(here)) == before


def test_no_more_than_a_hundred_faults_are_told_at_once(here: Installation) -> None:
    with pytest.raises(FeedError) as caught:
        apply(here, *(line(number, "nobody", "wanted") for number in range(150)))
    told = str(caught.value).splitlines()
    assert (len(told), told[-1]) == (102, "and 50 more")


def test_what_is_refused_is_left_out_where_that_is_said_and_can_be_given_again(here: Installation) -> None:
    enrol(here, "one", "two")
    made, entered = apply(here, line(1, "one", "acquitted"), line(2, "three", "acquitted"), skip_invalid=True)
    assert entered is not None
    assert (view(here), json.loads(entered.counts)["refused"]) == ({"two"}, 1)
    corrected = write_rejects(made.refused).replace("three", "two").encode()
    feed.apply(here, read_feed(corrected, here.settings.party, NOW.date()), NOW, by=BY, code=None)
    assert view(here) == set()


def test_annex_2_1_1_b_a_line_about_a_case_that_cannot_be_told_is_refused_and_the_others_are_not(
    here: Installation,
) -> None:
    with here.store.transaction() as tx:
        two = person("one", Disposition.PENDING, Disposition.PETTY)
        unnumbered = Particulars(read_particulars(two.particulars).standing)
        tx.enrol([replace(two, particulars=write_particulars(unnumbered))])
    lines = [line(1, "one", "acquitted", case="K-1"), line(2, "one", "wanted")]
    made = feed.plan(here, feed_of(lines), NOW)
    assert [(each.number, each.fault.partition(",")[0]) for each in made.refused] == [
        (2, "case: the case has a number that is not known of this person"),
    ]
    assert [each.number for each in made.new] == [3]
    both = feed.plan(here, feed_of([line(1, "one", "acquitted", case="K-1", arrested_on=str(ARREST))]), NOW)
    assert "2 cases of this person were stated without a number for an arrest on that day" in both.refused[0].fault


def test_one_case_with_two_outcomes_on_a_day_is_worth_a_word(here: Installation) -> None:
    enrol(here, "one")
    made = feed.plan(here, feed_of([line(1, "one", "acquitted"), line(2, "one", "convicted_final")]), NOW)
    (note,) = made.notes
    assert note.startswith("lines 2, 3: one case has different outcomes on one day; the one that discloses less counts")


@pytest.mark.parametrize("by", ["", "  "])
def test_somebody_answers_for_a_feed(here: Installation, by: str) -> None:
    with pytest.raises(FeedError, match=r"expected the name of whoever answers for the feed.*\(Art\. 4\(2\)\)"):
        apply(here, by=by)


# What changed since the dry run


def test_a_plan_of_another_gallery_day_or_file_is_not_applied(here: Installation) -> None:
    enrol(here, "one")
    lines = [line(1, "one", "acquitted")]
    code = feed.plan(here, feed_of(lines), NOW).code
    enrol(here, "two")
    with pytest.raises(ChangedError, match=r"the plan that was looked at; the gallery changed since.*`pcsc feed diff`"):
        apply(here, *lines, code=code)
    code = feed.plan(here, feed_of(lines), NOW).code
    service.update(here, "two", write_particulars(Particulars(standings(here)["two"], {}, ("pending",))))
    with pytest.raises(ChangedError, match="the gallery changed since"):
        apply(here, *lines, code=code)
    code = feed.plan(here, feed_of(lines), NOW).code
    with pytest.raises(ChangedError, match="the events changed since"):
        apply(here, *lines, line(2, "two", "acquitted"), code=code)
    with pytest.raises(ChangedError, match="the day changed since"):
        feed.apply(here, feed_of(lines), NOW + timedelta(days=1), by=BY, code=code)
    assert view(here) == {"one", "two"}
    apply(here, *lines, code=code)
    assert view(here) == {"two"}


class Meanwhile:
    """A store in which somebody else enrols a person before each of some transactions."""

    def __init__(self, here: Installation, names: list[str]) -> None:
        self._here, self._names = here, names

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        if self._names:
            enrol(self._here, self._names.pop())
        with self._here.store.transaction() as tx:
            yield tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._here.store, name)


def test_a_gallery_that_changes_while_the_feed_is_looked_at_is_looked_at_again_or_refused(here: Installation) -> None:
    enrol(here, "one")
    lines = [line(1, "one", "acquitted")]
    code = feed.plan(here, feed_of(lines), NOW).code
    busy = replace(here, store=Meanwhile(here, ["two"]))  # type: ignore[arg-type]
    with pytest.raises(ChangedError, match="the gallery changed since"):
        feed.apply(busy, feed_of(lines), NOW, by=BY, code=code)
    never = replace(here, store=Meanwhile(here, ["3", "4", "5"]))  # type: ignore[arg-type]
    with pytest.raises(
        ChangedError, match="the gallery changed 3 times while the feed was looked at: nothing was applied"
    ):
        feed.apply(never, feed_of(lines), NOW, by=BY, code=None)
    assert "one" in view(here)
    once = replace(here, store=Meanwhile(here, ["6"]))  # type: ignore[arg-type]
    made, _ = feed.apply(once, feed_of(lines), NOW, by=BY, code=None)
    assert "one" not in view(here)
    assert made.diff.persons_before == 6


# Applying


def test_the_same_event_twice_is_one(here: Installation) -> None:
    enrol(here, "one", "two")
    lines = [line(1, "one", "acquitted"), line(2, "two", "erased"), line(1, "one", "acquitted")]
    made, entered = apply(here, *lines)
    assert entered is not None
    assert (made.known, made.counts["events"], entered.number) == (1, 2, 1)
    before = revision(here)
    made, entered = apply(here, *lines)
    assert (made.known, made.moot, made.counts["events"], entered, revision(here)) == (2, 1, 0, None, before)
    with pytest.raises(
        FeedError, match="line 2: number: this is the source's number of an event that was applied before"
    ):
        apply(here, line(1, "one", "convicted_final"))
    apply(here, line(1, "one", "convicted_final").replace("NPA", "MOJ"))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_feeds_of_one_day_may_come_in_any_order(here: Installation, order: tuple[int, ...]) -> None:
    enrol(here, "one")
    feeds = (line(1, "one", "prosecuted"), line(2, "one", "convicted_not_final"), line(3, "one", "convicted_final"))
    for at in order:
        apply(here, feeds[at])
    (case,) = standings(here)["one"].cases
    assert case.disposition is Disposition.CONVICTED_FINAL


def test_4_2_whoever_is_erased_is_gone_with_the_key_of_the_prints(here: Installation) -> None:
    enrol(here, "one", "two")
    holdings = Holdings(here.store, here.settings.party, threads=1)
    assert (len(holdings), len(here.store._gallery.live())) == (2, 2)
    apply(here, line(1, "one", "died"))
    assert holdings.view(identified=False, on=NOW.date()).available == 1
    assert len(here.store._gallery.live()) == 1
    with here.store.transaction() as tx:
        assert (tx.names(), tx.planned("")) == ({"two"}, {})


def test_4_2_keys_that_a_process_left_behind_are_destroyed_by_a_running_service(here: Installation) -> None:
    enrol(here, "one", "two")
    with here.store.transaction() as tx:
        service.withdraw(tx, ["one"])  # and then it died
    assert len(here.store._gallery.live()) == 2
    disposal.worker(here, here.guard, name="duties").work(main.clock, main.boottime)
    assert len(here.store._gallery.live()) == 1
    with here.store.transaction() as tx:
        assert not [what for what in tx.planned("") if what.startswith("removed")]


# Afterwards


def test_annex_2_it_can_be_said_afterwards_why_somebody_was_in_view_at_a_time(here: Installation) -> None:
    enrol(here, "one")
    later = NOW + timedelta(hours=2)
    read = feed_of([line(1, "one", "acquitted")])
    _, entered = feed.apply(here, read, later, by=BY, code=None)
    assert entered is not None
    early = feed.explain(here, "one", NOW - timedelta(seconds=1))
    assert {each.clause for each in early.places.values()} == {"Art. 4(2)"}
    assert early.entered == ()
    before, after = (feed.explain(here, "one", at) for at in (later - timedelta(seconds=1), later))
    assert (before.places[True].clause, before.feeds) == ("Annex II 1(1)(b)(iii)", {})
    assert (after.places[True].in_view, after.feeds) == (False, {1: entered})
    assert [event.number for each in after.entered for event in each.events] == ["1"]
    assert (entered.by, entered.sha256, entered.revision) == (BY, read.sha256, revision(here))
    with here.store.reading() as tx:
        feeds = list(tx.feeds())
    assert feeds == [entered]
    assert feed.feed_before(feeds, entered.revision - 1, later) is None
    assert feed.feed_before(feeds, entered.revision + 5, later - timedelta(seconds=1)) is None
    assert feed.feed_before(feeds, entered.revision + 5, later) == entered


def test_what_is_stated_by_hand_is_in_the_history_too(here: Installation) -> None:
    enrol(here, "one")
    apply(here, line(1, "one", "acquitted"))
    service.update(here, "one", write_particulars(Particulars(standings(here)["one"], {"name": "Y"})))
    with here.store.reading() as tx:
        kept = dispositions.read_kept(tx.particulars("one"))
    assert [each.feed for each in kept.history] == [None, 1, None]
    assert kept.items == {"name": "Y"}


# Killed at any moment


@pytest.mark.parametrize("stride", [pytest.param(23, id="some"), pytest.param(1, id="each", marks=pytest.mark.long)])
def test_a_process_that_dies_while_it_applies_a_feed_leaves_all_of_it_or_nothing(tmp_path: Path, stride: int) -> None:
    make(tmp_path / "jp")
    with main.opened(tmp_path / "jp") as here:
        enrol(here, "one", "two", "three")
    lines = [line(1, "one", "acquitted"), line(2, "two", "erased"), line(3, "three", "convicted_final")]
    (tmp_path / "jp" / "feed.csv").write_text("\n".join([HEADER, *lines]))
    program = [sys.executable, "-m", "tests.contact_point.feeding", str(tmp_path / "jp"), str(stride)]
    left = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    before = {"one": ["pending"], "two": ["pending"], "three": ["pending"]}, 0
    after = {"one": ["acquitted"], "three": ["convicted_final"]}, 1
    states = [(each["persons"], each["feeds"]) for each in left]
    assert all(state in (before, after) for state in states)
    assert states == sorted(states, key=lambda state: state[1])
    assert [each["spare after a start"] for each in left] == [0] * len(left)
    assert states[0] == before
    assert states[-1] == after
    if stride == 1:
        assert any(each["spare"] and state == after for each, state in zip(left, states, strict=True))
