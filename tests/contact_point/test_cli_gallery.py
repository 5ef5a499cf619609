"""`pcsc enrol`, `pcsc enrol-list` and `pcsc query` with files of every kind, as an operator or a program uses them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from annex.parameters import Party
from contact_point import cli, prints, service
from contact_point.nist import agreed, traditional
from contact_point.nist.transaction import Field, Record, Transaction
from contact_point.store import Impression, Subject, SubjectError
from matcher import images, synthesis
from matcher.formats import read_iso19794_2, write_iso19794_2
from matcher.images import Image
from matcher.jail import Jail
from matcher.template import Template
from pcsc.duties import Content
from pcsc.exchange import State
from pcsc.messages import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from contact_point.service import Installation

    from .parties import Parties

    Run = Callable[..., tuple[int, str]]

AT = datetime(2026, 11, 22, tzinfo=UTC)
SIDE = 192
KNOWN = {"standing": {"born_on": "1980-05-01", "cases": [{"disposition": "convicted_final"}]}, "items": {"name": "X"}}
MINUTIAE = Template.of(np.arange(20, 180, 8), np.arange(20, 180, 8), np.zeros(20), width=SIDE, height=SIDE, position=7)
SAID = "A print was lifted from the till; the suspect is said to live abroad."


@pytest.fixture(scope="session")
def pictures() -> Mapping[int, tuple[Image, Image]]:
    """Return two fingers of a person by position, each rolled and, on less of the skin, plain."""
    fingers = {position: synthesis.Finger(7, position=position) for position in (2, 3)}
    return {
        position: tuple(  # type: ignore[misc]  # two of them
            Image(finger.image(0, width=side, height=side), 500.0) for side in (SIDE, 128)
        )
        for position, finger in fingers.items()
    }


@pytest.fixture(scope="session")
def blank() -> Image:
    """Return a picture without a print."""
    return Image(np.full((SIDE, SIDE), 255, np.uint8), 500.0)


@pytest.fixture
def folder(tmp_path: Path, pictures: Mapping[int, tuple[Image, Image]], blank: Image) -> Path:
    """Return a folder of files: cards, a print, one without ridges, minutiae alone, particulars and a basis."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "card.an2").write_bytes(card(pictures))
    (folder / "scene.an2").write_bytes(scene(pictures))
    (folder / "good.png").write_bytes(images.write_png(pictures[2][0]))
    (folder / "blank.png").write_bytes(images.write_png(blank))
    (folder / "minutiae.fmr").write_bytes(write_iso19794_2([MINUTIAE]))
    (folder / "letter.txt").write_bytes(b"Dear colleague,\n")
    (folder / "known.json").write_text(json.dumps(KNOWN))
    return folder


@pytest.fixture
def basis(run: Run, folder: Path) -> Path:
    """Return the basis of a ten-print query."""
    path = folder / "basis.toml"
    path.write_text(run("example", "basis")[1].replace('circumstances = ""', f'circumstances = "{SAID}"'))
    return path


def card(pictures: Mapping[int, tuple[Image, Image]]) -> bytes:
    """Return a card with a rolled and a plain print of each finger, the plain ones of a size that their records misstate.

    Between the Parties a transaction has one print of a finger, so this one is put together.
    """
    said: dict[str, Any] = {"originator": "JP/NPA", "destination": "US/FBI", "delete_by": None, "now": AT}
    halves = [
        prints.transaction(
            [prints.finger_image(both[at], position, impression=kind) for position, both in pictures.items()],
            kind=prints.SEARCH,
            control_number="1",
            **said,
        )
        for at, kind in ((0, 3), (1, 2))
    ]
    rolled, plain = map(traditional.read, halves)
    later = [
        Record(14, tuple(_changed(field, number) for field in record.fields))
        for number, record in enumerate(plain.records[2:], 3)
    ]
    return traditional.write(Transaction((*rolled.records, *later), rolled.charset))


