"""The decision trace: why an act was allowed, or not, in a form from which the decision can be made again.

Every admission, view, request, reply, refusal, deletion, use and release leaves a :class:`Trace`: the clause, the version of
the rules, the version of the arrangement, what the decision rested on and what came out. It is stored with its entry of the
record, so it serves what the record serves (Article 11(1)), and dies with it.

:func:`decide` makes a decision from its inputs alone, by the same rules that the life of the exchange calls. The functions
named after the decisions put what they are given into inputs and call it; :func:`replay` calls it again. So a replay that
comes out otherwise means that the trace, or a rule, is no longer what it was.

Inputs hold no content of a message: no text, no item, no name of a person. Where a rule counts characters they hold the count;
where it compares texts, whether they are the same; where it asks for an age, the age and not the date of birth.
:func:`redacted` leaves what the other Party may see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from pcsc.agreement import IN_FORCE_WITHOUT_NOTICE, Agreement
from pcsc.traces import deciding, facts
from pcsc.traces.deciding import FIELDS, OUTCOMES, Decision, Searched, TraceError, Under, View, rules_of, searched_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from annex import eligibility
    from annex.offences import Offence
    from annex.parameters import Party
    from pcsc import duties
    from pcsc.arrangement import Arrangement, Arrangements
    from pcsc.duties import Content
    from pcsc.exchange import Exchange, Side
    from pcsc.messages import ProvisionWithoutRequest, Query, Recipient, Reply, Request
    from pcsc.use import Information, Purpose

__all__ = ["Decision", "Trace", "TraceError", "View"]


class RulesChangedError(TraceError):
    """The rules of that day are, in this program, not those that the decision was made under."""


class ViewChangedError(TraceError):
    """The gallery is not the one that was searched, so what a query saw of it cannot be made out any more."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One decision. ``inputs`` and ``outcome`` hold JSON values only.

    Raises:
        TraceError: the time has no time zone.

    """

    decision: Decision
    clause: str
    """Under which it came out so, as an entry of the record cites it: "5(1)", "Annex II 1(1)(a)"."""
    rules: str
    """The version of the rules then in force; empty before the agreement was."""
    arrangement: str
    """The version of the arrangement; empty where the decision asks nothing of it."""
    at: datetime
    inputs: Mapping[str, Any]
    outcome: Mapping[str, Any]
    withheld: tuple[str, ...] = ()
    """What a redacted trace leaves out, by name; the same names for every trace of a decision, whatever it held."""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise TraceError(
                f"a decision is made at a moment: expected a time with its zone; got {self.at.isoformat()}: without one "
                "the rules of its day cannot be told (Art. 11(2)(2)): give the time in UTC"
            )

    def canonical(self) -> str:
        """Return the one JSON text of this trace."""
        values = {field.name: getattr(self, field.name) for field in fields(self)} | {"at": self.at.isoformat()}
        return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read(text: str) -> Trace:
    """Return the trace of a canonical text.

    Raises:
        TraceError: it is not the canonical text of a trace; the message says where.

    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_one(f"JSON; it is none ({type(error).__name__})") from None
    names = {field.name for field in fields(Trace)}
    if not isinstance(value, dict) or value.keys() != names:
        got = ", ".join(sorted(value)) or "nothing" if isinstance(value, dict) else f"a {type(value).__name__}"
        raise _not_one(f"an object with {', '.join(sorted(names))}; got {got[:200]}")
    for name, (kind, called) in _KINDS.items():
        if not isinstance(value[name], kind):
            raise _not_one(f"{name} as {called}; got a {type(value[name]).__name__}")
    if not all(isinstance(each, str) for each in value["withheld"]):
        raise _not_one("withheld as a list of texts; something else is in it")
    try:
        made = Trace(
            decision=Decision(value["decision"]),
            at=datetime.fromisoformat(value["at"]),
            withheld=tuple(value["withheld"]),
            **{name: value[name] for name in ("clause", "rules", "arrangement", "inputs", "outcome")},
        )
        again = made.canonical()
    except TraceError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise _not_one(f"a decision among {', '.join(Decision)} and a time as ISO 8601; {error}") from None
    if again != text:
        raise _not_one("its one text: keys in order, no space, nothing twice; it is written otherwise")
    return made


