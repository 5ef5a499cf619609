"""Whose fingerprint data a query may search: Article 4(2) with Annex II.

The two directions differ. *Japan* makes available (paragraph 1), for a query that says it relates to an identified
individual, the prints of three classes of persons: (a) convicted and sentenced by a final judgment; (b) adults arrested
whose case is before the court, was dropped under Article 248 of the Code of Criminal Procedure, or is undecided; (c)
adults for whom a request of arrest is circulated. For a query that says it relates to an unidentified individual, every
print collected from an individual. "Identified" is a word of the query, not of the stored print (Act No. 57 of 2014,
Art. 3(1) and (2)). The *United States* makes available (paragraph 2) all its national system holds, "including but not
limited to" four classes: no word of the query matters, nor does age.

Both speak of the national system "used for the purpose of preventing, detecting, and investigating serious crime":
prints of an immigration or civil system are outside, whoever they belong to.

A person's standing is taken as it is at the moment of the query: a case dropped at noon counts at one past noon.
Somebody whose prints were erased, for instance after death, is not in the system, so there is no standing to ask about.

The answers decide which prints are searched at all, so :func:`available` is asked about every person at every query. It
formats nothing: all answers of one version of the rules are made once and shared. The reason in an answer is for the
queried Party alone; telling it to the querying Party would tell what the view hides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum, auto
from functools import lru_cache
from typing import Final

from annex.parameters import AgeReference, AnnexError, Party, Rules, rules_in_force


class StandingError(AnnexError):
    """A person's standing, or a question under Annex II, that is not well formed."""


class Disposition(StrEnum):
    """Where a criminal case against a person stands."""

    PENDING = auto()
    """Neither prosecuted nor disposed of."""
    PROSECUTED = auto()
    """Before a court; also on appeal against an acquittal."""
    CONVICTED_FINAL = auto()
    """Convicted and sentenced by a final judgment."""
    CONVICTED_NOT_FINAL = auto()
    """Convicted by a judgment that is not final."""
    ACQUITTED = auto()
    """Acquitted by a final judgment."""
    NON_PROSECUTION_ART_248 = auto()
    """Prosecution suspended under Article 248 of the Code of Criminal Procedure, and not taken up since."""
    NON_PROSECUTION_OTHER = auto()
    """Not prosecuted on another ground: no suspicion, not enough of it, or a procedural bar."""
    PETTY = auto()
    """Determined to be a petty crime and not sent to the prosecutor, Code of Criminal Procedure, Art. 246, proviso."""
    JUVENILE_NON_CRIMINAL = auto()
    """Finally ended in non-criminal proceedings relating to minors; see ``parameters.JUVENILE_DECISIONS``."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case against a person. ``arrested_on`` is None where the prints were taken without an arrest.

    Raises:
        StandingError: a field is of the wrong kind.

    """

    disposition: Disposition
    arrested_on: date | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.disposition, Disposition):
            raise StandingError(
                f"Annex II 1(1): a case needs a Disposition; got {type(self.disposition).__name__}: translate the "
                "national system's code for the outcome"
            )
        _check_day("arrested_on", self.arrested_on)


@dataclass(frozen=True, slots=True)
class Standing:
    """One person of whom the national system holds prints, as things stand now.

    ``born_on`` is None where unknown. ``arrest_request_circulated`` says that a request of arrest is circulated among
    police authorities in Japan, or that a warrant of arrest is issued in the United States.
    ``collected_from_individual`` is False for prints left at a crime scene. ``criminal_system`` is False for prints of
    an immigration or civil system.

    Raises:
        StandingError: a field is of the wrong kind.

    """

    born_on: date | None
    cases: tuple[Case, ...] = ()
    arrest_request_circulated: bool = False
    known_or_suspected_terrorist: bool = False
    collected_from_individual: bool = True
    criminal_system: bool = True

    def __post_init__(self) -> None:
        _check_day("born_on", self.born_on)
        if type(self.cases) is not tuple or not all(isinstance(case, Case) for case in self.cases):
            raise StandingError(
                f"Annex II 1(1): cases must be a tuple of Case; got {type(self.cases).__name__}: a person without a "
                "case has an empty tuple"
            )
        flags = (
            self.arrest_request_circulated,
            self.known_or_suspected_terrorist,
            self.collected_from_individual,
            self.criminal_system,
        )
        if not all(type(flag) is bool for flag in flags):
            raise StandingError(
                "Annex II: arrest_request_circulated, known_or_suspected_terrorist, collected_from_individual and "
                f"criminal_system must be True or False; got {', '.join(type(flag).__name__ for flag in flags)}"
            )


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a person's prints are searched, under which clause of Annex II, and why. Shared between answers."""

    available: bool
    clause: str
    reason: str
    rules: str


