"""What the record tells whoever looks after it, from Python and from the command line (Article 11)."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import cli, correspondence, disposal, inspection, main, querying, verify, witness
from contact_point.store import UnknownExchangeError
from pcsc.messages import Conclusion
from pcsc.records import Direction
from pcsc.searches import Asked

from .parties import two

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contact_point.prints import PrintReader

    from .parties import Finger, Parties


@pytest.fixture
def run(run: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(run, "record")


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory, reader: PrintReader) -> Iterator[Parties]:
    """Return two contact points that every test here looks at."""
    with two(tmp_path_factory.mktemp("parties"), reader) as made:
        yield made


@pytest.fixture(scope="module")
def played(parties: Parties, fingers: tuple[Finger, ...]) -> str:
    """Play an exchange up to a determination, and a breach; witness both records; return the exchange's number."""
    here = parties.jp
    parties.enrol(Party.US, "person", fingers[0])
    with parties.answering(Party.US):
        number = parties.matched(fingers[0])
        querying.examine(here, number, Conclusion.EXCLUSION, "examiner", main.clock())
        querying.determine(here, number, will_request=False, now=main.clock())
        now = main.clock()
        correspondence.notify_breach(
            here,
            nature="A disk was stolen.",
            measures="Keys destroyed.",
            noticed_at=now - timedelta(days=30),
            signed_by="X",
            now=now,
        )
        for law, by in (("Act 5, section 2", "C. Officer"), ("", "D. Officer"), ("Act 6", "C. Officer")):
            disposal.keep_beyond_term(here, number, law, by=by, now=main.clock())
        for _ in range(2):
            witness.exchange(here, main.clock())
    return number


def test_11_what_happened_in_an_exchange_is_told_with_what_decided_it_and_what_shows_it(
    parties: Parties, played: str
) -> None:
    found = inspection.timeline(parties.jp, played, main.clock())
    with parties.jp.store.reading() as tx:
        entries = list(tx.entries(played))
        leaves = {tree: tx.leaves(tree) for tree in {tx.place(entry.number).tree for entry in entries}}
        places = {entry.number: tx.place(entry.number) for entry in entries}
    assert [moment.entry for moment in found.moments] == entries
    assert {moment.entry.event for moment in found.moments if moment.trace} >= {"query", "deletion"}
    assert [moment.fault for moment in found.moments] == [""] * len(entries)
    for moment in found.moments:
        assert moment.proof is not None
        head, place = moment.proof.checkpoint.head, places[moment.entry.number]
        assert leaves[place.tree][moment.proof.index].hex() == place.leaf
        root = verify.root_by_inclusion(bytes.fromhex(place.leaf), moment.proof.index, head.size, moment.proof.hashes)
        assert root == head.digest
    assert {(each.party, each.destroyed, each.article) for each in found.receipts} == {(Party.US, "probe", "8(1)")}
    assert found.ends_at is None
    assert inspection.timeline(parties.jp, found.exchange.reference or "", main.clock()) == found
    with pytest.raises(UnknownExchangeError, match="there is no exchange 'nothing' here"):
        inspection.timeline(parties.jp, "nothing", main.clock())


def test_11_the_record_is_searched_from_any_entry_on(parties: Parties, played: str) -> None:
    here = parties.jp
    with here.store.reading() as tx:
        entries = list(tx.entries())
    now = main.clock()
    for asked in (
        Asked(),
        Asked(events=("query", "match")),
        Asked(directions=(Direction.ACT,), articles=("8",)),
        Asked(exchange=played),
        Asked(exchange=played, events=("match",)),
        Asked(exchange="nothing"),
        Asked(since=now - timedelta(days=1), until=now + timedelta(days=1)),
        Asked(since=now + timedelta(days=40)),
        Asked(until=entries[3].at),
    ):
        for begin in (0, 4):
            expected = [entry for entry in entries if asked.takes(entry) and entry.number >= begin]
            assert list(inspection.search(here, asked, begin=begin)) == expected


def test_8_what_was_destroyed_is_listed_with_what_shows_it(parties: Parties, played: str) -> None:
    found = list(inspection.deletions(parties.jp, Asked()))
    ours = [(each.what, each.article) for each in found if each.entry is not None]
    theirs = [(each.what, each.article) for each in found if each.receipt is not None]
    assert ("candidate", "8(2)") in ours
    assert theirs == [("probe", "8(1)")]
    assert list(inspection.deletions(parties.jp, Asked(exchange="nothing"))) == []
    assert [each.what for each in inspection.deletions(parties.jp, Asked(articles=("8(2)",))) if each.entry] == [
        what for what, article in ours if article == "8(2)"
    ]


def test_11_3_orders_to_keep_a_record_are_listed_with_who_gave_them(parties: Parties, played: str) -> None:
    (hold,) = inspection.holds(parties.jp, main.clock())
    assert (hold.exchange, hold.kept_under, hold.ends_at) == (played, "Act 6", None)
    assert [entry.note for entry in hold.entries] == [
        "kept under Act 5, section 2 by C. Officer",
        "no longer kept, by D. Officer",
        "kept under Act 6 by C. Officer",
    ]


