"""The client that authorities' programs use: patient, interruptible, and never asking twice."""

from __future__ import annotations

import asyncio
import doctest
import socket
import subprocess
import sys
import threading
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, get_args

import pytest

from annex.parameters import Party
from contact_point import delivery, queried
from contact_point.client import (
    Answered,
    AsyncContactPoint,
    ContactPoint,
    Event,
    Pace,
    PendingError,
    Probe,
    Read,
    RefusedError,
    Sealed,
    Sending,
    Stopped,
    StoppedError,
    Waiting,
)
from contact_point.main import clock
from contact_point.nist.transaction import FieldError
from contact_point.store import UnknownExchangeError
from contact_point.tls import NotContactPointError
from contact_point.transport import UnreachableError
from contact_point.wire import Problem, SignatureRefusedError
from pcsc.duties import Content
from pcsc.errors import IdempotencyError, NoCircumstancesError, PrintQualityError
from pcsc.exchange import State
from pcsc.messages import Checkpoints, Conclusion, Condition, Search

from .parties import events, held, justification, notification

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from contact_point.service import Installation, Transport
    from pcsc.messages import Message

    from .parties import Finger, Parties

QUICK = Pace(first=0.001, longest=0.01)
WHY = justification(Party.JP)
AT_ONCE = timedelta(0)


class Unsteady:
    """A way on which one trouble after the other comes, and then none; it keeps what is sent."""

    def __init__(self, other: Transport | None, *troubles: Exception | Callable[[], Exception]) -> None:
        assert other is not None
        self.other, self.troubles, self.sent = other, list(troubles), list[bytes]()

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        if isinstance(message, Checkpoints):
            return self.other.post(message, body, now)
        self.sent.append(body)
        if self.troubles:
            trouble = self.troubles.pop(0)
            raise trouble if isinstance(trouble, Exception) else trouble()
        return self.other.post(message, body, now)


def lost() -> UnreachableError:
    return UnreachableError("no answer came")


def refused(status: int, retry_after: int = 0) -> RefusedError:
    return RefusedError(Problem(status, "4(4)", "4-4.TECH", "later", "", "0"), retry_after)


class Told(list[Event]):
    """What was told."""

    @property
    def names(self) -> list[str]:
        return [type(each).__name__ for each in self]


def over(here: Installation, *troubles: Exception | Callable[[], Exception]) -> tuple[ContactPoint, Unsteady, Told]:
    """Return a client whose way to the other contact point is unsteady, the way, and what it tells."""
    way, told = Unsteady(here.other, *troubles), Told()
    return ContactPoint(replace(here, other=way), told.append, QUICK), way, told


def waiting(here: Installation) -> list[str]:
    """Return the exchanges whose messages wait in the outbox."""
    with here.store.transaction() as tx:
        return [each.exchange for each in delivery.outbox(tx)]


# --- from certificate to answer


