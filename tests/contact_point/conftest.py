"""Fixtures of the tests of the service."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from contact_point import cli
from contact_point.prints import PrintReader

from .parties import Finger, Parties, render, two

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def reader() -> PrintReader:
    """Return one reader for every contact point of the tests: the network is loaded once."""
    return PrintReader(threads=2)


@pytest.fixture(scope="session")
def fingers(reader: PrintReader) -> tuple[Finger, ...]:
    """Return three different fingers."""
    return tuple(render(reader, person) for person in (1, 2, 3))


@pytest.fixture
def database() -> Callable[[], str]:
    """Return what makes a database for a contact point: a file in its folder, unless a module takes that of ``databases``."""
    return str


@pytest.fixture
def parties(tmp_path: Path, reader: PrintReader, database: Callable[[], str]) -> Iterator[Parties]:
    """Return two contact points that know each other; neither answers yet."""
    with two(tmp_path, reader, database) as parties:
        yield parties


@contextmanager
def _log_as_it_was() -> Iterator[None]:
    """Let a command set up the log of its process, which here goes on."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `pcsc` with arguments and returns its exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pcsc", *map(str, arguments)])
        with _log_as_it_was(), pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return run
