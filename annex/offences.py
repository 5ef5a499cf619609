"""Serious crime: Article 1(3) of the agreement with Annex I.

Article 1(3) has two limbs. Conduct *described in Annex I* is serious crime if it constitutes an offence punishable by
death, life imprisonment or deprivation of liberty for a maximum of *more than* one year. *Any other conduct* is
serious crime if the maximum is *at least* three years. Under Articles 4 and 8 the law of the Party that queries or uses
decides; under Articles 5 and 6 the law of either Party will do. The day on which the act was committed plays no part
(Article 15(2)), so nobody is asked for it.

The chapeau of Annex I takes in attempt, conspiracy, assistance, solicitation, preparation and participation, "only when
criminalized" and if they are themselves punishable by more than one year. The second limb has no such list: there the
form must be an offence in its own right, which comes to the same test against its own maximum. Hence one rule for both
limbs: a form other than the completed offence counts if the provision that makes it an offence is cited, by the maximum
of that provision.

Whether conduct falls under a category is a lawyer's judgment about conduct, not about a statute's name: it is an input
here. An offence without a category is not outside the agreement, it is tested by the second limb.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from annex.parameters import AnnexError, Branch, Party, Rules, rules_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


class OffenceError(AnnexError):
    """An offence, a penalty or a question under Article 1(3) that is not well formed."""


class Category(IntEnum):
    """The categories of Annex I by number, with the agreement's own words in ``words``."""

    words: str

    def __new__(cls, number: int, words: str = "") -> Self:
        """Make the category of that number; ``Category(8)`` finds one and passes no words."""
        category = int.__new__(cls, number)
        category._value_ = number
        category.words = words
        return category

    TERRORISM = 1, "terrorism or terrorism-related offenses"
    TORTURE = 2, "torture"
    MURDER = 3, "murder or manslaughter"
    ASSAULT = (
        4,
        (
            "assault with intent to cause serious injury, including permanent maiming or disfigurement, or resulting "
            "in such injuries"
        ),
    )
    EXTORTION = 5, "racketeering, extortion, or blackmail"
    BRIBERY = 6, "bribery or corruption"
    EMBEZZLEMENT = 7, "embezzlement"
    THEFT = 8, "felony/grand theft"
    BURGLARY = 9, "burglary"
    PERJURY = 10, "perjury or subornation of perjury"
    HUMAN_TRAFFICKING = 11, "trafficking in or smuggling of human beings"
    CHILD_EXPLOITATION = 12, "sexual exploitation of children or child pornography related offenses"
    DRUGS = (
        13,
        (
            "illicit trafficking in, distribution of, or possession with intent to distribute narcotics, marijuana, or "
            "other controlled substance"
        ),
    )
    WEAPONS = (
        14,
        "illicit trafficking in firearms, munitions, explosives, or other weapons or firearms-related offenses",
    )
    FRAUD = 15, "fraud or offenses involving fraudulent conduct"
    TAX = 16, "tax-related offenses"
    LAUNDERING = 17, "laundering of the proceeds of crime"
    COUNTERFEIT_CURRENCY = 18, "counterfeiting currency"
    COMPUTER_CRIME = 19, "computer-related crime"
    INTELLECTUAL_PROPERTY = 20, "intellectual property offenses or counterfeiting or piracy of products"
    IDENTITY_THEFT = (
        21,
        "identity theft or data privacy violations, including unlawful access to databases",
    )
    ENVIRONMENT = (
        22,
        (
            "environmental crime, including illicit trafficking in endangered animal species, endangered plant "
            "species, or their varieties"
        ),
    )
    UNAUTHORIZED_ENTRY = (
        23,
        "facilitation of unauthorized entry or residence or improper entry by aliens",
    )
    HUMAN_ORGANS = 24, "illicit trade in human organs or tissue"
    KIDNAPPING = 25, "kidnapping, illegal restraint, or hostage-taking"
    ROBBERY = 26, "robbery"
    CULTURAL_GOODS = (
        27,
        "illicit trafficking in cultural goods, including antiques and works of art",
    )
    FORGERY = (
        28,
        (
            "forgery, including that of administrative documents such as passports and travel documents or means of "
            "payment"
        ),
    )
    DANGEROUS_MATERIALS = (
        29,
        (
            "illicit trafficking in or use of or unlawful possession of biological, chemical, nuclear, or radioactive "
            "materials"
        ),
    )
    STOLEN_GOODS = (
        30,
        (
            "trafficking in stolen or counterfeit goods, or stolen or fraudulent documents, including passports and "
            "travel documents, or means of payment"
        ),
    )
    SEXUAL_ASSAULT = 31, "rape or other serious sexual assaults"
    ARSON = 32, "arson"
    HIJACKING = 33, "unlawful seizure of aircraft or ships or piracy on the high seas"
    SABOTAGE = 34, "sabotage"


