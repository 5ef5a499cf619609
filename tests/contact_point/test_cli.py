"""The command line, from `pcsc init` to `pcsc record reconcile`, against a contact point that answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, main

from .parties import events, exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parties import Finger, Parties


def test_two_installations_are_made_and_know_each_other(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = run("init", tmp_path / "jp", "--party", "JP", "--port", 18443)
    assert code == 0
    assert "pcsc designate CARD" in said
    assert run("init", tmp_path / "us", "--party", "US", "--port", 18444, "--json")[0] == 0

    code, said = run("init", tmp_path / "jp", "--party", "JP")
    assert code == cli.FAILED
    assert "holds an installation already" in said

    code, said = run("serve", "--dir", tmp_path / "jp")
    assert code == cli.FAILED
    assert "Art. 3(2): no contact point of the other Party is designated" in said

    jp, who = ("--dir", tmp_path / "jp"), ("--note", "a note", "--by", "A. Officer")
    code, said = run("designate", tmp_path / "us" / "card.json", *who, *jp)
    assert (code, "entered by A. Officer, waits for another person" in said) == (0, True)
    code, said = run("designate", *jp, "--json")
    (waiting,) = json.loads(said)["designations"]
    assert waiting["fingerprint"] == hashlib.sha256((tmp_path / "us" / "card.json").read_bytes()).hexdigest()
    assert waiting["entered"]["by"] == "A. Officer"
    assert run("designate", "--confirm", *who, *jp)[0] == cli.FAILED
    code, said = run("designate", "--confirm", "--by", "B. Officer", "--fingerprint", waiting["fingerprint"], *jp)
    assert (code, "no own contact point is designated" in said) == (0, True)
    assert run("designate", tmp_path / "jp" / "card.json", *who, *jp)[0] == 0
    code, said = run("designate", "--confirm", "--by", "B. Officer", *jp)
    assert (code, "pcsc serve" in said) == (0, True)
    assert run("designate", "--by", "C. Officer", *jp)[0] == 2


def test_a_whole_exchange_by_command(
    run: Callable[..., tuple[int, str]],
    parties: Parties,
    fingers: tuple[Finger, ...],
    query: tuple[object, ...],
    tmp_path: Path,
) -> None:
    """Each command's JSON leads to the next, as a program would use it."""
    jp, us = ("--dir", parties.jp.settings.folder.root), ("--dir", parties.us.settings.folder.root)
    (tmp_path / "enrolled.png").write_bytes(fingers[0].enrolled)
    known = {
        "standing": {"born_on": "1980-05-01", "cases": [{"disposition": "convicted_final"}]},
        "items": {"name": "X"},
    }
    (tmp_path / "known.json").write_text(json.dumps(known))
    (tmp_path / "notification.toml").write_text(run("example", "notification")[1])

    def act(*arguments: object) -> Any:
        code, said = run(*arguments, "--json")
        assert code == 0, said
        return json.loads(said)

    act("enrol", "someone", "--print", f"1={tmp_path / 'enrolled.png'}", "--particulars", tmp_path / "known.json", *us)
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = act(*query, *jp)["exchange"]
        (waiting,) = act("inbox", *jp)
        assert [duty["article"] for duty in waiting["duties"]] == ["4(5)"]

        code, said = run("determine", number, "--request", *jp)
        assert code == cli.REFUSED
        assert "Art. 5(1)" in said

        picture = tmp_path / "prints.svg"
        act("examine", number, "--picture", picture, "--conclude", "identification", "--by", "examiner", *jp)
        assert picture.exists()
        assert act("determine", number, "--request", *jp)["state"] == "will request"
        assert not picture.exists()
        act("request", number, "--notification", tmp_path / "notification.toml", *jp)

        assert act("answer", number, *us)["available"] == [{"kind": "name", "value": "X", "note": ""}]
        give = ("--give", "name", "--condition", "Not for immigration.", "--forbid", "immigration")
        act("answer", number, *give, "--refuse", "date of birth=it is not known", "--by", "officer", *us)
        assert act("accept", number, "--signed-by", "Superintendent", *jp)["state"] == "provided"
        used = act("use", number, "--for", "notified", "--by", "investigator", "--not-political", *jp)
        assert used["items"] == [{"kind": "name", "value": "X", "note": ""}]
        code, said = run("use", number, "--for", "immigration", "--by", "officer", "--not-political", *jp)
        assert code == cli.REFUSED
        assert "Art. 8(8)" in said

    assert act("record", "verify", *jp)["entries"] > 0
    act("record", "export", tmp_path / "us.jsonl", *us)
    assert act("record", "verify", tmp_path / "us.jsonl", *jp)["expired"] == 0
    assert act("record", "reconcile", tmp_path / "us.jsonl", *jp) == []
    _exported_for_the_other_party(act, tmp_path / "for-jp.jsonl", us, jp)
    header, *lines = (tmp_path / "us.jsonl").read_text().splitlines()
    emptied = [json.dumps(json.loads(line) | {"body": None, "salt": None}, separators=(",", ":")) for line in lines]
    (tmp_path / "emptied.jsonl").write_text("".join(f"{line}\n" for line in (header, *emptied)))
    code, said = run("record", "verify", tmp_path / "emptied.jsonl", *us)
    assert (code, "holds no entry and" in said) == (cli.REFUSED, True)
    assert act("close", number, *jp)["state"] == "closed"


