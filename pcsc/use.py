"""May this information be used for that? Article 8(3), 8(5), 8(6), 8(8) and 13(2), in one gate.

The gate is asked at every use, and answers with the clause. Conditions come before the general purposes: a Party that
accepted them is bound (8(8)), and the purposes of 8(5)(1) are "consistent with paragraph 8".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from annex.offences import Offence, serious_crime
from pcsc.messages import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from annex.parameters import Party


class Purpose(StrEnum):
    """What information is to be used for."""

    DETERMINATION = "determination"
    """Whether to request further information: the only use of a query's result (8(3))."""
    NOTIFIED = "notified"
    """The purpose of the written notification (5(1))."""
    SERIOUS_CRIME = "serious-crime"
    """Investigation of serious crime: 8(5)(1)(a)."""
    PUBLIC_SECURITY = "public-security"
    """Prevention of a serious threat to the public security of the Party that uses: 8(5)(1)(b)."""
    IMMIGRATION = "immigration"
    """Immigration-related purposes: 8(5)(1)(c)."""
    REVIEW = "review"
    """Review of the implementation of the agreement: the only use of a result of use (8(6))."""
    OTHER = "other"
    """Any other purpose: prior consent in writing (8(5)(2))."""


@dataclass(frozen=True, slots=True)
class Information:
    """What was provided, as far as its use depends on it."""

    article: int
    """The article under which it was provided: 4, 5, 6 or 7."""
    conditions: tuple[Condition, ...] = ()
    accepted: bool = True
    """Whether its conditions were accepted; True where there are none."""


@dataclass(frozen=True, slots=True)
class Permission:
    """The use is allowed, under this clause."""

    article: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The use is not allowed, under this clause."""

    article: str
    reason: str


def may_use(
    information: Information,
    purpose: Purpose,
    *,
    by: Party,
    political: bool,
    offences: Sequence[Offence] = (),
    now: datetime,
) -> Permission | Refusal:
    """Say whether ``by`` may use ``information`` for ``purpose``.

    ``political`` is the declaration of Article 13(2), asked anew at every use. ``offences`` are the conduct that is
    investigated, for SERIOUS_CRIME: they count by the law of the Party that uses (1(3)).
    """
    if political:
        return Refusal(
            "13(2)", f"{by} declares that it considers the act a political offence; such a use is not authorised"
        )
    if information.article == 4:
        return _only(Purpose.DETERMINATION, purpose, "8(3)", "the result of a query")
    if information.article == 7:
        return _only(Purpose.REVIEW, purpose, "8(6)", "the result of a use")
    if not information.accepted:
        return Refusal("8(8)", "its conditions were not accepted, so the information may not be used at all")
    # Art. 8(8) before 8(5): the general purposes are "consistent with paragraph 8".
    for condition in information.conditions:
        if purpose.value in condition.forbids:
            return Refusal("8(8)", f"the accepted condition forbids it: {condition.text}")
    # Only a request has a written notification, and paragraph 5 speaks of information provided under Article 5.
    if information.article != 5:
        return Refusal("8(5)", "the purposes of paragraph 5 are for information provided under Article 5")
    if purpose is Purpose.NOTIFIED:
        return Permission("5(1)", "it is the purpose that the written notification stated")
    return _general(purpose, by, offences, now)


def _only(allowed: Purpose, purpose: Purpose, article: str, what: str) -> Permission | Refusal:
    """Allow one purpose and no other."""
    if purpose is allowed:
        return Permission(article, f"{what} may be used for this and for nothing else")
    return Refusal(article, f"{what} may be used solely for '{allowed}', not for '{purpose}'")


def _general(purpose: Purpose, by: Party, offences: Sequence[Offence], now: datetime) -> Permission | Refusal:
    """Apply Article 8(5) to information provided under Article 5."""
    if purpose is Purpose.SERIOUS_CRIME:
        # Art. 1(3): "for Article 4 or 8, the Party that ... uses information".
        finding = serious_crime(offences, article=8, acting=by, on=now.date())
        return Permission("8(5)(1)(a)", finding.reason) if finding.serious else Refusal("1(3)", finding.reason)
    if purpose is Purpose.PUBLIC_SECURITY:
        return Permission("8(5)(1)(b)", f"it serves to prevent a serious threat to the public security of {by}")
    if purpose is Purpose.IMMIGRATION:
        return Permission("8(5)(1)(c)", "it is an immigration-related purpose")
    return Refusal(
        "8(5)(2)", f"'{purpose}' needs the other Party's prior consent, asked for in writing with the purpose"
    )
