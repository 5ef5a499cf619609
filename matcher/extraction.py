"""Grey pixels in, minutiae out.

An :class:`Extractor` holds the network of :mod:`matcher._leader`, ready to run. For one image it brings the pixels to 500
dpi, pads them to the network's step, runs it, and reads the minutiae off the peaks of the quality map.

A poor print is looked at twice, the second time upside down: the network is not the same in all directions, and what it
misses one way it may see the other. Minutiae of both looks are taken together, those seen once at half their quality. Over
four sets of FVC2002 that halves the misses at a false match rate of 1e-4, and nearly all of the gain is had from the
poorest prints alone (decision 22).
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

# onnxruntime reports its use to its maker, and keeps files for that, unless this is set before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from matcher import _leader
from matcher._leader import WeightsError
from matcher.images import SizeError, at_500, check_print
from matcher.in_order import in_order
from matcher.template import MAX_MINUTIAE, MinutiaKind, Origin, Template, expected_minutiae

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from matcher.images import Image

__all__ = ["THRESHOLD", "ExtractionError", "Extractor", "PrintTooLargeError", "WeightsError"]

THRESHOLD: Final = 0.6
"""A peak of the quality map from here on is a minutia (the authors' working point)."""

SECOND_LOOK: Final = 20.0
"""A print with fewer expected minutiae, the sum of their probabilities, is looked at a second time."""

_ENDING: Final = 0.5
_SAME_PLACE: Final = 8.0  # pixels: less than a ridge and a valley
_SAME_DIRECTION: Final = 0.6  # radians

_Refused = TypeVar("_Refused")


class ExtractionError(ValueError):
    """No minutiae can be extracted from this image."""


class PrintTooLargeError(ExtractionError):
    """The image covers more skin than one finger's."""


class Extractor:
    """Finds minutiae with the LEADER network on the CPU.

    Making one takes about 0.3 CPU seconds; :meth:`extract` may then be called from any number of threads, of which
    ``places`` work at a time and the others wait, each place holding up to 1 GB of memory. ``threads`` is how many one
    call may itself use.

    Raises:
        WeightsError: the network's weights are not installed.

    """

    def __init__(self, *, threads: int = 1, places: int = 2) -> None:
        self._width = places
        self._places = threading.BoundedSemaphore(places)
        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = (
            False  # what was computed from one print is not kept until the next; costs a seventh
        )
        options.intra_op_num_threads = threads
        # Threads that wait sleep, and leave the core to others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _leader.network(), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def extract(self, image: Image, *, position: int = 0, twice: bool = False) -> Template:
        """Return the minutiae of a print, best first; none where the image shows no ridges.

        Quality is the network's probability in percent. Of more than 255 minutiae the best remain. How the print came about
        is not to be seen in it, so its impression is unknown. The same pixels give the same template on the same machine.
        ``twice`` asks for a second look whatever the first one finds. Costs CPU time in proportion to the area, about 0.25 s
        a look for 384 x 384.

        Raises:
            PrintTooLargeError: the image covers more skin than one finger's (:func:`matcher.images.check_print`).
            TemplateError: ``position`` is no finger position.

        """
        try:
            check_print(image)
        except SizeError as error:
            raise PrintTooLargeError(str(error)) from None
        pixels = at_500(image).pixels
        first = self._minutiae(pixels, position)
        if not len(first) or (not twice and expected_minutiae(first) >= SECOND_LOOK):
            return first  # what shows nothing at all is a blank, not a poor print
        upside_down = self._minutiae(np.ascontiguousarray(pixels[::-1, ::-1]), position)
        return together(first, turned(upside_down))

    def extract_many(
        self, prints: Iterable[tuple[Image, int, bool]], *, refused: Callable[[ExtractionError], _Refused]
    ) -> Iterator[Template | _Refused]:
        """Yield the minutiae of many prints, each an image, its finger position, and whether to look twice, in their order.

        As many are worked on at once as there are places, each on a core of its own. For a print without minutiae to be
        had what ``refused`` makes of the error is yielded, so that one bad print does not end a long run.

        Raises:
            TemplateError: a position is no finger position.

        """

        def one(print_: tuple[Image, int, bool]) -> Template | _Refused:
            image, position, twice = print_
            try:
                return self.extract(image, position=position, twice=twice)
            except ExtractionError as error:
                return refused(error)

        return in_order(one, prints, at_once=self._width)

    def _minutiae(self, pixels: NDArray[np.uint8], position: int) -> Template:
        height, width = pixels.shape
        padded, top, left = _padded(pixels)
        grey = padded[np.newaxis, np.newaxis].astype(np.float32)
        with self._places:
            outputs = self._session.run(["quality", "direction", "ending"], {"grey": grey})
        quality, direction, ending = (output[0, :, top : top + height, left : left + width] for output in outputs)
        y, x = np.nonzero(quality[0] >= THRESHOLD)
        best = np.argsort(-quality[0, y, x], kind="stable")[:MAX_MINUTIAE]
        y, x = y[best], x[best]
        return Template.of(
            x,
            y,
            np.arctan2(direction[1, y, x], direction[0, y, x]),
            kind=np.where(ending[0, y, x] >= _ENDING, MinutiaKind.ENDING, MinutiaKind.BIFURCATION),
            quality=np.rint(100.0 * np.minimum(quality[0, y, x], 1.0)),
            width=width,
            height=height,
            position=position,
            origin=Origin.EXTRACTED,
        )


def turned(template: Template) -> Template:
    """Return the minutiae of an image that was turned by half a circle as they are in the image itself."""
    return Template.of(
        template.width - 1 - template.x,
        template.height - 1 - template.y,
        template.direction + np.pi,
        kind=template.kind,
        quality=template.quality,
        width=template.width,
        height=template.height,
        position=template.position,
        origin=template.origin,
        impression=template.impression,
    )


def together(first: Template, second: Template) -> Template:
    """Return the minutiae of two looks at one image, best first, each with the mean of its qualities, 0 where it is not seen.

    The better one of a pair says where it is. Two are a pair within 8 pixels and 0.6 radians; a look may see a minutia as
    two near ones, which are then one here too.
    """
    both = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("x", "y", "direction", "kind", "quality")
    }
    x, y = both["x"].astype(np.float64), both["y"].astype(np.float64)
    summed = np.zeros(len(x))
    seen: list[int] = []
    for at in np.argsort(-both["quality"].astype(np.int64), kind="stable").tolist():
        near = np.hypot(x[seen] - x[at], y[seen] - y[at]) < _SAME_PLACE
        apart = both["direction"][seen].astype(np.float64) - float(both["direction"][at])
        pair = np.flatnonzero(near & (np.abs(np.angle(np.exp(1j * apart))) < _SAME_DIRECTION))
        to = seen[int(pair[0])] if len(pair) else at
        summed[to] += float(both["quality"][at])
        if to == at:
            seen.append(at)
    quality = np.minimum(np.rint(summed / 2.0), 100.0)
    chosen = np.array(seen, dtype=np.int64)
    best = chosen[np.argsort(-quality[chosen], kind="stable")[:MAX_MINUTIAE]]
    return Template.of(
        both["x"][best],
        both["y"][best],
        both["direction"][best],
        kind=both["kind"][best],
        quality=quality[best],
        width=first.width,
        height=first.height,
        position=first.position,
        origin=first.origin,
        impression=first.impression,
    )


def _padded(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """Return the pixels amid a border in the corner's grey that fills the network's step, and its top and left."""
    height, width = pixels.shape
    more_y, more_x = -height % _leader.MULTIPLE, -width % _leader.MULTIPLE
    top, left = more_y // 2, more_x // 2
    border = ((top, more_y - top), (left, more_x - left))
    return np.pad(pixels, border, constant_values=pixels[0, 0]), top, left
