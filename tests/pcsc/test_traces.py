"""Decision traces: each decision comes out again bit for bit, is told in both languages, and tells the other Party no more."""

# ruff: noqa: RUF001 - Japanese has its own digits and brackets

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex import parameters
from annex.eligibility import Case, Disposition, Standing, available
from annex.offences import Category, Form, Offence, Penalty
from annex.parameters import IN_FORCE, AgeReference, Party, rules_in_force
from pcsc import duties, life, traces
from pcsc.agreement import Agreement, Termination
from pcsc.arrangement import Arrangements
from pcsc.duties import Content
from pcsc.errors import NoArrangementError, TreatyError
from pcsc.exchange import Side, State
from pcsc.messages import (
    Activity,
    Basis,
    Condition,
    ConsentTo,
    Expectation,
    Ground,
    Item,
    ProvisionWithoutRequest,
    Recipient,
    RecipientKind,
    Search,
)
from pcsc.traces import (
    Decision,
    RulesChangedError,
    Trace,
    TraceError,
    ViewChangedError,
    deciding,
    facts,
    read,
    redacted,
    replay,
    terms,
)
from pcsc.traces.deciding import FIELDS, OUTCOMES
from pcsc.traces.terms import Language
from pcsc.traces.wording import cited, heading, words
from pcsc.use import Consent, Information, Permission, Purpose, may_release, may_use
from tests.builders import (
    CIRCUMSTANCES,
    INSULT,
    NOW,
    POLICE,
    SALT,
    US_ARSON,
    arrangement,
    basis,
    exchange,
    notification,
    offer,
    query,
    refusal,
    reply,
    request,
)
from tests.kept import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AGREED: Final = arrangement()
KEPT: Final = Path(__file__).parent / "kept"
LATER: Final = arrangement(version="test-2", in_force_from=date(2027, 1, 1))
HELD: Final = Arrangements((AGREED, LATER))
ENDED: Final = Agreement(Termination(Party.US, date(2026, 1, 1), "note verbale 26-1"))
EARLY: Final = datetime(2019, 1, 4, tzinfo=UTC)
INTERPOL: Final = Recipient(RecipientKind.BODY, "INTERPOL")
CLERK: Final = Recipient(RecipientKind.AUTHORITY, "Prosecutor's Office")
GIVEN: Final = Information(5)
BOUND: Final = Information(5, conditions=(Condition("Not for immigration.", ("immigration",)),))
CONSENTED: Final = Information(
    6,
    consents=(
        Consent(ConsentTo.USE, "a missing person", None, NOW - timedelta(days=1)),
        Consent(ConsentTo.RELEASE, "", INTERPOL, NOW - timedelta(days=1)),
    ),
)


@dataclass(frozen=True)
class View:
    """What a query could search."""

    revision: int = 7
    persons: int = 3
    available: int = 2
    digest: str = "5e" * 32


def admission(
    side: Side = Side.QUERIED, *, made: int = 0, said: int | None = None, now: datetime = NOW, **more: Any
) -> Trace:
    said = 60 if said is None and side is Side.QUERYING else said
    outside = {name: more.pop(name) for name in ("agreement", "said_elsewhere") if name in more}
    return traces.admission(query(**more), side, AGREED, made_today=made, circumstances=said, now=now, **outside)


def view(standing: Standing | None = None, queried: Party = Party.JP, *, identified: bool = True) -> Trace:
    return traces.view(queried, identified=identified, searched=View(), standing=standing, now=NOW)


def asked(state: State = State.WILL_REQUEST, side: Side = Side.QUERYING, **more: Any) -> Trace:
    outside = {name: more.pop(name) for name in ("agreement",) if name in more}
    return traces.request(exchange(state, side), request(**more), AGREED, now=NOW, **outside)


def unasked(side: Side = Side.QUERIED, **more: Any) -> Trace:
    outside = {name: more.pop(name) for name in ("agreement", "said_elsewhere") if name in more}
    return traces.provision_without_request(provision_unasked(**more), side, AGREED, now=NOW, **outside)


def provision_unasked(**changes: Any) -> ProvisionWithoutRequest:
    made = ProvisionWithoutRequest(
        "JP261122-UNASKED00000001",
        NOW,
        SALT,
        Party.JP,
        POLICE,
        basis(),
        Expectation.WILL_COMMIT,
        "Overheard planning it.",
        "HKD-2026-78",
        items=(Item("name", "Richard Roe"),),
    )
    return replace(made, **changes)


def answered(message: Any = None, **more: Any) -> Trace:
    at = exchange(State.REQUESTED, more.pop("side", Side.QUERIED))
    at = replace(at, requested_items=more.pop("requested", ("name",)))
    given: dict[str, Any] = {"available": ("name",), "decided_by": "officer 12", **more}
    return traces.reply(at, message or reply(), AGREED, now=NOW, **given)


def deletion(kind: Content, state: State, side: Side = Side.QUERIED, **more: bool) -> Trace:
    return traces.deletion(holding(side, state, **more), kind, now=NOW)


def holding(side: Side, state: State, **more: bool) -> duties.Standing:
    flags = {field.name: False for field in fields(duties.Standing)} | more
    return duties.Standing(**flags | {"side": side, "state": state})  # type: ignore[arg-type]  # side and state replace theirs


def use(
    information: Information, purpose: Purpose, *offences: Offence, stated: str = "", political: bool = False
) -> Trace:
    return traces.use(information, purpose, by=Party.JP, political=political, offences=offences, stated=stated, now=NOW)


def release(information: Information, recipient: Recipient, law: str = "") -> Trace:
    return traces.release(information, recipient, by=Party.JP, law=law, now=NOW)


def unconditional(article: int) -> Information:
    return Information(article)