def scene(pictures: Mapping[int, tuple[Image, Image]]) -> bytes:
    """Return a transaction with a latent print of a finger and a rolled one of the same finger, which shows more."""
    rolled, small = pictures[2]
    said: dict[str, Any] = {"originator": "JP/NPA", "destination": "US/FBI", "delete_by": None, "now": AT}
    sent = [prints.finger_image(small, 3, impression=4), prints.finger_image(rolled, 2, impression=3)]
    whole = traditional.read(prints.transaction(sent, kind=prints.SEARCH, control_number="1", **said))
    # Between the Parties a transaction has one print of a finger: the finger of the latent one is changed here.
    records = [
        Record(13, tuple(Field(13, b"2") if each.number == 13 else each for each in record.fields))
        if record.type == 13
        else record
        for record in whole.records
    ]
    return traditional.write(replace(whole, records=tuple(records)))


def _changed(field: Field, designation: int) -> Field:
    return {2: Field(2, b"%02d" % designation), 6: Field(6, b"130")}.get(field.number, field)


def at(here: Installation) -> tuple[str, str]:
    return ("--dir", str(here.settings.folder.root))


def enrolled(here: Installation) -> dict[str, list[tuple[int, bool]]]:
    """Return who is enrolled, with the positions of their prints and whether there is a picture."""
    with here.store.transaction() as tx:
        held = {name: each for name, each in tx.changed_since(0) if each is not None}
    return {
        name: [(read_iso19794_2(template)[0].position, pictured) for _, template, pictured in each.prints]
        for name, each in held.items()
    }


def act(run: Run, *arguments: object, code: int = 0) -> Any:
    ended, said = run(*arguments, "--json")
    assert ended == code, said
    return json.loads(said)


# --- enrol


def test_a_whole_card_is_enrolled_with_all_its_prints(run: Run, parties: Parties, folder: Path) -> None:
    given = ("--print", folder / "card.an2", "--particulars", folder / "known.json", *at(parties.us))
    told = act(run, "enrol", "someone", *given)
    forgiven = [
        f"{folder / 'card.an2'}: record {number} (Type-14): stated to be 130 x 128 pixels; the image has 128 x 128"
        for number in (5, 6)
    ]
    assert told == {
        "enrolled": "someone",
        "prints": 4,
        "without_image": 0,
        "left_out": [],
        "forgiven": forgiven,
        "notes": [],
    }
    assert enrolled(parties.us) == {"someone": [(2, True), (3, True), (2, True), (3, True)]}


def test_nothing_of_a_person_is_enrolled_whose_prints_cannot_all_be_compared(
    run: Run, parties: Parties, folder: Path
) -> None:
    given = ("--print", f"2={folder / 'good.png'}", "--print", f"3={folder / 'blank.png'}")
    rest = ("--particulars", folder / "known.json", *at(parties.us))
    code, said = run("enrol", "someone", *given, *rest)
    assert code == cli.FAILED
    assert (
        f"pcsc: someone: 1 of the prints cannot be enrolled: {folder / 'blank.png'}: the image: a print needs" in said
    )
    assert "say --leave-out to enrol the person without them" in said
    assert enrolled(parties.us) == {}

    told = act(run, "enrol", "someone", *given, *rest, "--leave-out")
    assert (told["prints"], [each.partition(": a print")[0] for each in told["left_out"]]) == (
        1,
        [f"{folder / 'blank.png'}: the image"],
    )
    assert enrolled(parties.us) == {"someone": [(2, True)]}


def test_4_5_minutiae_alone_are_enrolled_and_said_not_to_be_searched(run: Run, parties: Parties, folder: Path) -> None:
    rest = ("--particulars", folder / "known.json", *at(parties.us))
    code, said = run("enrol", "someone", "--print", folder / "minutiae.fmr", "--print", folder / "good.png", *rest)
    unsearched = "1 of them without an image, so not searched: a match could not be shown (4(5)). Enrol the image.\n"
    assert (code, said) == (0, f"someone is enrolled; prints: 2.\n{unsearched}")
    assert enrolled(parties.us) == {"someone": [(7, False), (0, True)]}
    assert act(run, "enrol", "another", "--print", folder / "minutiae.fmr", *rest)["without_image"] == 1


def test_a_name_is_shown_as_it_is(run: Run, parties: Parties, folder: Path) -> None:
    code, said = run(
        *(
            "enrol",
            "[bold]A",
            "--print",
            folder / "minutiae.fmr",
            "--particulars",
            folder / "known.json",
            *at(parties.us),
        )
    )
    assert (code, said.splitlines()[0]) == (0, "[bold]A is enrolled; prints: 1.")
    code, said = run("update", "[bold]A", "--particulars", folder / "known.json", *at(parties.us))
    assert (code, said) == (0, "[bold]A is updated.\n")
    code, said = run("remove", "[bold]A", *at(parties.us))
    assert (code, said) == (0, "[bold]A is removed, and the prints are destroyed.\n")


