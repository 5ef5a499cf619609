"""The terms in which a decision is told: every coded value in English and in Japanese.

The Japanese terms are those of Act No. 57 of 2014 and of Rules No. 15 and No. 16 of 2018 where these have one, such as 照会,
回答, 指紋情報, 開示 and 同意, and otherwise those of the Code of Criminal Procedure. What follows a colon in English is a whole
sentence in Japanese.
"""

# ruff: noqa: RUF001 - Japanese has its own brackets

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Language(StrEnum):
    """The two languages of the agreement, both equally authentic."""

    EN = "en"
    JA = "ja"


class Term(NamedTuple):
    """A term, or a sentence, in both languages."""

    en: str
    ja: str


DECISIONS: Final = {
    "admission": "照会を認めるか否かの決定",
    "view": "照合の対象とする指紋情報の範囲の決定",
    "request": "追加の情報の提供の要請を認めるか否かの決定",
    "provision without request": "要請によらない情報の提供を認めるか否かの決定",
    "reply": "要請に対する回答の決定",
    "refusal": "受領した通信を認めない決定",
    "deletion": "削除の決定",
    "use": "利用を認めるか否かの決定",
    "release": "開示を認めるか否かの決定",
}
"""What is decided, in Japanese."""
PARTIES: Final = {"JP": Term("Japan", "日本国"), "US": Term("the United States", "アメリカ合衆国")}
SIDES: Final = {"querying": Term("querying", "照会を行う"), "queried": Term("queried", "照会を受ける")}
IDENTIFIED: Final = {
    True: Term("an identified individual", "識別されている特定の者"),
    False: Term("an unidentified individual", "識別されていない特定の者"),
}
SEARCHES: Final = {
    "tenprint": Term("tenprint", "人から採取された指紋"),
    "latent": Term("latent", "現場に遺留された指紋"),
}
ACTIVITIES: Final = {
    "prevention": Term("prevention", "防止"),
    "detection": Term("detection", "探知"),
    "investigation": Term("investigation", "捜査"),
}
EXPECTATIONS: Final = {
    "will commit a serious crime": "その者が重大な犯罪を行う",
    "has committed a serious crime": "その者が重大な犯罪を行った",
}
"""What there is reason to inquire, in Japanese: Article 4(3)."""
BELIEFS: Final = {
    "will commit a serious crime": Term("a serious crime will be committed", "重大な犯罪が行われる"),
    "has committed a serious crime": Term("a serious crime has been committed", "重大な犯罪が行われた"),
}
"""What there is reason to believe: Article 6."""
FORMS: Final = {
    "completed": Term("completed", "既遂"),
    "attempt": Term("attempt", "未遂"),
    "conspiracy": Term("conspiracy", "共謀"),
    "assistance": Term("assistance", "ほう助"),
    "solicitation": Term("solicitation", "教唆"),
    "preparation": Term("preparation", "予備"),
    "participation": Term("participation", "参加"),
}
STATES: Final = {
    "sent": "照会済み（回答前）",
    "no match": "一致しない旨の回答",
    "match": "一致した旨の回答",
    "examined": "指紋の対照済み",
    "no request": "追加の情報の提供を要請しない旨の決定",
    "will request": "追加の情報の提供を要請する旨の決定",
    "requested": "追加の情報の提供の要請済み",
    "offered": "条件を付した提供の申出",
    "provided": "提供済み",
    "refused": "要請の拒否",
    "declined": "提供の辞退",
    "lapsed": "保持の期間の満了",
    "open": "継続中",
    "closed": "終結",
}
CONTENTS: Final = {
    "probe": Term("the prints of the query", "照会に係る指紋情報"),
    "candidate": Term("the matching prints", "回答に添えられた指紋情報"),
    "picture": Term("the picture of the matching prints", "回答に添えられた指紋情報の画像"),
    "analysis": Term(
        "what an examiner marked in the prints of the query", "照会に係る指紋情報に鑑定の担当者が付した印"
    ),
    "opinion": Term("what an examiner concluded", "鑑定の担当者の結論"),
    "answer": Term("the answer as it was given", "回答の写し"),
    "snapshot": Term("what was available when the request came", "要請があった時に現に記録されていた情報の写し"),
    "information": Term("the information that was provided", "提供を受けた情報"),
    "printout": Term("the provided information as it was printed", "提供を受けた情報を印刷した文書"),
    "notification": Term("the written notification", "書面による通報"),
    "circumstances": Term("the particular circumstances", "照会の理由となる個別の事情の記載"),
    "correspondence": Term("the correspondence", "往復した文書"),
    "result": Term("the result of use", "利用の結果"),
    "message": Term("the message on its way", "送信前の通信"),
    "receipt": Term("the receipt", "受領の確認"),
    "receipt of deletion": Term("the receipt of deletion", "削除の確認"),
}
HOLDING: Final = {
    "responded": Term("A request was replied to.", "追加の情報の提供の要請に対し、既に回答している。"),
    "prints_restricted": Term(
        "The prints are incorrect or unreliable (Art. 10).",
        "当該指紋情報は、正確でなく、又は信頼できない（協定第十条）。",
    ),
    "asked": Term(
        "Something was asked or notified beside the life of the exchange.",
        "本手続に関し、照会等又は通報が別に行われている。",
    ),
    "needed": Term(
        "A purpose is open for which provided information is held.", "提供を受けた情報の保持を必要とする目的がある。"
    ),
    "hold_ended": Term(
        "The hold of received prints had ended.", "受領した指紋情報を保持することができる期間は、既に終了している。"
    ),
}
"""What is said of an exchange where it is so."""
BECAME: Final = {
    "given": Term("given", "提供した。"),
    "offered": Term("offered under conditions", "条件を付して提供することを申し出た。"),
    "withheld": Term("withheld", "提供しなかった。"),
}
GROUNDS: Final = {
    "law": Term("the law of the requested Party does not allow it", "要請を受けた国の法令が提供を認めない"),
    "not-available": Term("it was not there at the time of receipt", "要請があった時に現に記録されていない"),
    "not-relevant": Term(
        "it is not relevant to the notified purpose", "要請の目的に照らして必要かつ適当であると認められない"
    ),
    "political-offence": Term("it relates to a political offence", "政治犯罪に係るものである"),
    "must-be-governed": Term("it must be governed by another agreement", "他の国際約束によらなければならない"),
    "other-channel": Term("another channel is available", "他の国際約束又は法執行に関する協力による要請が可能である"),
    "no-offence-here": Term("the conduct is no offence here", "要請を受けた国の法令によれば犯罪とならない"),
}
PURPOSES: Final = {
    "determination": Term("the determination whether to request", "追加の情報の提供を要請するか否かの決定"),
    "notified": Term("the notified purpose", "書面により通報した要請の目的"),
    "serious-crime": Term("the investigation of serious crime", "重大な犯罪の捜査"),
    "public-security": Term(
        "the prevention of a serious threat to public security", "公共の安全に対する重大な脅威の防止"
    ),
    "immigration": Term("an immigration-related purpose", "出入国管理に関する目的"),
    "review": Term("the review of the implementation", "協定の実施についての検討"),
    "other": Term("another purpose", "その他の目的"),
}
RECIPIENTS: Final = {
    "authority of our own Party": Term("an authority of its own", "自国の当局"),
    "third State": Term("a third State", "第三国"),
    "international body": Term("an international body", "国際機関"),
    "private entity": Term("a private entity", "民間の団体"),
    "private person": Term("a private person", "私人"),
}
INFORMATION: Final = {
    "accepted": Term(
        "Its conditions were not accepted (Art. 8(8)).", "付された条件は、受け入れられていない（協定第八条８）。"
    ),
    "restricted": Term(
        "It is incorrect or unreliable (Art. 10(2)).", "当該情報は、正確でなく、又は信頼できない（協定第十条２）。"
    ),
}
"""What is said of information whose conditions were not accepted, and of information that is restricted."""
GATES: Final = {
    ("13(2)", False): "利用する国が当該行為を政治犯罪と認めているためである。",
    ("8(3)", True): "照会の結果は、この目的のためにのみ利用することができる。",
    (
        "8(3)",
        False,
    ): "照会の結果は、追加の情報の提供を要請するか否かを決定するためにのみ利用することができるものである。",
    ("8(6)", True): "利用の結果に関する情報は、この目的のためにのみ利用することができる。",
    ("8(6)", False): "利用の結果に関する情報は、協定の実施について検討するためにのみ利用することができるものである。",
    ("10(2)", False): "当該情報が正確でなく、又は信頼できないものであり、開示しないこととされているためである。",
    ("8(8)", False): "付された条件が当該利用を禁じ、又は条件が受け入れられていないためである。",
    ("8(5)(2)", True): "相手国があらかじめ書面により同意している。",
    ("8(5)(2)", False): "相手国の書面による事前の同意がないためである。",
    (
        "8(5)",
        False,
    ): "要請によらずに提供された情報は、重大な犯罪に係る場合又は同意がある場合に限り利用することができるものである。",
    ("5(1)", True): "書面により通報した要請の目的のための利用である。",
    ("6", True): "情報が提供された目的のための利用である。",
    ("1(3)", False): "当該行為が重大な犯罪に該当しないためである。",
    ("8(5)(1)(a)", True): "重大な犯罪の捜査のための利用である。",
    ("8(5)(1)(b)", True): "利用する国の公共の安全に対する重大な脅威を防止するための利用である。",
    ("8(5)(1)(c)", True): "出入国管理に関する目的のための利用である。",
}
"""Why a use or a release was allowed, or was not, by its clause: in Japanese; the rule itself says it in English."""
RELEASES: Final = {
    "law": "法令に基づく開示の義務があるためである。",
    "own": "自国の当局は、当該情報を目的を示して自ら利用するものであり、その利用を認めることを別に求めることを要する。",
    "consented": "相手国があらかじめ書面により同意している。",
    "refused": "相手国の書面による事前の同意がないためである。",
}
"""The same for a release under Article 8(7)."""

