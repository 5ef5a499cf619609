"""What one State may ask of another: who asks, what is wanted, what it rests on, and on what grounds it may be refused.

The adviser of :mod:`pcsc.channels` answers a :class:`Question` of these. The grounds are kept apart by legal basis: under the
agreement dual criminality is none (Art. 5(3)), while mutual legal assistance tests it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from annex.parameters import IN_FORCE, Dated, Party, Value
from pcsc.assistance import CONTRIBUTION, Emergency
from pcsc.authorities import CONVENTIONS, NOT_STATED, LegalBasis
from pcsc.messages import Ground

if TYPE_CHECKING:
    from pcsc.authorities import Directory

COE: Final = "Council of Europe sheet on Japan, 3 July 2020"
MOJ: Final = "Ministry of Justice of Japan, Mutual Legal Assistance in Criminal Matters"


class ChannelError(ValueError):
    """A question that the adviser cannot answer as it was put."""


class Requester(StrEnum):
    """Who asks."""

    CONTACT_POINT = "contact-point"
    INVESTIGATING = "investigating-authority"
    PROSECUTING = "prosecuting-authority"
    OTHER_AUTHORITY = "other-authority"
    PRIVATE_PERSON = "private-person"


class Family(StrEnum):
    """What kind of cooperation a wish belongs to."""

    LEAD = "lead information"
    SPONTANEOUS = "information without request"
    EVIDENCE = "evidence"
    DATA = "computer data"
    PERSON = "surrender of a person"
    POLICE = "police cooperation"


class Wanted(StrEnum):
    """What is wanted. ``family`` says what kind it is, ``subject`` which country sheet speaks of it."""

    family: Family
    subject: str

    def __new__(cls, value: str, family: Family, subject: str = "mutual-legal-assistance") -> Self:
        """Make a wish with its kind."""
        wanted = str.__new__(cls, value)
        wanted._value_ = value
        wanted.family = family
        wanted.subject = subject
        return wanted

    PRINT = "print", Family.LEAD
    """Whether a print is there: Article 4."""
    FURTHER_INFORMATION = "further-information", Family.LEAD
    """Further information on an individual whose print matched: Article 5."""
    SPONTANEOUS = "spontaneous-information", Family.SPONTANEOUS
    """To give information that nobody asked for: Article 6."""
    EVIDENCE = "evidence", Family.EVIDENCE
    STATEMENT = "statement", Family.EVIDENCE
    SERVICE = "service-of-documents", Family.EVIDENCE
    SEARCH = "search-and-seizure", Family.EVIDENCE
    EXAMINATION = "examination-of-objects-and-sites", Family.EVIDENCE
    PROCEEDS = "identifying-freezing-tracing-proceeds", Family.EVIDENCE
    PRESERVATION = "preservation", Family.DATA, "preservation"
    PRESERVED_TRAFFIC = "preserved-traffic", Family.DATA, "preserved-traffic"
    SUBSCRIBER = "stored-subscriber", Family.DATA, "stored-subscriber"
    TRAFFIC = "stored-traffic", Family.DATA, "stored-traffic"
    CONTENT = "stored-content", Family.DATA, "stored-content"
    REAL_TIME_TRAFFIC = "real-time-traffic", Family.DATA, "real-time-traffic"
    INTERCEPTION = "interception", Family.DATA, "interception"
    EXTRADITION = "extradition", Family.PERSON
    PROVISIONAL_ARREST = "provisional-arrest", Family.PERSON
    TRACING = "notice-or-tracing", Family.POLICE
    """A notice, or to trace a person or an object, through INTERPOL."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is wanted, by whom, of whom.

    ``requesting`` and ``requested`` are ISO 3166-1 alpha-2 codes, or EU for a Member State under the agreement of the EU.
    Where information is given without request, ``requesting`` is the State that gives it.
    """

    requester: Requester
    requesting: str
    requested: str
    wanted: Wanted
    asked_on: date
    serious: bool | None = None
    """The finding of :func:`annex.offences.serious_crime`; None where it was not made."""
    political: bool = False
    """Whether the requesting State considers the act a political offence: Article 13(2)."""
    as_evidence: bool = False
    """Whether it is to serve as evidence in an investigation or at a trial."""
    under_agreement: bool = False
    """Whether information that came under the agreement would be passed on with it: Articles 8(3), 8(5) and 8(7)."""
    conventions: frozenset[LegalBasis] = frozenset()
    """The treaties of many States, of :data:`~pcsc.authorities.CONVENTIONS`, that bind both and cover the offence."""
    emergency: Emergency | None = None

    def __post_init__(self) -> None:
        """Refuse a question to nobody, to oneself, or beyond what the sources state."""
        for code in (self.requesting, self.requested):
            if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
                raise ChannelError(f"a State is given by its ISO 3166-1 alpha-2 code, such as JP or US; got {code!r}")
        if self.requesting == self.requested:
            raise ChannelError(f"a request goes from one State to another; got {self.requesting} twice")
        if Party.JP not in (self.requesting, self.requested):
            raise ChannelError(
                f"the directory states the channels to and from Japan; got {self.requesting} and {self.requested}: ask the "
                "central authority of either"
            )
        if stray := self.conventions - set(CONVENTIONS):
            raise ChannelError(
                f"a convention is one of {', '.join(CONVENTIONS)}; got {', '.join(sorted(stray))}: leave it out"
            )

    @property
    def between_the_parties(self) -> bool:
        """Whether both States are the Parties to the agreement."""
        return {self.requesting, self.requested} == set(Party)

    @property
    def abroad(self) -> str:
        """The State that is not Japan."""
        return self.requested if self.requesting == Party.JP else self.requesting

    @property
    def holder(self) -> Party:
        """The Party that would pass information of the agreement on."""
        return Party.US if self.requesting == Party.US else Party.JP


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of the advice, and what it rests on."""

    text: str
    source: str