ARREST: Final = date(2026, 3, 1)
ADULT: Final = date(1980, 2, 29)
STANDINGS: Final = {
    f"{disposition}, {born}, {'arrested' if arrested else 'not arrested'}": Standing(
        born, (Case(disposition, ARREST if arrested else None),)
    )
    for disposition, born, arrested in product(Disposition, (ADULT, date(2010, 5, 5), None), (True, False))
} | {
    "no case": Standing(ADULT),
    "wanted": Standing(ADULT, arrest_request_circulated=True),
    "terrorist": Standing(None, known_or_suspected_terrorist=True),
    "latent": Standing(None, collected_from_individual=False),
    "immigration": Standing(ADULT, criminal_system=False),
    "several": Standing(ADULT, (Case(Disposition.ACQUITTED, ARREST), Case(Disposition.PENDING, ARREST))),
}
# Each is made in the test that asks for it, and not while this file is read.
SAMPLES: Final[dict[str, Callable[[], Trace]]] = {
    "admitted, queried": partial(
        admission,
    ),
    "admitted, querying": partial(admission, Side.QUERYING),
    "admitted by an older form": partial(
        admission,
        search=Search.LATENT,
        identified=False,
        expectation=Expectation.WILL_COMMIT,
        basis=basis(
            Offence(
                "attempt",
                Party.JP,
                "Penal Code, Art. 112",
                Penalty(life=True),
                Category.ARSON,
                Form.ATTEMPT,
                "Penal Code, Art. 43",
            ),
            INSULT,
            replace(INSULT, maximum=Penalty(death=True)),
            replace(INSULT, maximum=Penalty(months=11, days=1)),
            replace(INSULT, maximum=Penalty()),
        ),
    ),
    "no circumstances": partial(admission, Side.QUERYING, said=12),
    "the same circumstances": partial(admission, Side.QUERYING, said_elsewhere=3),
    "not serious": partial(admission, basis=basis(INSULT)),
    "the wrong law": partial(admission, basis=basis(US_ARSON)),
    "political": partial(admission, basis=basis(political=True)),
    "quota": partial(admission, made=100),
    "not in force": partial(admission, now=EARLY),
    "ended": partial(admission, agreement=ENDED),
    "arrangement not in force": partial(traces.admission, query(), Side.QUERIED, LATER, made_today=0, now=NOW),
    "view": partial(
        view,
    ),
    **{f"view, {name}": partial(view, standing) for name, standing in STANDINGS.items()},
    **{
        f"view, {name}, {party}, {'identified' if identified else 'unidentified'}": partial(
            view, STANDINGS[name], party, identified=identified
        )
        for name in ("wanted", "terrorist", "latent", "immigration", f"{Disposition.CONVICTED_FINAL}, None, arrested")
        for party, identified in ((Party.JP, False), (Party.US, True))
    },
    "request": partial(
        asked,
    ),
    "request, urgent": partial(asked, risk="The person is said to have set a second fire for tonight."),
    "request, not urgent": partial(asked, risk="soon"),
    "request, blank risk": partial(asked, risk=" "),
    "request on another match": partial(asked, reference="another"),
    "request, of two items": partial(asked, notification=notification(items=("name", "date of birth"))),
    "request too early": partial(asked, State.MATCH),
    "request that overtakes": partial(asked, State.MATCH, Side.QUERIED),
    "request, unlisted": partial(asked, notification=notification(items=("shoe size",))),
    "request, not serious": partial(asked, notification=notification(basis=basis(INSULT))),
    "request, other law": partial(asked, notification=notification(basis=basis(US_ARSON))),
    "request, ended": partial(asked, agreement=ENDED),
    "unasked": partial(
        unasked,
    ),
    "unasked, received": partial(unasked, Side.QUERYING, providing=Party.US, basis=basis(US_ARSON)),
    "unasked, offered": partial(unasked, items=(), offered=("name",), conditions=BOUND.conditions),
    "unasked, against two purposes": partial(
        unasked,
        items=(),
        offered=("name", "date of birth"),
        conditions=(Condition("No.", ("immigration",)), Condition("No.", ("public-security", "immigration"))),
    ),
    "unasked, in words alone": partial(
        unasked, items=(), offered=("name",), conditions=(Condition("Burn after reading."),)
    ),
    "unasked, unknown purpose": partial(
        unasked, items=(), offered=("name",), conditions=(Condition("No.", ("sport",)),)
    ),
    "unasked, in bulk": partial(unasked, said_elsewhere=2),
    "unasked, not serious": partial(unasked, basis=basis(INSULT)),
    "unasked, ended": partial(unasked, agreement=ENDED),
    "given": partial(
        answered,
    ),
    "given, received": partial(answered, side=Side.QUERYING, available=None, decided_by=""),
    "given, not available": partial(answered, available=("sex",)),
    "given, two others available": partial(answered, available=("sex", "date of birth")),
    "given, nothing available": partial(answered, available=()),
    "given, not asked for": partial(answered, requested=("date of birth",)),
    "given to another request": partial(answered, reply(request="another")),
    "given, ended": partial(answered, agreement=ENDED),
    "silent": partial(answered, requested=("name", "date of birth")),
    "offered": partial(answered, offer()),
    "refused": partial(answered, reply(items=(), refusals=(refusal(),))),
    "refused only for another channel by item": partial(
        answered,
        reply(items=(), refusals=(refusal(Ground.OTHER_CHANNEL, item="name"), refusal(Ground.MUST_BE_GOVERNED))),
    ),
    **{
        f"partly refused, {ground}": partial(
            answered, reply(refusals=(refusal(ground, item="aliases"),)), requested=("name", "aliases")
        )
        for ground in Ground
        if ground not in {Ground.NO_OFFENCE_HERE, Ground.OTHER_CHANNEL}
    },
    **{
        f"refusal, {rule.code}": partial(traces.refusal, "query", article=rule.article, code=rule.code, now=NOW)
        for rule in TreatyError.__subclasses__()
    },
    "refusal, a use": partial(traces.refusal, "consent request", article="8(7)", code="8-5.USE", now=NOW),
    "refusal, of a code nobody knows": partial(traces.refusal, "letter", article="4(4)", code="4-4.LATER", now=NOW),
    **{
        f"deletion, {kind}, {side}, {state}": partial(deletion, kind, state, side)
        for kind, side, state in [
            *product(Content, Side, [State.MATCH]),
            *product([Content.CANDIDATE], [Side.QUERYING], State),
        ]
    },
    "deletion, restricted": partial(deletion, Content.CANDIDATE, State.MATCH, Side.QUERYING, prints_restricted=True),
    "deletion, responded": partial(deletion, Content.PROBE, State.REQUESTED, responded=True, asked=True),
    **{
        f"use, {purpose}, Article {article}": partial(use, unconditional(article), purpose, *offences)
        for purpose, article, offences in product(Purpose, (4, 5, 6, 7), ((), (basis().offences)))
    },
    "use, forbidden": partial(use, BOUND, Purpose.IMMIGRATION),
    "use, allowed by its conditions": partial(use, BOUND, Purpose.PUBLIC_SECURITY),
    "use, not accepted": partial(use, replace(BOUND, accepted=False), Purpose.NOTIFIED),
    "use, restricted": partial(use, replace(GIVEN, restricted=True), Purpose.NOTIFIED),
    "use, political": partial(use, GIVEN, Purpose.NOTIFIED, political=True),
    "use, consented": partial(use, CONSENTED, Purpose.OTHER, stated="a missing person"),
    "use, consented to something else": partial(use, CONSENTED, Purpose.OTHER, stated="a census"),
    "use, nothing stated": partial(use, CONSENTED, Purpose.OTHER),
    **{f"release, Article {article}, own": partial(release, unconditional(article), CLERK) for article in (4, 5, 6, 7)},
    "release, consented": partial(release, CONSENTED, INTERPOL),
    "release, to another": partial(release, CONSENTED, Recipient(RecipientKind.BODY, "Europol")),
    "release, by law": partial(release, replace(GIVEN, restricted=True), INTERPOL, "Act No. 42 of 1999, Art. 5"),
    "release, restricted": partial(release, replace(GIVEN, restricted=True), INTERPOL),
    "release, not accepted": partial(release, replace(GIVEN, accepted=False), INTERPOL),
    **{f"release, {kind}": partial(release, GIVEN, Recipient(kind, "somebody")) for kind in RecipientKind},
}


