"""`pcsc statistics`: the figures of an installation's own record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import cli, installation, main
from contact_point.installation import Plan
from pcsc.exchange import Side, State
from pcsc.records import Direction, of_message
from tests.builders import NOW, exchange, match, query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pcsc.messages import Message

PERIOD = ("--from", "2026-11-22", "--to", "2026-11-22")


def made(folder: Path, party: Party) -> Path:
    """Return the folder of an installation whose record holds one query and its match, both of 22 November 2026."""
    installation.create(
        folder, Plan(party, f"contact point of {party}", "127.0.0.1", 18443), datetime(2026, 1, 1, tzinfo=UTC)
    )
    side = Side.QUERYING if party is Party.JP else Side.QUERIED
    sent, came = (Direction.PROVIDED, Direction.RECEIVED)[:: 1 if side is Side.QUERYING else -1]
    with main.opened(folder) as here, here.store.transaction() as tx:
        at = exchange(State.MATCH, side)
        tx.open(at)
        crossed: tuple[tuple[Message, Direction], ...] = ((query(), sent), (match(), came))
        for number, (message, direction) in enumerate(crossed):
            tx.append(of_message(number, at, message, direction, committed="c0" * 32, now=NOW), f"{number:064x}")
    return folder


def test_the_figures_of_a_period_are_one_text_for_a_program(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    jp = made(tmp_path / "jp", Party.JP)
    code, said = run("statistics", *PERIOD, "--json", "--dir", jp)
    assert code == 0
    assert json.loads(said)["events"] == {"match": {"received": 1}, "query": {"provided": 1}}
    assert run("statistics", *PERIOD, "--json", "--dir", jp) == (0, said)


def test_the_figures_of_a_period_are_lines_for_a_person(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("statistics", *PERIOD, "--dir", made(tmp_path / "jp", Party.JP))
    assert code == 0
    assert said.startswith("JP, 2026-11-22 to 2026-11-22 (UTC), counted from the record of Article 11:\n    events:\n")
    assert "        query: provided 1\n" in said
    assert "    false candidates per mille: none\n" in said
    assert "results of use serve: solely to review the implementation of the agreement: Article 8(6)" in said


def test_japans_yearly_report_has_four_figures(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("statistics", "--rule-16", 2026, "--json", "--dir", made(tmp_path / "jp", Party.JP))
    assert code == 0
    assert json.loads(said) == {
        "year": 2026,
        "match_answers_given": 0,
        "explanation_requests_made": 0,
        "further_information_requests_received": 0,
        "result_of_use_requests_made": 0,
    }
    code, said = run("statistics", "--rule-16", 2026, "--dir", made(tmp_path / "us", Party.US))
    assert code == cli.FAILED
    assert "orders a report of Japan; this contact point is of US" in said


def test_what_is_owed_ages(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("statistics", "--ageing", "--json", "--dir", made(tmp_path / "jp", Party.JP))
    assert code == 0
    (kind,) = json.loads(said)
    assert (kind["article"], kind["what"], kind["waiting"]) == ("4(5)", "examine the matching prints", 1)


@pytest.mark.parametrize(
    "options",
    [(), ("--from", "2026-11-22"), ("--ageing", "--rule-16", "2026"), (*PERIOD, "--ageing"), ("--to", "2026-11-22")],
)
def test_one_thing_is_asked_at_a_time(
    run: Callable[..., tuple[int, str]], tmp_path: Path, options: tuple[str, ...]
) -> None:
    code, said = run("statistics", *options, "--dir", tmp_path)
    assert code == 2
    assert "name a period with --from and --to" in said


def test_the_charts_of_a_period_are_files_in_both_languages(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    jp, folder = made(tmp_path / "jp", Party.JP), tmp_path / "charts"
    code, said = run("statistics", *PERIOD, "--charts", folder, "--json", "--dir", jp)
    assert code == 0, said
    named = json.loads(said)["files"]
    assert {path.name for path in folder.iterdir()} == set(named)
    for name in ("figures", "false-candidates", "examination-time", "deadlines", "quota-asked-tenprint"):
        for language in ("en", "ja"):
            (file,) = folder.glob(f"{name}.{language}.*")
            assert f'lang="{language}"' in file.read_text(encoding="utf-8")
    assert "<td>1</td><td>" in (folder / "figures.en.html").read_text(encoding="utf-8")  # one query of the day's quota
    assert run("statistics", *PERIOD, "--charts", folder, "--dir", jp)[0] == cli.FAILED


def test_8_3_figures_without_small_counts_tell_none(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    jp, folder = made(tmp_path / "jp", Party.JP), tmp_path / "charts"
    code, said = run("statistics", *PERIOD, "--suppressed", "--json", "--dir", jp)
    assert code == 0, said
    assert json.loads(said)["events"] == {"match": {"received": None}, "query": {"provided": None}}
    code, said = run("statistics", *PERIOD, "--suppressed", "--dir", jp)
    assert "        query: provided none, or not told (small)\n" in said
    assert run("statistics", *PERIOD, "--suppressed", "--charts", folder, "--dir", jp)[0] == 0
    page = (folder / "figures.en.html").read_text(encoding="utf-8")
    assert "<td>not told (small)</td>" in page
    assert "<td>1</td>" not in page


def test_charts_are_of_a_period(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("statistics", "--ageing", "--charts", tmp_path / "charts", "--dir", tmp_path)
    assert (code, "are of a period" in " ".join(said.replace("│", " ").split())) == (2, True)
