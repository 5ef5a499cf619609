"""A feed of dispositions on its way into our own gallery: looked at, tried, and applied whole or not at all.

1. :func:`plan` holds a file against the gallery as it is: which lines are refused, what is known already, and who enters and
   leaves the views of Annex II if it were applied. Nothing is written.
2. :func:`apply` does that: every standing, every removal and the entry of the feed in one transaction, and its diff is that of
   the plan. With a plan's code it is refused where the gallery, the file or the day is another one (:class:`ChangedError`).
3. From then on no query finds who left (Article 4(2)); the keys of who was removed are destroyed before :func:`apply` returns,
   or by the worker of a running service where this process dies first.
4. :func:`explain` says afterwards whether somebody was in view at a time, and by which events.

Files of events are read by :mod:`contact_point.feed_files`; what events mean is in :mod:`contact_point.dispositions`.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from contact_point import availability, dispositions, service
from contact_point.availability import Change, Diff, Known, Place
from contact_point.dispositions import Event, Kept, Kind
from contact_point.feed_files import FeedError, FeedFile, Line, refused
from contact_point.store import Applied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from contact_point.service import Installation
    from contact_point.store import Transaction

DAYS_AHEAD: Final = 30
"""How far a plan looks for what changes by time alone, unless told otherwise."""

_TRIES: Final = 3  # of an application that may be made anew when the gallery changes meanwhile


class ChangedError(FeedError):
    """The gallery, the file or the day is not the one of the dry run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a feed would do to the gallery as it is. ``new`` are the lines that would be applied, ``refused`` all that cannot.

    ``known`` counts events that were applied before, ``moot`` those about persons who were removed; both are passed over.
    ``removed`` are the persons whose prints would be erased; ``matched`` names the exchanges in which the prints matched of
    somebody whom it is about, as what was told may be wrong now (Article 10(1)). ``ahead`` is what time alone changes after it.
    """

    on: date
    base: str
    sha256: str
    new: tuple[Line, ...]
    refused: tuple[Line, ...]
    known: int
    moot: int
    removed: tuple[str, ...]
    diff: Diff
    ahead: tuple[Change, ...]
    matched: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    @property
    def code(self) -> str:
        """What tells this plan from every other: the day, the gallery that it is of, and the events."""
        events = "\n".join(sorted(repr(line.event) for line in self.new))
        return f"{self.on}/{self.base[:16]}/{hashlib.sha256(events.encode()).hexdigest()[:16]}"

    @property
    def counts(self) -> dict[str, int]:
        """How many of each there are; it names nobody."""
        found = {"events": len(self.new), "persons": len(_by_subject(self.new)), "removed": len(self.removed)}
        found |= {"refused": len(self.refused), "known": self.known, "moot": self.moot}
        for count in self.diff.counts:
            view = "identified" if count.identified else "unidentified"
            found |= {f"{view}_enters": count.enters, f"{view}_leaves": count.leaves, f"{view}_changes": count.changes}
        return found


@dataclass(frozen=True, slots=True)
class _Gallery:
    """Who is enrolled at one moment, with what is kept of them, and who was and is no more."""

    base: str
    kept: Mapping[str, Kept]
    persons: Mapping[str, Known]
    gone: frozenset[str]


def _gallery(tx: Transaction) -> _Gallery:
    kept, persons = {}, {}
    for name, each in tx.standings():
        kept[name] = dispositions.read_kept(each.particulars)
        persons[name] = Known(kept[name].standing, each.shown)
    return _Gallery(tx.gallery_digest(), kept, persons, tx.removed())


def known_persons(here: Installation) -> dict[str, Known]:
    """Return everybody who is enrolled, as Annex II asks about them. Costs a decryption for each."""
    with here.store.reading() as tx:
        return dict(_gallery(tx).persons)


def plan(here: Installation, feed: FeedFile, now: datetime, *, days: int = DAYS_AHEAD) -> Plan:
    """Return what a feed would do to the gallery as it is at ``now``; nothing is written. Costs a decryption for each person.

    Raises:
        RecordError: the database cannot be read.

    """
    return _planned(here, feed, now, days)[0]


def _planned(here: Installation, feed: FeedFile, now: datetime, days: int) -> tuple[Plan, dict[str, Kept | None]]:
    """Return the plan, and what is kept afterwards of everybody whom it concerns."""
    party, on = here.settings.party, now.date()
    with here.store.reading() as tx:
        gallery, number = _gallery(tx), tx.next_feed()
        sorted_out = _sorted_out(feed.lines, gallery)
        new = sorted_out.new
        matched = {
            subject: tuple(each.control_number for each in tx.matched(subject)) for subject in sorted(_by_subject(new))
        }
    after = {
        subject: dispositions.taken(gallery.kept[subject], events, feed=number, at=now)
        for subject, events in _by_subject(new).items()
    }
    changed = {
        subject: None if kept is None else replace(gallery.persons[subject], standing=kept.standing)
        for subject, kept in after.items()
    }
    then = {**gallery.persons, **changed}
    made = Plan(
        on=on,
        base=gallery.base,
        sha256=feed.sha256,
        new=new,
        refused=sorted_out.refused,
        known=sorted_out.known,
        moot=sorted_out.moot,
        removed=tuple(sorted(subject for subject, kept in after.items() if kept is None)),
        diff=availability.compare(gallery.persons, changed, party, on),
        ahead=availability.by_time({name: each for name, each in then.items() if each is not None}, party, on, days),
        matched={subject: numbers for subject, numbers in matched.items() if numbers},
        notes=(*feed.notes, *_of_one_day(new)),
    )
    return made, after


def _by_subject(lines: Iterable[Line]) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for line in lines:
        if line.event is not None:
            found[line.event.subject].append(line.event)
    return dict(found)


# Which lines can be applied


@dataclass(frozen=True, slots=True)
class _SortedOut:
    new: tuple[Line, ...]
    refused: tuple[Line, ...]
    known: int
    moot: int


def _sorted_out(lines: Sequence[Line], gallery: _Gallery) -> _SortedOut:
    """Divide lines into those that can be applied together, those that cannot be, and those that are passed over."""
    faulty = [line for line in lines if line.event is None]
    before = {event.key: event for kept in gallery.kept.values() for event in kept.events()}
    new: list[Line] = []
    first: dict[tuple[str, str], Line] = {}
    known = moot = 0
    for line in lines:
        if (event := line.event) is None:
            continue
        if (taken := before.get(event.key)) is not None or event.key in first:
            if event == (taken or first[event.key].event):
                known += 1
            else:
                faulty.append(refused(line, _other_content(first.get(event.key))))
        elif event.subject in gallery.kept:
            first[event.key] = line
            new.append(line)
        elif event.subject in gallery.gone:
            moot += 1
        else:
            faulty.append(refused(line, _NOBODY))
    while wrong := [*_withdrawing_nothing(new, before), *_of_no_case(new, gallery)]:
        faulty += wrong
        numbers = {line.number for line in wrong}
        new = [line for line in new if line.number not in numbers]  # what leaned on them is looked at again
    return _SortedOut(tuple(new), tuple(sorted(faulty, key=lambda line: line.number)), known, moot)


_NOBODY: Final = "subject: nobody is enrolled under this name: enrol the person first, or correct the name"


def _other_content(line: Line | None) -> str:
    where = "an event that was applied before" if line is None else f"the event on line {line.number}"
    return (
        f"number: this is the source's number of {where}, and says something else: an event is never changed; give another "
        "number, and withdraw the first one"
    )


def _withdrawing_nothing(new: Sequence[Line], before: Mapping[tuple[str, str], Event]) -> Iterator[Line]:
    """Yield the withdrawals of what this source did not say of this person."""
    known = {**before, **{line.event.key: line.event for line in new if line.event is not None}}
    for line in new:
        event = line.event
        if event is None or event.kind is not Kind.WITHDRAWN:
            continue
        of = known.get((event.source, event.withdraws))
        if of is None or of.subject != event.subject or of.kind is Kind.WITHDRAWN:
            yield refused(
                line,
                "withdraws: expected the number of an event that this source gave about this person, and no withdrawal; "
                "there is none: correct the number, or give the event again under another one",
            )


def _of_no_case(new: Sequence[Line], gallery: _Gallery) -> Iterator[Line]:
    """Yield the lines about a case that cannot be told from others."""
    lines: defaultdict[str, list[Line]] = defaultdict(list)
    for line in new:
        if line.event is not None:
            lines[line.event.subject].append(line)
    for subject, of_them in lines.items():
        kept = gallery.kept[subject]
        events = [line.event for line in of_them if line.event is not None]
        try:
            dispositions.taken(kept, events, feed=0, at=None)
        except dispositions.CaseError as error:
            about = [line for line in of_them if line.event is not None and line.event.case == error.case]
            # A withdrawal may take away what told the case from others.
            yield from (refused(line, f"case: {error}") for line in about or of_them)


def _of_one_day(new: Iterable[Line]) -> list[str]:
    """Return a word about each case that ends in two ways on one day."""
    lines: defaultdict[tuple[str, str, date], list[Line]] = defaultdict(list)
    for line in new:
        if line.event is not None and line.event.kind in dispositions.OUTCOMES:
            lines[line.event.subject, line.event.case, line.event.on].append(line)
    return [
        f"lines {', '.join(str(each.number) for each in said)}: one case has different outcomes on one day; the one that "
        "discloses less counts: give each charge a case of its own, if they are of several"
        for said in lines.values()
        if len({each.event.kind for each in said if each.event is not None}) > 1
    ]


# Applying


def apply(
    here: Installation, feed: FeedFile, now: datetime, *, by: str, code: str | None, skip_invalid: bool = False
) -> tuple[Plan, Applied | None]:
    """Apply a feed, and return what it did and how it is entered; None where it says nothing new, so that nothing is entered.

    ``code`` is that of the plan that somebody looked at; None applies whatever it comes to now. With ``skip_invalid`` the lines
    that are refused are left out, and otherwise they stop the others.

    Raises:
        FeedError: nobody is named, or lines are refused; nothing was applied.
        ChangedError: the gallery, the file or the day is not that of the plan; nothing was applied.
        RecordError: the database cannot be written; nothing was applied.

    """
    if not by.strip():
        raise FeedError(
            "expected the name of whoever answers for the feed: what is in view is explained by it (Art. 4(2))"
        )
    for _ in range(_TRIES):
        made, after = _planned(here, feed, now, 0)
        if made.refused and not skip_invalid:
            raise FeedError(told_refused(made.refused))
        if code is not None and code != made.code:
            raise ChangedError(_what_changed(code, made))
        if not made.new:
            return made, None
        with here.store.transaction() as tx:
            if tx.gallery_digest() != made.base:
                continue  # looked at again, outside: nobody waits for it, and with a code it is refused
            slots, entered = _enter(tx, made, after, by, now)
        service.destroy_removed(here, slots)
        return made, entered
    raise ChangedError(
        f"the gallery changed {_TRIES} times while the feed was looked at: nothing was applied; apply it again"
    )


def _enter(
    tx: Transaction, made: Plan, after: Mapping[str, Kept | None], by: str, now: datetime
) -> tuple[list[int], Applied]:
    """Write what a feed comes to; interrupted at any moment, nothing of it is there."""
    for subject, kept in after.items():
        if kept is not None:
            tx.update(subject, dispositions.write_kept(kept))
    slots = service.withdraw(tx, made.removed)
    entered = Applied(tx.next_feed(), now, by, made.sha256, tx.revision(), json.dumps(made.counts))
    tx.enter_feed(entered)
    return slots, entered


_TOLD: Final = 100  # faults in one message


def told_refused(lines: Sequence[Line]) -> str:
    """Return why lines are refused, a line each, up to a hundred of them."""
    told = [f"line {line.number}: {line.fault}" for line in lines[:_TOLD]]
    more = [f"and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
    head = f"lines of the feed that are refused: {len(lines)}; nothing was applied: correct them, or say --skip-invalid"
    return "\n".join([head, *told, *more])


def _what_changed(code: str, made: Plan) -> str:
    parts = zip(("day", "gallery", "events"), code.split("/"), made.code.split("/"), strict=False)
    other = [name for name, was, is_ in parts if was != is_] or ["code"]
    return (
        f"expected the plan that was looked at; the {' and the '.join(other)} changed since, so that other persons may enter "
        f"and leave the view (Annex II): look at it again with `pcsc feed diff`; its code is now {made.code}"
    )


# Afterwards


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a person stood in our views at a time, as it was known then, and what was entered of them up to then.

    ``feeds`` are the feeds among it. ``standing`` is None where the person was not enrolled yet.
    """

    party: Party
    at: datetime
    places: Mapping[bool, Place]
    entered: tuple[dispositions.Entered, ...]
    feeds: Mapping[int, Applied]


