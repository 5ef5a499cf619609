"""What the law fixes and what a reading of it fixes, each with its date, source and reason.

Article 15(3) lets the Parties amend the agreement and its Annexes, and national law moves under it, so no number stands
in a rule: it stands here as a :class:`Dated` value. A value marked [interp] is a reading of words the agreement leaves
open; counsel changes it by adding a line with a new date, and every decision made under the old line keeps its meaning.

:func:`rules_in_force` gives the values of one day together, as :class:`Rules`. The version of the rules is the date of
the newest value among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Generic, Literal, TypeVar

T_co = TypeVar("T_co", covariant=True)

Branch = Literal["annex-i", "three-years"]
"""The two limbs of Article 1(3): offences described in Annex I, and any other conduct."""


class AnnexError(ValueError):
    """A question about the Annexes that has no answer as it was put."""


class RulesError(AnnexError):
    """No rules are in force on the day asked about, or a dated value is not well formed."""


class Party(StrEnum):
    """A Party to the agreement, by the ISO 3166-1 alpha-2 code of its country."""

    JP = "JP"
    US = "US"

    @property
    def other(self) -> Party:
        """The other Party."""
        return Party.US if self is Party.JP else Party.JP

    @property
    def country(self) -> str:
        """The name of the Party's country in running English text."""
        return "Japan" if self is Party.JP else "the United States"


class AgeReference(StrEnum):
    """The day on which a person must be of age to be an adult "who has been arrested", Annex II 1(1)(b)."""

    ARREST = "arrest"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Value(Generic[T_co]):
    """One value, the first day on which it holds, where it is written and why it is read so."""

    since: date
    value: T_co
    source: str
    reason: str

    @property
    def version(self) -> str:
        """The first day on which the value holds, as ``YYYY-MM-DD``."""
        return self.since.isoformat()


@dataclass(frozen=True, slots=True)
class Dated(Generic[T_co]):
    """A value that the law changes from time to time: each holds from its date until the next one's.

    Raises:
        RulesError: there is no value, or the dates do not rise strictly.

    """

    name: str
    values: tuple[Value[T_co], ...]

    def __post_init__(self) -> None:
        days = [value.since for value in self.values]
        if not days or days != sorted(set(days)):
            raise RulesError(
                f"{self.name}: expected at least one value and dates that rise strictly; got "
                f"{[day.isoformat() for day in days]}: put the values in the order in which they came into force"
            )

    def at(self, on: date) -> Value[T_co]:
        """Return the value in force on that day.

        Raises:
            RulesError: the day lies before the first value.

        """
        for value in reversed(self.values):
            if value.since <= on:
                return value
        raise RulesError(
            f"{self.name}: expected a day from {self.values[0].version}, when it first came into force "
            f"({self.values[0].source}); got {on.isoformat()}"
        )


IN_FORCE: Final = date(2019, 1, 5)
"""Entry into force of the agreement, Article 15(1), and with it of Act No. 57 of 2014."""

MAJORITY_AT_18: Final = date(2022, 4, 1)
"""Japan's age of majority fell from 20 to 18; Act No. 57 of 2014 was amended on the same day."""

MORE_THAN_MONTHS: Final = Dated(
    "Article 1(3), first limb",
    (
        Value(
            IN_FORCE,
            12,
            "Art. 1(3); Annex I, chapeau",
            '"a maximum period of more than one year" for conduct described in Annex I: one year exactly is not enough',
        ),
    ),
)

AT_LEAST_MONTHS: Final = Dated(
    "Article 1(3), second limb",
    (
        Value(
            IN_FORCE,
            36,
            "Art. 1(3)",
            '"a maximum period of at least three years" for any other conduct: three years exactly are enough',
        ),
    ),
)

ACTING_LAW_LIMBS: Final[Dated[frozenset[Branch]]] = Dated(
    "Article 1(3), limbs under the law of the querying or using Party",
    (
        Value(
            IN_FORCE,
            frozenset[Branch]({"annex-i", "three-years"}),
            "Art. 1(3), closing words",
            "[interp] the English leaves open whether the closing words (law of at least one Party; for Articles 4 and "
            "8 that of the Party that queries or uses) govern both limbs; both is the narrower reading",
        ),
    ),
)

