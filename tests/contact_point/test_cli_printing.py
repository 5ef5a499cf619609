"""`pcsc print` and `pcsc report`: what is written, under which gate, and when it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import pytest

from annex.parameters import Party
from contact_point import cli, correspondence, disposal, installation, main, printing, provided, service, verify, wire
from contact_point.correspondence import Correction
from contact_point.installation import Plan
from contact_point.provided import Wanted
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError, UseError
from pcsc.exchange import Side, State
from pcsc.matters import Measure
from pcsc.messages import Condition, Fault, Ground, Item
from pcsc.records import Direction, of_message
from pcsc.use import Purpose
from tests import builders
from tests.builders import NOW, QUERY
from tests.contact_point.test_documents import text

from .parties import events, exchange, held

if TYPE_CHECKING:
    from pathlib import Path

    from pcsc.messages import Message

    from .parties import Finger, Parties

Run: TypeAlias = Callable[..., tuple[int, str]]
CONDITION = Condition("Not for immigration purposes.", ("immigration",))
NOTIFIED = ("--for", "notified", "--by", "investigator", "--not-political")
REFUSED = builders.reply(
    items=(Item("name", "Richard Roe"),), refusals=(builders.refusal(Ground.NOT_AVAILABLE, "None is held.", "aliases"),)
)


@pytest.fixture
def jp(tmp_path: Path) -> Path:
    """Return the folder of a contact point of Japan that was given a name under a condition, and refused another item."""
    folder = tmp_path / "jp"
    plan = Plan(Party.JP, "contact point of Japan", "127.0.0.1", 18443)
    installation.create(folder, plan, datetime(2026, 1, 1, tzinfo=UTC))
    sent, came = Direction.PROVIDED, Direction.RECEIVED
    crossed: tuple[tuple[Message, Direction], ...] = (
        (builders.query(), sent),
        (builders.match(), came),
        (builders.request(), sent),
        (REFUSED, came),
    )
    with main.opened(folder) as here, here.store.transaction() as tx:
        at = replace(builders.exchange(State.PROVIDED, Side.QUERYING), conditions=(CONDITION,))
        tx.open(at)
        for number, (message, direction) in enumerate(crossed):
            tx.append(of_message(number, at, message, direction, committed="c0" * 32, now=NOW), f"{number:064x}")
        tx.hold(QUERY, Content.NOTIFICATION, wire.encode(builders.request()), number=at.request or "")
        information = service.information_text(REFUSED.items, (CONDITION,))
        tx.hold(QUERY, Content.INFORMATION, information, number=at.reply or "")
        service.hold_reasons(tx, at, REFUSED)
    return folder


def test_8_4_a_request_is_printed_and_goes_with_its_record(run: Run, jp: Path, tmp_path: Path) -> None:
    file = tmp_path / "request.pdf"
    code, said = run("print", "request", QUERY, "--pdf", file, "--json", "--dir", jp)
    assert code == 0, said
    seen = text(file.read_bytes())
    for each in (QUERY, builders.request().control_number, "日本国の連絡部局", "Toidentifythepersonseenatthefire."):
        assert each in seen, each
    assert file.stat().st_mode & 0o077 == 0
    again = run("print", "request", QUERY, "--pdf", file, "--dir", jp)
    assert (again[0], "the file exists" in again[1]) == (cli.FAILED, True)

    with main.opened(jp) as here:
        with here.store.transaction() as tx:
            (copy,) = tx.copies()
        assert (copy.path, copy.id) == (str(file), json.loads(said)["copy"])
        disposal.end_copies(here, copy.holds_until)  # Art. 11(3)
    assert not file.exists()


def test_8_5_an_answer_without_a_use_names_kinds_and_no_values(run: Run, jp: Path, tmp_path: Path) -> None:
    file = tmp_path / "answer.pdf"
    code, said = run("print", "answer", QUERY, "--pdf", file, "--dir", jp)
    assert code == 0, said
    seen = text(file.read_bytes())
    for each in ("氏名", "Notforimmigrationpurposes.", "Noneisheld.", "要請があった時に現に記録されていない"):
        assert each in seen, each
    assert "RichardRoe" not in seen
    with main.opened(jp) as here:
        assert "use" not in events(here, QUERY)
        assert Content.PRINTOUT not in held(here, QUERY)


def test_8_9_an_answer_with_its_values_is_a_use_and_goes_with_the_information(
    run: Run, jp: Path, tmp_path: Path
) -> None:
    file = tmp_path / "answer.pdf"
    code, said = run("print", "answer", QUERY, "--pdf", file, *NOTIFIED, "--dir", jp)
    assert (code, "it is erased with the information (Art. 8(9))" in said) == (0, True)
    seen = text(file.read_bytes())
    assert "RichardRoe" in seen
    assert "Notforimmigrationpurposes." in seen
    assert file.stat().st_mode & 0o077 == 0
    with main.opened(jp) as here:
        assert events(here, QUERY).count("use") == 1
        assert Content.PRINTOUT in held(here, QUERY)
        for purpose in exchange(here, QUERY).open_purposes:
            provided.end_purpose(here, QUERY, purpose, NOW)
        assert not file.exists()
        assert Content.PRINTOUT not in held(here, QUERY)
        with here.store.reading() as tx:
            gone = [each for each in tx.entries(QUERY) if each.note.startswith("printout destroyed")]
    assert [each.article for each in gone] == ["8(9)"]


def test_8_8_a_use_that_a_condition_forbids_prints_nothing(run: Run, jp: Path, tmp_path: Path) -> None:
    file = tmp_path / "answer.pdf"
    forbidden = ("--for", "immigration", "--by", "officer", "--not-political")
    code, said = run("print", "answer", QUERY, "--pdf", file, *forbidden, "--dir", jp)
    assert (code, "Art. 8(8)" in said) == (cli.REFUSED, True)
    assert not file.exists()
    wanted = Wanted(Purpose.IMMIGRATION, "officer", political=False)
    with main.opened(jp) as here:
        with pytest.raises(UseError, match="may not be used for 'immigration'"):
            printing.write_answer(here, QUERY, file, wanted, NOW)
        assert not file.exists()
        assert Content.PRINTOUT not in held(here, QUERY)


def test_an_answer_is_not_printed_over_another_file(jp: Path, tmp_path: Path) -> None:
    (tmp_path / "answer.pdf").write_bytes(b"mine")
    wanted = Wanted(Purpose.NOTIFIED, "investigator", political=False)
    with main.opened(jp) as here:
        with pytest.raises(FileExistsError):
            printing.write_answer(here, QUERY, tmp_path / "answer.pdf", wanted, NOW)
        assert (tmp_path / "answer.pdf").read_bytes() == b"mine"
        assert "use" not in events(here, QUERY)


def test_5_1_there_is_nothing_to_print_before_a_request(jp: Path) -> None:
    with main.opened(jp) as here:
        with here.store.transaction() as tx:
            tx.open(replace(builders.exchange(State.MATCH), control_number="JP-2", reference="ANOTHER"))
        with pytest.raises(
            OutOfOrderError,
            match=r"an exchange with a request for further information \(Art\. 5\(1\)\); JP-2 is at 'match'",
        ):
            printing.request(here, "JP-2")
        with pytest.raises(OutOfOrderError, match=r"whose request was answered \(Art\. 5\(2\)\); JP-2 is at 'match'"):
            printing.answer(here, "JP-2")


def test_a_purpose_needs_a_person_and_a_report_what_it_is_of(run: Run, jp: Path, tmp_path: Path) -> None:
    pdf = ("--pdf", tmp_path / "x.pdf")
    code, said = run("print", "answer", QUERY, *pdf, "--for", "notified", "--dir", jp)
    assert (code, "give --for and --by together" in unboxed(said)) == (2, True)
    for what, option in (("consultations", "--from and --to"), ("rule-16", "--year"), ("timeline", "--exchange")):
        code, said = run("report", what, *pdf, "--dir", jp)
        assert (code, f"add {option}" in unboxed(said)) == (2, True)


def unboxed(said: str) -> str:
    """Return what a wrong call is told, without the box around it."""
    return " ".join(said.replace("│", " ").split())


PERIOD = ("consultations", "--from", "2026-01-01", "--to", "2026-12-31")
REPORTS = {
    PERIOD: "協議のための統計",
    (*PERIOD, "--suppressed"): "nottold(small)",
    ("rule-16", "--year", "2026"): "国家公安委員会規則",
    ("timeline", "--exchange", QUERY): "手続の経過",
    ("deletions",): "削除の報告",
    ("legal-holds",): "None.なし",
    ("breaches",): "None.なし",
}


def test_9_and_14_1_reports_are_signed_and_verified_with_the_card(
    run: Run, jp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = str(jp / "card.json")
    for at, (what, says) in enumerate(REPORTS.items()):
        file = tmp_path / f"{at}.pdf"
        code, said = run("report", *what, "--pdf", file, "--json", "--dir", jp)
        assert code == 0, said
        assert says in text(file.read_bytes())
        assert verify.main(["report", str(file), "--key", card]) == 0
        assert "every byte of the report is as it was signed" in capsys.readouterr().out
        # What names an exchange is a copy of its record (Art. 11(3)); figures name nobody.
        assert ("copy" in json.loads(said)) is (what[0] not in {"consultations", "rule-16"})


def test_14_1_a_report_is_the_same_bytes_from_the_same_record_but_for_its_signature(
    run: Run, jp: Path, tmp_path: Path
) -> None:
    files = [tmp_path / "one.pdf", tmp_path / "two.pdf"]
    for file in files:
        assert run("report", *PERIOD, "--pdf", file, "--dir", jp)[0] == 0
    unsigned = [file.read_bytes().partition(b"%%EOF\n")[0] for file in files]
    assert unsigned[0] == unsigned[1]


def test_10_2_and_5_2_a_printout_goes_with_a_measure_and_the_other_side_prints_its_answer(
    run: Run, parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    """The whole way between two contact points."""
    folders = {party: ("--dir", parties.of(party).settings.folder.root) for party in Party}
    parties.enrol(Party.US, "someone", fingers[0])
    file = tmp_path / "answer.pdf"
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name", conditions=(CONDITION,))
        assert run("print", "answer", number, "--pdf", file, *NOTIFIED, *folders[Party.JP])[0] == 0
        for what in ("request", "answer"):
            theirs = tmp_path / f"{what}-us.pdf"
            code, said = run("print", what, number, "--pdf", theirs, *folders[Party.US])
            assert code == 0, said
            assert number in text(theirs.read_bytes())
        right = (Item("name", "Someone Else"),)
        wrong = Correction(("name",), Fault.INCORRECT, "It is another person's.", "officer", right)
        told = correspondence.notify_correction(parties.us, number, wrong, main.clock())
    assert "氏名" in text((tmp_path / "answer-us.pdf").read_bytes())
    assert file.exists()
    notice = told.matters[-1].number
    correspondence.take_measure(parties.jp, number, notice, Measure.CORRECTION, by="officer", now=main.clock())
    assert not file.exists()
