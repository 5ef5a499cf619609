"""Keys and certificates of TLS (Articles 3(2), 9): what ends when, the next one, authorities, and what they take back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from contact_point.cli.terminal import FAILED, HERE, SETTING_UP, Json, Root, app, now, plain, show

keys_app = typer.Typer(
    help="Keys and certificates of TLS: what ends when, the next one, authorities, revocation lists.",
    no_args_is_help=True,
)
app.add_typer(keys_app, name="keys", rich_help_panel=SETTING_UP)

Authority = Annotated[
    Path | None, typer.Option(help="The folder of the authority, where it is not the installation's own.")
]
_NOTIFY: Final = (
    "Our Party notifies it: give it to the other contact point, and let two persons designate it there and here "
    "(Art. 3(2))."
)


@keys_app.command("show")
def show_keys(root: Root = HERE, as_json: Json = False) -> None:
    """List what ends when; ends with 1 where something has ended, and warns 30 days before."""
    from contact_point import expiry, settings

    moment = now()
    found = expiry.expiries(settings.read(root).folder)
    lines = []
    for each in found:
        colour = "red" if each.ended(moment) else "yellow" if each.soon(moment) else "green"
        until = "cannot be read" if each.ends_at is None else f"{each.ends_at:%Y-%m-%d %H:%M} UTC"
        lines.append(f"[{colour}]{until:22}[/] {each.what}")
    warnings = [each.told(moment) for each in found if each.soon(moment)]
    told = [
        {"what": each.what, "ends_at": each.ends_at, "ended": each.ended(moment), "soon": each.soon(moment)}
        for each in found
    ]
    show(as_json, {"ends": told, "warnings": warnings}, "\n".join([*lines, *map(plain, warnings)]))
    if any(each.ended(moment) for each in found):
        raise typer.Exit(FAILED)


@keys_app.command()
def authority(
    folder: Annotated[
        Path, typer.Argument(help="An empty folder, or one to make: on a machine of its own, if you can.")
    ],
    name: Annotated[str, typer.Option(help="Its name, 64 characters at most.")],
    days: Annotated[int, typer.Option(min=1, help="How long it certifies.")] = 3650,
    as_json: Json = False,
) -> None:
    """Make another certificate authority. It needs no installation."""
    from contact_point.certificates import CertificateAuthority

    made = CertificateAuthority.create(name, now(), timedelta(days=days))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made.save(folder)
    until = made.certificate.not_valid_after_utc
    show(
        as_json,
        {"folder": str(folder), "ends_at": until},
        f"The authority is in {folder} and ends on {until:%Y-%m-%d}.",
    )


@keys_app.command()
def request(root: Root = HERE, as_json: Json = False) -> None:
    """Make the next key, and a request that the authority signs."""
    from contact_point import renewal, settings

    asked = renewal.ask(settings.read(root))
    said = f"Let the authority sign it:\n\n    pcsc keys sign {asked} --out certificate.pem"
    show(as_json, {"request": str(asked)}, said)


@keys_app.command()
def sign(
    request: Annotated[Path, typer.Argument(help="The request of a contact point.")],
    out: Annotated[Path, typer.Option(help="Where the certificate goes.")],
    authority: Authority = None,
    days: Annotated[int, typer.Option(min=1, help="How long it is valid.")] = 730,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Certify a contact point's key, as the authority."""
    from contact_point import renewal
    from contact_point.settings import Folder
    from contact_point.writing import put

    put(out, renewal.sign(request, authority or Folder(root).authority, now(), timedelta(days=days)))
    show(as_json, {"certificate": str(out)}, f"Signed. Enter it at the contact point:\n\n    pcsc keys next {out}")


@keys_app.command("next")
def enter_next(
    certificate: Annotated[Path, typer.Argument(help="What the authority signed for our request.")],
    authority_certificate: Annotated[
        Path | None, typer.Option(help="The authority's certificate, where it is another than on our card.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter the next certificate; writes a card that names the current key and the next."""
    from contact_point import renewal, settings

    here = settings.read(root)
    added = b"" if authority_certificate is None else authority_certificate.read_bytes()
    card = renewal.enter_next(here, certificate.read_bytes(), now(), added)
    show(
        as_json,
        {"card": str(here.folder.card), "tls_keys": card.tls_keys},
        f"{here.folder.card} names both keys. {_NOTIFY} Then:\n\n    pcsc keys use-next --dir {root}",
    )


@keys_app.command()
def use_next(root: Root = HERE, as_json: Json = False) -> None:
    """Put the next certificate and key in the place of the current ones; a running service takes them up by itself."""
    from contact_point import renewal, settings

    here = settings.read(root)
    card = renewal.use_next(here)
    show(
        as_json,
        {"card": str(here.folder.card), "tls_keys": card.tls_keys},
        f"The next certificate is in use. {here.folder.card} names its key alone, so that the old one is good for nothing. "
        + _NOTIFY,
    )


@keys_app.command()
def revoke(
    certificate: Annotated[Path, typer.Argument(help="The certificate to take back, in PEM.")],
    authority: Authority = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Take back a certificate, as the authority: it is on every list from now on."""
    from contact_point.certificates import load_certificates

    serials = [each.serial_number for each in load_certificates(certificate.read_bytes())]
    _publish(authority, serials, 90, root, as_json=as_json)


@keys_app.command()
def revocations(
    authority: Authority = None,
    days: Annotated[int, typer.Option(min=1, help="How long the list counts.")] = 90,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Publish the next revocation list, as the authority, before the last one ends."""
    _publish(authority, [], days, root, as_json=as_json)


def _publish(authority: Path | None, serials: list[int], days: int, root: Path, *, as_json: bool) -> None:
    from contact_point import renewal
    from contact_point.certificates import list_number, load_lists
    from contact_point.settings import Folder

    path = renewal.publish(authority or Folder(root).authority, serials, now(), timedelta(days=days))
    (published,) = load_lists(path.read_bytes())
    number, until = list_number(published), published.next_update_utc
    show(
        as_json,
        {"list": str(path), "number": number, "revoked": len(published), "ends_at": until},
        f"List number {number} revokes {len(published)} certificates and counts until {until:%Y-%m-%d}. Give {path} to the "
        f"other contact point, which enters it with `pcsc keys enter {path.name}`.",
    )


@keys_app.command()
def enter(
    file: Annotated[Path, typer.Argument(help="Revocation lists of the other Party's authority, in PEM.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter the other Party's revocation list; a running service takes it up by itself."""
    from contact_point import renewal, revocation, settings

    found = renewal.enter_lists(settings.read(root).folder, file.read_bytes(), now())
    ends = revocation.ends(found)
    lines = [f"The list of {name} counts until {until:%Y-%m-%d %H:%M} UTC." for name, until in ends]
    told = [{"authority": name, "ends_at": until} for name, until in ends]
    show(as_json, {"lists": told}, plain("\n".join([*lines, *found.remarks()])))
