"""`pcsc record`: what it exports, proves and lists, which `pcsc-verify` checks, and the copies that it keeps account of."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, disposal, due, main, querying, settings, verify, witness
from contact_point.cli import record
from contact_point.demonstration import designate
from contact_point.transport import UnreachableError
from pcsc import retention
from pcsc.errors import RecordError

from .parties import Down, justification

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .parties import Finger, Parties


OTHERWISE = "Another print was lifted after another robbery in another town, and the suspect is abroad."


@pytest.fixture
def run(run: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `pcsc record` with arguments and returns its exit code and what it printed."""
    return partial(run, "record")


@pytest.fixture
def act(run: Callable[..., tuple[int, str]]) -> Callable[..., Any]:
    """Return a function that runs `pcsc record` with --json and returns what it says."""

    def act(*arguments: object) -> Any:
        code, said = run(*arguments, "--json")
        assert code == 0, said
        return json.loads(said)

    return act


@pytest.fixture
def jp(parties: Parties, fingers: tuple[Finger, ...]) -> tuple[str, Path]:
    """Play a query that finds nobody, witness both records, and return the option that names JP."""
    with parties.answering(Party.US):
        parties.matched(fingers[0])
        witness.exchange(parties.jp, main.clock())
    return "--dir", parties.jp.settings.folder.root


def us(parties: Parties) -> tuple[str, Path]:
    return "--dir", parties.us.settings.folder.root