class _Ground(Enum):
    """Every answer there is: available or not, the clause of Annex II, and the reason, to be filled from the rules."""

    OTHER_SYSTEM = (
        False,
        "",
        "The prints are not held in the national system that is used for serious crime.",
    )
    LATENT = (False, "", "The prints were left at a crime scene: they were not collected from an individual.")

    CONVICTED = (True, "1(1)(a)", "The person has been convicted and sentenced by a final judgment.")
    BEFORE_COURT = (True, "1(1)(b)(i)", "An adult was arrested; the case is before a court without a final judgment.")
    SUSPENDED = (
        True,
        "1(1)(b)(ii)",
        "An adult was arrested; prosecution was suspended under Article 248 of the Code of Criminal Procedure.",
    )
    UNDECIDED = (True, "1(1)(b)(iii)", "An adult was arrested; the case is neither prosecuted nor disposed of.")
    WANTED = (True, "1(1)(c)", "A request of arrest for an adult is circulated among police authorities in Japan.")

    BIRTH_UNKNOWN = (
        False,
        "1(1)(b), (c)",
        (
            "The person was arrested or a request of arrest is circulated, but the date of birth is unknown, so "
            "nothing shows that the person was {age} or over on the day of the {reference}."
        ),
    )
    MINOR = (
        False,
        "1(1)(b), (c)",
        (
            "The person was arrested or a request of arrest is circulated, but the person was not yet {age} on the day "
            "of the {reference}."
        ),
    )
    NOT_ARRESTED = (False, "1(1)(b)", "The case would qualify, but the prints were taken without an arrest for it.")
    ACQUITTED = (False, "1(1)", "The only case ended in a final acquittal, which is in none of the classes (a) to (c).")
    OTHER_NON_PROSECUTION = (
        False,
        "1(1)(b)",
        (
            "The only case was not prosecuted, on another ground than Article 248 of the Code of Criminal Procedure: "
            "(ii) asks for that Article, and (iii) for a case without a disposition."
        ),
    )
    PETTY = (
        False,
        "1(1)(b)(iii)",
        (
            "The only case was determined to be a petty crime and not sent to the prosecutor (Code of Criminal "
            "Procedure, Article 246, proviso), which (iii) excepts."
        ),
    )
    JUVENILE = (
        False,
        "1(1)(b)(iii)",
        (
            "The only case was finally ended in non-criminal proceedings relating to minors (Juvenile Act, Article "
            "{juvenile}), which (iii) excepts."
        ),
    )
    NO_CLASS = (False, "1(1)", "No case and no circulated request of arrest puts the person in class (a), (b) or (c).")

    UNIDENTIFIED = (
        True,
        "1(2)",
        "The query relates to an unidentified individual, and the prints were collected from an individual.",
    )

    US_CONVICTED = (True, "2(1)", "The person has been convicted.")
    US_TERRORIST = (True, "2(4)", "The person is a known or suspected terrorist.")
    US_HELD = (
        True,
        "2",
        "The prints are held in the national system used for serious crime, which is open as a whole.",
    )
    US_LATENT = (False, "2", "The prints were left at a crime scene: a match to them names no individual (Art. 5(1)).")


_ARRESTED: Final = {
    Disposition.PROSECUTED: _Ground.BEFORE_COURT,
    Disposition.CONVICTED_NOT_FINAL: _Ground.BEFORE_COURT,
    Disposition.NON_PROSECUTION_ART_248: _Ground.SUSPENDED,
    Disposition.PENDING: _Ground.UNDECIDED,
}
"""Annex II 1(1)(b): what may have become of "the case relevant to the arrest"."""

_OUTSIDE: Final = {
    Disposition.ACQUITTED: _Ground.ACQUITTED,
    Disposition.NON_PROSECUTION_OTHER: _Ground.OTHER_NON_PROSECUTION,
    Disposition.PETTY: _Ground.PETTY,
    Disposition.JUVENILE_NON_CRIMINAL: _Ground.JUVENILE,
}
"""What puts a case in none of the classes of Annex II 1(1)."""

_CONVICTED: Final = frozenset({Disposition.CONVICTED_FINAL, Disposition.CONVICTED_NOT_FINAL})
"""Paragraph 2(1) says "convicted" where paragraph 1(1)(a) adds "and sentenced by a final judgment"."""


def available(
    standing: Standing, *, queried: Party, identified: bool, on: date, rules: Rules | None = None
) -> Availability:
    """Say whether the queried Party makes a person's prints available to a query, Article 4(2) and Annex II.

    Args:
        standing: the person, as the national system has it at the moment of the query.
        queried: the Party whose system is searched; it decides which paragraph of Annex II applies.
        identified: the query's own statement that it relates to an identified individual; only paragraph 1 asks for it.
        on: the day of the query; it picks the rules and counts the person's age.
        rules: another reading to try in place of the rules in force.

    Raises:
        StandingError: ``queried`` is not a Party, or ``identified`` neither True nor False.
        RulesError: no rules are in force on that day.

    """
    if rules is None:
        rules = rules_in_force(on)
    if queried is Party.JP:
        ground = _paragraph_1(standing, identified, on, rules)
    elif queried is Party.US:
        ground = _paragraph_2(standing, rules)
    else:
        raise StandingError(
            f"Annex II: queried must be Party.JP (paragraph 1) or Party.US (paragraph 2); got {type(queried).__name__}"
        )
    return _answers(rules, queried)[ground]