AGE_OF_ADULT: Final = Dated(
    "Annex II 1(1)(b) and (c), adult",
    (
        Value(
            IN_FORCE,
            20,
            "Act No. 57 of 2014, Art. 3(1)(ii) and (iii)",
            "the implementing Act speaks of adults and says that these are persons of 20 or over",
        ),
        Value(
            MAJORITY_AT_18,
            20,
            "Act No. 57 of 2014, Art. 3(1)(ii) and (iii), as amended with effect from 2022-04-01",
            "majority fell to 18 in the Civil Code, and the Act was reworded from adults to persons of 20 or over so "
            "that nothing changes here",
        ),
    ),
)

AGE_REFERENCE: Final = Dated(
    "Annex II 1(1)(b), day on which an arrested person must be an adult",
    (
        Value(
            IN_FORCE,
            AgeReference.QUERY,
            "Annex II 1(1)(b); Act No. 57 of 2014, Art. 3(1)(ii)",
            '[interp] "adults who have been arrested" is silent; the Act describes a person of 20 or over who has at '
            "some time been in custody, which speaks of the age now",
        ),
    ),
)

JUVENILE_DECISIONS: Final[Dated[tuple[str, ...]]] = Dated(
    'Annex II 1(1)(b)(iii), "non-criminal proceedings relating to minors"',
    (
        Value(
            IN_FORCE,
            ("18", "19(1)", "23(2)", "24(1)"),
            "Act No. 57 of 2014, Art. 3(1)(ii)(c)",
            "articles of the Juvenile Act (Act No. 168 of 1948) whose decisions end a case out of criminal proceedings",
        ),
        Value(
            MAJORITY_AT_18,
            ("18", "19(1)", "23(2)", "24(1)", "64(1)"),
            "Act No. 57 of 2014, Art. 3(1)(ii)(c), as amended with effect from 2022-04-01",
            "adds protective measures for specified juveniles of 18 and 19",
        ),
    ),
)

LATENTS_UNDER_PARAGRAPH_2: Final = Dated(
    "Annex II 2, prints from a crime scene",
    (
        Value(
            IN_FORCE,
            False,
            "Annex II 2; Art. 5(1)",
            '[interp] paragraph 2 covers "the fingerprint data that are held" and, unlike paragraph 1, does not say '
            '"collected from individuals"; a latent is kept out all the same: a match to it names no individual of '
            "whom Article 5 information could be asked, and the narrower reading discloses less",
        ),
    ),
)

EXPLANATION_MANDATORY: Final[Dated[frozenset[Party]]] = Dated(
    "Art. 4(6), Parties that must ask for an explanation of a match that no request follows",
    (
        Value(
            IN_FORCE,
            frozenset({Party.JP}),
            "National Public Safety Commission Rule No. 16 of 2018, Art. 3",
            'where the agreement says that the queried contact point "may request" an explanation, the Rule orders '
            "the Commissioner General of the National Police Agency to request it",
        ),
    ),
)

CONSENT_NEEDS_REPORT: Final[Dated[frozenset[Party]]] = Dated(
    "Art. 8(5)(2) and 8(7), Parties that report to an authority of their own before they give consent",
    (
        Value(
            IN_FORCE,
            frozenset({Party.JP}),
            "National Public Safety Commission Rule No. 16 of 2018, Art. 4; Act No. 57 of 2014, Art. 5",
            "the Commissioner General reports what is consented to, to the National Public Safety Commission, before "
            "the consent is notified; where urgency leaves no time, without delay afterwards",
        ),
    ),
)

ACQUITTAL_NOTIFIED: Final[Dated[frozenset[Party]]] = Dated(
    "Art. 10(1), Parties that notify a final acquittal of a person on whom they provided information",
    (
        Value(
            IN_FORCE,
            frozenset({Party.JP}),
            "National Public Safety Commission Rule No. 16 of 2018, Art. 5",
            "after information was provided under Article 5, a final acquittal of that person in the case it relates "
            "to, or what is equivalent to one, is notified where that is found necessary and appropriate",
        ),
    ),
)

