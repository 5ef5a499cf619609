"""May this information be used, or released, for that? Articles 6, 8(3), 8(5)-(8), 10(2) and 13(2), in two gates.

The gates are asked at every use and every release, and answer with the clause. Conditions come before the general purposes: a
Party that accepted them is bound (8(8)), and the purposes of 8(5)(1) are "consistent with paragraph 8".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from annex.offences import Offence, serious_crime
from pcsc.messages import Condition, ConsentTo, Recipient, RecipientKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annex.parameters import Party
    from pcsc.exchange import Exchange


class Purpose(StrEnum):
    """What information is to be used for."""

    DETERMINATION = "determination"
    """Whether to request further information: the only use of a query's result (8(3))."""
    NOTIFIED = "notified"
    """The purpose of the written notification (5(1))."""
    SERIOUS_CRIME = "serious-crime"
    """Investigation of serious crime: 8(5)(1)(a); for information without request, what it was provided for (6)."""
    PUBLIC_SECURITY = "public-security"
    """Prevention of a serious threat to the public security of the Party that uses: 8(5)(1)(b)."""
    IMMIGRATION = "immigration"
    """Immigration-related purposes: 8(5)(1)(c)."""
    REVIEW = "review"
    """Review of the implementation of the agreement: the only use of a result of use (8(6))."""
    OTHER = "other"
    """Any other purpose, which is stated in words: prior consent in writing (8(5)(2))."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Consent in writing, from its moment on: to one purpose in words, or to one release to one recipient.

    ``kinds`` are what it is about: kinds of items, or :data:`pcsc.messages.RESULT`, the result of the query.
    """

    to: ConsentTo
    purpose: str
    recipient: Recipient | None
    given_at: datetime
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Information:
    """What was provided, as far as its use depends on it."""

    article: int
    """The article under which it was provided: 4, 5, 6 or 7."""
    conditions: tuple[Condition, ...] = ()
    accepted: bool = True
    """Whether its conditions were accepted; True where there are none."""
    restricted: bool = False
    """Whether all of it is incorrect or unreliable and not disclosed (10(2))."""
    consents: tuple[Consent, ...] = ()
    kinds: frozenset[str] = frozenset()
    """Which kinds of items it is: a consent covers it if it names all of them."""

    @classmethod
    def provided_in(cls, exchange: Exchange, conditions: tuple[Condition, ...], kinds: set[str]) -> Information:
        """Return what was provided in an exchange: items of these kinds, under these conditions."""
        return cls(
            article=6 if exchange.article == 6 else 5,
            conditions=conditions,
            accepted=exchange.provided_at is not None,
            restricted=bool(kinds) and kinds <= set(exchange.restricted),
            consents=consents_of(exchange),
            kinds=frozenset(kinds),
        )


def consents_of(exchange: Exchange) -> tuple[Consent, ...]:
    """Return what the other Party consented to in an exchange, at our request."""
    return tuple(
        Consent(matter.to, matter.purpose, matter.recipient, matter.settled_at, matter.concerns)
        for matter in exchange.matters
        if matter.granted
        and matter.raised_by is exchange.ours
        and matter.to is not None
        and matter.settled_at is not None
    )