def test_a_program_is_told_in_json_why_a_person_is_not_enrolled(run: Run, parties: Parties, folder: Path) -> None:
    rest = ("--particulars", folder / "known.json", *at(parties.us))
    told = act(run, "enrol", "someone", "--print", folder / "letter.txt", *rest, code=cli.FAILED)
    assert (told["article"], told["exit"]) == ("", cli.FAILED)
    assert told["error"].startswith(
        f"someone: {folder / 'letter.txt'}: a file of prints is an ANSI/NIST-ITL transaction"
    )


# --- enrol-list


def listed(folder: Path, persons: Mapping[str, str | tuple[str, ...]]) -> Path:
    """Write a list of persons, each with files of the folder."""
    lines = []
    for name, given in persons.items():
        paths = [given] if isinstance(given, str) else given
        lines.append({"name": name, "particulars": KNOWN, "prints": [{"path": each} for each in paths]})
    path = folder / "persons.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_good_persons_of_a_list_are_enrolled_and_the_bad_ones_reported(
    run: Run, parties: Parties, folder: Path
) -> None:
    path = listed(
        folder,
        {
            "first": "good.png",
            "without ridges": ("good.png", "blank.png"),
            "second": "minutiae.fmr",
            "no print": "letter.txt",
            "third": "good.png",
        },
    )
    told = act(run, "enrol-list", path, *at(parties.us), code=cli.FAILED)
    assert (told["enrolled"], told["enrolled_before"], told["left_out"]) == (3, 0, 0)
    poor, unknown = told["not_enrolled"]
    assert poor.startswith(f"without ridges: 1 of the prints cannot be enrolled: {folder / 'blank.png'}: the image")
    assert unknown.startswith(f"no print: {folder / 'letter.txt'}: a file of prints is an ANSI/NIST-ITL transaction")
    assert enrolled(parties.us) == {"first": [(0, True)], "second": [(7, False)], "third": [(0, True)]}

    # Again, without the poor print: who is there is passed over, and the one that cannot be read is still reported.
    code, said = run("enrol-list", path, "--leave-out", *at(parties.us))
    assert code == cli.FAILED
    first, *rest = said.splitlines()
    assert first == "Enrolled: 1. Enrolled before: 3. Prints left out: 1. Not enrolled: 1."
    assert rest[0].startswith(f"Not enrolled: no print: {folder / 'letter.txt'}: ")
    assert enrolled(parties.us)["without ridges"] == [(0, True)]


def test_a_dry_run_says_who_is_new_how_good_the_prints_are_and_who_enters_the_view(
    run: Run, parties: Parties, folder: Path
) -> None:
    assert act(run, "enrol-list", listed(folder, {"before": "minutiae.fmr"}), *at(parties.jp))["enrolled"] == 1
    path = listed(
        folder,
        {"first": ("good.png", "blank.png"), "before": "good.png", "bare": "minutiae.fmr", "no print": "letter.txt"},
    )
    dry = ("enrol-list", path, "--leave-out", "--dry-run", *at(parties.jp))
    told = act(run, *dry, code=cli.FAILED)
    assert [(each["name"], each["prints"], len(each["quality"]), len(each["left_out"])) for each in told["new"]] == [
        ("first", 1, 1, 1),
        ("bare", 1, 0, 0),
    ]
    assert 0 < told["new"][0]["quality"][0] <= 100
    assert (told["enrolled_before"], len(told["not_enrolled"])) == (["before"], 1)
    entering = [(each["subject"], each["what"], each["identified"]) for each in told["diff"]["changes"]]
    assert entering == [("first", "enters", True), ("first", "enters", False)]  # Art. 4(5): "bare" has no image
    assert (told["diff"]["persons_before"], told["diff"]["persons_after"]) == (1, 3)
    assert set(enrolled(parties.jp)) == {"before"}
    code, said = run(*dry)
    assert (code, said.splitlines()[0]) == (cli.FAILED, "New: 2. Enrolled before: 1. Cannot be enrolled: 1.")
    assert (
        "first enters (query about an identified individual): from Art. 4(2), The person is not in the gallery." in said
    )


