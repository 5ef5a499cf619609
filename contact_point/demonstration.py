"""`pcsc demo`: a Japanese and a US contact point on this machine, and queries between them from beginning to end.

Nothing here is special to the demonstration but the people in it. Both installations are made as `pcsc init` makes them, each
answers as its own `pcsc serve` process, and every act goes through the same functions and the same API over mutual TLS as in
service. What the closing table says is read from the two databases and the two records after each step.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from annex.eligibility import Case, Disposition, Standing
from annex.offences import Category, Offence, Penalty
from annex.parameters import Party
from contact_point import correspondence, designation, installation, main, provided, queried, querying, service, witness
from contact_point.holdings import Particulars, write_particulars
from contact_point.installation import Plan
from contact_point.querying import Justification
from contact_point.service import Installation
from contact_point.settings import Designation, Settings, SettingsError, read_card
from contact_point.store import Impression, Subject
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.images import Image
from pcsc import records, traces
from pcsc.errors import TreatyError
from pcsc.exchange import State
from pcsc.messages import (
    Activity,
    Authority,
    Basis,
    Checkpoints,
    Conclusion,
    Condition,
    Expectation,
    Ground,
    Refusal,
    WrittenNotification,
)
from pcsc.use import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from contact_point.prints import Print
    from pcsc.exchange import Exchange
    from pcsc.messages import Message

SEED: Final = 20190105
"""Everybody in the demonstration is made from this number: the day the agreement entered into force."""

POINTS: Final = 12
"""Pairs of minutiae at which the demonstration's examiner concludes identification; Japan's police ask for twelve."""

START_SECONDS: Final = 60.0


class DemonstrationError(Exception):
    """A step did not come out as the agreement says it should."""


def run(*, prints: Path | None, dpi: float | None, persons: int, keep: Path | None) -> int:
    """Run the demonstration and return the exit code: 0 where every step came out as it should."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=132)  # a table in a log needs no narrower
    # Told to stop, it still stops both contact points and leaves no file.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with _folder(keep) as folder, ExitStack() as stack:
            _play(folder, stack, console, cast=_cast(prints, dpi), persons=persons, keep=keep is not None)
    except (DemonstrationError, SettingsError) as error:
        console.print(f"[bold red]The demonstration failed:[/] {error}", soft_wrap=True)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Give a folder for both installations; it is removed afterwards unless it was asked for."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="pcsc-demo-", dir=installation.passing()) as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise SettingsError(f"{keep} is not empty: name a new folder to keep the demonstration in")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


# Who is in it


