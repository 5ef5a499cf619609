"""Setting up: an installation of our own, the other Party's contact point, the service that answers it, and the end of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from annex.parameters import Party
from contact_point.cli.terminal import HERE, SETTING_UP, Json, Root, app, now, plain, show

if TYPE_CHECKING:
    from contact_point.settings import Keys, Notified


KeysFolder = Annotated[
    Path | None,
    typer.Option(
        help="Where the files of keys go: a disk of their own, in no backup (Articles 8, 9).", show_default="DIR"
    ),
]
TokenLibrary = Annotated[
    Path | None,
    typer.Option(help="The PKCS #11 library of a token that keeps the wrapping keys.", show_default="a file"),
]
TokenLabel = Annotated[str, typer.Option(help="The label of the token.")]
PinFile = Annotated[Path | None, typer.Option(help="A file of mode 0600 that holds the token's PIN.")]
Database = Annotated[
    str, typer.Option(help="postgresql+psycopg://ROLE@HOST/DATABASE, of its own.", show_default="a file in DIR")
]


def keys_at(keys: Path | None, token: Path | None, token_label: str, pin_file: Path | None) -> Keys:
    """Return where the keys of a new installation go.

    Raises:
        typer.BadParameter: of a token, not all is named.

    """
    from contact_point.keys import Token
    from contact_point.settings import Keys

    if (token is None) != (pin_file is None) or (token is None) == bool(token_label):
        raise typer.BadParameter(
            "a token has a library, a label and a file with its PIN: name all three", param_hint="--token"
        )
    named = None if token is None else Token(token.resolve(), token_label, pin_file and pin_file.resolve())
    return Keys(keys and keys.resolve(), token=named)


@app.command(rich_help_panel=SETTING_UP)
def init(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder, or one to make.")],
    party: Annotated[Party, typer.Option(help="Whose contact point it is.")],
    name: Annotated[str, typer.Option(help="Its name, as it appears on the card.")] = "",
    host: Annotated[str, typer.Option(help="The address it answers at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port it answers at.")] = 8443,
    arrangement: Annotated[
        Path | None,
        typer.Option(
            help="The arrangement that both contact points begin with (Article 4(7)).", show_default="the model"
        ),
    ] = None,
    keys: KeysFolder = None,
    token: TokenLibrary = None,
    token_label: TokenLabel = "",
    pin_file: PinFile = None,
    database: Database = "",
    as_json: Json = False,
) -> None:
    """Make an installation: keys, certificates, an empty gallery and record, and the card for the other contact point."""
    from contact_point import installation

    where = keys_at(keys, token, token_label, pin_file)
    called = name or f"National contact point of {party.country}"
    plan = installation.Plan(party, called, host, port, arrangement=arrangement, keys=where, database=database)
    made = installation.create(root, plan, now())
    show(
        as_json,
        {"dir": str(root), "party": party.value, "address": made.address, "card": str(made.folder.card)},
        f"{made.name} is set up in {root} and will answer at {made.address}.\n"
        f"Give {made.folder.card} to the other contact point. One person enters theirs and our own, as they were notified; "
        f"another one confirms:\n\n"
        f"    pcsc designate CARD --note 'NOTE AND DATE' --by NAME --dir {root}\n"
        f"    pcsc designate {made.folder.card} --note 'NOTE AND DATE' --by NAME --dir {root}\n"
        f"    pcsc designate --confirm --by ANOTHER --dir {root}",
    )


@app.command(rich_help_panel=SETTING_UP)
def designate(
    card: Annotated[
        Path | None, typer.Argument(help="The card.json of the other Party's contact point, or our own.")
    ] = None,
    note: Annotated[str, typer.Option(help="The diplomatic note that notified it, with its date (Article 3(2)).")] = "",
    by: Annotated[str, typer.Option(help="Who enters, or confirms: two different persons.")] = "",
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Put what another person entered into effect, after comparing it.")
    ] = False,
    fingerprint: Annotated[
        str, typer.Option(help="With --confirm: the card's fingerprint as the note says it, or how it begins.")
    ] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter a contact point, as notified through diplomatic channels; another person confirms it (Article 3(2)).

    Without CARD and --confirm, shows what waits for the second person, with the fingerprint to compare.
    """
    from contact_point import designation, settings

    here = settings.read(root)
    if confirm == (card is not None) and (confirm or note or by):
        raise typer.BadParameter(
            "one person enters: CARD --note NOTE --by NAME; another one confirms: --confirm --by NAME"
        )
    if card is not None:
        entered = [designation.enter(here, card.read_text(encoding="utf-8"), note, by=by, now=now())]
    elif confirm:
        entered = designation.confirm(here, by=by, now=now(), fingerprint=fingerprint)
    else:
        entered = designation.waiting(here)
    lacking = settings.read(root).lacking
    lines = [
        *map(_notified, entered),
        lacking or f"Both designations are in effect. Answer queries: pcsc serve --dir {root}",
    ]
    told = [
        {
            "party": each.card.party.value,
            "name": each.card.name,
            "address": each.card.address,
            "fingerprint": each.fingerprint,
            "note": each.note,
            "entered": each.entered,
            "confirmed": each.confirmed,
        }
        for each in entered
    ]
    show(as_json, {"designations": told, "lacking": lacking}, plain("\n".join(lines)))


