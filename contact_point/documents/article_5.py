"""Request and answer of Article 5 as documents: what the other contact point sees, and nothing else.

Whatever the message says is in the document, with one exception: the salt, whose only reader is the record (Article 11).
Nothing that the message does not say is in it, so that the page may be shown before it is sent as what will be seen; only the
number of the exchange is added, which both sides know.
"""

# ruff: noqa: RUF001 - Japanese has its own brackets

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from contact_point.documents.parts import Document, Fact, Facts, Part, Said, Table, day
from pcsc.messages import Condition, Item, Refusal
from pcsc.traces import terms
from pcsc.traces.terms import Language, Term
from pcsc.traces.wording import cited

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annex.offences import Offence
    from annex.parameters import Party
    from pcsc.messages import Authority, Basis, Reply, Request

_REQUEST: Final = Term(
    "Written notification of a request for further information", "追加の情報の提供の要請に係る書面による通報"
)
_ANSWER: Final = Term("Answer to a request for further information", "追加の情報の提供の要請に対する回答")
_FROM: Final = Term("From", "発信者")
_TO: Final = Term("To", "宛先")
_MADE: Final = Term("Made at (UTC)", "作成日時（協定世界時）")
_EXCHANGE: Final = Term("Number of the exchange", "手続の番号")
_CONTROL: Final = Term("Control number of this message", "この通信の管理番号")
_REFERENCE: Final = Term("Reference number of the match", "一致した旨の回答の参照番号")


