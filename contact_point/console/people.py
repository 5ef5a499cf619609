"""Who works with the console: each entered by one person, confirmed by another (Article 9).

One mistaken or bribed hand must not be able to let somebody in, or to more than before. So whoever :func:`enter` or
:func:`propose` named may do nothing more until :func:`confirm` was called by somebody else. To let nobody in any more,
:func:`end`, takes one hand and is done at once. Names tell persons apart here, so no two of them may have the same one.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from contact_point.console import once
from contact_point.console.roles import Role, check_together
from contact_point.settings import Signed, same_person
from contact_point.store import Person, Proposal
from pcsc.retention import least_kept

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from contact_point.settings import Console
    from contact_point.store import Store, Transaction

_log = logging.getLogger("contact_point.console")

LINK: Final = "link"
"""What a link is good for, as :mod:`~contact_point.console.once` keeps it apart."""

LINK_LASTS: Final = timedelta(hours=24)
"""For how long a link may be used to enrol a passkey."""

ENROL: Final = "/enrol"
"""The page at which a link is used."""

_LONGEST: Final = 255  # characters of a name, a mail address, an account (OpenID Connect Core, 2)


class PeopleError(ValueError):
    """Somebody cannot be entered, changed or confirmed."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a second person put into effect."""

    person: Person
    link: str
    """The token of a link to enrol a passkey with, to be given to that person alone; empty where roles were changed."""


def enter(
    store: Store, *, name: str, mail: str, roles: Collection[str], by: str, now: datetime, account: str = ""
) -> Person:
    """Enter somebody who is to work with the console; it waits for :func:`confirm`.

    Raises:
        PeopleError: a name or mail address is none, somebody is entered under that name or account, or nobody is named.
        RolesApartError: one person may not hold these roles.

    """
    entered = Person(
        id=secrets.token_hex(16),
        name=_line(name, "a name"),
        mail=_mail(mail),
        account=_line(account, "an account") if account else "",
        waiting=_proposal(roles, by, now),
    )
    with store.transaction() as tx:
        _check_alone(tx, entered)
        tx.add_person(entered)
    forget(store, now=now)
    _log.info("person %s is entered and waits for a second person", entered.id)
    return entered


def propose(store: Store, person: str, roles: Collection[str] | None, *, by: str, now: datetime) -> Person:
    """Propose other roles for somebody or, with None, a new link; it waits for :func:`confirm`, in place of what waited.

    Raises:
        UnknownPersonError: nobody has this id.
        PeopleError: the person left, was not confirmed yet, or nobody is named.
        RolesApartError: one person may not hold these roles.

    """
    proposal = _proposal(roles, by, now)
    with store.transaction() as tx:
        before = tx.person(person)
        if not before.works_here:
            raise PeopleError(
                f"Art. 9: expected a person who works here; {person} {'left' if before.ended else 'was not confirmed yet'}: "
                "enter the person anew, or confirm what waits"
            )
        after = replace(before, waiting=proposal)
        tx.change_person(after)
    _log.info("a change of person %s waits for a second person", person)
    return after


def confirm(store: Store, number: str, *, by: str, now: datetime) -> Confirmed:
    """Put what waits under this number into effect, as a second person who looked at it.

    A new link ends every passkey, session and link that the person had.

    Raises:
        PeopleError: nothing waits under it, or it was entered by the same person, or is about that person.

    """
    _line(by, "who confirms")
    with store.transaction() as tx:
        before = next(
            (each for each in tx.people() if each.waiting is not None and each.waiting.number == number), None
        )
        if before is None or before.waiting is None:
            raise PeopleError(
                f"Art. 9: nothing waits under {number!r}: it was confirmed, or another proposal took its place; `pcsc people "
                "list` shows what waits"
            )
        entered = before.waiting.entered
        _check_second(before, entered, by)
        roles, link = before.waiting.roles, ""
        after = replace(before, waiting=None, hands=(entered, Signed(by.strip(), now)), since=before.since or now)
        if roles is not None:
            after = replace(after, roles=roles)
        tx.change_person(after)
        if roles is None or before.since is None:
            tx.shut_out(before.id)
            link = once.keep(tx, LINK, before.id.encode(), lasts=LINK_LASTS, now=now, person=before.id)
    _log.info("what waited for person %s is confirmed by a second person", before.id)
    return Confirmed(after, link)


