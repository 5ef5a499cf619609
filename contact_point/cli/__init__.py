"""`pcsc`: the command line of one contact point.

Every command works on one installation (`--dir`, or the environment variable PCSC_DIR, or the current folder), prints for a
person, or for a program with `--json`, and ends with 0 when done, 2 when called wrongly, 3 when the agreement or the other
contact point does not allow it, 4 when the other contact point was not reached, and 1 for anything else that stands in the way.
"""

from __future__ import annotations

import json
import sys

from rich.console import Console

from contact_point.cli.terminal import FAILED, REFUSED, UNREACHED, app, plain
from pcsc.errors import TreatyError

# A command is registered when its module is imported, and `pcsc --help` lists them in this order.
# isort: off
from contact_point.cli import setting_up  # noqa: F401 - imported for its commands, as are all below
from contact_point.cli import clock  # noqa: F401
from contact_point.cli import migrating  # noqa: F401
from contact_point.cli import keys  # noqa: F401
from contact_point.cli import doctor  # noqa: F401
from contact_point.cli import console  # noqa: F401
from contact_point.cli import arrangement  # noqa: F401
from contact_point.cli import people  # noqa: F401
from contact_point.cli import gallery  # noqa: F401
from contact_point.cli import feed  # noqa: F401
from contact_point.cli import querying  # noqa: F401
from contact_point.cli import queried  # noqa: F401
from contact_point.cli import provided  # noqa: F401
from contact_point.cli import inbox  # noqa: F401
from contact_point.cli import roster  # noqa: F401
from contact_point.cli import unasked  # noqa: F401
from contact_point.cli import correspondence  # noqa: F401
from contact_point.cli import printing  # noqa: F401
from contact_point.cli import outage  # noqa: F401
from contact_point.cli import record  # noqa: F401
from contact_point.cli import backup  # noqa: F401
from contact_point.cli import why  # noqa: F401
from contact_point.cli import statistics  # noqa: F401
from contact_point.cli import held  # noqa: F401
from contact_point.cli import advise  # noqa: F401
from contact_point.cli import assistance  # noqa: F401
from contact_point.cli import nist  # noqa: F401
from contact_point.cli import drill  # noqa: F401
from contact_point.cli import demonstration  # noqa: F401
# isort: on

__all__ = ["FAILED", "REFUSED", "UNREACHED", "app", "main"]


def main() -> None:
    """Run the command line; turn what is expected to go wrong into one sentence and an exit code."""
    try:
        app(prog_name="pcsc")
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(error, code)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code for what is expected to go wrong, or None for what is not."""
    from contact_point.certificates import CertificateError
    from contact_point.keys import KeysError
    from contact_point.settings import SettingsError
    from contact_point.store import StoreError
    from contact_point.tls import TlsError
    from contact_point.transport import ClientError, RefusedError
    from contact_point.wire import WireError
    from matcher.extraction import WeightsError
    from matcher.jail import JailError

    if isinstance(error, TreatyError) or (isinstance(error, RefusedError) and error.final):
        return REFUSED
    if isinstance(
        error, ClientError | TlsError
    ):  # also what was refused for now: the same message may be accepted later
        return UNREACHED
    setup = SettingsError | StoreError | KeysError | CertificateError | WireError | WeightsError | JailError
    # ValueError and OSError: what was given cannot be read, be it an image, a template, a document or a file.
    return FAILED if isinstance(error, setup | ValueError | OSError) else None


def _fail(error: Exception, code: int) -> None:
    if isinstance(error, OSError) and error.filename:
        error = OSError(f"{error.filename}: {error.strerror}")
    if "--json" in sys.argv:
        article = getattr(error, "article", "")
        sys.stdout.write(json.dumps({"error": str(error), "article": article, "exit": code}, ensure_ascii=False) + "\n")
    else:
        Console(stderr=True, highlight=False).print(f"[bold red]pcsc:[/] {plain(str(error))}", soft_wrap=True)
    raise SystemExit(code)
