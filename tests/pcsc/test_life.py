"""The life of an exchange on both sides at once: any act of either side in any order, its messages late, lost or twice.

A state machine plays both contact points over the pure steps. It sends each message as the service does: the sender's step and
the message are one commit, a crash leaves the message on its way, and a message that comes again is answered from what was
answered before. After every step the promises of the agreement are looked at, in the words of the clauses that make them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from annex.parameters import Party, rules_in_force
from pcsc import duties, ledger, life, matters
from pcsc.agreement import Agreement, Termination
from pcsc.assistance import Emergency, EmergencyReview, Outcome
from pcsc.duties import Content, due, overstays
from pcsc.errors import OutOfOrderError, ReleaseError, TreatyError, UseError
from pcsc.exchange import NOT_ACCEPTED, Exchange, Matter, MatterKind, Release, Side, State
from pcsc.matters import Measure
from pcsc.messages import (
    PRINTS,
    Acceptance,
    CapacityAnswer,
    Conclusion,
    Condition,
    ConsentDecision,
    ConsentRequest,
    ConsentTo,
    CorrectionNotice,
    Determination,
    Explanation,
    ExplanationRequest,
    Fault,
    Item,
    Match,
    Message,
    NoMatch,
    Provision,
    ProvisionWithoutRequest,
    Query,
    Recipient,
    Reply,
    Request,
    ResultOfUse,
    ResultRequest,
    Use,
    Why,
)
from pcsc.use import Information, Purpose, Refusal, may_release, may_use
from tests.builders import (
    ARSON,
    CIRCUMSTANCES,
    EUROPOL,
    INTERPOL,
    NOW,
    SALT,
    acceptance,
    arrangement,
    capacity_answer,
    determination,
    match,
    no_match,
    notification,
    offer,
    provision,
    query,
    refusal,
    reply,
    request,
    unasked,
    unasked_offer,
)

if TYPE_CHECKING:
    from datetime import datetime

QUERYING, QUERIED = Side.QUERYING, Side.QUERIED
AGREED: Final = arrangement()
RULES: Final = rules_in_force(NOW.date())
HOLD: Final = timedelta(days=AGREED.follow_up_days)
HELD_PRINTS: Final = frozenset({Content.PROBE, Content.CANDIDATE, Content.PICTURE})
FROM_WHOM: Final = "the duty officer"
OTHER_USES: Final = ("An inquest.", "A claim of the insurer.")
RECIPIENTS: Final = (INTERPOL, EUROPOL)


def other(side: Side) -> Side:
    return QUERIED if side is QUERYING else QUERYING


@dataclass(frozen=True)
class Letter:
    """A message on its way, or, with ``refused``, the word that it was not accepted."""

    to: Side
    message: Message
    refused: bool = False


@dataclass(frozen=True)
class Parcel:
    """Information that came at one time, its conditions, and all that it might be used for when it came."""

    conditions: tuple[Condition, ...]
    first: frozenset[str]


Done = tuple[Exchange, Message | None]
Act = Callable[["Life", Exchange], Done]


_REQUESTED: Final = (
    (QUERYING, "examine: it is"),
    (QUERYING, "determine to request"),
    (QUERYING, "request two, now"),
)
CALLED: Final = {
    "a query": (),
    "a match": ((QUERYING, "examine: it is"),),
    "nothing to request": ((QUERYING, "examine: it is not"), (QUERYING, "determine not to request")),
    "a determination to request": _REQUESTED[:2],
    "a request": _REQUESTED,
    "a reply": (*_REQUESTED, (QUERIED, "reply: give a part")),
    "a refusal": (*_REQUESTED, (QUERIED, "reply: refuse")),
    "an offer": (*_REQUESTED, (QUERIED, "reply: offer")),
    "a provision": (*_REQUESTED, (QUERIED, "reply: offer"), (QUERYING, "accept")),
    "a second request": (*_REQUESTED, (QUERIED, "reply: offer"), (QUERYING, "accept"), (QUERYING, "request a name")),
    "a hold that lapsed": (*_REQUESTED[:2], (QUERIED, "a month later"), (QUERIED, "lapse")),
    "a release": (
        *_REQUESTED,
        (QUERIED, "reply: give"),
        (QUERYING, "ask for consent to a release"),
        (QUERIED, "grant consent"),
        (QUERYING, "release to INTERPOL"),
        (QUERYING, "notify that the name is wrong"),
    ),
}
"""How far an exchange comes before anything may happen, and by which acts."""


class Life(RuleBasedStateMachine):
    """Both sides of one exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.sides: dict[Side, Exchange] = {}
        self.under_way: list[Letter] = []
        self.lost: list[Letter] = []
        self.arrived: list[Letter] = []
        self.answers: dict[str, Letter | None] = {}
        self.refused: set[str] = set()
        self.parcels: list[Parcel] = []
        self.agreement = Agreement()
        self.at_end: tuple[object, ...] = ()
        self.last = ""
        self.looked_at: tuple[object, ...] = ()
        self.count = 0
        self.ended_holds: dict[Side, set[Content]] = {side: set() for side in Side}
        self.permitted_before: dict[Side, frozenset[Content]] = {}
        self.due_before: dict[Side, dict[tuple[str, str], datetime]] = {}

    # What the two sides do

    def number(self) -> str:
        self.count += 1
        return f"NUMBER-{self.count:04d}"

    @initialize(come_to=st.sampled_from(["a provision without request", "an offer without request", *CALLED]))
    def begin(self, come_to: str) -> None:
        """Open the exchange and come as far as drawn, so that what is rare is reached often enough."""
        if come_to in CALLED:
            opening: Message = query()
            at = life.open_query(query(), CIRCUMSTANCES, AGREED, made_today=0, now=self.now)
        else:
            opening = unasked() if come_to.startswith("a provision") else unasked_offer()
            at = life.provide_unasked(opening, QUERIED, AGREED, self.now)
        self.sides[at.side] = at
        self.under_way.append(Letter(other(at.side), opening))
        for side, name in CALLED.get(come_to, ()):
            self.everything_arrives(found=True)
            if name == "a month later":
                self.wait(24 * 31)
            else:
                assert self.step(side, name), (come_to, name)

    def step(self, side: Side, name: str) -> bool:
        """Take an act; whatever it says goes on its way with it. A refusal leaves everything as it was."""
        before = self.sides.get(side)
        if before is None:
            return False
        at_first = hash(before)
        try:
            after, message = ACTS[side][name](self, before)
        except TreatyError as error:
            refused_in_the_words_of_the_agreement(error)
            assert (self.sides[side], hash(before)) == (before, at_first)
            return False
        self.last = name
        self.sides[side] = after
        if message is not None:
            self.under_way.append(Letter(other(side), message))
        self.every_promise_is_kept()
        return True

    @rule(side=st.sampled_from(Side), data=st.data())
    def try_anything(self, side: Side, data: st.DataObject) -> None:
        self.step(side, data.draw(st.sampled_from(EVERYTHING[side])))

    @rule(side=st.sampled_from(Side), data=st.data())
    def go_on(self, side: Side, data: st.DataObject) -> None:
        self.take_one(side, ONWARD[side], data)

    @rule(side=st.sampled_from(Side), data=st.data())
    def go_on_and_hear(self, side: Side, data: st.DataObject) -> None:
        self.everything_arrives(found=True)
        self.take_one(side, ONWARD[side], data)
        self.everything_arrives(found=True)

    @rule(side=st.sampled_from(Side), data=st.data())
    def do_something_beside(self, side: Side, data: st.DataObject) -> None:
        self.take_one(side, BESIDE[side], data)

    def take_one(self, side: Side, names: tuple[str, ...], data: st.DataObject) -> None:
        """Take the first act that is allowed, from a drawn one on."""
        first = names.index(data.draw(st.sampled_from(names)))
        for name in (*names[first:], *names[:first]):
            if self.step(side, name):
                return

    @rule(hours=st.sampled_from([1, 24, 24 * 6, 24 * 31]))
    def wait(self, hours: int) -> None:
        self.last = "wait"
        self.now += timedelta(hours=hours)

    @precondition(lambda self: not self.at_end and self.now > NOW and self.count > 8)
    @rule()
    def terminate(self) -> None:
        """Three months ago one Party gave notice."""
        self.last = "terminate"
        self.agreement = Agreement(Termination(Party.US, (self.now - timedelta(days=93)).date(), "note verbale 17"))
        assert self.agreement.ended(self.now)
        given = self.sides.get(QUERIED)
        self.at_end = (given and given.request, given and given.provided_at, given and given.offered)

    # What comes over

    @precondition(lambda self: self.under_way)
    @rule(found=st.sampled_from([True, True, False]))
    def everything_arrives(self, found: bool) -> None:
        for _ in range(20):
            if not self.under_way:
                return
            self.deliver(0, found)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 9), found=st.booleans())
    def deliver(self, which: int, found: bool) -> None:
        letter = self.under_way.pop(which % len(self.under_way))
        self.arrived.append(letter)
        self.take_in(letter, found)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 9))
    def lose(self, which: int) -> None:
        self.last = "lose"
        self.lost.append(self.under_way.pop(which % len(self.under_way)))

    @precondition(lambda self: self.lost)
    @rule(which=st.integers(0, 9))
    def send_again(self, which: int) -> None:
        self.last = "send again"
        self.under_way.append(self.lost.pop(which % len(self.lost)))

    @precondition(lambda self: self.arrived)
    @rule(which=st.integers(0, 99), found=st.booleans())
    def deliver_twice(self, which: int, found: bool) -> None:
        self.take_in(self.arrived[which % len(self.arrived)], found)

    def take_in(self, letter: Letter, found: bool) -> None:
        """Take a message in as the inbox does: one that came before is answered as before, with no step of any exchange."""
        self.last = f"{type(letter.message).__name__} {'not accepted' if letter.refused else 'taken in'}"
        name = f"{letter.message.control_number} {type(letter.message).__name__}"
        if letter.refused:
            self.not_accepted(letter)
        elif name in self.answers and not isinstance(letter.message, ANSWERS):
            if (again := self.answers[name]) is not None:
                self.under_way.append(again)
        else:
            self.answers[name] = answer = self.answer(letter, found)
            if answer is not None:
                self.under_way.append(answer)
        self.every_promise_is_kept()

    def not_accepted(self, letter: Letter) -> None:
        self.refused.add(letter.message.control_number)
        try:
            self.sides[letter.to] = life.not_accepted(self.sides[letter.to], letter.message, self.now)
        except TreatyError as error:
            refused_in_the_words_of_the_agreement(error)

    def answer(self, letter: Letter, found: bool) -> Letter | None:
        before = self.sides.get(letter.to)
        try:
            after, message = self.taken(letter, before, found)
        except TreatyError as error:
            refused_in_the_words_of_the_agreement(error)
            assert self.sides.get(letter.to) == before
            self.turn_away(letter)
            self.explains_what_nothing_followed(letter)
            # The answer to a message is the end of its way; nothing goes back for it.
            return (
                None if isinstance(letter.message, ANSWERS) else Letter(other(letter.to), letter.message, refused=True)
            )
        self.sides[letter.to] = after
        if letter.to is QUERYING and (before is None or before.provided_at is None or after.offered != before.offered):
            self.note_parcel(before, after)
        return None if message is None else Letter(other(letter.to), message)

    def explains_what_nothing_followed(self, letter: Letter) -> None:
        """Article 4(6): who is asked "shall respond"; only a request that followed, or is about to, is a reason not to."""
        if isinstance(letter.message, ExplanationRequest):
            on_its_way = [each for each in (*self.under_way, *self.lost) if isinstance(each.message, Request)]
            assert on_its_way or self.sides[QUERIED].request is not None or self.sides[QUERYING].reference is None

    def turn_away(self, letter: Letter) -> None:
        """Keep the exchange of what was not admitted: it was received all the same (Article 11(1))."""
        if isinstance(letter.message, Query | ProvisionWithoutRequest) and letter.to not in self.sides:
            turned = life.turned_away(letter.message, AGREED, self.now)
            assert turned is not None
            self.sides[letter.to] = turned

    def taken(self, letter: Letter, at: Exchange | None, found: bool) -> Done:
        """Take the step that a message asks for: the same steps as the side that sent it took."""
        message, now = letter.message, self.now
        if isinstance(message, Query):
            opened = life.receive_query(message, AGREED, made_today=0, now=now, agreement=self.agreement)
            answer = match() if found else no_match()
            return life.answered(opened, answer, now), answer
        if isinstance(message, ProvisionWithoutRequest):
            return life.provide_unasked(message, QUERYING, AGREED, now, agreement=self.agreement), None
        if at is None:
            raise OutOfOrderError("it overtook what opens the exchange")
        if isinstance(message, Acceptance):
            return self.accepted(at, message)
        return TAKEN[type(message)](self, at, message), None

    def accepted(self, at: Exchange, message: Acceptance) -> Done:
        """Give what was offered with the acceptance of its conditions, in one step."""
        after = life.accept(at, message, self.now)
        if not message.accepted:
            return after, None
        given = provision(
            control_number=message.control_number,
            reply=message.reply,
            reference=message.reference,
            items=items(at.offered),
        )
        return life.provide(after, given, self.now, agreement=self.agreement), given

    def note_parcel(self, before: Exchange | None, after: Exchange) -> None:
        """Note what came, and what it may be used for now."""
        if after.provided_at == self.now and (before is None or before.provided_at != self.now):
            self.parcels.append(
                Parcel(after.conditions, allowed(replace(after, restricted=()), after.conditions, self))
            )

    # What the agreement promises, after every step

    @invariant()
    def every_promise_is_kept(self) -> None:
        looked_at = (*self.sides.values(), bool(self.under_way or self.lost), bool(self.at_end), self.now)
        if looked_at == self.looked_at:
            return
        self.looked_at = looked_at
        self.what_may_be_held_never_widens_again()
        self.the_queried_side_keeps_no_print_after_its_answer()
        self.the_querying_side_keeps_no_print_after_its_determination()
        self.every_hold_comes_to_an_end()
        self.information_is_held_where_it_was_provided_and_is_still_needed()
        self.a_duty_has_its_clause_and_its_time_and_is_not_put_off()
        self.what_information_may_be_used_for_never_widens_without_consent()
        self.after_the_end_nothing_is_requested_or_given()
        self.the_two_sides_agree_up_to_what_is_under_way()

    def what_may_be_held_never_widens_again(self) -> None:
        """Articles 8(1), 8(2): a print that is no longer permitted is never permitted again.

        What an answer, a snapshot or information is, is new each time: another answer, another request, another provision.
        """
        for side, at in self.sides.items():
            permitted = duties.permitted(at)
            self.ended_holds[side] |= (self.permitted_before.get(side, frozenset()) - permitted) & HELD_PRINTS
            assert not permitted & self.ended_holds[side], (self.last, at.state, permitted)
            self.permitted_before[side] = permitted

    def the_queried_side_keeps_no_print_after_its_answer(self) -> None:
        at = self.sides.get(QUERIED)
        if at is not None and (
            at.state in {State.NO_MATCH, State.NO_REQUEST, State.LAPSED, State.CLOSED} or at.reply is not None
        ):
            assert Content.PROBE not in duties.permitted(at)

    def the_querying_side_keeps_no_print_after_its_determination(self) -> None:
        at = self.sides.get(QUERYING)
        if at is not None and at.state not in {State.SENT, State.MATCH, State.EXAMINED}:
            assert not duties.permitted(at) & HELD_PRINTS

    def every_hold_comes_to_an_end(self) -> None:
        """By the hard stop after the answer; only a request that was taken in holds longer, and its reply is a duty."""
        for side, at in self.sides.items():
            if not duties.permitted(at) & HELD_PRINTS:
                continue
            if (side, at.state) == (QUERIED, State.REQUESTED):
                assert "5(2)" in {duty.article for duty in due(at, AGREED, RULES)}
            else:
                assert overstays(at, AGREED, (at.answered_at or at.opened_at) + HOLD)
        given = self.sides.get(QUERIED)
        if given is not None and given.state is State.PROVIDED and given.provided_at is not None:
            assert overstays(given, AGREED, given.provided_at + HOLD)  # our own copy of what we gave

    def information_is_held_where_it_was_provided_and_is_still_needed(self) -> None:
        at = self.sides.get(QUERYING)
        if at is not None and at.state in ENDED:
            assert not at.open_purposes
        if at is not None and Content.INFORMATION in duties.permitted(at):
            assert at.provided_at is not None
            assert at.open_purposes
            assert "8(9)" in {duty.article for duty in due(at, AGREED, RULES)}

    def a_duty_has_its_clause_and_its_time_and_is_not_put_off(self) -> None:
        for side, at in self.sides.items():
            found = {(duty.what, duty.matter): duty.by for duty in due(at, AGREED, RULES)}
            assert all(duty.article and duty.by.tzinfo for duty in due(at, AGREED, RULES))
            for key, by in self.due_before.get(side, {}).items():
                if key in found and found[key] > by:
                    assert may_put_off(key[0], self.last), (key, self.last, by, found[key])
            self.due_before[side] = found

    def what_information_may_be_used_for_never_widens_without_consent(self) -> None:
        at = self.sides.get(QUERYING)
        if at is None:
            return
        consented = {
            f"for {matter.purpose}" if matter.to is ConsentTo.USE else f"to {matter.recipient}"
            for matter in at.matters
            if matter.granted and matter.raised_by is at.ours
        }
        for parcel in self.parcels:
            may = allowed(at, parcel.conditions, self)
            assert may <= parcel.first | consented
            assert not {f"for {purpose}" for each in parcel.conditions for purpose in each.forbids} & may  # 8(8)
            assert not ("name" in at.restricted and may)  # 10(2): whatever else allows it

    def after_the_end_nothing_is_requested_or_given(self) -> None:
        at = self.sides.get(QUERIED)
        if self.at_end and at is not None:
            requested, provided_at, _ = self.at_end
            assert at.request == requested
            assert at.provided_at in {provided_at, None}

    def the_two_sides_agree_up_to_what_is_under_way(self) -> None:
        if self.under_way or self.lost or len(self.sides) < 2:
            return
        ours, theirs = self.sides[QUERYING], self.sides[QUERIED]
        if ours.state in TOGETHER:
            assert theirs.state in TOGETHER[ours.state], (ours.state, theirs.state)
            assert (ours.reference, ours.provided_at is None) == (theirs.reference, theirs.provided_at is None)
        if ours.state in ANSWERED_TOGETHER:
            assert (ours.request, ours.reply, ours.requested_items) == (
                theirs.request, theirs.reply, theirs.requested_items,
            )  # fmt: skip
            assert (ours.conditions, ours.offered) == (theirs.conditions, theirs.offered)
        # Art. 10(2): what a notice of ours is about is withheld here, also where the other side refused the notice.
        mine, other_ones = known(ours), known(theirs)
        alone = {
            number
            for number in mine.keys() ^ other_ones.keys()
            if number in self.refused and (mine | other_ones)[number][0] is MatterKind.CORRECTION
        }
        assert {number: mine[number] for number in mine.keys() - alone} == {
            number: other_ones[number] for number in other_ones.keys() - alone
        }


