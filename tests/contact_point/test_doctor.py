"""`pcsc doctor`: what stands in the way is found, said with what to do, and ends with 1."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, disposal, doctor, health, main
from contact_point.health import Finding, Level
from contact_point.timekeeping import Guard

from .parties import Down

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contact_point.service import Installation

    from .parties import Parties


@pytest.fixture
def here(parties: Parties) -> Installation:
    disposal.worker(parties.jp, Guard(lambda: True), name="duties").work(main.clock, main.boottime)
    return parties.jp


@pytest.fixture
def run(
    here: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `pcsc doctor` and returns its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        folder = str(here.settings.folder.root)
        monkeypatch.setattr(sys, "argv", ["pcsc", "doctor", *arguments, "--dir", folder])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return run


def of(found: list[Finding], what: str) -> list[Finding]:
    return [each for each in found if each.what == what]


def test_what_is_as_it_is_to_be_ends_with_0(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run()
    assert code == 0, said
    lines = said.splitlines()
    assert [line for line in lines if line.startswith("failing")] == []
    for what in (
        "files",
        "erasure",
        "database",
        "swap",
        "cores",
        "limits",
        "store",
        "clock",
        "keys",
        "certificates",
        "disk",
    ):
        assert any(f"  {what}: " in line for line in lines), (what, said)
    assert "other contact point" not in said
    assert "gallery" not in said


def test_what_stands_in_the_way_ends_with_1_and_is_said_to_a_program(
    run: Callable[..., tuple[int, str]], here: Installation
) -> None:
    here.settings.folder.signing_key.chmod(0o644)
    code, said = run("--json")
    found: dict[str, Any] = json.loads(said)
    assert (code, found["status"]) == (1, "failing")
    path = here.settings.folder.signing_key
    assert [each for each in found["found"] if each["level"] == "failing"] == [
        {
            "what": "files",
            "level": "failing",
            "said": f"{path} may be read by others (mode 0644): chmod go= {path} (Art. 9)",
        },
        {
            "what": "installation",  # it does not even open
            "level": "failing",
            "said": "SigningKeyError: Art. 9: signing.pem has mode 0644, so others than its owner may read it; set 0600 and "
            "tell the other contact point if anyone may have copied it",
        },
    ]


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("", 0o755, "may be read by others (mode 0755)"),
        ("authority/authority.key", 0o640, "may be read by others (mode 0640)"),
        ("contact_point.sqlite", 0o660, "may be read by others (mode 0660)"),
        ("installation.toml", 0o666, "may be changed by others (mode 0666)"),
        ("arrangements", 0o777, "may be changed by others (mode 0777)"),
    ],
)
def test_9_what_others_may_open_is_found(here: Installation, name: str, mode: int, said: str) -> None:
    path = here.settings.folder.root / name
    path.chmod(mode)
    (found,) = of(doctor.around(here.settings), "files")
    assert (found.level, said in found.said) == (Level.FAILING, True)


def test_what_is_of_nobody_else_may_be_read_by_all(here: Installation) -> None:
    (here.settings.folder.root / "card.json").chmod(0o666)
    assert of(doctor.around(here.settings), "files")[0].level is Level.OK


def test_9_what_the_machine_gives_away_is_found(here: Installation, tmp_path: Path) -> None:
    for name, text in {
        "swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n",
        "sys/kernel/core_pattern": "|/usr/lib/systemd/systemd-coredump %P\n",
        "sys/kernel/yama/ptrace_scope": "0\n",
    }.items():
        file = tmp_path / "system/proc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = doctor.around(here.settings, tmp_path / "system")
    assert of(found, "swap")[0].said == "memory may be written to /dev/sda2 in clear (Art. 9): swapoff, or encrypt it"
    assert "handed to /usr/lib/systemd/systemd-coredump" in of(found, "cores")[0].said
    assert "sysctl kernel.yama.ptrace_scope=1" in of(found, "debuggers")[0].said
    assert health.worst(found) is Level.WARNING


def test_whether_the_other_contact_point_is_there_is_asked_where_wanted(here: Installation, parties: Parties) -> None:
    with parties.answering(Party.US):
        (found,) = of(doctor.inside(here, main.clock(), reach=True), "other contact point")
    assert (found.level, found.said.startswith("it answered in ")) == (Level.OK, True)
    (found,) = of(doctor.inside(replace(here, other=Down()), main.clock(), reach=True), "other contact point")
    assert (found.level, "UnreachableError: nobody answers" in found.said) == (Level.FAILING, True)
