"""The arrangement as one document that both Parties hold and have signed, and the versions that follow it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import arrangements, cli
from contact_point.arrangements import DocumentError, parse, survey
from contact_point.demonstration import designate
from contact_point.installation import Plan, create, enter_arrangement, sign_arrangement
from contact_point.keys import SigningKey
from contact_point.settings import Settings, SettingsError, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOTE = "Note verbale No. 77 of 20 November 2026"
MODEL = files("contact_point").joinpath("models/arrangement.toml").read_text(encoding="utf-8")


def later(version: str = "2027-a", day: str = "2027-04-01", *change: str) -> str:
    """Return the text of a later version, with one thing changed."""
    text = MODEL.replace("model-1", version).replace("2019-01-05 #", f"{day} #")
    assert not change or change[0] in text
    return text.replace(*change) if change else text  # type: ignore[call-arg]


@pytest.fixture
def both(tmp_path: Path) -> tuple[Settings, Settings]:
    """Return two installations that know each other."""
    made = [create(tmp_path / party, Plan(party, party.country, "127.0.0.1", 8443), NOW) for party in Party]
    for here, other in (made, made[::-1]):
        designate(here, other.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    return read(tmp_path / "JP"), read(tmp_path / "US")


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Return a later version as a file."""
    path = tmp_path / "2027-a.toml"
    path.write_text(later(), encoding="utf-8")
    return path


# What a document says


STOP = "follow_up_days = 30"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        ((STOP, "follow_up_days = 0"), "follow_up_days = 0", "follow_up_days: expected a whole number from 1 to 365"),
        (
            (STOP, "follow_up_days = 9"),
            "follow_up_days = 9",
            "follow_up_days: expected at least the 10 of determination",
        ),
        ((STOP, "follow_up_day = 30"), "[queries_per_day]", "lacks follow_up_days: expected every value"),
        ((STOP, f"{STOP}\nkind = 1"), "kind = 1", "has the unknown kind: expected only version, "),
        ((STOP, "follow_up_days ="), "follow_up_days =", "this is not TOML: Invalid value (at line "),
        (("latent = 20", 'latent = "x"'), 'latent = "x"', "queries_per_day.latent: expected a whole number from 0"),
        (("latent = 20", ""), "[queries_per_day]", "queries_per_day lacks latent: expected every value"),
        (("latent = 20", "tenprint = 20"), "tenprint = 20", "this is not TOML: Cannot overwrite a value"),
        (("latent = 1\n", "latent = 5\n"), "latent = 5", "candidates.latent: expected the number 1; got 5: Art. 4(4)"),
        (('"aliases"', '"name"'), "US = [", "items.US: expected each name once; got ['name', 'name']"),
        (('"sex"', '"blood group"'), "JP = [", "items.JP: expected only name, date of birth"),
        (('warrants",\n]', 'warrants",'), '    "outstanding warrants",', "(at end of document); correct the document"),
        (
            ('["purpose", ', "["),
            'notification = ["case reference", "authority", "offences", "items", "signed by"]',
            'notification: expected "purpose" among its items',
        ),
    ],
)
def test_4_7_what_is_malformed_or_contradictory_is_named_with_its_line_and_the_reason(
    change: tuple[str, str], line: str, says: str
) -> None:
    assert change[0] in MODEL
    text = MODEL.replace(*change, 1)
    with pytest.raises(DocumentError) as refused:
        parse(text.encode(), "a.toml")
    assert str(refused.value).startswith(f"a.toml, line {text.splitlines().index(line) + 1}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ("queries_per_day = { tenprint = 100, latent = -1 }", 2),
        ("queries_per_day.tenprint = 100\nqueries_per_day.latent = -1", 3),
        ('"queries_per_day"."latent" = -1\nqueries_per_day.tenprint = 100', 2),
    ],
)
def test_the_line_is_found_in_whatever_form_a_key_is_written(tables: str, line: int) -> None:
    text = MODEL.replace("[queries_per_day]\ntenprint = 100\nlatent = 20\n", "")
    with pytest.raises(DocumentError, match=r"queries_per_day\.latent: expected a whole number") as refused:
        parse(f"#\n{tables}\n{text}".encode(), "a.toml")
    assert str(refused.value).startswith(f"a.toml, line {line}: ")


