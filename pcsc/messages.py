"""Every message that the two contact points send each other, as frozen values.

A message that exists is well-formed: each class checks what its article asks of it when it is made, on either side of the
wire. Whether it may be sent or accepted *now* is for :mod:`pcsc.life`.

Reading order is the order of an exchange: a query (4(3)), its answer (4(4), 4(5)), the determination (8(2)), the request
with its written notification (5(1)), what can be done by when, the reply (5(2), 5(5), 8(8)), the acceptance (8(8)) and
what was provided. Then what may come beside it: information without request (6), explanation (4(6)), result of use (7),
consent (8(5)(2), 8(7)), notice of incorrect information (10(1)), of a breach (9), and consultations (14).

``prints`` are the bytes of an ANSI/NIST-ITL transaction: nothing here reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from annex.offences import Offence
from annex.parameters import Party
from pcsc import assistance
from pcsc.errors import (
    ConditionsError,
    ConsentError,
    ConsultationError,
    CorrectionError,
    DualCriminalityError,
    NoAnswerError,
    NoAuthorityError,
    NoExplanationError,
    NoNotificationError,
    NoPrintsError,
    NoReasonError,
    NoReasonToBelieveError,
    OutageError,
    OutOfOrderError,
    ProtectionError,
    PurposeError,
    SoleGroundError,
    TreatyError,
)


def _stated(error: type[TreatyError], why: str, **fields: str) -> None:
    """Refuse a message in which a field that must be stated is empty; ``why`` says what for."""
    for field, value in fields.items():
        if not value.strip():
            raise error(f"{why}; the {field.replace('_', ' ')} is empty: state it")


class Activity(StrEnum):
    """What a query is for: Article 4(1) and (3) know these three, and no other."""

    PREVENTION = "prevention"
    DETECTION = "detection"
    INVESTIGATION = "investigation"


class Search(StrEnum):
    """What print a query searches with; quotas and candidates are fixed for each (Article 4(7))."""

    TENPRINT = "tenprint"
    """Prints taken from a person."""
    LATENT = "latent"
    """A print left at a scene."""


class Expectation(StrEnum):
    """What there is reason to inquire about the individual (Article 4(3)), or to believe (Article 6)."""

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
    search: Search
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
        _stated(
            NoNotificationError,
            "a request is subject to written notification of its purpose",
            purpose=self.purpose,
            case_reference=self.case_reference,
            signature=self.signed_by,
        )
        if not self.items:
            raise NoNotificationError("the written notification asks for no item; name the items of information wanted")


@dataclass(frozen=True, slots=True)
class Request(Head):
    """A request for further information on the individual whose prints matched: Article 5(1).

    ``risk`` makes it urgent: the significant and imminent risk that cannot wait, in words; empty where it can.
    """

    reference: str
    authority: Authority
    notification: WrittenNotification
    risk: str = ""


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
    """One item of information: its kind, as the arrangement lists it, and its value.

    ``note`` says what the reader must know of it, such as that it changed after the request came (Article 5(2)).
    """

    kind: str
    value: str
    note: str = ""


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
class CapacityAnswer(Head):
    """Whether an open request can be answered, in full or in part, and by when: before its reply, and in place of none.

    The agreement knows no such message, so it changes no time limit and refuses nothing (Articles 5(2), 5(5)). Japan's
    contribution on a convention on cybercrime, 1.1.2, wants it "in as transparent and timely a fashion as possible".
    """

    request: str
    reference: str
    answer: assistance.CapacityAnswer


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


# Information without request: Article 6


@dataclass(frozen=True, slots=True)
class ProvisionWithoutRequest(Head):
    """Information on one case that nobody asked for: Article 6.

    As in a reply, ``items`` come at once, or ``offered`` under ``conditions`` that are to be accepted first (8(8)).
    """

    providing: Party
    authority: Authority
    basis: Basis
    expectation: Expectation
    reason_to_believe: str
    case_reference: str
    items: tuple[Item, ...] = ()
    offered: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse information about no individual case, without a reason to believe, or before its conditions are accepted."""
        _stated(
            NoReasonToBelieveError,
            "information is provided without request in individual cases, when there is reason to believe that a serious "
            "crime will be or has been committed",
            reason_to_believe=self.reason_to_believe,
            case_reference=self.case_reference,
        )
        if bool(self.items) == bool(self.offered):
            raise NoReasonToBelieveError(
                "information without request gives items, or offers them under conditions, and not both: name the items"
            )
        # Art. 8(8): conditions are for information under Article 6 too, and bind only who accepts them.
        if bool(self.conditions) != bool(self.offered):
            raise ConditionsError(
                "information under conditions is offered first and given on acceptance; without conditions it comes at once"
            )


# Why a query was made: Article 4(6)


class Why(StrEnum):
    """Why no request followed a match, for an explanation."""

    EXCLUDED = "the examiner excluded the match"
    INCONCLUSIVE = "the examination was inconclusive"
    CASE_CLOSED = "the case was closed"
    CLEARED = "the individual was cleared"
    SENT_IN_ERROR = "the query was sent in error"
    OTHER = "another reason"


