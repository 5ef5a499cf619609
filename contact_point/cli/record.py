"""The record of Article 11: verify it, export it, show parts of it, compare it with the other Party's; and its copies.

What is written here is checked by `pcsc-verify`, which needs no installation. Every file that holds entries is a copy of the
record, entered with the day on which the first term in it ends (Article 11(3)): what is still where it was written is erased
then, and what was carried away is listed until somebody says that it was destroyed.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.inspecting import (
    Articles,
    Authorities,
    Before,
    Chosen,
    Directions,
    Events,
    ExchangeOf,
    Since,
    asked,
    export_rows,
)
from contact_point.cli.terminal import FAILED, HERE, Json, Number, Root, busy, now, opened, plain, record_app, show
from contact_point.columns import Form
from pcsc.errors import RecordError
from pcsc.searches import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contact_point.archive import Header
    from contact_point.service import Installation
    from contact_point.store import Copy, Transaction
    from pcsc.anomalies import Anomaly
    from pcsc.checkpoints import Checkpoint
    from pcsc.exchange import Exchange
    from pcsc.records import Direction, Recorded, Verification


Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day (UTC) before which it ends.")]


@record_app.command("verify")
def record_verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported record, ours or theirs; without it, this installation's own.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Verify a record from its first entry: nothing within it was changed, dropped, added or moved (Article 11).

    It is held to the checkpoints that both contact points signed: what stands under one of them cannot have been cut off or
    written anew. Entries whose term has ended leave an empty place (Article 11(3)); one that is emptied earlier is told.
    """
    from contact_point import archive, witness
    from pcsc import records, retention

    since = retention.least_kept(now())
    with opened(root) as here, busy("reading the record", quiet=as_json):
        if file is None:
            with here.store.reading() as tx:
                kept = witness.kept(here, tx, here.settings.uri)
                found = records.verify(tx.record(), checkpoints=kept, kept_since=since)
        else:
            _, places, signed = _read(here, file)
            # An export for the other Party has none of its own acts: their places are empty from the beginning.
            acts = any(entry.direction is records.Direction.ACT for entry in archive.entries(places))
            found = records.verify(places, checkpoints=signed, kept_since=since if acts else None)
            if not found.entries:
                raise RecordError(
                    f"{file} holds no entry and {found.expired} empty places, so it shows nothing: export it again"
                )
    show(as_json, asdict(found), _verified(found))


def _verified(found: Verification) -> str:
    """Return what verifying found, for a person."""
    ended = f", {found.expired} empty places (terms that ended, Art. 11(3), or acts left out)" if found.expired else ""
    after = found.entries + found.expired - found.covered
    tail = f"; {after} after the last checkpoint could still be cut off unnoticed" if after else ""
    return f"The record verifies: {found.entries} entries{ended}, {found.covered} places under checkpoints{tail}."


def _read(here: Installation, file: Path) -> tuple[Header, list[Recorded], list[Checkpoint]]:
    """Return an exported record of one of the two, with its checkpoints and those that are kept here of it."""
    from contact_point import archive, witness
    from pcsc import checkpoints

    header, keys = archive.read_header(file), witness.keys(here)
    if header.uri not in keys:
        raise RecordError(
            f"expected the record of {' or '.join(keys)}; got that of {header.uri}: ask for the right one"
        )
    key = keys[header.uri]
    if header.checkpoints:  # it may have been exported under a former key
        key = witness.key_of(here, header.uri, checkpoints.parse_time(header.made_at), header.checkpoints[-1])
    signed = archive.signed(header, header.uri, key)
    with here.store.reading() as tx:
        return header, list(archive.read(file)), signed + witness.kept(here, tx, header.uri)