def explain(here: Installation, subject: str, at: datetime) -> Explanation:
    """Return whether an enrolled person was in view at a time, and by what; of who was removed nothing is kept to say it by.

    Raises:
        SubjectError: nobody of that name is enrolled.

    """
    with here.store.reading() as tx:
        listed = tx.listed(subject)
        feeds = {each.number: each for each in tx.feeds()}
    kept = dispositions.read_kept(listed.particulars)
    standing = dispositions.known_at(kept, at)
    known = None if standing is None else Known(standing, listed.shown)
    party = here.settings.party
    places = {each: availability.place(known, party, identified=each, on=at.date()) for each in availability.QUERIES}
    entered = tuple(each for each in kept.history if each.at is None or each.at <= at)
    numbers = {each.feed for each in entered}
    return Explanation(
        party, at, places, entered, {number: each for number, each in feeds.items() if number in numbers}
    )


def feed_before(applied: Iterable[Applied], revision: int, at: datetime) -> Applied | None:
    """Return the last feed that a gallery of this revision had taken in, or None; ``at`` is when its query was answered.

    The revisions of a gallery that was restored begin anew, and then the time tells one from another.
    """
    known = (each for each in applied if each.revision <= revision and each.at <= at)
    return max(known, key=lambda each: each.number, default=None)
