"""Who may do what in the console: one table, and whatever it does not say is refused (Article 9: no unauthorised access).

A role is what somebody is charged with; one person may hold several, save those of :data:`APART`. Two persons stand behind an
act that cannot be undone, and each of them is somebody else. Nothing here knows of sessions or pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class RoleError(ValueError):
    """What is refused for the role of whoever wants it: Article 9."""


class NotPermittedError(RoleError):
    """No role that the person holds may do this."""


class SecondPersonError(RoleError):
    """Whoever is to stand behind an act as the second person cannot."""


class RolesApartError(RoleError):
    """One person is to hold no role, an unknown one, or two that are kept apart."""


class Role(StrEnum):
    """What somebody at a contact point is charged with."""

    REQUESTER = "requester"
    EXAMINER = "examiner"
    SUPERVISOR = "supervisor"
    RELEASE_OFFICER = "release officer"
    COMPLIANCE = "compliance"
    REVIEWER = "reviewer of implementation"
    ADMINISTRATOR = "administrator"


class Act(StrEnum):
    """What the console offers, as a person would say it: "may not ..."."""

    SEE_QUEUES = "see what waits for a person"
    SEE_WHY = "see how a decision was made"
    OPEN_QUERY = "open a query"
    MARK_PROBE = "mark the probe"
    SEE_CANDIDATE = "see a candidate"
    CONCLUDE = "conclude an examination"
    RESOLVE = "resolve a disagreement of examiners"
    DETERMINE = "determine whether to request further information"
    REQUEST = "request further information"
    ACCEPT = "accept or decline conditions"
    READ_INFORMATION = "read the information that was provided"
    USE = "use the information that was provided"
    ASK_CONSENT = "ask for consent to another use"
    ANSWER_EXPLANATION = "explain the purpose of a query"
    ASK_EXPLANATION = "ask for the purpose of a query"
    TELL_RESULT = "tell the result of use"
    ASK_RESULT = "ask for the result of use"
    READ_RESULT = "read the result of use"
    COMPOSE = "compose an answer to a request"
    RELEASE = "release further information"
    REFUSE = "refuse further information"
    PROVIDE = "provide information without request"
    CONSENT = "decide on consent to another use"
    CORRECT = "notify incorrect information"
    MEASURE = "take a measure on incorrect information"
    NOTIFY_BREACH = "notify a breach"
    HOLD = "keep a record beyond its term"
    CHANGE_QUOTA = "change a quota"
    SEARCH_RECORD = "search the record"
    EXPORT = "export the record"
    SEE_VIEWS = "see who looked at personal data"
    SEE_STATISTICS = "see statistics"
    MAKE_CONSULTATION_PACK = "make the pack for a consultation"
    ENROL = "enrol prints"
    TAKE_DISPOSITIONS = "take a feed of dispositions"
    MANAGE_PEOPLE = "enter people and change their roles"
    READ_HEALTH = "read the health of the contact point"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which roles may do an act, and why; and which of them, in another person, may stand behind it as the second one."""

    who: frozenset[Role]
    clause: str
    why: str
    second: frozenset[Role] = frozenset()


OPERATORS: Final = frozenset({Role.REQUESTER, Role.EXAMINER, Role.SUPERVISOR, Role.RELEASE_OFFICER})
"""Those who make and answer queries."""

APART: Final[Mapping[frozenset[Role], str]] = {
    **{
        frozenset({Role.ADMINISTRATOR, other}): "Art. 9: who decides on access has none to what it protects"
        for other in Role
        if other is not Role.ADMINISTRATOR
    },
    **{
        frozenset({Role.REVIEWER, other}): "Art. 8(6): the result of use reviews the implementation, and serves no case"
        for other in OPERATORS
    },
}
"""The pairs of roles that one person may not hold together, and why."""


def _rule(clause: str, why: str, *who: Role, second: Iterable[Role] = ()) -> Rule:
    return Rule(frozenset(who), clause, why, frozenset(second))


_DECIDE: Final = (Role.SUPERVISOR, Role.RELEASE_OFFICER)