def test_an_empty_document_lacks_everything() -> None:
    with pytest.raises(DocumentError, match=r"^a\.toml, line 1: the arrangement lacks acceptance_days, .*, version: "):
        parse(b"", "a.toml")


def test_a_document_is_text() -> None:
    with pytest.raises(
        DocumentError, match=r"^a\.toml, line 3: this is not UTF-8, as TOML is; save the document as UTF-8"
    ):
        parse(b"#\n#\n\xff\xfe", "a.toml")


# The first arrangement


def test_4_7_both_parties_hold_one_document_with_the_signatures_of_both(both: tuple[Settings, Settings]) -> None:
    jp, us = both
    held = [arrangements.document_path(here.folder.arrangements, "model-1").read_bytes() for here in both]
    assert held == [MODEL.encode()] * 2
    for here in both:
        (one,) = survey(here.folder.arrangements)
        assert (one.version, one.in_force_from, one.fault) == ("model-1", date(2019, 1, 5), "")
        assert one.signatures == {Party.JP: "valid", Party.US: "valid"}
    assert jp.arrangements == us.arrangements


@pytest.mark.parametrize("party", list(Party))
def test_4_7_a_document_that_was_changed_after_it_was_signed_is_not_loaded(
    both: tuple[Settings, Settings], party: Party
) -> None:
    here = both[0]
    path = here.folder.arrangements / "model-1.toml"
    path.write_text(later("model-1", "2019-01-05", "tenprint = 100", "tenprint = 999"), encoding="utf-8")
    if party is Party.US:  # as an operator could do who holds our key: theirs is what they cannot make
        signed = arrangements.sign(path.read_bytes(), Party.JP, SigningKey.load(here.folder.signing_key))
        arrangements.attach(here.folder.arrangements, "model-1", signed)
    with pytest.raises(
        SettingsError,
        match=rf"model-1\.toml: expected the signature of {party} over these \d+ bytes \(SHA-256 [0-9a-f]+\); it is of others:"
        r" both contact points hold the same document \(Art\. 4\(7\)\): restore the document as it was signed",
    ) as refused:
        read(here.folder.root)
    assert str(refused.value).startswith(str(path))
    (one,) = survey(here.folder.arrangements)
    assert "it is of others" in one.signatures[party]


@pytest.mark.parametrize("file", ["model-1.US.sig", "*.US.pem"])
def test_4_7_an_arrangement_without_the_other_partys_signature_is_not_loaded(
    both: tuple[Settings, Settings], file: str
) -> None:
    (gone,) = both[0].folder.arrangements.glob(file)
    gone.unlink()
    with pytest.raises(
        SettingsError,
        match=rf"model-1\.toml: expected the signature of US and the key it was made with; {gone.name} is missing: an "
        r"arrangement is between both contact points \(Art\. 4\(7\)\): restore the file",
    ):
        read(both[0].folder.root)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the whole text: Invalid JSON"),
        ("null", "it is empty"),
        ("{}", "algorithm: Field required"),
        ('{"algorithm": "none"}', "algorithm: Input should be 'ECDSA-P384-SHA384'"),
        ('{"algorithm": "ECDSA-P384-SHA384", "key_id": "../x", "signature": ""}', "key_id: String should match"),
    ],
)
def test_4_7_what_is_no_signature_is_named(both: tuple[Settings, Settings], text: str, says: str) -> None:
    path = arrangements.signature_path(both[0].folder.arrangements, "model-1", Party.US)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        SettingsError, match=rf"model-1\.US\.sig is not a signature: .*{says}.*; ask its Party for what"
    ):
        read(both[0].folder.root)


