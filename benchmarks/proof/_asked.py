"""After an interruption: recover, go on, and ask what must hold (Articles 8 and 11).

Before the recovery nothing whose row went may have kept its key. After it no key is left of what is not permitted, and both
records verify. Then whatever waits is sent again and the act is finished; every message is put a second and a third time.
What then stands on both sides must be what an uninterrupted life leaves: that is for the caller to compare, who has played
one. What an uninterrupted life does wrong in the same way is found by the questions that need no comparison.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from annex.parameters import Party
from benchmarks.proof import _broken, _life, _stored, _tls
from contact_point import delivery, disposal, due, queried, wire, witness
from pcsc.errors import TreatyError
from pcsc.messages import Checkpoints
from pcsc.records import Direction, reconcile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.proof._life import Journal, Reader, World
    from benchmarks.proof._stored import Standing
    from contact_point.service import Installation
    from pcsc.records import Entry


def plays(reader: Reader) -> dict[str, Callable[..., Any]]:
    """Return what a stage can be asked to do, by its name: each takes and returns what JSON can say."""

    def make(folder: str, databases: dict[str, str]) -> None:
        _life.make(Path(folder), reader, databases)

    def play(folder: str, journal: str, act: str, fault: str) -> None:
        _broken.be(fault)
        with _life.opened(Path(folder), reader, _life.Journal(Path(journal)), act) as world:
            _life.ACTS[act].play(world)

    def ask(folder: str, journal: str, act: str, slots: dict[str, list[int]], fault: str) -> dict[str, Any]:
        _broken.be(fault)
        passed = _life.Journal(Path(journal))
        try:
            with _life.opened(Path(folder), reader, passed, act) as world:
                return asked(world, passed, act, slots)
        except Exception as error:  # noqa: BLE001 - whatever it was: contact points that cannot go on are a violation
            told = f"{type(error).__name__}: {error}"
            return {"stands": None, "slots": slots, "violations": [f"it could not go on: {told}"]}

    def play_over_tls(folder: str, journal: str, act: str, serving: int) -> str:
        return _tls.play(Path(folder), reader, _life.Journal(Path(journal)), act, serving)

    def serve(folder: str, party: str, act: str) -> None:
        _tls.serve(Path(folder), reader, Party(party), act)

    return {"make": make, "play": play, "ask": ask, "play over TLS": play_over_tls, "serve": serve}


def asked(world: World, journal: Journal, act: str, slots: dict[str, list[int]]) -> dict[str, Any]:
    """Recover both contact points, finish the act, and return what stands then and every violation.

    ``slots`` are those of what each side held when the act began.
    """
    violations = [each for party in world.here for each in _rows_before_keys(world, party, slots[party])]
    for party, here in world.here.items():
        disposal.recover(here, here.clock())
        violations += [f"after recovery, {each}" for each in _kept_beyond(world, party, _stored.standing(here))]
    for party, here in world.here.items():
        _life.work(here)  # the service does both at its start, too
        outcomes = delivery.resume(here, here.clock)
        violations += [f"{party}: a message waits: {each}" for each in outcomes if isinstance(each, Exception)]
    _life.ACTS[act].play(world)
    for here in world.here.values():
        _settle(here)
        witness.exchange(here, here.clock())
    again = _ask_again(world, journal)
    violations += again.pop("differing")
    ends = {party: _stored.standing(here) for party, here in world.here.items()}
    violations += [f"in the end, {each}" for party, at in ends.items() for each in _kept_beyond(world, party, at)]
    violations += [f"{each.event}: {each.what}" for each in reconcile(*(at.entries for at in ends.values()))]
    violations += _unwitnessed(world)
    stands = {party.value: _stands(at) for party, at in ends.items()}
    slots = {party.value: [each.slot for each in at.held] for party, at in ends.items()}
    return {"stands": stands | again, "slots": slots, "violations": violations}


def _settle(here: Installation) -> None:
    """Do what is due as the service does in some minutes: a server's tables are written anew once nobody reads them."""
    for _ in range(_LOOKS):
        here.store._database._next_purge = 0.0  # type: ignore[attr-defined]  # noqa: SLF001 - as if time had passed
        _life.work(here)
        with here.store.transaction() as tx:
            if due.CHECKPOINT not in tx.planned(""):
                return
        time.sleep(1.0)