RULES: Final[Mapping[Act, Rule]] = {
    Act.SEE_QUEUES: _rule("9", "duties are theirs who can meet them", *OPERATORS, Role.COMPLIANCE),
    Act.SEE_WHY: _rule("9", "whoever acts or oversees sees the grounds", *OPERATORS, Role.COMPLIANCE),
    # The querying side
    Act.OPEN_QUERY: _rule(
        "4(3)", "a query states the circumstances of a case, which the requester has", Role.REQUESTER
    ),
    Act.MARK_PROBE: _rule("4(5)", "the prints are examined by an examiner", Role.EXAMINER),
    Act.SEE_CANDIDATE: _rule(
        "8(3)", "the result of a query serves its determination alone", Role.EXAMINER, Role.SUPERVISOR
    ),
    Act.CONCLUDE: _rule("4(5)", "the prints are examined by an examiner", Role.EXAMINER),
    Act.RESOLVE: _rule("4(5)", "examiners who disagree do not outvote each other", Role.SUPERVISOR),
    Act.DETERMINE: _rule(
        "8(3)",
        "the result of a query serves its determination alone, which destroys the prints (Art. 8(2))",
        Role.SUPERVISOR,
        second=(Role.SUPERVISOR, Role.EXAMINER),
    ),
    Act.REQUEST: _rule(
        "5(1)", "the written notification states the purpose of a case", Role.REQUESTER, Role.SUPERVISOR
    ),
    Act.ACCEPT: _rule("8(8)", "conditions bind the Party, which a superior speaks for", Role.SUPERVISOR),
    Act.READ_INFORMATION: _rule(
        "8(5)(1)", "it is used for its purpose alone, by those who have the case", Role.REQUESTER, Role.SUPERVISOR
    ),
    Act.USE: _rule(
        "8(5)(1)", "it is used for its purpose alone, by those who have the case", Role.REQUESTER, Role.SUPERVISOR
    ),
    Act.ASK_CONSENT: _rule("8(5)(2)", "the other use is one of their case", Role.REQUESTER, Role.SUPERVISOR),
    Act.ANSWER_EXPLANATION: _rule("4(6)", "the purpose is that of their case", Role.REQUESTER, Role.SUPERVISOR),
    Act.TELL_RESULT: _rule("7", "what came of it is known to those who used it", Role.REQUESTER, Role.SUPERVISOR),
    # The queried side
    Act.COMPOSE: _rule("5(2)", "a person answers from what was there", Role.RELEASE_OFFICER),
    Act.RELEASE: _rule("5(2)", "what was given cannot be taken back (Art. 9)", Role.RELEASE_OFFICER, second=_DECIDE),
    Act.REFUSE: _rule("5(2)", "a refusal has grounds in law", Role.RELEASE_OFFICER, second=_DECIDE),
    Act.PROVIDE: _rule("6", "what was given cannot be taken back (Art. 9)", Role.RELEASE_OFFICER, second=_DECIDE),
    Act.CONSENT: _rule(
        "8(5)(2)", "a use that was allowed cannot be undone; so too Art. 8(7)", *_DECIDE, second=_DECIDE
    ),
    Act.ASK_EXPLANATION: _rule("4(6)", "the match was theirs to answer for", *_DECIDE),
    # Both
    Act.CORRECT: _rule("10(1)", "whoever answers for information answers for its faults", *_DECIDE),
    Act.MEASURE: _rule("10(2)", "whoever answers for information answers for its faults", *_DECIDE),
    Act.NOTIFY_BREACH: _rule("9", "safeguards failed, and oversight tells of it", Role.COMPLIANCE, Role.SUPERVISOR),
    Act.CHANGE_QUOTA: _rule(
        "4(7)",
        "the arrangement says how much may be asked",
        Role.SUPERVISOR,
        second=(Role.SUPERVISOR, Role.COMPLIANCE),
    ),
    Act.ENROL: _rule("4(1)", "what is made available for searches is in the hands of examiners", Role.EXAMINER),
    Act.TAKE_DISPOSITIONS: _rule(
        "4(2)", "whose prints are searched follows from their standing", Role.EXAMINER, Role.RELEASE_OFFICER
    ),
    # Oversight
    Act.HOLD: _rule(
        "11(3)",
        "a record ends with its term unless a law orders otherwise",
        Role.COMPLIANCE,
        second=(Role.COMPLIANCE, Role.SUPERVISOR),
    ),
    Act.SEARCH_RECORD: _rule("11(1)", "the record is for overseeing data protection", Role.COMPLIANCE),
    Act.EXPORT: _rule("11(1)", "the record is for overseeing data protection", Role.COMPLIANCE),
    Act.SEE_VIEWS: _rule("9", "who looked is asked by those who oversee", Role.COMPLIANCE),
    Act.ASK_RESULT: _rule("8(6)", "the result of use reviews the implementation", Role.REVIEWER),
    Act.READ_RESULT: _rule("8(6)", "the result of use reviews the implementation alone", Role.REVIEWER),
    Act.SEE_STATISTICS: _rule(
        "14(1)", "figures without names review the implementation", Role.REVIEWER, Role.COMPLIANCE, Role.SUPERVISOR
    ),
    Act.MAKE_CONSULTATION_PACK: _rule(
        "14(1)", "the Parties consult on the implementation", Role.REVIEWER, Role.COMPLIANCE
    ),
    # The console itself
    Act.MANAGE_PEOPLE: _rule(
        "9",
        "who may do what is in two persons' hands",
        Role.ADMINISTRATOR,
        second=(Role.ADMINISTRATOR, Role.COMPLIANCE),
    ),
    Act.READ_HEALTH: _rule("9", "who keeps it running sees how it runs", Role.ADMINISTRATOR, Role.SUPERVISOR),
}
"""Who may do what. An act that is not here, nobody may do."""

