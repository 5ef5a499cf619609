"""The examination of a match (Article 4(5)): the probe is marked and that is sealed; then the candidate appears beside it.

The pictures are decrypted for one answer to one session, are kept nowhere (``no-store``) and end with the determination: every
window asks each few seconds whether they are still there, and forgets them when they are not (Article 8(2)).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Form, Request, Response

from contact_point import examining, querying
from contact_point.console.roles import Act
from contact_point.console.site import see_other
from contact_point.examining import Analysis, Mark, Opinion, Stage
from matcher import images
from matcher.images import Image
from matcher.template import DPI
from pcsc.messages import Conclusion

if TYPE_CHECKING:
    from contact_point.console.site import Site, Visit
    from contact_point.examination import Panel
    from contact_point.examining import Progress

Text = Annotated[str, Form()]


def add(app: FastAPI, site: Site) -> None:
    """Add the examination."""
    desk = _Desk(site)
    app.get("/examine/{number}")(desk.show)
    app.get("/examine/{number}/probe.png")(desk.probe)
    app.get("/examine/{number}/candidate.png")(desk.candidate)
    app.get("/examine/{number}/there")(desk.is_there)
    app.post("/examine/{number}/analysis")(desk.seal)
    app.post("/examine/{number}/conclusion")(desk.conclude)


class _Desk:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._here = site.here

    def show(self, request: Request, number: str) -> Response:
        visit = self._site.enter(request, Act.MARK_PROBE)
        found = self._progress(number)
        stage = found.stage(visit.signature)
        shown: dict[str, Any] = {"number": number, "exchange": found.exchange, "stage": stage, "Conclusion": Conclusion}
        if stage is Stage.ANALYSIS:
            shown["panel"] = querying.examination(self._here, number).probe
            self._note_view(visit, number, "probe")
            return self._site.page("analysis.html", visit.words, visit, shown)
        if stage is Stage.COMPARISON:
            shown["pair"] = querying.examination(self._here, number)
            shown["analysis"] = found.analyses[visit.signature]
            self._note_view(visit, number, "probe", "candidate")
            return self._site.page("comparison.html", visit.words, visit, shown)
        return self._site.page("concluded.html", visit.words, visit, shown)

    def probe(self, request: Request, number: str) -> Response:
        self._site.enter(request, Act.MARK_PROBE)
        return _picture(querying.examination(self._here, number).probe)

    def candidate(self, request: Request, number: str) -> Response:
        visit = self._site.enter(request, Act.SEE_CANDIDATE)
        examining.check_may_compare(self._progress(number), visit.signature)
        return _picture(querying.examination(self._here, number).candidate)

    def is_there(self, request: Request, number: str) -> Response:
        """Say whether the prints may still be shown to whoever asks, which is no act of theirs."""
        visit = self._site.enter(request, Act.MARK_PROBE, acts=False)
        shown = self._progress(number).stage(visit.signature) in {Stage.ANALYSIS, Stage.COMPARISON}
        return Response(status_code=204 if shown else 410)

    def seal(
        self, request: Request, number: str, token: Text, marks: Text, value: Text, note: Annotated[str, Form()] = ""
    ) -> Response:
        visit = self._site.enter_with_form(request, token, Act.MARK_PROBE)
        placed = tuple(map(_mark, _list(marks)))
        made = Analysis(visit.signature, placed, of_value=value == "yes", note=note, at=self._site.clock())
        examining.seal_analysis(self._here, number, made)
        return see_other(f"/examine/{number}")

    def conclude(
        self,
        request: Request,
        number: str,
        token: Text,
        conclusion: Annotated[Conclusion, Form()],
        note: Annotated[str, Form()] = "",
    ) -> Response:
        visit = self._site.enter_with_form(request, token, Act.CONCLUDE)
        opinion = Opinion(visit.signature, conclusion, note, self._site.clock())
        examining.conclude(self._here, number, opinion, two=self._site.console.two_examiners)
        return see_other(f"/examine/{number}")

    def _progress(self, number: str) -> Progress:
        with self._here.store.reading() as tx:
            return examining.progress(tx, number, two=self._site.console.two_examiners)

    def _note_view(self, visit: Visit, number: str, *shown: str) -> None:
        with self._here.store.transaction() as tx:
            tx.viewed(number, visit.person.id, at=self._site.clock(), shown=shown)


_MARKS: Final = (
    "marks are a list of pairs of whole numbers, pixels from the upper left corner of the probe: mark it again"
)


def _list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(_MARKS) from None
    if not isinstance(found, list):
        raise ValueError(_MARKS)  # noqa: TRY004 - what came is wrong, not who called
    return found


def _mark(pair: object) -> Mark:
    """Return a mark as the page sends it."""
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(each) is int and each in _SIDE for each in pair):
        raise ValueError(_MARKS)
    return Mark(*pair)


_SIDE: Final = range(1 << 16)


def _picture(panel: Panel) -> Response:
    """Return a print as a picture for one answer."""
    dpi = DPI * panel.image.shape[1] / panel.template.width
    return Response(images.write_png(Image(panel.image, dpi)), media_type="image/png")
