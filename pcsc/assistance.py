"""How assistance is asked for and answered well: what is missing, what is urgent, what can be done, and by when.

These are the practices that Japan's contribution to the negotiations on a convention on cybercrime calls for, and the
periods of the Act on International Assistance in Investigation (Act No. 69 of 1980). The contribution is a position, not
law: what rests on it says so. Every value here refuses to be half-said: an emergency without its risk, a capacity answer
without its reason, an e-mail without what keeps it confidential.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from annex.parameters import IN_FORCE, Dated, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTRIBUTION: Final = "Japan's contribution on a convention on cybercrime"
"""A position in negotiations, not law."""

PRESERVATION_DAYS: Final = Dated(
    "longest period of a first request to preserve",
    (
        Value(
            IN_FORCE,
            30,
            "Act No. 69 of 1980, Art. 8(1)(vi)",
            "a period of at most thirty days; read in the text of 2025-06-01, earlier texts not compared",
        ),
    ),
)
PRESERVATION_DAYS_IN_ALL: Final = Dated(
    "longest period to preserve, extension included",
    (
        Value(
            IN_FORCE,
            60,
            "Act No. 69 of 1980, Art. 8(1)(vi)",
            "at most sixty days in all where it is extended; read in the text of 2025-06-01, earlier texts not compared",
        ),
    ),
)
REVIEW_DAYS: Final = Dated(
    "days after which the use of the emergency procedure is reviewed",
    (
        Value(
            IN_FORCE,
            30,
            f"{CONTRIBUTION}, 1.6.2",
            "[interp] the contribution wants a fast track and is silent on its abuse; a review within a month keeps the "
            "fast track for emergencies",
        ),
    ),
)


class AssistanceError(ValueError):
    """Something was said by half, or asks for more than the law gives."""


def _stated(why: str, **fields: str) -> None:
    """Refuse a value of which a part that must be said is empty."""
    for field, value in fields.items():
        if not value.strip():
            raise AssistanceError(f"{why}; the {field} is empty: state it")


# Is a request complete?


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a checklist.

    With ``choices`` the answer is one of them. With ``when`` the point is asked only where another one is answered so.
    """

    key: str
    label: str
    clause: str
    required: bool = True
    choices: tuple[str, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps a document from being sent."""

    key: str
    message: str


def missing(points: Iterable[Point], answers: Mapping[str, object]) -> tuple[Missing, ...]:
    """Return what the answers still lack of a checklist, in its order; nothing where they are complete."""
    points = tuple(points)
    keys = {point.key for point in points}
    found = [each for point in points if (each := _lacking(point, answers))]
    found += [
        Missing(key, f"{key}: the document has no such point; correct the name, or leave it out")
        for key in answers
        if key not in keys
    ]
    return tuple(found)


def _lacking(point: Point, answers: Mapping[str, object]) -> Missing | None:
    answer = answers.get(point.key)
    if is_blank(answer):
        if not point.required or not _asked(point, answers):
            return None
        return Missing(point.key, f"{point.key}: nothing is stated under '{point.label}' ({point.clause})")
    if point.choices and str(answer) not in point.choices:
        return Missing(
            point.key,
            f"{point.key}: '{point.label}' is one of {', '.join(point.choices)} ({point.clause}); got {answer!r}",
        )
    return None


def _asked(point: Point, answers: Mapping[str, object]) -> bool:
    return point.when is None or str(answers.get(point.when[0])) in point.when[1]


def is_blank(answer: object) -> bool:
    """Whether an answer says nothing: absent, white space, or a list of such."""
    if isinstance(answer, list | tuple):
        return all(is_blank(each) for each in answer)
    return answer is None or not str(answer).strip()


# Emergencies


@dataclass(frozen=True, slots=True)
class Emergency:
    """A significant and imminent risk to the life or safety of individuals, in words: contribution, 1.6.2."""

    risk: str
    stated_by: str
    stated_at: datetime

    def __post_init__(self) -> None:
        """Refuse an emergency of which nobody says what is at risk."""
        _stated(
            f"an emergency is a significant and imminent risk to life or safety, stated by somebody ({CONTRIBUTION}, 1.6.2)",
            risk=self.risk,
            author=self.stated_by,
        )

    @property
    def review_due(self) -> date:
        """The day by which it is reviewed whether the fast track was rightly used."""
        day = self.stated_at.date()
        return day + timedelta(days=REVIEW_DAYS.at(day).value)


class Outcome(StrEnum):
    """What a review of an emergency finds."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "not-justified"


@dataclass(frozen=True, slots=True)
class EmergencyReview:
    """The review of an emergency, after the fact and by somebody other than who stated it."""

    emergency: Emergency
    outcome: Outcome
    reason: str
    reviewed_by: str
    reviewed_on: date

    def __post_init__(self) -> None:
        """Refuse a review without a reason, by who stated the emergency, or before it."""
        _stated(
            "a review of an emergency gives its reason and is somebody's", reason=self.reason, reviewer=self.reviewed_by
        )
        if self.reviewed_by.strip() == self.emergency.stated_by.strip():
            raise AssistanceError(
                f"an emergency is reviewed by somebody other than who stated it; both are {self.reviewed_by}"
            )
        if self.reviewed_on < self.emergency.stated_at.date():
            raise AssistanceError(
                f"an emergency is reviewed after the fact; it was stated on {self.emergency.stated_at:%Y-%m-%d} and the "
                f"review is dated {self.reviewed_on}"
            )

    @property
    def late(self) -> bool:
        """Whether the review came after its due day."""
        return self.reviewed_on > self.emergency.review_due


# Preservation of traffic data


@dataclass(frozen=True, slots=True)
class Preservation:
    """A request to a provider in Japan not to erase communication history: Act No. 69 of 1980, Art. 8(1)(vi).

    It covers the history of communications (origin, destination, time), not their content. ``extended_by`` are days.
    """

    requested_on: date
    days: int
    extended_by: int = 0

    def __post_init__(self) -> None:
        """Refuse a period that the Act does not give."""
        first = PRESERVATION_DAYS.at(self.requested_on)
        in_all = PRESERVATION_DAYS_IN_ALL.at(self.requested_on)
        if not 1 <= self.days <= first.value:
            raise AssistanceError(
                f"a request to preserve is for 1 to {first.value} days ({first.source}); got {self.days}: ask for less, "
                "and extend it"
            )
        if self.extended_by < 0 or self.days + self.extended_by > in_all.value:
            raise AssistanceError(
                f"a preservation is extended to at most {in_all.value} days in all ({in_all.source}); got {self.days} and "
                f"{self.extended_by} more: at most {in_all.value - self.days} more are left. Send the request for "
                "disclosure before it ends"
            )

    @property
    def last_day(self) -> date:
        """The last day on which the data are preserved. [interp] The day of the request is not counted."""
        return self.requested_on + timedelta(days=self.days + self.extended_by)

    @property
    def may_be_extended_by(self) -> int:
        """Days for which it may still be extended."""
        return PRESERVATION_DAYS_IN_ALL.at(self.requested_on).value - self.days - self.extended_by

    def days_left(self, on: date) -> int:
        """Return the days from ``on`` to the last day; negative once it is over."""
        return (self.last_day - on).days


# Can it be done?


class Capacity(StrEnum):
    """The answer to a request for assistance: contribution, 1.1.2."""

    ACCEPTED = "accepted"
    PARTLY = "partly"
    CANNOT = "cannot"


class Lack(StrEnum):
    """What is lacking, in the contribution's words."""

    CAPABILITIES = "capabilities"
    CAPACITY = "capacity"
    RESOURCES = "resources"


@dataclass(frozen=True, slots=True)
class CapacityAnswer:
    """Whether the assistance can be provided, and when: contribution, 1.1.2. It is no refusal, which has grounds in law."""

    capacity: Capacity
    expected_on: date | None = None
    lacking: tuple[Lack, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse an answer that leaves the asking side in the dark."""
        if (self.capacity is Capacity.CANNOT) is (self.expected_on is not None):
            raise AssistanceError(
                f"'{self.capacity}' {'has no' if self.expected_on else 'needs a'} day on which assistance is expected "
                f"({CONTRIBUTION}, 1.1.2); got {self.expected_on}"
            )
        if (self.capacity is Capacity.ACCEPTED) is bool(self.lacking):
            raise AssistanceError(
                f"'{self.capacity}' names {'nothing that lacks' if self.lacking else 'what lacks'}: capabilities, capacity "
                f"or resources ({CONTRIBUTION}, 1.1.2); got {', '.join(self.lacking) or 'nothing'}"
            )
        if self.capacity is not Capacity.ACCEPTED:
            _stated(f"'{self.capacity}' is as transparent as possible ({CONTRIBUTION}, 1.1.2)", reason=self.reason)

    @property
    def words(self) -> str:
        """The answer in a sentence."""
        expected = f", expected on {self.expected_on}" if self.expected_on else ""
        lacking = f"; lacking {', '.join(self.lacking)}: {self.reason}" if self.lacking else ""
        return f"{self.capacity.capitalize()}{expected}{lacking}"


# How long has it been waiting?


@dataclass(frozen=True, slots=True)
class Received:
    """A request for assistance that was received."""

    number: str
    received_at: datetime
    emergency: Emergency | None = None
    acknowledged_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """How long a request has waited, and what it waits for; ``overdue`` is negative while there is time."""

    number: str
    waits_for: str
    waiting: timedelta
    overdue: timedelta
    emergency: bool


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The periods in which requests are acknowledged and answered; the sources set none, so each authority sets its own."""

    acknowledge: timedelta
    answer: timedelta
    answer_in_emergency: timedelta


def ageing(requests: Iterable[Received], timeframe: Timeframe, now: datetime) -> tuple[Age, ...]:
    """Return the requests that wait, emergencies in a queue of their own before all others, the most overdue first.

    "Without undue delay" and "within a timeframe": contribution, 1.3.2.
    """
    ages = [_age(request, timeframe, now) for request in requests if request.answered_at is None]
    return tuple(sorted(ages, key=lambda age: (not age.emergency, -age.overdue)))


def _age(request: Received, timeframe: Timeframe, now: datetime) -> Age:
    urgent = request.emergency is not None
    answer = timeframe.answer_in_emergency if urgent else timeframe.answer
    acknowledged = request.acknowledged_at is not None
    waiting = now - request.received_at
    # An acknowledgement is never owed later than the answer, which an emergency brings forward.
    allowed = answer if acknowledged else min(timeframe.acknowledge, answer)
    return Age(
        request.number, "an answer" if acknowledged else "an acknowledgement", waiting, waiting - allowed, urgent
    )


# By which means?


class Means(StrEnum):
    """How a message reaches the other authority."""

    CONTACT_POINTS = "channel of the contact points"
    """Signed, over mutually authenticated TLS: the channel that this program is."""
    DIPLOMATIC = "diplomatic channels"
    EMAIL = "e-mail"
    FAX = "fax"
    TELEPHONE = "telephone"


@dataclass(frozen=True, slots=True)
class Transmission:
    """A message of a central authority sent by some means; open means only where confidentiality is ensured, and how.

    ``under_agreement`` says whether it carries information provided under the agreement.
    """

    means: Means
    under_agreement: bool
    confidentiality: str = ""

    def __post_init__(self) -> None:
        """Refuse an open means without protection, and any other means for information under the agreement."""
        if self.under_agreement and self.means is not Means.CONTACT_POINTS:
            raise AssistanceError(
                "information under the agreement goes directly between the contact points (Art. 3(3)), protected (Art. 9); "
                f"got {self.means}: send it through `pcsc`"
            )
        if self.means in {Means.EMAIL, Means.FAX, Means.TELEPHONE}:
            _stated(
                f"{self.means} is used only where an appropriate level of security and confidentiality is ensured "
                f"({CONTRIBUTION}, 1.3.4)",
                confidentiality=self.confidentiality,
            )