def test_4_7_a_signature_that_is_no_base64_is_of_nothing(both: tuple[Settings, Settings]) -> None:
    path = arrangements.signature_path(both[0].folder.arrangements, "model-1", Party.US)
    said = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**said, "signature": "é"}), encoding="utf-8")
    with pytest.raises(SettingsError, match="expected the signature of US over these"):
        read(both[0].folder.root)


def test_a_key_that_is_none_or_another_than_its_name_says_is_named(both: tuple[Settings, Settings]) -> None:
    folder = both[0].folder.arrangements
    (key,) = folder.glob("*.US.pem")
    (ours,) = folder.glob("*.JP.pem")
    shutil.copy(ours, key)
    with pytest.raises(
        SettingsError, match=r"expected a signature of US under its key .*; got one under .*: only the key of"
    ):
        read(both[0].folder.root)
    key.write_text("no key")
    with pytest.raises(
        SettingsError, match=rf"{key.name}: a verifying key is a public key in PEM; these bytes are none"
    ):
        read(both[0].folder.root)


def test_4_7_a_document_is_named_after_its_version(both: tuple[Settings, Settings]) -> None:
    folder = both[0].folder.arrangements
    for suffix in ("toml", "JP.sig", "US.sig"):
        (folder / f"model-1.{suffix}").rename(folder / f"model-2.{suffix}")
    with pytest.raises(
        SettingsError,
        match=r"model-2\.toml: expected version 'model-2', as the file is named; got 'model-1': a version is",
    ):
        read(both[0].folder.root)


def test_4_7_an_installation_without_an_arrangement_is_none(both: tuple[Settings, Settings]) -> None:
    folder = both[0].folder.arrangements
    shutil.rmtree(folder)
    with pytest.raises(SettingsError, match=r"arrangements holds no arrangement: without one nothing is queried or"):
        read(both[0].folder.root)


def test_4_7_two_documents_of_one_day_are_refused(both: tuple[Settings, Settings]) -> None:
    here = both[0]
    document = later("model-2", "2019-01-05").encode()
    signed = [arrangements.sign(document, each.party, SigningKey.load(each.folder.signing_key)) for each in both]
    arrangements.store(here.folder.arrangements, "model-2", document, signed)
    with pytest.raises(
        SettingsError, match="arrangements: the arrangement's in_force_from: expected a day after 2019-01-05"
    ):
        read(here.folder.root)


# A further version


def test_4_7_a_later_version_takes_force_on_its_day_and_the_earlier_one_stays(
    both: tuple[Settings, Settings], document: Path
) -> None:
    """T-4-7: each day has the arrangement then in force, and an old decision that of its own."""
    signatures = {here.party: sign_arrangement(here, document, NOW) for here in both}
    assert signatures[Party.JP] == document.with_name("2027-a.JP.sig")
    for here in both:
        entered = enter_arrangement(here, document, signatures[here.party.other], NOW)
        assert (entered.version, entered.in_force_from) == ("2027-a", date(2027, 4, 1))
        now_held = read(here.folder.root)
        assert [each.version for each in now_held.arrangements.versions] == ["model-1", "2027-a"]
        assert now_held.arrangement(NOW).version == "model-1"
        assert now_held.arrangement(datetime(2027, 3, 31, 23, 59, 59, tzinfo=UTC)).version == "model-1"
        assert now_held.arrangement(datetime(2027, 4, 1, tzinfo=UTC)).version == "2027-a"
        assert now_held.arrangements.version("model-1") == here.arrangement(NOW)
        assert [set(one.signatures.values()) for one in survey(here.folder.arrangements)] == [{"valid"}, {"valid"}]


