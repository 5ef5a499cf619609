"""Articles 4(1) and 11: a contact point that cannot be queried says so, and both act on it until it is over."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import delivery, disposal, due, main, outages, querying, service
from contact_point.transport import RefusedError, WaitingError
from pcsc.errors import OutageError, UnavailableError, WrongPartyError
from pcsc.exchange import State
from pcsc.messages import LONGEST_OUTAGE, OutageReason
from pcsc.records import Direction
from tests import builders

from .parties import Down, Finger, Parties, justification

if TYPE_CHECKING:
    from collections.abc import Callable

    from contact_point.service import Installation

HOUR = timedelta(hours=1)
OTHERWISE = "Another print was lifted after another robbery in another town, and the suspect is abroad."


def recorded(here: Installation, number: str) -> list[tuple[str, str, Direction]]:
    """Return what the record says of an exchange."""
    with here.store.transaction() as tx:
        return [(each.event, each.article, each.direction) for each in tx.entries(number)]


def test_4_1_an_outage_is_announced_recorded_on_both_sides_and_known_to_both(parties: Parties) -> None:
    now = main.clock()
    with parties.answering(Party.JP):
        told = outages.announce(parties.us, begins=now + HOUR, ends=now + 3 * HOUR, now=now)
    assert (told.article, told.state) == (3, State.CLOSED)
    number = told.control_number
    assert recorded(parties.us, number) == [("outage notice", "4(1)", Direction.PROVIDED)]
    assert recorded(parties.jp, number) == [("outage notice", "4(1)", Direction.RECEIVED)]
    for here in (parties.us, parties.jp):
        (notice,) = outages.announced(here, now)
        assert (notice.raised_by, notice.begins, notice.ends) == (Party.US, now + HOUR, now + 3 * HOUR)
        assert outages.announced(here, now + 3 * HOUR) == []
    with parties.us.store.transaction() as tx:
        service.check_in_service(tx, now)
        with pytest.raises(UnavailableError, match=r"this contact point is out of service until .* UTC$") as refused:
            service.check_in_service(tx, now + HOUR)
        assert refused.value.seconds == 7200
        service.check_in_service(tx, now + 3 * HOUR)
    with parties.jp.store.transaction() as tx:
        found = [service.out_until(tx, due.AWAY, now + hours * HOUR) for hours in (0, 1, 3)]
        assert found == [None, now + 3 * HOUR, None]
        assert service.out_until(tx, due.OUTAGE, now + HOUR) is None


def test_4_1_the_sender_answers_503_until_the_end_and_the_receiver_keeps_what_it_would_send(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    now = main.clock()
    with parties.answering(Party.US):
        with parties.answering(Party.JP):
            number = outages.announce(parties.us, begins=now - HOUR, ends=now + HOUR, now=now).control_number
        with pytest.raises(
            WaitingError, match=r"announced that it is out of service until .*\(Art\. 4\(1\)\)"
        ) as waits:
            querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), main.clock())
        assert "`pcsc outage list` says why" in str(waits.value)
        (kept,) = delivery.resume(parties.jp, main.clock)
        assert isinstance(kept, WaitingError)

        # Whoever does not know of it is told when to ask again.
        with parties.jp.store.transaction() as tx:
            (row,) = [what for what in tx.planned("") if what.startswith(due.AWAY)]
            until = tx.planned("")[row]
            tx.plan("", row, None)
        (refused,) = delivery.resume(parties.jp, main.clock)
        assert isinstance(refused, RefusedError)
        assert (refused.problem.status, refused.problem.code, refused.problem.article) == (
            503,
            "4-1.UNAVAILABLE",
            "4(1)",
        )
        assert 3000 < refused.retry_after <= 3600
        assert not refused.final
        waiting = kept_exchange(parties.jp)
        with parties.jp.store.transaction() as tx:
            tx.plan("", row, until)
            (retry,) = [each for each in tx.planned(waiting) if each.startswith(due.RETRY)]
            tx.plan(waiting, retry, None)

        with parties.answering(Party.JP):
            outages.end(parties.us, number, main.clock())
        assert [outages.announced(here, main.clock()) for here in (parties.us, parties.jp)] == [[], []]
        (answered,) = delivery.resume(parties.jp, main.clock)
        assert getattr(answered, "state", answered) is State.NO_MATCH


def kept_exchange(here: Installation) -> str:
    """Return the exchange whose message waits."""
    with here.store.transaction() as tx:
        return delivery.outbox(tx)[0].exchange


def test_what_was_announced_while_nobody_answered_is_sent_later(parties: Parties) -> None:
    from dataclasses import replace  # noqa: PLC0415

    now = main.clock()
    with pytest.raises(Exception, match="nobody answers"):
        outages.announce(replace(parties.us, other=Down()), begins=now, ends=now + HOUR, planned=False, now=now)
    with parties.us.store.transaction() as tx:
        assert service.out_until(tx, due.OUTAGE, now) == now + HOUR
    with parties.answering(Party.JP):
        (sent,) = delivery.resume(parties.us, main.clock)
        assert not isinstance(sent, Exception)
    (notice,) = outages.announced(parties.jp, now)
    assert not notice.planned


def test_what_is_written_down_stays_until_its_end(parties: Parties) -> None:
    now = main.clock()
    with parties.answering(Party.JP):
        outages.announce(parties.us, begins=now + HOUR, ends=now + 2 * HOUR, now=now)
    for here, word in ((parties.us, due.OUTAGE), (parties.jp, due.AWAY)):
        worker = disposal.worker(here, here.guard, name="duties")
        worker.work(lambda: now, lambda: 0.0)
        with here.store.transaction() as tx:
            assert [what for what in tx.planned("") if what.startswith(word)]
        worker.work(lambda: now + 2 * HOUR, lambda: 7200.0)
        with here.store.transaction() as tx:
            assert not [what for what in tx.planned("") if what.startswith(word)]


def test_a_notice_says_a_time_and_only_who_announced_an_outage_ends_it(parties: Parties) -> None:
    at = builders.NOW
    for begins, ends in ((at, at - timedelta(seconds=1)), (at, at + LONGEST_OUTAGE + timedelta(seconds=1))):
        with pytest.raises(
            OutageError, match=r"^Art\. 4\(1\): an outage ends after it begins, and within 31 days; got"
        ):
            builders.outage_notice(begins=begins, ends=ends)
    with pytest.raises(OutageError, match="say how far they are from UTC"):
        builders.outage_notice(begins=at.replace(tzinfo=None))
    now = main.clock()
    with pytest.raises(
        OutageError, match=r"expected the number of an outage of ours that is not over \(none\); got 'other'"
    ):
        outages.end(parties.us, "other", now)
    ours = builders.outage_notice(raised_by=Party.US)
    with pytest.raises(WrongPartyError, match="this contact point is notified by JP; the notice speaks for US"):
        outages.receive(parties.us, ours, b"", builders.SALT, now)


def test_by_command(parties: Parties, run: Callable[..., tuple[int, str]]) -> None:
    root = "--dir", parties.us.settings.folder.root
    now = main.clock()
    until = f"{now + HOUR:%Y-%m-%dT%H:%MZ}"
    with parties.answering(Party.JP):
        code, said = run(
            "outage", "announce", "--until", until, "--reason", "failure of the network", "--unplanned", *root
        )
        assert code == 0, said
        assert "The other contact point knows that we are out of service until" in said
        told = json.loads(run("outage", "list", *root, "--json")[1])
        (each,) = told
        assert (each["party"], each["planned"], each["reason"]) == ("US", False, OutageReason.NETWORK)
        code, said = run("outage", "list", "--dir", parties.jp.settings.folder.root)
        assert f"{each['outage']}: US, " in said
        assert "not planned: failure of the network" in said
        code, said = run("correspondence", each["outage"], *root)
        assert "US is out of service from" in said
        code, said = run("outage", "end", each["outage"], *root)
        assert (code, "The other contact point knows that we are in service." in said) == (0, True)
    assert "No contact point has announced" in run("outage", "list", *root)[1]
    code, said = run("outage", "announce", "--until", f"{now - HOUR:%Y-%m-%dT%H:%MZ}", *root)
    assert (code, "Art. 4(1): an outage ends after it begins" in said) == (3, True)
