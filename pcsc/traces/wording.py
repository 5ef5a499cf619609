"""Decision traces in English and in Japanese, line by line, for `pcsc why`.

Every line is written in both languages from the coded fields of the trace, so that each language is complete by itself. The
English may quote a reason as the rule gave it. The Japanese keeps to the terms of Act No. 57 of 2014 and of Rules No. 15 and
No. 16 of 2018, and cites the agreement as they do.

A redacted trace has words too: what is not there is not said, and the last line says that it was left out.
"""

# ruff: noqa: RUF001, RUF002 - Japanese has its own digits, brackets and numerals

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pcsc.traces import terms
from pcsc.traces.deciding import Decision
from pcsc.traces.terms import Language, Term

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pcsc.traces.trace import Trace


def words(trace: Trace, language: Language) -> tuple[str, ...]:
    """Return why it was decided so, line by line: what was decided first, then each thing that it rested on."""
    lines = [*_WRITTEN[trace.decision](trace), *_under(trace)]
    return tuple(line.en if language is Language.EN else line.ja for line in lines)


def heading(trace: Trace, language: Language) -> str:
    """Return what was decided and under which clause, in a few words."""
    clause = cited(trace.clause, language)
    if language is Language.EN:
        return f"{trace.decision}, {clause}"
    return f"{terms.DECISIONS[trace.decision]}、{clause}"


# Citations

_ARTICLES: Final = ("", *"一二三四五六七八九十", *("十一", "十二", "十三", "十四", "十五"))
_WIDE: Final = str.maketrans("0123456789()abc", "０１２３４５６７８９（）ａｂｃ")
_ROMAN: Final = {"(i)": "（ⅰ）", "(ii)": "（ⅱ）", "(iii)": "（ⅲ）"}


def cited(clause: str, language: Language) -> str:
    """Return a clause as it is cited in a sentence: "8(5)(1)(a)" is Art. 8(5)(1)(a), or 協定第八条５（１）（ａ）."""
    clause = clause.removeprefix("Art. ")
    if language is Language.EN:
        return clause if clause.startswith("Annex") else f"Art. {clause}"
    return "協定" + "及び".join(_japanese(part) for part in clause.split(", Annex"))


def _japanese(clause: str) -> str:
    """Return one clause as Japanese law cites the agreement, without its name."""
    for annex, numeral in (("II", "Ⅱ"), ("I", "Ⅰ")):
        opening = re.match(rf"(Annex|) ?{annex}(?![A-Z])", clause)
        if opening:
            rest = clause[opening.end() :].strip()
            return f"附属書{numeral}{_points(rest.strip('()') if annex == 'I' else rest)}"
    article, rest = re.fullmatch(r"(\d+)(.*)", clause).groups()  # type: ignore[union-attr]  # every other clause is an article
    # The first point is the paragraph, which is cited without brackets: 5(1) is 第五条１.
    paragraph = re.sub(r"^\((\d+)\)", r"\1", rest)
    return f"第{_ARTICLES[int(article)]}条{_points(paragraph)}"


def _points(text: str) -> str:
    for roman, wide in _ROMAN.items():
        text = text.replace(roman, wide)
    return text.replace(", ", "、").translate(_WIDE)


def _clauses(clause: str) -> tuple[str, str]:
    return cited(clause, Language.EN), cited(clause, Language.JA)


# The decisions


def _under(trace: Trace) -> Iterator[Term]:
    """Say under which versions, and what was left out for the other Party."""
    rules = trace.rules or "none in force yet"
    if trace.arrangement:
        yield Term(
            f"Rules of {rules}; arrangement {trace.arrangement}.",
            f"適用した規則の版は{trace.rules or 'なし（協定の効力発生前）'}、実施取決めの版は{trace.arrangement}である。",
        )
    else:
        yield Term(f"Rules of {rules}.", f"適用した規則の版は{trace.rules or 'なし（協定の効力発生前）'}である。")
    if trace.withheld:
        left_out = [terms.FIELDS.get(name, Term(name, name)) for name in trace.withheld]
        yield Term(
            f"Withheld: {', '.join(each.en for each in left_out)}.",
            f"次の事項は、相手国に示さない。{'、'.join(each.ja for each in left_out)}",
        )