_LOOKS: Final = 10


def _rows_before_keys(world: World, party: Party, slots: Sequence[int]) -> list[str]:
    """Return what lost its row, and so counts as deleted, while its key is still there."""
    at = _stored.standing(world.here[party])
    rows = {each.slot for each in at.held}
    return [
        f"{party}: slot {slot} has its key and no row: the row went first" for slot in slots if slot in at.keys - rows
    ]


def _kept_beyond(world: World, party: Party, at: Standing) -> list[str]:
    """Return each key that should not be there, and what is wrong with the record."""
    found = [
        f"{party}: the key of a {each.kind} lives, which its exchange does not permit" for each in _stored.doomed(at)
    ]
    if at.strays:
        found.append(f"{party}: {at.strays} keys live that belong to nothing")
    if at.broken:
        found.append(f"{party}: the record does not verify: {at.broken}")
    crossings = Counter((each.event, each.message) for each in at.entries if each.direction is not Direction.ACT)
    found += [
        f"{party}: {event} is in the record {times} times" for (event, _), times in crossings.items() if times > 1
    ]
    shown = [path for path in world.folder.glob("picture-*") if any(path.read_bytes())]
    if party is Party.JP and shown and not any(each.kind == "picture" for each in at.held):
        found.append(f"{party}: a picture is left that nothing is held for")
    return found


def _ask_again(world: World, journal: Journal) -> dict[str, Any]:
    """Put every message of the journal twice more; return how they were answered, and which answers differ."""
    answers: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
    for each in journal.passed():
        answers[each.to, each.body] += [] if each.answer is None else [each.answer]
    told, differing = [], []
    for (to, body), known in answers.items():
        message = wire.decode(body, *wire.PATHS)
        if isinstance(message, Checkpoints):
            continue  # nothing of it is remembered (Art. 11(1))
        kind = wire.kind_of(message)
        (here,) = (here for party, here in world.here.items() if party == to)
        for _ in range(2):
            try:
                known.append(queried.receive(here, message, body, here.clock()))
                told.append(f"{kind}: again")
            except TreatyError as refusal:
                told.append(f"{kind}: {refusal.code}")
        if len(set(known)) > 1:
            differing.append(f"{to}: a {kind} was answered with {len(set(known))} different answers")
    return {"again": sorted(told), "differing": differing}


def _stands(at: Standing) -> dict[str, Any]:
    """Return what one side comes to, without what is random: equal for an interrupted life and another one."""
    return {
        "states": sorted(each.state.value for each in at.exchanges),
        "held": sorted(each.kind.value for each in at.held),
        "crossings": [_said(each) for each in at.entries if each.direction is not Direction.ACT],
        "due": sorted(at.planned),
        # Acts of our own have no order that the other side could see: a deletion comes later after an interruption.
        "acts": sorted(_said(each) for each in at.entries if each.direction is Direction.ACT),
    }


def _said(entry: Entry) -> str:
    note = "" if entry.direction is not Direction.ACT else f" ({entry.note})"
    return f"{entry.direction} {entry.event} under {entry.article}{note}"


def _unwitnessed(world: World) -> list[str]:
    """Return whose record goes further, or elsewhere, than the other contact point has witnessed."""
    pairs = [(world.jp, world.us), (world.us, world.jp)]
    found = [(here.settings.party, *_stored.witnessed(other, here)) for here, other in pairs]
    return [f"{party}: the record is at {head}, and witnessed at {seen}" for party, seen, head in found if seen != head]