# Annex II

DISPOSITIONS: Final = {
    "pending": Term("neither prosecuted nor disposed of", "公訴の提起又は公訴を提起しない処分のいずれをも受けていない"),
    "prosecuted": Term("before a court", "現に被告人である"),
    "convicted_final": Term("convicted and sentenced by a final judgment", "刑に処せられた"),
    "convicted_not_final": Term("convicted, the judgment is not final", "有罪の判決を受けたが、確定していない"),
    "acquitted": Term("acquitted by a final judgment", "無罪の判決が確定した"),
    "non_prosecution_art_248": Term(
        "not prosecuted under Article 248 of the Code of Criminal Procedure",
        "刑事訴訟法第二百四十八条の規定により公訴を提起しない処分を受けた",
    ),
    "non_prosecution_other": Term("not prosecuted on another ground", "その他の理由により公訴を提起しない処分を受けた"),
    "petty": Term(
        "a petty crime, not sent to the prosecutor",
        "刑事訴訟法第二百四十六条ただし書の規定により検察官に送致されなかった",
    ),
    "juvenile_non_criminal": Term(
        "ended in non-criminal proceedings relating to minors",
        "少年法の規定による決定を受けた（刑事手続によらずに終了した）",
    ),
}
AGE_REFERENCES: Final = {"query": Term("query", "照会"), "arrest": Term("arrest", "身体の拘束")}
CLASSES: Final = {
    ("Annex II 1(1)(a)", True): "法令に違反して刑に処せられたことのある者である。",
    (
        "Annex II 1(1)(b)(i)",
        True,
    ): "身体の拘束を受けたことのある{age}歳以上の者であって、当該事件について現に被告人である者である。",
    (
        "Annex II 1(1)(b)(ii)",
        True,
    ): "身体の拘束を受けたことのある{age}歳以上の者であって、当該事件について刑事訴訟法第二百四十八条の"
    "規定により公訴を提起しない処分を受けた者である。",
    (
        "Annex II 1(1)(b)(iii)",
        True,
    ): "身体の拘束を受けたことのある{age}歳以上の者であって、当該事件について公訴の提起又は公訴を提起しない"
    "処分のいずれをも受けていない者である。",
    ("Annex II 1(1)(c)", True): "逮捕状が発せられ、指名手配が行われている{age}歳以上の者である。",
    ("Annex II 1(2)", True): "識別されていない者に係る照会であり、人から採取された指紋である。",
    ("Annex II 1", False): "人から採取された指紋でないか、又は重大な犯罪に係る照合に用いる記録に含まれないものである。",
    ("Annex II 1(1)(b), (c)", False): "身体の拘束又は指名手配の事実はあるが、{age}歳以上であることが認められない。",
    (
        "Annex II 1(1)(b)",
        False,
    ): "身体の拘束によらずに指紋が採取されたか、又は刑事訴訟法第二百四十八条以外の理由により公訴を提起しない処分を"
    "受けた者である。",
    (
        "Annex II 1(1)(b)(iii)",
        False,
    ): "刑事訴訟法第二百四十六条ただし書の規定により検察官に送致されなかった者であるか、又は少年法の規定による"
    "決定を受けた者である。",
    (
        "Annex II 1(1)",
        False,
    ): "無罪の判決が確定した者であるか、又は（ａ）から（ｃ）までのいずれの区分にも該当しない者である。",
    ("Annex II 2", True): "重大な犯罪に係る照合に用いる記録に含まれる指紋であり、当該記録は全て利用に供される。",
    ("Annex II 2", False): "重大な犯罪に係る照合に用いる記録に含まれないものであるか、又は現場に遺留された指紋である。",
    ("Annex II 2(1)", True): "有罪とされた者である。",
    ("Annex II 2(4)", True): "テロリストであると知られ、又は疑われる者である。",
}
"""The classes of Annex II, and what keeps a person out of them, by the clause and whether the prints are made available."""