@dataclass(frozen=True, slots=True)
class ExplanationRequest(Head):
    """The queried side asks for the purpose of a query that matched and was not followed: Article 4(6)."""

    reference: str


@dataclass(frozen=True, slots=True)
class Explanation(Head):
    """The querying side explains the purpose of its query: Article 4(6), second sentence."""

    question: str
    reference: str
    purpose: str
    why: Why
    text: str
    signed_by: str

    def __post_init__(self) -> None:
        """Refuse an explanation that explains nothing."""
        _stated(
            NoExplanationError,
            "an explanation says the purpose of the query",
            purpose=self.purpose,
            text=self.text,
            signature=self.signed_by,
        )


# What came of it: Article 7


@dataclass(frozen=True, slots=True)
class Use:
    """One use of provided information, as the ledger keeps it: the purpose, the clause that allowed it, and its result."""

    purpose: str
    clause: str
    on: date
    result: str = ""


@dataclass(frozen=True, slots=True)
class ResultRequest(Head):
    """The side that provided information asks what came of its use: Article 7."""

    reference: str


@dataclass(frozen=True, slots=True)
class ResultOfUse(Head):
    """Every use of the information and its result; none where it was not used: Article 7, including 8(5)(1)."""

    question: str
    reference: str
    uses: tuple[Use, ...]


# Consent: Articles 8(5)(2) and 8(7)


class RecipientKind(StrEnum):
    """Who information could be released to: Article 8(7) names all but the first."""

    AUTHORITY = "authority of our own Party"
    STATE = "third State"
    BODY = "international body"
    """Such as INTERPOL or Europol."""
    ENTITY = "private entity"
    """Also one that only hosts, maintains or supports a system."""
    PERSON = "private person"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody by name whom information is released to."""

    kind: RecipientKind
    name: str

    def __post_init__(self) -> None:
        """Refuse a recipient without a name: consent to one is not consent to another."""
        if not self.name.strip():
            raise ConsentError("a release is to somebody by name; none was given: name the recipient")


PRINTS: Final = "fingerprint data"
"""What a notice names where the prints of a query or a match are concerned, instead of an item of information."""

RESULT: Final = "result of automated querying"
"""What a request for consent names where the result of a query is concerned: match or no match, with its prints."""


class ConsentTo(StrEnum):
    """What consent is asked for, by its clause."""

    USE = "8(5)(2)"
    RELEASE = "8(7)"


@dataclass(frozen=True, slots=True)
class ConsentRequest(Head):
    """A request in writing for prior consent to another use (8(5)(2)), or to a release (8(7))."""

    reference: str
    to: ConsentTo
    purpose: str
    kinds: tuple[str, ...]
    """What it is about: kinds of items, or :data:`RESULT`."""
    signed_by: str
    recipient: Recipient | None = None

    def __post_init__(self) -> None:
        """Refuse a request that leaves open what is to be consented to."""
        if not self.kinds:
            raise ConsentError(
                f"consent is asked for by saying what it is about; name the items, or '{RESULT}' for the result of a query"
            )
        _stated(
            ConsentError,
            "consent is requested in writing, by specifying the purpose (Art. 8(5)(2))",
            purpose=self.purpose,
            signature=self.signed_by,
        )
        if (self.to is ConsentTo.RELEASE) is (self.recipient is None):
            raise ConsentError(
                "a release is consented to for a named recipient (Art. 8(7)), and a use has none: correct the request"
            )


@dataclass(frozen=True, slots=True)
class ConsentDecision(Head):
    """The written decision on a request for consent; ``reason`` is told where it is withheld."""

    question: str
    reference: str
    granted: bool
    reason: str
    signed_by: str

    def __post_init__(self) -> None:
        """Refuse a decision that nobody signed, or that withholds consent without a word."""
        if not self.signed_by.strip():
            raise ConsentError(
                "consent is given or withheld in writing, so somebody signs it (Art. 8(7)); no name came"
            )
        if not self.granted and not self.reason.strip():
            raise ConsentError("consent that is withheld is withheld with a reason; none came: state it")


# Incorrect information: Article 10


class Fault(StrEnum):
    """What is wrong with information: Article 10(1)."""

    INCORRECT = "incorrect"
    UNRELIABLE = "unreliable"


@dataclass(frozen=True, slots=True)
class CorrectionNotice(Head):
    """Notice that material information, provided or received, is incorrect or unreliable: Article 10(1).

    ``concerns`` are the kinds of items, or :data:`PRINTS`. ``correct`` is what they should say, where that is known.
    """

    reference: str
    concerns: tuple[str, ...]
    fault: Fault
    text: str
    signed_by: str
    correct: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a notice that does not say what is wrong."""
        _stated(
            CorrectionError,
            "a notice says what is incorrect or unreliable",
            explanation=self.text,
            signature=self.signed_by,
        )
        if not self.concerns:
            raise CorrectionError(f"a notice names the items that it concerns, or '{PRINTS}'; none is named")
        if stray := {item.kind for item in self.correct} - set(self.concerns):
            raise CorrectionError(
                f"a notice corrects what it concerns, {', '.join(self.concerns)}; it also gives {', '.join(sorted(stray))}"
            )


