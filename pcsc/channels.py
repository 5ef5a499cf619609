"""Which channel is right for what is wanted: the agreement, mutual legal assistance, INTERPOL, extradition.

The agreement gives lead information: is a print there, and who is it. Evidence, statements, searches, stored data and
proceeds are for mutual legal assistance, and persons for extradition. Both must not be mixed up: a request under the agreement
is not refused only because another channel exists, "except for the requests that must be governed by" it (Art. 5(4)), and
nothing in the agreement prevents a request through another channel (Art. 13(1)). So :func:`advise` advises and never blocks
what the agreement allows; it stops only what the law of the requested State, or Art. 8(7), does not permit.

It knows the channels to and from Japan, because the sources of the directory are Japan's. Every sentence carries the clause
or the place in a source that it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from pcsc.assistance import CONTRIBUTION, PRESERVATION_DAYS, PRESERVATION_DAYS_IN_ALL
from pcsc.authorities import NOT_STATED, Entry, Function, LegalBasis, Section
from pcsc.cooperation import COE, MOJ, Family, Note, Question, Requester, Wanted, governed, grounds, legal_bases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcsc.authorities import Directory


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to what is wanted.

    ``receiver`` is None where the sources state none. ``document`` names the template to fill in, where there is one.
    ``governed`` says why the request must be governed by this basis: the exception of Art. 5(4).
    """

    basis: LegalBasis
    receiver: Entry | None
    senders: tuple[Entry, ...] = ()
    document: str = ""
    why: tuple[Note, ...] = ()
    governed: Note | None = None
    grounds: tuple[Note, ...] = ()
    """Every ground on which it may be refused."""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """The channels in the order in which they are recommended, what stops them, and what to mind."""

    question: Question
    channels: tuple[Channel, ...]
    stops: tuple[Note, ...]
    warnings: tuple[Note, ...]


def advise(question: Question, directory: Directory) -> Advice:
    """Say through which channels to ask, in which order and why.

    Where something stops the request no channel is named, save the request for consent that would lift Art. 8(7).
    """
    stops = tuple(_stops(question))
    if stops:
        consent = (_consent(question, directory),) if _needs_consent(question) and len(stops) == 1 else ()
        return Advice(question, consent, stops, ())
    channels = tuple(_CHANNELS[question.wanted.family](question, directory))
    return Advice(question, channels, (), tuple(_warnings(question, directory)))


# What stops


def _stops(question: Question) -> Iterator[Note]:
    if question.wanted is Wanted.INTERCEPTION and question.requested == Party.JP:
        # That "there is no difference in the procedures" for the other data must not be read over this sentence.
        yield Note(
            "Japan's domestic law does not permit to provide mutual assistance on the real-time collection or recording of "
            "content data of specified communications.",
            f"{COE}, 3.3",
        )
    if question.requester is Requester.PRIVATE_PERSON:
        yield Note("The agreement gives no right to any private person.", "Art. 13(3)")
        yield Note(
            "Mutual legal assistance is requested by the prosecuting or investigating authorities.",
            f"{MOJ}, who may ask",
        )
    if _needs_consent(question):
        to = (
            "INTERPOL, an international body,"
            if question.wanted is Wanted.TRACING
            else f"{question.abroad}, a third State,"
        )
        yield Note(
            f"Information provided under Articles 4 to 7 is not released to {to} without the prior written consent of the "
            "other Party: request it first, or leave that information out.",
            "Art. 8(7)",
        )


def _needs_consent(question: Question) -> bool:
    """Whether information of the other Party would leave the two Parties."""
    return question.under_agreement and (question.wanted is Wanted.TRACING or not question.between_the_parties)


def _consent(question: Question, directory: Directory) -> Channel:
    """Return the request for consent to the Party that provided the information."""
    return Channel(
        LegalBasis.AGREEMENT,
        directory.recipient(question.holder.other, Function.AGREEMENT, LegalBasis.AGREEMENT),
        directory.senders(question.holder, Function.AGREEMENT, LegalBasis.AGREEMENT),
        "consent-request",
        (Note("Consent is given in writing, in advance, and to a recipient by name.", "Art. 8(7)"),),
    )


# The agreement


def _obstacle(question: Question) -> Note | None:
    """Return why the agreement is not the basis, or None where it may be."""
    if not question.between_the_parties:
        return Note("The agreement binds Japan and the United States only.", "Art. 2")
    if question.political:
        return Note(
            f"Nothing in it authorises this: {question.requesting} considers the act a political offence.", "Art. 13(2)"
        )
    if question.serious is False:
        return Note("The conduct is not serious crime by the law that counts.", "Art. 1(3)")
    return None


