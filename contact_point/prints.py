"""Prints on their way through the service: file -> pictures and templates -> transaction, and back.

Whatever a file is (:mod:`contact_point.files`), each impression in it becomes a :class:`Print`: its picture, the minutiae
that our own extractor finds in it, and its quality. Minutiae that others found are not searched with, but for those that an
examiner marked on a latent print: the print of a match is shown to an examiner (Article 4(5)), so the picture counts.

Between the contact points a print is a PNG in a Type-14 record, a latent one in Type-13: decoded once in the jail and
encoded anew without loss. Beside its pixels and resolution go its finger position, how it was taken, and the marks of a
latent print; nothing else of the original file does.

A template says who found its minutiae and how the print was taken, and the matcher weighs a score by both. Nobody outside
can have minutiae of their own weighed as ours: ours are only those that the extractor has just found in a picture here, or
that came out of our own store, where they rest sealed; all that is read from a file or a transaction is another maker's or
an examiner's, whatever it says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from contact_point import files
from contact_point.nist import agreed
from contact_point.nist.headers import Compression
from contact_point.nist.reading import JAIL
from matcher import images
from matcher.extraction import Extractor
from matcher.formats.scaling import scaled
from matcher.images import Image
from matcher.quality import Quality, Reason, measure
from matcher.template import DPI, LEAST_MINUTIAE, ImpressionType, Origin, Template
from pcsc.errors import BulkQueryError, NoPrintsError, PrintQualityError, SearchKindError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime


SEARCH, RESULT = agreed.SEARCH, agreed.RESULT


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """One impression: its picture, the minutiae found in it, and what it is worth."""

    image: Image
    template: Template
    quality: Quality

    @property
    def impression(self) -> ImpressionType:
        """How it was taken (table 7)."""
        return self.template.impression

    @property
    def marked(self) -> bool:
        """Whether its minutiae came with it and were not found here, as may be on a latent print."""
        return self.template.origin is not Origin.EXTRACTED

    @property
    def png(self) -> bytes:
        """The picture as PNG."""
        return images.write_png(self.image)

    @property
    def sent(self) -> agreed.FingerImage:
        """The print as it is sent to the other Party."""
        marked = _framed(self.template, self.image) if self.marked else None
        return finger_image(self.image, self.template.position, impression=self.impression, marked=marked)

    @property
    def latent(self) -> bool:
        """Whether it was left somewhere, not taken from a person."""
        return self.impression.latent

    def searched(self, *, latent: bool) -> Print:
        """Return the print as it goes into a search of this type: Article 4(7), queries of each type are counted apart.

        Raises:
            SearchKindError: it is known to have been taken in the other way.

        """
        if latent and self.impression is ImpressionType.UNKNOWN:
            return replace(self, template=replace(self.template, impression=ImpressionType.LATENT))
        if latent != self.latent:
            raise SearchKindError(
                f"a {'latent' if latent else 'ten-print'} search carries prints "
                f"{'left at a scene' if latent else 'taken from a person'} (Article 4(7)); this one is of impression type "
                f"{self.impression} (table 7): say which search it is"
            )
        return self


@dataclass(frozen=True, slots=True)
class PrintFile:
    """What a file of prints came to: those that can be compared, and which of its impressions were left out, and why.

    ``templates`` are the minutiae of impressions that the file has no picture of.
    """

    contents: files.Contents
    prints: tuple[Print, ...]
    templates: tuple[Template, ...]
    left_out: tuple[str, ...]

    def probe(self, *, latent: bool) -> list[Print]:
        """Return the prints that a search of this type can be made with, the best one of each finger."""
        return best_of_each_finger(
            each for each in self.prints if each.impression is ImpressionType.UNKNOWN or each.latent == latent
        )


class PrintReader:
    """Makes prints of files. Thread-safe; the network is loaded at the first print."""

    def __init__(self, *, threads: int = 1, places: int = 2) -> None:
        """Use ``threads`` cores for one extraction, and ``places`` extractions at a time."""
        self._threads = threads
        self._places = places

    @cached_property
    def _extractor(self) -> Extractor:
        return Extractor(threads=self._threads, places=self._places)

    def read(self, data: bytes, *, position: int = 0, dpi: float | None = None) -> Print:
        """Return the print in an image file.

        Raises:
            ImageError: the file cannot be read.
            PrintQualityError: it cannot be compared.

        """
        return self.read_image(images.read(data, dpi=dpi, place=JAIL), position)

    def read_image(
        self,
        image: Image,
        position: int = 0,
        impression: ImpressionType = ImpressionType.UNKNOWN,
        marked: Template | None = None,
    ) -> Print:
        """Return the print in a picture, with the minutiae that were marked on it or else those that are found.

        Raises:
            ExtractionError: the picture is larger than a print.
            PrintQualityError: it cannot be compared.

        """
        found = self._seen(image, position, impression, marked)
        if not found.quality.usable:
            raise PrintQualityError(_too_poor(found.template, found.quality))
        return found

    def _seen(self, image: Image, position: int, impression: ImpressionType, marked: Template | None) -> Print:
        found = self._extractor.extract(image, position=position) if marked is None else marked
        template = replace(found, impression=impression)
        return Print(image, template, measure(image, template))

    def read_file(self, data: bytes, *, at: datetime, position: int = 0, dpi: float | None = None) -> PrintFile:
        """Return the prints in a file of any kind; ``position`` is the finger of a file that shows one and names none.

        Raises:
            FILE_ERRORS of :mod:`contact_point.files`: the file cannot be read.
            ValueError: ``position`` is given for a file of several prints, or of another finger.

        """
        contents = files.read(data, at=at, dpi=dpi, place=JAIL)
        positions = [each.position for each in contents.shown]
        if position and positions not in ([0], [position]):
            holds = f"prints of {positions}" if positions else f"none, but {'; '.join(contents.besides) or 'nothing'}"
            raise ValueError(
                f"a position is said for a file with one print that names no finger; this one has {holds}: leave the position "
                "out"
            )
        pictures = [(each, each.image) for each in contents.impressions if each.image is not None]
        # A finger cut out of a slap shows little more than its middle: worth a second look.
        unmarked = [
            (image, position or each.position, each.from_slap) for each, image in pictures if each.template is None
        ]
        made = iter(self._extractor.extract_many(unmarked, refused=str))
        prints, left_out = [], list(contents.faults)
        for each, image in pictures:
            here = position or each.position
            template = next(made) if each.template is None else replace(each.template, position=here)
            if isinstance(template, str):
                left_out.append(f"{each.origin}: {template}")
                continue
            try:
                quality = measure(image, template)
            except images.SizeError as error:  # with marked minutiae nobody has looked at the size before
                left_out.append(f"{each.origin}: {error}")
                continue
            if not quality.usable:
                left_out.append(f"{each.origin}: {_too_poor(template, quality)}")
                continue
            prints.append(Print(image, replace(template, impression=ImpressionType.of(each.impression)), quality))
        templates = tuple(
            replace(each.template, position=position or each.position)
            for each in contents.impressions
            if each.template and each.image is None
        )
        return PrintFile(contents, tuple(prints), templates, tuple(left_out))

    def of_transaction(self, transaction: bytes, *, latent: bool | None = None, gate: bool = True) -> list[Print]:
        """Return the prints in an ANSI/NIST-ITL transaction of one individual, as the Parties send them.

        ``latent`` says whether they are to be latent prints; None asks nothing. Without ``gate`` poor prints are returned
        too: an examiner looks at what there is (Article 4(5)).

        Raises:
            NistError, ImageError: the transaction, or an image in it, cannot be read, or minutiae are of another image.
            NoPrintsError: it holds no image.
            BulkQueryError: it holds two prints of one finger position, so perhaps of two persons.
            SearchKindError: it holds latent prints where others were announced, or others where latent ones were.
            PrintQualityError: a print cannot be compared.

        """
        found = agreed.read(transaction, place=JAIL).images
        if not found:
            raise NoPrintsError(
                "a transaction carries at least one finger image (Type-14, Type-13); this one carries none"
            )
        check_individual([image.position for image in found])
        for image in found:
            if latent not in {None, image.record_type == 13}:
                expected = "latent prints, Type-13" if latent else "prints of known fingers, Type-14"
                raise SearchKindError(
                    f"the search was announced to be of {expected} (Article 4(7)); the transaction has Type-"
                    f"{image.record_type}: send what was announced"
                )
        prints = [self._of_record(image) for image in found]
        for each in prints:
            if gate and not each.quality.usable:
                raise PrintQualityError(_too_poor(each.template, each.quality))
        return prints

    def _of_record(self, image: agreed.FingerImage) -> Print:
        """Return the print in a Type-13 or Type-14 record."""
        picture = images.read(image.data, dpi=image.dpi, place=JAIL)
        height, width = picture.pixels.shape
        if (width, height) != (image.width, image.height):
            raise images.SizeError(
                f"the record says {image.width} x {image.height} pixels (14.006, 14.007) and its image has {width} x {height}: "
                "correct the record"
            )
        if image.marked is not None and not _is_framed(image.marked, picture):
            raise images.SizeError(
                f"the minutiae were marked on {image.marked.width} x {image.marked.height} pixels at 500 dpi (9.128, 9.129), "
                f"and the image has {width} x {height} at {picture.dpi:g}: mark them on this image"
            )
        return self._seen(picture, image.position, ImpressionType(image.impression), image.marked)


def probe_of(found: Sequence[PrintFile], *, latent: bool) -> list[Print]:
    """Return what a search of this type is made with, of the files of one individual.

    A finger that two files show is there twice, since it may be two persons': :func:`check_individual` refuses that.

    Raises:
        PrintQualityError: none of their prints can be compared; the message says why each was left out.
        SearchKindError: all prints of a file were taken in the other way.

    """
    probe = [
        each
        for file in found
        for each in file.probe(latent=latent) or [each.searched(latent=latent) for each in file.prints]
    ]
    left_out = [reason for file in found for reason in file.left_out]
    if left_out and not probe:
        raise PrintQualityError("; ".join(left_out))
    return probe


def check_individual(positions: Sequence[int]) -> None:
    """Refuse prints that may be of several persons: Article 4(3), querying is on the data of *an* individual.

    Raises:
        BulkQueryError: there is no print, two have one finger position, or one of several has none.

    """
    if not positions or (len(positions) > 1 and (0 in positions or len(set(positions)) < len(positions))):
        raise BulkQueryError(
            "a query is about one individual: one print, or different fingers with their positions; got positions "
            f"{list(positions)}: send one query for each individual"
        )


def ten_rolled(templates: Iterable[Template]) -> bool:
    """Tell whether all ten fingers are there and each was rolled: of a person who is there, whoever it is (Annex II 1)."""
    return {each.position for each in templates if each.impression.rolled} >= set(range(1, 11))


def best_of_each_finger(prints: Iterable[Print]) -> list[Print]:
    """Return one print of each finger, the best: rolled and plain of one finger are no two pieces of evidence.

    Prints of unknown fingers come first, each of them, since nothing says that two of them are of one finger.
    """
    unknown: list[Print] = []
    best: dict[int, Print] = {}
    for each in prints:
        before = best.get(each.template.position)
        if each.template.position == 0:
            unknown.append(each)
        elif before is None or each.quality.expected_minutiae > before.quality.expected_minutiae:
            best[each.template.position] = each
    return unknown + [best[position] for position in sorted(best)]


def _framed(marked: Template, image: Image) -> Template:
    """Return minutiae in the frame of an image whose resolution is sent in whole dpi."""
    height, width = (side * DPI / image.dpi for side in image.pixels.shape)
    by = image.dpi / round(image.dpi)
    return scaled(
        marked.x,
        marked.y,
        marked.direction,
        kind=marked.kind,
        quality=marked.quality,
        size=(width, height),
        scale=(by, by),
        position=marked.position,
        origin=marked.origin,
        impression=marked.impression,
    )


def _is_framed(marked: Template, image: Image) -> bool:
    """Tell whether minutiae say the size of this image at 500 dpi, but for what rounding takes."""
    sizes = zip((marked.height, marked.width), image.pixels.shape, strict=True)
    return all(abs(stated - pixels * DPI / image.dpi) <= 1 for stated, pixels in sizes)


def _too_poor(template: Template, quality: Quality) -> str:
    """Return why a print cannot be compared, for the person who takes it; of what it would be compared with it says nothing."""
    advice = "; ".join(f"{reason}: {reason.advice}" for reason in quality.reasons)
    if Reason.RESOLUTION in quality.reasons:
        period = f"{quality.ridge_period:.1f} pixels apart at 500 dpi"
        return f"a print is compared at its true resolution; the ridges of this one are {period}: {advice}"
    return f"a print needs at least {LEAST_MINUTIAE} minutiae to be compared; {len(template)} were found: {advice}"


def transaction(
    images: Sequence[agreed.FingerImage],
    *,
    kind: str,
    control_number: str,
    answers: str | None = None,
    originator: str,
    destination: str,
    delete_by: date | None,
    now: datetime,
) -> bytes:
    """Return the fingerprint data of a message as an ANSI/NIST-ITL transaction."""
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
            images=tuple(images),
        )
    )


def finger_image(
    image: Image, position: int, *, impression: int = ImpressionType.UNKNOWN, marked: Template | None = None
) -> agreed.FingerImage:
    """Return a print as it is sent: a PNG, with its finger position, how it was taken, and what an examiner marked on it."""
    height, width = image.pixels.shape
    return agreed.FingerImage(
        position=position,
        data=images.write_png(image),
        compression=Compression.PNG,
        width=width,
        height=height,
        dpi=round(image.dpi),
        impression=impression,
        marked=marked,
    )