class Form(StrEnum):
    """The completed offence, or one of the six other forms in the chapeau of Annex I."""

    COMPLETED = "completed"
    ATTEMPT = "attempt"
    CONSPIRACY = "conspiracy"
    ASSISTANCE = "assistance"
    SOLICITATION = "solicitation"
    PREPARATION = "preparation"
    PARTICIPATION = "participation"


# 4,800 months of the Gregorian calendar are 146,097 days. Statutes mix years, months and days ("364 days"), and a
# length in 1/4,800 of a day compares them without fractions: 365 days are no more than one year, 366 are; 35 months and
# 30 days are less than three years.
_DAY: Final = 4_800
_MONTH: Final = 146_097

LONGEST_MONTHS: Final = 12_000
LONGEST_DAYS: Final = 366_000
"""A thousand years: a longer maximum is a slip of the hand, and changes nothing under Article 1(3)."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """The maximum penalty of an offence, as far as Article 1(3) asks: death, life, or deprivation of liberty.

    A term is ``months`` and ``days`` together; where a statute offers prison *or* a fine, the prison term stands. All
    zero says that no deprivation of liberty is provided for, only a fine or less.

    Raises:
        OffenceError: a term that is negative, not a whole number, or longer than a thousand years.

    """

    death: bool = False
    life: bool = False
    months: int = 0
    days: int = 0

    def __post_init__(self) -> None:
        for name, value, longest in (("months", self.months, LONGEST_MONTHS), ("days", self.days, LONGEST_DAYS)):
            if type(value) is not int or not 0 <= value <= longest:
                raise OffenceError(
                    f"Art. 1(3): the maximum deprivation of liberty needs {name} as a whole number from 0 to "
                    f"{longest}; got {_shown(value)}: give the maximum the statute states"
                )
        for name, flag in (("death", self.death), ("life", self.life)):
            if type(flag) is not bool:
                raise OffenceError(f"Art. 1(3): {name} must be True or False; got {_shown(flag)}")

    @property
    def beyond_terms(self) -> bool:
        """Whether the offence is punishable by death or life imprisonment, which need no term."""
        return self.death or self.life

    @property
    def length(self) -> int:
        """The term in 1/4,800 of a day, a month being the mean month of the Gregorian calendar."""
        return self.months * _MONTH + self.days * _DAY

    def __str__(self) -> str:
        """Say the penalty in words, as it follows "punishable by"."""
        if self.death:
            return "death"
        if self.life:
            return "life imprisonment"
        return f"at most {_term(self.months, self.days)} of deprivation of liberty" if self.length else "a fine at most"


@dataclass(frozen=True, slots=True)
class Offence:
    """An offence under one Party's law that the conduct constitutes.

    ``citation`` is the statute and article of the offence; ``maximum`` is the maximum for this very ``form``, not that
    of the completed offence. For a form other than completed, ``form_citation`` is the provision that makes that form
    an offence; without it the form does not count. ``category`` is the category of Annex I that describes the conduct,
    None where none does.

    Raises:
        OffenceError: a field is blank or of the wrong kind, or a completed offence has a ``form_citation``.

    """

    description: str
    law: Party
    citation: str
    maximum: Penalty
    category: Category | None = None
    form: Form = Form.COMPLETED
    form_citation: str | None = None

    def __post_init__(self) -> None:
        self._check_text("description", self.description, "say what the conduct is, in a few words")
        self._check_text("citation", self.citation, "cite the statute and article")
        if self.form_citation is not None:
            self._check_text("form_citation", self.form_citation, "cite the provision, or leave it out")
        self._check_kind("law", self.law, Party)
        self._check_kind("maximum", self.maximum, Penalty)
        self._check_kind("form", self.form, Form)
        if self.category is not None:
            self._check_kind("category", self.category, Category)
        if self.form is Form.COMPLETED and self.form_citation is not None:
            raise OffenceError(
                f"Annex I, chapeau: a completed offence needs no form_citation; got {_shown(self.form_citation)}: name "
                "the form it criminalises, or leave it out"
            )

    @staticmethod
    def _check_text(name: str, value: object, advice: str) -> None:
        if not isinstance(value, str) or not value.strip():
            raise OffenceError(f"Art. 1(3): an offence needs a {name} that is not blank; got {_shown(value)}: {advice}")

    @staticmethod
    def _check_kind(name: str, value: object, kind: type) -> None:
        if not isinstance(value, kind):
            raise OffenceError(f"Art. 1(3): an offence needs a {kind.__name__} as {name}; got {_shown(value)}")

    @property
    def limb(self) -> Branch:
        """The limb of Article 1(3) that tests the offence: ``three-years`` where no category describes it."""
        return "three-years" if self.category is None else "annex-i"

    @property
    def criminalised(self) -> bool:
        """Whether the form is shown to be an offence (Annex I, chapeau: "only when criminalized")."""
        return self.form is Form.COMPLETED or self.form_citation is not None

    def __str__(self) -> str:
        """Name the offence in a sentence: what, where in the law, whose law."""
        form = "" if self.form is Form.COMPLETED else f", as {self.form}"
        cited = self.citation if self.form_citation is None else f"{self.citation} with {self.form_citation}"
        return f"{self.description}{form} ({cited}, law of {self.law.country})"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer under Article 1(3), with the sentence that explains it.

    ``branch``, and ``law`` (whose law it is), are those of the offence that makes the conduct serious crime; None where
    it is not. ``reason`` quotes the offence's description as it was given.
    """

    serious: bool
    branch: Branch | None
    clause: str
    reason: str
    rules: str
    law: Party | None


