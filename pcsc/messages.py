"""Every message that the two contact points send each other, as frozen values.

A message that exists is well-formed: each class checks what its article asks of it when it is made, on either side of the
wire. Whether it may be sent or accepted *now* is for :mod:`pcsc.exchange`.

Reading order is the order of an exchange: a query (4(3)), its answer (4(4), 4(5)), the determination (8(2)), the request
with its written notification (5(1)), the reply (5(2), 5(5), 8(8)), the acceptance (8(8)) and what was provided.

``prints`` are the bytes of an ANSI/NIST-ITL transaction: nothing here reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from annex.offences import Offence
from annex.parameters import Party
from pcsc.errors import (
    ConditionsError,
    DualCriminalityError,
    NoAnswerError,
    NoAuthorityError,
    NoNotificationError,
    NoPrintsError,
    NoReasonError,
    OutOfOrderError,
    PurposeError,
    SoleGroundError,
)


class Activity(StrEnum):
    """What a query is for: Article 4(1) and (3) know these three, and no other."""

    PREVENTION = "prevention"
    DETECTION = "detection"
    INVESTIGATION = "investigation"


class Expectation(StrEnum):
    """What there is reason to inquire about the individual: Article 4(3)."""

    WILL_COMMIT = "will commit a serious crime"
    HAS_COMMITTED = "has committed a serious crime"


@dataclass(frozen=True, slots=True)
class Authority:
    """Who conducts the prevention, detection or investigation at the time of the query: Article 11(2)(3).

    A copy of what was true then, not a link to a directory. It is the investigating authority, never the contact point.
    """

    name: str
    unit: str
    identifier: str
    jurisdiction: str

    def __post_init__(self) -> None:
        """Refuse an authority that identifies nobody."""
        for field, value in (("name", self.name), ("unit", self.unit), ("identifier", self.identifier)):
            if not value.strip():
                raise NoAuthorityError(
                    f"the investigating authority's {field} is empty; the record must identify it: name the police or "
                    "agency, its unit and its own identifier as they are today"
                )


@dataclass(frozen=True, slots=True)
class Basis:
    """Why the agreement allows an act: the part of the justification that the other Party sees and both sides record.

    ``offences`` state the conduct by statute, not by facts. ``political`` is the acting Party's own declaration whether it
    considers the act a political offence (Article 13(2)); it is asked at every query, request and use.
    """

    activity: Activity
    offences: tuple[Offence, ...]
    political: bool

    def __post_init__(self) -> None:
        """Refuse a basis without conduct."""
        if not self.offences:
            raise PurposeError(
                "an act under the agreement names the conduct it is about; no offence was stated: give at least one, with "
                "its statute and its maximum penalty"
            )


@dataclass(frozen=True, slots=True)
class Head:
    """What every message carries.

    ``control_number`` names one message, or, in an answer, the message it answers. ``made_at`` is its sender's time.
    ``salt`` is 32 random bytes in hexadecimal: with it both sides commit to the message in their records (Article 11).
    """

    control_number: str
    made_at: datetime
    salt: str


@dataclass(frozen=True, slots=True)
class Query(Head):
    """An automated query about one individual: Article 4(3).

    ``identified`` says whether the individual is known to the querying Party: Annex II 1 makes other prints available
    where not. The particular circumstances stay with the querying contact point: the answer is automatic, and an
    explanation may be asked for later (4(6)).
    """

    querying: Party
    authority: Authority
    identified: bool
    basis: Basis
    expectation: Expectation
    prints: bytes

    def __post_init__(self) -> None:
        """Refuse a query without prints."""
        if not self.prints:
            raise NoPrintsError("a query carries fingerprint data of one individual; none came")


@dataclass(frozen=True, slots=True)
class Match(Head):
    """The answer that there is a match, with its reference number (4(4)) and the matching prints (4(5))."""

    reference: str
    prints: bytes

    def __post_init__(self) -> None:
        """Refuse a match that nobody could refer to or confirm."""
        if not self.reference.strip():
            raise NoAnswerError(
                "a match comes with a corresponding reference number; none came, so this is no answer: ask the queried "
                "contact point again"
            )
        if not self.prints:
            raise NoPrintsError(
                "a match is accompanied by the fingerprint data that lets the querying contact point confirm it; none came: "
                "ask the queried contact point for an answer with prints"
            )


@dataclass(frozen=True, slots=True)
class NoMatch(Head):
    """The answer that there is no match: Article 4(4). Absent, excluded and below the threshold look the same."""


Answer = Match | NoMatch


class Conclusion(StrEnum):
    """What the examiner concludes from the two prints."""

    IDENTIFICATION = "identification"
    EXCLUSION = "exclusion"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Determination(Head):
    """Notice that it was determined whether to request further information: Article 8(2), the end of a hold under 8(1)."""

    reference: str
    will_request: bool


@dataclass(frozen=True, slots=True)
class WrittenNotification:
    """The purpose of a request and the other items of the implementing arrangement, in writing: Article 5(1)."""

    purpose: str
    case_reference: str
    items: tuple[str, ...]
    basis: Basis
    signed_by: str

    def __post_init__(self) -> None:
        """Refuse a notification with an empty part."""
        for field, value in (
            ("purpose", self.purpose),
            ("case reference", self.case_reference),
            ("signature", self.signed_by),
        ):
            if not value.strip():
                raise NoNotificationError(
                    f"the written notification's {field} is empty; a request is subject to written notification of its "
                    "purpose: state it"
                )
        if not self.items:
            raise NoNotificationError("the written notification asks for no item; name the items of information wanted")


@dataclass(frozen=True, slots=True)
class Request(Head):
    """A request for further information on the individual whose prints matched: Article 5(1)."""

    reference: str
    authority: Authority
    notification: WrittenNotification


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on the use of provided information, for machine and reader: Article 8(8).

    ``forbids`` names purposes (values of :class:`pcsc.use.Purpose`) for which the information may not be used.
    """

    text: str
    forbids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a condition that says nothing."""
        if not self.text.strip():
            raise ConditionsError("a condition is imposed in words; this one is empty: state it, or impose none")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of information: its kind, as the arrangement lists it, and its value."""

    kind: str
    value: str


