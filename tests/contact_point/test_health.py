"""What a look at a contact point finds: each thing well, and each not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import disposal, due, health, installation, main
from contact_point.health import LATE, STALE, Finding, Level
from contact_point.holdings import Holdings
from contact_point.installation import Plan
from contact_point.keys import KeySlots
from contact_point.store import Clock
from contact_point.timekeeping import Guard
from contact_point.transport import UnreachableError

from .parties import Down

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from contact_point.service import Installation

    from .parties import Finger, Parties


def look(here: Installation, now: datetime | None = None, *, failing: int = 0) -> dict[str, Finding]:
    """Return the worst of what is found, by what was looked at."""
    found = health.examine(here, now or main.clock(), served=True, failing=failing)
    order = [Level.OK, Level.WARNING, Level.FAILING]
    return {each.what: each for each in sorted(found, key=lambda each: order.index(each.level))}


@pytest.fixture
def here(parties: Parties) -> Installation:
    """Return the US contact point as it is served, its clock looked at."""
    us = parties.us
    disposal.worker(us, Guard(lambda: True), name="duties").work(main.clock, main.boottime)
    return replace(us, holdings=Holdings(us.store, us.settings.party, threads=1))


def test_all_is_well(here: Installation) -> None:
    found = health.examine(here, main.clock(), served=True)
    assert {each.level for each in found} == {Level.OK}, found
    assert health.worst(found) is Level.OK
    assert {each.what for each in found} == {
        *(
            "store",
            "arrangement",
            "clock",
            "token",
            "keys",
            "due",
            "outbox",
            "record",
            "certificates",
            "disk",
            "gallery",
        )
    }


def test_11_1_a_store_that_takes_nothing_is_told(here: Installation) -> None:
    with closing(sqlite3.connect(here.settings.folder.database)) as other, other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON clock BEGIN SELECT RAISE(ABORT, 'database is full'); END")
    found = look(here)["store"]
    assert (found.level, "database is full" in found.said) == (Level.FAILING, True)


def test_a_gallery_that_is_not_loaded_is_told_where_it_is_served(here: Installation) -> None:
    assert look(replace(here, holdings=None))["gallery"].level is Level.FAILING
    unserved = health.examine(replace(here, holdings=None), main.clock(), served=False)
    assert "gallery" not in {each.what for each in unserved}


def test_11_3_a_clock_in_doubt_is_told(here: Installation) -> None:
    with here.store.transaction() as tx:
        tx.keep_clock(Clock(main.clock(), alarmed=True, reason="jump: the clock was set ahead by 900 seconds"))
    found = look(here)["clock"]
    assert found.level is Level.FAILING
    assert found.said.endswith("the time is in doubt: the clock was set ahead by 900 seconds")


def test_a_service_whose_worker_looks_no_more_is_told(here: Installation) -> None:
    found = look(here, main.clock() + timedelta(minutes=6))["clock"]
    assert (found.level, "nobody looked at what is due since" in found.said) == (Level.FAILING, True)


def test_8_9_a_wrapping_key_that_was_not_replaced_in_time_is_told(here: Installation) -> None:
    KeySlots.open(here.settings.folder.exchange_slots).rotate(main.clock() - timedelta(hours=26))
    found = look(here)["keys"]
    assert found.level is Level.FAILING
    assert found.said.startswith("the wrapping keys of exchange.slots are older than 24 hours")


def test_8_what_is_due_and_late_is_told(here: Installation) -> None:
    now = main.clock()
    with here.store.transaction() as tx:
        tx.plan("", due.COPIES, now - LATE + timedelta(minutes=1))
        tx.plan("", due.CHECKPOINT, due.AT_ONCE)  # done with the next look, within a minute
    assert look(here, now)["due"].level is Level.OK
    later = look(here, now + timedelta(minutes=2))["due"]
    assert (later.level, later.said.startswith("1 things are late, the oldest since 20")) == (Level.FAILING, True)
    failing = look(here, now, failing=2)["due"]
    assert (failing.level, "2 failed and are tried again (Art. 8, 11(3))" in failing.said) == (Level.FAILING, True)


def test_a_message_that_waits_for_long_is_told(
    here: Installation, parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    with pytest.raises(UnreachableError):
        replace(parties, us=replace(here, other=Down())).matched(fingers[0], Party.US)
    soon, later = look(here), look(here, main.clock() + STALE + timedelta(minutes=1))
    assert (soon["outbox"].level, soon["outbox"].said) == (Level.OK, "1 messages wait to be delivered")
    assert (later["outbox"].level, later["outbox"].said) == (
        Level.WARNING,
        "1 messages wait, the oldest for 1 hours: is the other contact point there? `pcsc reach`",
    )
    assert soon["record"].level is Level.WARNING
    assert "entries of the record were not witnessed by the other contact point ever (Art. 11)" in soon["record"].said


def test_11_how_far_the_record_is_witnessed_is_told(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    with parties.answering(Party.US):
        parties.matched(fingers[0])
    assert look(parties.jp)["record"] == Finding("record", Level.OK, "0 entries of the record wait to be witnessed")
    with pytest.raises(UnreachableError):
        replace(parties, jp=replace(parties.jp, other=Down())).matched(
            fingers[0], case="case-2", circumstances="A second till was opened; the suspect is said to live abroad."
        )
    assert look(parties.jp)["record"].level is Level.OK
    late = look(parties.jp, main.clock() + 2 * STALE)["record"]
    assert (late.level, " entries of the record were not witnessed" in late.said) == (Level.WARNING, True)


def test_11_a_fork_is_told(parties: Parties) -> None:
    with parties.jp.store.transaction() as tx:
        tx.keep_note("fork of urn:pcsc:ncp:us/record/00", 0, "a signed note")
    found = look(parties.jp)["record"]
    assert found.level is Level.WARNING
    assert found.said.startswith("1 checkpoints of the other Party's record contradict what was witnessed")


def test_9_a_certificate_that_ends_is_told_a_month_before(here: Installation) -> None:
    now = main.clock()
    assert look(here, now + timedelta(days=690))["certificates"].level is Level.OK
    soon = look(here, now + timedelta(days=710))["certificates"]
    assert soon.level is Level.WARNING
    assert soon.said.startswith("Art. 9: our certificate ends on 20")
    assert soon.said.endswith("notify the new card, then `pcsc keys use-next`")
    assert look(here, now + timedelta(days=731))["certificates"].level is Level.FAILING
    here.settings.folder.other_authority.write_text("-----BEGIN")
    broken = look(here)["certificates"]
    assert broken == Finding(
        "certificates",
        Level.FAILING,
        "Art. 9: the other Party's authority cannot be read: the other Party notifies a card with its next authority, and it "
        "is designated",
    )


def test_3_2_a_contact_point_that_nobody_is_designated_at_answers_nobody(tmp_path: Path) -> None:
    installation.create(tmp_path / "JP", Plan(Party.JP, "JP", "127.0.0.1", 8443), main.clock())
    with main.opened(tmp_path / "JP") as alone:
        found = look(alone)
        assert found["arrangement"] == Finding("arrangement", Level.FAILING, alone.settings.lacking)
        assert alone.settings.lacking.startswith("Art. 3(2): no contact point of the other Party is designated")
        assert "record" not in found
        assert found["clock"].said == "nothing has looked at the clock yet: `pcsc serve` does so every minute"


def test_9_what_cannot_be_looked_at_is_told_without_naming_an_exchange(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    with pytest.raises(UnreachableError):
        replace(parties, jp=replace(parties.jp, other=Down())).matched(fingers[0])
    with closing(sqlite3.connect(parties.jp.settings.folder.database)) as other, other:
        other.execute("UPDATE exchange SET sealed = zeroblob(200)")
    found = look(parties.jp)["outbox"]
    assert found.level is Level.FAILING
    assert "'exchange/an exchange'" in found.said
