"""A backup, and another contact point that is restored from it (docs/decisions/0029, 0032)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.record import enter, folder_of, save, spooled
from contact_point.cli.setting_up import Database, KeysFolder, PinFile, TokenLabel, TokenLibrary, keys_at
from contact_point.cli.terminal import HERE, RECORD, Json, Root, app, busy, now, opened, plain, show

if TYPE_CHECKING:
    from contact_point.installation import Plan
    from contact_point.restoration import Found, Restored


@app.command("backup", rich_help_panel=RECORD)
def back_up(
    file: Annotated[Path, typer.Argument(help="A new file.")],
    recipient: Annotated[
        Path, typer.Option("--for", metavar="PEM", help="The public half of the recovery key, on P-384.")
    ],
    days: Annotated[
        int, typer.Option(min=1, max=31, help="How long it may be kept, if no term in it ends before.")
    ] = 7,
    gallery: Annotated[bool, typer.Option("--gallery", help="With the prints of our own gallery.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Write what may be had back after a loss, sealed for a recovery key: no key, and no print of any exchange.

    A running service goes on meanwhile. The file is a copy of the record: it is erased when its time ends (Article 11(3)).
    """
    from contact_point import backup
    from contact_point.keys import recovery

    at, to = now(), recovery.public_key(recipient.read_bytes())
    with opened(root) as here, busy("reading", quiet=as_json), spooled(folder_of(file)) as spool:
        written = backup.write(here, spool, to, at, days=days, gallery=gallery)
        copy = enter(here, file, written.exchanges, written.sha256, at, timedelta(days=days))
        save(here, file, spool, copy.id)
    told = {"file": str(file), "copy": copy.id, "until": copy.holds_until, "sha256": written.sha256}
    told |= {"exchanges": len(written.exchanges), "entries": written.entries, "persons": written.persons}
    held = f"{len(written.exchanges)} exchanges, {written.entries} entries and {written.persons} persons"
    lines = [
        f"{held} are in {plain(str(file))}, copy {copy.id}, for the recovery key {recovery.fingerprint(to)[:16]}.",
        (
            f"It must be destroyed by {copy.holds_until:%Y-%m-%d %H:%M} UTC (Art. 11(3)): here that is done then; where it was "
            f"carried to, somebody does it, and says `pcsc record destroyed {copy.id}`."
        ),
    ]
    show(as_json, told | {"recovery_key": recovery.fingerprint(to)}, "\n".join(lines))


@app.command(rich_help_panel=RECORD)
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    root: Annotated[Path, typer.Option("--dir", help="An empty folder, or one to make.")],
    key: Annotated[Path, typer.Option(help="The private half of the recovery key.")],
    card: Annotated[Path, typer.Option(help="The card of the contact point that was lost, as it was notified.")],
    uri: Annotated[str, typer.Option(help="The URI of the new contact point, another than that of the lost one.")],
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the passphrase of the recovery key, in its first line.")
    ] = None,
    still_enrolled: Annotated[
        Path | None,
        typer.Option(
            help="The names of who is to be in our gallery today, a line each: of the backup, these are taken."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address it answers at.", show_default="that of the lost one")] = "",
    port: Annotated[int, typer.Option(help="The port it answers at.", show_default="that of the lost one")] = 0,
    keys: KeysFolder = None,
    token: TokenLibrary = None,
    token_label: TokenLabel = "",
    pin_file: PinFile = None,
    database: Database = "",
    as_json: Json = False,
) -> None:
    """Make another contact point that has the record of one that was lost, from its backup: all of it, or nothing.

    Its keys are new and its URI is another: the record under the old one cannot go on, and is not witnessed again (Article 11).
    """
    from contact_point import restoration, settings
    from contact_point.installation import Plan
    from contact_point.keys import recovery

    where = keys_at(keys, token, token_label, pin_file)

    def planned(found: Found) -> Plan:
        party, at, to = found.header.party, host or found.host, port or found.port
        return Plan(party, found.name, at, to, threads=found.threads, keys=where, database=database, uri=uri)

    lines = () if passphrase_file is None else passphrase_file.read_bytes().splitlines()[:1]
    wanted = restoration.Wanted(
        file=file,
        root=root,
        key=recovery.private_key(key.read_bytes(), lines[0] if lines else None),
        card=settings.read_card(card.read_text(encoding="utf-8")),
        plan=planned,
        enrolled=frozenset() if still_enrolled is None else _names(still_enrolled),
    )
    with busy("restoring", quiet=as_json):
        restored = restoration.restore(wanted, now())
    show(as_json, {"dir": str(root), **asdict(restored)}, "\n".join(_told(restored, plain(str(root)))))


def _told(restored: Restored, root: str) -> list[str]:
    """Return what was restored, and what is to be done, as lines for a person."""
    held = f"{restored.exchanges} exchanges, {restored.entries} entries and {restored.persons} persons"
    gone = f"{restored.left_out} persons of the backup are not taken: enrol again who is to be in the gallery."
    return [
        f"{held} are restored in {root} as {restored.uri}.",
        f"{restored.ended} exchanges were open: what was held for them is lost, and their record says so.",
        *([gone] if restored.left_out else []),
        (
            "What was recorded after the backup is missing: ask the other Party for its record, and compare (`pcsc record "
            "reconcile`; Art. 11(1)(2))."
        ),
        f"Our Party notifies {root}/card.json, and two persons designate it, here and there (Art. 3(2)):",
        "",
        f"    pcsc designate {root}/card.json --note 'NOTE AND DATE' --by NAME --dir {root}",
        "",
        (
            f"Nobody is answered before {restored.answers_from:%H:%M:%S} UTC, and no query is made or answered before "
            f"{restored.queries_from:%Y-%m-%d} (Art. 4(7))."
        ),
    ]


def _names(path: Path) -> frozenset[str]:
    return frozenset(filter(None, (line.strip() for line in path.read_text(encoding="utf-8").splitlines())))