class Ground(StrEnum):
    """Grounds on which a request may be refused in whole or in part.

    ``NO_OFFENCE_HERE`` stands here so that it can be refused by name (5(3)); ``OTHER_CHANNEL`` never suffices alone (5(4)).
    """

    LAW = "law"
    """The law of the requested Party does not allow it."""
    NOT_AVAILABLE = "not-available"
    """It was not there at the time of receipt."""
    NOT_RELEVANT = "not-relevant"
    """It is not relevant to the notified purpose."""
    POLITICAL_OFFENCE = "political-offence"
    """It relates to a political offence."""
    MUST_BE_GOVERNED = "must-be-governed"
    """It must be governed by another agreement."""
    OTHER_CHANNEL = "other-channel"
    """Another channel is available."""
    NO_OFFENCE_HERE = "no-offence-here"
    """The conduct is no offence under the law of the requested Party."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not given: ``item`` is None where the whole request is refused. Articles 5(3)-(5)."""

    ground: Ground
    reason: str
    item: str | None = None

    def __post_init__(self) -> None:
        """Refuse a ground that the agreement rules out, and a ground without a reason."""
        # Art. 5(3): without regard to whether the conduct would be an offence in the queried Party's country.
        if self.ground is Ground.NO_OFFENCE_HERE:
            raise DualCriminalityError(
                "information is provided without regard to whether the conduct is an offence here; refuse on another "
                "ground or provide it"
            )
        # Art. 5(5): the reasons are told.
        if not self.reason.strip():
            raise NoReasonError(
                f"a refusal on the ground '{self.ground}' informs of its reasons; none was written: state them"
            )


@dataclass(frozen=True, slots=True)
class Reply(Head):
    """The answer to a request: items, conditions on them, and what is refused. Articles 5(2), 5(5), 8(8).

    With conditions, ``items`` is empty and ``offered`` lists the kinds that acceptance will bring. Without, ``items`` holds
    the information itself.
    """

    request: str
    reference: str
    items: tuple[Item, ...] = ()
    offered: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a reply that neither gives, offers nor refuses, or that gives before its conditions are accepted."""
        if not (self.items or self.offered or self.refusals):
            raise NoReasonError("a reply gives information, offers it under conditions, or refuses with reasons")
        # Art. 8(8): the receiving Party is bound if it accepts, so it must be able not to accept: no content before.
        if self.conditions and self.items:
            raise ConditionsError(
                "information under conditions is offered first and given on acceptance; it came at once"
            )
        if self.offered and not self.conditions:
            raise ConditionsError("information is offered only where there are conditions to accept; none came")
        whole = {refusal.ground for refusal in self.refusals if refusal.item is None}
        # Art. 5(4): not only for the reason that another channel could be used; neither in whole nor item by item.
        for item in {refusal.item for refusal in self.refusals}:
            if whole | {refusal.ground for refusal in self.refusals if refusal.item == item} == {Ground.OTHER_CHANNEL}:
                raise SoleGroundError(
                    f"{'a request' if item is None else repr(item)} is not refused only because another channel could be "
                    "used; give another ground as well, or say which agreement must govern"
                )
        if whole and (self.items or self.offered):
            raise OutOfOrderError("a reply that refuses the whole request cannot provide a part of it")

    @property
    def refused(self) -> bool:
        """Whether nothing is provided or offered."""
        return not (self.items or self.offered)


@dataclass(frozen=True, slots=True)
class Acceptance(Head):
    """The asking Party accepts the conditions and is bound by them, or declines the information: Article 8(8)."""

    reply: str
    reference: str
    accepted: bool
    signed_by: str

    def __post_init__(self) -> None:
        """Refuse an acceptance that nobody signed."""
        if not self.signed_by.strip():
            raise ConditionsError("acceptance binds the Party, so somebody signs it; no name came")


@dataclass(frozen=True, slots=True)
class Provision(Head):
    """The information itself, given on acceptance of its conditions: Articles 5(2) and 8(8)."""

    reply: str
    reference: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Receipt(Head):
    """The other contact point has the message and has recorded it."""


Message = Query | Match | NoMatch | Determination | Request | Reply | Acceptance | Provision | Receipt
"""Whatever crosses between the contact points."""
