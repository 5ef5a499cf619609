"""What waits for a person: the queues, each row with the time that is left and the day on which what is held is destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response  # noqa: TC002 - the framework reads annotations

from annex.parameters import rules_in_force
from contact_point.console import queues
from contact_point.console.queues import Queue
from contact_point.console.roles import Act
from pcsc.duties import Content

if TYPE_CHECKING:
    from contact_point.console.site import Site

_PAGES: Final = {Queue.EXAMINE: "/examine/"}
"""Where the work of a queue is done, before the number of the exchange."""


def add(app: FastAPI, site: Site) -> None:
    """Add the queues."""

    @app.get("/")
    def show(request: Request) -> Response:
        # The page asks for itself again every half minute: that is nobody's act.
        visit = site.enter(request, Act.SEE_QUEUES, acts="hx-request" not in request.headers)
        now = site.clock()
        with site.here.store.reading() as tx:
            exchanges = tx.exchanges()
            unsent = {held.exchange for held in tx.held(kind=Content.MESSAGE)}
        arrangement = site.here.settings.arrangement(now)
        found = queues.waiting(exchanges, unsent, arrangement, rules_in_force(now.date()))
        late = {queue: queues.overdue(rows, now) for queue, rows in found.items()}
        return site.page("queues.html", visit.words, visit, {"queues": found, "late": late, "pages": _PAGES})