JAPAN_ITEMS: Final[Dated[tuple[str, ...]]] = Dated(
    "Article 5(2), items of information that Japan may provide",
    (
        Value(
            IN_FORCE,
            (
                "name",
                "date of birth",
                "place of birth",
                "sex",
                "height or weight",
                "history of criminal dispositions",
                "date and circumstances of fingerprinting",
            ),
            "Act No. 57 of 2014, Arts. 2(iv) and 4(1)",
            "the Act closes the list: what may be provided is what the computer for matching holds on the matters that the Act "
            "names; the United States has no such list",
        ),
    ),
)

NOTIFICATION_MONTHS: Final = Dated(
    "Article 8(4), months for which a written notification is retained",
    (
        Value(
            IN_FORCE,
            24,
            "Art. 8(4); Art. 11(3)",
            '[interp] "in accordance with the laws and regulations of its country": neither the Act nor the Rules of 2018 '
            "state a period; not less than the record that speaks of it, and longer where a Party's law says so",
        ),
    ),
)

_PARAMETERS: Final[tuple[Dated[object], ...]] = (
    MORE_THAN_MONTHS,
    AT_LEAST_MONTHS,
    ACTING_LAW_LIMBS,
    AGE_OF_ADULT,
    AGE_REFERENCE,
    JUVENILE_DECISIONS,
    LATENTS_UNDER_PARAGRAPH_2,
    EXPLANATION_MANDATORY,
    CONSENT_NEEDS_REPORT,
    ACQUITTAL_NOTIFIED,
    JAPAN_ITEMS,
    NOTIFICATION_MONTHS,
)


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The values in force on one day. Compared by identity, so that answers prepared for them are found at once."""

    version: str
    more_than_months: int
    at_least_months: int
    acting_law_limbs: frozenset[Branch]
    age_of_adult: int
    age_reference: AgeReference
    juvenile_decisions: tuple[str, ...]
    latents_under_paragraph_2: bool
    explanation_mandatory: frozenset[Party]
    consent_needs_report: frozenset[Party]
    acquittal_notified: frozenset[Party]
    japan_items: tuple[str, ...]
    notification_months: int


def _rules_since(day: date) -> Rules:
    return Rules(
        version=max(parameter.at(day).since for parameter in _PARAMETERS).isoformat(),
        more_than_months=MORE_THAN_MONTHS.at(day).value,
        at_least_months=AT_LEAST_MONTHS.at(day).value,
        acting_law_limbs=ACTING_LAW_LIMBS.at(day).value,
        age_of_adult=AGE_OF_ADULT.at(day).value,
        age_reference=AGE_REFERENCE.at(day).value,
        juvenile_decisions=JUVENILE_DECISIONS.at(day).value,
        latents_under_paragraph_2=LATENTS_UNDER_PARAGRAPH_2.at(day).value,
        explanation_mandatory=EXPLANATION_MANDATORY.at(day).value,
        consent_needs_report=CONSENT_NEEDS_REPORT.at(day).value,
        acquittal_notified=ACQUITTAL_NOTIFIED.at(day).value,
        japan_items=JAPAN_ITEMS.at(day).value,
        notification_months=NOTIFICATION_MONTHS.at(day).value,
    )


_VERSIONS: Final = tuple(
    (day, _rules_since(day))
    for day in sorted({value.since for parameter in _PARAMETERS for value in parameter.values}, reverse=True)
)

RULES_VERSION: Final = _VERSIONS[0][1].version
"""The newest version of the rules known to this program."""


def rules_in_force(on: date) -> Rules:
    """Return the rules in force on that day; the same object for every day of one version.

    Raises:
        RulesError: the day lies before the entry into force of the agreement, or is not a plain ``date``.

    """
    if type(on) is not date:  # a datetime is a date to Python, but says nothing until it has a time zone
        raise RulesError(
            f"the rules of the Annexes are dated by day: expected a date; got {type(on).__name__}: give the calendar "
            "date at the contact point that decides"
        )
    for since, rules in _VERSIONS:
        if since <= on:
            return rules
    raise RulesError(
        f"Art. 15(1): expected a day from {IN_FORCE.isoformat()}, when the agreement entered into force; got "
        f"{on.isoformat()}: nothing may be queried, requested or provided under it on that day"
    )


def rules_version(on: date) -> str:
    """Return the version of the rules in force on that day, as ``YYYY-MM-DD``.

    Raises:
        RulesError: as :func:`rules_in_force`.

    """
    return rules_in_force(on).version