def test_ten_lines_from_certificate_to_answer(
    parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    (tmp_path / "tokyo").symlink_to(parties.jp.settings.folder.root)
    (tmp_path / "right-index.png").write_bytes(fingers[0].later)
    example = files("contact_point").joinpath("models/basis.toml").read_text(encoding="utf-8")
    stated = f'circumstances = "{WHY.circumstances}"'
    (tmp_path / "basis.toml").write_text(example.replace('circumstances = ""', stated), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (shown,) = doctest.DocTestFinder(recurse=False).find(ContactPoint, "ContactPoint", globs={})
    lines = [line for each in shown.examples for line in each.source.splitlines()]
    assert len(lines) <= 10
    said: list[str] = []
    with parties.answering(Party.US):
        result = doctest.DocTestRunner().run(shown, out=said.append)
    assert result == (0, 4), "".join(said)
    parties.records_agree()


def test_an_exchange_from_the_query_to_the_information(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    point = ContactPoint(parties.jp)
    number = point.new_number()
    with parties.answering(Party.US), parties.answering(Party.JP):
        assert point.query(number, [Probe(fingers[0].later)], WHY).state is State.MATCH
        assert len(point.examination(number).pairs) >= 12
        assert point.examine(number, Conclusion.IDENTIFICATION, "examiner").state is State.EXAMINED
        assert point.determine(number, will_request=True).state is State.WILL_REQUEST
        assert point.request(number, notification("name")).state is State.REQUESTED
        condition = Condition("Not for immigration-related purposes.", ("immigration",))
        queried.answer_request(parties.us, number, give=("name",), conditions=(condition,), by="officer", now=clock())
        assert point.exchange(number).conditions == (condition,)
        assert point.accept(number, accepted=True, signed_by="Superintendent").state is State.PROVIDED
    assert Content.INFORMATION in held(parties.jp, number)
    parties.records_agree()


def test_prints_come_from_files_bytes_and_pixels(parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    point, path = ContactPoint(parties.jp), tmp_path / "print.png"
    path.write_bytes(fingers[0].later)
    picture = fingers[0].later_print.image
    with parties.answering(Party.US):
        for probe in (Probe(path), Probe(fingers[0].later), Probe(picture.pixels, dpi=picture.dpi)):
            assert point.query(point.new_number(), [probe], WHY).state is State.MATCH
        assert point.query(point.new_number(), [Probe(fingers[1].later)], WHY).state is State.NO_MATCH
    with pytest.raises(ValueError, match="pixels do not say their resolution: give dpi, pixels per inch, with them"):
        point.query(point.new_number(), [Probe(picture.pixels)], WHY)
    assert not waiting(parties.jp)


def test_what_may_not_be_asked_stores_and_sends_nothing(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    point, way, told = over(parties.jp)
    number, probes = point.new_number(), [Probe(fingers[0].later)]
    with pytest.raises(NoCircumstancesError, match=r"Art\. 4\(3\): .*at least 40 characters"):
        point.query(number, probes, replace(WHY, circumstances="suspect"))
    with pytest.raises(PrintQualityError, match=r"Art\. 4\(4\): .*"):
        point.query(number, [Probe(fingers[0].later_print.image.pixels[:60, :60], dpi=500)], WHY)
    with pytest.raises(ValueError, match=r"a control number such as JP261122- .*; got 8 characters in another form"):
        point.query("case-007", probes, WHY)
    with pytest.raises(UnknownExchangeError, match=f"there is no exchange '{number}' here"):
        point.exchange(number)
    assert (way.sent, told) == ([], [Read(number, 1, ()), Stopped(number, "4-3.NO_CIRCUMSTANCES", kept=False)])


# --- one number, one query


def test_a_query_that_is_made_again_with_its_number_is_not_made_twice(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    point, way, _ = over(parties.jp)
    number = point.new_number()
    with parties.answering(Party.US):
        once = point.query(number, [Probe(fingers[0].later)], WHY)
    assert point.query(number, [Probe(fingers[0].later)], WHY) == once
    assert len(way.sent) == 1
    assert events(parties.jp).count("query") == 1
    with pytest.raises(IdempotencyError, match=r"Art\. 3\(4\): control number .* is that of a query with another"):
        point.query(number, [Probe(fingers[0].later)], replace(WHY, search=Search.LATENT))


# --- what may pass is tried again


def test_what_may_pass_is_sent_again_as_the_same_bytes(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    unsigned = SignatureRefusedError("a signature was expected; a proxy answered")
    point, way, told = over(parties.jp, lost(), unsigned, refused(503), refused(429))
    number = point.new_number()
    with parties.answering(Party.US):
        assert point.query(number, [Probe(fingers[0].later)], WHY).state is State.NO_MATCH
    assert way.sent == way.sent[:1] * 5
    assert told.names == ["Read", "Sealed", *["Sending", "Waiting"] * 4, "Sending", "Answered"]
    whys = [each.because for each in told if isinstance(each, Waiting)]
    assert whys == ["UnreachableError", "SignatureRefusedError", "4-4.TECH", "4-4.TECH"]
    assert told[:2] == [Read(number, 1, ()), Sealed(number, number, "query")]
    assert told[-2:] == [Sending(number, number, "query"), Answered(number, State.NO_MATCH)]
    parties.records_agree()


def test_retry_after_is_waited_for(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    point, way, told = over(parties.jp, refused(503, 1))
    with parties.answering(Party.US):
        found = point.query(point.new_number(), [Probe(fingers[0].later)], WHY)
    assert found.state is State.NO_MATCH
    (wait,) = (each for each in told if isinstance(each, Waiting))
    assert wait.seconds > QUICK.longest  # by the clock since it was refused, so a little less than the second
    assert told.names.count("Sending") == len(way.sent) == 2


def test_what_would_come_too_late_is_not_waited_for(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    point, way, told = over(parties.jp, refused(503, 600))
    number = point.new_number()
    with pytest.raises(PendingError, match=f"exchange {number} waits for its answer") as pending:
        point.query(number, [Probe(fingers[0].later)], WHY, within=timedelta(seconds=599))
    assert str(pending.value) == (
        f"exchange {number} waits for its answer (the other contact point refused it (4-4.TECH): Art. 4(4): later); its "
        "message is in the outbox and is sent again by follow() or resume(), `pcsc resume` or a running `pcsc serve`: do not "
        "ask anew"
    )
    assert (pending.value.control_number, pending.value.trouble) == (number, pending.value.__cause__)
    assert told[-1] == Stopped(number, "4-4.TECH", kept=True)
    with pytest.raises(PendingError, match=r"asked that .* be not sent again before"):
        point.follow(number, within=AT_ONCE)
    assert (len(way.sent), waiting(parties.jp)) == (1, [number])


def test_a_final_refusal_is_not_tried_again(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    point, way, told = over(parties.jp, refused(422))
    number = point.new_number()
    with pytest.raises(RefusedError, match=r"refused it \(4-4\.TECH\): Art\. 4\(4\): later"):
        point.query(number, [Probe(fingers[0].later)], WHY)
    assert (len(way.sent), waiting(parties.jp)) == (1, [])
    assert told[-1] == Stopped(number, "4-4.TECH", kept=False)
    assert point.query(number, [Probe(fingers[0].later)], WHY).state is State.CLOSED  # as after a crash


@pytest.mark.parametrize("trouble", [NotContactPointError("another key"), FieldError("a print that cannot be read")])
def test_what_does_not_pass_by_itself_is_raised_at_once_and_kept(
    parties: Parties, fingers: tuple[Finger, ...], trouble: Exception
) -> None:
    point, way, told = over(parties.jp, trouble)
    number = point.new_number()
    with pytest.raises(type(trouble)):
        point.query(number, [Probe(fingers[0].later)], WHY)
    assert (len(way.sent), waiting(parties.jp)) == (1, [number])
    assert told[-1] == Stopped(number, type(trouble).__name__, kept=True)


def test_the_time_that_is_given_ends_an_attempt_that_hangs(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """Somebody takes the connection, says nothing, and closes it before we would give up without the bound."""
    over = threading.Event()

    def say_nothing() -> None:
        connection, _ = server.accept()
        over.wait(9)
        connection.close()

    with socket.create_server(("127.0.0.1", parties.us.settings.port)) as server:
        thread = threading.Thread(target=say_nothing)
        thread.start()
        point = ContactPoint(parties.jp, pace=QUICK)
        with pytest.raises(PendingError, match=r"no answer came .*timed out"):
            point.query(point.new_number(), [Probe(fingers[0].later)], WHY, within=timedelta(seconds=0.3))
        over.set()
        thread.join()


def test_what_somebody_else_brings_meanwhile_is_the_answer(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    """A running service sends what waits every minute."""

    def service() -> Exception:
        delivery.resume(parties.jp, clock)
        return lost()

    point, way, _ = over(parties.jp, service)
    number = point.new_number()
    with parties.answering(Party.US):
        assert point.query(number, [Probe(fingers[0].later)], WHY).state is State.NO_MATCH
    assert len(way.sent) == 1
    assert events(parties.jp, number).count("no match") == 1


def test_the_backoff_doubles_up_to_its_longest_and_to_what_is_left() -> None:
    bounds = [Pace(1, 60, jitter=float).before(tries, 1000) for tries in range(1, 9)]
    assert bounds == [1, 2, 4, 8, 16, 32, 60, 60]
    assert Pace(1, 60, jitter=float).before(7, 5) == 5
    assert Pace(1, 60, jitter=float).before(10**6, 1000) == 60
    drawn = [Pace(1, 60).before(4, 1000) for _ in range(100)]
    assert all(0 <= each <= 8 for each in drawn)
    assert len(set(drawn)) > 90


# --- what was interrupted


def test_resume_brings_each_answer_once_and_says_what_still_waits(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    point, way, _ = over(parties.jp, lost(), lost(), refused(503, 600))
    one, two, three = numbers = [point.new_number() for _ in range(3)]
    for number in numbers:
        with pytest.raises(PendingError):
            point.query(number, [Probe(fingers[0].later)], WHY, within=AT_ONCE)
    assert waiting(parties.jp) == numbers
    with parties.answering(Party.US):
        found = {each.exchange.control_number: each for each in point.resume(within=timedelta(seconds=5))}
    assert [found[each].exchange.state for each in numbers] == [State.NO_MATCH, State.NO_MATCH, State.SENT]
    assert found[one].error is found[two].error is None
    assert isinstance(found[three].error, PendingError)
    assert waiting(parties.jp) == [three]
    assert len(way.sent) == 5
    assert {each.exchange.control_number for each in point.resume(within=AT_ONCE)} == {three}


@pytest.mark.parametrize(
    ("step", "made", "stored"),
    [
        ("Read", False, None),
        ("Sending", True, State.SENT),
        ("came", True, State.SENT),
        ("Answered", True, State.MATCH),
    ],
)
def test_a_program_that_is_killed_finds_its_query_and_its_one_answer(
    parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path, step: str, made: bool, stored: State | None
) -> None:
    """kill -9 before the commit, between commit and sending, after the answer came, and after it was taken in."""
    parties.enrol(Party.US, "someone", fingers[0])
    (tmp_path / "print.png").write_bytes(fingers[0].later)
    point, way, _ = over(parties.jp)
    number = point.new_number()
    command = [sys.executable, "-m", "tests.contact_point.asking", str(parties.jp.settings.folder.root), number]
    with parties.answering(Party.US):
        died = subprocess.run(
            [*command, str(tmp_path / "print.png"), step], capture_output=True, text=True, check=False
        )
        assert died.returncode == -9, died.stderr
        assert waiting(parties.jp) == ([number] if stored is State.SENT else [])
        assert not made or point.exchange(number).state is stored
        brought = point.resume()
        assert [each.exchange.state for each in brought] == ([State.MATCH] if stored is State.SENT else [])
        assert point.resume() == ()
        sent = len(way.sent)
        assert point.query(number, [Probe(fingers[0].later)], WHY).state is State.MATCH
        assert len(way.sent) == sent + (not made)
    for here in (parties.jp, parties.us):
        assert (events(here).count("query"), events(here).count("match")) == (1, 1)
    parties.records_agree()


# --- what is told


def test_no_event_can_hold_content() -> None:
    kinds = get_args(Event)
    assert {each.__name__ for each in kinds} == {"Read", "Sealed", "Sending", "Answered", "Waiting", "Stopped"}
    for each in kinds:
        assert is_dataclass(each)
        assert each.__dataclass_params__.frozen
        assert {field.name for field in fields(each)} <= {
            *("control_number", "message", "kind", "state", "seconds", "because", "kept", "prints", "left_out")
        }


def test_what_the_callback_raises_ends_the_call_and_loses_nothing(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    class FullError(Exception):
        pass

    def told(event: Event) -> None:
        if isinstance(event, Sealed):
            raise FullError

    number = ContactPoint(parties.jp).new_number()
    with parties.answering(Party.US):
        with pytest.raises(FullError):
            ContactPoint(parties.jp, told).query(number, [Probe(fingers[0].later)], WHY)
        assert waiting(parties.jp) == [number]
        assert ContactPoint(parties.jp).follow(number).state is State.NO_MATCH


# --- programs that await


def test_the_same_is_awaited(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    told = Told()

    async def program() -> list[State]:
        async with AsyncContactPoint.open(parties.jp.settings.folder.root, told=told.append) as point:
            numbers = [await point.new_number() for _ in range(2)]
            probes = ([Probe(fingers[0].later)], [Probe(fingers[1].later)])
            asked = [point.query(each, probe, WHY) for each, probe in zip(numbers, probes, strict=True)]
            found = await asyncio.gather(*asked)
            assert await point.resume() == ()
            return [each.state for each in found]

    with parties.answering(Party.US):
        assert asyncio.run(program()) == [State.MATCH, State.NO_MATCH]
    assert told.names.count("Answered") == 2
    parties.records_agree()


def test_every_call_has_its_awaited_twin() -> None:
    public = {name for name in vars(ContactPoint) if not name.startswith("_")} - {"here", "told", "pace", "stop"}
    assert public == {name for name in vars(AsyncContactPoint) if not name.startswith("_")} - {"point", "threads"}


@pytest.mark.parametrize(("at", "kept"), [(Read, False), (Sealed, True), (Waiting, True)])
def test_a_cancelled_call_leaves_nothing_or_its_message_in_the_outbox(
    parties: Parties, fingers: tuple[Finger, ...], at: type[Event], kept: bool
) -> None:
    """Nobody listens. The call is cancelled at an event, whose thread goes on only when that is done."""
    reached, cancelled, told = threading.Event(), threading.Event(), Told()

    def hear(event: Event) -> None:
        told.append(event)
        if isinstance(event, at):
            reached.set()
            assert cancelled.wait(60)

    async def program() -> str:
        async with AsyncContactPoint.open(parties.jp.settings.folder.root, told=hear) as point:
            number = await point.new_number()
            call = asyncio.create_task(point.query(number, [Probe(fingers[0].later)], WHY, within=timedelta(hours=1)))
            await asyncio.to_thread(reached.wait, 60)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            cancelled.set()
            return number

    number = asyncio.run(program())  # returns: the thread did not wait for the hour
    assert waiting(parties.jp) == ([number] if kept else [])
    assert "Sending" not in told.names[told.names.index(at.__name__) :]
    with parties.answering(Party.US):
        assert ContactPoint(parties.jp).query(number, [Probe(fingers[0].later)], WHY).state is State.NO_MATCH
    assert events(parties.jp).count("query") == 1


def test_a_call_that_is_stopped_before_its_act_says_so(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    point, way, _ = over(parties.jp)
    point.stop.set()
    number = point.new_number()
    with pytest.raises(StoppedError, match=f"exchange {number}: the call was ended before anything of it was stored"):
        point.query(number, [Probe(fingers[0].later)], WHY)
    assert (way.sent, waiting(parties.jp)) == ([], [])