TWO_PERSONS: Final = frozenset(act for act, rule in RULES.items() if rule.second)
"""The acts that need a second person where the contact point is set up so."""


def may(roles: Collection[str], act: Act) -> bool:
    """Return whether whoever holds these roles may do it; an unknown role may do nothing."""
    rule = RULES.get(act)
    return rule is not None and not rule.who.isdisjoint(roles)


def check(roles: Collection[str], act: Act) -> None:
    """Refuse an act that none of these roles may do.

    Raises:
        NotPermittedError: none may.

    """
    if may(roles, act):
        return
    rule = RULES.get(act)
    if rule is None:
        raise NotPermittedError(f"Art. 9: nobody may {act} here: ask whoever runs this contact point")
    raise NotPermittedError(
        f"Art. 9: to {act} takes the role of {_named(rule.who)}; you hold {_named(roles)} (Art. {rule.clause}: {rule.why}): "
        "ask somebody who holds it"
    )


def check_second(act: Act, *, first: str, second: str, roles: Collection[str]) -> None:
    """Refuse whoever cannot be the second person behind an act of ``first``; both by what tells persons apart here.

    Raises:
        SecondPersonError: the act takes no second person, it is the same one, or none of their ``roles`` may be it.

    """
    rule = RULES.get(act)
    if rule is None or not rule.second:
        raise SecondPersonError(f"Art. 9: to {act} takes no second person: let one do it who may")
    if first == second:
        raise SecondPersonError(
            f"Art. 9: to {act} takes two persons, and this is the one who began it (Art. {rule.clause}: {rule.why}): let "
            f"another one who is {_named(rule.second)} look at it"
        )
    if rule.second.isdisjoint(roles):
        raise SecondPersonError(
            f"Art. 9: the second person behind an act to {act} is {_named(rule.second)}; you hold {_named(roles)} "
            f"(Art. {rule.clause}: {rule.why}): ask somebody who is"
        )


def check_together(roles: Collection[str]) -> frozenset[Role]:
    """Return the roles that one person is to hold.

    Raises:
        RolesApartError: there is none, one is unknown, or two of them are kept apart.

    """
    try:
        held = frozenset(map(Role, roles))
    except ValueError:
        unknown = next(each for each in roles if each not in set(Role))
        raise RolesApartError(f"the roles are {_named(tuple(Role))}; got {unknown!r}: choose among these") from None
    if not held:
        raise RolesApartError(f"a person who may do nothing has no place here: give one of {_named(tuple(Role))}")
    for pair in combinations(sorted(held), 2):
        if (why := APART.get(frozenset(pair))) is not None:
            raise RolesApartError(f"{why}: {pair[0]} and {pair[1]} are two persons; give one of the two to another")
    return held


def _named(roles: Collection[str]) -> str:
    order = {role.value: place for place, role in enumerate(Role)}
    return " or ".join(sorted(roles, key=lambda each: order.get(each, len(order)))) or "no role"
