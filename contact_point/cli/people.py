"""Setting up: who works with the console, in two persons' hands; and who looked at personal data (Article 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.terminal import HERE, SETTING_UP, Json, Root, app, now, opened, plain, show
from contact_point.console.roles import Role

if TYPE_CHECKING:
    from contact_point.store import Person

people_app = typer.Typer(
    help="Who works with the console: entered by one person, confirmed by another; and who looked at personal data.",
    no_args_is_help=True,
)
app.add_typer(people_app, name="people", rich_help_panel=SETTING_UP)

Number = Annotated[str, typer.Argument(metavar="PERSON", help="The person's number, as `pcsc people list` lists it.")]
By = Annotated[str, typer.Option(help="Who does this.")]
Roles = Annotated[
    list[Role], typer.Option("--role", help="What the person is charged with; may be given several times.")
]


@people_app.command()
def add(
    name: Annotated[str, typer.Option(help="The person's name: no two have the same one.")],
    mail: Annotated[str, typer.Option(help="The person's mail address.")],
    role: Roles,
    by: By,
    account: Annotated[
        str, typer.Option(help="Who they are at the identity provider: its claim `sub`.", show_default="none")
    ] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter somebody who is to work with the console; another person confirms it."""
    from contact_point.console import people

    with opened(root) as here:
        entered = people.enter(here.store, name=name, mail=mail, roles=role, by=by, account=account, now=now())
    show(as_json, _fields(entered), plain(_waits(entered)))


@people_app.command()
def roles(number: Number, role: Roles, by: By, root: Root = HERE, as_json: Json = False) -> None:
    """Propose other roles for somebody, in place of those they hold; another person confirms it."""
    from contact_point.console import people

    with opened(root) as here:
        proposed = people.propose(here.store, number, role, by=by, now=now())
    show(as_json, _fields(proposed), plain(_waits(proposed)))


@people_app.command()
def link(number: Number, by: By, root: Root = HERE, as_json: Json = False) -> None:
    """Propose a new link for somebody who lost their passkey; another person confirms it, and ends what the old one opened."""
    from contact_point.console import people

    with opened(root) as here:
        proposed = people.propose(here.store, number, None, by=by, now=now())
    show(as_json, _fields(proposed), plain(_waits(proposed)))


@people_app.command()
def confirm(
    waiting: Annotated[str, typer.Argument(metavar="NUMBER", help="Of what waits, as `pcsc people list` lists it.")],
    by: By,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Put what another person entered into effect, after looking at it with `pcsc people list`."""
    from contact_point.console import people

    with opened(root) as here:
        made = people.confirm(here.store, waiting, by=by, now=now())
        address = people.address(here.settings.console, made.link) if made.link else ""
    said = f"{made.person.name} ({made.person.id}): {', '.join(made.person.roles)}."
    if address:
        hours = people.LINK_LASTS.total_seconds() / 3600
        said += (
            f"\nGive this to that person and to nobody else; it is good once, for {hours:.0f} hours, to enrol a passkey:\n\n"
            f"    {address}"
        )
    show(as_json, _fields(made.person) | {"link": address}, plain(said))


@people_app.command()
def end(number: Number, by: By, root: Root = HERE, as_json: Json = False) -> None:
    """Let somebody in no more, at once: every session, passkey and link of theirs ends."""
    from contact_point.console import people

    with opened(root) as here:
        ended = people.end(here.store, number, by=by, now=now())
    show(
        as_json,
        _fields(ended),
        plain(f"{ended.name} ({ended.id}) is let in no more; every session of theirs has ended."),
    )


@people_app.command("list")
def list_people(root: Root = HERE, as_json: Json = False) -> None:
    """List who works with the console, who did, and what waits for a second person."""
    from contact_point.console import people

    with opened(root) as here:
        found = people.everybody(here.store)
    lines = "\n".join(map(_line, found)) or "Nobody is entered: `pcsc people add --help` says how."
    show(as_json, [_fields(each) for each in found], plain(lines))


@people_app.command()
def views(
    exchange: Annotated[str | None, typer.Option(help="Of this exchange alone.")] = None,
    person: Annotated[str | None, typer.Option(help="Of this person alone, by number.")] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List who was shown personal data, when, of which exchange, and what kind of it; it ends with the record (Art. 11(3))."""
    with opened(root) as here, here.store.reading() as tx:
        names = {each.id: each.name for each in tx.people()}
        found = list(tx.viewings(exchange=exchange, person=person))
    told = [
        {
            "at": each.at,
            "person": each.person,
            "name": names.get(each.person, ""),
            "exchange": each.exchange,
            "shown": each.shown,
        }
        for each in found
    ]
    lines = [
        f"{each.at:%Y-%m-%d %H:%M:%S} UTC  {names.get(each.person, 'nobody here')} ({each.person})  {each.exchange}: "
        f"{', '.join(each.shown)}"
        for each in found
    ]
    show(as_json, told, plain("\n".join(lines)) or "Nobody was shown anything of which there is a record.")


def _line(each: Person) -> str:
    line = f"{each.id}  {each.name} <{each.mail}>"
    if each.ended is not None:
        return f"{line}: left on {each.ended.at:%Y-%m-%d}, ended by {each.ended.by}"
    if each.since is not None:
        hands = " and ".join(hand.by for hand in each.hands)
        line += f": {', '.join(each.roles)}, since {each.since:%Y-%m-%d}, by {hands}"
    return line if each.waiting is None else f"{line}\n    {_wish(each)}"


def _wish(each: Person) -> str:
    """Return what waits for a second person."""
    if each.waiting is None:
        return ""
    wish = "a new link" if each.waiting.roles is None else ", ".join(each.waiting.roles)
    return f"{each.waiting.number} waits for another person: {wish}, entered by {each.waiting.entered.by}"


def _waits(each: Person) -> str:
    number = "" if each.waiting is None else each.waiting.number
    return f"{each.name} ({each.id}): {_wish(each)}. They confirm it:\n\n    pcsc people confirm {number} --by NAME"


def _fields(each: Person) -> dict[str, Any]:
    """Return what a program is told of a person."""
    waiting = each.waiting
    return {
        "person": each.id,
        "name": each.name,
        "mail": each.mail,
        "account": each.account,
        "roles": each.roles,
        "since": each.since,
        "ended": each.ended,
        "waiting": None
        if waiting is None
        else {"number": waiting.number, "roles": waiting.roles, "entered": waiting.entered},
    }
