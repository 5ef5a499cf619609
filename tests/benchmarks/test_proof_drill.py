"""The drill as a proof: it finds nothing but in its control, and finds a server that leaks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from benchmarks.proof import drill

if TYPE_CHECKING:
    from pathlib import Path

# A server that spools what it receives, as an unthinking operator may have patched it.
LEAK = """
    import sys, tempfile
    if "serve" in sys.argv:
        from contact_point import peer
        receive = peer._Desk._receive
        def spooling(self, kind, signed, body, *rest):
            with open(tempfile.gettempdir() + "/spool", "ab") as file:
                file.write(body)
            return receive(self, kind, signed, body, *rest)
        peer._Desk._receive = spooling
"""


@pytest.mark.long
def test_a_drill_finds_nothing_but_in_its_control() -> None:
    outcome = drill.prove(10, lambda _text: None)
    assert outcome.violations == []
    assert str(outcome.counts["found, database"]).startswith("0 of ")


@pytest.mark.long
def test_a_drill_finds_what_a_server_spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(LEAK), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    violations = drill.prove(3, lambda _text: None).violations
    assert any(each.startswith("temporary folders: ") and "'probe image'" in each for each in violations)