# What it rests on


def legal_bases(question: Question, directory: Directory) -> tuple[LegalBasis, ...]:
    """Return the bases of mutual legal assistance in their order: what two States agreed between them goes before more.

    States that have an agreement on the matter may apply it (contribution, 5.2), and the Convention on Cybercrime names its
    authorities for "the absence of other agreements". Reciprocity is for where there is no treaty at all.
    """
    bilateral = (LegalBasis.BILATERAL,) if directory.partner(question.abroad) else ()
    shared = tuple(basis for basis in CONVENTIONS if basis in question.conventions)
    return bilateral + shared or (LegalBasis.RECIPROCITY,)


GOVERNED: Final = Dated(
    "Art. 5(4), what must be governed by mutual legal assistance",
    (
        Value(
            IN_FORCE,
            frozenset({Family.EVIDENCE, Family.DATA}),
            f"Art. 5(4); {MOJ}, definition",
            "[interp] evidence necessary for a criminal investigation or prosecution is provided under mutual legal "
            "assistance; the agreement exchanges information and holds no coercive measure",
        ),
    ),
)
"""The exception of Art. 5(4): between the Parties these are requested under their treaty, as is whatever serves as evidence."""


def governed(question: Question, basis: LegalBasis) -> Note | None:
    """Return why a request between the Parties must be governed by their treaty on assistance, or None."""
    if not question.between_the_parties or basis is not LegalBasis.BILATERAL:
        return None
    reading = GOVERNED.at(question.asked_on)
    listed = question.wanted.family in reading.value or question.as_evidence
    return Note(f"It must be governed by this treaty: {reading.reason}.", reading.source) if listed else None


# On what grounds it may be refused


# Art. 5(3): that the conduct is no offence in the requested State is no ground, so it is not in this catalogue.
GROUNDS_UNDER_AGREEMENT: Final = {
    Ground.LAW: Note("The law of the requested Party does not allow it.", "Art. 5(2), Art. 5(5)"),
    Ground.NOT_AVAILABLE: Note("It was not available at the time of receipt of the request.", "Art. 5(2)"),
    Ground.NOT_RELEVANT: Note("It is not deemed relevant to the notified purpose.", "Art. 5(2)"),
    Ground.POLITICAL_OFFENCE: Note("It relates to an act considered a political offence.", "Art. 13(2)"),
    Ground.MUST_BE_GOVERNED: Note("It must be governed by another agreement, which is named.", "Art. 5(4)"),
    Ground.OTHER_CHANNEL: Note("Another channel could be used: never the only ground.", "Art. 5(4)"),
}

_POLITICAL: Final = "The offence is political, or the request aims at a political offence."
_NO_OFFENCE: Final = "the act would be no offence under the law of Japan if done there."


def grounds(question: Question, basis: LegalBasis) -> tuple[Note, ...]:
    """Return every ground on which the requested State may refuse, under that basis."""
    if basis is LegalBasis.AGREEMENT:
        # A query is answered automatically (Art. 4(4)), and what is given without request is refused by nobody.
        asked = question.wanted is Wanted.FURTHER_INFORMATION
        return tuple(GROUNDS_UNDER_AGREEMENT.values()) if asked else ()
    if question.requested != Party.JP:
        return (
            Note(f"The grounds of the law of {question.requested} and of any treaty are {NOT_STATED}.", "directory"),
        )
    if basis is LegalBasis.INTERPOL:
        return (
            Note(_POLITICAL, "Act No. 69 of 1980, Arts. 2(i) and 18(2)"),
            Note(_sentence(_NO_OFFENCE), "Act No. 69 of 1980, Arts. 2(ii) and 18(2)"),
        )
    return _grounds_of_assistance(question, basis)


def _grounds_of_assistance(question: Question, basis: LegalBasis) -> tuple[Note, ...]:
    """Return the grounds on which Japan refuses assistance; a treaty may provide otherwise for two of them."""
    treaty = basis is not LegalBasis.RECIPROCITY
    unless = "Unless the treaty provides otherwise, " if treaty else ""
    found = [
        Note(_POLITICAL, "Act No. 69 of 1980, Art. 2(i)"),
        Note(_sentence(unless + _NO_OFFENCE), "Act No. 69 of 1980, Art. 2(ii)"),
    ]
    if question.wanted in {Wanted.EVIDENCE, Wanted.STATEMENT}:
        lacking = (
            "no writing of the requesting State makes clear that the evidence is indispensable (witnesses, articles)."
        )
        found.append(Note(_sentence(unless + lacking), "Act No. 69 of 1980, Art. 2(iii)"))
    if treaty:
        found.append(Note("The form of the request does not conform to the treaty.", "Act No. 69 of 1980, Art. 4(i)"))
        found.append(Note(f"Further grounds of the treaty itself are {NOT_STATED} here.", "directory"))
    else:
        found.append(
            Note(
                "There is no assurance that Japan's requests of the same sort would be honoured.",
                "Act No. 69 of 1980, Art. 4(ii)",
            )
        )
    if basis is LegalBasis.UNCAC:
        found.append(Note("Those of its art. 46, paragraphs 9(b) and 21.", f"{CONTRIBUTION}, 1.3.5"))
    return (
        *found,
        Note("It is not appropriate to honour the request.", "Act No. 69 of 1980, Art. 5(1)"),
        Note(
            "There is no assurance that conditions on the evidence will be observed.", "Act No. 69 of 1980, Art. 14(6)"
        ),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
