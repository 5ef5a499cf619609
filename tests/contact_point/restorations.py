"""What the tests of a backup and of a restoration share: a recovery key, two exchanges, and what restores them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from annex.parameters import Party
from contact_point import backup, main, settings
from contact_point.installation import Plan
from contact_point.keys import SigningKey, recovery
from contact_point.restoration import Wanted

from .parties import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from contact_point.backup import Written
    from contact_point.restoration import Found
    from contact_point.service import Installation
    from pcsc.duties import Content

    from .parties import Finger, Parties

KEY: Final = ec.generate_private_key(ec.SECP384R1())
ANEW: Final = "urn:pcsc:ncp:jp:2"
OTHERWISE: Final = "Another print was lifted after another robbery in another town, and the suspect is abroad."


def made(here: Installation, file: Path, *, gallery: bool = False) -> Written:
    """Write a backup into a file."""
    with file.open("wb") as content:
        return backup.write(here, content, KEY.public_key(), main.clock(), gallery=gallery)


def wanted(here: Installation, file: Path, root: Path, database: str = "", **changes: Any) -> Wanted:
    """Return what restores a backup of a contact point."""

    def plan(found: Found) -> Plan:
        return Plan(found.header.party, found.name, found.host, free_port(), threads=1, database=database, uri=ANEW)

    card = settings.read_card(here.settings.folder.card.read_text(encoding="utf-8"))
    return replace(Wanted(file, root, KEY, card, plan), **changes)


def content(file: Path, here: Installation) -> bytes:
    """Return all that is in a backup, as whoever has the recovery key reads it."""
    by = SigningKey.load(here.settings.folder.signing_key).verifying
    with file.open("rb") as opened:
        return b"".join(recovery.read(opened, key=KEY, by=by))


def lines(file: Path, here: Installation) -> list[list[Any]]:
    """Return the lines of a backup."""
    return [json.loads(line) for line in content(file, here).splitlines()]


def held(here: Installation, number: str) -> dict[Content, bytes]:
    """Return what is held for an exchange, opened."""
    with here.store.transaction() as tx:
        return {each.kind: tx.content(number, each.kind, number=each.number) for each in tx.held(number)}


def play(parties: Parties, fingers: tuple[Finger, ...]) -> tuple[str, str]:
    """Play a query of JP that matches, and is open, and one of US that is requested; return both exchanges."""
    parties.enrol(Party.US, "person", fingers[0])
    parties.enrol(Party.JP, "person", fingers[1])
    with parties.answering(Party.US):
        ours = parties.matched(fingers[0])
    with parties.answering(Party.JP):
        theirs = parties.matched(fingers[1], Party.US)
        parties.requested(theirs, "name", party=Party.US)
    return ours, theirs
