"""What every test may ask for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from contact_point import installation

# The same examples every time, and no assertion on elapsed time: what runs here is shared and slow at times.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# Installations refuse a file system on which a destroyed key may stay readable, as temporary folders of containers often are.
tempfile.tempdir = str(installation.passing())

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real prints and reference files beside the checkout, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the reference prints: a folder shared/data beside the checkout")
    return SHARED_DATA