def end(store: Store, person: str, *, by: str, now: datetime) -> Person:
    """Let somebody in no more, at once: every session, passkey and link of theirs ends, and every role.

    Raises:
        UnknownPersonError: nobody has this id.
        PeopleError: the person left before, or nobody is named.

    """
    ended = Signed(_line(by, "who ends it"), now)
    with store.transaction() as tx:
        before = tx.person(person)
        if before.ended is not None:
            raise PeopleError(f"person {person} left on {before.ended.at:%Y-%m-%d}: there is nothing to end")
        after = replace(before, ended=ended, roles=(), waiting=None)
        tx.change_person(after)
        tx.shut_out(person)
    forget(store, now=now)
    _log.info("person %s is let in no more", person)
    return after


def forget(store: Store, *, now: datetime) -> int:
    """Delete whoever left longer ago than a record lasts at least, unless one still says what they were shown; return how many.

    It is done whenever somebody is entered or leaves. A process that dies in here leaves keys that no row names, which
    :meth:`Store.recover` destroys.
    """
    long_ago = least_kept(now)  # Art. 11(3)
    with store.transaction() as tx:
        viewers = tx.viewers()
        left = [each for each in tx.people() if each.ended is not None and each.ended.at < long_ago]
        slots = [tx.forget_person(each.id) for each in left if each.id not in viewers]
    for slot in slots:
        store.destroy_person(slot)
    return len(slots)


def address(site: Console, link: str) -> str:
    """Return the address to give to the person: what is behind its ``#`` goes to no server, and into no log."""
    return f"{site.origin}{ENROL}#{link}"


def everybody(store: Store) -> list[Person]:
    """Return every person who is entered, also who left, by name."""
    with store.transaction() as tx:
        return tx.people()


def of_account(tx: Transaction, account: str) -> Person | None:
    """Return who works here and is known to the identity provider by this account, or None."""
    found = (each for each in tx.people() if each.works_here and each.account == account != "")
    return next(found, None)


def _proposal(roles: Collection[str] | None, by: str, now: datetime) -> Proposal:
    held = None if roles is None else check_together(roles)
    in_order = None if held is None else tuple(role.value for role in Role if role in held)
    return Proposal(secrets.token_hex(4), in_order, Signed(_line(by, "who enters it"), now))


def _check_alone(tx: Transaction, entered: Person) -> None:
    """Refuse a name or account that somebody here has: two persons would be one, or one two."""
    for each in tx.people():
        if each.ended is not None:
            continue
        if same_person(each.name, entered.name):
            raise PeopleError(
                f"Art. 9: two persons' hands are told apart by their names, and person {each.id} has this one: add what tells "
                "the two apart, such as a division"
            )
        if entered.account and each.account == entered.account:
            raise PeopleError(
                f"Art. 9: an account is one person's, and person {each.id} has this one: look it up at the identity provider"
            )


def _check_second(person: Person, entered: Signed, by: str) -> None:
    """Refuse whoever entered it, and whom it is about."""
    if same_person(entered.by, by):
        raise PeopleError(
            "Art. 9: who may do what is in two persons' hands, and the same person entered this: let another one look at it "
            "and confirm it"
        )
    if same_person(person.name, by):
        raise PeopleError(
            "Art. 9: nobody confirms what they may do themselves: let another person look at it and confirm it"
        )


def _line(text: str, what: str) -> str:
    """Return a text without what surrounds it; refuse an empty one, one of several lines, and one that goes on and on."""
    line = text.strip()
    if not line or len(line) > _LONGEST or not line.isprintable():
        raise PeopleError(
            f"Art. 9: expected {what} of one line, 1 to {_LONGEST} characters; got {len(line)} characters"
            f"{'' if line.isprintable() else ', not all of them printable'}: who does what here has a name"
        )
    return line


def _mail(text: str) -> str:
    mail = _line(text, "a mail address")
    if not all(mail.partition("@")) or mail.count("@") != 1 or " " in mail:
        raise PeopleError(
            "expected a mail address such as name@example.org: a person is told by it what waits; got none"
        )
    return mail