def test_4_7_a_version_is_still_held_when_the_key_that_signed_it_was_replaced(
    both: tuple[Settings, Settings], document: Path, tmp_path: Path
) -> None:
    jp, us = both
    enter_arrangement(jp, document, sign_arrangement(us, document, NOW), NOW)
    anew = create(tmp_path / "anew", Plan(Party.US, "anew", "127.0.0.1", 8443), NOW)
    designate(read(jp.folder.root), anew.folder.card.read_text(encoding="utf-8"), NOTE, NOW)
    assert [set(one.signatures.values()) for one in survey(jp.folder.arrangements)] == [{"valid"}, {"valid"}]
    assert len(read(jp.folder.root).arrangements.versions) == 2
    # What it signs from now on is signed with its new key.
    document.write_text(later("2028-a", "2028-04-01"), encoding="utf-8")
    old = sign_arrangement(us, document, NOW)
    with pytest.raises(
        DocumentError, match=r"only the key of the designated contact point signs \(Art\. 4\(7\)\): ask US"
    ):
        enter_arrangement(read(jp.folder.root), document, old, NOW)


def test_4_7_what_the_other_party_did_not_sign_is_not_entered(both: tuple[Settings, Settings], document: Path) -> None:
    jp, us = both
    theirs = sign_arrangement(us, document, NOW)
    document.write_text(later("2027-a", "2027-04-01", "tenprint = 100", "tenprint = 999"), encoding="utf-8")
    with pytest.raises(DocumentError, match=r"2027-a\.toml: expected the signature of US over these"):
        enter_arrangement(jp, document, theirs, NOW)
    document.write_text(later(), encoding="utf-8")
    with pytest.raises(
        DocumentError, match=r"2027-a\.toml: expected a signature of US under its key .*; got one under"
    ):
        enter_arrangement(jp, document, sign_arrangement(jp, document, NOW), NOW)
    assert [one.version for one in survey(jp.folder.arrangements)] == ["model-1"]


def test_4_7_an_arrangement_has_the_signatures_of_both(both: tuple[Settings, Settings]) -> None:
    jp = both[0]
    ours = arrangements.sign(later().encode(), Party.JP, SigningKey.load(jp.folder.signing_key))
    with pytest.raises(
        DocumentError,
        match=r"^a\.toml: expected the signatures of both Parties; US's is missing: .*\(Art\. 4\(7\)\): ask US",
    ):
        arrangements.enter(
            jp.folder.arrangements, later().encode(), {Party.JP: ours}, jp.arrangements, NOW, name="a.toml"
        )


def test_4_7_nothing_is_entered_before_the_other_contact_point_is_designated(tmp_path: Path, document: Path) -> None:
    alone = create(tmp_path / "alone", Plan(Party.JP, "alone", "127.0.0.1", 8443), NOW)
    theirs = sign_arrangement(alone, document, NOW)
    with pytest.raises(
        SettingsError,
        match=r"^Art\. 4\(7\): an arrangement is between both contact points: Art\. 3\(2\): no contact point of the other",
    ):
        enter_arrangement(alone, document, theirs, NOW)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            later("model-1"),
            r"expected a version that is not held yet; got 'model-1': what both have signed never changes",
        ),
        (
            later(day="2019-01-05"),
            r"expected a day after 2019-01-05, when model-1 takes force; got in_force_from = 2019-01-05",
        ),
        (
            later(day="2026-11-21"),
            r"expected a day after today, 2026-11-22; got in_force_from = 2026-11-21: what was done on",
        ),
        (
            later(day="2026-11-22"),
            r"expected a day after today, 2026-11-22; got in_force_from = 2026-11-22: .*later day",
        ),
        (
            later("2027-a", "2027-04-01", "record_months = 24", "record_months = 6"),
            r", line [0-9]+: the arrangement's record_months",
        ),
    ],
)
def test_4_7_what_cannot_follow_the_arrangements_held_is_neither_signed_nor_entered(
    both: tuple[Settings, Settings], document: Path, text: str, says: str
) -> None:
    jp, us = both
    document.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=says):
        sign_arrangement(us, document, NOW)
    signed = arrangements.sign(document.read_bytes(), Party.US, SigningKey.load(us.folder.signing_key))
    theirs = document.with_name("theirs.sig")
    theirs.write_text(arrangements.write_signature(signed.signature), encoding="utf-8")
    with pytest.raises(DocumentError, match=says) as refused:
        enter_arrangement(jp, document, theirs, NOW)
    assert str(refused.value).startswith(str(document))
    assert [one.version for one in survey(jp.folder.arrangements)] == ["model-1"]


