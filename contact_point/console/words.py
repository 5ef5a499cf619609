"""The words of the console, in English and in Japanese: flat keys, grouped by page, in ``catalogues/en.toml`` and ``ja.toml``.

Codes of the agreement (states, kinds of content, offences) keep the English words that travel in messages; what a person reads
of them is here. Both catalogues have the same keys and the same places to fill in, which a test holds them to.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta


class Language(StrEnum):
    """The languages of the console, by their tags (BCP 47)."""

    ENGLISH = "en"
    JAPANESE = "ja"


class Words:
    """The words of one language. A key that is not there is an error of ours: KeyError."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._found = catalogue(language)

    def __call__(self, key: str, **filled: object) -> str:
        """Return the words for a key, with its places filled in."""
        return self._found[key].format(**filled)

    def of(self, group: str, code: str) -> str:
        """Return what a code of the agreement is called: a state, a side, a kind of duty."""
        return self._found[f"{group}.{code.replace(' ', '-')}"]

    def left(self, until: datetime, now: datetime) -> str:
        """Return how long it is until then, in the two largest units; or how long it is overdue."""
        late = until < now
        return self("time.overdue" if late else "time.left", span=self.span(abs(until - now)))

    def span(self, length: timedelta) -> str:
        """Return a length of time in its two largest units; less than a minute is no minute."""
        minutes = int(length.total_seconds() // 60)
        counts = {"days": minutes // _DAY, "hours": minutes % _DAY // 60, "minutes": minutes % 60}
        named = [self(f"time.{unit}", n=count) for unit, count in counts.items() if count]
        return self("time.and").join(named[:2]) or self("time.minutes", n=0)


_DAY: Final = 24 * 60


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """Return every key of a language with its words."""
    text = resources.files(__package__).joinpath("catalogues", f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flat(tomllib.loads(text)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    return [
        pair
        for name, value in table.items()
        for pair in (_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)])
    ]


def preferred(header: str) -> Language:
    """Return the language that an Accept-Language field prefers (RFC 9110, 12.5.4), English where it names neither."""
    wanted = []
    for place, part in enumerate(header.split(",")):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        primary = tag.partition("-")[0].lower()
        if primary in set(Language) and weight.replace(".", "", 1).isdecimal() and float(weight):
            wanted.append((-float(weight), place, Language(primary)))
    return min(wanted)[2] if wanted else Language.ENGLISH
