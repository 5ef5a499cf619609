"""`pcsc why` and `pcsc replay` against a record whose entries carry traces, and against one that was tampered with."""

# ruff: noqa: RUF001 - Japanese has its own digits and brackets

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from annex.eligibility import Case, Disposition, Standing
from annex.parameters import Party
from contact_point import cli, installation, main
from contact_point.holdings import View
from contact_point.installation import Plan
from pcsc import duties, traces
from pcsc.duties import Content
from pcsc.exchange import Exchange, Side, State
from pcsc.records import of_act
from tests.builders import QUERY, REFERENCE, SALT, exchange, query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contact_point.service import Installation

NOW = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
CONVICTED = Standing(None, (Case(Disposition.CONVICTED_FINAL),))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an installation of Japan that has answered a query with a match and destroyed the print since."""
    root = tmp_path / "jp"
    installation.create(root, Plan(Party.JP, "contact point of JP", "127.0.0.1", 18443, threads=1), NOW)
    with main.opened(root, gallery=True) as here:
        assert here.holdings is not None
        arrangement = here.settings.arrangement(NOW)
        at = replace(exchange(State.MATCH, Side.QUERIED), arrangement=arrangement.version)
        with here.store.transaction() as tx:
            tx.open(at)
        view = here.holdings.view(identified=True, on=NOW.date())
        record(here, at, traces.admission(query(), Side.QUERIED, arrangement, made_today=0, now=NOW))
        record(here, at, traces.view(Party.JP, identified=True, searched=view, standing=CONVICTED, now=NOW))
        record(here, at, None)
        lapsed = duties.standing(replace(at, state=State.LAPSED))
        record(here, at, traces.deletion(lapsed, Content.PROBE, now=NOW))
    return root


def record(here: Installation, at: Exchange, trace: traces.Trace | None, text: str = "") -> None:
    """Append an entry with a trace, or with a text in place of one."""
    event = "note" if trace is None else str(trace.decision)
    why = text if trace is None else trace.canonical()
    with here.store.transaction() as tx:
        tx.append(
            of_act(tx.next_entry(), at, event, article="11(1)", note="", trace=why, now=NOW), SALT, trace_salt=SALT
        )


def append(root: Path, text: str) -> None:
    with main.opened(root) as here, here.store.transaction() as tx:
        at = tx.exchange(QUERY)
    with main.opened(root) as here:
        record(here, at, None, text)


@pytest.mark.parametrize("ref", [QUERY, REFERENCE])
def test_why_tells_every_decision_of_an_exchange_in_order(
    run: Callable[..., tuple[int, str]], root: Path, ref: str
) -> None:
    code, said = run("why", ref, "--dir", root)
    assert code == 0
    heads = [line for line in said.splitlines() if line.startswith("2026")]
    assert heads == [
        "2026-11-22 03:04:05Z admission: admission, Art. 4(3)",
        "2026-11-22 03:04:05Z view: view, Annex II 1(1)(a)",
        "2026-11-22 03:04:05Z deletion: deletion, Art. 8(1)",
    ]
    assert "    The query was admitted under Art. 4(3)." in said
    assert "The person who matched is made available under Annex II 1(1)(a)" in said


def test_why_tells_it_in_japanese(run: Callable[..., tuple[int, str]], root: Path) -> None:
    code, said = run("why", QUERY, "--lang", "ja", "--dir", root)
    assert code == 0
    assert "2026-11-22 03:04:05Z view: 照合の対象とする指紋情報の範囲の決定、協定附属書Ⅱ１（１）（ａ）" in said
    assert "協定第四条３の規定により、照会を認めた。" in said


def test_why_for_the_other_party_withholds_what_the_view_hides(run: Callable[..., tuple[int, str]], root: Path) -> None:
    code, said = run("why", QUERY, "--for-other-party", "--dir", root)
    assert code == 0
    assert "view: view, Annex II\n" in said
    assert "Withheld: standing of any person, reason for any person" in said
    assert "convicted" not in said
    assert "revision of the gallery" in said
    assert "persons held were" not in said


def test_why_for_a_program(run: Callable[..., tuple[int, str]], root: Path) -> None:
    code, said = run("why", QUERY, "--json", "--dir", root)
    told = json.loads(said)
    assert code == 0
    assert [(each["entry"], each["decision"], each["clause"]) for each in told] == [
        (0, "admission", "4(3)"),
        (1, "view", "Annex II 1(1)(a)"),
        (3, "deletion", "8(1)"),
    ]
    assert told[0]["trace"]["inputs"]["querying"] == "JP"
    assert told[0]["words"][0] == "The query was admitted under Art. 4(3)."
    other = json.loads(run("why", QUERY, "--json", "--for-other-party", "--dir", root)[1])
    assert "inputs.standing" in other[1]["trace"]["withheld"]
    assert other[1]["trace"]["inputs"] == {"identified": True, "queried": "JP"}


def test_replay_makes_every_decision_again(run: Callable[..., tuple[int, str]], root: Path) -> None:
    code, said = run("replay", QUERY, "--dir", root)
    assert code == 0, said
    assert "3 of 3 decisions came out the same, bit for bit." in said


def test_replay_does_not_claim_a_view_of_a_gallery_that_changed(
    run: Callable[..., tuple[int, str]], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contact_point.holdings import Holdings  # noqa: PLC0415 - beside the one method that is replaced

    monkeypatch.setattr(Holdings, "view", lambda *_, **__: View(revision=1, persons=0, available=0, digest=""))
    code, said = run("replay", QUERY, "--json", "--dir", root)
    found = json.loads(said)
    assert code == cli.FAILED
    assert (found["same"], [each["outcome"] for each in found["decisions"]]) == (2, ["same", "not made again", "same"])
    assert "the matched person's standing gives the same answer" in found["decisions"][1]["reason"]


def test_replay_tells_a_decision_that_comes_out_otherwise(run: Callable[..., tuple[int, str]], root: Path) -> None:
    with main.opened(root) as here:
        trace = traces.admission(query(), Side.QUERIED, here.settings.arrangement(NOW), made_today=0, now=NOW)
    append(root, replace(trace, outcome=dict(trace.outcome) | {"admitted": False}).canonical())
    code, said = run("replay", QUERY, "--dir", root)
    assert code == cli.FAILED
    assert "note: different: now it comes out as {" in said
    assert "3 of 4 decisions came out the same" in said


def test_a_text_that_is_no_trace_is_told_and_hides_no_other(run: Callable[..., tuple[int, str]], root: Path) -> None:
    append(root, "garbage")
    code, said = run("why", QUERY, "--dir", root)
    assert code == 0
    assert "this is not the trace of a decision: expected JSON" in said
    assert "The query was admitted under Art. 4(3)." in said
    code, said = run("replay", QUERY, "--dir", root)
    assert code == cli.FAILED
    assert "note: not made again: this is not the trace of a decision" in said


def test_11_1_a_trace_that_was_changed_in_the_database_is_told(run: Callable[..., tuple[int, str]], root: Path) -> None:
    with main.opened(root) as here, here.store.transaction() as tx:
        tx._connection.exec_driver_sql("UPDATE entry SET trace = zeroblob(200) WHERE number = 1")
    for command in ("why", "replay"):
        code, said = run(command, QUERY, "--dir", root)
        assert code == cli.REFUSED
        assert "Art. 11(1): the trace of entry 1 was changed: the entry commits to another one" in said


def test_an_exchange_that_is_not_here_is_told(run: Callable[..., tuple[int, str]], root: Path) -> None:
    for command in ("why", "replay"):
        code, said = run(command, "nothing", "--dir", root)
        assert code == cli.FAILED
        assert "there is no exchange 'nothing' here: `pcsc inbox --all` lists" in said


def test_an_exchange_without_a_decision_says_so(run: Callable[..., tuple[int, str]], root: Path) -> None:
    with main.opened(root) as here, here.store.transaction() as tx:
        tx.open(exchange(State.NO_MATCH, Side.QUERIED, control_number="US261122-QUIET00000000001"))
    assert "No decision in exchange US261122-QUIET" in run("why", "US261122-QUIET00000000001", "--dir", root)[1]
    code, said = run("replay", "US261122-QUIET00000000001", "--dir", root)
    assert (code, "0 of 0 decisions" in said) == (0, True)
