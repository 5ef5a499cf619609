"""`pcsc record anomalies`, and what a query leaves in the record for it on either side."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import cli, queried, querying, wire
from contact_point.client import UnreachableError
from contact_point.main import clock
from contact_point.prints import PrintReader, ten_rolled
from matcher.template import ImpressionType
from pcsc import anomalies

from .parties import Down, justification
from .test_peer import query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contact_point.prints import Print
    from contact_point.service import Installation

    from .parties import Finger, Parties


class Given(PrintReader):
    """A reader that finds these prints in whatever it reads."""

    def __init__(self, found: Sequence[Print]) -> None:
        super().__init__()
        self._found = list(found)

    def of_transaction(self, transaction: bytes, *, latent: bool | None = None, gate: bool = True) -> list[Print]:
        del transaction, latent, gate
        return self._found


def card(finger: Finger, impression: ImpressionType, fingers: int = 10) -> list[Print]:
    """Return so many fingers of a person, each taken in one way."""
    shown = finger.later_print
    return [
        replace(shown, template=replace(shown.template, position=each, impression=impression))
        for each in range(1, fingers + 1)
    ]


def remarks(here: Installation) -> list[str]:
    with here.store.transaction() as tx:
        return [each.note for each in tx.entries() if each.event == anomalies.REMARK]


CARDS = [
    (ImpressionType.LIVE_ROLLED, 10, False, [anomalies.UNIDENTIFIED_ROLLED]),
    (ImpressionType.LIVE_ROLLED, 10, True, []),
    (ImpressionType.LIVE_ROLLED, 9, False, []),
    (ImpressionType.LIVE_PLAIN, 10, False, []),
]
_NAMED = pytest.mark.parametrize(
    ("impression", "number", "identified", "noted"), CARDS, ids=["unidentified", "identified", "nine", "plain"]
)


@_NAMED
def test_annex_2_1_a_query_that_we_make_is_remarked_on(
    parties: Parties,
    fingers: tuple[Finger, ...],
    impression: ImpressionType,
    number: int,
    identified: bool,
    noted: list[str],
) -> None:
    here = replace(parties.us, other=Down())
    said = justification(Party.US, identified=identified)
    with pytest.raises(UnreachableError):
        querying.open_query(here, card(fingers[0], impression, number), said, clock())
    assert remarks(parties.us) == noted


@_NAMED
def test_annex_2_1_a_query_that_we_receive_is_remarked_on_whatever_comes_of_it(
    parties: Parties,
    fingers: tuple[Finger, ...],
    impression: ImpressionType,
    number: int,
    identified: bool,
    noted: list[str],
) -> None:
    asked = replace(query(parties.us, fingers[0]), identified=identified)
    with parties.answering(Party.JP) as jp:
        here = replace(jp, reader=Given(card(fingers[0], impression, number)))
        queried.receive(here, asked, wire.encode(asked), clock())
    assert remarks(parties.jp) == noted


def test_two_prints_of_one_finger_are_not_two_fingers(fingers: tuple[Finger, ...]) -> None:
    rolled = [each.template for each in card(fingers[0], ImpressionType.ROLLED)]
    assert ten_rolled(rolled)
    assert not ten_rolled([*rolled[:9], rolled[0]])


def asked_with_one_reason(here: Installation, finger: Finger, times: int) -> list[str]:
    """Make so many queries of one case with one reason, which are not sent."""
    numbers = []
    for _ in range(times):
        with pytest.raises(UnreachableError):
            querying.open_query(
                replace(here, other=Down()), [finger.later_print], justification(Party.JP, case="case-1"), clock()
            )
        with here.store.transaction() as tx:
            numbers = [each.control_number for each in tx.exchanges()]
    return sorted(numbers)


def test_4_3_one_reason_for_many_queries_is_shown_with_its_exchanges(
    run: Callable[..., tuple[int, str]], parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    root = parties.jp.settings.folder.root
    numbers = asked_with_one_reason(parties.jp, fingers[0], anomalies.SAME_REASON)
    code, said = run("record", "anomalies", "--dir", root)
    assert code == 0
    assert f"{anomalies.SAME_REASON} queries from " in said
    assert "Art. 4(3), same reason, our JP-1: 5 queries were made with the same particular circumstances" in said
    assert f"exchanges: {', '.join(numbers)}" in said
    assert "what to do: let the authority say for each what was known of this individual" in said
    assert "robbery" not in said  # the text is not in the report: what is kept for it is a digest
    code, said = run("record", "anomalies", "--json", "--dir", root)
    told = json.loads(said)
    assert (code, told["queries"], [each["exchanges"] for each in told["anomalies"]]) == (0, 5, [numbers])


def test_nothing_stands_out_before_or_after_a_time(
    run: Callable[..., tuple[int, str]], parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    root = parties.jp.settings.folder.root
    asked_with_one_reason(parties.jp, fingers[0], anomalies.SAME_REASON)
    day = clock().date()
    for period in (("--until", day), ("--since", day + timedelta(days=1), "--until", day + timedelta(days=2))):
        code, said = run("record", "anomalies", *period, "--dir", root)
        assert (code, "0 queries from " in said, "nothing stands out" in said) == (0, True, True)
    code, said = run("record", "anomalies", "--since", day, "--until", day, "--dir", root)
    assert code == cli.FAILED
    assert "a report is of a time that begins before it ends" in said


def test_4_3_circumstances_never_come_so_no_reason_is_known_of_what_we_received(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    asked = query(parties.us, fingers[0])
    with parties.answering(Party.JP) as jp:
        queried.receive(replace(jp, reader=parties.reader), asked, wire.encode(asked), clock())
    with parties.jp.store.transaction() as tx:
        assert tx.has_exchange(asked.control_number)
        assert tx.reasons() == {}