@dataclass(frozen=True, slots=True)
class Permission:
    """The use, or the release, is allowed, under this clause."""

    article: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The use, or the release, is not allowed, under this clause."""

    article: str
    reason: str


def may_use(
    information: Information,
    purpose: Purpose,
    *,
    by: Party,
    political: bool,
    offences: Sequence[Offence] = (),
    stated: str = "",
    now: datetime,
) -> Permission | Refusal:
    """Say whether ``by`` may use ``information`` for ``purpose``.

    ``political`` is the declaration of Article 13(2), asked anew at every use. ``offences`` are the conduct that is
    investigated, for SERIOUS_CRIME: they count by the law of the Party that uses (1(3)). ``stated`` is the purpose in words,
    for OTHER: it must be the one consented to.
    """
    if political:
        return Refusal(
            "13(2)", f"{by} declares that it considers the act a political offence; such a use is not authorised"
        )
    if information.article == 4:
        return _only(Purpose.DETERMINATION, purpose, "8(3)", "the result of a query")
    if information.article == 7:
        return _only(Purpose.REVIEW, purpose, "8(6)", "the result of a use")
    if (barred := _barred(information, purpose)) is not None:
        return barred
    if purpose is Purpose.OTHER:
        return _consented(information, stated, now)
    if information.article == 6:
        return _unasked(purpose, by, offences, now)
    if purpose is Purpose.NOTIFIED:
        return Permission("5(1)", "it is the purpose that the written notification stated")
    return _general(purpose, by, offences, now)


def _barred(information: Information, purpose: Purpose) -> Refusal | None:
    """Return what stands in the way of information under Articles 5 and 6, whatever its purposes allow."""
    # Art. 10(2): correction, deletion or non-disclosure of what is incorrect or unreliable, whatever the purpose.
    if information.restricted:
        return Refusal("10(2)", "it is incorrect or unreliable and is not disclosed until a measure is taken")
    if not information.accepted:
        return Refusal("8(8)", "its conditions were not accepted, so the information may not be used at all")
    # Art. 8(8) before 8(5): the general purposes are "consistent with paragraph 8".
    for condition in information.conditions:
        if purpose.value in condition.forbids:
            return Refusal("8(8)", f"the accepted condition forbids it: {condition.text}")
    return None


def _only(allowed: Purpose, purpose: Purpose, article: str, what: str) -> Permission | Refusal:
    """Allow one purpose and no other."""
    if purpose is allowed:
        return Permission(article, f"{what} may be used for this and for nothing else")
    return Refusal(article, f"{what} may be used solely for '{allowed}', not for '{purpose}'")


def _consented(information: Information, stated: str, now: datetime) -> Permission | Refusal:
    """Article 8(5)(2): another purpose, with prior consent to this very purpose. Consent does not reach back."""
    consent = _prior(information, ConsentTo.USE, now, lambda each: each.purpose == stated)
    if consent is not None:
        return Permission("8(5)(2)", f"the other Party consented to it in writing on {consent.given_at.date()}")
    return Refusal(
        "8(5)(2)",
        f"the purpose '{stated or 'not stated'}' needs the other Party's prior consent, asked for in writing with the purpose",
    )


def covers(consent: Consent, information: Information) -> bool:
    """Whether a consent is about all of some information: what came later, or was not named, needs its own."""
    return information.kinds <= set(consent.kinds)


def _prior(information: Information, to: ConsentTo, now: datetime, same: Callable[[Consent], bool]) -> Consent | None:
    """Return the consent that was given before now, to what is asked, and about all of the information."""
    given = (each for each in information.consents if each.to is to and each.given_at <= now)
    return next((each for each in given if same(each) and covers(each, information)), None)


def _unasked(purpose: Purpose, by: Party, offences: Sequence[Offence], now: datetime) -> Permission | Refusal:
    """Article 6 gives information for serious crime; the further purposes of 8(5)(1) are for Article 5 alone."""
    if purpose is Purpose.SERIOUS_CRIME:
        return _for_serious_crime("6", by, offences, now)
    return Refusal(
        "8(5)",
        "the purposes of paragraph 5 are for information provided under Article 5; what was provided without request is used "
        "for serious crime, or with consent",
    )


def _for_serious_crime(clause: str, by: Party, offences: Sequence[Offence], now: datetime) -> Permission | Refusal:
    """Allow a use under ``clause`` if it is for serious crime by the law of the Party that uses."""
    # Art. 1(3): "for Article 4 or 8, the Party that ... uses information".
    finding = serious_crime(offences, article=8, acting=by, on=now.date())
    return Permission(clause, finding.reason) if finding.serious else Refusal("1(3)", finding.reason)


def _general(purpose: Purpose, by: Party, offences: Sequence[Offence], now: datetime) -> Permission | Refusal:
    """Apply Article 8(5)(1) to information provided under Article 5."""
    if purpose is Purpose.SERIOUS_CRIME:
        return _for_serious_crime("8(5)(1)(a)", by, offences, now)
    if purpose is Purpose.PUBLIC_SECURITY:
        return Permission("8(5)(1)(b)", f"it serves to prevent a serious threat to the public security of {by}")
    if purpose is Purpose.IMMIGRATION:
        return Permission("8(5)(1)(c)", "it is an immigration-related purpose")
    return Refusal(
        "8(5)(2)", f"'{purpose}' is no purpose of such information; any other is stated in words and consented to first"
    )


def may_release(
    information: Information, recipient: Recipient, *, by: Party, law: str = "", now: datetime
) -> Permission | Refusal:
    """Say whether ``by`` may release ``information`` to ``recipient``: Article 8(7), for information under Articles 4 to 7.

    ``law`` cites the provision of ``by``'s law that obliges to disclose, where one does: the agreement leaves such obligations
    alone, even for what is otherwise held back.
    """
    if law.strip():
        return Permission(
            "8(7)",
            f"the law of {by.country} obliges to disclose it ({law.strip()}), which the agreement does not affect",
        )
    # Art. 8(3), 8(6): solely for one purpose, by the Party itself: a release serves another one.
    if recipient.kind is RecipientKind.AUTHORITY and information.article in {4, 7}:
        clause, what = (
            ("8(3)", "the result of a query") if information.article == 4 else ("8(6)", "the result of a use")
        )
        return Refusal(clause, f"{what} stays with those who use it for its sole purpose")
    if information.restricted:
        return Refusal("10(2)", "it is incorrect or unreliable and is not disclosed")
    if not information.accepted:
        return Refusal("8(8)", "its conditions were not accepted, so there is nothing that could be released")
    # Art. 8(7) is about third parties. An authority of the same Party uses the information: that is for the other gate.
    if recipient.kind is RecipientKind.AUTHORITY:
        return Refusal(
            "8(5)",
            f"{recipient.name} is an authority of {by}, which uses it for a purpose: ask for that use, naming it",
        )
    consent = _prior(information, ConsentTo.RELEASE, now, lambda each: each.recipient == recipient)
    if consent is not None:
        return Permission("8(7)", f"the other Party consented in writing on {consent.given_at.date()}")
    return Refusal(
        "8(7)",
        f"nothing provided under Articles 4 to 7 is released to {recipient.name} ({recipient.kind}) without the prior written "
        f"consent of {by.other}, to this recipient by name",
    )
