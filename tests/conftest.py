"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real prints and reference files beside the checkout, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the reference prints: a folder shared/data beside the checkout")
    return SHARED_DATA