def view_now(*, identified: bool, on: date) -> View:
    return View()


def again(trace: Trace) -> Trace:
    return replay(trace, HELD, view_now=view_now)


@pytest.fixture(params=SAMPLES)
def trace(request: pytest.FixtureRequest) -> Trace:
    """Return each of the samples, made now."""
    return SAMPLES[request.param]()


def every_sample() -> list[Trace]:
    return [make() for make in SAMPLES.values()]


# Made again


def test_a_decision_comes_out_again_bit_for_bit(trace: Trace) -> None:
    text = trace.canonical()
    stored = read(text)
    assert stored == trace
    assert again(stored).canonical() == text


def test_inputs_and_outcome_have_the_names_that_the_tables_say(trace: Trace) -> None:
    assert set(trace.inputs) == set(FIELDS[trace.decision])
    assert set(trace.outcome) <= set(OUTCOMES[trace.decision])


def test_every_decision_is_among_the_samples() -> None:
    assert {trace.decision for trace in every_sample()} == set(Decision)


@pytest.mark.parametrize(
    ("name", "clause", "outcome"),
    [
        ("admitted, queried", "4(3)", {"admitted": True, "allowed": 100}),
        ("no circumstances", "4(3)", {"admitted": False, "code": "4-3.NO_CIRCUMSTANCES"}),
        ("the same circumstances", "4(3)", {"code": "4-3.DUPLICATE_TEXT"}),
        ("not serious", "1(3)", {"code": "1-3.NOT_SERIOUS"}),
        ("the wrong law", "1(3)", {"code": "1-3.NOT_SERIOUS"}),
        ("political", "13(2)", {"code": "13-2.POLITICAL"}),
        ("quota", "4(7)", {"code": "4-7.QUOTA"}),
        ("not in force", "15(1)", {"code": "15-1.NOT_IN_FORCE", "findings": {}}),
        ("arrangement not in force", "15(1)", {"code": "15-1.NOT_IN_FORCE"}),
        ("ended", "15(4)", {"code": "15-4.TERMINATED"}),
        ("request", "5(1)", {"admitted": True, "listed": ["name", "date of birth", "aliases"]}),
        ("request, not urgent", "5(1)", {"code": "5-1.NO_NOTIFICATION"}),
        ("request, blank risk", "5(1)", {"code": "5-1.NO_NOTIFICATION"}),
        ("request on another match", "5(1)", {"code": "5-1.NO_MATCH"}),
        ("request too early", "3(4)", {"code": "3-4.OUT_OF_ORDER"}),
        ("request that overtakes", "5(1)", {"admitted": True}),
        ("request, unlisted", "5(2)", {"code": "5-2.FIELD_NOT_ALLOWED"}),
        ("request, other law", "1(3)", {"code": "1-3.NOT_SERIOUS"}),
        ("unasked, received", "6", {"admitted": True}),
        ("unasked, in bulk", "6", {"code": "6.BULK"}),
        ("unasked, unknown purpose", "8(8)", {"code": "8-8.NOT_ACCEPTED"}),
        ("given", "5(2)", {"admitted": True, "items": {"name": {"became": "given", "grounds": []}}}),
        ("given, not available", "5(2)", {"code": "5-2.FIELD_NOT_ALLOWED"}),
        ("offered", "8(8)", {"items": {"name": {"became": "offered", "grounds": []}}}),
        ("refused", "5(5)", {"items": {"name": {"became": "withheld", "grounds": ["law"]}}}),
        ("silent", "5(5)", {"code": "5-5.NO_REASON"}),
        ("given, ended", "15(4)", {"code": "15-4.TERMINATED"}),
        ("refusal, a use", "8(7)", {"accepted": False, "code": "8-5.USE"}),
        ("deletion, restricted", "10(2)", {"destroyed": True}),
        ("deletion, responded", "8(1)", {"destroyed": True}),
        ("deletion, candidate, querying, no request", "8(2)", {"destroyed": True}),
        ("deletion, probe, queried, match", "8(1)", {"destroyed": False}),
        ("use, forbidden", "8(8)", {"allowed": False}),
        ("use, allowed by its conditions", "8(5)(1)(b)", {"allowed": True}),
        ("use, consented", "8(5)(2)", {"allowed": True}),
        ("use, consented to something else", "8(5)(2)", {"allowed": False}),
        ("release, consented", "8(7)", {"allowed": True}),
        ("release, to another", "8(7)", {"allowed": False}),
        ("release, by law", "8(7)", {"allowed": True}),
        ("release, Article 4, own", "8(3)", {"allowed": False}),
        ("view", "Annex II", {"persons": 3, "available": 2, "digest": "5e" * 32, "standing": None}),
    ],
)
def test_a_decision_says_its_clause_and_what_came_out(name: str, clause: str, outcome: dict[str, Any]) -> None:
    trace = SAMPLES[name]()
    assert trace.clause == clause
    assert {key: trace.outcome[key] for key in outcome} == outcome


def test_a_request_is_found_serious_for_its_own_article_and_for_the_use_that_follows() -> None:
    findings = SAMPLES["request, other law"]().outcome["findings"]
    assert {article: found["serious"] for article, found in findings.items()} == {"5": True, "8": False}


def test_4_7_a_decision_is_made_again_under_the_arrangement_it_cites() -> None:
    none = {"tenprint": 0, "latent": 0}
    stricter = arrangement(version="test-2", in_force_from=date(2027, 1, 1), queries_per_day=none)
    trace = admission()
    assert replay(trace, Arrangements((AGREED, stricter))) == trace
    with pytest.raises(NoArrangementError, match=r"expected a version that is held \(test-2\); got 'test-1'"):
        replay(trace, Arrangements((stricter,)))


# Article 15(3): an amended rule is a new version


def amended(monkeypatch: pytest.MonkeyPatch, since: date, **changes: Any) -> None:
    rules = replace(rules_in_force(date(2026, 1, 1)), version=since.isoformat(), **changes)
    monkeypatch.setattr(parameters, "_VERSIONS", ((since, rules), *parameters._VERSIONS))


