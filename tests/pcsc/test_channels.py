"""The channel adviser, by cases worked from the sources: each names the place that decides it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from annex.parameters import Party
from contact_point.directory import read_directory
from pcsc.assistance import AssistanceError, Emergency
from pcsc.authorities import CONVENTIONS, NOT_STATED, Direction, LegalBasis
from pcsc.channels import Advice, Channel, advise
from pcsc.cooperation import ChannelError, Family, Question, Requester, Wanted, grounds, legal_bases
from pcsc.messages import Ground
from tests.kept import compare

DIRECTORY: Final = read_directory()
ON: Final = date(2026, 11, 22)
DANGER: Final = Emergency(
    "A bomb is to go off tonight.", "the duty officer", datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
)


def question(wanted: Wanted, requesting: str = "US", requested: str = "JP", **changes: Any) -> Question:
    """Return a question of a prosecuting authority of the United States to Japan."""
    return replace(Question(Requester.PROSECUTING, requesting, requested, wanted, ON), **changes)


def ask(wanted: Wanted, requesting: str = "US", requested: str = "JP", **changes: Any) -> Advice:
    """Return the advice on it, with the directory that comes with the program."""
    return advise(question(wanted, requesting, requested, **changes), DIRECTORY)


def ways(advice: Advice) -> list[tuple[LegalBasis, str]]:
    """Return the basis and the receiver of each channel, in order."""
    return [(channel.basis, channel.receiver.id if channel.receiver else NOT_STATED) for channel in advice.channels]


def said(channel: Channel) -> str:
    """Return every sentence of a channel."""
    notes = (*channel.why, *channel.notes, *channel.grounds, *((channel.governed,) if channel.governed else ()))
    return "\n".join(f"{note.text} ({note.source})" for note in notes)


# The agreement


def test_4_3_whether_a_print_is_there_is_asked_under_the_agreement_and_of_its_contact_point() -> None:
    """Case 1. Agreement, Articles 3(3), 4(3) and 4(4)."""
    advice = ask(Wanted.PRINT, requester=Requester.CONTACT_POINT, serious=True)
    first = advice.channels[0]
    assert ways(advice)[0] == (LegalBasis.AGREEMENT, "jp-agreement")
    assert [sender.id for sender in first.senders] == ["us-agreement"]
    assert (first.document, first.grounds, first.governed) == ("basis", (), None)
    assert "(Art. 4(3), Art. 4(4))" in said(first)
    assert "It goes through the national contact points" in said(ask(Wanted.PRINT).channels[0])  # Art. 3(3)


def test_13_1_the_agreement_blocks_no_other_channel() -> None:
    """Case 2. Agreement, Article 13(1); contribution, 1.7: INTERPOL beside it."""
    advice = ask(Wanted.PRINT, serious=True)
    assert not advice.stops
    assert [basis for basis, _ in ways(advice)] == [LegalBasis.AGREEMENT, LegalBasis.BILATERAL, LegalBasis.INTERPOL]
    assert any(note.source == "Art. 13(1)" for note in advice.warnings)


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({"serious": False}, "Art. 1(3)"),
        ({"political": True}, "Art. 13(2)"),
        ({"requesting": "KR"}, "Art. 2"),
    ],
)
def test_13_1_what_the_agreement_does_not_cover_leaves_the_other_channels(changes: dict[str, Any], source: str) -> None:
    """Case 3. Articles 1(3), 2 and 13(2) keep the agreement from being the basis; Article 13(1) leaves the rest."""
    advice = ask(Wanted.FURTHER_INFORMATION, **changes)
    assert [basis for basis, _ in ways(advice)] == [LegalBasis.BILATERAL, LegalBasis.INTERPOL]
    assert advice.warnings[0].source == source
    assert advice.warnings[0].text.startswith("The agreement is not a basis here.")


def test_5_3_that_the_conduct_is_no_offence_there_is_a_ground_of_assistance_and_never_of_the_agreement() -> None:
    """Case 4. Article 5(3), against Act No. 69 of 1980, Art. 2(ii)."""
    agreement, assistance, _ = ask(Wanted.FURTHER_INFORMATION, serious=True).channels
    assert "no offence" not in said(agreement)
    assert "Act No. 69 of 1980, Art. 2(ii)" in said(assistance)
    assert len(agreement.grounds) == len(Ground) - 1  # every ground of the agreement but that one


def test_5_4_evidence_for_trial_must_be_governed_by_the_treaty_on_assistance() -> None:
    """Case 5. Article 5(4), exception; Ministry of Justice, definition: evidence for investigation or prosecution."""
    advice = ask(Wanted.FURTHER_INFORMATION, serious=True, as_evidence=True)
    first, second, _ = advice.channels
    assert (first.basis, second.basis) == (LegalBasis.BILATERAL, LegalBasis.AGREEMENT)
    assert first.governed is not None
    assert first.governed.source.startswith("Art. 5(4)")
    assert "What comes is lead information" in said(second)
    assert "never the only ground. (Art. 5(4))" in said(second)
    lead = ask(Wanted.FURTHER_INFORMATION, serious=True).channels
    assert [channel.governed for channel in lead] == [None, None, None]


def test_6_information_without_request_has_two_bases_that_are_kept_apart() -> None:
    """Case 6. Article 6; contribution, 1.3.6, whose trigger is wider."""
    agreement, domestic = ask(Wanted.SPONTANEOUS, "JP", "US", serious=True).channels
    assert (agreement.basis, agreement.document) == (LegalBasis.AGREEMENT, "spontaneous-provision")
    assert "(Art. 6)" in said(agreement)
    assert "not information under the agreement" in said(domestic)
    assert "1.3.6" in said(domestic)
    assert ways(ask(Wanted.SPONTANEOUS, "JP", "US", serious=False)) == [(LegalBasis.DOMESTIC, NOT_STATED)]
    assert ways(ask(Wanted.SPONTANEOUS, "JP", "KR")) == [(LegalBasis.DOMESTIC, NOT_STATED)]


def test_8_7_what_came_under_the_agreement_does_not_go_to_interpol_without_consent() -> None:
    """Case 7. Article 8(7), against contribution, 1.7, and Act No. 69 of 1980, Art. 18."""
    advice = ask(Wanted.TRACING, "JP", "US", under_agreement=True)
    assert [note.source for note in advice.stops] == ["Art. 8(7)"]
    assert "INTERPOL, an international body" in advice.stops[0].text
    assert [(channel.document, channel.receiver and channel.receiver.id) for channel in advice.channels] == [
        ("consent-request", "us-agreement")
    ]
    free = ask(Wanted.TRACING, "US", "JP")
    assert ways(free) == [(LegalBasis.INTERPOL, "jp-interpol")]
    assert "Act No. 69 of 1980, Arts. 2(ii) and 18(2)" in said(free.channels[0])


@pytest.mark.parametrize(("requesting", "requested"), [("JP", "KR"), ("KR", "JP")])
def test_8_7_nor_to_a_third_state_whichever_side_asks(requesting: str, requested: str) -> None:
    advice = ask(Wanted.EVIDENCE, requesting, requested, under_agreement=True)
    assert "KR, a third State" in advice.stops[0].text
    assert ways(advice) == [(LegalBasis.AGREEMENT, "us-agreement")]
    assert [sender.id for sender in advice.channels[0].senders] == ["jp-agreement"]


def test_8_3_a_match_is_not_what_a_request_for_assistance_rests_on() -> None:
    advice = ask(Wanted.EVIDENCE, under_agreement=True)
    assert not advice.stops
    assert any(note.source.startswith("Art. 8(3)") for note in advice.warnings)


def test_13_3_no_private_person_asks_through_any_channel() -> None:
    """Case 8. Article 13(3); Ministry of Justice: requests are initiated by prosecuting or investigating authorities."""
    for wanted in (Wanted.PRINT, Wanted.EVIDENCE, Wanted.TRACING):
        advice = ask(wanted, requester=Requester.PRIVATE_PERSON, under_agreement=True)
        assert not advice.channels
        assert [note.source for note in advice.stops][:1] == ["Art. 13(3)"]
        assert "who may ask" in advice.stops[1].source


# Mutual legal assistance


def test_evidence_from_japan_is_asked_of_the_ministry_of_justice_by_an_investigating_or_prosecuting_authority() -> None:
    """Case 9. Ministry of Justice, partners and Contact Us, and who may ask."""
    assert ways(ask(Wanted.EVIDENCE)) == [(LegalBasis.BILATERAL, "jp-moj-assistance")]
    assert not ask(Wanted.EVIDENCE).warnings
    warned = ask(Wanted.EVIDENCE, requester=Requester.CONTACT_POINT).warnings
    assert [note.text for note in warned] == ["Have the prosecuting or investigating authority initiate the request."]


def test_without_a_treaty_the_request_goes_to_the_foreign_minister_and_in_an_emergency_to_the_minister_of_justice() -> (
    None
):
    """Case 10. Ministry of Justice, without a treaty; Act No. 69 of 1980, Arts. 3(1) and 4(ii)."""
    assert ways(ask(Wanted.STATEMENT, "BR")) == [(LegalBasis.RECIPROCITY, "jp-mofa-assistance")]
    assert "Act No. 69 of 1980, Art. 4(ii)" in said(ask(Wanted.STATEMENT, "BR").channels[0])
    assert "Act No. 69 of 1980, Art. 2(iii)" in said(ask(Wanted.STATEMENT, "BR").channels[0])
    urgent = ask(Wanted.STATEMENT, "BR", emergency=DANGER)
    assert [receiver for _, receiver in ways(urgent)] == ["jp-moj-urgent", "jp-mofa-assistance"]
    assert "if the Minister for Foreign Affairs consents" in said(urgent.channels[0])
    assert any("A bomb is to go off tonight." in note.text for note in urgent.warnings)


def test_how_another_state_receives_a_request_without_a_treaty_is_not_stated() -> None:
    (channel,) = ask(Wanted.EVIDENCE, "JP", "BR", emergency=DANGER).channels
    assert (channel.receiver, channel.senders) == (None, ())
    assert "Without a treaty: how BR receives a request is not stated." in said(channel)


def test_of_a_practice_without_a_sheet_nothing_is_stated() -> None:
    advice = advise(question(Wanted.EVIDENCE), replace(DIRECTORY, sheets=()))
    assert [note.text for note in advice.channels[0].notes] == [
        f"{section}: not stated" for section in ("Prior consultations", "Translation", "Urgent requests")
    ]


def test_what_two_states_agreed_goes_before_a_convention_and_reciprocity_is_for_where_there_is_none() -> None:
    """Case 11. Contribution, 5.2; Ministry of Justice, multilateral treaties; sheet of 2020, "in the absence of other"."""
    every = frozenset(CONVENTIONS)
    assert legal_bases(question(Wanted.EVIDENCE, conventions=every), DIRECTORY) == (LegalBasis.BILATERAL, *CONVENTIONS)
    assert legal_bases(question(Wanted.EVIDENCE, "BR", conventions=every), DIRECTORY) == CONVENTIONS
    assert legal_bases(question(Wanted.EVIDENCE, "BR"), DIRECTORY) == (LegalBasis.RECIPROCITY,)
    unlisted = ask(Wanted.EVIDENCE, "FR").warnings
    assert "For a Member State of the European Union ask again with EU." in unlisted[0].text
    assert ways(ask(Wanted.EVIDENCE, "EU")) == [(LegalBasis.BILATERAL, "jp-moj-assistance")]


def test_japan_sends_through_the_commission_too_and_nobody_sends_to_it() -> None:
    """Case 12. Sheet of 2020, 3.1: the Commission is "responsible for sending requests", the Ministry for both."""
    advice = ask(Wanted.EVIDENCE, "JP", "US")
    assert [sender.id for sender in advice.channels[0].senders] == [
        "jp-moj-central-authority",
        "jp-npsc-central-authority",
    ]
    assert ways(advice) == [(LegalBasis.BILATERAL, "us-central-authority")]
    assert said(advice.channels[0]).count(NOT_STATED) == 1  # the grounds of the law of the United States


def test_every_question_is_answered_and_never_with_an_authority_that_only_sends() -> None:
    for wanted, requester, (requesting, requested), serious, evidence, urgent in product(
        Wanted,
        Requester,
        [("US", "JP"), ("JP", "US"), ("BR", "JP"), ("JP", "CN")],
        [True, None],
        [True, False],
        [DANGER, None],
    ):
        advice = ask(
            wanted,
            requesting,
            requested,
            requester=requester,
            serious=serious,
            as_evidence=evidence,
            emergency=urgent,
            conventions=frozenset(CONVENTIONS),
        )
        assert bool(advice.channels) is not bool(advice.stops)
        for channel in advice.channels:
            assert channel.why
            assert channel.receiver is None or channel.receiver.directions != (Direction.SENDS,)
            assert channel.receiver is None or channel.receiver.state == requested
            assert channel.receiver is None or "Public Safety Commission" not in channel.receiver.authority


# Word for word

EVERY: Final = frozenset(CONVENTIONS)
BUDAPEST: Final = frozenset({LegalBasis.BUDAPEST})
KEPT: Final[dict[str, dict[str, Any]]] = {
    "a print, asked by the contact point": {
        "wanted": Wanted.PRINT,
        "requester": Requester.CONTACT_POINT,
        "serious": True,
    },
    "a print, serious or not is not known": {"wanted": Wanted.PRINT},
    "a print, not serious": {"wanted": Wanted.PRINT, "serious": False},
    "a print, political": {"wanted": Wanted.PRINT, "political": True, "serious": True},
    "a print, of a third State": {"wanted": Wanted.PRINT, "requesting": "KR", "serious": True},
    "further information as evidence, in an emergency": {
        "wanted": Wanted.FURTHER_INFORMATION,
        "serious": True,
        "as_evidence": True,
        "emergency": DANGER,
    },
    "further information, from the United States": {
        "wanted": Wanted.FURTHER_INFORMATION,
        "requesting": "JP",
        "requested": "US",
        "serious": True,
    },
    "information without request": {
        "wanted": Wanted.SPONTANEOUS,
        "requesting": "JP",
        "requested": "US",
        "serious": True,
        "emergency": DANGER,
    },
    "information without request, to a third State": {
        "wanted": Wanted.SPONTANEOUS,
        "requesting": "JP",
        "requested": "KR",
    },
    "evidence": {"wanted": Wanted.EVIDENCE},
    "evidence, asked by the contact point": {"wanted": Wanted.EVIDENCE, "requester": Requester.CONTACT_POINT},
    "evidence, that rests on what came under the agreement": {"wanted": Wanted.EVIDENCE, "under_agreement": True},
    "evidence, from the United States": {"wanted": Wanted.EVIDENCE, "requesting": "JP", "requested": "US"},
    "evidence, without a treaty": {"wanted": Wanted.EVIDENCE, "requesting": "BR"},
    "evidence, from a State without a treaty": {"wanted": Wanted.EVIDENCE, "requesting": "JP", "requested": "BR"},
    "evidence, under every convention": {"wanted": Wanted.EVIDENCE, "requesting": "BR", "conventions": EVERY},
    "a statement, without a treaty, in an emergency": {
        "wanted": Wanted.STATEMENT,
        "requesting": "BR",
        "emergency": DANGER,
    },
    "service of documents, by a Member State of the EU": {"wanted": Wanted.SERVICE, "requesting": "FR"},
    "preservation": {"wanted": Wanted.PRESERVATION, "requesting": "BR", "conventions": BUDAPEST},
    "stored content": {"wanted": Wanted.CONTENT, "conventions": BUDAPEST, "requester": Requester.OTHER_AUTHORITY},
    "interception": {"wanted": Wanted.INTERCEPTION},
    "interception, from the United States": {"wanted": Wanted.INTERCEPTION, "requesting": "JP", "requested": "US"},
    "extradition": {"wanted": Wanted.EXTRADITION, "requesting": "BR"},
    "extradition, from a third State": {"wanted": Wanted.EXTRADITION, "requesting": "JP", "requested": "KR"},
    "tracing": {"wanted": Wanted.TRACING},
    "tracing, with what came under the agreement": {
        "wanted": Wanted.TRACING,
        "requesting": "JP",
        "requested": "US",
        "under_agreement": True,
    },
    "evidence, with what came under the agreement, to a third State": {
        "wanted": Wanted.EVIDENCE,
        "requesting": "JP",
        "requested": "KR",
        "under_agreement": True,
    },
    "a private person": {"wanted": Wanted.PRINT, "requester": Requester.PRIVATE_PERSON, "serious": True},
    "a private person, with what came under the agreement": {
        "wanted": Wanted.TRACING,
        "requester": Requester.PRIVATE_PERSON,
        "under_agreement": True,
    },
}


def account(name: str) -> str:
    """Return the whole advice on a question."""
    advice = ask(**KEPT[name])
    assert advice.question == question(**KEPT[name])
    lines = [f"## {name}", *(f"stop: {note.text} ({note.source})" for note in advice.stops)]
    for channel in advice.channels:
        receiver = channel.receiver.id if channel.receiver else NOT_STATED
        senders = ", ".join(sender.id for sender in channel.senders) or NOT_STATED
        lines.append(f"{channel.basis}: from {senders} to {receiver} with {channel.document or 'no document of ours'}")
        governed = (channel.governed,) if channel.governed else ()
        for title in ("why", "governed", "ground", "note"):
            notes = {"why": channel.why, "governed": governed, "ground": channel.grounds, "note": channel.notes}[title]
            lines += [f"  {title}: {note.text} ({note.source})" for note in notes]
    return "\n".join([*lines, *(f"warning: {note.text} ({note.source})" for note in advice.warnings)])


def test_advice_is_given_word_for_word_as_it_was_when_it_was_last_read_over() -> None:
    compare(Path(__file__).parent / "kept" / "advice.txt", "\n\n".join(map(account, KEPT)))


# Computer data


def test_japan_cannot_intercept_content_for_others_and_the_sentence_on_equal_procedures_does_not_reach_it() -> None:
    """Case 13. Sheet of 2020, 3.3 (hard stop), against 2.1 ("no difference in the procedures")."""
    advice = ask(Wanted.INTERCEPTION, conventions=frozenset({LegalBasis.BUDAPEST}), emergency=DANGER)
    assert not advice.channels
    assert len(advice.stops) == 1
    assert "does not permit to provide mutual assistance on the real-time collection or recording of content data" in (
        advice.stops[0].text
    )
    assert advice.stops[0].source == "Council of Europe sheet on Japan, 3 July 2020, 3.3"
    # The sentence is about Japan's law, so it stops nothing that Japan asks of others.
    assert not ask(Wanted.INTERCEPTION, "JP", "US").stops


@pytest.mark.parametrize(
    "wanted", [each for each in Wanted if each.family is Family.DATA and each is not Wanted.INTERCEPTION]
)
def test_the_other_computer_data_have_one_procedure_and_a_court_order_in_general(wanted: Wanted) -> None:
    """Case 14. Sheet of 2020, 1.1, 2.1 and 3.1 (24/7 point, Article 35 of that convention); B8: what is not stated."""
    advice = ask(wanted, "BR", conventions=frozenset({LegalBasis.BUDAPEST}))
    assert ways(advice) == [(LegalBasis.BUDAPEST, "jp-moj-budapest"), (LegalBasis.BUDAPEST, "jp-24-7")]
    told = said(advice.channels[0])
    assert "requires a court order in general. (Council of Europe sheet on Japan, 3 July 2020, 1.1)" in told
    assert "Translation: not stated" in told
    assert "Urgent requests: not stated" in told
    assert "does not stand in for the request" in said(advice.channels[1])
    assert ("preserved for at most 30 days, 60 in all" in told) is (wanted is Wanted.PRESERVATION)


# Persons


def test_extradition_is_referred_to_the_ministry_of_foreign_affairs_in_the_absence_of_other_treaties() -> None:
    """Case 15. Sheet of 2020, 3.1 (Article 24 of that convention)."""
    for wanted in (Wanted.EXTRADITION, Wanted.PROVISIONAL_ARREST):
        advice = ask(wanted, "BR")
        assert ways(advice) == [(LegalBasis.BUDAPEST, "jp-mofa-extradition")]
        assert "A treaty on extradition goes first; the directory holds none." in said(advice.channels[0])
    assert "the authority is not stated" in said(ask(Wanted.EXTRADITION, "JP", "KR").channels[0])


# Grounds, and questions that are none


def test_grounds_are_kept_by_basis() -> None:
    asked = question(Wanted.EVIDENCE, "BR")
    sources = {basis: {note.source for note in grounds(asked, basis)} for basis in LegalBasis}
    assert "Act No. 69 of 1980, Art. 4(i)" in sources[LegalBasis.UNTOC]
    assert "Act No. 69 of 1980, Art. 4(i)" not in sources[LegalBasis.RECIPROCITY]
    assert any(source.endswith("1.3.5") for source in sources[LegalBasis.UNCAC])
    assert sources[LegalBasis.AGREEMENT] == set()
    assert "Act No. 69 of 1980, Art. 2(iii)" not in {
        note.source for note in grounds(question(Wanted.SERVICE, "BR"), LegalBasis.RECIPROCITY)
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"requesting": "usa"}, "a State is given by its ISO 3166-1 alpha-2 code, such as JP or US; got 'usa'"),
        ({"requesting": "JP"}, "a request goes from one State to another; got JP twice"),
        ({"requested": "KR"}, "the directory states the channels to and from Japan; got US and KR: ask the central"),
        (
            {"conventions": frozenset({LegalBasis.INTERPOL})},
            "a convention is one of budapest, untoc, uncac; got interpol",
        ),
    ],
)
def test_a_question_that_the_sources_do_not_answer_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ChannelError, match=f"^{message}"):
        question(Wanted.PRINT, **changes)


def test_an_emergency_is_stated_in_words() -> None:
    with pytest.raises(AssistanceError, match=r"significant and imminent risk .* the risk is empty: state it$"):
        replace(DANGER, risk=" ")


def test_the_parties_are_the_two_of_the_agreement() -> None:
    assert question(Wanted.PRINT).between_the_parties
    assert not question(Wanted.PRINT, "BR").between_the_parties
    assert question(Wanted.PRINT, "BR").holder is Party.JP
