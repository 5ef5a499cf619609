"""The pages, by what somebody comes for. Each module adds its routes; none holds a rule of the agreement."""

from __future__ import annotations

from typing import Final

from contact_point.console.pages import door, examination, waiting

ALL: Final = (door.add, waiting.add, examination.add)
"""What adds the routes of each module to an application."""