def test_a_folder_is_a_list_of_names_with_particulars_and_prints(run: Run, parties: Parties, folder: Path) -> None:
    transactions = folder / "transactions"
    transactions.mkdir()
    for name in ("first", "second"):
        (transactions / f"{name}.json").write_text(json.dumps(KNOWN))
        (transactions / f"{name}.fmr").write_bytes((folder / "minutiae.fmr").read_bytes())
    (transactions / "second.png").write_bytes((folder / "good.png").read_bytes())
    assert act(run, "enrol-list", transactions, *at(parties.us))["enrolled"] == 2
    assert enrolled(parties.us) == {"first": [(7, False)], "second": [(7, False), (0, True)]}
    (transactions / "third.png").write_bytes(b"")
    told = act(run, "enrol-list", transactions, *at(parties.us), code=cli.FAILED)
    assert told["error"] == (
        f"{transactions}, name 3 of 3: expected particulars, .json, and prints of one name; there are 0 and 1: give both, or "
        "take the file out of the folder"
    )
    (transactions / "third.json").write_text("{}")
    told = act(run, "enrol-list", transactions, *at(parties.us), code=cli.FAILED)
    assert told["error"].startswith(f"{transactions / 'third.json'}: particulars are a JSON object with a standing")


def test_a_list_can_be_repeated(run: Run, parties: Parties, folder: Path) -> None:
    path = listed(folder, {"first": "good.png", "second": "minutiae.fmr"})
    assert act(run, "enrol-list", path, *at(parties.us)) == {
        "enrolled": 2,
        "enrolled_before": 0,
        "left_out": 0,
        "without_image": 1,
        "not_searched": 1,
        "not_enrolled": [],
    }
    assert act(run, "enrol-list", path, *at(parties.us)) == {
        "enrolled": 0,
        "enrolled_before": 2,
        "left_out": 0,
        "without_image": 0,
        "not_searched": 0,
        "not_enrolled": [],
    }
    run("remove", "first", *at(parties.us))
    assert act(run, "enrol-list", path, *at(parties.us))["enrolled"] == 1


def test_4_5_a_list_says_how_many_prints_and_persons_are_not_searched(run: Run, parties: Parties, folder: Path) -> None:
    persons: dict[str, str | tuple[str, ...]] = {
        "first": ("good.png", "minutiae.fmr"),
        "second": "minutiae.fmr",
        "third": ("minutiae.fmr", "minutiae.fmr"),
        "fourth": "good.png",
    }
    code, said = run("enrol-list", listed(folder, persons), *at(parties.us))
    assert code == 0
    assert said.rstrip() == (
        "Enrolled: 4. Enrolled before: 0. Prints left out: 0. Not enrolled: 0.\n"
        "Prints without an image, so not searched: 4; persons with no other print: 2. A match could not be shown (4(5)): enrol "
        "the images."
    )


