"""A PKCS #11 token for the tests: SoftHSM, in a folder of its own."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contact_point.keys import Token

if TYPE_CHECKING:
    from collections.abc import Iterator

PIN = "7391-4468"
MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)


def configure(folder: Path) -> Path:
    """Write a configuration of SoftHSM that keeps its tokens in ``folder``, and return it."""
    (folder / "tokens").mkdir(parents=True, exist_ok=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n", encoding="utf-8"
    )
    return configuration


@contextmanager
def softhsm(folder: Path) -> Iterator[Token]:
    """Make an empty token in ``folder`` and point SoftHSM at it: once in a process, for it reads where only at first.

    Skips the test where SoftHSM or python-pkcs11 is not installed.
    """
    module = next((each for each in MODULES if each.is_file()), None)
    program = shutil.which("softhsm2-util")
    if module is None or program is None or importlib.util.find_spec("pkcs11") is None:
        pytest.skip("needs SoftHSM 2 (libsofthsm2.so, softhsm2-util) and python-pkcs11")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configure(folder)))
        subprocess.run(
            [program, "--init-token", "--free", "--label", "pcsc test", "--pin", PIN, "--so-pin", "5550-1234"],
            check=True,
            capture_output=True,
        )
        pin_file = folder / "pin"
        pin_file.touch(mode=0o600)
        pin_file.write_text(PIN + "\n", encoding="utf-8")
        yield Token(module, "pcsc test", pin_file=pin_file)