# What a message can be refused for

RULES: Final = {
    "3-3.WRONG_PARTY": Term("it speaks for, or to, the wrong Party", "通信の当事者である国が正しくない。"),
    "1-3.NOT_SERIOUS": Term("the conduct is not serious crime", "対象となる行為が重大な犯罪に該当しない。"),
    "2.PURPOSE": Term(
        "its purpose is not that of the agreement", "重大な犯罪の防止、探知又は捜査を目的とするものでない。"
    ),
    "4-3.NO_CIRCUMSTANCES": Term(
        "no particular circumstances give reason to inquire", "照会の理由となる個別の事情が示されていない。"
    ),
    "4-3.BULK": Term("a query is about one individual", "照会は、一の者について行うものである。"),
    "4-3.DUPLICATE_TEXT": Term(
        "the particular circumstances are those of another case",
        "照会の理由となる個別の事情の記載が他の事件のものと同一である。",
    ),
    "4-1.OUTAGE": Term("the times of an outage are not right", "停止の開始又は終了の時刻が正しくない。"),
    "4-1.UNAVAILABLE": Term(
        "the contact point is announced to be out of service", "連絡部局の業務の停止が通知されている。"
    ),
    "4-4.QUALITY": Term("the print cannot be compared", "指紋情報が照合に堪えない。一致しない旨の回答ではない。"),
    "4-4.TECH": Term(
        "no answer could be given", "技術上の理由により回答することができない。一致しない旨の回答ではない。"
    ),
    "4-5.NO_PRINTS": Term("the fingerprint data are missing", "指紋情報が添えられていない。"),
    "4-6.NOT_A_MATCH": Term(
        "no explanation follows such an answer",
        "説明の要請は、一致した旨の回答に係る照会についてのみ行うことができる。",
    ),
    "4-6.FOLLOWED": Term(
        "a request followed the match, or still may", "追加の情報の提供の要請が行われたか、又はなお行われ得る。"
    ),
    "4-6.NO_EXPLANATION": Term("it explains no purpose", "照会の目的が説明されていない。"),
    "4-7.NO_ARRANGEMENT": Term("no arrangement is in force", "適用すべき実施取決めがない。"),
    "4-7.SEARCH": Term("the prints are not of the announced type of search", "指紋が申告された照会の種別に属しない。"),
    "4-7.QUOTA": Term("the number of queries of the day is used up", "一日に行うことができる照会の件数を超えている。"),
    "5-1.NO_MATCH": Term(
        "further information follows a match",
        "追加の情報の提供の要請は、一致した旨の回答があった場合に限り行うことができる。",
    ),
    "5-1.UNCONFIRMED": Term("the match is not confirmed", "指紋の一致が確認されていない。"),
    "5-1.NO_NOTIFICATION": Term("the written notification is not complete", "書面による通報に不備がある。"),
    "5-2.FIELD_NOT_ALLOWED": Term("an item may not be given", "提供することができない事項が含まれている。"),
    "5-3.DUAL_CRIMINALITY_FORBIDDEN": Term(
        "that the conduct is no offence here is no ground",
        "自国の法令により犯罪とならないことを理由として拒否することはできない。",
    ),
    "5-4.SOLE_GROUND": Term(
        "another channel is no ground alone",
        "他の国際約束等による要請が可能であることのみを理由として拒否することはできない。",
    ),
    "5-5.NO_REASON": Term("a refusal informs of its reasons", "拒否の理由が示されていない。"),
    "6.NO_REASON": Term(
        "no reason to believe in a serious crime is given",
        "重大な犯罪が行われ、又は行われることとなると信ずるに足りる理由が示されていない。",
    ),
    "6.BULK": Term("it is about no individual case", "個別の事件に係る提供でない。"),
    "7.NOT_PROVIDED_BY_YOU": Term(
        "results are told of information provided, to the provider",
        "利用の結果の通報は、情報を提供した国に対し、当該情報について行うものである。",
    ),
    "8-5.USE": Term("the information may not be used so", "当該情報をその目的のために利用することはできない。"),
    "8-5.NO_CONSENT": Term("there is no consent in writing", "書面による事前の同意がない。"),
    "8-7.THIRD_PARTY": Term(
        "it may not be released to them", "相手国の書面による事前の同意なしに開示することはできない。"
    ),
    "8-8.NOT_ACCEPTED": Term(
        "its conditions are not in order, or not accepted", "条件が適当でないか、又は受け入れられていない。"
    ),
    "8-9.NO_PURPOSE": Term("no purpose needs the information", "情報の保持を必要とする目的がない。"),
    "9.BREACH": Term("the notice of a breach is not complete", "情報の保護に係る通報に不備がある。"),
    "10-1.NO_NOTICE": Term("the notice does not say what is wrong", "正確でない情報に係る通報に不備がある。"),
    "10-2.RESTRICTED": Term("it is incorrect or unreliable", "正確でなく、又は信頼できない情報であり、開示しない。"),
    "11-2.NO_AUTHORITY": Term("no authority is identified", "防止、探知又は捜査を行う当局が特定されていない。"),
    "11-1.UNRECORDED": Term("it cannot be recorded", "記録を作成することができない。"),
    "13-2.POLITICAL": Term("the act is considered a political offence", "当該行為が政治犯罪と認められている。"),
    "14-1.NO_MATTER": Term("the consultations are about nothing", "協議の対象となる事項が示されていない。"),
    "15-1.NOT_IN_FORCE": Term("nothing of it is in force on that day", "その日において効力を有していない。"),
    "15-4.TERMINATED": Term("the agreement has ended", "協定は終了している。"),
    "3-4.OUT_OF_ORDER": Term("it does not follow the step before", "手続の順序に反する。"),
    "3-4.NUMBER_REUSED": Term("its number came with another content", "同一の番号により異なる内容の通信が行われた。"),
}
"""The rules by their codes."""
ANY_RULE: Final = Term("the rule of that code forbids it", "当該符号の規則に反する。")

