"""Assistance asked for and answered without saying anything by half."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from pcsc.assistance import (
    Age,
    AssistanceError,
    Capacity,
    CapacityAnswer,
    Emergency,
    EmergencyReview,
    Lack,
    Means,
    Missing,
    Outcome,
    Point,
    Preservation,
    Received,
    Timeframe,
    Transmission,
    ageing,
    missing,
)

NOW: Final = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
DANGER: Final = Emergency("A bomb is to go off tonight.", "the duty officer", NOW)

POINTS: Final = (
    Point("kind", "the kind of authority", "Ministry of Justice", choices=("prosecuting", "investigating")),
    Point("facts", "the facts", "checklist, 2"),
    Point("notes", "notes", "checklist, 6", required=False),
    Point("reciprocity", "the assurance of reciprocity", "Act No. 69 of 1980, Art. 4(ii)", when=("basis", ("none",))),
    Point("basis", "the basis", "checklist", choices=("treaty", "none")),
)


# Checklists


def test_a_complete_document_lacks_nothing() -> None:
    assert missing(POINTS, {"kind": "prosecuting", "facts": ["one", "two"], "basis": "treaty"}) == ()


def test_everything_that_is_missing_is_named_at_once_in_the_order_of_the_checklist() -> None:
    found = missing(POINTS, {"kind": "private", "facts": [" ", ""], "basis": "none", "fact": "x"})
    assert found == (
        Missing(
            "kind",
            "kind: 'the kind of authority' is one of prosecuting, investigating (Ministry of Justice); got 'private'",
        ),
        Missing("facts", "facts: nothing is stated under 'the facts' (checklist, 2)"),
        Missing(
            "reciprocity",
            "reciprocity: nothing is stated under 'the assurance of reciprocity' (Act No. 69 of 1980, Art. 4(ii))",
        ),
        Missing("fact", "fact: the document has no such point; correct the name, or leave it out"),
    )


# Emergencies


def test_the_use_of_an_emergency_is_reviewed_within_thirty_days() -> None:
    assert DANGER.review_due == date(2026, 12, 22)
    review = EmergencyReview(DANGER, Outcome.JUSTIFIED, "The bomb was found.", "the inspector", date(2026, 12, 22))
    assert not review.late
    assert replace(review, reviewed_on=date(2026, 12, 23)).late


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": " "}, "a review of an emergency gives its reason and is somebody's; the reason is empty: state it"),
        ({"reviewed_by": "the duty officer"}, "an emergency is reviewed by somebody other than who stated it"),
        ({"reviewed_on": date(2026, 11, 21)}, "an emergency is reviewed after the fact; it was stated on 2026-11-22"),
    ],
)
def test_a_review_is_anothers_with_a_reason_and_after_the_fact(changes: dict[str, Any], message: str) -> None:
    review = EmergencyReview(DANGER, Outcome.UNJUSTIFIED, "No bomb was feared.", "the inspector", date(2026, 12, 1))
    with pytest.raises(AssistanceError, match=f"^{message}"):
        replace(review, **changes)


# Preservation


def test_data_are_preserved_for_thirty_days_and_sixty_in_all() -> None:
    """Act No. 69 of 1980, Art. 8(1)(vi)."""
    first = Preservation(date(2026, 1, 31), 30)
    assert (first.last_day, first.may_be_extended_by) == (date(2026, 3, 2), 30)
    assert (first.days_left(date(2026, 3, 1)), first.days_left(date(2026, 3, 3))) == (1, -1)
    longest = replace(first, extended_by=30)
    assert (longest.last_day, longest.may_be_extended_by) == (date(2026, 4, 1), 0)


@pytest.mark.parametrize("days", [0, -1, 31])
def test_a_first_request_to_preserve_is_for_one_to_thirty_days(days: int) -> None:
    with pytest.raises(
        AssistanceError, match=rf"^a request to preserve is for 1 to 30 days \(Act .*\); got {days}: ask"
    ):
        Preservation(date(2026, 1, 31), days)


@pytest.mark.parametrize(("days", "more"), [(30, 31), (10, 51), (10, -1)])
def test_a_preservation_is_not_extended_beyond_sixty_days(days: int, more: int) -> None:
    with pytest.raises(
        AssistanceError, match=rf"at most 60 days in all .* got {days} and {more} more: at most {60 - days}"
    ):
        Preservation(date(2026, 1, 31), days, more)


# Capacity


def test_the_capacity_answer_says_when_and_what_lacks() -> None:
    """Contribution, 1.1.2."""
    assert CapacityAnswer(Capacity.ACCEPTED, date(2026, 12, 1)).reason == ""
    CapacityAnswer(Capacity.PARTLY, date(2026, 12, 1), (Lack.RESOURCES,), "No interpreter until January.")
    CapacityAnswer(Capacity.CANNOT, None, (Lack.CAPABILITIES, Lack.CAPACITY), "The medium cannot be read here.")


@pytest.mark.parametrize(
    ("capacity", "expected_on", "lacking", "reason", "message"),
    [
        (Capacity.ACCEPTED, None, (), "", "'accepted' needs a day on which assistance is expected"),
        (Capacity.PARTLY, None, (Lack.CAPACITY,), "why", "'partly' needs a day on which assistance is expected"),
        (Capacity.CANNOT, NOW.date(), (Lack.CAPACITY,), "why", "'cannot' has no day on which assistance is expected"),
        (Capacity.ACCEPTED, NOW.date(), (Lack.CAPACITY,), "why", "'accepted' names nothing that lacks"),
        (Capacity.CANNOT, None, (), "why", "'cannot' names what lacks: capabilities, capacity or resources"),
        (Capacity.PARTLY, NOW.date(), (Lack.CAPACITY,), " ", "'partly' is as transparent as possible"),
    ],
)
def test_the_capacity_answer_is_not_half_said(
    capacity: Capacity, expected_on: date | None, lacking: tuple[Lack, ...], reason: str, message: str
) -> None:
    with pytest.raises(AssistanceError, match=f"^{message}"):
        CapacityAnswer(capacity, expected_on, lacking, reason)


# Ageing


def test_emergencies_wait_in_a_queue_of_their_own_and_the_most_overdue_comes_first() -> None:
    """Contribution, 1.3.2 and 1.6.2."""
    day = timedelta(days=1)
    frame = Timeframe(acknowledge=2 * day, answer=30 * day, answer_in_emergency=day)
    waiting = ageing(
        [
            Received("new", NOW - day),
            Received("old", NOW - 40 * day, acknowledged_at=NOW - 39 * day),
            Received("done", NOW - 90 * day, answered_at=NOW),
            Received("urgent", NOW - timedelta(hours=1), emergency=DANGER),
        ],
        frame,
        NOW,
    )
    assert waiting == (
        Age("urgent", "an acknowledgement", timedelta(hours=1), timedelta(hours=1) - day, emergency=True),
        Age("old", "an answer", 40 * day, 10 * day, emergency=False),
        Age("new", "an acknowledgement", day, -day, emergency=False),
    )


# Means


def test_e_mail_needs_confidentiality_and_says_how() -> None:
    """Contribution, 1.3.4."""
    for means in (Means.EMAIL, Means.FAX, Means.TELEPHONE):
        Transmission(means, under_agreement=False, confidentiality="S/MIME to the certificate exchanged on 1 June")
        with pytest.raises(AssistanceError, match=rf"^{means} is used only where .* the confidentiality is empty"):
            Transmission(means, under_agreement=False, confidentiality=" ")
    assert Transmission(Means.DIPLOMATIC, under_agreement=False).confidentiality == ""


@pytest.mark.parametrize("means", [each for each in Means if each is not Means.CONTACT_POINTS])
def test_3_3_information_under_the_agreement_goes_by_the_contact_points_alone(means: Means) -> None:
    Transmission(Means.CONTACT_POINTS, under_agreement=True)
    with pytest.raises(AssistanceError, match=rf"directly between the contact points \(Art\. 3\(3\)\).* got {means}"):
        Transmission(means, under_agreement=True, confidentiality="encrypted")
