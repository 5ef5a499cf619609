"""The gallery: persons under a name that means something only here, each sealed with their prints under a key of their own."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import func, select

from contact_point.keys import KeyDestroyedError, new_key, seal, unseal
from contact_point.store.errors import SubjectError
from contact_point.store.part import Part
from contact_point.store.tables import IMPRESSION, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_ENROLLED: Final = SUBJECT.select().where(SUBJECT.c.slot.is_not(None)).order_by(SUBJECT.c.name)


@dataclass(frozen=True, slots=True)
class Impression:
    """One print of a subject: the template as ISO/IEC 19794-2, which tells who found the minutiae, and any image as PNG."""

    template: bytes
    image: bytes | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One person of the gallery: a name that means something only here, particulars as JSON, prints in order of enrolment."""

    name: str
    particulars: str
    impressions: tuple[Impression, ...]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person of the gallery as a search needs them: each print by its number and template, and whether an image is held."""

    particulars: str
    prints: tuple[tuple[int, bytes, bool], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A person of the gallery without the prints: the particulars as JSON, and whether a print with an image is held."""

    particulars: str
    shown: bool


class Gallery(Part):
    """The gallery in a transaction."""

    def enrol(self, subjects: Iterable[Subject]) -> None:
        """Store persons with their prints, each under a key of its own.

        Raises:
            SubjectError: one of them is enrolled already, or has no print.

        """
        subjects = list(subjects)
        if bare := [subject.name for subject in subjects if not subject.impressions]:
            raise SubjectError(f"{bare[0]!r} has no print: nobody could be searched for there; enrol at least one")
        names = [subject.name for subject in subjects]
        if not all(name.strip() for name in names):
            raise SubjectError("a person is enrolled under a name that means something here; an empty one came")
        if taken := sorted(self.names() & set(names)) or sorted({n for n in names if names.count(n) > 1}):
            raise SubjectError(f"{taken[0]!r} is enrolled already: remove the person first, or choose another name")
        keys = [new_key() for _ in subjects]
        revision = self.revision() + 1
        for name in self._removed() & set(names):
            self._connection.execute(SUBJECT.delete().where(SUBJECT.c.name == name))
        for subject, key, slot in zip(subjects, keys, self._key(self._gallery, keys), strict=True):
            sealed = seal(key, subject.particulars.encode(), bound_to=f"subject/{subject.name}")
            row = {"name": subject.name, "revision": revision, "slot": slot, "sealed": sealed}
            self._connection.execute(SUBJECT.insert(), row)
            prints = [_impression(subject.name, key, at, each) for at, each in enumerate(subject.impressions)]
            self._connection.execute(IMPRESSION.insert(), prints)

    def update(self, name: str, particulars: str) -> None:
        """Replace what is known of a person, prints apart; a running service notices at its next query.

        Raises:
            SubjectError: nobody of that name is enrolled.

        """
        sealed = seal(self._gallery.get(self._slot_of(name)), particulars.encode(), bound_to=f"subject/{name}")
        changed = {"sealed": sealed, "revision": self.revision() + 1}
        self._connection.execute(SUBJECT.update().where(SUBJECT.c.name == name), changed)

    def remove(self, name: str) -> int:
        """Remove a person from the gallery and return the slot to destroy; a running service notices at its next query.

        Raises:
            SubjectError: nobody of that name is enrolled.

        """
        slot = self._slot_of(name)
        self._connection.execute(IMPRESSION.delete().where(IMPRESSION.c.subject == name))
        gone = {"slot": None, "sealed": None, "revision": self.revision() + 1}
        self._connection.execute(SUBJECT.update().where(SUBJECT.c.name == name), gone)
        return slot

    def names(self) -> frozenset[str]:
        """Return the names of all who are enrolled; nothing is decrypted for it."""
        return frozenset(self._connection.execute(select(SUBJECT.c.name).where(SUBJECT.c.slot.is_not(None))).scalars())

    def revision(self) -> int:
        """Return the number of the gallery's last change."""
        return cast("int | None", self._connection.execute(select(func.max(SUBJECT.c.revision))).scalar()) or 0

    def changed_since(self, revision: int) -> Iterator[tuple[str, Enrolled | None]]:
        """Yield each person enrolled after a revision, or None in place of one removed."""
        rows = self._connection.execute(SUBJECT.select().where(SUBJECT.c.revision > revision).order_by(SUBJECT.c.name))
        for row in rows.all():
            yield row.name, None if row.slot is None else self._enrolled(row.name, row.slot, row.sealed)

    def standings(self) -> Iterator[tuple[str, Listed]]:
        """Yield every person who is enrolled, without the prints, by name.

        Costs two queries, and a decryption for each person.
        """
        with_image = select(IMPRESSION.c.subject).where(IMPRESSION.c.image.is_not(None)).distinct()
        shown = frozenset(self._connection.execute(with_image).scalars())
        for row in self._connection.execute(_ENROLLED):
            try:
                key = self._gallery.get(row.slot)
            except KeyDestroyedError:
                if not self._snapshot:
                    raise
                continue  # removed a moment ago
            particulars = unseal(key, row.sealed, bound_to=f"subject/{row.name}").decode()
            yield row.name, Listed(particulars, row.name in shown)

    def listed(self, name: str) -> Listed:
        """Return a person without the prints.

        Raises:
            SubjectError: nobody of that name is enrolled.

        """
        where = (IMPRESSION.c.subject == name) & IMPRESSION.c.image.is_not(None)
        shown = self._connection.execute(select(IMPRESSION.c.finger).where(where).limit(1)).first()
        return Listed(self.particulars(name), shown is not None)

    def gallery_digest(self) -> str:
        """Return a SHA-256, in hexadecimal, of who is enrolled and of the last change of each; nothing is decrypted for it."""
        digest = sha256()
        for row in self._connection.execute(_ENROLLED):
            digest.update(f"{row.revision} {len(row.name)} {row.name}\n".encode())
        return digest.hexdigest()

    def removed(self) -> frozenset[str]:
        """Return the names of all who were enrolled, and of whom nothing is held any more."""
        return frozenset(self._removed())

    def subjects(self) -> Iterator[Subject]:
        """Yield every person who is enrolled, with all prints, by name; one is in memory at a time."""
        for name in sorted(self.names()):
            row = self._connection.execute(SUBJECT.select().where(SUBJECT.c.name == name)).one()
            try:
                key = self._gallery.get(row.slot)
            except KeyDestroyedError:
                if not self._snapshot:
                    raise
                continue  # removed a moment ago
            particulars = unseal(key, row.sealed, bound_to=f"subject/{name}").decode()
            yield Subject(name, particulars, tuple(self._impressions(name, key)))

    def _impressions(self, name: str, key: bytes) -> Iterator[Impression]:
        rows = self._connection.execute(
            IMPRESSION.select().where(IMPRESSION.c.subject == name).order_by(IMPRESSION.c.finger)
        )
        for row in rows:
            template, image = (
                None if sealed is None else unseal(key, sealed, bound_to=_print_place(name, row.finger, what))
                for what, sealed in (("template", row.template), ("image", row.image))
            )
            yield Impression(template or b"", image)

    def particulars(self, name: str) -> str:
        """Return the particulars of a person as JSON."""
        row = self._connection.execute(SUBJECT.select().where(SUBJECT.c.name == name)).first()
        if row is None or row.slot is None:
            raise SubjectError(f"{name!r} is not enrolled")
        return unseal(self._gallery.get(row.slot), row.sealed, bound_to=f"subject/{name}").decode()

    def image(self, name: str, finger: int) -> bytes | None:
        """Return the image of a person's print as PNG, or None where only a template was enrolled."""
        where = (IMPRESSION.c.subject == name) & (IMPRESSION.c.finger == finger)
        sealed = self._connection.execute(select(IMPRESSION.c.image).where(where)).scalar()
        if sealed is None:
            return None
        return unseal(self._gallery.get(self._slot_of(name)), sealed, bound_to=_print_place(name, finger, "image"))

    def _removed(self) -> set[str]:
        return set(self._connection.execute(select(SUBJECT.c.name).where(SUBJECT.c.slot.is_(None))).scalars())

    def _slot_of(self, name: str) -> int:
        slot: int | None = self._connection.execute(select(SUBJECT.c.slot).where(SUBJECT.c.name == name)).scalar()
        if slot is None:
            raise SubjectError(f"{name!r} is not enrolled")
        return slot

    def _enrolled(self, name: str, slot: int, sealed: bytes) -> Enrolled:
        key = self._gallery.get(slot)
        held = IMPRESSION.c.image.is_not(None).label("held")
        rows = self._connection.execute(
            select(IMPRESSION.c.finger, IMPRESSION.c.template, held)
            .where(IMPRESSION.c.subject == name)
            .order_by(IMPRESSION.c.finger)
        )
        prints = tuple(
            (row.finger, unseal(key, row.template, bound_to=_print_place(name, row.finger, "template")), bool(row.held))
            for row in rows
        )
        return Enrolled(unseal(key, sealed, bound_to=f"subject/{name}").decode(), prints)


def _print_place(subject: str, finger: int, what: str) -> str:
    """Return what a sealed print is bound to."""
    return f"subject/{subject}/{finger}/{what}"


def _impression(subject: str, key: bytes, finger: int, impression: Impression) -> dict[str, object]:
    """Return the row of a print."""
    image = impression.image
    return {
        "subject": subject,
        "finger": finger,
        "template": seal(key, impression.template, bound_to=_print_place(subject, finger, "template")),
        "image": None if image is None else seal(key, image, bound_to=_print_place(subject, finger, "image")),
    }
