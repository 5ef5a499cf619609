"""`pcsc clock`: what is believed of the time, and a person's word where it is in doubt (Article 11(3))."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, disposal, installation, main
from contact_point.installation import Plan
from contact_point.keys import KeySlots
from contact_point.timekeeping import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contact_point.due import Worker
    from contact_point.service import Installation


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation.create(tmp_path / "JP", Plan(Party.JP, "JP", "127.0.0.1", 8443), main.clock())
    with main.opened(tmp_path / "JP") as here:
        yield here


@pytest.fixture
def run(here: Installation, run: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `pcsc clock` there with arguments and returns its exit code and what it printed."""
    return lambda *arguments: run("clock", *arguments, "--dir", here.settings.folder.root)


@pytest.fixture
def shown(run: Callable[..., tuple[int, str]]) -> Callable[[], dict[str, Any]]:
    """Return a function that runs `pcsc clock --json` and returns what it says."""

    def shown() -> dict[str, Any]:
        code, said = run("--json")
        assert code == 0, said
        found: dict[str, Any] = json.loads(said)
        return found

    return shown


def service(here: Installation) -> Worker:
    """Return the worker of a service, whose guard is its own, as that of another process is."""
    return disposal.worker(here, Guard(lambda: False), name="duties")


def test_before_the_first_look_nothing_is_known(here: Installation, run: Callable[..., tuple[int, str]]) -> None:
    code, said = run()
    assert (code, "The service has not looked at it yet: `pcsc serve` does so every minute." in said) == (0, True)


def test_11_3_a_doubt_is_shown_with_its_cause_and_a_person_ends_it_in_the_service_too(
    here: Installation, run: Callable[..., tuple[int, str]], shown: Callable[[], dict[str, Any]]
) -> None:
    worker, began = service(here), main.clock() - timedelta(days=1)
    worker.work(lambda: began, lambda: 0.0)
    assert worker.alarm is None
    code, said = run()
    assert f"The time is believed: {began:%Y-%m-%d %H:%M:%S} was the latest that was seen." in said
    assert "That is not now: is `pcsc serve` running?" in said

    worker.work(main.clock, lambda: 60.0)
    assert worker.alarm is not None
    found = shown()
    assert (found["believed"], found["cause"], found["since"]) == (False, "jump", began.isoformat())
    assert found["why"] == worker.alarm.words
    code, said = run()
    assert f"The time is in doubt since {began:%Y-%m-%d %H:%M:%S}, when it was last believed: the clock was set" in said
    assert "pcsc clock confirm --by NAME --source 'WHICH CLOCK'" in said

    code, said = run("confirm", "--by", "D. Officer", "--source", "speaking clock")
    assert code == 0, said
    assert "told in the log of the service: D. Officer confirmed the time at 20" in said
    worker.work(main.clock, lambda: 120.0)
    assert worker.alarm is None
    found = shown()
    assert (found["believed"], found["why"].endswith(" by speaking clock")) == (True, True)
    code, said = run()
    assert "It was in doubt before: D. Officer confirmed the time at 20" in said
    assert "That is not now" not in said


def test_11_3_a_confirmation_that_names_no_other_clock_is_refused(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("confirm", "--by", "D. Officer", "--source", " ")
    assert (code, "by which other clock; one of them was not named: name both" in said) == (cli.REFUSED, True)


def test_8_and_9_how_old_the_wrapping_keys_are_is_shown(
    here: Installation, run: Callable[..., tuple[int, str]], shown: Callable[[], dict[str, Any]]
) -> None:
    old = main.clock().replace(microsecond=0) - timedelta(days=3)
    KeySlots.open(here.settings.folder.exchange_slots).rotate(old)
    keys = shown()["wrapping_keys"]
    assert set(keys) == {"exchange.slots", "gallery.slots", "record.slots"}
    assert keys["exchange.slots"] == old.isoformat()
    lines = run()[1].splitlines()
    assert f"The wrapping key of exchange.slots was made on {old:%Y-%m-%d %H:%M} UTC; 24 hours are over." in lines
    assert [line.endswith(" UTC.") for line in lines if "gallery.slots" in line] == [True]
