"""`pcsc assistance` and `pcsc roster`: periods, gates and hours, without an exchange."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

from annex.parameters import Party
from contact_point import cli, installation, main
from contact_point.installation import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str]]


def test_communication_history_is_preserved_for_thirty_days_and_sixty_in_all(run: Run) -> None:
    today = main.clock().date()
    first = ("assistance", "preservation", "--requested", today)
    code, said = run(*first, "--json")
    found = json.loads(said)
    assert (code, found["last_day"], found["may_be_extended_by"]) == (0, str(today + timedelta(days=30)), 30)
    assert found["days_left"] in {29, 30}  # the day may have turned
    _, said = run(*first, "--extended", today + timedelta(days=60))
    assert f"The last day is {today + timedelta(days=60)} (Act No. 69 of 1980, Art. 8(1)(vi))" in said
    assert "It cannot be extended any more." in said
    code, said = run(*first, "--extended", today + timedelta(days=61))
    assert (code, "extended to at most 60 days in all" in said) == (cli.FAILED, True)
    code, said = run(*first, "--days", 31)
    assert (code, "a request to preserve is for 1 to 30 days" in said) == (cli.FAILED, True)
    assert "it is over" in run("assistance", "preservation", "--requested", date(2026, 1, 1), "--days", 10)[1]


def test_email_is_for_what_is_kept_confidential_and_never_for_information_under_the_agreement(run: Run) -> None:
    code, said = run("assistance", "email", "--confidentiality", "S/MIME to the certificate on file")
    assert (code, "It may go by e-mail, protected by: S/MIME to the certificate on file" in said) == (0, True)
    code, said = run("assistance", "email", "--confidentiality", " ")
    assert (code, "the confidentiality is empty: state it" in said) == (cli.FAILED, True)
    code, said = run("assistance", "email", "--confidentiality", "S/MIME", "--under-agreement")
    assert (code, "directly between the contact points (Art. 3(3))" in said) == (cli.FAILED, True)


def test_an_emergency_says_when_its_use_is_reviewed(run: Run) -> None:
    told = ("--risk", "A bomb is to go off tonight.", "--stated-by", "the duty officer", "--stated", "2026-11-22")
    assert "reviewed by 2026-12-22" in run("assistance", "emergency", *told)[1]


def test_a_capacity_answer_is_worded_whole_or_not_at_all(run: Run) -> None:
    code, said = run("assistance", "capacity", "cannot", "--lacking", "capabilities", "--reason", "No such system.")
    assert (code, "Cannot; lacking capabilities: No such system." in said) == (0, True)
    _, said = run("assistance", "capacity", "accepted", "--expected", "2026-12-01", "--json")
    assert json.loads(said)["words"] == "Accepted, expected on 2026-12-01"
    code, said = run("assistance", "capacity", "accepted")
    assert (code, "'accepted' needs a day on which assistance is expected" in said) == (cli.FAILED, True)


def test_the_roster_of_a_folder_says_who_is_on_duty_and_where_the_gaps_are(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "jp"
    installation.create(root, Plan(Party.JP, "contact point of JP", "127.0.0.1", 18443, threads=1), main.clock())
    code, said = run("roster", "--dir", root)
    assert (code, "there is no roster" in said) == (cli.FAILED, True)
    (root / "roster.toml").write_text(run("example", "roster")[1])
    code, said = run("roster", "--dir", root)
    assert (code, "The week is covered, day and night." in said) == (0, True)
    assert "Duty officer" in said
    gone = (root / "roster.toml").read_text().replace('"Sunday"', '"Monday"').replace('"Saturday", ', "")
    (root / "roster.toml").write_text(gone)
    _, said = run("roster", "--dir", root, "--json")
    assert json.loads(said)["gaps"] == [{"begins": "Saturday 00:00", "ends": "Monday 00:00"}]
    assert "    Saturday 00:00 to Monday 00:00" in run("roster", "--dir", root)[1]