def _verdict(trace: Trace, done: Term, refused: Term) -> Iterator[Term]:
    """Say whether an act was admitted, or which rule forbids it."""
    en, ja = _clauses(trace.clause)
    if trace.outcome["admitted"]:
        yield Term(f"{done.en} under {en}.", f"{ja}の規定により、{done.ja}")
        return
    rule = terms.RULES.get(trace.outcome["code"], terms.ANY_RULE)
    code = trace.outcome["code"]
    yield Term(f"{refused.en} under {en}: {rule.en} ({code}).", f"{ja}の規定により、{refused.ja}{rule.ja}（{code}）")
    if "message" in trace.outcome:
        yield Term(f"As it was said: {trace.outcome['message']}", "理由の全文は、記録の英語文による。")


def _admission(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    yield from _verdict(
        trace,
        Term("The query was admitted", "照会を認めた。"),
        Term("The query was not admitted", "照会を認めなかった。"),
    )
    identified = terms.IDENTIFIED[given["identified"]]
    party, search = terms.PARTIES[given["querying"]], terms.SEARCHES[given["search"]]
    yield Term(
        f"A {search.en} query of {party.en} about {identified.en}, with reason to inquire whether "
        f"the individual {given['expectation']}.",
        f"{party.ja}による、{identified.ja}に係る照会（{search.ja}によるもの）である。"
        f"{terms.EXPECTATIONS[given['expectation']]}か否かについて照会する理由があるとする。",
    )
    yield from _basis(given["basis"])
    yield from _findings(outcome)
    made, allowed = given["made_today"], outcome["allowed"]
    yield Term(
        f"{made} such queries were made that day before it; {allowed} are allowed (Art. 4(7)).",
        f"同日のこれより前の同種の照会は{made}件、認められる件数は{allowed}件である（協定第四条７）。",
    )
    if given.get("circumstances") is not None:
        said, least = given["circumstances"], outcome["circumstances_at_least"]
        yield Term(
            f"The particular circumstances have {said} characters, of at least {least}; {given['said_elsewhere']} queries of "
            "other cases say the same (Art. 4(3)).",
            f"照会の理由となる個別の事情の記載は{said}字（{least}字以上を要する。）、同一の記載がある他の事件の照会は"
            f"{given['said_elsewhere']}件である（協定第四条３）。",
        )
    yield from _terminated(given)


def _view(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    party, identified = terms.PARTIES[given["queried"]], terms.IDENTIFIED[given["identified"]]
    yield Term(
        f"The query relates to {identified.en}; it searched the prints that {party.en} makes available to such a query "
        "(Art. 4(2), Annex II), and no other.",
        f"{identified.ja}に係る照会であり、{party.ja}がこのような照会の利用に供する指紋情報のみを照合の対象とした"
        "（協定第四条２及び附属書Ⅱ）。",
    )
    if "persons" in outcome:
        yield Term(
            f"{outcome['available']} of {outcome['persons']} persons held were made available; the gallery was at revision "
            f"{outcome['revision']}, and the digest of who they were is {outcome['digest']}.",
            f"記録されている{outcome['persons']}人のうち{outcome['available']}人の指紋情報を対象とした。指紋情報の記録の版は"
            f"{outcome['revision']}、対象とした者の要約値は{outcome['digest']}である。",
        )
    if outcome.get("standing") is not None:
        yield from _standing(given["standing"], outcome)


def _standing(person: Mapping[str, Any], outcome: Mapping[str, Any]) -> Iterator[Term]:
    """Say why the person who matched was in view, or was not."""
    found, age = outcome["standing"], outcome["asked"]["age_of_adult"]
    en, ja = _clauses(found["clause"])
    is_available = found["available"]
    why = terms.CLASSES[found["clause"], is_available].format(age=age)
    verdict = Term(
        "is made available" if is_available else "is not made available",
        "照合の対象とした。" if is_available else "照合の対象としなかった。",
    )
    yield Term(
        f"The person who matched {verdict.en} under {en}: {found['reason']}",
        f"一致した者は、{ja}の規定により、{verdict.ja}{why}",
    )
    years = person["age"]
    yield Term(
        f"On the day of the query the person was {'of unknown age' if years is None else f'{years} years old'}; an adult is "
        f"{age} or over on the day of the {outcome['asked']['age_reference']}.",
        f"照会の日における年齢は{'不明' if years is None else f'{years}歳'}である。{age}歳以上であるか否かは、"
        f"{terms.AGE_REFERENCES[outcome['asked']['age_reference']].ja}の日によって判断する。",
    )
    for case in person["cases"]:
        disposition, day = terms.DISPOSITIONS[case["disposition"]], case["arrested_on"]
        old = case["age"]
        yield Term(
            f"A case: {disposition.en}; {'no arrest' if day is None else f'arrested on {day}'}"
            f"{'' if old is None else f', at {old}'}.",
            f"事件：{disposition.ja}。{'身体の拘束なし' if day is None else f'身体の拘束は{day}'}"
            f"{'' if old is None else f'（当時{old}歳）'}。",
        )


def _request(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    yield from _verdict(
        trace,
        Term("The request for further information was admitted", "追加の情報の提供の要請を認めた。"),
        Term("The request for further information was not admitted", "追加の情報の提供の要請を認めなかった。"),
    )
    items, party = terms.items(given["items"]), terms.PARTIES[given["querying"]]
    yield Term(
        f"{_first(party.en)} asks for {items.en}.",
        f"{party.ja}が要請した事項は、{items.ja}である。",
    )
    yield Term(
        "It cites the reference number of the match."
        if given["of_this_match"]
        else "It cites no match of this exchange.",
        "一致した旨の回答に付された番号が示されている。"
        if given["of_this_match"]
        else "一致した旨の回答に付された番号が示されていない。",
    )
    yield from _basis(given["basis"])
    yield from _findings(outcome)
    if "state" in given:
        state = terms.STATES[given["state"]]
        yield Term(f"The exchange was at '{given['state']}'.", f"要請の時における手続の段階は「{state}」であった。")
    if given.get("risk") is not None:
        yield Term(
            f"It is to be urgent; the risk is stated in {given['risk']} characters.",
            f"緊急の要請であり、危険の記載は{given['risk']}字である。",
        )
    yield from _terminated(given)


def _provision_without_request(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    yield from _verdict(
        trace,
        Term("Information without request was admitted", "要請によらない情報の提供を認めた。"),
        Term("Information without request was not admitted", "要請によらない情報の提供を認めなかった。"),
    )
    party, expected = terms.PARTIES[given["providing"]], terms.BELIEFS[given["expectation"]]
    items = terms.items(given["given"] or given["offered"])
    yield Term(
        f"{_first(party.en)} {'gives' if given['given'] else 'offers'} {items.en}, with reason to believe that {expected.en}.",
        f"{party.ja}が、{items.ja}を{'提供する' if given['given'] else '条件を付して提供することを申し出る'}ものであり、"
        f"{expected.ja}と信ずるに足りる理由があるとする。",
    )
    yield from _conditions(given["conditions"])
    yield from _basis(given["basis"])
    yield from _findings(outcome)
    if given.get("said_elsewhere"):
        yield Term(
            f"{given['said_elsewhere']} provisions of other cases give the same reason word for word.",
            f"同一の理由が記載された他の事件の提供は{given['said_elsewhere']}件である。",
        )
    yield from _terminated(given)


def _reply(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    yield from _verdict(
        trace,
        Term("The request was answered", "要請に対し回答した。"),
        Term("The reply was not admitted", "要請に対する回答を認めなかった。"),
    )
    for kind, item in outcome["items"].items():
        became, grounds = terms.BECAME[item["became"]], [terms.GROUNDS[ground] for ground in item["grounds"]]
        name = terms.item(kind)
        why = Term(
            f": {'; '.join(ground.en for ground in grounds)}" if grounds else "",
            "".join(f"{ground.ja}ためである。" for ground in grounds),
        )
        yield Term(f"{_first(name.en)}: {became.en}{why.en}.", f"{name.ja}：{became.ja}{why.ja}")
    yield from _conditions(given["conditions"])
    if given.get("available") is not None:
        items = terms.items(given["available"])
        yield Term(
            f"Available at the time of receipt of the request (Art. 5(2)): {items.en}.",
            f"要請があった時に現に記録されていた事項は、{items.ja}である（協定第五条２）。",
        )
    if given.get("decided_by"):
        yield Term(f"Decided by {given['decided_by']}.", f"決定者は{given['decided_by']}である。")
    yield from _terminated(given)


def _refusal(trace: Trace) -> Iterator[Term]:
    given = trace.inputs
    en, ja = _clauses(trace.clause)
    rule = terms.RULES.get(given["code"], terms.ANY_RULE)
    yield Term(
        f"The message ({given['message']}) was not accepted under {en}: {rule.en} ({given['code']}).",
        f"{ja}の規定により、受領した通信（{_message(given['message'])}）を認めなかった。{rule.ja}（{given['code']}）",
    )


def _message(kind: str) -> str:
    """Return the kind of a message, by the name of its event or of its body; one that is not known stays as it is."""
    return terms.MESSAGES.get(kind.replace(" ", "-"), kind)


def _deletion(trace: Trace) -> Iterator[Term]:
    given = trace.inputs
    en, ja = _clauses(trace.clause)
    kind, side = terms.CONTENTS[given["kind"]], terms.SIDES[given["side"]]
    what = f"{_first(kind.en)} on the {side.en} side"
    if trace.outcome["destroyed"]:
        yield Term(
            f"{what}: destroyed under {en}; the exchange, as it stands, lets nobody hold it any more.",
            f"{side.ja}側の{kind.ja}については、{ja}の規定により、もはや保持することができないため削除した。",
        )
    else:
        yield Term(
            f"{what}: held, since the exchange, as it stands, permits it ({en}).",
            f"{side.ja}側の{kind.ja}については、現在の段階において保持することができる（{ja}）。",
        )
    if "state" in given:
        yield Term(
            f"The exchange was at '{given['state']}'.", f"手続の段階は「{terms.STATES[given['state']]}」であった。"
        )
    for name, line in terms.HOLDING.items():
        if given.get(name):
            yield line


def _use(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    en, ja = _clauses(trace.clause)
    purpose, party = terms.PURPOSES[given["purpose"]], terms.PARTIES[given["by"]]
    allowed = outcome["allowed"]
    rest = f": {outcome['reason'].removesuffix('.')}" if "reason" in outcome else ""
    yield Term(
        f"Use by {party.en} for {purpose.en} was {'allowed' if allowed else 'not allowed'} under {en}{rest}.",
        f"{ja}の規定により、{party.ja}による「{purpose.ja}」のための利用を{'認めた' if allowed else '認めなかった'}。"
        f"{terms.GATES[trace.clause, allowed]}",
    )
    if "political" in given:
        yield _political(considered=given["political"])
    if given.get("offences"):
        yield from _offences(given["offences"])
    if outcome.get("finding") is not None:
        yield from _findings({"findings": {"8": outcome["finding"]}, "asked": outcome["asked"]})
    yield from _information(given.get("information"))


def _release(trace: Trace) -> Iterator[Term]:
    given, outcome = trace.inputs, trace.outcome
    en, ja = _clauses(trace.clause)
    recipient, party, allowed = terms.RECIPIENTS[given["recipient"]], terms.PARTIES[given["by"]], outcome["allowed"]
    rest = f": {outcome['reason']}" if "reason" in outcome else ""
    if trace.clause == "8(5)":
        why = terms.RELEASES["own"]
    elif trace.clause != "8(7)":
        why = terms.GATES[trace.clause, allowed]
    elif given.get("law", "").strip():
        why = terms.RELEASES["law"]
    elif not allowed:
        why = terms.RELEASES["refused"]
    else:
        why = terms.RELEASES["consented"] if "information" in given else ""
    yield Term(
        f"Release by {party.en} to {recipient.en} was {'allowed' if allowed else 'not allowed'} under {en}{rest}.",
        f"{ja}の規定により、{party.ja}による{recipient.ja}に対する開示を{'認めた' if allowed else '認めなかった'}。"
        f"{why}",
    )
    if given.get("law", "").strip():
        yield Term(
            f"The law that obliges to disclose: {given['law'].strip()}.",
            f"開示の義務を定める法令は、{given['law'].strip()}である。協定第八条７は、当該義務に影響を及ぼさない。",
        )
    yield from _information(given.get("information"))


_WRITTEN: Final[Mapping[Decision, Callable[[Trace], Iterator[Term]]]] = {
    Decision.ADMISSION: _admission,
    Decision.VIEW: _view,
    Decision.REQUEST: _request,
    Decision.PROVISION_WITHOUT_REQUEST: _provision_without_request,
    Decision.REPLY: _reply,
    Decision.REFUSAL: _refusal,
    Decision.DELETION: _deletion,
    Decision.USE: _use,
    Decision.RELEASE: _release,
}


# What several decisions rest on


def _basis(basis: Mapping[str, Any]) -> Iterator[Term]:
    activity = terms.ACTIVITIES[basis["activity"]]
    yield Term(f"It is for {activity.en} of serious crime.", f"重大な犯罪の{activity.ja}を目的とする。")
    yield _political(considered=basis["political"])
    yield from _offences(basis["offences"])


def _first(text: str) -> str:
    """Return a text as it begins a sentence."""
    return text[0].upper() + text[1:]


def _political(*, considered: bool) -> Term:
    return Term(
        f"The acting Party {'considers' if considered else 'does not consider'} the act a political offence (Art. 13(2)).",
        f"当該行為を政治犯罪であると{'認めている' if considered else '認めていない'}（協定第十三条２）。",
    )


def _offences(offences: Sequence[Mapping[str, Any]]) -> Iterator[Term]:
    for each in offences:
        party, form, penalty = terms.PARTIES[each["law"]], terms.FORMS[each["form"]], terms.penalty(each["maximum"])
        cited_ = each["citation"] + (f" / {each['form_citation']}" if each["form_citation"] else "")
        category = each["category"]
        listed = Term(
            "no category of Annex I" if category is None else f"Annex I({category})",
            "附属書Ⅰのいずれの区分にも該当しない。"
            if category is None
            else f"{cited(f'Annex I({category})', Language.JA)}に該当する。",
        )
        yield Term(
            f"Offence: {cited_} (law of {party.en}; {form.en}; {listed.en}), maximum {penalty.en}.",
            f"犯罪：{cited_}（{party.ja}の法令）。{form.ja}。刑の上限は{penalty.ja}。{listed.ja}",
        )


def _findings(outcome: Mapping[str, Any]) -> Iterator[Term]:
    """Say what Article 1(3) says of the offences, for each article that asks."""
    asked = outcome["asked"]
    for article, found in outcome["findings"].items():
        en, ja = _clauses(found["clause"])
        if found["serious"]:
            whose = terms.PARTIES[found["law"]]
            yield Term(
                f"Serious crime for Article {article} ({en}): {found['reason']}",
                f"協定第{_ARTICLES[int(article)]}条の適用上、{whose.ja}の法令により、重大な犯罪に該当する（{ja}）。"
                f"{_threshold(found['branch'], asked)}",
            )
        else:
            yield Term(
                f"No serious crime for Article {article} ({en}): {found['reason']}",
                f"協定第{_ARTICLES[int(article)]}条の適用上、重大な犯罪に該当しない（{ja}）。{_threshold('annex-i', asked)}"
                f"{_threshold('three-years', asked)}{_ACTING_LAW if int(article) in {4, 8} else ''}",
            )


_ACTING_LAW: Final = "この場合においては、照会又は利用を行う締約国の法令のみによって判断する。"


def _threshold(branch: str, asked: Mapping[str, Any]) -> str:
    """Say in Japanese what a limb of Article 1(3) asks."""
    if branch == "annex-i":
        term = terms.term(asked["more_than_months"])
        return f"附属書Ⅰに掲げる行為については、死刑、無期又は長期{term.ja}を超える自由をはく奪する刑に当たることを要する。"
    term = terms.term(asked["at_least_months"])
    return f"その他の行為については、死刑、無期又は長期{term.ja}以上の自由をはく奪する刑に当たることを要する。"


def _conditions(conditions: Sequence[Sequence[str]]) -> Iterator[Term]:
    for at, forbids in enumerate(conditions, 1):
        purposes = [terms.PURPOSES[each] for each in forbids if each in terms.PURPOSES]
        yield Term(
            f"Condition {at} forbids {', '.join(each.en for each in purposes) or 'no purpose by name'} (Art. 8(8)).",
            f"条件{at}：{'、'.join(f'「{each.ja}」' for each in purposes)}のための利用を禁ずる（協定第八条８）。"
            if purposes
            else f"条件{at}：特定の目的のための利用を禁ずるものではない（協定第八条８）。",
        )


def _information(information: Mapping[str, Any] | None) -> Iterator[Term]:
    """Say what the information is, as far as its use depends on it."""
    if information is None:
        return
    yield Term(
        f"It was provided under Article {information['article']}.",
        f"協定第{_ARTICLES[information['article']]}条の規定により提供された情報である。",
    )
    yield from _conditions(information["conditions"])
    for name, line in terms.INFORMATION.items():
        if information[name] == (name == "restricted"):
            yield line
    for consent in information["consents"]:
        same = consent["same"]
        yield Term(
            f"Consent under Art. {consent['to']} of {consent['given_at']}, to {'this' if same else 'something else'}.",
            f"{cited(consent['to'], Language.JA)}の規定による同意（{consent['given_at']}）は、"
            f"{'本件に係るものである' if same else '他の件に係るものである'}。",
        )


def _terminated(given: Mapping[str, Any]) -> Iterator[Term]:
    notice = given.get("termination")
    if notice is not None:
        party = terms.PARTIES[notice["given_by"]]
        yield Term(
            f"{_first(party.en)} gave notice of termination ({notice['note']}) on {notice['received_on']} (Art. 15(4)).",
            f"{party.ja}による終了の通告（{notice['note']}）が{notice['received_on']}に受領されている（協定第十五条４）。",
        )