TAKEN: Final[dict[type[Message], Callable[[Life, Exchange, Any], Exchange]]] = {
    Match: lambda machine, at, message: life.answered(at, message, machine.now),
    NoMatch: lambda machine, at, message: life.answered(at, message, machine.now),
    Determination: lambda machine, at, message: life.determine(at, will_request=message.will_request, now=machine.now),
    Request: lambda machine, at, message: life.request(at, message, AGREED, machine.now, agreement=machine.agreement),
    CapacityAnswer: lambda machine, at, message: life.can_answer(at, message, machine.now),
    Reply: lambda machine, at, message: life.reply(at, message, machine.now, agreement=machine.agreement),
    Provision: lambda machine, at, message: life.provide(at, message, machine.now, agreement=machine.agreement),
    **dict.fromkeys(
        (ExplanationRequest, ResultRequest, ConsentRequest, CorrectionNotice),
        lambda machine, at, message: matters.raised(at, message, at.other, AGREED, machine.now),
    ),
    **dict.fromkeys(
        (Explanation, ResultOfUse, ConsentDecision),
        lambda machine, at, message: matters.settled(at, message, at.other, machine.now),
    ),
}

ANSWERS: Final = (Match, NoMatch, Provision)
"""What comes back at once, in answer to a message."""

ENDED: Final = {State.LAPSED, State.CLOSED}
TOGETHER: Final = {
    State.NO_MATCH: {State.NO_MATCH},
    State.MATCH: {State.MATCH, *ENDED},
    State.EXAMINED: {State.MATCH, *ENDED},
    State.NO_REQUEST: {State.NO_REQUEST, *ENDED},
    State.REQUESTED: {State.REQUESTED},
    State.OFFERED: {State.OFFERED},
    State.PROVIDED: {State.PROVIDED, *ENDED},
    State.REFUSED: {State.REFUSED, *ENDED},
    State.DECLINED: {State.DECLINED, *ENDED},
}
"""Where the queried side can stand when nothing is under way; each may end its own exchange by itself.

Not WILL_REQUEST: a request may have been turned away, and then the other side stands wherever it stood.
"""
ANSWERED_TOGETHER: Final = {State.REQUESTED, State.OFFERED, State.PROVIDED, State.REFUSED, State.DECLINED}


