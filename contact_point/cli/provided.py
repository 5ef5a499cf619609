"""What was provided to us: use it, release it, tell what came of it, review it, let it go (Articles 7, 8(5)-(9))."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.terminal import (
    BOTH,
    HERE,
    QUERYING,
    Json,
    Number,
    Root,
    app,
    busy,
    fields,
    item_lines,
    now,
    opened,
    plain,
    show,
    show_exchange,
)
from contact_point.parsing import toml
from pcsc.messages import RecipientKind
from pcsc.use import Purpose

if TYPE_CHECKING:
    from pcsc.messages import Condition, Item
    from pcsc.use import Permission


@app.command(rich_help_panel=QUERYING)
def use(
    number: Number,
    purpose: Annotated[Purpose, typer.Option("--for", help="What the information is to be used for (Article 8(5)).")],
    by: Annotated[str, typer.Option(help="Who uses it.")],
    political: Annotated[
        bool,
        typer.Option("--political/--not-political", help="Is the act considered a political offence (Article 13(2))?"),
    ],
    offences: Annotated[
        Path | None, typer.Option(help="TOML with [[offences]]: the serious crime investigated (Article 8(5)(1)(a)).")
    ] = None,
    stated: Annotated[str, typer.Option(help="Another purpose, in the words that were consented to.")] = "",
    authority: Annotated[
        str, typer.Option(help="The authority of our own Party that uses it, where it is another one.")
    ] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Read provided information for a purpose, if the agreement and its conditions allow that use. Every asking is recorded."""
    from annex.offences import Offence
    from contact_point import provided

    conduct: tuple[Offence, ...] = ()
    if offences is not None:
        document = toml(
            offences, dict[str, tuple[Offence, ...]], "the document lists [[offences]]", "pcsc example offences"
        )
        conduct = document.get("offences", ())
    wanted = provided.Wanted(purpose, by, political, conduct, stated, authority)
    with opened(root) as here:
        outcome = provided.use(here, number, wanted, now())
    _show_given(as_json, *outcome)


@app.command(rich_help_panel=QUERYING)
def release(
    number: Number,
    to: Annotated[str, typer.Option(help="Whom it is released to, by name.")],
    kind: Annotated[RecipientKind, typer.Option(help="What the recipient is.")],
    by: Annotated[str, typer.Option(help="Who releases it.")],
    law: Annotated[
        str, typer.Option(help="The provision of our law that obliges to disclose it, where one does.")
    ] = "",
    match: Annotated[
        bool,
        typer.Option("--match", help="Ask about the result of the query itself, not what followed (Article 8(3))."),
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Release provided information, if the other Party consented or our law obliges (8(7)). Every asking is recorded."""
    from contact_point import provided
    from pcsc.messages import Recipient

    with opened(root) as here:
        if match:
            permission = provided.release_of_match(here, number, Recipient(kind, to), by=by, law=law, now=now())
            _show_given(as_json, permission, (), ())
            return
        outcome = provided.release(here, number, Recipient(kind, to), by=by, law=law, now=now())
    _show_given(as_json, *outcome)


def _show_given(
    as_json: bool, permission: Permission, items: tuple[Item, ...], conditions: tuple[Condition, ...]
) -> None:
    lines = [
        f"Allowed under Art. {permission.article}: {permission.reason.rstrip('.')}.",
        item_lines(items),
        *(f"Condition, which binds whoever reads it (Art. 8(8)): {plain(each.text)}" for each in conditions),
    ]
    told: dict[str, Any] = {
        "article": permission.article,
        "reason": permission.reason,
        "items": [asdict(item) for item in items],
        "conditions": [asdict(each) for each in conditions],
    }
    show(as_json, told, "\n".join(lines))


@app.command("note-result", rich_help_panel=QUERYING)
def note_result(
    number: Number,
    use_number: Annotated[int, typer.Argument(metavar="USE", help="The number of the use, as `pcsc ledger` lists it.")],
    text: Annotated[str, typer.Argument(metavar="RESULT", help="What came of it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter what came of a use, for the answer under Article 7."""
    from contact_point import provided

    with opened(root) as here:
        exchange = provided.note_result(here, number, use_number, text, now())
    show(as_json, fields(exchange), f"The result of use {use_number} of {number} is entered.")


@app.command("ledger", rich_help_panel=QUERYING)
def show_ledger(number: Number, root: Root = HERE, as_json: Json = False) -> None:
    """List the uses and releases of what was provided, and the purposes that are open (Articles 7, 8(7), 8(9))."""
    with opened(root) as here, here.store.transaction() as tx:
        exchange = tx.exchange(number)
    lines = [f"Open purposes (Art. 8(9)): {plain(', '.join(exchange.open_purposes)) or 'none'}"]
    lines += [
        f"{at}. {each.on}: {plain(each.purpose)} (Art. {each.clause}): {plain(each.result) or 'no result entered'}"
        for at, each in enumerate(exchange.uses, 1)
    ]
    lines += [
        f"released {each.at:%Y-%m-%d} to {plain(each.recipient.name)}, {each.recipient.kind} (Art. {each.clause})"
        + ("" if each.told else ": to be told of a correction")
        for each in exchange.releases
    ]
    told = {
        "open_purposes": exchange.open_purposes,
        "uses": [asdict(each) for each in exchange.uses],
        "releases": [asdict(each) for each in exchange.releases],
        "restricted": exchange.restricted,
    }
    show(as_json, told, "\n".join(lines))


@app.command(rich_help_panel=QUERYING)
def review(
    number: Number,
    by: Annotated[str, typer.Option(help="Who reviewed it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Note that provided information was reviewed and is still necessary for its open purposes (Article 8(9))."""
    from contact_point import provided

    with opened(root) as here:
        exchange = provided.review(here, number, by, now())
    show_exchange(exchange, as_json)


@app.command("end-purpose", rich_help_panel=QUERYING)
def end_purpose(
    number: Number,
    purpose: Annotated[str, typer.Argument(help="The purpose that has ended, as `pcsc ledger` lists it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """End a purpose for which information is held; with the last one it is destroyed (Article 8(9))."""
    from contact_point import provided

    with opened(root) as here, busy("destroying", quiet=as_json):
        exchange = provided.end_purpose(here, number, purpose, now())
    show_exchange(exchange, as_json)


@app.command(rich_help_panel=BOTH)
def close(number: Number, root: Root = HERE, as_json: Json = False) -> None:
    """End an exchange whose information is no longer necessary, which is destroyed (8(9)), or a notice that is done with."""
    from contact_point import provided

    with opened(root) as here, busy("destroying", quiet=as_json):
        exchange = provided.close(here, number, now())
    show_exchange(exchange, as_json)