def test_15_3_an_old_decision_comes_out_again_under_the_old_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    young = Standing(date(2007, 1, 1), (Case(Disposition.PENDING, ARREST),))
    old = [SAMPLES["not serious"](), view(young)]
    amended(monkeypatch, date(2027, 1, 1), at_least_months=12, age_of_adult=18)

    assert [again(trace) for trace in old] == old
    new = admission(basis=basis(INSULT), now=datetime(2027, 1, 1, tzinfo=UTC))
    assert (new.rules, new.outcome["admitted"]) == ("2027-01-01", True)
    assert again(new) == new
    assert old[1].outcome["standing"]["available"] is False


def test_15_3_a_decision_under_rules_that_the_program_no_longer_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = admission()
    amended(monkeypatch, date(2026, 1, 1), at_least_months=12)
    with pytest.raises(RulesChangedError, match=r"under the rules of 2022-04-01; this program has those of 2026-01-01"):
        replay(trace, HELD)


def test_15_3_a_decision_before_any_rules_says_so() -> None:
    trace = replace(admission(), rules="")
    with pytest.raises(
        RulesChangedError,
        match=r"^the decision of 2026-11-22T03:04:05\+00:00 was made under the rules of no version; this program has those of "
        r"2022-04-01 for that day: an amended rule is a new dated value, and an old one stays \(Art\. 15\(3\)\): use a program "
        r"that keeps it$",
    ):
        replay(trace, HELD)
    early = replace(admission(now=EARLY), rules="2022-04-01")
    with pytest.raises(
        RulesChangedError, match=r"2019-01-04T.* the rules of 2022-04-01; this program has those of no version"
    ):
        replay(early, HELD)


def test_a_refusal_is_under_the_clause_of_its_rule_whatever_clause_came_with_it() -> None:
    assert traces.refusal("query", article="5(1)", code="4-7.QUOTA", now=NOW).clause == "4(7)"
    for code in ("8-5.USE", "4-7.LATER"):
        assert traces.refusal("query", article="8(6)", code=code, now=NOW).clause == "8(6)"


# The view: Annex II


def test_a_view_comes_out_again_while_the_gallery_is_the_same() -> None:
    trace = view(STANDINGS["wanted"])

    def other(*, identified: bool, on: date) -> View:
        assert (identified, on) == (True, NOW.date())
        return View(digest="00" * 32)

    assert replay(trace, HELD, view_now=view_now) == trace
    assert replay(trace, HELD, view_now=other) != trace


def test_a_view_of_a_gallery_that_changed_is_not_claimed() -> None:
    def later(*, identified: bool, on: date) -> View:
        return View(revision=8)

    with pytest.raises(
        ViewChangedError,
        match=r"^the matched person's standing gives the same answer; which of the prints were searched can be made out "
        r"again while the gallery is at revision 7, as it was then, and it is at revision 8 now: Annex II looks at a person as "
        r"things stand at the query, and no older state is kept$",
    ):
        replay(view(STANDINGS["wanted"]), HELD, view_now=later)
    with pytest.raises(ViewChangedError, match=r"^which of the prints .* no gallery is open here"):
        replay(view(), HELD)


def test_the_matched_persons_standing_is_judged_again_whatever_became_of_the_gallery() -> None:
    trace = view(STANDINGS["wanted"])
    outcome = dict(trace.outcome) | {"standing": dict(trace.outcome["standing"]) | {"available": False}}
    assert replay(replace(trace, outcome=outcome), HELD) == trace


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    days = st.dates(date(1920, 1, 1), date(2030, 12, 31))
    leap = st.sampled_from([date(1960, 2, 29), date(2006, 2, 28), date(2006, 3, 1), date(2006, 11, 22)])
    cases = st.builds(Case, st.sampled_from(Disposition), st.none() | days | leap)
    return Standing(
        draw(st.none() | days | leap),
        tuple(draw(st.lists(cases, max_size=3))),
        *(draw(st.booleans()) for _ in range(4)),
    )


@settings(derandomize=True, max_examples=400)
@given(
    standing=standings(),
    on=st.dates(IN_FORCE, date(2032, 3, 1)) | st.just(date(2028, 2, 29)),
    queried=st.sampled_from(Party),
    identified=st.booleans(),
    reference=st.sampled_from(AgeReference),
    adult=st.integers(14, 25),
)
def test_ages_in_place_of_the_date_of_birth_decide_the_same(
    standing: Standing, on: date, queried: Party, identified: bool, reference: AgeReference, adult: int
) -> None:
    rules = replace(rules_in_force(on), age_reference=reference, age_of_adult=adult)
    inputs = facts.from_standing(standing, on)
    rebuilt = facts.to_standing(json.loads(json.dumps(inputs)), on)
    one, two = (
        available(each, queried=queried, identified=identified, on=on, rules=rules) for each in (standing, rebuilt)
    )
    assert one == two
    assert facts.from_standing(rebuilt, on) == inputs


@pytest.mark.parametrize(
    ("born", "on", "age"),
    [
        (date(2000, 11, 22), date(2026, 11, 22), 26),
        (date(2000, 11, 23), date(2026, 11, 22), 25),
        (date(2004, 2, 29), date(2026, 3, 1), 22),
        (date(2004, 2, 29), date(2026, 2, 28), 21),
        (date(2006, 3, 1), date(2024, 2, 29), 17),
        (date(2027, 1, 1), date(2026, 11, 22), -1),
    ],
)
def test_an_age_is_counted_in_whole_years(born: date, on: date, age: int) -> None:
    person = Standing(born, (Case(Disposition.PENDING, on), Case(Disposition.PETTY, None)))
    inputs = facts.from_standing(person, on)
    assert (inputs["age"], [case["age"] for case in inputs["cases"]]) == (age, [age, None])


# The same rules as the life of the exchange


penalties = st.builds(Penalty, st.booleans(), st.booleans(), st.integers(0, 60), st.integers(0, 400))
offences = st.builds(
    Offence,
    description=st.just("arson of the warehouse of Richard Roe"),
    law=st.sampled_from(Party),
    citation=st.sampled_from(["Penal Code, Art. 109", "18 U.S.C. 81"]),
    maximum=penalties,
    category=st.none() | st.sampled_from(Category),
)
bases = st.builds(
    Basis, st.sampled_from(Activity), st.lists(offences, min_size=1, max_size=3).map(tuple), st.booleans()
)
moments = st.sampled_from([EARLY, NOW, datetime(2026, 3, 31, 23, 59, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)])
agreements = st.sampled_from([Agreement(), ENDED])


def verdict(act: Callable[[], object]) -> tuple[str, str] | None:
    try:
        act()
    except TreatyError as error:
        return error.article, error.code
    return None


def traced(trace: Trace) -> tuple[str, str] | None:
    return None if trace.outcome["admitted"] else (trace.outcome["article"], trace.outcome["code"])


