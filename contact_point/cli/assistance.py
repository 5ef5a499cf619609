"""Assistance beside the agreement, checked and counted without an exchange: commands that need no installation.

Each says what :mod:`pcsc.assistance` says of values that are typed in, and keeps nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from contact_point.cli.terminal import OTHER_CHANNELS, Json, app, now, plain, show
from pcsc.assistance import (
    CONTRIBUTION,
    PRESERVATION_DAYS,
    Capacity,
    CapacityAnswer,
    Emergency,
    Lack,
    Means,
    Preservation,
    Transmission,
)

assistance_app = typer.Typer(
    help="Periods and gates of mutual legal assistance: preservation, e-mail, capacity, emergencies.",
    no_args_is_help=True,
)
app.add_typer(assistance_app, name="assistance", rich_help_panel=OTHER_CHANNELS)


@assistance_app.command()
def preservation(
    requested: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day of the request to preserve.")],
    days: Annotated[
        int | None, typer.Option(help="For how many days.", show_default="as long as the law gives")
    ] = None,
    extended: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day, if it was extended.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say until when communication history is preserved in Japan (Act No. 69 of 1980, Art. 8(1)(vi): 30 days, 60 in all)."""
    period = PRESERVATION_DAYS.at(requested.date())
    first = Preservation(requested.date(), period.value if days is None else days)
    extension = (extended.date() - first.last_day).days if extended else 0
    found = Preservation(first.requested_on, first.days, extension)
    left, more = found.days_left(now().date()), found.may_be_extended_by
    told = {"last_day": found.last_day, "days_left": left, "may_be_extended_by": more, "source": period.source}
    show(
        as_json,
        told,
        f"The last day is {found.last_day} ({period.source}): {f'{left} days are left' if left >= 0 else 'it is over'}. "
        + (f"It may be extended by {more} days." if more else "It cannot be extended any more."),
    )


@assistance_app.command()
def email(
    confidentiality: Annotated[str, typer.Option(help="What keeps it secure and confidential.")],
    under_agreement: Annotated[
        bool, typer.Option("--under-agreement", help="It carries information provided under the agreement.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether a message of a central authority may go by e-mail: never information under the agreement (Article 3(3))."""
    sent = Transmission(Means.EMAIL, under_agreement, confidentiality)
    show(
        as_json,
        {"means": sent.means, "confidentiality": sent.confidentiality},
        f"It may go by {sent.means}, protected by: {plain(sent.confidentiality)} ({CONTRIBUTION}, 1.3.4).",
    )


@assistance_app.command()
def emergency(
    risk: Annotated[str, typer.Option(help="The significant and imminent risk to life or safety, in words.")],
    stated_by: Annotated[str, typer.Option(help="Who states it.")],
    stated: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day on which it was stated.")],
    as_json: Json = False,
) -> None:
    """Say by when the use of an emergency procedure is reviewed."""
    found = Emergency(risk, stated_by, stated.replace(tzinfo=UTC))
    show(
        as_json,
        {"risk": found.risk, "stated_by": found.stated_by, "review_due": found.review_due},
        f"{plain(found.risk)} Stated by {plain(found.stated_by)}; reviewed by {found.review_due} ({CONTRIBUTION}, 1.6.2).",
    )


@assistance_app.command()
def capacity(
    answer: Annotated[Capacity, typer.Argument(help="Can it be done?")],
    expected: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which it is expected.")
    ] = None,
    lacking: Annotated[list[Lack] | None, typer.Option(help="What is lacking. Repeat for more.")] = None,
    reason: Annotated[str, typer.Option(help="Why not in full.")] = "",
    as_json: Json = False,
) -> None:
    """Word the answer whether assistance can be given, and when; for an exchange it is `pcsc capacity`."""
    made = CapacityAnswer(answer, expected.date() if expected else None, tuple(lacking or ()), reason)
    told = {
        "capacity": made.capacity,
        "expected_on": made.expected_on,
        "lacking": made.lacking,
        "reason": made.reason,
        "words": made.words,
    }
    show(as_json, told, f"{plain(made.words)} ({CONTRIBUTION}, 1.1.2)")