_UNDER_AGREEMENT: Final = {
    Wanted.PRINT: (
        "basis",
        Note(
            "Whether a print is there is answered automatically, where particular circumstances give reason to inquire.",
            "Art. 4(3), Art. 4(4)",
        ),
    ),
    Wanted.FURTHER_INFORMATION: (
        "written-notification",
        Note(
            "After a match, further information on that individual is requested with written notification of the purpose.",
            "Art. 5(1)",
        ),
    ),
    Wanted.SPONTANEOUS: (
        "spontaneous-provision",
        Note(
            "In an individual case, with reason to believe that a serious crime will be or has been committed, information "
            "may be provided without request.",
            "Art. 6",
        ),
    ),
}


def _agreement(question: Question, directory: Directory) -> Iterator[Channel]:
    if _obstacle(question):
        return
    document, why = _UNDER_AGREEMENT[question.wanted]
    yield Channel(
        LegalBasis.AGREEMENT,
        directory.recipient(question.requested, Function.AGREEMENT, LegalBasis.AGREEMENT),
        directory.senders(question.requesting, Function.AGREEMENT, LegalBasis.AGREEMENT),
        document,
        (why,),
        grounds=grounds(question, LegalBasis.AGREEMENT),
        notes=tuple(_agreement_notes(question)),
    )


def _agreement_notes(question: Question) -> Iterator[Note]:
    if question.requester is not Requester.CONTACT_POINT:
        yield Note("It goes through the national contact points, which communicate directly.", "Art. 3(3)")
    if question.serious is None:
        yield Note("Find first that the conduct is serious crime.", "Art. 1(3)")
    if question.as_evidence:
        yield Note("What comes is lead information; evidence is requested under the treaty on assistance.", "Art. 5(4)")
    if question.emergency is not None and question.wanted is Wanted.FURTHER_INFORMATION:
        yield Note("State the risk in the request, which makes it urgent.", f"Art. 5(1); {CONTRIBUTION}, 1.6.2")


# Mutual legal assistance


def _assistance(question: Question, directory: Directory) -> Iterator[Channel]:
    notes = tuple(_assistance_notes(question, directory))
    for basis in legal_bases(question, directory):
        # Act No. 69 of 1980, Art. 3(1), proviso: in an emergency the Minister of Justice, if the Foreign Minister consents.
        urgent = basis is LegalBasis.RECIPROCITY and question.emergency is not None and question.requested == Party.JP
        for function in (Function.URGENT_ASSISTANCE, Function.ASSISTANCE) if urgent else (Function.ASSISTANCE,):
            yield Channel(
                basis,
                directory.recipient(question.requested, function, basis),
                directory.senders(question.requesting, Function.ASSISTANCE, basis),
                "preservation-request" if question.wanted is Wanted.PRESERVATION else "mla-request",
                (_why_assistance(question, basis, function),),
                governed(question, basis),
                grounds(question, basis),
                notes,
            )


def _why_assistance(question: Question, basis: LegalBasis, function: Function) -> Note:
    if function is Function.URGENT_ASSISTANCE:
        return Note(
            "In an emergency the Minister of Justice receives the request, if the Minister for Foreign Affairs consents.",
            "Act No. 69 of 1980, Art. 3(1)",
        )
    if basis is LegalBasis.BILATERAL:
        return Note("A treaty or agreement on assistance between the two goes before all others.", f"{MOJ}, partners")
    if basis is not LegalBasis.RECIPROCITY:
        return Note(
            f"A request may be based on {basis.words}, in accordance with its requirements.",
            f"{MOJ}, multilateral treaties",
        )
    if question.requested != Party.JP:
        return Note(f"Without a treaty: how {question.requested} receives a request is {NOT_STATED}.", "directory")
    return Note(
        "Without a treaty assistance rests on reciprocity and domestic law, and the request goes through diplomatic channels.",
        f"{MOJ}, without a treaty; Act No. 69 of 1980, Art. 3(1)",
    )


def _assistance_notes(question: Question, directory: Directory) -> Iterator[Note]:
    """Yield what is stated of Japan's practice, and what is not."""
    if question.requested != Party.JP:
        return
    sheet = directory.sheet(Party.JP, question.wanted.subject)
    for section in (Section.PRIOR_CONSULTATIONS, Section.TRANSLATION, Section.URGENT):
        stated = sheet.sections.get(section) if sheet else None
        source = f"{stated.source}, {stated.place}" if stated else "directory"
        yield Note(f"{section.capitalize()}: {stated.text if stated else NOT_STATED}", source)
    if question.wanted.family is Family.DATA:
        yield Note("Information related to secrecy of communication requires a court order in general.", f"{COE}, 1.1")
        yield Note(
            "The procedure is the same as for other computer data, interception excepted.", f"{COE}, 2.1 and 3.3"
        )
    if question.wanted is Wanted.PRESERVATION:
        first, in_all = (each.at(question.asked_on) for each in (PRESERVATION_DAYS, PRESERVATION_DAYS_IN_ALL))
        yield Note(
            f"Communication history is preserved for at most {first.value} days, {in_all.value} in all if extended; a period "
            f"for other data is {NOT_STATED}.",
            first.source,
        )