@record_app.command("keep")
def record_keep(
    number: Number,
    by: Annotated[str, typer.Option(help="Who orders it.")],
    law: Annotated[str, typer.Option(help="The provision of our law that orders to keep it.")] = "",
    end: Annotated[
        bool, typer.Option("--end", help="No law orders it any longer: the record ends with its term.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Keep the record of an exchange beyond its term, because a law orders it (Article 11(3)); or no longer."""
    from contact_point import disposal

    if bool(law) is end:
        raise typer.BadParameter("name the law that orders it, or --end where none does any longer", param_hint="--law")

    with opened(root) as here:
        exchange = disposal.keep_beyond_term(here, number, law, by=by, now=now())
    told = f"is kept under {plain(exchange.kept_under)}" if exchange.kept_under else "ends with its term"
    show(as_json, {"exchange": number, "kept_under": exchange.kept_under}, f"The record of {number} {told}.")


# Copies


@record_app.command("export")
def record_export(
    file: Annotated[
        Path,
        typer.Argument(
            help="A new file, JSON Lines: a header, then one place of the record a line. With --as, a folder."
        ),
    ],
    for_other_party: Annotated[
        bool, typer.Option("--for-other-party", help="Without our own acts: what the other contact point compares.")
    ] = False,
    form: Annotated[
        Form | None,
        typer.Option(
            "--as", help="Entries as rows, in parts, with a signed manifest and the proof that nothing is left out."
        ),
    ] = None,
    by: Annotated[str, typer.Option(help="With --as: who asks for it.")] = "",
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", metavar="COLUMN", help="With --as: a column to leave out; then no row can be proved."
        ),
    ] = None,
    since: Since = None,
    until: Before = None,
    event: Events = None,
    direction: Directions = None,
    article: Articles = None,
    authority: Authorities = None,
    exchange: ExchangeOf = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a folder that was not written to its end.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Export the record, so that it can be verified and compared elsewhere. It holds no content of any message.

    What is written is a copy: it is erased when the first term in it ends (Article 11(3)). `pcsc record copies` lists them.
    With --as: entries of a period, or those that are asked for (docs/exports.md), for `pcsc-verify export`.
    """
    wanted = asked(since, until, event, direction, article, authority, exchange)
    chosen = Chosen(wanted, form, by, tuple(without or ()))
    if form is None and not resume:
        chosen.refuse_for_whole_record()
        _export_whole(file, root, for_other_party=for_other_party, as_json=as_json)
        return
    if for_other_party or (resume and chosen != Chosen(Asked(), None, "", ())):
        raise typer.BadParameter(
            "what an export holds was said when it was begun; give the folder and --resume alone"
            if resume
            else "the other contact point compares whole records; export without --as",
            param_hint="--resume" if resume else "--for-other-party",
        )
    export_rows(file, chosen, root, resume=resume, as_json=as_json)


def _export_whole(file: Path, root: Path, *, for_other_party: bool, as_json: bool) -> None:
    """Write the record to one file."""
    from contact_point import archive, exports

    at = now()
    with opened(root) as here, busy("reading the record", quiet=as_json), spooled(folder_of(file)) as spool:
        with here.store.reading() as tx:
            signer, kept, exchanges = exports.signer(here), tx.notes(here.settings.uri), tx.exchanges()
            header = archive.header(signer, tx.heads(), kept, at)
            former = archive.under_former_keys(signer, kept)
            written = archive.write(spool, header, tx.record(), for_other_party=for_other_party)
        copy = enter(here, file, exchanges, written.sha256, at)
        save(here, file, spool, copy.id)
    told = {"file": str(file), "entries": written.places, "copy": copy.id}
    told |= {"until": copy.holds_until, "sha256": written.sha256, "cosigned_under_former_keys": former}
    said = f"{written.places} entries are in {plain(str(file))}, copy {copy.id}"
    alone = (
        f"\n{', '.join(former)}: cosigned under a former key. The file has our signature alone for that; `pcsc record verify` "
        "holds the record here to both."
    )
    show(as_json, told, f"{said}, to be kept until {copy.holds_until:%Y-%m-%d}.{alone if former else ''}")


def folder_of(file: Path) -> Path:
    """Return the folder that a file is to be made in, if it is not there yet."""
    if file.exists():
        raise FileExistsError(17, "the file exists: a copy of the record is not written over another", str(file))
    return file.parent


@contextmanager
def spooled(folder: Path) -> Iterator[IO[bytes]]:
    """Yield a file without a name, for what is to be saved once it is entered; at the end nothing of it is left on the disk."""
    from contact_point import disposal

    with TemporaryFile(dir=folder) as spool:
        try:
            yield spool
        finally:
            spool.flush()
            disposal.overwrite_content(spool.fileno())  # Art. 11(3): nobody else would, when the copy itself ends


def enter(
    here: Installation,
    file: Path,
    exchanges: Sequence[Exchange],
    sha256: str,
    at: datetime,
    at_most: timedelta = timedelta.max,
) -> Copy:
    """Enter what was read of the record of these exchanges as a copy.

    Raises:
        RecordError: one of them was deleted since: a copy of it would be a record that nobody deletes.

    """
    from contact_point import disposal

    with here.store.transaction() as tx:
        gone = {each.control_number for each in exchanges} - tx.control_numbers()
        if gone:
            raise RecordError(
                f"the term of {len(gone)} of {len(exchanges)} exchanges ended while the record was read (Art. 11(3)), so "
                f"{file.name} was not written: do it again"
            )
        arrangement = here.settings.arrangement(at)
        return disposal.enter_copy(tx, file, exchanges, arrangement, sha256=sha256, now=at, at_most=at_most)


def save(here: Installation, file: Path, spool: Any, number: int) -> None:
    """Save what was entered as a copy, or take the entry back."""
    from contact_point import archive

    try:
        archive.save(file, spool)
    except BaseException:
        with here.store.transaction() as tx:
            tx.copy_destroyed(number, now())
        raise


@record_app.command("copies")
def record_copies(
    every: Annotated[bool, typer.Option("--all", help="Also those that were destroyed.")] = False,
    add: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file that was just made by other means, such as a backup: it is erased when its term ends."
        ),
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List the copies of the record that are known here, and until when each may be kept (Article 11(3)).

    A copy made by other means than `pcsc record export` is entered with --add, once for each of its files: a backup of the
    database, of record.slots and its .kek, a pg_dump. All are erased when the first term in them ends.
    """
    with opened(root) as here, here.store.transaction() as tx:
        for file in add or ():
            _add(here, tx, file, now())
        found = [each for each in tx.copies() if every or each.destroyed_at is None]
    lines = []
    for each in found:
        until = "" if each.holds_until is None else f", to be kept until {each.holds_until:%Y-%m-%d}"
        where = (
            "it is there" if Path(each.path).exists() else "carried away: destroy it, then `pcsc record destroyed ID`"
        )
        gone = f", destroyed on {each.destroyed_at:%Y-%m-%d}" if each.destroyed_at else f"; {where}"
        lines.append(f"{each.id}: {plain(each.path)} of {each.made_at:%Y-%m-%d}{until}{gone}")
    show(as_json, [asdict(each) for each in found], "\n".join(lines) or "There is no copy of the record.")


def _add(here: Installation, tx: Transaction, file: Path, at: datetime) -> None:
    """Enter a file as a copy of the whole record as it is now.

    Raises:
        RecordError: it is what this installation works with, or is entered already.
        OSError: it is not there.

    """
    from contact_point import disposal

    path, folder = file.resolve(), here.settings.folder
    used = (folder.database, *folder.slots, *(each.with_suffix(".kek") for each in folder.slots))
    if any(each.exists() and each.samefile(path) for each in used) or path.parent == folder.root.resolve():
        raise RecordError(
            f"{file} lies where this installation works, and a copy is overwritten when its term ends (Art. 11(3)): put the "
            "copy elsewhere, and enter it there"
        )
    if any(each.path == str(path) and each.destroyed_at is None for each in tx.copies()):
        raise RecordError(f"{file} is entered as a copy of the record already: `pcsc record copies` lists it")
    with path.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    disposal.enter_copy(tx, path, tx.exchanges(), here.settings.arrangement(at), sha256=digest, now=at)


@record_app.command("destroyed")
def record_destroyed(
    copy: Annotated[int, typer.Argument(metavar="ID", help="The copy's number, as `pcsc record copies` lists it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Say that a copy of the record that was carried away was destroyed, wherever it was (Article 11(3))."""
    with opened(root) as here, here.store.transaction() as tx:
        there = [Path(each.path) for each in tx.copies() if each.id == copy and _is_there(each.path, each.sha256)]
        if there:
            raise RecordError(f"copy {copy} of the record is still there: delete {there[0]} first")
        tx.copy_destroyed(copy, now())
    show(as_json, {"copy": copy}, f"Copy {copy} of the record was destroyed.")


def _is_there(path: str, sha256: str) -> bool:
    """Whether the file, or the folder of an export, that was written is still where it was written."""
    from contact_point import export_folder

    if export_folder.is_copy(Path(path), sha256):
        return True
    try:
        with Path(path).open("rb") as file:
            return file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


# Parts of it, shown


@record_app.command("prove")
def record_prove(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The entry's number in the record.")],
    file: Annotated[Path, typer.Argument(help="A new file, one line of JSON, for `pcsc-verify inclusion`.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Show one entry of the record, with the proof that it stands there under a signed checkpoint (RFC 9162, 2.1.3)."""
    from hashlib import sha256

    from contact_point import archive

    at = now()
    with opened(root) as here, spooled(folder_of(file)) as spool:
        with here.store.reading() as tx:
            place = _place(tx, number)
            first, leaves = tx.first_of(place.tree), tx.leaves(place.tree)
            note = _note_over(here, tx, place, first, at)
            exchanges = [tx.exchange(entry.exchange) for entry in archive.entries([place])]
        proof = archive.inclusion(place, leaves, first, note).encode()
        spool.write(proof)
        copy = enter(here, file, exchanges, sha256(proof).hexdigest(), at)
        save(here, file, spool, copy.id)
    told = {"file": str(file), "number": number, "tree": place.tree, "copy": copy.id, "until": copy.holds_until}
    said = f"Entry {number} is in {plain(str(file))}, copy {copy.id}"
    show(as_json, told, f"{said}, to be kept until {copy.holds_until:%Y-%m-%d}.")


def _place(tx: Transaction, number: int) -> Recorded:
    """Return a place of the record."""
    count = tx.next_entry()
    if not 0 <= number < count:
        raise RecordError(f"the record has the entries 0 to {count - 1}; got {number}")
    return tx.place(number)


def _note_over(here: Installation, tx: Transaction, place: Recorded, first: int, at: datetime) -> str:
    """Return the last note that both signed over a place, or a fresh one of ours where they have signed none yet."""
    from contact_point import exports
    from pcsc import checkpoints

    signer, heads = exports.signer(here), [head for head in tx.heads() if head.tree <= place.tree]
    for note in reversed(tx.notes(here.settings.uri)):
        head = checkpoints.parse(checkpoints.parse_note(note).text).head
        if head.tree == place.tree and head.size > place.number - first and signer.cosigned(note):
            return note
    return signer.sign(heads, at)


@record_app.command("checkpoints")
def record_checkpoints(
    theirs: Annotated[
        bool, typer.Option("--theirs", help="Those that are kept here of the other contact point's record.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List the checkpoints that both contact points signed; with --json, as a file that `pcsc-verify checkpoints` checks.

    Ours come with the proofs that each continues the one before. Those of the other contact point are what its record has to
    lead to: `pcsc-verify record THEIR_EXPORT --note FILE`.
    """
    from contact_point import archive
    from pcsc import checkpoints

    with opened(root) as here, here.store.reading() as tx:
        other = here.settings.other
        if theirs and other is None:
            raise RecordError(
                "no contact point of the other Party is designated here, so nothing of its record is kept"
            )
        uri = other.uri if theirs and other is not None else here.settings.uri
        kept = tx.notes(uri)
        written = archive.history(uri, kept, None if theirs else tx.leaves)
    if as_json:
        sys.stdout.write(written)
        return
    lines = [str(_listed(checkpoints.parse(checkpoints.parse_note(note).text))) for note in kept]
    show(False, [], "\n".join(lines) or "Nothing was signed by both contact points yet.")


def _listed(checkpoint: Checkpoint) -> str:
    """Return a checkpoint as a line."""
    head = checkpoint.head
    return f"{checkpoint.at:%Y-%m-%d %H:%M:%S} UTC: {head.size} entries in {head.tree}, root {head.root}"


# Compared


@record_app.command("reconcile")
def record_reconcile(
    theirs: Annotated[Path, typer.Argument(help="The record that the other contact point exported.")],
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The first day (UTC); by default two years ago: before, terms have ended."
        ),
    ] = None,
    until: Until = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Compare our record with the other contact point's: every message one provided, the other received.

    Theirs is held to what its contact point signed, and to the checkpoints of it that are kept here.
    """
    from contact_point import archive
    from pcsc import records, retention

    begins = since.replace(tzinfo=UTC) if since is not None else retention.least_kept(now())
    ends = None if until is None else until.replace(tzinfo=UTC)
    with opened(root) as here, busy("reading the record", quiet=as_json):
        _, places, signed = _read(here, theirs)
        records.verify(places, checkpoints=signed)
        with here.store.reading() as tx:
            differences = records.reconcile(tx.entries(), archive.entries(places), since=begins, until=ends)
    lines = [f"{each.event} {each.message}: {each.what}" for each in differences]
    period = f"from {begins:%Y-%m-%d}" + (f" to {ends:%Y-%m-%d}" if ends else "")
    show(
        as_json,
        [asdict(each) for each in differences],
        "\n".join(lines) or f"The two records agree on every message {period}.",
    )
    if differences:
        raise typer.Exit(FAILED)


# Looked at


@record_app.command("anomalies")
def record_anomalies(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first day (UTC); by default thirty days ago."),
    ] = None,
    until: Until = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Show what stands out in how queries were made, by us and by the other Party (Article 4(3)): for whoever looks after it.

    The same reason word for word; unidentified persons of whom ten fingers were rolled; an authority far above its mean; series
    too fast for a reason each; matches that no request follows. No print is kept or compared for it (Article 8(1)).
    """
    from pcsc import anomalies

    moment = now()
    begins = moment - timedelta(days=30) if since is None else since.replace(tzinfo=UTC)
    ends = moment if until is None else until.replace(tzinfo=UTC)
    with opened(root) as here, busy("reading the record", quiet=as_json):
        days = here.settings.arrangement(moment).follow_up_days
        with here.store.reading() as tx:
            found = anomalies.report(tx.entries(), tx.reasons(), since=begins, until=ends, follow_up_days=days)
    lines = [f"{found.queries} queries from {begins:%Y-%m-%d} to {ends:%Y-%m-%d} (UTC):"]
    lines += [line for each in found.anomalies for line in _anomaly(each)] or ["    nothing stands out"]
    lines += [
        f"    {_of(each.direction, each.authority)}: {each.without_request} of {each.matches} matches without a request"
        for each in found.followed
    ]
    show(as_json, asdict(found), plain("\n".join(lines)))


def _anomaly(found: Anomaly) -> list[str]:
    """Return an anomaly as lines."""
    return [
        f"    Art. {found.article}, {found.kind}, {_of(found.direction, found.authority)}: {found.what}",
        f"        what to do: {found.action}",
        f"        exchanges: {', '.join(found.exchanges)}",
    ]


def _of(direction: Direction, authority: str) -> str:
    who = "our" if direction == "provided" else "their"
    return f"{who} {authority}" if authority else f"{who} authorities"
