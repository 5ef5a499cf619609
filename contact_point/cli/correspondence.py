"""Both sides, beside the exchanges: explanations, results of use, consent, corrections, breaches and consultations.

Articles 4(6), 7, 8(5)(2), 8(6), 8(7), 9, 10 and 14. A command without options shows what is open; each other form of it is
one act. What was said is read back, in words, with `pcsc correspondence`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from contact_point.cli.terminal import (
    BOTH,
    HERE,
    REFUSED,
    UNREACHED,
    Json,
    Number,
    Root,
    app,
    busy,
    fields,
    item_lines,
    matter_line,
    now,
    opened,
    ours_to_settle,
    plain,
    show,
    show_exchange,
)
from pcsc.exchange import MatterKind
from pcsc.matters import Measure
from pcsc.messages import ConsentTo, ConsultationOn, Fault, RecipientKind, Why
from pcsc.use import Purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contact_point.correspondence import Correction, Draft, Said
    from contact_point.service import Installation
    from pcsc.exchange import Exchange
    from pcsc.messages import Asking, CapacityAnswer, Item, OutageNotice, Reply, ResultOfUse, Use


def _one_act(**acts: bool) -> str | None:
    """Return the name of the one act that is asked for, or None where nothing is but to look.

    Raises:
        typer.BadParameter: there are several.

    """
    wanted = [name for name, is_wanted in acts.items() if is_wanted]
    if len(wanted) > 1:
        raise typer.BadParameter(
            f"each is an act of its own; got {' and '.join(f'--{name}' for name in wanted)}: do one"
        )
    return wanted[0] if wanted else None


def _needed(act: str, **options: str) -> None:
    """Refuse an act for which an option is missing."""
    if missing := [f"--{name.replace('_', '-')}" for name, value in options.items() if not value.strip()]:
        raise typer.BadParameter(f"--{act} needs {' and '.join(missing)}")


def _shown(here: Installation, number: str) -> Exchange:
    with here.store.transaction() as tx:
        return tx.exchange(number)


def _show_matters(exchange: Exchange, kind: MatterKind, as_json: bool, more: str = "", **told: object) -> None:
    """Print what is asked of one kind, open or settled, and what else there is to know before it is answered."""
    matters = [matter for matter in exchange.matters if matter.kind is kind]
    lines = [matter_line(exchange, matter, following=False) for matter in matters]
    lines = lines or [f"Exchange {exchange.control_number}: nobody has asked for {_ASKED[kind]} yet."]
    show(
        as_json,
        {"matters": [asdict(matter) for matter in matters], **told},
        "\n".join([*lines, more] if more else lines),
    )


_ASKED: Final = {
    MatterKind.EXPLANATION: "an explanation",
    MatterKind.RESULT: "the result of a use",
    MatterKind.CONSENT: "consent",
}


# Explanation: Article 4(6)


def _why(code: str) -> Why:
    try:
        return Why[code.upper().replace("-", "_")]
    except KeyError:
        raise typer.BadParameter(f"one of {_CODES}; got {code!r}") from None


_CODES: Final = ", ".join(why.name.lower().replace("_", "-") for why in Why)


@app.command(rich_help_panel=BOTH)
def explain(
    number: Number,
    ask: Annotated[bool, typer.Option("--ask", help="Ask the other Party for the explanation.")] = False,
    why: Annotated[
        Why | None, typer.Option(parser=_why, metavar="CODE", help=f"Why no request followed: {_CODES}.")
    ] = None,
    text: Annotated[str, typer.Option(help="The explanation in words.")] = "",
    purpose: Annotated[str, typer.Option(help="The purpose of the query.")] = "",
    signed_by: Annotated[str, typer.Option(help="Who signs the explanation, which sends it.")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Explain a query of ours that matched and that no request followed, or --ask the other Party about its own (4(6)).

    Unsigned, the explanation is shown as it would be sent: drafted from the record, with what the options say instead.
    """
    from contact_point import correspondence

    if ask and (why or text or purpose or signed_by):
        raise typer.BadParameter("--ask asks the other Party; the other options answer it: do one")
    with opened(root) as here:
        if ask:
            with busy("asking", quiet=as_json):
                exchange = correspondence.ask_explanation(here, number, now())
            show_exchange(exchange, as_json, "The explanation is asked for.\n")
            return
        draft = _changed(correspondence.draft_explanation(here, number), why, text, purpose)
        if not signed_by.strip():
            _show_draft(_shown(here, number), draft, as_json)
            return
        with busy("explaining", quiet=as_json):
            exchange = correspondence.explain(here, number, draft, signed_by=signed_by, now=now())
    show_exchange(exchange, as_json, "The query is explained.\n")


