"""The implementing arrangement (Articles 4(7) and 5(1)): what is held, signing a further version, and entering it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.terminal import HERE, SETTING_UP, Json, Root, app, now, plain, show

if TYPE_CHECKING:
    from contact_point.arrangements import Held

arrangement_app = typer.Typer(
    help="The implementing arrangement: show it, sign a further version, enter it.", no_args_is_help=True
)
app.add_typer(arrangement_app, name="arrangement", rich_help_panel=SETTING_UP)

Document = Annotated[Path, typer.Argument(metavar="FILE", help="The document of the arrangement.")]


@arrangement_app.command("show")
def show_arrangements(
    version: Annotated[str, typer.Argument(help="One version, with its text.", show_default="all, in order")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List the versions that are held, from when each is in force, and whether both Parties' signatures are valid."""
    from contact_point import arrangements, settings

    folder = settings.Folder(root).arrangements
    held = arrangements.survey(folder)
    if not held:
        settings.read(root)  # says what is missing
    chosen = [each for each in held if version in {"", each.version}]
    if not chosen:
        names = ", ".join(each.version for each in held)
        raise settings.SettingsError(f"{folder} holds no arrangement {version!r}: name one of {names}")
    today = now().date()
    days = [each.in_force_from for each in held if each.in_force_from and each.in_force_from <= today]
    in_force = max(days, default=None)
    text = arrangements.document_path(folder, version).read_text(encoding="utf-8") if version else None
    show(
        as_json,
        [_fields(each, text, in_force=each.in_force_from == in_force) for each in chosen],
        "\n".join([_lines(each, in_force=each.in_force_from == in_force) for each in chosen])
        + (f"\n\n{plain(text)}" if text else ""),
    )


def _fields(held: Held, text: str | None, *, in_force: bool) -> dict[str, Any]:
    """Return what a program is told of a version."""
    return {
        "version": held.version,
        "in_force_from": held.in_force_from,
        "in_force": in_force,
        "fault": held.fault,
        "sha256": held.sha256,
        "signatures": dict(held.signatures),
    } | ({"document": text} if text else {})


def _lines(held: Held, *, in_force: bool) -> str:
    """Return a version as lines for a person."""
    since = plain(held.fault) if held.fault else f"in force from {held.in_force_from}{', now' if in_force else ''}"
    signatures = [f"    {party}'s signature: {plain(said)}" for party, said in held.signatures.items()]
    return "\n".join([f"[bold]{held.version}[/] {since}", f"    SHA-256 {held.sha256}", *signatures])


@arrangement_app.command()
def sign(file: Document, root: Root = HERE, as_json: Json = False) -> None:
    """Sign a further version for the other contact point; nothing takes force until both have entered it."""
    from contact_point import installation, settings

    here = settings.read(root)
    signature = installation.sign_arrangement(here, file, now())
    show(
        as_json,
        {"signature": str(signature)},
        f"Signed for {here.party}: {signature}\nGive {file} and the signature to the other contact point. With theirs, enter "
        f"it:\n\n    pcsc arrangement enter {file} --signature THEIRS.sig --dir {root}",
    )


@arrangement_app.command()
def enter(
    file: Document,
    signature: Annotated[Path, typer.Option(help="The other Party's signature, from its `pcsc arrangement sign`.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter a further version that the other Party has signed; ours is put beside theirs."""
    from contact_point import installation, settings

    entered = installation.enter_arrangement(settings.read(root), file, signature, now())
    show(
        as_json,
        {"version": entered.version, "in_force_from": entered.in_force_from},
        f"Arrangement {entered.version} is held, signed by both Parties, and takes force on {entered.in_force_from} (UTC).\n"
        "Restart `pcsc serve` before that day: it reads the arrangements when it starts.",
    )
