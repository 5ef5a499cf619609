"""Who answers and who sends: authorities by function, legal basis and direction, each with its source.

An authority may be competent to send requests and not to answer them, so the direction is part of every entry, and
:meth:`Directory.recipient` never names one that only sends. Nothing here guesses: what a source does not state is
:data:`NOT_STATED`, and stays so until somebody enters it with a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

NOT_STATED: Final = "not stated"
"""What is said where a source says nothing."""


class DirectoryError(ValueError):
    """An entry says less than it must, or more than its source."""


class Function(StrEnum):
    """What an authority is competent for."""

    AGREEMENT = "agreement"
    """National contact point under the agreement: Article 3."""
    ASSISTANCE = "mutual-legal-assistance"
    URGENT_ASSISTANCE = "urgent-mutual-legal-assistance"
    """Without a treaty, in urgent or other special circumstances."""
    ROUND_THE_CLOCK = "24-7"
    """The point of contact of the Convention on Cybercrime; it is not the contact point of the agreement."""
    EXTRADITION = "extradition"
    """Also provisional arrest."""
    INTERPOL = "interpol"
    CONSULTATION = "consultation"
    """Consultations of the Governments: Article 14."""


class LegalBasis(StrEnum):
    """What a request or a provision rests on. The first that applies goes first: a treaty between the two, then many."""

    AGREEMENT = "agreement"
    BILATERAL = "bilateral"
    BUDAPEST = "budapest"
    UNTOC = "untoc"
    UNCAC = "uncac"
    RECIPROCITY = "reciprocity"
    INTERPOL = "interpol"
    DOMESTIC = "domestic-law"

    @property
    def words(self) -> str:
        """The basis in running English text."""
        return _WORDS[self]


_WORDS: Final = {
    LegalBasis.AGREEMENT: "the agreement on preventing and combating serious crime",
    LegalBasis.BILATERAL: "the treaty or agreement on mutual legal assistance between the two",
    LegalBasis.BUDAPEST: "the Convention on Cybercrime (Budapest Convention)",
    LegalBasis.UNTOC: "the United Nations Convention against Transnational Organized Crime",
    LegalBasis.UNCAC: "the United Nations Convention against Corruption",
    LegalBasis.RECIPROCITY: "reciprocity and domestic law, without a treaty",
    LegalBasis.INTERPOL: "cooperation through INTERPOL",
    LegalBasis.DOMESTIC: "the domestic law of the State that provides",
}

CONVENTIONS: Final = (LegalBasis.BUDAPEST, LegalBasis.UNTOC, LegalBasis.UNCAC)
"""Treaties of many States that may be used as the basis of mutual legal assistance with Japan."""


class Direction(StrEnum):
    """Which way an authority acts."""

    ANSWERS = "answers"
    SENDS = "sends"


class Status(StrEnum):
    """How far an entry is to be relied on."""

    STATED = "as the source states it"
    DRIFTED = "a later source says otherwise"
    VERIFIED = "verified with the authority"


@dataclass(frozen=True, slots=True)
class Source:
    """A text that entries are taken from; ``as_of`` is None where the text bears no date."""

    title: str
    standing: str
    as_of: date | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One authority for one function.

    ``directions`` is empty where the source does not state them. ``source`` is a key of :attr:`Directory.sources`, and
    ``place`` says where in it.
    """

    id: str
    state: str
    function: Function
    bases: tuple[LegalBasis, ...]
    authority: str
    source: str
    place: str
    status: Status = Status.STATED
    directions: tuple[Direction, ...] = ()
    unit: str = NOT_STATED
    address: str = NOT_STATED
    telephone: str = NOT_STATED
    fax: str = NOT_STATED
    email: str = NOT_STATED
    web: str = NOT_STATED
    verified_on: date | None = None
    verified_by: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an entry that claims to be verified by nobody, or to have drifted without a word."""
        if not self.authority.strip() or not self.place.strip():
            raise DirectoryError(f"{self.id}: an entry names an authority and the place in its source: state both")
        if (self.status is Status.VERIFIED) != bool(self.verified_on and self.verified_by.strip()):
            raise DirectoryError(
                f"{self.id}: an entry is verified by somebody on a day, and then only has that status; got status "
                f"'{self.status}', verified_on {self.verified_on}, verified_by {self.verified_by!r}"
            )
        if self.status is Status.DRIFTED and not self.notes:
            raise DirectoryError(f"{self.id}: an entry that a later source contradicts notes which one: add the note")

    @property
    def answers(self) -> bool:
        """Whether a request may be addressed to it: not where its source says that it only sends."""
        return not self.directions or Direction.ANSWERS in self.directions


class Section(StrEnum):
    """The sections of a country sheet, in the order of the Council of Europe's information sheets."""

    GENERAL_REMARKS = "general remarks"
    COMPETENT_AUTHORITIES = "competent authorities"
    CONTACT_POINTS = "relevant contact points"
    PRIOR_CONSULTATIONS = "prior consultations"
    LEGAL_BASIS = "accepted legal basis or mechanisms"
    CONTENT = "content of the request"
    LEGAL_REQUIREMENTS = "applicable legal requirements"
    CONFIDENTIALITY = "confidentiality requirements"
    URGENT = "urgent requests"
    TRANSLATION = "translation"
    LIMITATIONS = "limitations"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a source states in one section."""

    text: str
    source: str
    place: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is stated of one State's practice for one subject, such as ``stored-content``."""

    state: str
    subject: str
    title: str
    sections: Mapping[Section, Statement]

    def said(self, section: Section) -> str:
        """Return what is stated in a section, or that it is not stated."""
        return self.sections[section].text if section in self.sections else NOT_STATED