@dataclass(frozen=True, slots=True)
class Role:
    """A person of the demonstration: the print that is enrolled, and later impressions of the same finger."""

    name: str
    enrolled: bytes
    later: tuple[bytes, ...]
    dpi: float | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is found, who is kept from view, who is nowhere, and whoever else real prints were brought of."""

    found: Role
    excluded: Role
    stranger: bytes
    others: tuple[Role, ...] = ()


def _cast(folder: Path | None, dpi: float | None) -> Cast:
    """Make the persons of the demonstration, from synthetic fingers or from a folder of real prints."""
    stranger = _rendered(synthesis.Finger(SEED, person=3), 0)
    if folder is None:
        found, excluded = (_synthetic(person) for person in (1, 2))
        return Cast(found, excluded, stranger)
    roles = _real(folder, dpi)
    if len(roles) < 2:
        raise SettingsError(
            f"{folder} must hold two impressions each of at least two fingers, named finger_impression.tif; it has {len(roles)}"
        )
    return Cast(roles[0], roles[1], stranger, tuple(roles[2:]))


def _synthetic(person: int) -> Role:
    finger = synthesis.Finger(SEED, person=person)
    return Role(f"person-{person}", _rendered(finger, 0), (_rendered(finger, 1),))


def _rendered(finger: synthesis.Finger, impression: int) -> bytes:
    return images.write_png(Image(finger.image(impression), 500.0))


def _real(folder: Path, dpi: float | None) -> list[Role]:
    """Return a person for each finger of a folder of prints named finger_impression.tif."""
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder: --prints names a folder of prints named finger_impression.tif")
    fingers: dict[str, dict[int, Path]] = {}
    for path in folder.glob("*_*.tif"):
        finger, _, impression = path.stem.rpartition("_")
        if impression.isdigit():
            fingers.setdefault(finger, {})[int(impression)] = path
    roles = []
    for finger in sorted(fingers):
        files = [path for _, path in sorted(fingers[finger].items())]
        if len(files) > 1:
            roles.append(
                Role(f"finger-{finger}", files[0].read_bytes(), tuple(path.read_bytes() for path in files[1:]), dpi)
            )
    return roles


# The two contact points


@dataclass(slots=True)
class Side:
    """One of the two contact points, with how far its record was read."""

    party: Party
    here: Installation
    seen: int = 0

    def deletions(self) -> list[str]:
        """Return what was destroyed here since the last time, from the record."""
        with self.here.store.transaction() as tx:
            entries = [entry for entry in tx.entries() if entry.number >= self.seen]
            self.seen = tx.next_entry()
        destroyed = Counter(
            (entry.note.split(" destroyed")[0], entry.article) for entry in entries if entry.event == "deletion"
        )
        return [
            f"{self.party}: {times} x {what}, {article}" if times > 1 else f"{self.party}: {what}, {article}"
            for (what, article), times in destroyed.items()
        ]

    def holds(self, control_number: str) -> str:
        """Return the kinds of content held here for an exchange."""
        with self.here.store.transaction() as tx:
            kinds = sorted({held.kind.value for held in tx.held(control_number)})
        return ", ".join(kinds) or "nothing"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the closing table."""

    what: str
    article: str
    outcome: str
    jp: str
    us: str
    destroyed: str


@dataclass(slots=True)
class Stage:
    """The two contact points and what was done so far."""

    console: Console
    jp: Side
    us: Side
    steps: list[Step] = field(default_factory=list)

    def done(self, what: str, article: str, outcome: str, control_number: str | None = None) -> None:
        """Note a step with what each side now holds and what was destroyed, as the databases and records say."""
        held = ("", "")
        if control_number is not None:
            held = (self.jp.holds(control_number), self.us.holds(control_number))
        destroyed = "\n".join(self.jp.deletions() + self.us.deletions())
        self.steps.append(Step(what, article, outcome, *held, destroyed))
        self.console.print(f"  [green]done[/]  {what}: {outcome}", soft_wrap=True)

    def table(self) -> Table:
        """Return the closing table."""
        table = Table(title="What happened, under which article, and what is left", show_lines=True, expand=True)
        for column, ratio in (
            ("step", 3),
            ("Art.", 1),
            ("outcome", 3),
            ("JP holds", 2),
            ("US holds", 2),
            ("destroyed", 3),
        ):
            table.add_column(column, ratio=ratio, overflow="fold")
        for step in self.steps:
            table.add_row(step.what, step.article, step.outcome, step.jp, step.us, step.destroyed)
        return table


class _Measured:
    """The connection to the other contact point, remembering how long its last answer was, checkpoints apart."""

    def __init__(self, transport: service.Transport) -> None:
        self._transport = transport
        self.size = 0

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        answer, answer_body = self._transport.post(message, body, now)
        if not isinstance(answer, Checkpoints):
            self.size = len(answer_body)
        return answer, answer_body


def _set_up(folder: Path, stack: ExitStack, console: Console) -> Stage:
    """Make both installations, designate each to the other, and open them."""
    sides = {}
    names = {Party.JP: "National Police Agency of Japan (demonstration)", Party.US: "United States (demonstration)"}
    for party in Party:
        plan = Plan(party, names[party], "127.0.0.1", free_port(), threads=1)
        installation.create(folder / party.value.lower(), plan, main.clock())
    for party in Party:
        card = (folder / party.other.value.lower() / "card.json").read_text(encoding="utf-8")
        with main.opened(folder / party.value.lower()) as here:
            designate(here.settings, card, "demonstration note of 2019-01-05")
        sides[party] = Side(party, stack.enter_context(main.opened(folder / party.value.lower())))
    return Stage(console, sides[Party.JP], sides[Party.US])


