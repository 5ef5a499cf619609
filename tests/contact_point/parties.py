"""Two real contact points: real databases, real key slots, real TLS on the loopback interface."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from annex.eligibility import Case, Disposition, Standing
from annex.offences import Category, Offence, Penalty
from annex.parameters import Party, rules_in_force
from contact_point import arrangements, installation, main, queried, querying, service
from contact_point.demonstration import designate
from contact_point.holdings import Particulars, write_particulars
from contact_point.installation import Plan
from contact_point.keys import SigningKey
from contact_point.prints import Print, PrintReader
from contact_point.querying import Justification
from contact_point.service import Installation
from contact_point.store import Impression, Subject
from contact_point.transport import Client, UnreachableError
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.images import Image
from pcsc import records
from pcsc.duties import Content, due
from pcsc.messages import (
    Activity,
    Authority,
    Basis,
    Checkpoints,
    Conclusion,
    Condition,
    Expectation,
    WrittenNotification,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from pcsc.duties import Duty
    from pcsc.exchange import Exchange
    from pcsc.messages import Message


ITEMS = {"name": "SAMPLE, Person", "date of birth": "1980-05-01", "sex": "not stated"}


@dataclass(frozen=True, slots=True)
class Finger:
    """One synthetic finger: the impression that is enrolled and a later one, as image files and as prints."""

    enrolled: bytes
    later: bytes
    enrolled_print: Print
    later_print: Print


def render(reader: PrintReader, person: int) -> Finger:
    """Return two impressions of the finger of a synthetic person."""
    finger = synthesis.Finger(7, person=person)
    enrolled, later = (images.write_png(Image(finger.image(impression), 500.0)) for impression in (0, 1))
    return Finger(enrolled, later, reader.read(enrolled), reader.read(later))


@dataclass(frozen=True, slots=True)
class Parties:
    """Both contact points as their operators hold them, and the folders they live in."""

    jp: Installation
    us: Installation
    reader: PrintReader

    def of(self, party: Party) -> Installation:
        """Return one of the two."""
        return self.jp if party is Party.JP else self.us

    def enrol(
        self, party: Party, name: str, finger: Finger, disposition: Disposition = Disposition.CONVICTED_FINAL
    ) -> None:
        """Enrol a person of one finger."""
        impression = Impression(write_iso19794_2([finger.enrolled_print.template]), finger.enrolled)
        service.enrol(self.of(party), [subject(name, impression, disposition=disposition)])

    def amend(self, party: Party, said: str, becomes: str) -> None:
        """Let one of the two hold an arrangement that says something else, signed by both: it counts from its next start."""
        folder = self.of(party).settings.folder.arrangements
        document = arrangements.document_path(folder, "model-1").read_text(encoding="utf-8")
        assert said in document
        changed = document.replace(said, becomes).encode()
        keys = {each: SigningKey.load(self.of(each).settings.folder.signing_key) for each in Party}
        arrangements.store(folder, "model-1", changed, [arrangements.sign(changed, *each) for each in keys.items()])

    def matched(self, finger: Finger, party: Party = Party.JP, **said: Any) -> str:
        """Let ``party`` query a print that matches; return the exchange's number."""
        here = self.of(party)
        return querying.open_query(
            here, [finger.later_print], justification(party, **said), main.clock()
        ).control_number

    def requested(self, number: str, *items: str, party: Party = Party.JP) -> None:
        """Let ``party`` confirm a match and request items."""
        here = self.of(party)
        querying.examine(here, number, Conclusion.IDENTIFICATION, "examiner", main.clock())
        querying.determine(here, number, will_request=True, now=main.clock())
        querying.request(here, number, notification(*items, party=party), main.clock())

    def provided(
        self, finger: Finger, *items: str, conditions: tuple[Condition, ...] = (), party: Party = Party.JP
    ) -> str:
        """Play an exchange that ``party`` opens up to the provision of items; return its number."""
        number = self.matched(finger, party)
        self.requested(number, *items, party=party)
        queried.answer_request(
            self.of(party.other), number, give=items, conditions=conditions, by="officer", now=main.clock()
        )
        if conditions:
            here = self.of(party)
            querying.accept(here, number, accepted=True, signed_by="Superintendent", now=main.clock())
        return number

    def records_agree(self) -> None:
        """Article 11: both records verify, and each message that one provided the other received, once."""
        both = []
        for here in (self.jp, self.us):
            with here.store.transaction() as tx:
                records.verify(tx.record())
                both.append(list(tx.entries()))
        assert records.reconcile(*both) == ()
        assert any(entry.direction is records.Direction.PROVIDED for entry in (*both[0], *both[1]))
        for entries in both:
            crossed = [
                (each.event, each.message, each.direction)
                for each in entries
                if each.direction is not records.Direction.ACT
            ]
            assert len(crossed) == len(set(crossed))

    @contextmanager
    def answering(self, party: Party, *, gallery: bool = True) -> Iterator[Installation]:
        """Let one of the two answer, from a thread with a gallery of its own; give the installation that answers."""
        with main.opened(self.of(party).settings.folder.root, gallery=gallery) as here:
            server = main.server(replace(here, reader=self.reader))
            thread = threading.Thread(target=server.run)
            thread.start()
            deadline = time.monotonic() + 30
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.started, "the server did not start"
            try:
                yield here
            finally:
                _hang_up(self.of(party.other).other)
                server.should_exit = True
                thread.join(120)
                assert not thread.is_alive(), "the server did not stop"


