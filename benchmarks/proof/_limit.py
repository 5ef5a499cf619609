"""The quota of a day, reached by many at once while the service is killed: the last part of :mod:`benchmarks.proof.oracle`."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import Outcome, _crowd, _databases
from benchmarks.proof import _serving as serving
from contact_point import delivery, main, wire
from pcsc.exchange import Side
from pcsc.messages import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contact_point.service import Installation
    from pcsc.messages import Query

AT_ONCE: Final = 100

_SHARE: Final = 0.37  # of them is allowed
_GIVE_UP: Final = 300.0  # seconds of sending one query again
_PAUSE: Final = 0.1


def proved(at_once: int, told: Callable[[str], None], *, command: Sequence[str] = serving.SERVE) -> Outcome:
    """Ask so many queries at once where fewer are allowed, on each database that is there, of whoever serves by a command."""
    allowed = max(1, round(at_once * _SHARE))
    counts: dict[str, int | float | str] = {"at_once": at_once, "allowed": allowed}
    violations: list[str] = []
    places: dict[str, Mapping[str, str]] = {"sqlite": {}}
    server = _databases.on_server(durable=True)
    if server is None:
        counts["left_out"] = "PostgreSQL is not installed"
    else:
        places["postgresql"] = server.urls
    for name, urls in places.items():
        found = _reach(at_once, allowed, urls, command)
        counts |= {f"answered_{name}": found["answered"], f"refused_{name}": found["refused"]}
        counts[f"counted_{name}"] = found["counted"]
        told(f"quota on {name}: {dict(found)}")
        expected = {"answered": allowed, "refused": at_once - allowed, "counted": allowed, "later": 1, "lost": 0}
        if any(found[each] != number for each, number in expected.items()):
            violations.append(f"{name}: expected {expected} of {at_once} queries at once; got {dict(found)}")
    return Outcome(counts, violations)


def _reach(at_once: int, allowed: int, urls: Mapping[str, str], command: Sequence[str]) -> Counter[str]:
    """Let all ask at once, kill the service when a third of what is allowed was answered, and start it again."""
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders, {Party(party): url for party, url in urls.items()}, quota=allowed)
        jp = stack.enter_context(main.opened(folders[Party.JP]))
        us, way = stack.enter_context(serving.asking(folders[Party.US]))
        made = _crowd.query(us, _crowd.marked(_crowd.first(_crowd.strangers()[0])))
        queries = [_crowd.again(us, made) for _ in range(at_once)]
        asking = _Asking(way)
        log = Path(folder) / "JP.log"
        with ThreadPoolExecutor(at_once) as pool:
            with serving.served(jp.settings, log, command) as pid:
                done = [pool.submit(asking.ask, each) for each in queries]
                asking.await_answers(-(-allowed // 3))
                os.kill(pid, signal.SIGKILL)
            with serving.served(jp.settings, log, command):
                for each in done:
                    each.result()
        with serving.served(jp.settings, log, command):  # and once more, after it was told to stop
            found = Counter(asking.ended)
            later = _Asking(way)
            later.ask(_crowd.again(us, made))
            found["later"] = later.ended["refused"]
        found["counted"] = _counted(jp)
        return found


def _counted(here: Installation) -> int:
    with here.store.transaction() as tx:
        return tx.queries_on(f"{main.clock():%Y-%m-%d}", Side.QUERIED, Search.LATENT)


class _Asking:
    """Queries that are sent until they are answered or refused for the quota. Thread-safe."""

    def __init__(self, way: serving.Watched) -> None:
        self._way = way
        self._changed = threading.Condition()
        self.ended: Counter[str] = Counter()

    def ask(self, query: Query) -> None:
        """Send a query until it is answered, refused for the quota, or given up."""
        body, until = wire.encode(query), time.monotonic() + _GIVE_UP
        how = "lost"
        while how == "lost" and time.monotonic() < until:
            with contextlib.suppress(*delivery.TROUBLE):
                self._way.post(query, body, main.clock())
            (last,) = [each for each in list(self._way.said) if each.number == query.control_number][-1:]
            how = {200: "answered", 429: "refused"}.get(last.status, "lost")
            if how == "lost":
                time.sleep(_PAUSE)
        with self._changed:
            self.ended[how] += 1
            self._changed.notify_all()

    def await_answers(self, number: int) -> None:
        """Return when so many were answered."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended["answered"] >= number, _GIVE_UP)
