"""`pcsc people`: from the first two hands to who looked at what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, installation, main
from contact_point.console import passkeys
from contact_point.installation import Plan
from tests.builders import NOW, QUERY

from .authenticator import Authenticator
from .databases import act

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    installation.create(tmp_path / "jp", Plan(Party.JP, "ours", "127.0.0.1", 18443), main.clock())
    return tmp_path / "jp"


@pytest.fixture
def told(run: Run, root: Path) -> Callable[..., Any]:
    """Return what runs `pcsc people` and returns what it tells a program."""

    def told(*arguments: object) -> Any:
        code, said = run("people", *arguments, "--dir", root, "--json")
        assert code == 0, said
        return json.loads(said)

    return told


ANN = ("--name", "Ann [Example]", "--mail", "ann@example.org", "--role", "examiner", "--role", "requester")


def test_9_somebody_is_entered_by_one_hand_confirmed_by_another_and_enrols_a_passkey(
    run: Run, told: Callable[..., Any], root: Path
) -> None:
    entered = told("add", *ANN, "--by", "One")
    assert (entered["roles"], entered["since"]) == ([], None)
    assert entered["waiting"]["roles"] == ["requester", "examiner"]
    number = entered["waiting"]["number"]
    code, said = run("people", "list", "--dir", root)
    assert (code, f"{number} waits for another person: requester, examiner, entered by One" in said) == (0, True)

    code, said = run("people", "confirm", number, "--by", "one", "--dir", root)
    assert (code, "Art. 9: who may do what is in two persons' hands" in said) == (cli.FAILED, True)
    made = told("confirm", number, "--by", "Two")
    assert (made["roles"], made["waiting"]) == (["requester", "examiner"], None)
    assert made["link"].startswith("http://localhost:8080/enrol#")

    with main.opened(root) as here:
        site, authenticator, at = (
            here.settings.console,
            Authenticator("http://localhost:8080", "localhost"),
            main.clock(),
        )
        begun = passkeys.begin_with_link(here.store, site, made["link"].partition("#")[2], now=at)
        person = passkeys.enrol(here.store, site, begun.token, authenticator.make(begun.options), now=at)
    assert person.id == made["person"]
    code, said = run("people", "list", "--dir", root)
    assert "Ann [Example] <ann@example.org>: requester, examiner, since " in said
    assert ", by One and Two\n" in said


def test_9_roles_and_links_are_proposed_and_who_ends_is_let_in_no_more(
    run: Run, told: Callable[..., Any], root: Path
) -> None:
    person = told("confirm", told("add", *ANN, "--by", "One")["waiting"]["number"], "--by", "Two")["person"]
    proposed = told("roles", person, "--role", "supervisor", "--by", "One")
    assert proposed["roles"] == ["requester", "examiner"]
    made = told("confirm", proposed["waiting"]["number"], "--by", "Two")
    assert (made["roles"], made["link"]) == (["supervisor"], "")
    code, said = run("people", "link", person, "--by", "One", "--dir", root)
    assert (code, "waits for another person: a new link, entered by One" in said) == (0, True)
    code, said = run("people", "confirm", told("list")[0]["waiting"]["number"], "--by", "Two", "--dir", root)
    assert (code, "it is good once, for 24 hours, to enrol a passkey:\n\n    http://localhost" in said) == (0, True)
    ended = told("end", person, "--by", "Two")
    assert (ended["roles"], ended["ended"]["by"]) == ([], "Two")
    code, said = run("people", "list", "--dir", root)
    assert ": left on " in said
    assert "ended by Two" in said
    code, said = run("people", "end", person, "--by", "Two", "--dir", root)
    assert (code, "there is nothing to end" in said) == (cli.FAILED, True)
    code, said = run("people", "roles", "nobody", "--role", "supervisor", "--by", "One", "--dir", root)
    assert (code, "there is nobody 'nobody' here" in said) == (cli.FAILED, True)


def test_9_roles_that_are_kept_apart_or_unknown_are_refused(run: Run, root: Path) -> None:
    code, said = run("people", "add", *ANN, "--role", "administrator", "--by", "One", "--dir", root)
    assert (code, "Art. 9: who decides on access has none to what it protects" in said) == (cli.FAILED, True)
    assert run("people", "add", *ANN, "--role", "root", "--by", "One", "--dir", root)[0] == 2
    code, said = run("people", "list", "--dir", root)
    assert (code, "Nobody is entered" in said) == (0, True)


def test_9_who_looked_is_listed_by_name_exchange_and_kind(run: Run, told: Callable[..., Any], root: Path) -> None:
    assert "Nobody was shown anything" in run("people", "views", "--dir", root)[1]
    person = told("confirm", told("add", *ANN, "--by", "One")["waiting"]["number"], "--by", "Two")["person"]
    with main.opened(root) as here, here.store.transaction() as tx:
        act(tx)
        tx.viewed(QUERY, person, at=NOW, shown=("probe", "candidate"))
        tx.viewed(QUERY, "forgotten", at=NOW, shown=("candidate",))
    code, said = run("people", "views", "--dir", root)
    assert (code, f"2026-11-22 03:04:05 UTC  Ann [Example] ({person})  {QUERY}: probe, candidate" in said) == (0, True)
    assert f"nobody here (forgotten)  {QUERY}: candidate" in said
    assert [each["shown"] for each in told("views", "--person", person)] == [["probe", "candidate"]]
    assert len(told("views", "--exchange", QUERY)) == 2
    assert told("views", "--exchange", "another") == []
