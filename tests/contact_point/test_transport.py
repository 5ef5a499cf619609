"""What comes back from the other contact point: when it may be asked again; and who keeps to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import correspondence, delivery, disposal, installation, main
from contact_point.installation import Plan
from contact_point.timekeeping import Guard
from contact_point.transport import LONGEST_WAIT, RefusedError, WaitingError, seconds
from contact_point.wire import Problem
from pcsc.messages import ConsultationOn, Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from contact_point.service import Installation


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("5", 5),
        ("0005", 5),
        ("0", 0),
        ("", 0),
        ("-1", 0),
        ("1.5", 0),
        ("٣", 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("86400", LONGEST_WAIT),
        ("86401", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
    ],
)
def test_retry_after_is_whole_seconds_and_a_day_at_most(said: str, meant: int) -> None:
    assert seconds(said) == meant


class Refusing:
    """A way on which every message is refused for now."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after, self.sent = retry_after, list[str]()

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        del body, now
        self.sent.append(message.control_number)
        raise RefusedError(Problem(503, "4(4)", "4-4.TECH", "later", "", "0"), self.retry_after)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation.create(tmp_path / "JP", Plan(Party.JP, "JP", "127.0.0.1", 8443), main.clock())
    with main.opened(tmp_path / "JP") as here:
        yield here


def consult(here: Installation, now: datetime) -> None:
    with pytest.raises(RefusedError, match=r"refused it \(4-4\.TECH\): Art\. 4\(4\): later"):
        correspondence.consult(here, ConsultationOn.IMPLEMENTATION, matter="quotas", signed_by="Director", now=now)


def test_a_message_is_not_sent_again_before_the_time_that_the_other_contact_point_named(here: Installation) -> None:
    now, way = main.clock() + timedelta(minutes=1), Refusing(600)
    here = replace(here, other=way)
    consult(here, now)
    (waiting,) = delivery.resume(here, lambda: now + timedelta(seconds=599))
    assert isinstance(waiting, WaitingError)
    until = f"{now + timedelta(seconds=600):%Y-%m-%d %H:%M:%S} UTC"
    assert str(waiting) == (
        f"the other contact point asked that {way.sent[0]} be not sent again before {until} (Retry-After): it is kept, and a "
        "running service sends it then"
    )
    assert len(way.sent) == 1
    way.retry_after = 0
    for _ in range(2):
        (refused,) = delivery.resume(here, lambda: now + timedelta(seconds=600))
        assert isinstance(refused, RefusedError)
    assert way.sent == way.sent[:1] * 3


def test_a_wait_that_was_written_down_by_a_clock_set_ahead_is_none(here: Installation) -> None:
    ahead, way = main.clock() + timedelta(days=400), Refusing(600)
    here = replace(here, other=way)
    consult(here, ahead)
    (refused,) = delivery.resume(here, main.clock)
    assert isinstance(refused, RefusedError)


def test_the_worker_takes_a_wait_that_is_over_away(here: Installation) -> None:
    now = main.clock() + timedelta(minutes=1)
    consult(replace(here, other=Refusing(600)), now)
    worker = disposal.worker(here, Guard(lambda: True), name="duties")
    for after, waits in ((599, 1), (600, 0)):
        worker.work(lambda at=now + timedelta(seconds=after): at, lambda at=float(after): at)  # type: ignore[misc]
        with here.store.transaction() as tx:
            (made,) = tx.exchanges()
            assert len([what for what in tx.planned(made.control_number) if what.startswith("retry ")]) == waits