def _exported_for_the_other_party(
    act: Callable[..., Any], file: Path, ours: tuple[object, ...], theirs: tuple[object, ...]
) -> None:
    """What the other Party compares holds nothing of our own acts, and is enough to compare."""
    whole = file.with_name("whole.jsonl")
    count = act("record", "export", whole, *ours)["entries"]
    assert act("record", "export", file, "--for-other-party", *ours)["entries"] == count
    one, two = ([json.loads(line) for line in each.read_text().splitlines()[1:]] for each in (whole, file))
    assert [(each["leaf"], each["tree"]) for each in one] == [(each["leaf"], each["tree"]) for each in two]
    acts = [json.loads(each["body"])["direction"] == "act" for each in one]
    assert [each["body"] is None and each["salt"] is None for each in two] == acts
    assert {True, False} == set(acts)
    told = [json.loads(each["body"]) for each in two if each["body"]]
    assert {each["note"] for each in told} == {""}
    assert not [each["trace"] for each in told if each["trace"] and len(each["trace"]) != COMMITMENT_DIGITS]
    for word in ("destroyed", "inputs", "outcome", "desk officer"):
        assert word not in file.read_text()
    assert act("record", "reconcile", file, *theirs) == []
    assert act("record", "verify", file, *theirs)["expired"] == sum(acts)


COMMITMENT_DIGITS = 64


def test_11_3_a_record_is_kept_under_a_law_or_no_longer(
    run: Callable[..., tuple[int, str]], parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    with parties.answering(Party.US):
        number = parties.matched(fingers[0])
    keep = ("record", "keep", number, "--by", "compliance", "--dir", parties.jp.settings.folder.root)
    law = ("--law", "Public Records Act, Art. 5")
    for wrong in ((), (*law, "--end"), ("--law", "")):
        code, said = run(*keep, *wrong)
        assert (code, "name the law that orders it, or --end" in " ".join(said.split())) == (WRONG_USAGE, True)
    code, said = run(*keep, *law)
    assert (code, said) == (0, f"The record of {number} is kept under Public Records Act, Art. 5.\n")
    assert exchange(parties.jp, number).kept_under == "Public Records Act, Art. 5"
    code, said = run(*keep, "--end")
    assert (code, said) == (0, f"The record of {number} ends with its term.\n")
    assert exchange(parties.jp, number).kept_under == ""
    assert events(parties.jp, number).count("legal hold") == 2


WRONG_USAGE = 2


@pytest.fixture
def query(run: Callable[..., tuple[int, str]], fingers: tuple[Finger, ...], tmp_path: Path) -> tuple[object, ...]:
    """Return a `pcsc query` with a later impression and the example basis, the basis last."""
    (tmp_path / "later.png").write_bytes(fingers[0].later)
    said = "A print was lifted from the till; the suspect is said to live abroad."
    (tmp_path / "basis.toml").write_text(
        run("example", "basis")[1].replace('circumstances = ""', f'circumstances = "{said}"')
    )
    return ("query", "--print", tmp_path / "later.png", "--basis", tmp_path / "basis.toml")


def test_a_query_that_nobody_answers_is_kept_and_resumed(
    run: Callable[..., tuple[int, str]], parties: Parties, query: tuple[object, ...]
) -> None:
    jp = ("--dir", parties.jp.settings.folder.root)
    code, said = run(*query, *jp)
    assert code == cli.UNREACHED
    assert "can be sent again" in said
    assert run("resume", *jp)[0] == cli.UNREACHED
    with parties.answering(Party.US):
        code, said = run("resume", *jp)
    assert (code, "1 of 1 messages delivered" in said) == (0, True)


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ('law = "JP"', 'law = "US"', "Art. 1(3)"),
        ("political = false", "political = true", "Art. 13(2)"),
        ("A print was lifted from the till; the suspect is said to live abroad.", "", "Art. 4(3)"),
        ("identified = true", "", "identified"),
        ("[basis]", "", "pcsc example basis"),
    ],
)
def test_a_basis_that_does_not_hold_is_named(
    run: Callable[..., tuple[int, str]], parties: Parties, query: tuple[object, ...], change: str, to: str, says: str
) -> None:
    basis = Path(str(query[-1]))
    basis.write_text(basis.read_text().replace(change, to))
    code, said = run(*query, "--dir", parties.jp.settings.folder.root)
    assert code == (cli.REFUSED if says.startswith("Art.") else cli.FAILED)
    assert says in said


@pytest.mark.parametrize("command", sorted(each.name or each.callback.__name__ for each in cli.app.registered_commands))
def test_every_command_explains_itself(run: Callable[..., tuple[int, str]], command: str) -> None:
    code, said = run(command, "--help")
    assert code == 0
    assert "Usage: pcsc" in said


def test_a_folder_without_an_installation_says_how_to_make_one(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, said = run("inbox", "--dir", tmp_path, "--json")
    assert code == cli.FAILED
    assert "pcsc init --party JP DIR" in json.loads(said)["error"]


def test_the_demonstration_ends_well_and_leaves_nothing(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, said = run("demo", "--persons", 20)
    assert code == 0, said
    assert "they agree on all" in said
    assert list(tmp_path.iterdir()) == []
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if str(tmp_path).encode() in command]


def test_the_clock_is_in_utc() -> None:
    assert main.clock().utcoffset().total_seconds() == 0