def _data(question: Question, directory: Directory) -> Iterator[Channel]:
    yield from _assistance(question, directory)
    if LegalBasis.BUDAPEST in question.conventions:
        yield Channel(
            LegalBasis.BUDAPEST,
            directory.recipient(question.requested, Function.ROUND_THE_CLOCK, LegalBasis.BUDAPEST),
            why=(
                Note(
                    "The 24/7 point of contact gives immediate assistance; it does not stand in for the request.",
                    f"{COE}, 3.1; {CONTRIBUTION}, 1.6.1",
                ),
            ),
        )


# Persons, police cooperation, information without request


def _person(question: Question, directory: Directory) -> Iterator[Channel]:
    why = "A treaty on extradition goes first; the directory holds none. In the absence of other treaties"
    receiver = directory.recipient(question.requested, Function.EXTRADITION, LegalBasis.BUDAPEST)
    yield Channel(
        LegalBasis.BUDAPEST,
        receiver,
        why=(
            Note(
                f"{why} {'this authority is named' if receiver else 'the authority is ' + NOT_STATED}.", f"{COE}, 3.1"
            ),
        ),
        grounds=(Note(f"Grounds of refusal are {NOT_STATED}.", "directory"),),
    )


def _police(question: Question, directory: Directory) -> Iterator[Channel]:
    yield Channel(
        LegalBasis.INTERPOL,
        directory.recipient(question.requested, Function.INTERPOL, LegalBasis.INTERPOL),
        why=(
            Note(
                "Police cooperation: notices, tracing, inquiries.", f"Act No. 69 of 1980, Art. 18; {CONTRIBUTION}, 1.7"
            ),
        ),
        grounds=grounds(question, LegalBasis.INTERPOL),
    )


def _spontaneous(question: Question, directory: Directory) -> Iterator[Channel]:
    yield from _agreement(question, directory)
    # A basis of its own with a wider trigger: it asks for no serious crime, and no case of the other State need be known.
    yield Channel(
        LegalBasis.DOMESTIC,
        None,
        why=(
            Note(
                "Within its own law a State may forward what its own investigations found, where that might assist the other "
                "or lead to a request. It is not information under the agreement, whose protection does not follow it.",
                f"{CONTRIBUTION}, 1.3.6",
            ),
        ),
    )


def _lead(question: Question, directory: Directory) -> Iterator[Channel]:
    """Lead information: the agreement first, unless evidence is wanted; the other channels stay open (Art. 13(1))."""
    assistance, agreement = tuple(_assistance(question, directory)), tuple(_agreement(question, directory))
    yield from assistance + agreement if question.as_evidence else agreement + assistance
    yield from _police(question, directory)


_CHANNELS: Final = {
    Family.LEAD: _lead,
    Family.SPONTANEOUS: _spontaneous,
    Family.EVIDENCE: _assistance,
    Family.DATA: _data,
    Family.PERSON: _person,
    Family.POLICE: _police,
}


# What to mind


def _warnings(question: Question, directory: Directory) -> Iterator[Note]:
    """Yield what does not stop a request and should be known before it is sent."""
    family = question.wanted.family
    initiates = {Requester.INVESTIGATING, Requester.PROSECUTING}
    if family in {Family.LEAD, Family.SPONTANEOUS}:
        obstacle = _obstacle(question)
        yield (
            Note(f"The agreement is not a basis here. {obstacle.text}", obstacle.source)
            if obstacle
            else Note("The other channels stay open beside the agreement, which blocks none of them.", "Art. 13(1)")
        )
    elif family in {Family.EVIDENCE, Family.DATA} and question.requester not in initiates:
        yield Note("Have the prosecuting or investigating authority initiate the request.", f"{MOJ}, who may ask")
    if question.under_agreement:
        yield Note(
            "A match is used solely to determine whether to request further information: rest nothing on it, but on what was "
            "provided after it, within its purposes and conditions.",
            "Art. 8(3), Art. 8(5), Art. 8(8)",
        )
    if directory.partner(question.abroad) is None and family is not Family.POLICE:
        yield Note(
            f"No treaty with {question.abroad} is named. For a Member State of the European Union ask again with EU.",
            f"{MOJ}, partners",
        )
    if question.emergency is not None:
        yield Note(
            f"Emergency: {question.emergency.risk} The use of the fast track is reviewed by {question.emergency.review_due}.",
            f"{CONTRIBUTION}, 1.6.2",
        )