MESSAGES: Final = {
    "query": "照会",
    "match": "一致した旨の回答",
    "no-match": "一致しない旨の回答",
    "determination": "要請するか否かの決定の通報",
    "request": "追加の情報の提供の要請",
    "reply": "要請に対する回答",
    "acceptance": "条件の受入れ",
    "provision": "情報の提供",
    "provision-without-request": "要請によらない情報の提供",
    "explanation-request": "説明の要請",
    "explanation": "照会の目的についての説明",
    "result-request": "利用の結果の通報の要請",
    "result-of-use": "利用の結果の通報",
    "consent-request": "同意の要請",
    "consent-decision": "同意をするかどうかの決定の通知",
    "correction-notice": "正確でない情報に係る通報",
    "breach-notice": "情報の保護に係る通報",
    "consultation": "協議の要請",
    "receipt": "受領の確認",
}
"""The kinds of messages, in Japanese."""

_ITEMS: Final = {
    "name": "氏名",
    "aliases": "別名",
    "date of birth": "生年月日",
    "place of birth": "出生地",
    "sex": "性別",
    "height or weight": "身長又は体重",
    "history of criminal dispositions": "刑事の処分の経歴",
    "date and circumstances of fingerprinting": "指紋の採取に関する事項",
}

ACTS: Final = {
    "capacity-answer": "回答の可否及び時期の通知",
    "outage-notice": "業務の停止の通知",
    "examination": "指紋の対照",
    "analysis": "照会に係る指紋の分析",
    "opinion": "指紋の対照についての意見",
    "picture": "指紋の画像の作成",
    "deletion": "削除",
    "lapse": "保持の期間の満了",
    "measure": "正確でない情報についての措置",
    "not-accepted": "受領した通信の不受理",
    "use": "利用の求め",
    "release": "開示の求め",
    "end-of-purpose": "目的の終了",
    "review": "保持の必要性の検討",
    "urgency-review": "緊急性の検討",
    "late-request": "期間経過後の要請",
    "late-notice": "期間経過後の通知",
    "legal-hold": "法令に基づく記録の保存",
    "report": "報告",
    "result": "利用の結果の記入",
    "closing": "終結",
}
"""What the record holds besides messages that are told of a decision, in Japanese."""
DIRECTIONS: Final = {
    "provided": Term("provided", "提供"),
    "received": Term("received", "受領"),
    "act": Term("our act", "当方の行為"),
}