def request(message: Request, exchange: str, querying: Party) -> Document:
    """Return a request with its written notification (Article 5(1)) as a document."""
    asked = message.notification
    about = Facts(
        Term("The request", "要請"),
        (
            *_head(querying, message.made_at, exchange, message.control_number, message.reference),
            Fact(Term("Purpose of the request (Art. 5(1))", "要請の目的（協定第五条１）"), (asked.purpose,)),
            Fact(Term("Items requested", "要請する事項"), tuple(terms.item(each) for each in asked.items)),
            Fact(Term("Case reference", "事件番号"), (asked.case_reference,)),
            *_urgency(message.risk),
            Fact(Term("Signed by", "署名者"), (asked.signed_by,)),
        ),
    )
    parts = (about, _authority(message.authority), _basis(asked.basis), _offences(asked.basis.offences))
    return Document(_REQUEST, _number(exchange, message.control_number), message.made_at.date(), parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request, as far as it is to be seen: one that is about to be sent, or what is held of one that was.

    ``kinds`` are items that were given whose values are not to be seen. ``offered`` are those that acceptance will bring: until
    then nothing of them is told (Article 8(8)).
    """

    control_number: str
    made_at: datetime
    request: str
    reference: str
    items: tuple[Item, ...] = ()
    kinds: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @classmethod
    def of(cls, message: Reply) -> Self:
        """Return the answer that a reply is: all that the other contact point sees of it."""
        return cls(
            message.control_number,
            message.made_at,
            message.request,
            message.reference,
            items=message.items,
            offered=message.offered,
            conditions=message.conditions,
            refusals=message.refusals,
        )


def answer(told: Answer, exchange: str, queried: Party) -> Document:
    """Return the answer to a request (Articles 5(2), 5(5), 8(8)) as a document."""
    about = Facts(
        Term("The answer", "回答"),
        (
            *_head(queried, told.made_at, exchange, told.control_number, told.reference),
            Fact(Term("Control number of the request", "要請の管理番号"), (told.request,)),
        ),
    )
    parts: list[Part] = [about]
    if told.items:
        parts.append(_given(told.items))
    if told.kinds:
        heading = Term(
            "Information provided (Art. 5(2)); its content is not shown",
            "提供した情報（協定第五条２。内容は示さない。）",
        )
        parts.append(_kinds(heading, Term("Items provided", "提供した事項"), told.kinds))
    if told.offered:
        heading = Term(
            "Offered, to be given on acceptance of the conditions (Art. 8(8))",
            "条件の受入れにより提供する事項（協定第八条８）",
        )
        parts.append(_kinds(heading, Term("Items offered", "提供を申し出る事項"), told.offered))
    if told.conditions:
        parts.append(_conditions(told.conditions))
    if told.refusals:
        parts.append(_refusals(told.refusals))
    return Document(_ANSWER, _number(exchange, told.control_number), told.made_at.date(), tuple(parts))


def _kinds(heading: Term, label: Term, kinds: Iterable[str]) -> Facts:
    return Facts(heading, (Fact(label, tuple(terms.item(each) for each in kinds)),))


def _number(exchange: str, control_number: str) -> str:
    return f"{exchange} / {control_number}"


def _head(sender: Party, made_at: datetime, exchange: str, control_number: str, reference: str) -> tuple[Fact, ...]:
    """Return who writes to whom, when, and under which numbers."""
    at = day(made_at)
    time = f"{made_at:%H:%M:%S}"
    return (
        Fact(_FROM, (_contact_point(sender),)),
        Fact(_TO, (_contact_point(sender.other),)),
        Fact(_MADE, (Term(f"{at.en} {time}", f"{at.ja} {time}"),)),
        Fact(_EXCHANGE, (exchange,)),
        Fact(_CONTROL, (control_number,)),
        Fact(_REFERENCE, (reference,)),
    )


def _contact_point(party: Party) -> Term:
    country = terms.PARTIES[party]
    return Term(f"The national contact point of {country.en}", f"{country.ja}の連絡部局")


def _urgency(risk: str) -> tuple[Fact, ...]:
    if not risk:
        return ()
    return (Fact(Term("Urgent: the significant and imminent risk", "緊急：重大かつ急迫した危険の内容"), (risk,)),)


def _authority(authority: Authority) -> Facts:
    """Return the authority at the time of the query: Article 11(2)(3)."""
    said = (
        (Term("Name", "名称"), authority.name),
        (Term("Unit", "部署"), authority.unit),
        (Term("Identifier", "識別番号"), authority.identifier),
        (Term("Jurisdiction", "管轄"), authority.jurisdiction),
    )
    heading = Term("Authority that conducts the prevention, detection or investigation", "防止、探知又は捜査を行う当局")
    return Facts(heading, tuple(Fact(label, (value,)) for label, value in said if value))


def _basis(basis: Basis) -> Facts:
    political = (
        Term("considered a political offence", "認めている。")
        if basis.political
        else Term("not considered a political offence", "認めていない。")
    )
    return Facts(
        Term("Basis", "根拠"),
        (
            Fact(Term("Activity (Art. 2)", "活動の種別（協定第二条）"), (terms.ACTIVITIES[basis.activity],)),
            Fact(Term("The act (Art. 13(2))", "当該行為を政治犯罪と認めるか（協定第十三条２）"), (political,)),
        ),
    )


def _offences(offences: Iterable[Offence]) -> Table:
    return Table(
        Term("Offences (Art. 1(3))", "犯罪（協定第一条３）"),
        (
            Term("Conduct", "行為"),
            Term("Law", "法令"),
            Term("Provision", "罰条"),
            Term("Form", "形態"),
            Term("Maximum penalty", "刑の上限"),
            Term("Annex I", "附属書Ⅰ"),
        ),
        tuple(_offence(each) for each in offences),
    )


def _offence(offence: Offence) -> tuple[Said, ...]:
    provision = offence.citation if offence.form_citation is None else f"{offence.citation}\n{offence.form_citation}"
    category: Said = Term("no category", "該当なし")
    if offence.category is not None:
        category = Term(
            f"({offence.category})", cited(f"Annex I({offence.category})", Language.JA).removeprefix("協定")
        )
    return (
        offence.description,
        terms.PARTIES[offence.law],
        provision,
        terms.FORMS[offence.form],
        terms.penalty(asdict(offence.maximum)),
        category,
    )


def _given(items: Iterable[Item]) -> Table:
    return Table(
        Term("Information provided (Art. 5(2))", "提供する情報（協定第五条２）"),
        (Term("Item", "事項"), Term("Value", "内容"), Term("Note", "備考")),
        tuple((terms.item(each.kind), each.value, each.note) for each in items),
    )


def _conditions(conditions: Iterable[Condition]) -> Table:
    return Table(
        Term("Conditions on its use, which bind whoever accepts (Art. 8(8))", "利用に付す条件（協定第八条８）"),
        (Term("Condition", "条件"), Term("Purposes that it forbids", "禁止する利用の目的")),
        tuple((each.text, _purposes(each.forbids)) for each in conditions),
    )


def _purposes(names: Iterable[str]) -> Term:
    """Return purposes in a row; one that is not known here is quoted as it came."""
    known = [terms.PURPOSES.get(name, Term(name, name)) for name in names]
    if not known:
        return Term("none named", "特定なし")
    return Term("; ".join(each.en for each in known), "、".join(each.ja for each in known))


def _refusals(refusals: Iterable[Refusal]) -> Table:
    """Return what is refused, each with its ground and the reasons, which are told: Articles 5(3)-(5)."""
    whole = Term("the whole request", "要請の全部")
    return Table(
        Term("Refused, with the reasons (Art. 5(5))", "拒否する事項及びその理由（協定第五条５）"),
        (Term("Item", "事項"), Term("Ground", "事由"), Term("Reason", "理由")),
        tuple(
            (whole if each.item is None else terms.item(each.item), terms.GROUNDS[each.ground], each.reason)
            for each in refusals
        ),
    )