def designate(settings: Settings, card: str, note: str, now: datetime | None = None) -> Designation:
    """Let two persons designate the other contact point by its card, and this one by its own: Article 3(2)."""
    own, at = settings.folder.card.read_text(encoding="utf-8"), now or main.clock()
    for each in (card, own):
        entered = designation.enter(settings, each, note, by="first officer (demonstration)", now=at)
        designation.confirm(settings, by="second officer (demonstration)", now=at, fingerprint=entered.fingerprint)
    return read_card(card)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _populate(stage: Stage, cast: Cast, persons: int) -> None:
    """Enrol a background of synthetic persons, half in each gallery, and the cast."""
    convicted = (Case(Disposition.CONVICTED_FINAL, date(2015, 4, 1)),)
    # No suspicion was found: such a disposition is not one of Annex II 1(1), so an identified individual is not made available.
    cleared = (Case(Disposition.NON_PROSECUTION_OTHER, date(2016, 6, 1)),)
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stage.console) as progress:
        background = synthesis.population(SEED, persons)
        shares = ((stage.jp, persons // 2), (stage.us, persons - persons // 2))
        task = progress.add_task("enrolling the background, ten fingers each", total=persons)
        for side, share in shares:
            subjects = []
            for number in range(share):
                prints = tuple(Impression(write_iso19794_2([finger])) for finger in next(background))
                subjects.append(Subject(f"background-{number}", particulars(convicted), prints))
                progress.advance(task)
            if subjects:
                service.enrol(side.here, subjects)
        roles = [(stage.us, cast.found, convicted), (stage.jp, cast.excluded, cleared)]
        roles += [(stage.us, role, convicted) for role in cast.others]
        task = progress.add_task("extracting minutiae from images and enrolling", total=len(roles))
        for side, role, cases in roles:
            found = side.here.reader.read(role.enrolled, dpi=role.dpi)
            impression = Impression(write_iso19794_2([found.template]), found.png)
            service.enrol(side.here, [Subject(role.name, particulars(cases), (impression,))])
            progress.advance(task)


def particulars(cases: tuple[Case, ...]) -> str:
    """Return what is known of a person of the demonstration, who has these cases."""
    items = {
        "name": "SAMPLE, Person",
        "date of birth": "1980-05-01",
        "sex": "not stated",
        "criminal history": "one case",
    }
    return write_particulars(Particulars(Standing(date(1980, 5, 1), cases), items))


@contextmanager
def _serving(sides: Sequence[Side]) -> Iterator[None]:
    """Serve each contact point in a process of its own until the end of the block."""
    with ExitStack() as stack:
        started = [stack.enter_context(_process(side)) for side in sides]
        for side, process in zip(sides, started, strict=True):
            await_start(process, side)
        yield


def log_of(side: Side) -> Path:
    """Return where a contact point writes what it tells its operator."""
    return side.here.settings.folder.root / "serve.log"


@contextmanager
def _process(side: Side) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "contact_point", "serve", "--dir", str(side.here.settings.folder.root)]
    with log_of(side).open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def await_start(process: subprocess.Popen[bytes], side: Side) -> None:
    """Wait until a server accepts connections."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log_of(side).read_text(errors="replace")[-2000:]
            raise DemonstrationError(f"the contact point of {side.party} did not start: {said}")
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((side.here.settings.host, side.here.settings.port)) == 0:
                return
        time.sleep(0.1)
    raise DemonstrationError(f"the contact point of {side.party} did not answer within {START_SECONDS:.0f} seconds")


# What happens


def _play(folder: Path, stack: ExitStack, console: Console, *, cast: Cast, persons: int, keep: bool) -> None:
    """Play every scene in order and print the closing table."""
    console.print("[bold]Two national contact points under the US-Japan agreement of 2014[/]")
    stage = _set_up(folder, stack, console)
    _populate(stage, cast, persons)
    with console.status("starting both contact points"):
        stack.enter_context(_serving((stage.jp, stage.us)))
    console.print("  Both answer over TLS 1.3 with client certificates, each from a process and a database of its own.")
    pictures = folder / "pictures" if keep else None
    _match_and_request(stage, cast.found, pictures)
    _annex_ii(stage, cast)
    _refused(stage, cast.found)
    _real_prints(stage, cast.others)
    _records(stage)
    _decisions(stage)
    console.print(stage.table())
    if keep:
        console.print(f"Both installations and the pictures of the synthetic or sample prints are in {folder}.")


def _match_and_request(stage: Stage, role: Role, pictures: Path | None) -> None:
    """Play a query that matches, and all that may follow from it."""
    here = stage.jp.here
    exchange = _until_match(stage, role)
    number = exchange.control_number
    _examine(stage, number, pictures)
    exchange = querying.determine(here, number, will_request=True, now=main.clock())
    stage.done("JP determines to request further information", "8(2)", "received prints destroyed first", number)

    notification = WrittenNotification(
        purpose="Investigation of a robbery: to establish who left the print at the scene.",
        case_reference="demonstration-1",
        items=("name", "date of birth", "criminal history"),
        basis=_basis(Party.JP),
        signed_by="Superintendent (demonstration)",
    )
    querying.request(here, number, notification, main.clock())
    stage.done("JP requests, with written notification", "5(1)", "received and recorded by US", number)

    condition = Condition("Not to be used for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
    withheld = Refusal(Ground.NOT_RELEVANT, "the history has no bearing on who left the print", "criminal history")
    queried.answer_request(
        stage.us.here,
        number,
        give=("name", "date of birth"),
        refusals=(withheld,),
        conditions=(condition,),
        by="release officer",
        now=main.clock(),
    )
    stage.done(
        "US offers two items under a condition, and withholds one with the reason", "5(2) 5(5)", "offered", number
    )

    exchange = querying.accept(
        here, number, accepted=True, signed_by="Superintendent (demonstration)", now=main.clock()
    )
    _expect(exchange.state is State.PROVIDED, "the accepted information was to be provided", exchange.state)
    stage.done("JP accepts the condition and is bound by it", "8(8)", exchange.state, number)

    notified = provided.Wanted(Purpose.NOTIFIED, by="investigator", political=False)
    permission, items, _ = provided.use(here, number, notified, main.clock())
    stage.done("JP uses it for the notified purpose", permission.article, f"allowed: {len(items)} items read", number)
    try:
        provided.use(
            here, number, provided.Wanted(Purpose.IMMIGRATION, "border officer", political=False), main.clock()
        )
    except TreatyError as error:
        stage.done("JP would use it for immigration", "8(8)", f"refused: {error}", number)
    else:
        raise DemonstrationError("Art. 8(8): a use that the accepted condition forbids was allowed")

    provided.note_result(here, number, 1, "the person was identified", main.clock())
    correspondence.ask_result(stage.us.here, number, main.clock())
    correspondence.tell_result(here, number, main.clock())
    told = correspondence.read_result(stage.us.here, number, Purpose.REVIEW, by="reviewer", now=main.clock())
    outcome = "; ".join(f"{each.purpose}: {each.result}" for each in told)
    stage.done("US asks what came of it, and JP tells its ledger", "7 8(6)", outcome, number)


def _until_match(stage: Stage, role: Role) -> Exchange:
    """Query later impressions of an enrolled finger until one matches; each miss is shown as what it is."""
    for at, later in enumerate(role.later, 2):
        exchange, size = _ask(stage.jp, later, justification(Party.JP), role.dpi)
        what = f"JP queries US with impression {at} of {role.name}"
        outcome = f"{exchange.state}, {size:,} bytes" + (
            f", reference {exchange.reference}" if exchange.reference else ""
        )
        stage.done(what, "4(3)-(5)", outcome, exchange.control_number)
        if exchange.state is State.MATCH:
            return exchange
    raise DemonstrationError(
        f"Art. 4(4): {role.name} is enrolled, and none of its {len(role.later)} later impressions matched"
    )


def _examine(stage: Stage, number: str, pictures: Path | None) -> None:
    """Let the examiner look at both prints and conclude from the pairs of minutiae."""
    here = stage.jp.here
    shown = querying.examination(here, number)
    conclusion = Conclusion.IDENTIFICATION if len(shown.pairs) >= POINTS else Conclusion.INCONCLUSIVE
    for name in ("examination.png", "examination.svg"):
        querying.write_picture(here, number, here.settings.folder.root / name, main.clock())
    if pictures is not None:
        pictures.mkdir(exist_ok=True)
        (pictures / "examination.png").write_bytes(shown.png())
        (pictures / "examination.svg").write_text(shown.svg(), encoding="utf-8")
    querying.examine(here, number, conclusion, "examiner (demonstration)", main.clock())
    outcome = f"{len(shown.pairs)} pairs of minutiae, side by side as PNG and SVG: {conclusion}"
    _expect(conclusion is Conclusion.IDENTIFICATION, f"{POINTS} pairs were to be found", outcome)
    stage.done("JP's examiner compares the prints", "4(5)", outcome, number)


def _annex_ii(stage: Stage, cast: Cast) -> None:
    """No match; a person whom Annex II keeps from view; and the same print where Annex II makes it available."""
    known = justification(Party.US)
    absent, absent_size = _ask(stage.us, cast.stranger, known)
    _expect(absent.state is State.NO_MATCH, "a print that is nowhere was to give no match", absent.state)
    stage.done(
        "US queries JP with a print that JP does not hold",
        "4(4)",
        f"{absent.state}, {absent_size} bytes",
        absent.control_number,
    )

    probe = cast.excluded.later[0]
    excluded, size = _ask(stage.us, probe, known, cast.excluded.dpi)
    _expect(excluded.state is State.NO_MATCH, "an excluded person was to give no match", excluded.state)
    _expect(size == absent_size, "an excluded person was to look like an absent one", f"{size} and {absent_size} bytes")
    what = f"US queries JP for {cast.excluded.name}, held but not prosecuted for want of suspicion"
    stage.done(what, "4(2) Annex II 1(1)", f"{excluded.state}, {size} bytes: the same", excluded.control_number)

    shown, _ = _ask(stage.us, probe, justification(Party.US, identified=False), cast.excluded.dpi)
    if shown.state is State.MATCH:
        stage.done(
            "The same print, of an unidentified individual",
            "Annex II 1(2)",
            "match: it was there all along",
            shown.control_number,
        )
        querying.determine(stage.us.here, shown.control_number, will_request=False, now=main.clock())
        stage.done(
            "US determines not to request further information",
            "8(2)",
            "prints destroyed on both sides",
            shown.control_number,
        )
        _explained(stage, shown.control_number)
    else:
        stage.done(
            "The same print, of an unidentified individual",
            "Annex II 1(2)",
            f"{shown.state}: below the threshold",
            shown.control_number,
        )


def _explained(stage: Stage, number: str) -> None:
    """Ask why, after a match that no request followed; the answer is drafted from the record, every print being gone."""
    correspondence.ask_explanation(stage.jp.here, number, main.clock())
    draft = correspondence.draft_explanation(stage.us.here, number)
    correspondence.explain(stage.us.here, number, draft, signed_by="Special agent (demonstration)", now=main.clock())
    stage.done("JP asks for the purpose of the query, and US explains it", "4(6)", draft.purpose, number)


def _refused(stage: Stage, role: Role) -> None:
    """Try queries that may not be made: nothing of the print is stored or sent."""
    assault = Offence("assault", Party.JP, "Penal Code, Article 208", Penalty(months=24))
    cases = (
        (
            "JP would query for simple assault (at most two years, not in Annex I)",
            Basis(Activity.INVESTIGATION, (assault,), political=False),
        ),
        ("JP would query for an act it considers a political offence", _basis(Party.JP, political=True)),
    )
    for what, basis in cases:
        with stage.jp.here.store.transaction() as tx:
            before = len(tx.exchanges())
        try:
            _ask(stage.jp, role.later[0], justification(Party.JP, basis=basis), role.dpi)
        except TreatyError as error:
            with stage.jp.here.store.transaction() as tx:
                _expect(len(tx.exchanges()) == before, "a refused query was to leave nothing", "an exchange was stored")
            stage.done(what, error.article, f"refused before a byte left: {error.code}")
        else:
            raise DemonstrationError(f"Art. 4(3): {what}, and the query was made")


def _real_prints(stage: Stage, roles: Sequence[Role]) -> None:
    """Query a later impression of every other finger of a folder, and see whether the right person was found."""
    right = 0
    for role in roles:
        exchange, _ = _ask(stage.jp, role.later[0], justification(Party.JP), role.dpi)
        with stage.us.here.store.transaction() as tx:
            named = tx.subject_of(exchange.control_number)
        _expect(named in {None, role.name}, f"{role.name} was queried", f"{named} was matched")
        if named is not None:
            right += 1
            querying.determine(stage.jp.here, exchange.control_number, will_request=False, now=main.clock())
        stage.console.print(f"        {role.name}: {exchange.state}")
    if roles:
        outcome = f"{right} found, {len(roles) - right} no match, 0 wrong"
        stage.done(f"JP queries US with a later impression of {len(roles)} more fingers", "4(4) 8(2)", outcome)


def _records(stage: Stage) -> None:
    """Verify both records, each against the checkpoints that the other side keeps of it, and reconcile them."""
    entries = []
    for side, other in ((stage.jp, stage.us), (stage.us, stage.jp)):
        with other.here.store.transaction() as tx:
            kept = witness.kept(other.here, tx, side.here.settings.uri)
        with side.here.store.transaction() as tx:
            found = records.verify(tx.record(), checkpoints=kept)
            entries.append(list(tx.entries()))
        said = f"{found.entries} entries, {found.covered} under checkpoints that {other.party} witnessed"
        stage.done(f"{side.party}'s record is verified from its first entry", "11", said)
    differences = records.reconcile(*entries)
    _expect(not differences, "the two records were to agree", differences)
    messages = sum(entry.direction is not records.Direction.ACT for entry in entries[0])
    stage.done("Both records are compared", "11", f"they agree on all {messages} messages")


def _decisions(stage: Stage) -> None:
    """Make every decision again from its trace; what a query could see is only told with the gallery that it searched."""
    same = views = 0
    for side in (stage.jp, stage.us):
        here = side.here
        with here.store.transaction() as tx:
            kept = [traces.read(tx.trace(entry)) for entry in tx.entries() if entry.trace]
        for trace in kept:
            try:
                again = traces.replay(trace, here.settings.arrangements)
            except traces.ViewChangedError:
                views += 1
                continue
            _expect(again == trace, "a decision was to come out again as it was", trace.canonical())
            same += 1
    outcome = f"{same} the same, bit for bit; {views} views need the gallery of then"
    stage.done("Every decision is made again from its trace", "11(1)", outcome)


def _ask(side: Side, image: bytes, why: Justification, dpi: float | None = None) -> tuple[Exchange, int]:
    """Query the other contact point with an image; return the exchange and the length of the answer in bytes."""
    here = side.here
    if here.other is None:
        raise DemonstrationError("Art. 3(2): no contact point of the other Party is designated")
    measured = _Measured(here.other)
    asking = replace(here, other=measured)
    probe: Print = here.reader.read(image, dpi=dpi)
    return querying.open_query(asking, [probe], why, main.clock()), measured.size


def justification(party: Party, *, basis: Basis | None = None, identified: bool = True) -> Justification:
    """Return why a Party queries in the demonstration: Article 4(3)."""
    return Justification(
        authority=Authority("Demonstration Police", "Investigation Unit", f"{party}-DEMO-1", party.country),
        basis=basis or _basis(party),
        expectation=Expectation.HAS_COMMITTED,
        circumstances="A print was lifted from the till after a robbery; the suspect is said to live abroad.",
        identified=identified,
        case_reference="demonstration-1",
    )


def _basis(party: Party, *, political: bool = False) -> Basis:
    laws = {Party.JP: ("Penal Code, Article 236", 240), Party.US: ("18 U.S.C. 2113", 240)}
    citation, months = laws[party]
    robbery = Offence("robbery", party, citation, Penalty(months=months), Category.ROBBERY)
    return Basis(Activity.INVESTIGATION, (robbery,), political=political)


def _expect(true: bool, what: str, got: object) -> None:
    """Raise unless a step came out as it should."""
    if not true:
        raise DemonstrationError(f"{what}; got {got}")
