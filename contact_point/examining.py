"""The examination of a match in the order of ACE-V: analysis, comparison, evaluation, verification (Article 4(5)).

"To confirm the result" is a person's work, and the order protects it: who has seen the candidate finds its minutiae in the
probe. So an examiner marks the probe alone and seals that; only then may they see the candidate. Where two examiners are wanted
the second does not learn what the first concluded; where they disagree, neither outvotes the other: a supervisor decides, and
says why. (SWGFAST, Standards for Examining Friction Ridge Impressions, 2013; ENFSI best practice manual, 2015.)

What was marked is of the prints and goes with them (Article 8(2)). What was concluded, and why, stays with the record: the
explanations of Article 4(6) rest on it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from contact_point import querying, service
from pcsc import life
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError, UnconfirmedError
from pcsc.exchange import Exchange, State
from pcsc.messages import Conclusion

if TYPE_CHECKING:
    from contact_point.service import Installation
    from contact_point.store import Transaction

MOST_MARKS: Final = 500
LONGEST_NOTE: Final = 4000  # characters
_RESOLUTION: Final = "resolution"
"""What tells the supervisor's opinion from those of examiners."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A minutia that an examiner marked: pixels at 500 dpi from the upper left corner of the probe."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an examiner saw in the probe before seeing the candidate."""

    examiner: str
    marks: tuple[Mark, ...]
    of_value: bool
    """Whether the probe is good enough to be compared."""
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one examiner, or in the end the supervisor, concluded."""

    by: str
    conclusion: Conclusion
    note: str
    at: datetime


class Stage(StrEnum):
    """How far an examination has come for one person who looks at it."""

    ANALYSIS = "analysis"
    """The probe is to be marked and the marks sealed; the candidate is not shown."""
    COMPARISON = "comparison"
    """Both prints are shown; a conclusion is to be drawn."""
    SECOND = "second examiner"
    """Another examiner's opinion is awaited."""
    DISAGREEMENT = "disagreement"
    """A supervisor is to resolve it."""
    CONCLUDED = "concluded"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of the examination of an exchange."""

    exchange: Exchange
    analyses: Mapping[str, Analysis]
    """By examiner."""
    opinions: Mapping[str, Opinion]
    """By examiner."""
    two: bool
    """Whether two examiners are wanted."""

    def stage(self, who: str) -> Stage:
        """Return how far it has come for ``who``."""
        if self.exchange.state is not State.MATCH:
            return Stage.CONCLUDED
        if self.disagree:
            return Stage.DISAGREEMENT
        if who in self.opinions:
            return Stage.SECOND
        return Stage.COMPARISON if who in self.analyses else Stage.ANALYSIS

    @property
    def disagree(self) -> bool:
        """Whether the opinions that are there contradict each other."""
        return len({each.conclusion for each in self.opinions.values()}) > 1

    @property
    def agreed(self) -> Conclusion | None:
        """Return what as many examiners as are wanted concluded, or None."""
        found = {each.conclusion for each in self.opinions.values()}
        return found.pop() if len(found) == 1 and len(self.opinions) >= 1 + self.two else None


def progress(tx: Transaction, control_number: str, *, two: bool) -> Progress:
    """Return how far an examination has come.

    Raises:
        OutOfOrderError: the exchange is not ours to examine.

    """
    exchange = querying.ours(tx, control_number)
    held = {(each.kind, each.number) for each in service.readable(tx, exchange)}
    analyses = (_analysis(tx, control_number, number) for kind, number in held if kind is Content.ANALYSIS)
    opinions = (
        _opinion(tx, control_number, number)
        for kind, number in held
        if kind is Content.OPINION and number != _RESOLUTION
    )
    return Progress(exchange, {each.examiner: each for each in analyses}, {each.by: each for each in opinions}, two=two)


def seal_analysis(here: Installation, control_number: str, analysis: Analysis) -> str:
    """Seal what an examiner marked in the probe, before the candidate is shown; return its digest, which the record keeps.

    Raises:
        OutOfOrderError: there is no match to examine, or this examiner sealed an analysis before.
        UnconfirmedError: it names no examiner.
        ValueError: there are too many marks, or words.

    """
    _check(analysis.examiner, analysis.note)
    if len(analysis.marks) > MOST_MARKS:
        raise ValueError(
            f"an analysis holds {MOST_MARKS} marks at most; {len(analysis.marks)} came: mark what is compared"
        )
    with here.store.transaction() as tx:
        found = progress(tx, control_number, two=False)
        if found.exchange.state is not State.MATCH:
            raise OutOfOrderError(
                f"the probe is analysed while a match waits for its examination (Art. 4(5)); exchange {control_number} is at "
                f"'{found.exchange.state}'"
            )
        if analysis.examiner in found.analyses:
            raise OutOfOrderError(
                f"{analysis.examiner} sealed an analysis of exchange {control_number} before, and has seen the candidate: it "
                "is not changed any more (Art. 4(5))"
            )
        text = _text(
            examiner=analysis.examiner,
            marks=[[mark.x, mark.y] for mark in analysis.marks],
            of_value=analysis.of_value,
            note=analysis.note,
            at=analysis.at,
        )
        tx.hold(control_number, Content.ANALYSIS, text, number=_number(analysis.examiner))
        digest = hashlib.sha256(text).hexdigest()
        note = f"probe analysed by {analysis.examiner} before the candidate was shown, sealed as {digest}"
        service.record_act(tx, found.exchange, "analysis", article="4(5)", note=note, now=analysis.at)
        service.noted(here, tx, found.exchange, analysis.at)
    return digest


def check_may_compare(found: Progress, who: str) -> None:
    """Raise unless ``who`` may see the candidate: an examiner once their analysis is sealed, anybody else never.

    Raises:
        OutOfOrderError: the analysis is not sealed yet, or the examination is over.

    """
    if found.exchange.state is not State.MATCH:
        raise OutOfOrderError(
            f"the candidate is shown while its match is examined (Art. 4(5)); exchange {found.exchange.control_number} is at "
            f"'{found.exchange.state}'"
        )
    if who not in found.analyses:
        raise OutOfOrderError(
            f"the candidate of exchange {found.exchange.control_number} is shown once the analysis of the probe is sealed: "
            "mark the probe first (Art. 4(5))"
        )


def conclude(here: Installation, control_number: str, opinion: Opinion, *, two: bool) -> Progress:
    """Note what an examiner concludes; with the last opinion that is wanted, where all agree, the match is examined.

    With ``two`` a second examiner is wanted, who does not learn what the first one concluded: until then not even the record
    says it. Return how far the examination has come.

    Raises:
        OutOfOrderError: the examiner may not see the candidate, or concluded before, or the examination is over.
        UnconfirmedError: no examiner is named.
        ValueError: there are too many words.

    """
    _check(opinion.by, opinion.note)
    with here.store.transaction() as tx:
        found = progress(tx, control_number, two=two)
        check_may_compare(found, opinion.by)
        if opinion.by in found.opinions:
            raise OutOfOrderError(
                f"{opinion.by} concluded the examination of exchange {control_number} before: another examiner is awaited"
            )
        digest = _keep(tx, control_number, opinion, _number(opinion.by))
        found = progress(tx, control_number, two=two)
        if (agreed := found.agreed) is not None:
            exchange = _settle(tx, found.exchange, agreed, " and ".join(sorted(found.opinions)), opinion.at)
            return progress(tx, exchange.control_number, two=two)
        said = f"by {opinion.by}, sealed as {digest}"
        if found.disagree:
            each = "; ".join(f"{name}: {one.conclusion}" for name, one in sorted(found.opinions.items()))
            said = f"disagreement, for a supervisor to resolve: {each}"
        service.record_act(tx, found.exchange, "opinion", article="4(5)", note=said, now=opinion.at)
        service.noted(here, tx, found.exchange, opinion.at)
    return found


def resolve(here: Installation, control_number: str, opinion: Opinion) -> Exchange:
    """Resolve the disagreement of two examiners; the supervisor is neither of them, and says why.

    Raises:
        OutOfOrderError: there is no disagreement, or the supervisor is one of the examiners.
        UnconfirmedError: no supervisor is named, or no reason is given.
        ValueError: there are too many words.

    """
    _check(opinion.by, opinion.note)
    if not opinion.note.strip():
        raise UnconfirmedError(
            "a disagreement of examiners is resolved with a reason; none was given: say what decides it"
        )
    with here.store.transaction() as tx:
        found = progress(tx, control_number, two=True)
        if found.stage(opinion.by) is not Stage.DISAGREEMENT:
            raise OutOfOrderError(f"no examiners disagree about exchange {control_number}: there is nothing to resolve")
        if opinion.by in found.opinions:
            raise OutOfOrderError(
                f"{opinion.by} is one of those who disagree about exchange {control_number}: somebody else resolves it"
            )
        _keep(tx, control_number, opinion, _RESOLUTION)
        names = " and ".join(sorted(found.opinions))
        return _settle(tx, found.exchange, opinion.conclusion, f"{opinion.by}, resolving between {names}", opinion.at)


def resolution(tx: Transaction, control_number: str) -> Opinion | None:
    """Return how a disagreement was resolved, or None where there was none."""
    held = service.readable(tx, tx.exchange(control_number))
    if not any(each.kind is Content.OPINION and each.number == _RESOLUTION for each in held):
        return None
    return _opinion(tx, control_number, _RESOLUTION)


def _settle(tx: Transaction, before: Exchange, conclusion: Conclusion, by: str, now: datetime) -> Exchange:
    exchange = life.examine(before, conclusion, by, now)
    querying.note_examination(tx, before, exchange, now)
    return exchange


def _keep(tx: Transaction, control_number: str, opinion: Opinion, number: str) -> str:
    """Hold an opinion and return its digest, from which nobody can tell which of three it is: it has a salt in it."""
    text = _text(
        by=opinion.by,
        conclusion=opinion.conclusion,
        note=opinion.note,
        at=opinion.at,
        salt=secrets.token_hex(16),
    )
    tx.hold(control_number, Content.OPINION, text, number=number)
    return hashlib.sha256(text).hexdigest()


def _check(by: str, note: str) -> None:
    if not by.strip():
        raise UnconfirmedError("an examination names its examiner; no name was given")
    if len(note) > LONGEST_NOTE:
        raise ValueError(f"a note has {LONGEST_NOTE} characters at most; {len(note)} came: say it in fewer words")


def _number(by: str) -> str:
    """Return what tells what one examiner sealed from what another did, without a name in a column that rests in clear."""
    return hashlib.sha256(by.encode()).hexdigest()[:32]


def _text(**values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, default=lambda value: value.isoformat()).encode()


def _analysis(tx: Transaction, control_number: str, number: str) -> Analysis:
    said = json.loads(tx.content(control_number, Content.ANALYSIS, number=number))
    marks = tuple(Mark(x, y) for x, y in said["marks"])
    return Analysis(said["examiner"], marks, said["of_value"], said["note"], datetime.fromisoformat(said["at"]))


def _opinion(tx: Transaction, control_number: str, number: str) -> Opinion:
    said = json.loads(tx.content(control_number, Content.OPINION, number=number))
    return Opinion(said["by"], Conclusion(said["conclusion"]), said["note"], datetime.fromisoformat(said["at"]))