_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    **dict.fromkeys(("decision", "clause", "rules", "arrangement", "at"), (str, "a text")),
    **dict.fromkeys(("inputs", "outcome"), (dict, "an object")),
    "withheld": (list, "a list"),
}


def _not_one(expected: str) -> TraceError:
    return TraceError(
        f"this is not the trace of a decision: expected {expected}; a trace is stored as it was made (Art. 11(1)): verify "
        "the record that it stands in with `pcsc record verify`"
    )


# Making a decision


def decide(
    decision: Decision,
    inputs: Mapping[str, Any],
    at: datetime,
    *,
    arrangement: Arrangement | None = None,
    searched: Searched | None = None,
) -> Trace:
    """Make a decision from its inputs, under the rules in force on the day.

    Raises:
        TraceError: the inputs are not those of such a decision, or it needs the arrangement, or what was searched.

    """
    clause, outcome = deciding.outcome_of(decision, inputs, Under(at, arrangement, searched))
    cited = "" if arrangement is None else arrangement.version
    return Trace(decision, clause, rules_of(at), cited, at, inputs, outcome)


def admission(
    query: Query,
    side: Side,
    arrangement: Arrangement,
    *,
    made_today: int,
    circumstances: int | None = None,
    said_elsewhere: int = 0,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
    now: datetime,
) -> Trace:
    """Admit a query or not: Articles 1(3), 4(3), 4(7), 13(2) and 15, as :func:`pcsc.life.open_query` and ``receive_query``.

    ``circumstances`` is the length in characters of the particular circumstances and ``said_elsewhere`` the number of queries
    of other cases that say the same: the querying side alone knows both.

    Raises:
        TraceError: the querying side does not say how long the circumstances are.

    """
    inputs = {
        "side": side.value,
        "querying": query.querying.value,
        "identified": query.identified,
        "search": query.search.value,
        "expectation": query.expectation.value,
        "basis": facts.from_basis(query.basis),
        "circumstances": circumstances,
        "said_elsewhere": said_elsewhere,
        "made_today": made_today,
        "termination": facts.from_agreement(agreement),
    }
    return decide(Decision.ADMISSION, inputs, now, arrangement=arrangement)


def view(
    queried: Party,
    *,
    identified: bool,
    searched: View,
    standing: eligibility.Standing | None,
    now: datetime,
) -> Trace:
    """Say what a query was let see: Article 4(2) with Annex II. ``standing`` is that of the person who matched, if one did."""
    inputs = {
        "queried": queried.value,
        "identified": identified,
        "standing": None if standing is None else facts.from_standing(standing, now.date()),
    }
    return decide(Decision.VIEW, inputs, now, searched=searched_of(searched))


def request(
    exchange: Exchange,
    message: Request,
    arrangement: Arrangement,
    *,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
    now: datetime,
) -> Trace:
    """Make, or take in, a request or not: Article 5(1), as :func:`pcsc.life.request`; ``exchange`` as it is before."""
    inputs = {
        "side": exchange.side.value,
        "querying": exchange.querying.value,
        "state": exchange.state.value,
        "of_this_match": exchange.article == 4 and message.reference == exchange.reference is not None,
        "basis": facts.from_basis(message.notification.basis),
        "items": list(message.notification.items),
        "risk": len(message.risk.strip()) if message.risk else None,
        "termination": facts.from_agreement(agreement),
    }
    return decide(Decision.REQUEST, inputs, now, arrangement=arrangement)


def provision_without_request(
    message: ProvisionWithoutRequest,
    side: Side,
    arrangement: Arrangement,
    *,
    said_elsewhere: int = 0,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
    now: datetime,
) -> Trace:
    """Give, or take in, information without request or not: Article 6, as :func:`pcsc.life.provide_unasked`."""
    inputs = {
        "side": side.value,
        "providing": message.providing.value,
        "expectation": message.expectation.value,
        "basis": facts.from_basis(message.basis),
        "given": [item.kind for item in message.items],
        "offered": list(message.offered),
        "conditions": facts.from_conditions(message.conditions),
        "said_elsewhere": said_elsewhere,
        "termination": facts.from_agreement(agreement),
    }
    return decide(Decision.PROVISION_WITHOUT_REQUEST, inputs, now, arrangement=arrangement)