class _Miss(NamedTuple):
    """One condition of Article 1(3) that an offence does not meet, and what would meet it."""

    expected_and_got: str
    advice: str


_ACT: Final = {
    4: "the query may not be made",
    5: "further information may not be requested",
    6: "the information may not be provided",
    8: "the information may not be used for it",
}

_ACTING_ARTICLES: Final = frozenset({4, 8})
"""Article 1(3): "for Article 4 or 8, the Party that queries or uses information"."""


def serious_crime(
    offences: Sequence[Offence], *, article: int, acting: Party, on: date, rules: Rules | None = None
) -> Finding:
    """Say whether conduct that constitutes these offences is serious crime, Article 1(3).

    One offence that qualifies is enough, and the first that does is named. Where none does, the reason names what the
    nearest one misses.

    Args:
        offences: the offences the conduct constitutes, under either Party's law.
        article: the article that asks: 4 a query, 5 a request, 6 information without request, 8 a later use.
        acting: the Party that queries, requests, provides or uses.
        on: the day of that act; it picks the rules.
        rules: another reading to try in place of the rules in force.

    Raises:
        OffenceError: the article does not ask for serious crime, or an argument is of the wrong kind.
        RulesError: no rules are in force on that day.

    """
    if type(article) is not int or article not in _ACT:
        raise OffenceError(
            f"Art. 1(3) is asked by Articles 4 (query), 5 (request), 6 (information without request) and 8 (use); got "
            f"{_shown(article)}: name the article under which the Party acts"
        )
    if not isinstance(acting, Party):
        raise OffenceError(f"Art. 1(3): the acting Party must be Party.JP or Party.US; got {_shown(acting)}")
    for offence in offences:
        if not isinstance(offence, Offence):
            raise OffenceError(f"Art. 1(3): every offence must be an Offence; got {_shown(offence)}")
    rules = rules or rules_in_force(on)
    if not offences:
        return _no_offence(article, rules)
    tested = [(offence, _misses(offence, article, acting, rules)) for offence in offences]
    for offence, missed in tested:
        if not missed:
            return _serious(offence, rules)
    return _not_serious(tested, article, rules)