def event(name: str) -> Term:
    """Return what an entry of the record is about; one that is not known here is quoted as it stands there."""
    key = name.replace(" ", "-")
    return Term(name, MESSAGES.get(key) or ACTS.get(key) or f"「{name}」")


FIELDS: Final = {
    "inputs.circumstances": Term("length of the circumstances", "個別の事情の記載の字数"),
    "inputs.said_elsewhere": Term("other cases that say the same", "同一の記載がある他の事件の件数"),
    "inputs.standing": Term("standing of any person", "対象者に係る事項"),
    "inputs.state": Term("state of the exchange", "手続の段階"),
    "inputs.risk": Term("length of the stated risk", "危険の記載の字数"),
    "inputs.available": Term("what was available", "現に記録されていた事項"),
    "inputs.decided_by": Term("who decided", "決定者"),
    "inputs.responded": Term("whether a request was replied to", "回答の有無"),
    "inputs.prints_restricted": Term("whether prints are restricted", "指紋情報の正確性に係る事項"),
    "inputs.asked": Term("whether anything was asked", "別の照会等の有無"),
    "inputs.needed": Term("whether a purpose is open", "保持を必要とする目的の有無"),
    "inputs.hold_ended": Term("whether the hold had ended", "保持の期間の終了の有無"),
    "inputs.information": Term("what binds the information", "情報に付された条件等"),
    "inputs.political": Term("the declaration of Art. 13(2)", "政治犯罪に係る申告"),
    "inputs.offences": Term("the offences", "犯罪"),
    "inputs.stated": Term("whether a purpose was stated", "目的の記載の有無"),
    "inputs.law": Term("the law that obliges", "開示の義務を定める法令"),
    "outcome.message": Term("the message of the refusal", "理由の全文"),
    "outcome.circumstances_at_least": Term("least length of the circumstances", "個別の事情の記載に要する字数"),
    "outcome.standing": Term("reason for any person", "対象者に係る判断の理由"),
    "outcome.asked": Term("what the rules ask", "規則の定める基準"),
    "outcome.revision": Term("revision of the gallery", "指紋情報の記録の版"),
    "outcome.persons": Term("number of persons held", "記録されている者の数"),
    "outcome.available": Term("number made available", "対象とした者の数"),
    "outcome.digest": Term("digest of the view", "対象とした者の要約値"),
    "outcome.listed": Term("items on the list", "提供することができる事項の一覧"),
    "outcome.reason": Term("reason", "理由"),
    "outcome.finding": Term("finding under Art. 1(3)", "重大な犯罪に係る判断"),
}
"""What may be withheld from the other Party, by its name in a trace."""