def _changed(draft: Draft, why: Why | None, text: str, purpose: str) -> Draft:
    """Return a draft with what is said otherwise."""
    if why is not None:
        draft = replace(draft, why=why, text=f"{why.value}{draft.text.removeprefix(draft.why.value)}")
    return replace(draft, text=text or draft.text, purpose=purpose or draft.purpose)


def _show_draft(exchange: Exchange, draft: Draft, as_json: bool) -> None:
    more = (
        f"Purpose: {plain(draft.purpose)}\nWhy no request followed: {draft.why}\nIn words: {plain(draft.text)}\n"
        f"Change what should be said otherwise, and sign it:\n\n"
        f"    pcsc explain {exchange.control_number} \\[--why CODE --text TEXT --purpose PURPOSE] --signed-by NAME"
    )
    _show_matters(exchange, MatterKind.EXPLANATION, as_json, more, draft=asdict(draft))


# Result of use: Articles 7 and 8(6)


@app.command(rich_help_panel=BOTH)
def result(
    number: Number,
    ask: Annotated[bool, typer.Option("--ask", help="Ask what came of the use of what we provided.")] = False,
    tell: Annotated[
        bool, typer.Option("--tell", help="Tell every use of what was provided to us, as the ledger has it.")
    ] = False,
    read: Annotated[bool, typer.Option("--read", help="Read what we were told. Every asking is recorded.")] = False,
    purpose: Annotated[Purpose | None, typer.Option("--for", help="What it is read for: Article 8(6).")] = None,
    by: Annotated[str, typer.Option(help="Who reads it.")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Ask for the result of use, tell it (Article 7), or read it, solely to review the implementation (Article 8(6)).

    Without options, what is asked, and the uses that would be told.
    """
    from contact_point import correspondence

    act = _one_act(ask=ask, tell=tell, read=read)
    if act == "read":
        _needed("read", **{"for": purpose or ""}, by=by)
    with opened(root) as here, busy("asking" if ask else "telling", quiet=as_json or not (ask or tell)):
        if act == "read" and purpose is not None:
            uses = correspondence.read_result(here, number, purpose, by=by, now=now())
            show(as_json, {"uses": [asdict(each) for each in uses]}, _use_lines(uses))
            return
        if act is None:
            exchange = _shown(here, number)
            more = f"In the ledger:\n{_use_lines(exchange.uses)}" if exchange.side == "querying" else ""
            more += (
                f"\nTell it:\n\n    pcsc result {number} --tell" if _asked_of_us(exchange, MatterKind.RESULT) else ""
            )
            _show_matters(exchange, MatterKind.RESULT, as_json, more, uses=[asdict(each) for each in exchange.uses])
            return
        do = correspondence.ask_result if act == "ask" else correspondence.tell_result
        exchange = do(here, number, now())
    show_exchange(exchange, as_json, "The result is asked for.\n" if ask else "The result is told.\n")


def _use_lines(uses: Sequence[Use]) -> str:
    """Return uses as lines for a person, numbered as in the ledger."""
    lines = [
        f"    {at}. {each.on}: {plain(each.purpose)} (Art. {each.clause}): {plain(each.result) or 'no result entered'}"
        for at, each in enumerate(uses, 1)
    ]
    return "\n".join(lines) or "    no use"


# Consent: Articles 8(5)(2) and 8(7)


class To(StrEnum):
    """What consent is asked for."""

    USE = "use"
    RELEASE = "release"

    @property
    def clause(self) -> ConsentTo:
        """The clause that asks for it."""
        return ConsentTo.USE if self is To.USE else ConsentTo.RELEASE


@app.command(rich_help_panel=BOTH)
def consent(
    number: Number,
    ask: Annotated[
        To | None, typer.Option(help="Ask for consent to another use (8(5)(2)), or to a release (8(7)).")
    ] = None,
    purpose: Annotated[str, typer.Option(help="The purpose, in the words to be consented to.")] = "",
    items: Annotated[
        list[str] | None,
        typer.Option("--item", help="What it is about: an item, or 'result of automated querying'. Repeat for more."),
    ] = None,
    recipient: Annotated[str, typer.Option(help="Whom it is to be released to, by name.")] = "",
    kind: Annotated[RecipientKind | None, typer.Option(help="What that recipient is.")] = None,
    grant: Annotated[
        bool | None, typer.Option("--grant/--withhold", help="Decide on the other Party's request.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it is withheld, or granted.")] = "",
    question: Annotated[
        str, typer.Option(help="The number of the request that is decided, where several are open.")
    ] = "",
    urgent: Annotated[
        bool, typer.Option("--urgent", help="No time for Japan's report before it (Rule 16 of 2018, Article 4).")
    ] = False,
    report: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="QUESTION REFERENCE", help="Enter the report about a consent that Japan's Rule 16 wants."),
    ] = None,
    signed_by: Annotated[str, typer.Option(help="Who asks, or decides, for this Party.")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Ask for prior consent in writing to another use (8(5)(2)) or to a release (8(7)), or decide on such a request.

    Without options, what was asked for.
    """
    from contact_point import correspondence

    act = _one_act(ask=ask is not None, grant=grant is True, withhold=grant is False, report=report is not None)
    if (recipient == "") is not (kind is None):
        raise typer.BadParameter("a recipient has a name and a kind: add --recipient and --kind, or neither")
    if act == "ask":
        _needed("ask", purpose=purpose, item=" ".join(items or ()), signed_by=signed_by)
    elif act in {"grant", "withhold"}:
        _needed(act, signed_by=signed_by)
    with opened(root) as here, busy("sending", quiet=as_json or act in {None, "report"}):
        if ask is not None:
            exchange, said = (
                _ask_consent(here, number, ask, purpose, tuple(items or ()), recipient, kind, signed_by),
                "asked for",
            )
        elif report is not None:
            exchange, said = correspondence.report_consent(here, number, *report, now()), "reported"
        elif grant is not None:
            exchange = correspondence.decide_consent(
                here,
                number,
                granted=grant,
                reason=reason,
                question=question,
                urgent=urgent,
                signed_by=signed_by,
                now=now(),
            )
            said = "granted" if grant else "withheld"
        else:
            more = _DECIDE.format(number=number)
            shown = _shown(here, number)
            _show_matters(shown, MatterKind.CONSENT, as_json, more if _asked_of_us(shown, MatterKind.CONSENT) else "")
            return
    show_exchange(exchange, as_json, f"Consent is {said}.\n")


_DECIDE: Final = (
    "Decide on it in writing:\n\n"
    "    pcsc consent {number} --grant --signed-by NAME\n"
    "    pcsc consent {number} --withhold --reason REASON --signed-by NAME"
)


def _asked_of_us(exchange: Exchange, kind: MatterKind) -> bool:
    return any(matter.kind is kind and ours_to_settle(exchange, matter) for matter in exchange.matters)


def _ask_consent(
    here: Installation,
    number: str,
    to: To,
    purpose: str,
    items: tuple[str, ...],
    recipient: str,
    kind: RecipientKind | None,
    signed_by: str,
) -> Exchange:
    from contact_point import correspondence
    from pcsc.messages import Recipient

    given = None if kind is None else Recipient(kind, recipient)
    return correspondence.ask_consent(
        here, number, to.clause, purpose=purpose, kinds=items, recipient=given, signed_by=signed_by, now=now()
    )


# Correction: Article 10


@app.command(rich_help_panel=BOTH)
def correct(
    items: Annotated[
        list[str],
        typer.Option(
            "--item", help="What is wrong: an item as the arrangement lists it, or 'fingerprint data'. Repeat for more."
        ),
    ],
    fault: Annotated[Fault, typer.Option(help="Is it incorrect, or unreliable?")],
    text: Annotated[str, typer.Option(help="What is wrong with it, in words.")],
    signed_by: Annotated[str, typer.Option(help="Who notifies for this Party.")],
    number: Annotated[
        str, typer.Argument(metavar="EXCHANGE", help="The exchange whose information it is.", show_default=False)
    ] = "",
    subject: Annotated[
        str, typer.Option(help="Instead of an exchange, a person of our gallery: every exchange that matched is told.")
    ] = "",
    right: Annotated[list[str] | None, typer.Option(metavar="ITEM=VALUE", help="What it should say, if known.")] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Notify the other Party that information, provided or received, is incorrect or unreliable (Article 10(1))."""
    from contact_point import correspondence

    if bool(number) is bool(subject):
        raise typer.BadParameter(
            "what is wrong stands in one EXCHANGE, or is of one person: name the one or give --subject"
        )
    correction = correspondence.Correction(tuple(items), fault, text, signed_by, _right(right or []))
    with opened(root) as here, busy("notifying", quiet=as_json):
        if subject:
            _correct_all(here, subject, correction, as_json)
            return
        exchange = correspondence.notify_correction(here, number, correction, now())
    show_exchange(exchange, as_json, "The other Party is notified.\n")


def _right(given: Sequence[str]) -> tuple[Item, ...]:
    """Return the right values of ITEM=VALUE arguments."""
    from pcsc.messages import Item

    found = []
    for each in given:
        kind, equals, value = each.partition("=")
        if not (kind and equals and value):
            raise typer.BadParameter(f"what is right is given as ITEM=VALUE; got {each!r}", param_hint="--right")
        found.append(Item(kind, value))
    return tuple(found)


def _correct_all(here: Installation, subject: str, correction: Correction, as_json: bool) -> None:
    """Notify in every exchange in which a person matched; what could not be done is said, and decides the exit code."""
    from contact_point import correspondence
    from contact_point.transport import UnreachableError

    outcomes = correspondence.notify_about(here, subject, correction, now())
    errors = [each for each in outcomes if isinstance(each, Exception)]
    notified = [each for each in outcomes if not isinstance(each, Exception)]
    lines = [f"The other Party is notified in {len(notified)} of {len(outcomes)} exchanges."]
    lines += [each.control_number for each in notified] + [str(error) for error in errors]
    told = {"notified": [fields(each) for each in notified], "errors": [str(error) for error in errors]}
    show(as_json, told, plain("\n".join(lines)))
    if errors:
        raise typer.Exit(UNREACHED if isinstance(errors[0], UnreachableError) else REFUSED)


@app.command(rich_help_panel=BOTH)
def measure(
    number: Number,
    notice: Annotated[str, typer.Argument(help="The number of the notice, as `pcsc correspondence` lists it.")],
    taken: Annotated[Measure, typer.Argument(metavar="MEASURE", help="correction, deletion or non-disclosure.")],
    by: Annotated[str, typer.Option(help="Who takes it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Correct, delete, or no longer disclose what a notice concerns, in every copy that is held here (Article 10(2))."""
    from contact_point import correspondence

    with opened(root) as here:
        exchange = correspondence.take_measure(here, number, notice, taken, by=by, now=now())
    show_exchange(exchange, as_json, f"The measure is taken: {taken}.\n")


@app.command(rich_help_panel=BOTH)
def told(
    number: Number,
    recipient: Annotated[str, typer.Argument(help="Whom the information was released to, by name.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Note that somebody whom information was released to was told of its correction (Article 10(2))."""
    from contact_point import correspondence

    with opened(root) as here:
        exchange = correspondence.tell_recipient(here, number, recipient, now())
    show_exchange(exchange, as_json, f"It is noted that {recipient} was told.\n")


# Breach and consultations: Articles 9 and 14


def moment_of(text: str) -> datetime:
    """Return a time with its offset from UTC: Tokyo and Washington mean different times by the same words."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"a time with its offset from UTC, such as 2026-03-01T09:30+09:00 or 2026-03-01T00:30Z; got {text!r}"
        )
    return moment.astimezone(UTC)


@app.command(rich_help_panel=BOTH)
def breach(
    nature: Annotated[str, typer.Option(help="What happened.")],
    measures: Annotated[str, typer.Option(help="What was done about it.")],
    noticed: Annotated[
        datetime, typer.Option(parser=moment_of, metavar="TIME", help="When it was noticed, with its offset from UTC.")
    ],
    signed_by: Annotated[str, typer.Option(help="Who notifies for this Party.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Notify the other Party of a breach of protection, with the references of all that is held of theirs (Article 9)."""
    from contact_point import correspondence

    at = now()
    if noticed > at:
        raise typer.BadParameter(
            f"a breach is notified after it was noticed; it is {at:%Y-%m-%dT%H:%MZ}", param_hint="--noticed"
        )
    with opened(root) as here, busy("notifying", quiet=as_json):
        exchange = correspondence.notify_breach(
            here, nature=nature, measures=measures, noticed_at=noticed, signed_by=signed_by, now=at
        )
    show_exchange(exchange, as_json, "The other Party is notified of the breach.\n")


@app.command(rich_help_panel=BOTH)
def consult(
    on: Annotated[ConsultationOn, typer.Option(help="Implementation, interpretation, or an amendment.")],
    matter: Annotated[str, typer.Option(help="What the consultations are to be about.")],
    signed_by: Annotated[str, typer.Option(help="Who asks for them for this Party.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Ask for consultations on the implementation (14(1)), the interpretation (14(2)) or an amendment (15(3))."""
    from contact_point import correspondence

    with opened(root) as here, busy("asking", quiet=as_json):
        exchange = correspondence.consult(here, on, matter=matter, signed_by=signed_by, now=now())
    show_exchange(exchange, as_json, "The consultations are asked for.\n")


# All of it, in words


@app.command("correspondence", rich_help_panel=BOTH)
def read_correspondence(number: Number, root: Root = HERE, as_json: Json = False) -> None:
    """Read what was asked, answered, refused and notified beside an exchange; a result we were told is `pcsc result --read`."""
    from contact_point import correspondence, wire

    with opened(root) as here:
        said = correspondence.read(here, number)
        exchange = _shown(here, number)
    rows: list[dict[str, Any]] = [{"message": wire.kind_of(each), **asdict(each)} for each in said]
    for row in rows:
        del row["salt"]  # it opens the commitment of the record, and says nothing
    lines = [f"{each.made_at:%Y-%m-%d %H:%M}  {_in_words(each, exchange)}" for each in said]
    lines += ["", *(matter_line(exchange, matter) for matter in exchange.matters)] if exchange.matters else []
    show(as_json, rows, "\n".join(lines) or f"Nothing was asked, answered or notified beside exchange {number}.")


def _in_words(said: Said, exchange: Exchange) -> str:
    """Return a message as lines for a person."""
    from pcsc.messages import BreachNotice, ConsentDecision, Consultation, CorrectionNotice, Explanation

    match said:
        case Explanation():
            head, rest = "explains the purpose of the query (Art. 4(6))", f"{said.purpose}\n{said.why}: {said.text}"
        case ConsentDecision():
            head, rest = f"{'grants' if said.granted else 'withholds'} its consent", said.reason
        case CorrectionNotice():
            head = (
                f"notifies that {', '.join(said.concerns)} is {said.fault} (Art. 10(1)): notice {said.control_number}"
            )
            rest = said.text
        case BreachNotice():
            head = f"notifies a breach of protection, noticed at {said.noticed_at:%Y-%m-%d %H:%M} (Art. 9)"
            rest = (
                f"{said.nature}\nDone: {said.measures}\nAffected: {', '.join(said.affected) or 'nothing that is known'}"
            )
        case Consultation():
            head, rest = f"asks for consultations (Art. {said.on})", said.matter
        case _:
            return f"{_speaker(said, exchange)} {_unsigned_in_words(said)}"
    lines = [f"    {plain(line)}" for line in rest.splitlines()]
    right = [item_lines(said.correct)] if isinstance(said, CorrectionNotice) and said.correct else []
    return "\n".join(
        [f"{_speaker(said, exchange)} {plain(head)}", *lines, *right, f"    Signed: {plain(said.signed_by)}"]
    )


def _unsigned_in_words(said: Asking | ResultOfUse | CapacityAnswer | Reply | OutageNotice) -> str:
    from pcsc.messages import CapacityAnswer, ConsentRequest, ExplanationRequest, OutageNotice, Reply, ResultOfUse

    match said:
        case OutageNotice():
            times = f"from {said.begins:%Y-%m-%d %H:%M} to {said.ends:%Y-%m-%d %H:%M} UTC"
            return f"is out of service {times}: {said.reason} (Art. 4(1))"
        case ResultOfUse():
            return f"tells the result of use (Art. 7)\n{_use_lines(said.uses)}"
        case CapacityAnswer():
            return f"says whether it can answer request {said.request} (Art. 5(2))\n    {plain(said.answer.words)}"
        case Reply():
            lines = [f"    {each.item or 'all of it'} ({each.ground}): {plain(each.reason)}" for each in said.refusals]
            return "\n".join([f"refuses, in answer to request {said.request} (Art. 5(5))", *lines])
        case ExplanationRequest():
            return "asks for the purpose of the query (Art. 4(6))"
        case ConsentRequest():
            whom = f" to {said.recipient.name}, {said.recipient.kind}" if said.recipient else ""
            what = f"a release{whom}" if whom else "another use"
            return plain(
                f"asks for consent to {what} (Art. {said.to}): question {said.control_number}\n    {said.purpose}\n"
                f"    About: {', '.join(said.kinds)}\n    Signed: {said.signed_by}"
            )
        case _:
            return "asks for the result of use (Art. 7)"


def _speaker(said: Said, exchange: Exchange) -> str:
    """Return the Party that a message is from."""
    from pcsc.messages import BreachNotice, CapacityAnswer, Consultation, OutageNotice, Reply

    if isinstance(said, BreachNotice | Consultation | OutageNotice):
        return said.raised_by
    if isinstance(said, CapacityAnswer | Reply):
        return exchange.queried
    question = getattr(said, "question", None)
    raised = {matter.number: matter.raised_by for matter in exchange.matters}
    return raised[question].other if question else raised[said.control_number]
