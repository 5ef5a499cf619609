"""Prints on their way through the service: image file -> picture and template -> transaction, and back.

Between the contact points a print is a PNG in a Type-14 record: decoded once in the jail and encoded anew without loss, so
nothing of the original file but its pixels and its resolution travels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from contact_point.nist import agreed
from matcher import images
from matcher.extraction import Extractor
from matcher.images import Image
from matcher.template import LEAST_MINUTIAE, Template
from pcsc.errors import BulkQueryError, NoPrintsError, PrintQualityError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime


SEARCH: Final = "CPS"
RESULT: Final = "SRE"
"""Types of transaction: a print-to-print search and its result, as INTERPOL's INT-I names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """One impression: its picture and the minutiae found in it."""

    image: Image
    template: Template

    @property
    def png(self) -> bytes:
        """The picture as PNG."""
        return images.write_png(self.image)


class PrintReader:
    """Makes prints of image files. Thread-safe; the network is loaded at the first print."""

    def __init__(self, *, threads: int = 1) -> None:
        """Use ``threads`` cores for one extraction."""
        self._threads = threads

    @cached_property
    def _extractor(self) -> Extractor:
        return Extractor(threads=self._threads)

    def read(self, data: bytes, *, position: int = 0, dpi: float | None = None) -> Print:
        """Return the print in an image file.

        Raises:
            ImageError: the file cannot be read.
            PrintQualityError: it shows too few minutiae to be compared.

        """
        image = images.read(data, dpi=dpi)
        template = self._extractor.extract(image, position=position)
        if len(template) < LEAST_MINUTIAE:
            raise PrintQualityError(
                f"a print needs at least {LEAST_MINUTIAE} minutiae to be compared; {len(template)} were found: scan the finger "
                "again, or check the resolution"
            )
        return Print(image, template)

    def of_transaction(self, transaction: bytes) -> list[Print]:
        """Return the prints in an ANSI/NIST-ITL transaction of one individual.

        Raises:
            NistError, ImageError: the transaction, or an image in it, cannot be read.
            NoPrintsError: it holds no image.
            BulkQueryError: it holds two prints of one finger position, so perhaps of two persons.
            PrintQualityError: a print cannot be compared.

        """
        found = agreed.read(transaction).images
        if not found:
            raise NoPrintsError("a transaction carries at least one finger image (Type-14); this one carries none")
        known = [image.position for image in found if image.position]
        # Art. 4(3): querying is on the fingerprint data of *an* individual.
        if len(found) > 1 and (len(known) != len(found) or len(set(known)) != len(known)):
            raise BulkQueryError(
                "several prints in one query are different fingers of one individual, each with its position; got positions "
                f"{[image.position for image in found]}: send one query for each individual"
            )
        return [self._of_record(image) for image in found]

    def _of_record(self, image: agreed.FingerImage) -> Print:
        """Return the print in a Type-14 record."""
        if image.compression is agreed.Compression.NONE:
            raise images.UnknownFormatError(
                "an image travels as PNG, WSQ or JPEG 2000 (14.011 CGA); this one is raw pixels"
            )
        found = self.read(image.data, position=image.position, dpi=image.dpi)
        height, width = found.image.pixels.shape
        if (width, height) != (image.width, image.height):
            raise images.SizeError(
                f"the record says {image.width} x {image.height} pixels (14.006, 14.007) and its image has {width} x {height}: "
                "correct the record"
            )
        return found


def transaction(
    prints: Sequence[tuple[Image, int]],
    *,
    kind: str,
    control_number: str,
    answers: str | None = None,
    originator: str,
    destination: str,
    delete_by: date | None,
    now: datetime,
) -> bytes:
    """Return an ANSI/NIST-ITL transaction of images with their finger positions."""
    return agreed.write(
        agreed.Transaction(
            type_of_transaction=kind,
            control_number=control_number,
            control_reference=answers,
            originator=originator,
            destination=destination,
            date=now.date(),
            made_at=now,
            delete_by=delete_by,
            images=tuple(_finger(image, position) for image, position in prints),
        )
    )


def _finger(image: Image, position: int) -> agreed.FingerImage:
    height, width = image.pixels.shape
    return agreed.FingerImage(
        position=position,
        data=images.write_png(image),
        compression=agreed.Compression.PNG,
        width=width,
        height=height,
        dpi=round(image.dpi),
    )