@contextmanager
def two(folder: Path, reader: PrintReader, database: Callable[[], str] = str) -> Iterator[Parties]:
    """Make two contact points that know each other; neither answers yet."""
    for party in Party:
        plan = Plan(party, f"contact point of {party}", "127.0.0.1", free_port(), threads=1, database=database())
        installation.create(folder / party, plan, main.clock())
    with ExitStack() as stack:
        opened = {}
        for party in Party:
            with main.opened(folder / party) as here:
                card = (folder / party.other / "card.json").read_text(encoding="utf-8")
                designate(here.settings, card, "note verbale of 2019-01-05")
            here = stack.enter_context(main.opened(folder / party))
            opened[party] = replace(here, reader=reader)
        yield Parties(opened[Party.JP], opened[Party.US], reader)


def _hang_up(caller: service.Transport | None) -> None:
    """Close idle connections, whose end a server that stops would wait for; the next message makes a new one."""
    assert isinstance(caller, Client)
    caller.hang_up()


def held(here: Installation, number: str) -> set[Content]:
    """Return the kinds of content that are held for an exchange, receipts of deletion apart."""
    with here.store.transaction() as tx:
        return {each.kind for each in tx.held(number)} - {Content.DESTROYED}


def events(here: Installation, number: str | None = None) -> list[str]:
    """Return the events in the record, of one exchange or of all."""
    with here.store.transaction() as tx:
        return [entry.event for entry in tx.entries(number)]


def exchange(here: Installation, number: str) -> Exchange:
    """Return an exchange as it stands."""
    with here.store.transaction() as tx:
        return tx.exchange(number)


def owed(here: Installation, number: str) -> dict[str, Duty]:
    """Return what waits for a person in an exchange, by what it is."""
    now = main.clock()
    found = due(exchange(here, number), here.settings.arrangement(now), rules_in_force(now.date()))
    return {duty.what: duty for duty in found}


class Punctual:
    """The way to the other contact point, for one that acts at another time: what is sent is signed with the time of now."""

    def __init__(self, other: service.Transport | None) -> None:
        assert other is not None
        self.other = other

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        del now
        return self.other.post(message, body, main.clock())


class Unlucky:
    """A way on which every message arrives twice and brings the same bytes, and the first answer is lost all the same."""

    def __init__(self, other: service.Transport | None) -> None:
        assert other is not None
        self.other = other
        self.lost: list[str] = []

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        answer, answer_body = self.other.post(message, body, now)
        if isinstance(message, Checkpoints):
            return answer, answer_body
        assert self.other.post(message, body, now)[1] == answer_body
        if message.control_number in self.lost:
            return answer, answer_body
        self.lost.append(message.control_number)
        raise UnreachableError("the answer was lost on its way")


class Down:
    """A way on which nothing arrives."""

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        raise UnreachableError(f"nobody answers; {len(body)} bytes of {message.control_number} were not sent at {now}")


class Listening:
    """The way to the other contact point, keeping what is sent and the bytes of every answer."""

    def __init__(self, other: service.Transport | None) -> None:
        assert other is not None
        self.other = other
        self.sent: list[tuple[Message, bytes]] = []
        self.answers: list[bytes] = []

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        answer, answer_body = self.other.post(message, body, now)
        if not isinstance(message, Checkpoints):  # what both say of their records beside it is no part of an exchange
            self.sent.append((message, body))
            self.answers.append(answer_body)
        return answer, answer_body


def subject(
    name: str,
    *impressions: Impression,
    disposition: Disposition = Disposition.CONVICTED_FINAL,
    items: Mapping[str, str] | None = None,
) -> Subject:
    """Return a person as they are enrolled: an adult, arrested, with one case."""
    standing = Standing(date(1980, 5, 1), (Case(disposition, date(2015, 4, 1)),))
    return Subject(name, write_particulars(Particulars(standing, items or ITEMS)), impressions)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def justification(
    party: Party,
    *,
    identified: bool = True,
    political: bool = False,
    offence: Offence | None = None,
    case: str = "case-1",
    circumstances: str = "A print was lifted from the till after a robbery; the suspect is said to live abroad.",
) -> Justification:
    """Return a justification under the law of ``party``."""
    robbery = Offence("robbery", party, "a statute", Penalty(months=240), Category.ROBBERY)
    return Justification(
        authority=Authority("Police", "Investigation Unit", f"{party}-1", party.country),
        basis=Basis(Activity.INVESTIGATION, (offence or robbery,), political=political),
        expectation=Expectation.HAS_COMMITTED,
        circumstances=circumstances,
        identified=identified,
        case_reference=case,
    )


def notification(*items: str, party: Party = Party.JP) -> WrittenNotification:
    """Return the written notification of a request of ``party`` for items."""
    return WrittenNotification(
        purpose="To establish who left the print.",
        case_reference="case-1",
        items=items,
        basis=justification(party).basis,
        signed_by="Superintendent",
    )
