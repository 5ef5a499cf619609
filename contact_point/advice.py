"""The adviser with the directory that comes with the program: for the command, and for a refusal that refers elsewhere.

What is advised is decided in :mod:`pcsc.channels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contact_point.directory import read_directory
from pcsc import channels
from pcsc.authorities import NOT_STATED
from pcsc.cooperation import Question, Requester
from pcsc.errors import SoleGroundError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from annex.parameters import Party
    from pcsc.authorities import Entry
    from pcsc.channels import Advice
    from pcsc.cooperation import Wanted


def advise(question: Question, directory: Path | None = None) -> Advice:
    """Say through which channels to ask, in which order and why; without a file, by the directory of the program.

    Raises:
        DirectoryError: the file is no directory.

    """
    return channels.advise(question, read_directory(directory))


def referral(wanted: Wanted, from_: Party, to: Party, on: date) -> str:
    """Return the words that refer a request of ``from_`` to the agreement that must govern it, as ``to`` refuses it (5(4)).

    They name that agreement, on what it rests that it governs, and which authority of ``to`` receives the request.

    Raises:
        SoleGroundError: nothing says that another agreement must govern it, so that ground does not carry a refusal.

    """
    advice = advise(Question(Requester.CONTACT_POINT, from_, to, wanted, on))
    for channel in advice.channels:
        if channel.governed is not None:
            governed, why = channel.governed, channel.why[0]
            return (
                f"Referral of '{wanted}' to {channel.basis.words}. {governed.text} ({governed.source}) Legal basis: "
                f"{why.text} ({why.source}) Received by: {who(channel.receiver)}."
            )
    stopped = "".join(f" {stop.text} ({stop.source})" for stop in advice.stops)
    raise SoleGroundError(
        f"nothing says that '{wanted}' must be governed by another agreement between {from_} and {to}, so it is only another "
        f"channel, which carries no refusal alone.{stopped} Refuse on another ground, or name the agreement in a reason of "
        "your own, without a referral"
    )


def who(entry: Entry | None) -> str:
    """Return an authority with its unit, or that none is stated."""
    if entry is None:
        return NOT_STATED
    return f"{entry.authority}; {entry.unit}" if entry.unit != NOT_STATED else entry.authority