def known(at: Exchange) -> dict[str, tuple[object, ...]]:
    """Return what both sides know of the matters of an exchange; a measure (10(2)) is each side's own."""
    return {
        each.number: (each.kind, each.raised_by, each.to, each.purpose, each.recipient, each.concerns)
        + (() if each.kind is MatterKind.CORRECTION else (each.settled_at is None, each.outcome, each.granted))
        for each in at.matters
        if each.outcome != NOT_ACCEPTED
    }


def refused_in_the_words_of_the_agreement(error: TreatyError) -> None:
    assert error.article
    assert error.code
    assert str(error).startswith(f"Art. {error.article}: ")


def may_put_off(what: str, act: str) -> bool:
    """Whether an act puts a duty off by the clause that the duty is under, or because what was done has to be done anew."""
    if act.endswith("not accepted"):
        return True
    if what.startswith("review"):
        return act in {
            "review",
            "Reply taken in",
            "Provision taken in",
        }  # 8(9): it was reviewed; 5(2): more was provided
    if what.startswith("tell"):
        return act.startswith("measure")  # 10(2): there is another correction to tell of
    if what.startswith("US "):
        return act == "CapacityAnswer taken in"  # what the other side expects of itself; its time limit stays
    return False


def allowed(at: Exchange, conditions: tuple[Condition, ...], machine: Life) -> frozenset[str]:
    """Return everything that information under these conditions may be used for, and released to."""
    information = Information.provided_in(at, conditions, {"name"})
    purposes: list[tuple[Purpose, str]] = [(purpose, "") for purpose in Purpose if purpose is not Purpose.OTHER]
    purposes += [(Purpose.OTHER, stated) for stated in OTHER_USES]
    may = {
        f"for {stated or purpose}"
        for purpose, stated in purposes
        if not isinstance(used(information, purpose, stated, machine), Refusal)
    }
    return frozenset(
        may | {f"to {to}" for to in RECIPIENTS if not isinstance(released(information, to, machine), Refusal)}
    )