def _paragraph_1(standing: Standing, identified: bool, on: date, rules: Rules) -> _Ground:
    """Annex II 1, Japan's prints: which classes depends on what the query says of itself."""
    if identified is not True and identified is not False:
        raise StandingError(
            "Annex II 1: the query must say whether it relates to an identified individual, True or False; got "
            f"{type(identified).__name__}: ask the querying contact point to state it"
        )
    # "held in its national system for automated fingerprint identification used for the purpose of ... serious crime"
    if not standing.criminal_system:
        return _Ground.OTHER_SYSTEM
    # "collected from the individuals" in (1), "collected from individuals" in (2)
    if not standing.collected_from_individual:
        return _Ground.LATENT
    return _identified(standing, on, rules) if identified else _Ground.UNIDENTIFIED


def _identified(standing: Standing, on: date, rules: Rules) -> _Ground:
    """Annex II 1(1), a query that relates to an identified individual; one case that qualifies is enough."""
    # (a) "individuals who have been convicted and sentenced by a final judgment", of any age
    for case in standing.cases:
        if case.disposition is Disposition.CONVICTED_FINAL:
            return _Ground.CONVICTED
    # (b) "adults who have been arrested and, for the case relevant to the arrest, who have: (i) ... (ii) ... (iii) ..."
    for case in standing.cases:
        if case.arrested_on is not None and case.arrested_on <= on and case.disposition in _ARRESTED:
            reference = on if rules.age_reference is AgeReference.QUERY else case.arrested_on
            if _adult(standing, reference, rules):
                return _ARRESTED[case.disposition]
    # (c) "adults for whom a request of arrest has been circulated among police authorities in Japan"
    if standing.arrest_request_circulated and _adult(standing, on, rules):
        return _Ground.WANTED
    return _nearest(standing, on)


def _nearest(standing: Standing, on: date) -> _Ground:
    """Return which condition of Annex II 1(1) a person outside its classes came nearest to meeting."""
    arrests = [case.arrested_on for case in standing.cases if case.disposition in _ARRESTED]
    if standing.arrest_request_circulated or any(day is not None and day <= on for day in arrests):
        return _Ground.BIRTH_UNKNOWN if standing.born_on is None else _Ground.MINOR
    if arrests:
        return _Ground.NOT_ARRESTED
    if len(standing.cases) == 1:
        return _OUTSIDE[standing.cases[0].disposition]
    return _Ground.NO_CLASS


def _paragraph_2(standing: Standing, rules: Rules) -> _Ground:
    """Annex II 2, the prints of the United States: all that is held; the class only says where the answer belongs.

    Its points (2) and (3) speak of adults and need no test: "including but not limited to".
    """
    if not standing.criminal_system:
        return _Ground.OTHER_SYSTEM
    if not standing.collected_from_individual and not rules.latents_under_paragraph_2:
        return _Ground.US_LATENT
    for case in standing.cases:
        if case.disposition in _CONVICTED:
            return _Ground.US_CONVICTED
    return _Ground.US_TERRORIST if standing.known_or_suspected_terrorist else _Ground.US_HELD


def _adult(standing: Standing, on: date, rules: Rules) -> bool:
    """Say whether a person is of age on that day; nobody is whose date of birth is unknown."""
    return standing.born_on is not None and standing.born_on <= _born_by(on, rules.age_of_adult)


@lru_cache(maxsize=1024)
def _born_by(on: date, age: int) -> date:
    """Return the latest date of birth of those who have reached the age on that day.

    An age is reached as the eve of the birthday ends (Japan's Act No. 50 of 1902 with Civil Code, Art. 143), so it
    counts from the birthday on, and for somebody born on 29 February from 1 March in a common year.
    """
    try:
        return on.replace(year=on.year - age)
    except ValueError:  # on 29 February, in a year that has none
        return on.replace(year=on.year - age, day=28)


@lru_cache(maxsize=32)
def _answers(rules: Rules, queried: Party) -> dict[_Ground, Availability]:
    """Make the answers of one version of the rules, to be shared; found again by the identity of the rules."""
    words = {
        "age": rules.age_of_adult,
        "reference": rules.age_reference.value,
        "juvenile": ", ".join(rules.juvenile_decisions),
    }
    paragraph = "1" if queried is Party.JP else "2"
    return {
        ground: Availability(
            available=is_available,
            clause=f"Annex II {clause or paragraph}",
            reason=reason.format_map(words),
            rules=rules.version,
        )
        for ground, (is_available, clause, reason) in ((ground, ground.value) for ground in _Ground)
    }


def _check_day(name: str, day: date | None) -> None:
    if day is not None and type(day) is not date:
        raise StandingError(
            f"Annex II: {name} must be a date, or None where there is none; got {type(day).__name__}: a moment says no "
            "day until it has a time zone"
        )