def _notified(each: Notified) -> str:
    """Return a designation as lines for a person."""
    said = "waits for another person" if each.confirmed is None else f"confirmed by {each.confirmed.by}"
    return (
        f"{each.card.party}: {each.card.name} at {each.card.address}\n    note: {each.note}\n    SHA-256 of the card: "
        f"{each.fingerprint}\n    entered by {each.entered.by}, {said}"
    )


@app.command("renew-key", rich_help_panel=SETTING_UP)
def renew_key(root: Root = HERE, as_json: Json = False) -> None:
    """Replace the key that our messages and checkpoints are signed with (Article 9). What the old one signed stays signed.

    Stop `pcsc serve` before, and start it after: it would go on with both keys.
    """
    from contact_point import installation, settings

    here = settings.read(root)
    card = installation.renew_signing_key(here, now())
    show(
        as_json,
        {"card": str(here.folder.card), "signing_key": card.signing_key_pem},
        f"The signing key is new. Give {here.folder.card} to the other contact point, where two persons enter it with `pcsc "
        "designate`, as two do here: until then it refuses our messages, and they wait. Start `pcsc serve` again.",
    )


@app.command(rich_help_panel=SETTING_UP)
def serve(root: Root = HERE) -> None:
    """Answer the other contact point until interrupted (Article 4(4): automatically, with nobody in the path)."""
    from contact_point import logs, settings
    from contact_point import main as service

    logs.configure(settings.read(root).log.format)
    service.serve(root)


@app.command(rich_help_panel=SETTING_UP)
def terminate(
    note: Annotated[str, typer.Option(help="The diplomatic note that gave the notice, or withdrew it.")],
    given_by: Annotated[Party | None, typer.Option(help="The Party that gave the notice.")] = None,
    received: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which the other Party received it.")
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="The notice was withdrawn before the agreement ended.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter the written notice with which a Party ends the agreement, three months before its end (Article 15(4))."""
    from contact_point import installation, settings
    from pcsc.agreement import Termination

    here = settings.read(root)
    if withdraw:
        if given_by is not None or received is not None:
            raise typer.BadParameter(
                "a notice is withdrawn as it was entered: add --note alone", param_hint="--withdraw"
            )
        kept = installation.withdraw_notice(here, note, now())
        said = f"The notice is withdrawn and the agreement goes on; both are kept in {kept}.\n{_RESTART}"
        show(as_json, {"withdrawn_by": note, "kept": str(kept), "ends_on": None}, said)
        return
    if given_by is None or received is None:
        raise typer.BadParameter("a notice is given by a Party and received on a day: add --given-by and --received")
    notice = Termination(given_by, received.date(), note)
    installation.give_notice(here, notice, now())
    show(
        as_json,
        {"given_by": given_by, "received_on": notice.received_on, "note": note, "ends_on": notice.ends_on},
        f"The agreement is no longer in force from {notice.ends_on} on (Art. 15(4)). Nothing is queried, requested or provided "
        "under it from that day.\nWhat was provided until then stays protected (Art. 15(5)): deletion, the gates on use and "
        "release, consent, correction, the result of use and the record go on until nothing is held any more.\n"
        + _RESTART,
    )


_RESTART: Final = "Restart `pcsc serve`: it reads the notice when it starts."