@settings(derandomize=True, max_examples=200)
@given(
    basis_=bases,
    party=st.sampled_from(Party),
    side=st.sampled_from(Side),
    circumstances=st.text(max_size=60),
    made=st.integers(0, 101),
    elsewhere=st.integers(0, 1),
    now=moments,
    agreement=agreements,
)
def test_a_query_is_admitted_by_its_trace_where_the_exchange_admits_it(  # noqa: PLR0917 - hypothesis names them all
    basis_: Basis,
    party: Party,
    side: Side,
    circumstances: str,
    made: int,
    elsewhere: int,
    now: datetime,
    agreement: Agreement,
) -> None:
    message, querying = query(basis=basis_, querying=party), side is Side.QUERYING
    trace = traces.admission(
        message,
        side,
        AGREED,
        made_today=made,
        circumstances=len(circumstances.strip()) if querying else None,
        said_elsewhere=elsewhere,
        agreement=agreement,
        now=now,
    )

    def act() -> object:
        given_: dict[str, Any] = {"made_today": made, "now": now, "agreement": agreement}
        if querying:
            return life.open_query(message, circumstances, AGREED, said_elsewhere=elsewhere, **given_)
        return life.receive_query(message, AGREED, **given_)

    assert traced(trace) == verdict(act)
    assert replay(read(trace.canonical()), HELD) == trace


@settings(derandomize=True, max_examples=200)
@given(
    basis_=bases,
    party=st.sampled_from(Party),
    side=st.sampled_from(Side),
    state=st.sampled_from(State),
    reference=st.sampled_from([None, "K5XW6YLTMVXGIZLSMFXGIZLS"]),
    article=st.sampled_from([4, 6]),
    items=st.lists(st.sampled_from(["name", "aliases", "shoe size"]), min_size=1, max_size=2).map(tuple),
    risk=st.text(max_size=60),
    agreement=agreements,
)
def test_a_request_is_admitted_by_its_trace_where_the_exchange_admits_it(  # noqa: PLR0917 - hypothesis names them all
    basis_: Basis,
    party: Party,
    side: Side,
    state: State,
    reference: str | None,
    article: int,
    items: tuple[str, ...],
    risk: str,
    agreement: Agreement,
) -> None:
    at = replace(exchange(), side=side, state=state, querying=party, reference=reference, article=article)
    message = request(notification=notification(basis=basis_, items=items), risk=risk)
    trace = traces.request(at, message, AGREED, agreement=agreement, now=NOW)
    assert traced(trace) == verdict(lambda: life.request(at, message, AGREED, NOW, agreement=agreement))
    assert replay(read(trace.canonical()), HELD) == trace