def used(information: Information, purpose: Purpose, stated: str, machine: Life) -> object:
    return may_use(information, purpose, by=Party.JP, political=False, offences=[ARSON], stated=stated, now=machine.now)


def released(information: Information, to: Recipient, machine: Life) -> object:
    return may_release(information, to, by=Party.JP, now=machine.now)


def items(kinds: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(Item(kind, "value") for kind in kinds)


# Acts, by the name under which they are tried


def examine(conclusion: Conclusion) -> Act:
    return lambda machine, at: (life.examine(at, conclusion, "examiner 7", machine.now), None)


def determine(will_request: bool) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        message = determination(
            control_number=machine.number(), reference=at.reference or "", will_request=will_request
        )
        return life.determine(at, will_request=will_request, now=machine.now), message

    return act


def ask(*kinds: str, risk: str = "") -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        message = request(
            control_number=machine.number(),
            reference=at.reference or "",
            notification=notification(items=kinds),
            risk=risk,
        )
        return life.request(at, message, AGREED, machine.now, agreement=machine.agreement), message

    return act


def answer(kind: str) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        kinds = at.requested_items
        said: dict[str, Any] = {
            "control_number": machine.number(),
            "request": at.request or "",
            "reference": at.reference or "",
        }
        message = {
            "give": lambda: reply(**said, items=items(kinds)),
            "offer": lambda: offer(**said, offered=kinds),
            "offer for nothing else": lambda: offer(**said, offered=kinds, forbids=("other", "serious-crime")),
            "refuse": lambda: reply(**said, items=(), refusals=(refusal(),)),
            "give a part": lambda: reply(
                **said, items=items(kinds[:1]), refusals=tuple(refusal(item=each) for each in kinds[1:])
            ),
        }[kind]()
        return life.reply(at, message, machine.now, agreement=machine.agreement), message

    return act


def say_when(machine: Life, at: Exchange) -> Done:
    message = capacity_answer(control_number=machine.number(), request=at.request or "", reference=at.reference or "")
    return life.can_answer(at, message, machine.now), message


def review_urgency(machine: Life, at: Exchange) -> Done:
    on = machine.now.date()
    stated = Emergency("A fire was announced for this evening.", FROM_WHOM, NOW)
    review = EmergencyReview(stated, Outcome.JUSTIFIED, "There was a fire.", "the inspector", on)
    return matters.urgency_reviewed(at, review, machine.now), None


def accept(accepted: bool) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        message = acceptance(
            control_number=machine.number(), reply=at.reply or "", reference=at.reference or "", accepted=accepted
        )
        return life.accept(at, message, machine.now), message

    return act


def use_for(purpose: Purpose, stated: str = "") -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        verdict = used(Information.provided_in(at, at.conditions, {"name"}), purpose, stated, machine)
        if isinstance(verdict, Refusal):
            raise UseError(verdict.reason, verdict.article)
        return ledger.use(at, Use(purpose.value, "8(5)", machine.now.date()), machine.now), None

    return act


def release_to(to: Recipient) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        verdict = released(Information.provided_in(at, at.conditions, {"name"}), to, machine)
        if isinstance(verdict, Refusal):
            raise ReleaseError(verdict.reason)
        return ledger.release(at, Release(to, "8(7)", machine.now, ("name",)), machine.now), None

    return act


def question(make: Callable[[Life, Exchange], Message]) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        if len(at.matters) >= 6:
            raise OutOfOrderError("six matters are enough for one life")
        message = make(machine, at)
        assert isinstance(message, ExplanationRequest | ResultRequest | ConsentRequest | CorrectionNotice)
        return matters.raised(at, message, at.ours, AGREED, machine.now), message

    return act


def head(machine: Life) -> tuple[str, datetime, str]:
    return machine.number(), machine.now, SALT


def consent_to_use(machine: Life, at: Exchange) -> Message:
    stated = OTHER_USES[len(at.matters) % 2]
    return ConsentRequest(*head(machine), at.reference or "", ConsentTo.USE, stated, ("name",), FROM_WHOM)


def consent_to_release(machine: Life, at: Exchange) -> Message:
    to = RECIPIENTS[len(at.matters) % 2]
    return ConsentRequest(*head(machine), at.reference or "", ConsentTo.RELEASE, "A notice.", ("name",), FROM_WHOM, to)


def notice(*concerns: str) -> Act:
    return question(
        lambda machine, at: CorrectionNotice(
            *head(machine), at.reference or "", concerns, Fault.UNRELIABLE, "Two records were merged.", FROM_WHOM
        )
    )


def waiting(at: Exchange, kind: MatterKind, *, raised_by_us: bool | None = False) -> Matter:
    """Return the first matter that waits for an act of this side."""
    for matter in at.matters:
        ours = matter.raised_by is at.ours
        if matter.kind is kind and matter.settled_at is None and raised_by_us in {None, ours}:
            return matter
    raise OutOfOrderError(f"no {kind} is open")


def explain(machine: Life, at: Exchange) -> Done:
    matter = waiting(at, MatterKind.EXPLANATION)
    purpose, why = matters.explanation_of(at)
    message = Explanation(
        *head(machine), matter.number, at.reference or "", purpose, why or Why.OTHER, "So.", FROM_WHOM
    )
    return matters.settled(at, message, at.ours, machine.now), message


def tell_result(machine: Life, at: Exchange) -> Done:
    matter = waiting(at, MatterKind.RESULT)
    message = ResultOfUse(*head(machine), matter.number, at.reference or "", at.uses)
    return matters.settled(at, message, at.ours, machine.now), message


def decide(granted: bool) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        matter = waiting(at, MatterKind.CONSENT)
        message = ConsentDecision(*head(machine), matter.number, at.reference or "", granted, "Sealed.", FROM_WHOM)
        return matters.settled(at, message, at.ours, machine.now), message

    return act


def take_measure(measure: Measure) -> Act:
    def act(machine: Life, at: Exchange) -> Done:
        matter = waiting(at, MatterKind.CORRECTION, raised_by_us=None)
        return matters.measure_taken(at, matter.number, measure, machine.now), None

    return act


def tell(to: Recipient) -> Act:
    return lambda machine, at: (matters.told(at, to.name, machine.now), None)


def lapse(machine: Life, at: Exchange) -> Done:
    """End a hold at its hard stop, as the service does without being asked."""
    if not overstays(at, AGREED, machine.now):
        raise OutOfOrderError("no hold has reached its hard stop")
    after = life.lapse(at, machine.now)
    assert not overstays(after, AGREED, machine.now)
    return after, None


BOTH: Final[dict[str, Act]] = {
    "lapse": lapse,
    "close": lambda machine, at: (life.close(at, machine.now), None),
    "ask for consent to a release": question(consent_to_release),
    "grant consent": decide(granted=True),
    "withhold consent": decide(granted=False),
    "notify that the name is wrong": notice("name"),
    "notify that the prints are unreliable": notice(PRINTS),
    "notify that both are": notice("name", PRINTS),
    "measure: correct": take_measure(Measure.CORRECTION),
    "measure: delete": take_measure(Measure.DELETION),
    "measure: do not disclose": take_measure(Measure.NON_DISCLOSURE),
    "tell INTERPOL": tell(INTERPOL),
    "tell Europol": tell(EUROPOL),
    "release to INTERPOL": release_to(INTERPOL),
    "release to Europol": release_to(EUROPOL),
}
ACTS: Final[dict[Side, dict[str, Act]]] = {
    QUERYING: BOTH
    | {
        "examine: it is": examine(Conclusion.IDENTIFICATION),
        "examine: it is not": examine(Conclusion.EXCLUSION),
        "determine to request": determine(will_request=True),
        "determine not to request": determine(will_request=False),
        "request a name": ask("name"),
        "request two, now": ask("name", "aliases", risk="A fire was announced for this evening in the station."),
        "accept": accept(accepted=True),
        "decline": accept(accepted=False),
        "ask for consent to a use": question(consent_to_use),
        "explain": explain,
        "tell the result": tell_result,
        "enter a result": lambda machine, at: (ledger.result(at, len(at.uses), "He was charged.", machine.now), None),
        "review": lambda machine, at: (ledger.review(at, "the head of unit", machine.now), None),
    }
    | {f"use: {purpose}": use_for(purpose) for purpose in Purpose if purpose is not Purpose.OTHER}
    | {f"use: {stated}": use_for(Purpose.OTHER, stated) for stated in OTHER_USES}
    | {
        f"end: {purpose}": (lambda machine, at, purpose=purpose: (ledger.end_purpose(at, purpose, machine.now), None))
        for purpose in Purpose
    },
    QUERIED: BOTH
    | {f"reply: {kind}": answer(kind) for kind in ("give", "offer", "offer for nothing else", "refuse", "give a part")}
    | {
        "say when": say_when,
        "review urgency": review_urgency,
        "ask for an explanation": question(lambda machine, at: ExplanationRequest(*head(machine), at.reference or "")),
        "ask for the result": question(lambda machine, at: ResultRequest(*head(machine), at.reference or "")),
    },
}

EVERYTHING: Final = {side: tuple(sorted(acts)) for side, acts in ACTS.items()}
ONWARD: Final = {
    QUERYING: tuple(
        name
        for name in EVERYTHING[QUERYING]
        if name.startswith(("examine: it is", "determine", "request", "accept", "decline", "use"))
    ),
    QUERIED: tuple(name for name in EVERYTHING[QUERIED] if name.startswith("reply")),
}
BESIDE: Final = {side: tuple(name for name in names if name not in ONWARD[side]) for side, names in EVERYTHING.items()}

QUICK: Final = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_3_4_both_sides_keep_every_promise_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(Life, settings=QUICK)


@pytest.mark.long
def test_3_4_and_keep_them_in_ten_thousand_lives() -> None:
    run_state_machine_as_test(Life, settings=settings(QUICK, max_examples=10_000))