def reply(
    exchange: Exchange,
    message: Reply,
    arrangement: Arrangement,
    *,
    available: Sequence[str] | None,
    decided_by: str,
    agreement: Agreement = IN_FORCE_WITHOUT_NOTICE,
    now: datetime,
) -> Trace:
    """Answer a request, item by item: Articles 5(2)-(5), 8(8) and 15(4), as :func:`pcsc.life.reply`.

    ``exchange`` is as it was before. ``available`` are the kinds that were there at the time of receipt of the request; None
    on the querying side, which cannot know. ``decided_by`` is who decided here; empty where the other Party did.
    """
    inputs = {
        "side": exchange.side.value,
        "state": exchange.state.value,
        "of_this_request": (message.request, message.reference) == (exchange.request, exchange.reference),
        "requested": list(exchange.requested_items),
        "available": None if available is None else list(available),
        "given": [item.kind for item in message.items],
        "offered": list(message.offered),
        "conditions": facts.from_conditions(message.conditions),
        "refusals": [{"ground": each.ground.value, "item": each.item} for each in message.refusals],
        "decided_by": decided_by,
        "termination": facts.from_agreement(agreement),
    }
    return decide(Decision.REPLY, inputs, now, arrangement=arrangement)


def refusal(message: str, *, article: str, code: str, now: datetime) -> Trace:
    """Do not accept a message of the other Party: ``message`` is its kind, article and code are those of the error."""
    inputs = {"message": message, "article": article, "code": code}
    return decide(Decision.REFUSAL, inputs, now)


def deletion(standing: duties.Standing, kind: Content, *, now: datetime) -> Trace:
    """Destroy content or not: Articles 8(1), 8(2), 8(9) and 10(2), as :func:`pcsc.duties.permitted_in`."""
    return decide(Decision.DELETION, facts.from_holding(standing) | {"kind": kind.value}, now)


def use(
    information: Information,
    purpose: Purpose,
    *,
    by: Party,
    political: bool,
    offences: Sequence[Offence] = (),
    stated: str = "",
    now: datetime,
) -> Trace:
    """Use information or not: Articles 8(3), 8(5), 8(6), 8(8), 10(2) and 13(2), as :func:`pcsc.use.may_use`."""
    inputs = {
        "information": facts.from_information(information, lambda consent: consent.purpose == stated),
        "purpose": purpose.value,
        "by": by.value,
        "political": political,
        "offences": facts.from_offences(offences),
        "stated": bool(stated),
    }
    return decide(Decision.USE, inputs, now)


def release(information: Information, recipient: Recipient, *, by: Party, law: str = "", now: datetime) -> Trace:
    """Release information or not: Article 8(7), as :func:`pcsc.use.may_release`. The recipient's name stays out of it."""
    inputs = {
        "information": facts.from_information(information, lambda consent: consent.recipient == recipient),
        "recipient": recipient.kind.value,
        "by": by.value,
        "law": law,
    }
    return decide(Decision.RELEASE, inputs, now)


# Making it again


class ViewNow(Protocol):
    """What a query would be let see of the gallery as it is: Annex II as it stood on a day."""

    def __call__(self, *, identified: bool, on: date) -> View:
        """Return the view of such a query, had it come on that day."""