def _misses(offence: Offence, article: int, acting: Party, rules: Rules) -> list[_Miss]:
    """Return the conditions of Article 1(3) that the offence does not meet, in the order of its words."""
    misses = []
    # "only when criminalized" (Annex I, chapeau); in the second limb: "conduct constituting an offense"
    if not offence.criminalised:
        misses.append(
            _Miss(
                f"Annex I takes in {offence.form} only when criminalized; no provision that makes it an offence is "
                f"cited for {offence}",
                "Cite that provision, with its own maximum penalty",
            )
        )
    # "punishable by death, life imprisonment, or deprivation of liberty for a maximum period of ..."
    if _shortfall(offence, rules):
        misses.append(
            _Miss(
                f"Article 1(3) asks for {_threshold(offence, rules)}; {offence} is punishable by {offence.maximum}",
                _advice_on_term(offence, rules),
            )
        )
    # "(for Article 4 or 8, the Party that queries or uses information)"
    if article in _ACTING_ARTICLES and offence.limb in rules.acting_law_limbs and offence.law is not acting:
        misses.append(
            _Miss(
                f"For Article {article}, Article 1(3) looks only at the law of the Party that queries or uses, here "
                f"{acting.country}; what is named is {offence}",
                f"Name the offence that the conduct constitutes under the law of {acting.country}, if there is one",
            )
        )
    return misses


def _advice_on_term(offence: Offence, rules: Rules) -> str:
    if offence.category is None and offence.maximum.length > rules.more_than_months * _MONTH:
        return (
            f"Name the category of Annex I that describes the conduct, since more than {_term(rules.more_than_months)} "
            "is then enough, or another offence that it constitutes, if there is one"
        )
    return "Name another offence that the conduct constitutes, if there is one"


def _shortfall(offence: Offence, rules: Rules) -> int:
    """Return by how much the maximum misses what its limb asks, in 1/4,800 of a day; 0 where it does not."""
    if offence.maximum.beyond_terms:
        return 0
    if offence.category is None:
        return max(0, rules.at_least_months * _MONTH - offence.maximum.length)
    return max(0, rules.more_than_months * _MONTH + 1 - offence.maximum.length)


def _threshold(offence: Offence, rules: Rules) -> str:
    """Say what the limb asks of the offence, as it follows "asks for"."""
    opening = "death, life imprisonment or a maximum deprivation of liberty of"
    if offence.category is None:
        return f"{opening} at least {_term(rules.at_least_months)} where no category of Annex I describes the conduct"
    return f"{opening} more than {_term(rules.more_than_months)} under {_listed(offence.category)}"


def _serious(offence: Offence, rules: Rules) -> Finding:
    return Finding(
        serious=True,
        branch=offence.limb,
        clause=_clause(offence),
        reason=f"{_sentence(str(offence))} is punishable by {offence.maximum}; Article 1(3) asks for "
        f"{_threshold(offence, rules)}.",
        rules=rules.version,
        law=offence.law,
    )


def _not_serious(tested: Sequence[tuple[Offence, list[_Miss]]], article: int, rules: Rules) -> Finding:
    """Explain the offence that misses the fewest conditions, among those the one whose maximum comes nearest."""
    nearest, missed = min(tested, key=lambda pair: (len(pair[1]), _shortfall(pair[0], rules)))
    told = [f"{miss.expected_and_got}. {miss.advice}" for miss in missed]
    closing = f"; otherwise {_ACT[article]}."
    if len(tested) > 1:
        closing += f" Of the {len(tested)} offences named this one comes nearest."
    return Finding(
        serious=False,
        branch=None,
        clause=_clause(nearest),
        reason=". ".join(told) + closing,
        rules=rules.version,
        law=None,
    )


def _no_offence(article: int, rules: Rules) -> Finding:
    return Finding(
        serious=False,
        branch=None,
        clause="Art. 1(3)",
        reason="Article 1(3) asks for conduct that constitutes an offence; none is named. Name at least one offence "
        f"with its statute, article and maximum penalty; otherwise {_ACT[article]}.",
        rules=rules.version,
        law=None,
    )


def _clause(offence: Offence) -> str:
    return "Art. 1(3)" if offence.category is None else f"Art. 1(3), Annex I({offence.category.value})"


def _listed(category: Category) -> str:
    return f'Annex I({category.value}), "{category.words}"'


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _term(months: int, days: int = 0) -> str:
    """Say a term in words: whole years as years, the rest as months and days."""
    years, rest = divmod(months, 12)
    parts = [(months, "month") if rest else (years, "year"), (days, "day")]
    return " and ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count) or "0 days"


def _shown(value: object) -> str:
    """Show a value that was refused, without trusting it to be short."""
    if isinstance(value, str):
        return repr(value[:60])
    if isinstance(value, int) and abs(value) <= 10**9:
        return repr(value)
    return f"a value of type {type(value).__name__}"