consents = st.builds(
    Consent,
    st.sampled_from(ConsentTo),
    st.sampled_from(["", "a census", "a missing person"]),
    st.sampled_from([None, INTERPOL, Recipient(RecipientKind.PERSON, "Richard Roe")]),
    st.sampled_from([NOW - timedelta(days=1), NOW + timedelta(days=1)]),
)
informations = st.builds(
    Information,
    st.sampled_from([4, 5, 6, 7]),
    st.lists(
        st.builds(Condition, st.just("Never."), st.lists(st.sampled_from(Purpose).map(str), max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
    st.booleans(),
    st.booleans(),
    st.lists(consents, max_size=2).map(tuple),
)


@settings(derandomize=True, max_examples=300)
@given(
    information=informations,
    purpose=st.sampled_from(Purpose),
    by=st.sampled_from(Party),
    political=st.booleans(),
    conduct=st.lists(offences, max_size=2),
    stated=st.sampled_from(["", "a census", "a missing person"]),
)
def test_a_use_is_allowed_by_its_trace_where_the_gate_allows_it(
    information: Information, purpose: Purpose, by: Party, political: bool, conduct: list[Offence], stated: str
) -> None:
    asked_: dict[str, Any] = {"by": by, "political": political, "offences": conduct, "stated": stated, "now": NOW}
    gate = may_use(information, purpose, **asked_)
    trace = traces.use(information, purpose, **asked_)
    assert (trace.clause, trace.outcome["allowed"]) == (gate.article, isinstance(gate, Permission))
    assert replay(read(trace.canonical()), HELD) == trace


@settings(derandomize=True, max_examples=300)
@given(
    information=informations,
    recipient=st.sampled_from([INTERPOL, CLERK, Recipient(RecipientKind.PERSON, "Richard Roe")]),
    law=st.sampled_from(["", " ", "Act No. 42 of 1999, Art. 5"]),
)
def test_a_release_is_allowed_by_its_trace_where_the_gate_allows_it(
    information: Information, recipient: Recipient, law: str
) -> None:
    gate = may_release(information, recipient, by=Party.US, law=law, now=NOW)
    trace = traces.release(information, recipient, by=Party.US, law=law, now=NOW)
    assert (trace.clause, trace.outcome["allowed"]) == (gate.article, isinstance(gate, Permission))
    assert replay(read(trace.canonical()), HELD) == trace


def test_content_is_destroyed_by_its_trace_where_it_may_not_be_held() -> None:
    flags = [field.name for field in fields(duties.Standing) if field.name not in {"side", "state"}]
    settings_of_flags = [dict(zip(flags, values, strict=True)) for values in product((False, True), repeat=len(flags))]
    for kind, side, state, more in product(Content, Side, State, settings_of_flags):
        at = holding(side, state, **more)
        trace = traces.deletion(at, kind, now=NOW)
        assert trace.outcome["destroyed"] == (kind not in duties.permitted_in(at))
        assert again(trace) == trace


def test_a_purpose_that_is_not_stated_and_a_law_that_is_not_cited_are_none() -> None:
    used = traces.use(CONSENTED, Purpose.OTHER, by=Party.JP, political=False, now=NOW)
    assert (used.inputs["stated"], used.outcome["allowed"]) == (False, False)
    gate = may_use(CONSENTED, Purpose.OTHER, by=Party.JP, political=False, now=NOW)
    assert used.outcome["reason"] == gate.reason
    assert gate.reason.startswith("the purpose 'not stated' needs the other Party's prior consent")
    released = traces.release(GIVEN, INTERPOL, by=Party.JP, now=NOW)
    assert (released.inputs["law"], released.outcome["allowed"]) == ("", False)
    assert isinstance(may_release(GIVEN, INTERPOL, by=Party.JP, now=NOW), type(gate))


# Tampering


def test_another_outcome_or_clause_than_the_rules_give_is_told(trace: Trace) -> None:
    for changed in (
        replace(trace, clause="4(2)"),
        replace(trace, outcome=dict(trace.outcome) | {"admitted": "perhaps"}),
    ):
        assert again(changed) != changed


def test_inputs_that_decide_otherwise_are_told() -> None:
    trace = admission()
    changed = replace(trace, inputs=dict(trace.inputs) | {"made_today": 100})
    assert replay(changed, HELD).outcome["code"] == "4-7.QUOTA"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("request", {"basis": None}, r"expected the inputs of the request .* verify the record"),
        ("admitted, queried", {"querying": "KR"}, r"expected the inputs of the admission .*'KR' is not a valid Party"),
        ("admitted, queried", {"made_today": "none"}, r"expected the inputs of the admission"),
        ("admitted, queried", {"side": "querying"}, r"expected the length of the particular circumstances"),
        ("given", {"refusals": [{"ground": "mood", "item": None}]}, r"'mood' is not a valid Ground"),
        ("view, wanted", {"standing": {"age": 3}}, r"expected the inputs of the view"),
        ("unasked", {"expectation": "mood"}, r"'mood' is not a valid Expectation"),
        ("unasked", {"side": "ours"}, r"'ours' is not a valid Side"),
        ("deletion, restricted", {"kind": "soul"}, r"'soul' is not a valid Content"),
    ],
)
def test_inputs_on_which_no_decision_rests_are_told(name: str, changes: dict[str, Any], message: str) -> None:
    trace = SAMPLES[name]()
    with pytest.raises(TraceError, match=message):
        again(replace(trace, inputs=dict(trace.inputs) | changes))


def test_more_or_fewer_inputs_are_told() -> None:
    trace = admission()
    for inputs in (dict(trace.inputs) | {"mood": "good"}, {"side": "queried"}):
        with pytest.raises(TraceError, match=r"expected the inputs side, querying, .*; got "):
            replay(replace(trace, inputs=inputs), HELD)


def test_a_view_without_what_was_searched_and_an_act_without_its_arrangement_are_told() -> None:
    trace = view()
    for outcome, got in (({}, "none"), ({"mood": 1, "digest": 2}, "mood, digest")):
        with pytest.raises(
            TraceError,
            match=rf"^expected the outcome of a view to have revision, persons, available, digest; got {got}: the trace was "
            r"changed: verify the record that it stands in$",
        ):
            replay(replace(trace, outcome=outcome), HELD)
    with pytest.raises(
        TraceError,
        match=r"^expected what the search was let see of the gallery; got nothing: the view is the searched set "
        r"\(Art\. 4\(2\)\): give its revision, numbers and digest$",
    ):
        traces.decide(Decision.VIEW, trace.inputs, NOW)
    with pytest.raises(
        TraceError,
        match=r"^expected the arrangement that the decision was made under; none is cited: what the agreement leaves to it "
        r"cannot be judged without \(Art\. 4\(7\)\)$",
    ):
        replay(replace(admission(), arrangement=""), HELD)


TEXT: Final = admission().canonical()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected JSON; it is none"),
        ("[" * 100_000, r"expected JSON; it is none"),
        ("[]", r"an object with arrangement, at, .*; got a list"),
        ("{}", r"an object with arrangement, at, .*; got nothing"),
        (TEXT.replace('"at":"2026', '"on":"2026'), r"an object with arrangement, .* on, "),
        (TEXT.replace('"inputs":{', '"inputs":[],"x":{'), r"an object with "),
        (re.sub(r'"outcome":\{.*\},"rules"', '"outcome":[],"rules"', TEXT), r"outcome as an object; got a list"),
        (TEXT.replace('"decision":"admission"', '"decision":"mood"'), r"a decision among admission, .*'mood'"),
        (re.sub(r'"at":"[^"]*"', '"at":"today"', TEXT), r"a time as ISO 8601"),
        (re.sub(r'"at":"[^"]*"', '"at":"2026-11-22T03:04:05"', TEXT), r"a time with its zone; got 2026-11-22T03:04:05"),
        (TEXT.replace('"made_today":0', '"made_today":NaN'), r"a decision among .*[Oo]ut of range"),
        (TEXT + " ", r"its one text: keys in order, no space"),
        (TEXT.replace('"made_today":0', '"made_today":0,"made_today":0'), r"its one text"),
        (TEXT.replace('"withheld":[]', '"withheld":[1]'), r"withheld as a list of texts"),
    ],
)
def test_what_is_no_trace_is_told(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read(text)


def changed(name: str, **inputs: Any) -> Trace:
    """Return a sample with other inputs, made again."""
    trace = SAMPLES[name]()
    return again(replace(trace, inputs=dict(trace.inputs) | inputs))


REFUSED: Final[dict[str, Callable[[], object]]] = {
    "no JSON": lambda: read("{"),
    "a list": lambda: read("[]"),
    "nothing": lambda: read("{}"),
    "two keys": lambda: read('{"mood":"good","at":"today"}'),
    "a long key": lambda: read(json.dumps({"k" * 300: 1})),
    "clause as a number": lambda: read(TEXT.replace('"clause":"4(3)"', '"clause":4')),
    "inputs as a list": lambda: read(re.sub(r'"inputs":\{.*\},"outcome"', '"inputs":[],"outcome"', TEXT)),
    "withheld as a text": lambda: read(TEXT.replace('"withheld":[]', '"withheld":""')),
    "withheld with a number": lambda: read(TEXT.replace('"withheld":[]', '"withheld":["x",1]')),
    "no decision": lambda: read(TEXT.replace('"decision":"admission"', '"decision":"mood"')),
    "no time": lambda: read(re.sub(r'"at":"[^"]*"', '"at":"today"', TEXT)),
    "no zone": lambda: read(re.sub(r'"at":"[^"]*"', '"at":"2026-11-22T03:04:05"', TEXT)),
    "a space too many": lambda: read(TEXT + " "),
    "no inputs": lambda: traces.decide(Decision.REFUSAL, {}, NOW),
    "other inputs": lambda: traces.decide(Decision.REFUSAL, {"message": "query", "mood": "sullen"}, NOW),
    "no circumstances": lambda: traces.admission(query(), Side.QUERYING, AGREED, made_today=0, now=NOW),
    "no Party": lambda: changed("admitted, queried", querying="KR"),
    "no ground": lambda: changed("refused", refusals=[{"ground": "mood", "item": None}]),
    "no standing": lambda: changed("view, wanted", standing={"age": 3}),
    "no state": lambda: changed("deletion, restricted", state="mood"),
    "no purpose": lambda: changed("use, forbidden", purpose="mood"),
    "no recipient": lambda: changed("release, consented", recipient="mood"),
    "the other Party's": lambda: again(redacted(view())),
    "no gallery": lambda: replay(view(), HELD),
}


def told(name: str) -> str:
    with pytest.raises(TraceError) as error:
        REFUSED[name]()
    return f"{name}\n  {type(error.value).__name__}: {error.value}"


def test_every_refusal_is_told_word_for_word_as_it_was_when_it_was_last_read_over() -> None:
    compare(KEPT / "refusals-traces.txt", "\n".join(map(told, REFUSED)))


@settings(derandomize=True, max_examples=300)
@given(text=st.text(max_size=40) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_garbage_is_no_trace_and_nothing_else_goes_wrong(text: str) -> None:
    with pytest.raises(TraceError):
        read(text)


# No content


SECRETS: Final = {
    "description": "Richard Roe set fire to it",
    "circumstances": CIRCUMSTANCES,
    "purpose": "To identify the person",
    "case": "HKD-2026-7",
    "item": "Richard Roe",
    "condition": "Not for immigration.",
    "recipient": "INTERPOL",
    "consent": "a missing person",
    "reason": "Overheard planning it.",
    "refusal": "Section 7 of the Act.",
    "born": "1980-02-29",
}


def test_a_trace_holds_no_content_of_a_message(trace: Trace) -> None:
    assert not [name for name, text in SECRETS.items() if text in trace.canonical()]


def test_the_words_in_which_conduct_was_described_stay_out_of_the_reason() -> None:
    told = Offence(SECRETS["description"], Party.JP, "Penal Code, Art. 109", Penalty(months=240), Category.ARSON)
    for trace in (admission(basis=basis(told)), use(GIVEN, Purpose.SERIOUS_CRIME, told)):
        assert "Penal Code, Art. 109" in trace.canonical()
        assert SECRETS["description"] not in trace.canonical()


# In both languages


PROSE: Final = re.compile(r"(?:[A-Za-z]{2,} ){4}")


@pytest.mark.parametrize("made", [lambda trace: trace, redacted], ids=["whole", "redacted"])
def test_every_outcome_has_words_in_both_languages(trace: Trace, made: Callable[[Trace], Trace]) -> None:
    english, japanese = (words(made(trace), language) for language in Language)
    assert len(english) == len(japanese) > 1
    assert not [line for line in english if not re.fullmatch(r"[A-Z0-9][^぀-鿿]*", line)]
    assert not [line for line in (*english, *japanese) if "None" in line or "Term(" in line]
    for line in japanese:
        assert re.search("[぀-鿿]", line)
        assert not PROSE.search(line)
        assert line.endswith(("。", "）")) or line.startswith("次の事項は")


@pytest.mark.parametrize(
    ("clause", "english", "japanese"),
    [
        ("4(3)", "Art. 4(3)", "協定第四条３"),
        ("6", "Art. 6", "協定第六条"),
        ("13(2)", "Art. 13(2)", "協定第十三条２"),
        ("11(2)(3)", "Art. 11(2)(3)", "協定第十一条２（３）"),
        ("8(5)(1)(a)", "Art. 8(5)(1)(a)", "協定第八条５（１）（ａ）"),
        ("Art. 1(3)", "Art. 1(3)", "協定第一条３"),
        ("Art. 1(3), Annex I(32)", "Art. 1(3), Annex I(32)", "協定第一条３及び附属書Ⅰ３２"),
        ("Annex II", "Annex II", "協定附属書Ⅱ"),
        ("Annex II 2(4)", "Annex II 2(4)", "協定附属書Ⅱ２（４）"),
        ("Annex II 1(1)(b)(iii)", "Annex II 1(1)(b)(iii)", "協定附属書Ⅱ１（１）（ｂ）（ⅲ）"),
        ("Annex II 1(1)(b), (c)", "Annex II 1(1)(b), (c)", "協定附属書Ⅱ１（１）（ｂ）、（ｃ）"),
    ],
)
def test_a_clause_is_cited_as_each_language_cites_it(clause: str, english: str, japanese: str) -> None:
    assert (cited(clause, Language.EN), cited(clause, Language.JA)) == (english, japanese)


def test_words_say_what_was_decided_and_on_what_it_rested() -> None:
    english = words(SAMPLES["view, wanted"](), Language.EN)
    assert english[0].startswith(
        "The query relates to an identified individual; it searched the prints that Japan makes"
    )
    assert "2 of 3 persons held were made available; the gallery was at revision 7" in english[1]
    assert english[2].startswith("The person who matched is made available under Annex II 1(1)(c): A request of arrest")
    japanese = words(SAMPLES["quota"](), Language.JA)
    assert (
        japanese[0]
        == "協定第四条７の規定により、照会を認めなかった。一日に行うことができる照会の件数を超えている。（4-7.QUOTA）"
    )
    assert "同日のこれより前の同種の照会は100件、認められる件数は100件である（協定第四条７）。" in japanese
    assert (
        "犯罪：Penal Code, Art. 109（日本国の法令）。既遂。刑の上限は20年の自由をはく奪する刑。協定附属書Ⅰ３２に該当する。"
        in japanese
    )


TOLD: Final[dict[Decision, tuple[str, ...]]] = {
    Decision.ADMISSION: (
        *("admitted, queried", "admitted, querying", "admitted by an older form", "no circumstances"),
        *("the same circumstances", "not serious", "the wrong law", "political", "quota", "not in force", "ended"),
    ),
    Decision.VIEW: (
        *("view", "view, no case", "view, wanted", "view, several", "view, pending, None, arrested"),
        *("view, petty, 1980-02-29, not arrested", "view, terrorist, US, identified", "view, latent, JP, unidentified"),
    ),
    Decision.REQUEST: (
        *("request", "request, urgent", "request, not urgent", "request, blank risk", "request on another match"),
        *(
            "request too early",
            "request, unlisted",
            "request, of two items",
            "request, not serious",
            "request, other law",
            "request, ended",
        ),
    ),
    Decision.PROVISION_WITHOUT_REQUEST: (
        *("unasked", "unasked, received", "unasked, offered", "unasked, in words alone", "unasked, in bulk"),
        *("unasked, not serious", "unasked, ended", "unasked, against two purposes"),
    ),
    Decision.REPLY: (
        *("given", "given, received", "given, not available", "given, nothing available", "given, ended", "silent"),
        "given, two others available",
        *("given to another request", "offered", "refused", "refused only for another channel by item"),
        *("partly refused, must-be-governed", "partly refused, not-available"),
    ),
    Decision.REFUSAL: ("refusal, 4-7.QUOTA", "refusal, a use", "refusal, of a code nobody knows"),
    Decision.DELETION: (
        *("deletion, probe, queried, match", "deletion, candidate, querying, closed", "deletion, restricted"),
        *("deletion, responded", "deletion, correspondence, queried, match"),
    ),
    Decision.USE: (
        *("use, serious-crime, Article 5", "use, notified, Article 6", "use, determination, Article 4"),
        *("use, review, Article 7", "use, forbidden", "use, allowed by its conditions", "use, not accepted"),
        *("use, restricted", "use, political", "use, consented", "use, consented to something else"),
    ),
    Decision.RELEASE: (
        *("release, Article 4, own", "release, Article 5, own", "release, consented", "release, to another"),
        *("release, by law", "release, restricted", "release, not accepted"),
    ),
}


def account(name: str) -> str:
    """Return a sample with all its values and words; of some also what the other Party is told of it."""
    trace = SAMPLES[name]()
    lines = [f"## {name}", trace.canonical()]
    for each in Language:
        lines += ["", heading(trace, each), *words(trace, each)]
    if name in {TOLD[trace.decision][0], "release, Article 5, own", "release, by law", "refused"}:
        told = redacted(trace)
        lines += ["", "to the other Party:", told.canonical()]
        lines += [line for each in Language for line in words(told, each)]
    return "\n".join(lines)


@pytest.mark.parametrize("decision", Decision)
def test_every_decision_is_told_word_for_word_as_it_was_when_it_was_last_read_over(decision: Decision) -> None:
    """A file per decision in tests/pcsc/kept: to write it anew, and then to read it, see tests/kept.py."""
    assert {SAMPLES[name]().decision for name in TOLD[decision]} == {decision}
    compare(KEPT / f"{decision.replace(' ', '-')}.txt", "\n\n".join(map(account, TOLD[decision])))


def test_a_code_that_the_terms_do_not_have_is_told_as_it_stands() -> None:
    trace = SAMPLES["quota"]()
    later = replace(trace, outcome=dict(trace.outcome) | {"code": "4-7.LATER"})
    assert words(later, Language.EN)[0] == (
        "The query was not admitted under Art. 4(7): the rule of that code forbids it (4-7.LATER)."
    )
    assert words(later, Language.JA)[0] == (
        "協定第四条７の規定により、照会を認めなかった。当該符号の規則に反する。（4-7.LATER）"
    )


@pytest.mark.parametrize(
    ("months", "days", "english", "japanese"),
    [
        (12, 0, "1 year", "1年"),
        (36, 0, "3 years", "3年"),
        (11, 1, "11 months and 1 day", "11月1日"),
        (0, 90, "90 days", "90日"),
    ],
)
def test_a_term_is_told_in_years_where_it_is_whole_years(months: int, days: int, english: str, japanese: str) -> None:
    assert terms.term(months, days) == (english, japanese)


def test_every_coded_value_has_terms() -> None:
    assert terms.RULES.keys() == {rule.code for rule in TreatyError.__subclasses__()}
    for table, kind in (
        (terms.DECISIONS, Decision),
        (terms.PARTIES, Party),
        (terms.SIDES, Side),
        (terms.SEARCHES, Search),
        (terms.ACTIVITIES, Activity),
        (terms.EXPECTATIONS, Expectation),
        (terms.BELIEFS, Expectation),
        (terms.FORMS, Form),
        (terms.STATES, State),
        (terms.CONTENTS, Content),
        (terms.GROUNDS, Ground),
        (terms.PURPOSES, Purpose),
        (terms.RECIPIENTS, RecipientKind),
        (terms.DISPOSITIONS, Disposition),
        (terms.AGE_REFERENCES, AgeReference),
    ):
        assert table.keys() == {each.value for each in kind}, kind
    flags = {field.name for field in fields(duties.Standing)} - {"side", "state"}
    assert flags <= terms.HOLDING.keys()


def test_what_is_withheld_has_a_name_in_both_languages() -> None:
    withheld = {name for trace in every_sample() for name in redacted(trace).withheld}
    assert withheld <= terms.FIELDS.keys()


# For the other Party


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


# Large enough that none of them stands in the text by chance.
marks = st.integers(10**12, 10**13)


@settings(derandomize=True, max_examples=100)
@given(
    revision=marks,
    persons=marks,
    seen=marks,
    digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    standing=standings(),
)
def test_nothing_of_a_view_but_the_question_reaches_the_other_party(
    revision: int, persons: int, seen: int, digest: str, standing: Standing
) -> None:
    searched = View(revision, persons, seen, digest)
    with_one = traces.view(Party.JP, identified=True, searched=searched, standing=standing, now=NOW)
    without = traces.view(Party.JP, identified=True, searched=View(), standing=None, now=NOW)
    # Matched, excluded and absent look the same.
    assert redacted(with_one).canonical() == redacted(without).canonical()
    assert redacted(with_one).clause == "Annex II"


@settings(derandomize=True, max_examples=100)
@given(said=marks, elsewhere=marks, risk=marks, officer=marks, kind=marks)
def test_no_withheld_value_stands_in_the_redacted_text(
    said: int, elsewhere: int, risk: int, officer: int, kind: int
) -> None:
    own, urgent = admission(Side.QUERYING, said=said, said_elsewhere=elsewhere), asked()
    urgent = traces.decide(Decision.REQUEST, dict(urgent.inputs) | {"risk": risk}, NOW, arrangement=AGREED)
    told = answered(available=("name", f"kind {kind}"), decided_by=f"officer {officer}")
    for trace, secrets in ((own, (said, elsewhere)), (urgent, (risk,)), (told, (officer, kind))):
        assert all(str(secret) in trace.canonical() for secret in secrets)
        assert not any(str(secret) in redacted(trace).canonical() for secret in secrets)
        assert not any(str(secret) in "".join(words(redacted(trace), each)) for secret in secrets for each in Language)


def test_long_values_that_are_withheld_stand_nowhere_in_the_redacted_text(trace: Trace) -> None:
    made = redacted(trace)
    kept = {f"inputs.{name}" for name in made.inputs} | {f"outcome.{name}" for name in made.outcome}
    shown = {text for text in leaves([dict(made.inputs), dict(made.outcome)]) if isinstance(text, str)}
    gone = {
        value
        for part, values in (("inputs", trace.inputs), ("outcome", trace.outcome))
        for name, each in values.items()
        if f"{part}.{name}" not in kept
        for value in leaves(each)
        if isinstance(value, str) and len(value) > 12 and value not in shown
    }
    assert not [value for value in gone if value in made.canonical()]
    assert not set(made.withheld) & kept


def test_a_redacted_trace_stays_what_it_is_and_is_not_made_again(trace: Trace) -> None:
    made = redacted(trace)
    assert redacted(made) == made == read(made.canonical())
    if made.withheld:
        with pytest.raises(TraceError, match=r"this trace is the other Party's, without (inputs|outcome)\."):
            again(made)


def test_what_is_withheld_does_not_tell_what_there_was() -> None:
    for decision in Decision:
        assert len({redacted(trace).withheld for trace in every_sample() if trace.decision is decision}) == 1


def test_a_field_that_is_added_one_day_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = {**FIELDS, Decision.REFUSAL: (*FIELDS[Decision.REFUSAL], "mood")}
    monkeypatch.setattr("pcsc.traces.trace.FIELDS", grown)
    monkeypatch.setattr(deciding, "FIELDS", grown)
    inputs = {"message": "query", "article": "2", "code": "2.PURPOSE", "mood": "sullen"}
    made = redacted(traces.decide(Decision.REFUSAL, inputs, NOW))
    assert made.withheld == ("inputs.mood",)
    assert "sullen" not in made.canonical()