@dataclass(frozen=True, slots=True)
class Partner:
    """A State, or the EU, with which Japan has a treaty or agreement on mutual legal assistance."""

    code: str
    name: str
    source: str
    place: str


@dataclass(frozen=True, slots=True)
class Link:
    """A site that a source points to."""

    name: str
    heading: str
    source: str


@dataclass(frozen=True, slots=True)
class Directory:
    """The competent authorities and channels, as far as the sources state them."""

    sources: Mapping[str, Source]
    partners: tuple[Partner, ...]
    entries: tuple[Entry, ...]
    sheets: tuple[Sheet, ...]
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        """Refuse a directory whose entries cannot be told apart or have no source."""
        seen: set[str] = set()
        for entry in self.entries:
            if entry.id in seen:
                raise DirectoryError(f"{entry.id}: two entries have this id: give each its own")
            seen.add(entry.id)
        statements = [statement for sheet in self.sheets for statement in sheet.sections.values()]
        citing: tuple[Entry | Partner | Link | Statement, ...] = (
            *self.entries,
            *self.partners,
            *self.links,
            *statements,
        )
        for cited in citing:
            if cited.source not in self.sources:
                raise DirectoryError(
                    f"{cited.source!r} is cited and is no source of the directory, which are {', '.join(self.sources)}"
                )

    def partner(self, state: str) -> Partner | None:
        """Return the partner of that code, or None where the sources name no treaty with it."""
        return next((partner for partner in self.partners if partner.code == state), None)

    def recipient(self, state: str, function: Function, basis: LegalBasis) -> Entry | None:
        """Return the authority of ``state`` that a request is addressed to, or None where none is stated."""
        return next((entry for entry in self._competent(state, function, basis) if entry.answers), None)

    def senders(self, state: str, function: Function, basis: LegalBasis) -> tuple[Entry, ...]:
        """Return the authorities of ``state`` that are stated to send such requests."""
        return tuple(entry for entry in self._competent(state, function, basis) if Direction.SENDS in entry.directions)

    def _competent(self, state: str, function: Function, basis: LegalBasis) -> list[Entry]:
        return [
            entry
            for entry in self.entries
            if entry.state == state and entry.function is function and basis in entry.bases
        ]

    def sheet(self, state: str, subject: str) -> Sheet | None:
        """Return the sheet of a State on a subject, or None where there is none."""
        return next((sheet for sheet in self.sheets if (sheet.state, sheet.subject) == (state, subject)), None)