def replay(trace: Trace, arrangements: Arrangements, *, view_now: ViewNow | None = None) -> Trace:
    """Make the decision of ``trace`` again, under the rules and the arrangement then in force.

    What comes back equals ``trace``, bit for bit in its canonical text, unless the trace was changed or a rule gives another
    answer than it did. Of a view, the matched person's standing is judged again in any case; what else was searched, only by
    ``view_now`` and while the gallery is the same.

    Raises:
        RulesChangedError: this program has other rules for that day.
        ViewChangedError: the gallery changed since, or was not given; no difference was found in what could be judged.
        NoArrangementError: the arrangement's version is not held.
        TraceError: the trace is redacted, or its inputs are not those of such a decision.

    """
    if trace.withheld:
        raise TraceError(
            f"a decision is made again from all that it rested on; this trace is the other Party's, without "
            f"{', '.join(trace.withheld)}: use the one in the record"
        )
    if (known := rules_of(trace.at)) != trace.rules:
        raise RulesChangedError(
            f"the decision of {trace.at.isoformat()} was made under the rules of {trace.rules or 'no version'}; this program "
            f"has those of {known or 'no version'} for that day: an amended rule is a new dated value, and an old one stays "
            "(Art. 15(3)): use a program that keeps it"
        )
    arrangement = arrangements.version(trace.arrangement) if trace.arrangement else None
    searched = deciding.searched_in(trace.outcome) if trace.decision is Decision.VIEW else None
    again = decide(trace.decision, trace.inputs, trace.at, arrangement=arrangement, searched=searched)
    if searched is None or again != trace:
        return again
    now = _searched_again(trace, searched, view_now)
    return decide(trace.decision, trace.inputs, trace.at, arrangement=arrangement, searched=now)


def _searched_again(trace: Trace, before: Searched, view_now: ViewNow | None) -> Searched:
    """Return what the query of ``trace`` would be let see now, if it is the same gallery."""
    found = None
    if view_now is not None:
        found = searched_of(view_now(identified=trace.inputs["identified"], on=trace.at.date()))
    if found is None or found.revision != before.revision:
        judged = "the matched person's standing gives the same answer; " if trace.inputs["standing"] is not None else ""
        which = "no gallery is open here" if found is None else f"it is at revision {found.revision} now"
        raise ViewChangedError(
            f"{judged}which of the prints were searched can be made out again while the gallery is at revision "
            f"{before.revision}, as it was then, and {which}: Annex II looks at a person as things stand at the query, and "
            "no older state is kept"
        )
    return found


# For the other Party


_SHOWN: Final[Mapping[Decision, tuple[str, ...]]] = {
    # What stands in the messages that the other Party has itself, and what the two arranged.
    Decision.ADMISSION: (
        *("side", "querying", "identified", "search", "expectation", "basis", "made_today", "termination"),
        *("admitted", "article", "code", "findings", "asked", "allowed"),
    ),
    # Excluded, absent and below threshold look the same (Art. 4(4)), so nothing of what was searched, nor why.
    Decision.VIEW: ("queried", "identified"),
    Decision.REQUEST: (
        *("side", "querying", "of_this_match", "basis", "items", "termination"),
        *("admitted", "article", "code", "findings", "asked"),
    ),
    Decision.PROVISION_WITHOUT_REQUEST: (
        *("side", "providing", "expectation", "basis", "given", "offered", "conditions", "termination"),
        *("admitted", "article", "code", "findings", "asked"),
    ),
    Decision.REPLY: (
        *("side", "of_this_request", "termination", "requested", "given", "offered", "conditions", "refusals"),
        *("admitted", "article", "code", "items"),
    ),
    Decision.REFUSAL: ("message", "article", "code", "accepted"),
    Decision.DELETION: ("side", "kind", "destroyed"),
    Decision.USE: ("purpose", "by", "allowed"),
    Decision.RELEASE: ("recipient", "by", "allowed"),
}
"""What the other Party may see of each decision; everything else, also what is added one day, is withheld."""


def redacted(trace: Trace) -> Trace:
    """Return what the other Party may see of a decision of ours; ``withheld`` names the rest.

    Nobody's officers, no threshold, and of a view neither reasons nor numbers: they would tell what the view hides.
    """
    shown = frozenset(_SHOWN[trace.decision])
    withheld = [f"inputs.{name}" for name in FIELDS[trace.decision] if name not in shown]
    withheld += [f"outcome.{name}" for name in OUTCOMES[trace.decision] if name not in shown]
    return replace(
        trace,
        # The clause of a view is the class that the matched person is in.
        clause="Annex II" if trace.decision is Decision.VIEW else trace.clause,
        inputs={name: value for name, value in trace.inputs.items() if name in shown},
        outcome={name: value for name, value in trace.outcome.items() if name in shown},
        withheld=tuple(withheld),
    )