def verified(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run `pcsc-verify` and return what it says, if it holds."""
    status = verify.main([*map(str, arguments)])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    return printed.out


def cards(parties: Parties) -> tuple[object, ...]:
    folder = parties.jp.settings.folder
    return "--key", folder.card, "--other-key", folder.other


def test_an_export_is_verified_without_the_program_that_wrote_it(
    act: Callable[..., Any],
    parties: Parties,
    jp: tuple[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "jp.jsonl"
    told = act("export", file, *jp)
    said = verified(capsys, "record", file, *cards(parties))
    assert f"{told['entries']} places in 1 trees: {told['entries']} entries, 0 empty." in said
    assert "Cosigned through entry " in said
    assert act("verify", file, *jp) == act("verify", *jp) | {"covered": told["entries"]}
    assert act("verify", file, *us(parties))["covered"] == told["entries"]


def test_what_is_kept_of_the_others_record_shows_that_it_was_set_back(
    *,
    act: Callable[..., Any],
    run: Callable[..., tuple[int, str]],
    parties: Parties,
    fingers: tuple[Finger, ...],
    jp: tuple[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An export that was whole when it was made is an older state later, and the notes that were exchanged since tell."""
    old, new, kept = tmp_path / "old.jsonl", tmp_path / "new.jsonl", tmp_path / "kept.json"
    act("export", old, "--for-other-party", *us(parties))
    assert act("reconcile", old, *jp) == []
    with parties.answering(Party.US):
        parties.matched(fingers[1], case="case-2", circumstances=OTHERWISE)
        witness.exchange(parties.jp, main.clock())
    code, said = run("reconcile", old, *jp)
    assert (code, "the end of the record was cut off: a checkpoint says" in said) == (cli.REFUSED, True)
    code, said = run("verify", old, *jp)
    assert (code, "the end of the record was cut off" in said) == (cli.REFUSED, True)

    act("export", new, "--for-other-party", *us(parties))
    assert act("reconcile", new, *jp) == []
    kept.write_text(json.dumps(act("checkpoints", "--theirs", *jp), ensure_ascii=False, separators=(",", ":")) + "\n")
    theirs = ("--key", parties.jp.settings.folder.other, "--note", kept)
    assert "It continues what was signed and kept elsewhere, through entry " in verified(capsys, "record", new, *theirs)
    assert verify.main([*map(str, ("record", old, *theirs))]) == 1
    assert "the record was cut off, or an older one put in its place" in capsys.readouterr().err


def test_two_records_are_compared_over_a_period(
    act: Callable[..., Any],
    run: Callable[..., tuple[int, str]],
    parties: Parties,
    fingers: tuple[Finger, ...],
    jp: tuple[str, Path],
    tmp_path: Path,
) -> None:
    theirs = tmp_path / "us.jsonl"
    code, said = run("reconcile", theirs, *jp)
    assert (code, "No such file" in said) == (cli.FAILED, True)
    act("export", theirs, *us(parties))
    code, said = run("reconcile", theirs, *jp)
    assert code == 0
    assert said.startswith("The two records agree on every message from 20")
    why = justification(Party.JP, case="case-2", circumstances=OTHERWISE)
    with pytest.raises(UnreachableError):
        querying.open_query(replace(parties.jp, other=Down()), [fingers[1].later_print], why, main.clock())
    code, said = run("reconcile", theirs, *jp)
    assert code == cli.FAILED
    assert "query JP" in said
    assert "provided by JP in our record only" in said
    today, tomorrow = (f"{main.clock() + timedelta(days=days):%Y-%m-%d}" for days in (0, 1))
    assert run("reconcile", theirs, "--since", today, "--until", tomorrow, *jp)[0] == cli.FAILED
    assert act("reconcile", theirs, "--since", tomorrow, *jp) == []
    assert act("reconcile", theirs, "--until", today, *jp) == []


def test_our_own_record_is_not_compared_with_itself(
    act: Callable[..., Any], run: Callable[..., tuple[int, str]], jp: tuple[str, Path], tmp_path: Path
) -> None:
    act("export", tmp_path / "ours.jsonl", *jp)
    code, said = run("reconcile", tmp_path / "ours.jsonl", *jp)
    assert (code, "both records are kept by JP; the other Party's record is needed" in said) == (cli.REFUSED, True)


def test_an_entry_is_proved_to_whoever_asks(
    act: Callable[..., Any],
    run: Callable[..., tuple[int, str]],
    parties: Parties,
    jp: tuple[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    count = act("verify", *jp)["entries"]
    for number in range(count):
        file = tmp_path / f"{number}.json"
        act("prove", number, file, *jp)
        said = verified(capsys, "inclusion", file, "--key", parties.jp.settings.folder.card)
        assert f"It holds: entry {number} (" in said
    code, said = run("prove", count, tmp_path / "none.json", *jp)
    assert (code, f"the record has the entries 0 to {count - 1}; got {count}" in said) == (cli.REFUSED, True)
    assert not (tmp_path / "none.json").exists()


def test_checkpoints_are_listed_and_are_one_history(
    run: Callable[..., tuple[int, str]],
    parties: Parties,
    fingers: tuple[Finger, ...],
    jp: tuple[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with parties.answering(Party.US):
        parties.matched(fingers[1], case="case-2", circumstances=OTHERWISE)
        witness.exchange(parties.jp, main.clock())
    code, said = run("checkpoints", *jp)
    assert (code, " entries in 20" in said, "root " in said) == (0, True, True)
    code, chain = run("checkpoints", "--json", *jp)
    (tmp_path / "chain.json").write_text(chain, encoding="utf-8")
    said = verified(capsys, "checkpoints", tmp_path / "chain.json", "--key", parties.jp.settings.folder.card)
    assert "checkpoints of the record of urn:pcsc:ncp:jp are one history." in said
    code, said = run("checkpoints", "--theirs", *us(parties))
    assert (code, " entries in 20" in said) == (0, True)


def test_11_3_a_copy_is_entered_with_its_end_and_listed_until_it_was_destroyed(
    act: Callable[..., Any], run: Callable[..., tuple[int, str]], parties: Parties, jp: tuple[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "jp.jsonl"
    assert run("copies", *jp) == (0, "There is no copy of the record.\n")
    told = act("export", file, *jp)
    (copy,) = act("copies", *jp)
    assert (copy["path"], copy["sha256"], copy["holds_until"]) == (str(file), told["sha256"], told["until"])
    with parties.jp.store.transaction() as tx:
        assert tx.planned("")[due.COPIES].isoformat() == told["until"]
    assert "; it is there\n" in run("copies", *jp)[1]
    code, said = run("export", file, *jp)
    assert (code, "the file exists: a copy of the record is not written over another" in said) == (cli.FAILED, True)

    code, said = run("destroyed", copy["id"], *jp)
    assert (code, f"is still there: delete {file} first" in " ".join(said.split())) == (cli.REFUSED, True)
    file.rename(tmp_path / "carried-away")
    assert "carried away: destroy it, then `pcsc record destroyed ID`" in run("copies", *jp)[1]
    assert act("destroyed", copy["id"], *jp) == {"copy": copy["id"]}
    assert act("copies", *jp) == []
    assert len(act("copies", "--all", *jp)) == 1
    code, said = run("destroyed", copy["id"], *jp)
    assert (code, "it was destroyed before, or never made" in said) == (cli.FAILED, True)


def test_11_3_a_copy_that_could_not_be_saved_is_none(
    act: Callable[..., Any], run: Callable[..., tuple[int, str]], jp: tuple[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    code, said = run("export", tmp_path / "link", *jp)
    assert (code, "File exists" in said) == (cli.FAILED, True)
    assert act("copies", *jp) == []
    code, said = run("export", tmp_path / "no" / "folder", *jp)
    assert (code, "No such file or directory" in said) == (cli.FAILED, True)
    assert [each["destroyed_at"] is not None for each in act("copies", "--all", *jp)] == [True]


def test_11_3_what_was_read_of_a_record_that_has_gone_since_is_not_written(
    parties: Parties, jp: tuple[str, Path], tmp_path: Path
) -> None:
    here, file, at = parties.jp, tmp_path / "jp.jsonl", main.clock()
    assert jp
    with here.store.reading() as tx:
        exchanges = tx.exchanges()
        with here.store.transaction() as other:
            slot = other.erase(exchanges[0].control_number)
    assert slot is not None
    here.store.destroy_exchange(slot)
    with pytest.raises(
        RecordError,
        match=r"the term of 1 of 1 exchanges ended while the record was read \(Art\. 11\(3\)\), so jp\.jsonl was not",
    ):
        record.enter(here, file, exchanges, "5a" * 32, at)
    with here.store.reading() as tx:
        assert tx.copies() == []
    assert record.enter(here, file, [], "5a" * 32, at).path == str(file)


def test_11_3_a_backup_made_by_other_means_is_entered_and_erased_with_the_first_term_in_it(
    act: Callable[..., Any], run: Callable[..., tuple[int, str]], parties: Parties, jp: tuple[str, Path], tmp_path: Path
) -> None:
    folder = parties.jp.settings.folder
    parties.jp.store.checkpoint()
    files = [tmp_path / name for name in ("backup.sqlite", "record.slots", "record.kek")]
    sources = (folder.database, folder.record_slots, folder.record_slots.with_suffix(".kek"))
    for source, file in zip(sources, files, strict=True):
        shutil.copyfile(source, file)
    entered = act("copies", *(option for file in files for option in ("--add", file)), *jp)
    assert [each["path"] for each in entered] == [str(file) for file in files]
    with parties.jp.store.transaction() as tx:
        (made,) = tx.exchanges()
        end = retention.ends_at(made, parties.jp.settings.arrangement(main.clock()))
    assert end is not None
    assert {each["holds_until"] for each in entered} == {end.isoformat()}
    assert disposal.end_copies(parties.jp, end) == files
    assert not any(file.exists() for file in files)


def test_11_3_what_the_installation_works_with_is_no_copy_and_a_copy_is_entered_once(
    act: Callable[..., Any], run: Callable[..., tuple[int, str]], parties: Parties, jp: tuple[str, Path], tmp_path: Path
) -> None:
    folder = parties.jp.settings.folder
    for used in (folder.database, folder.record_slots.with_suffix(".kek"), folder.card):
        code, said = run("copies", "--add", used, *jp)
        assert (code, "lies where this installation works" in " ".join(said.split())) == (cli.REFUSED, True)
    (tmp_path / "dump").write_bytes(b"pg_dump")
    assert len(act("copies", "--add", tmp_path / "dump", *jp)) == 1
    code, said = run("copies", "--add", tmp_path / "dump", *jp)
    assert (code, "is entered as a copy of the record already" in " ".join(said.split())) == (cli.REFUSED, True)
    code, said = run("copies", "--add", tmp_path / "nowhere", *jp)
    assert (code, "No such file" in said) == (cli.FAILED, True)
    assert len(act("copies", *jp)) == 1


def test_9_after_a_change_of_signing_keys_both_records_and_what_was_exported_before_still_verify(
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parties: Parties,
    jp: tuple[str, Path],
    tmp_path: Path,
) -> None:
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    code, said = run("export", before, "--for-other-party", *us(parties))
    assert (code, "former key" in said) == (0, False)
    folders = {each: parties.of(each).settings.folder for each in Party}
    for party, folder in folders.items():
        monkeypatch.setattr(sys, "argv", ["pcsc", "renew-key", "--dir", str(folder.root)])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        assert "where two persons enter it with `pcsc designate`, as two do here: until then it refuses" in " ".join(
            capsys.readouterr().out.split()
        )
        card = folder.card.read_text(encoding="utf-8")
        designate(settings.read(folders[party.other].root), card, "a note", main.clock())
    for options in (jp, us(parties)):
        code, said = run("verify", *options)
        assert (code, "The record verifies" in said) == (0, True), said
    code, said = run("export", after, "--for-other-party", *us(parties))
    assert (
        code,
        "cosigned under a former key. The file has our signature alone for that" in " ".join(said.split()),
    ) == (0, True)
    for file in (before, after):
        for command in ("verify", "reconcile"):
            code, said = run(command, file, *jp)
            assert code == 0, said
    assert "Not cosigned by the other contact point" in verified(
        capsys, "record", after, "--key", folders[Party.US].card
    )


def test_11_3_nothing_of_an_export_is_left_beside_it(tmp_path: Path) -> None:
    with record.spooled(tmp_path) as spool:
        spool.write(b"an entry " * 1_000)
        again = os.dup(spool.fileno())
    try:
        assert os.pread(again, 20_000, 0) == bytes(9_000)
    finally:
        os.close(again)
