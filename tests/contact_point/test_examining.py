"""Article 4(5) in the order of ACE-V: the probe first, sealed; then the candidate; two examiners blind to one another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import examining, querying
from contact_point.examining import Analysis, Mark, Opinion, Stage
from contact_point.main import clock
from pcsc.duties import Content
from pcsc.errors import OutOfOrderError, UnconfirmedError
from pcsc.exchange import State
from pcsc.messages import Conclusion
from tests.contact_point.parties import events, held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.examining import Progress
    from contact_point.service import Installation
    from tests.contact_point.parties import Finger, Parties

EXCLUSION, IDENTIFICATION = Conclusion.EXCLUSION, Conclusion.IDENTIFICATION


@pytest.fixture
def matched(parties: Parties, fingers: tuple[Finger, ...]) -> Iterator[tuple[Installation, str]]:
    """A match that JP received, and the other contact point answering."""
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        yield parties.jp, parties.matched(fingers[0])


def analysis(by: str = "Sato") -> Analysis:
    return Analysis(by, (Mark(20, 30), Mark(40, 50)), of_value=True, note="core and delta seen", at=clock())


def opinion(by: str = "Sato", conclusion: Conclusion = EXCLUSION, note: str = "ridge count differs") -> Opinion:
    return Opinion(by, conclusion, note, clock())


def progress(here: Installation, number: str, *, two: bool = False) -> Progress:
    with here.store.transaction() as tx:
        return examining.progress(tx, number, two=two)


def notes(here: Installation, number: str) -> str:
    with here.store.transaction() as tx:
        return "\n".join(entry.note for entry in tx.entries(number))


def test_4_5_the_candidate_is_shown_once_the_analysis_of_the_probe_is_sealed(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    assert progress(jp, number).stage("Sato") is Stage.ANALYSIS
    with pytest.raises(OutOfOrderError, match=r"mark the probe first \(Art. 4\(5\)\)"):
        examining.check_may_compare(progress(jp, number), "Sato")
    with pytest.raises(OutOfOrderError, match="mark the probe first"):
        examining.conclude(jp, number, opinion(), two=False)

    digest = examining.seal_analysis(jp, number, analysis())
    found = progress(jp, number)
    assert found.stage("Sato") is Stage.COMPARISON
    assert found.analyses["Sato"].marks == (Mark(20, 30), Mark(40, 50))
    examining.check_may_compare(found, "Sato")
    assert f"sealed as {digest}" in notes(jp, number)
    with pytest.raises(OutOfOrderError, match="mark the probe first"):
        examining.check_may_compare(found, "Tanaka")


def test_4_5_a_sealed_analysis_is_not_changed(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    examining.seal_analysis(jp, number, analysis())
    with pytest.raises(OutOfOrderError, match="has seen the candidate: it is not changed any more"):
        examining.seal_analysis(jp, number, replace(analysis(), marks=()))
    assert progress(jp, number).analyses["Sato"].note == "core and delta seen"


def test_4_5_one_examiner_concludes_where_one_is_wanted(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    examining.seal_analysis(jp, number, analysis())
    found = examining.conclude(jp, number, opinion(conclusion=IDENTIFICATION), two=False)
    assert (found.exchange.state, found.exchange.conclusion) == (State.EXAMINED, IDENTIFICATION)
    assert found.stage("Sato") is Stage.CONCLUDED
    assert events(jp, number)[-3:] == ["match", "analysis", "examination"]
    with pytest.raises(OutOfOrderError, match=r"exchange .* is at 'examined'"):
        examining.seal_analysis(jp, number, analysis("Tanaka"))
    with pytest.raises(OutOfOrderError, match=r"exchange .* is at 'examined'"):
        examining.conclude(jp, number, opinion(), two=False)


def test_4_5_nobody_learns_what_the_first_of_two_examiners_concluded(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    for by in ("Sato", "Tanaka"):
        examining.seal_analysis(jp, number, analysis(by))
    found = examining.conclude(jp, number, opinion("Sato"), two=True)
    assert (found.stage("Sato"), found.stage("Tanaka")) == (Stage.SECOND, Stage.COMPARISON)
    assert found.exchange.state is State.MATCH
    assert not any(each.value in notes(jp, number) for each in Conclusion)
    with pytest.raises(OutOfOrderError, match="another examiner is awaited"):
        examining.conclude(jp, number, opinion("Sato"), two=True)

    found = examining.conclude(jp, number, opinion("Tanaka"), two=True)
    assert (found.exchange.conclusion, found.exchange.examined_by) == (EXCLUSION, "Sato and Tanaka")
    assert "exclusion by Sato and Tanaka" in notes(jp, number)


def test_4_5_a_disagreement_is_resolved_by_somebody_else_with_a_reason(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    for by in ("Sato", "Tanaka"):
        examining.seal_analysis(jp, number, analysis(by))
    with pytest.raises(OutOfOrderError, match="there is nothing to resolve"):
        examining.resolve(jp, number, opinion("Mori"))
    examining.conclude(jp, number, opinion("Sato", EXCLUSION), two=True)
    found = examining.conclude(jp, number, opinion("Tanaka", IDENTIFICATION), two=True)
    assert {found.stage(who) for who in ("Sato", "Tanaka", "Mori")} == {Stage.DISAGREEMENT}
    assert "disagreement, for a supervisor to resolve: Sato: exclusion; Tanaka: identification" in notes(jp, number)

    with pytest.raises(OutOfOrderError, match="somebody else resolves it"):
        examining.resolve(jp, number, opinion("Tanaka"))
    with pytest.raises(UnconfirmedError, match="with a reason; none was given"):
        examining.resolve(jp, number, opinion("Mori", note=" "))
    exchange = examining.resolve(jp, number, opinion("Mori", EXCLUSION, "the delta lies elsewhere"))
    assert (exchange.state, exchange.conclusion) == (State.EXAMINED, EXCLUSION)
    assert exchange.examined_by == "Mori, resolving between Sato and Tanaka"
    with jp.store.transaction() as tx:
        resolved = examining.resolution(tx, number)
    assert resolved is not None
    assert resolved.note == "the delta lies elsewhere"


def test_8_2_the_analysis_goes_with_the_prints_and_the_opinions_stay(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    examining.seal_analysis(jp, number, analysis())
    examining.conclude(jp, number, opinion(), two=False)
    assert held(jp, number) >= {Content.ANALYSIS, Content.OPINION, Content.CANDIDATE}
    querying.determine(jp, number, will_request=False, now=clock())
    assert held(jp, number) == {Content.CIRCUMSTANCES, Content.OPINION}
    with jp.store.transaction() as tx:
        assert any(entry.event == "deletion" and "analysis destroyed" in entry.note for entry in tx.entries(number))


def test_an_analysis_and_an_opinion_name_who_made_them_and_are_of_bounded_length(
    matched: tuple[Installation, str],
) -> None:
    jp, number = matched
    with pytest.raises(UnconfirmedError, match="no name was given"):
        examining.seal_analysis(jp, number, analysis(" "))
    many = tuple(Mark(x, 1) for x in range(501))
    with pytest.raises(ValueError, match="500 marks at most; 501 came"):
        examining.seal_analysis(jp, number, replace(analysis(), marks=many))
    with pytest.raises(ValueError, match="4000 characters at most; 4001 came"):
        examining.seal_analysis(jp, number, replace(analysis(), note="x" * 4001))
    assert held(jp, number) == {Content.PROBE, Content.CANDIDATE, Content.CIRCUMSTANCES}


def test_4_5_only_our_own_match_is_examined(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        number = parties.matched(fingers[0])
    with pytest.raises(OutOfOrderError, match="was opened by JP, so this act is theirs"):
        examining.seal_analysis(parties.us, number, analysis())