def item(kind: str) -> Term:
    """Return the name of a kind of item; one that only an arrangement knows is quoted as it stands there."""
    return Term(kind, _ITEMS.get(kind, f"「{kind}」"))


def items(kinds: Sequence[str]) -> Term:
    """Return kinds of items in a row."""
    named = [item(kind) for kind in kinds]
    return Term(", ".join(each.en for each in named) or "nothing", "、".join(each.ja for each in named) or "なし")


def term(months: int, days: int = 0) -> Term:
    """Return a term of deprivation of liberty, in years where it is whole years."""
    counted = [(months, "month", "月") if months % 12 else (months // 12, "year", "年"), (days, "day", "日")]
    parts = [each for each in counted if each[0]]
    en = " and ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit, _ in parts)
    return Term(en, "".join(f"{count}{unit}" for count, _, unit in parts))


def penalty(maximum: Mapping[str, Any]) -> Term:
    """Return the maximum penalty of an offence."""
    if maximum["death"]:
        return Term("death", "死刑")
    if maximum["life"]:
        return Term("life imprisonment", "無期刑")
    if not (maximum["months"] or maximum["days"]):
        return Term("a fine", "罰金以下の刑")
    longest = term(maximum["months"], maximum["days"])
    return Term(f"{longest.en} of deprivation of liberty", f"{longest.ja}の自由をはく奪する刑")