def test_the_day_before_is_early_enough(both: tuple[Settings, Settings], document: Path) -> None:
    jp, us = both
    eve = datetime(2027, 3, 31, 23, 59, 59, tzinfo=UTC)
    assert enter_arrangement(jp, document, sign_arrangement(us, document, eve), eve).version == "2027-a"
    with pytest.raises(DocumentError, match="expected a day after today, 2027-04-01"):
        enter_arrangement(us, document, sign_arrangement(jp, document, eve), eve + timedelta(seconds=1))


def test_what_is_held_is_not_signed_again(both: tuple[Settings, Settings]) -> None:
    folder = both[0].folder.arrangements
    before = (folder / "model-1.JP.sig").read_bytes()
    assert sign_arrangement(both[0], folder / "model-1.toml", NOW) == folder / "model-1.JP.sig"
    assert (folder / "model-1.JP.sig").read_bytes() == before


def test_a_document_that_cannot_be_read_is_shown_as_such(both: tuple[Settings, Settings]) -> None:
    folder = both[0].folder.arrangements
    (folder / "model-1.toml").write_text("version =", encoding="utf-8")
    (folder / "model-1.US.sig").unlink()
    (one,) = survey(folder)
    assert (one.in_force_from, one.signatures[Party.US]) == (None, "missing")
    assert one.fault.startswith("model-1.toml, line 1: this is not TOML")


# By command


@pytest.fixture
def run(run: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `pcsc arrangement` with arguments and returns its exit code and what it printed."""
    return partial(run, "arrangement")


def test_4_7_a_version_is_signed_and_entered_by_command(
    run: Callable[..., tuple[int, str]], both: tuple[Settings, Settings], tmp_path: Path
) -> None:
    jp, us = (("--dir", here.folder.root) for here in both)
    document = tmp_path / "2099-a.toml"
    document.write_text(later("2099-a", "2099-04-01"), encoding="utf-8")
    code, said = run("sign", document, *us)
    assert (code, "pcsc arrangement enter" in said) == (0, True)
    code, said = run("enter", document, "--signature", tmp_path / "2099-a.US.sig", *jp)
    assert (code, "takes force on 2099-04-01 (UTC)" in said) == (0, True)

    code, said = run("show", "--json", *jp)
    assert [(each["version"], each["in_force_from"], each["in_force"]) for each in json.loads(said)] == [
        ("model-1", "2019-01-05", True),
        ("2099-a", "2099-04-01", False),
    ]
    code, said = run("show", *jp)
    assert "model-1 in force from 2019-01-05, now" in said
    assert said.count("JP's signature: valid") == said.count("US's signature: valid") == 2
    code, said = run("show", "2099-a", *jp)
    assert (code, "[queries_per_day]\ntenprint = 100" in said, "model-1 in force" in said) == (0, True, False)
    code, said = run("show", "2098-a", *jp)
    assert (code, "holds no arrangement '2098-a': name one of model-1, 2099-a" in said) == (cli.FAILED, True)

    code, said = run("enter", document, "--signature", tmp_path / "2099-a.US.sig", *jp)
    assert (code, "expected a version that is not held yet" in said) == (cli.FAILED, True)
    (jp[1] / "arrangements" / "2099-a.US.sig").unlink()
    code, said = run("show", *jp)
    assert (code, "US's signature: missing" in said) == (0, True)
    code, said = run("show", "--dir", tmp_path)
    assert (code, "pcsc init --party JP DIR" in said) == (cli.FAILED, True)