# Between the contact points, about no single query: Articles 9 and 14


@dataclass(frozen=True, slots=True)
class BreachNotice(Head):
    """Notice in writing that the protection of information was breached: Article 9, within the arrangement's hours.

    ``affected`` are the reference numbers of what was concerned, as far as known.
    """

    raised_by: Party
    noticed_at: datetime
    nature: str
    measures: str
    affected: tuple[str, ...]
    signed_by: str

    def __post_init__(self) -> None:
        """Refuse a notice that leaves out what the other Party needs to act."""
        _stated(
            ProtectionError,
            "a notice of a breach says what happened and what was done about it",
            nature=self.nature,
            measures=self.measures,
            signature=self.signed_by,
        )


class ConsultationOn(StrEnum):
    """What consultations are asked for, by their clause."""

    IMPLEMENTATION = "14(1)"
    INTERPRETATION = "14(2)"
    AMENDMENT = "15(3)"


@dataclass(frozen=True, slots=True)
class Consultation(Head):
    """A request for consultations: Articles 14(1), 14(2) and 15(3)."""

    raised_by: Party
    on: ConsultationOn
    matter: str
    signed_by: str

    def __post_init__(self) -> None:
        """Refuse a request that does not say what about."""
        _stated(ConsultationError, "consultations are about something", matter=self.matter, signature=self.signed_by)


class OutageReason(StrEnum):
    """Why a contact point does not answer: a class, and no words, so nothing of a person or of a weakness is told."""

    MAINTENANCE = "maintenance"
    MOVE = "move to another place"
    SYSTEM = "failure of a system"
    NETWORK = "failure of the network"
    SECURITY = "security"


LONGEST_OUTAGE: Final = timedelta(days=31)
"""What one notice announces at most: a mistaken one silences nobody for longer, and who needs more announces it anew."""


@dataclass(frozen=True, slots=True)
class OutageNotice(Head):
    """Notice that a contact point cannot be queried for a time: Article 4(1) lets the other Party's query it at any time.

    One that replaces another ends it too: an outage that is over, or does not come, ends when the notice was made.
    """

    raised_by: Party
    planned: bool
    begins: datetime
    ends: datetime
    reason: OutageReason
    replaces: str = ""
    """The control number of the notice that counts no longer; empty where there is none."""

    def __post_init__(self) -> None:
        """Refuse a time that ends before it begins, or lasts for ever."""
        if self.begins.utcoffset() is None or self.ends.utcoffset() is None:
            raise OutageError("an outage begins and ends at times that say how far they are from UTC: state it")
        if not timedelta() <= self.ends - self.begins <= LONGEST_OUTAGE:
            raise OutageError(
                f"an outage ends after it begins, and within {LONGEST_OUTAGE.days} days; got {self.begins:%Y-%m-%d %H:%M} to "
                f"{self.ends:%Y-%m-%d %H:%M}: announce what is known, and the rest when it is"
            )


@dataclass(frozen=True, slots=True)
class Reachability(Head):
    """Is the other contact point there? It carries no information under the agreement, opens nothing and is not recorded."""


@dataclass(frozen=True, slots=True)
class Step:
    """A checkpoint of the sender's record as a signed note, and the proof that the tree before it only grew into this one.

    The proof is of RFC 9162, 2.1.4, each hash in base64; empty for the first checkpoint of a tree.
    """

    note: str
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoints(Head):
    """How far the sender's record has come since the recipient last saw it, to be witnessed: Articles 9 and 11.

    It says nothing of any exchange, so it opens none and is not recorded, except for ``receipts``: what the sender destroyed
    since (Articles 8(1) and 8(2)), each a note of :mod:`pcsc.receipts`.
    """

    since: str
    """Tree and size of the last checkpoint that the recipient witnessed, "2026-11 1204"; empty where there was none."""
    steps: tuple[Step, ...]
    """Oldest first, one a tree; none where nothing was added."""
    witnessed: str
    """The last checkpoint of the recipient's record that the sender witnessed, with its cosignature; empty before the first."""
    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt(Head):
    """The other contact point has the message and has recorded it, if it carries information."""


Asking = ExplanationRequest | ResultRequest | ConsentRequest
"""What is answered by a message of its own, later and by a person."""
Answering = Explanation | ResultOfUse | ConsentDecision
Notice = BreachNotice | Consultation | OutageNotice
"""What is about no exchange, and opens one of its own."""

Message = (
    Query
    | Match
    | NoMatch
    | Determination
    | Request
    | CapacityAnswer
    | Reply
    | Acceptance
    | Provision
    | ProvisionWithoutRequest
    | Asking
    | Answering
    | CorrectionNotice
    | Notice
    | Reachability
    | Checkpoints
    | Receipt
)
"""Whatever crosses between the contact points."""