def test_somebody_enrolled_meanwhile_is_reported_and_the_others_are_enrolled(
    run: Run, parties: Parties, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Meanwhile(prints.PrintReader):
        """Reads files while somebody else enrols a person of the same list."""

        def read_file(self, *given: Any, **said: Any) -> prints.PrintFile:
            template = Impression(write_iso19794_2([MINUTIAE]))
            with suppress(SubjectError):
                service.enrol(parties.us, [Subject("second", json.dumps(KNOWN), (template, template))])
            return super().read_file(*given, **said)

    monkeypatch.setattr(prints, "PrintReader", Meanwhile)
    path = listed(folder, {"first": "minutiae.fmr", "second": "minutiae.fmr", "third": "minutiae.fmr"})
    told = act(run, "enrol-list", path, *at(parties.us), code=cli.FAILED)
    assert told["enrolled"] == 2
    assert told["not_enrolled"] == [
        "'second' is enrolled already: remove the person first, or choose another name",
    ]
    alone = [(7, False)]
    assert enrolled(parties.us) == {"first": alone, "second": alone * 2, "third": alone}


def test_a_jail_that_does_not_work_ends_a_list_with_those_before_it_enrolled(
    run: Run, parties: Parties, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = listed(folder, {"first": "minutiae.fmr", "second": "good.png", "third": "minutiae.fmr"})
    broken = Jail(program="raise SystemExit")
    with monkeypatch.context() as patched:
        patched.setattr(prints, "JAIL", broken)
        told = act(run, "enrol-list", path, *at(parties.us), code=cli.FAILED)
    broken.close()
    assert told["error"].startswith("the jail does not start: its process ended")
    assert told["error"].endswith(
        ". 1 of 3 persons were enrolled before that: when files can be read again, repeat the command for the others"
    )
    assert enrolled(parties.us) == {"first": [(7, False)]}
    again = act(run, "enrol-list", path, *at(parties.us))
    assert (again["enrolled"], again["enrolled_before"]) == (2, 1)


def test_a_list_is_compared_with_the_names_and_no_particulars_are_read_for_it(
    run: Run, parties: Parties, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = listed(folder, {"first": "minutiae.fmr"})
    run("enrol-list", path, *at(parties.us))

    def refuse(*_: object) -> None:
        raise AssertionError("nothing of a person is read")

    monkeypatch.setattr("contact_point.store.gallery.unseal", refuse)
    assert act(run, "enrol-list", path, *at(parties.us))["enrolled_before"] == 1


def test_nobody_of_a_list_with_a_bad_line_is_enrolled(run: Run, parties: Parties, folder: Path) -> None:
    path = listed(folder, {"first": "minutiae.fmr", "second": "minutiae.fmr"})
    for last, says in (
        ('{"name": "third"}', "particulars: Field required"),
        ("null", "it is null"),
        (path.read_text().splitlines()[0], "expected each name once, got that of line 1 again"),
    ):
        longer = path.with_name("longer.jsonl")
        longer.write_text(f"{path.read_text()}\n{last}\n")
        code, said = run("enrol-list", longer, *at(parties.us))
        assert code == cli.FAILED
        assert f"{longer}, line 4: " in said
        assert says in said
    assert enrolled(parties.us) == {}


def test_a_list_that_is_not_there_is_said_not_to_be(run: Run, parties: Parties, tmp_path: Path) -> None:
    code, said = run("enrol-list", tmp_path / "nowhere.jsonl", *at(parties.us))
    assert code == cli.FAILED
    assert "nowhere.jsonl: No such file or directory" in said


# --- query


def test_4_3_of_a_whole_card_one_print_of_each_finger_is_sent(
    run: Run, parties: Parties, folder: Path, basis: Path, pictures: Mapping[int, tuple[Image, Image]]
) -> None:
    code, said = run("query", "--print", folder / "card.an2", "--basis", basis, *at(parties.jp))
    assert (code, "can be sent again" in said) == (cli.UNREACHED, True)
    sent = probe(parties.jp)
    assert [(each.position, each.impression, each.record_type) for each in sent] == [(2, 3, 14), (3, 3, 14)]
    for each in sent:
        assert np.array_equal(images.read(each.data).pixels, pictures[each.position][0].pixels)


def test_4_7_a_card_is_no_latent_print(run: Run, parties: Parties, folder: Path, basis: Path) -> None:
    code, said = run("query", "--latent", "--print", folder / "card.an2", "--basis", basis, *at(parties.jp))
    assert code == cli.REFUSED
    assert (
        "Art. 4(7): a latent search carries prints left at a scene (Article 4(7)); this one is of impression type 3"
        in said
    )
    with parties.jp.store.transaction() as tx:
        assert tx.exchanges() == []
        assert list(tx.held()) == []


def test_4_7_a_print_of_unknown_kind_is_sent_as_latent_where_that_is_said(
    run: Run, parties: Parties, folder: Path, basis: Path
) -> None:
    query = ("query", "--latent", "--print", folder / "good.png", "--basis", basis, *at(parties.jp))
    assert run(*query)[0] == cli.UNREACHED
    (sent,) = probe(parties.jp)
    assert (sent.position, sent.impression, sent.record_type, sent.marked) == (0, 4, 13, None)
    with parties.jp.store.transaction() as tx:
        (exchange,) = tx.exchanges()
    assert (exchange.search, exchange.state) == (Search.LATENT, State.SENT)


def test_4_3_prints_of_two_unknown_fingers_are_no_query(
    run: Run, parties: Parties, folder: Path, basis: Path, pictures: Mapping[int, tuple[Image, Image]]
) -> None:
    (folder / "another.png").write_bytes(images.write_png(pictures[3][0]))
    given = ("--print", folder / "good.png", "--print", folder / "another.png", "--basis", basis, *at(parties.jp))
    code, said = run("query", *given)
    assert code == cli.REFUSED
    assert "Art. 4(3): a query is about one individual" in said
    assert "got positions [0, 0]" in said


def test_4_3_one_finger_in_two_files_may_be_of_two_persons_and_is_no_query(
    run: Run, parties: Parties, folder: Path, basis: Path, pictures: Mapping[int, tuple[Image, Image]]
) -> None:
    (folder / "another.png").write_bytes(images.write_png(pictures[3][0]))
    given = ("--print", f"2={folder / 'good.png'}", "--print", f"2={folder / 'another.png'}", "--basis", basis)
    code, said = run("query", *given, *at(parties.jp))
    assert code == cli.REFUSED
    assert "Art. 4(3): a query is about one individual" in said
    assert "got positions [2, 2]" in said
    with parties.jp.store.transaction() as tx:
        assert tx.exchanges() == []


def test_4_3_different_fingers_in_two_files_are_one_query(
    run: Run, parties: Parties, folder: Path, basis: Path, pictures: Mapping[int, tuple[Image, Image]]
) -> None:
    (folder / "another.png").write_bytes(images.write_png(pictures[3][0]))
    given = ("--print", f"2={folder / 'good.png'}", "--print", f"3={folder / 'another.png'}", "--basis", basis)
    assert run("query", *given, *at(parties.jp))[0] == cli.UNREACHED
    assert [each.position for each in probe(parties.jp)] == [2, 3]


@pytest.mark.parametrize(("search", "impression"), [(("--latent",), 4), ((), 3)])
def test_4_7_of_a_file_with_a_latent_print_and_a_known_one_the_search_takes_its_own_kind(
    run: Run,
    parties: Parties,
    folder: Path,
    basis: Path,
    search: tuple[str, ...],
    impression: int,
) -> None:
    """The known print is the larger and better one, and does not displace the latent one of the same finger."""
    query = ("query", *search, "--print", folder / "scene.an2", "--basis", basis, *at(parties.jp))
    assert run(*query)[0] == cli.UNREACHED
    (sent,) = probe(parties.jp)
    assert (sent.position, sent.impression) == (2, impression)


def test_4_7_a_file_with_nothing_of_the_kind_is_refused_beside_one_that_fits(
    run: Run, parties: Parties, folder: Path, basis: Path
) -> None:
    given = ("--print", f"4={folder / 'good.png'}", "--print", folder / "card.an2", "--basis", basis)
    code, said = run("query", "--latent", *given, *at(parties.jp))
    assert code == cli.REFUSED
    assert "Art. 4(7): a latent search carries prints left at a scene (Article 4(7)); this one is of impression" in said


def test_4_4_where_no_print_can_be_compared_the_reasons_are_told(
    run: Run, parties: Parties, folder: Path, basis: Path
) -> None:
    code, said = run("query", "--print", folder / "blank.png", "--basis", basis, *at(parties.jp))
    assert code == cli.REFUSED
    assert (
        "Art. 4(4): the image: a print needs at least 8 minutiae to be compared; 0 were found: few-minutiae: " in said
    )


@pytest.mark.long
def test_a_real_card_is_enrolled_whole_and_queried_with_ten_fingers(
    run: Run, parties: Parties, folder: Path, basis: Path, shared_data: Path
) -> None:
    real = shared_data / "ansi_nist" / "nist_csr"
    known = ("--particulars", folder / "known.json", *at(parties.us))
    told = act(run, "enrol", "someone", "--print", real / "type-4-tpcard.an2", *known)
    assert (told["prints"], told["without_image"], told["left_out"]) == (20, 0, [])
    with parties.answering(Party.US):
        given = ("--print", real / "type-4-slaps.an2", "--basis", basis, *at(parties.jp))
        assert act(run, "query", *given)["state"] == "match"


def probe(here: Installation) -> tuple[agreed.FingerImage, ...]:
    """Return the prints that wait to be sent in the one query that was made."""
    with here.store.transaction() as tx:
        (exchange,) = tx.exchanges()
        return agreed.read(tx.content(exchange.control_number, Content.PROBE)).images