def test_9_notices_of_breaches_are_listed_given_and_received(parties: Parties, played: str) -> None:
    assert played
    (given,), (received,) = (list(inspection.breaches(parties.of(each), Asked())) for each in (Party.JP, Party.US))
    assert (given.given, received.given, given.entry.message) == (True, False, received.entry.message)
    assert (given.late.startswith("notified later than "), received.late) == (True, "")
    assert list(inspection.breaches(parties.jp, Asked(until=given.entry.at))) == []


# Commands


def test_11_an_export_is_made_by_command_and_holds_with_both_cards(
    run: Callable[..., tuple[int, str]],
    capsys: pytest.CaptureFixture[str],
    parties: Parties,
    played: str,
    tmp_path: Path,
) -> None:
    folder, files = tmp_path / "export", parties.jp.settings.folder
    jp = ("--dir", files.root)
    options = ("--as", "jsonl", "--by", "C. Officer", "--exchange", played, "--event", "deletion")
    code, said = run("export", folder, *options, *jp)
    assert code == 0, said
    assert f"pcsc-verify export {folder} --key" in " ".join(said.split())
    assert verify.main(["export", str(folder), "--key", str(files.card), "--other-key", str(files.other)]) == 0
    said = capsys.readouterr().out
    with parties.jp.store.reading() as tx:
        count = tx.next_entry()
        kept = tx.notes(parties.jp.settings.uri)
    assert f"{count} of {count} places stand under heads that the other contact point signed too." in said
    assert f"exchange ['{played}']" in said
    (tmp_path / "note").write_text(kept[-1], encoding="utf-8")
    assert verify.main(["export", str(folder), "--key", str(files.card), "--note", str(tmp_path / "note")]) == 0
    assert f"{count} of {count} places stand under notes that were kept elsewhere." in capsys.readouterr().out
    rows = [json.loads(line) for line in (folder / "entries-00001.jsonl").read_text(encoding="utf-8").splitlines()]
    code, said = run("search", "--exchange", played, "--event", "deletion", "--json", *jp)
    assert (code, json.loads(said)) == (0, rows)
    code, said = run("copies", *jp)
    assert (code, f"1: {folder} of " in said, "; it is there" in said) == (0, True, True)
    code, said = run("destroyed", 1, *jp)
    assert (code, f"is still there: delete {folder} first" in " ".join(said.split())) == (cli.REFUSED, True)
    code, said = run("export", folder, *options, *jp)
    assert (code, "an export is written to a new folder, or an empty one" in said) == (cli.FAILED, True)
    code, said = run("export", folder, "--resume", *jp)
    assert (code, "holds no export that is being written" in said) == (cli.REFUSED, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--event", "query"), "to choose entries or columns, say --as csv, jsonl or parquet"),
        (
            ("--as", "csv", "--by", "X", "--for-other-party"),
            "the other contact point compares whole records; export without",
        ),
        (("--resume", "--event", "query"), "give the folder and --resume alone"),
        (("--as", "csv"), "an export says who asked for it, and nobody is named"),
        (("--as", "csv", "--by", "X", "--without", "number"), "expected columns that can be left out"),
        (("--as", "xml", "--by", "X"), "is not one of"),
    ],
)
def test_an_export_that_cannot_be_is_refused_with_what_to_do(
    run: Callable[..., tuple[int, str]],
    parties: Parties,
    played: str,
    tmp_path: Path,
    options: tuple[str, ...],
    told: str,
) -> None:
    assert played
    code, said = run("export", tmp_path / "export", *options, "--dir", parties.jp.settings.folder.root)
    assert code in {cli.FAILED, 2}
    assert told in " ".join(said.replace("│", " ").split())
    assert not (tmp_path / "export").exists()


def test_what_the_record_tells_is_printed_for_people_and_for_programs(
    run: Callable[..., tuple[int, str]], parties: Parties, played: str
) -> None:
    jp = ("--dir", parties.jp.settings.folder.root)
    code, said = run("timeline", played, "--lang", "ja", *jp)
    assert (code, "kept under Act 6" in said, "US signed that it destroyed: probe, Art. 8(1)" in said) == (
        0,
        True,
        True,
    )
    assert "under the checkpoint that both signed, of " in said
    told = json.loads(run("timeline", played, "--json", *jp)[1])
    assert (told["exchange"], told["kept_under"], len(told["receipts"])) == (played, "Act 6", 1)
    assert all(moment["proof"]["of"] > moment["proof"]["index"] for moment in told["moments"])
    assert any(moment["words"] for moment in told["moments"])
    code, said = run("search", "--limit", 2, *jp)
    assert (code, "There is more: --begin 2, or --limit." in said) == (0, True)
    assert "Nothing in the record is as asked for." in run("search", "--event", "none", *jp)[1]
    assert "by the other contact point, which signed it" in run("deletions", *jp)[1]
    assert {each["what"] for each in json.loads(run("deletions", "--json", *jp)[1])} >= {"candidate", "probe"}
    assert f"{played}: kept under Act 6" in run("holds", *jp)[1]
    assert [each["exchange"] for each in json.loads(run("holds", "--json", *jp)[1])] == [played]
    assert "provided breach notice, Art. 9" in run("breaches", *jp)[1]
    assert [each["given"] for each in json.loads(run("breaches", "--json", *jp)[1])] == [True]
    us = ("--dir", parties.us.settings.folder.root)
    assert "No record is, or was, kept beyond its term." in run("holds", *us)[1]
    assert run("search", "--since", "2026-02-01", "--until", "2026-01-01", *jp)[0] == cli.REFUSED
