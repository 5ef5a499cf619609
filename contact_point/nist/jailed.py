"""What runs inside the jail for a transaction: bytes in, a description of its records and the bytes of their fields out.

The standard library and this package only: it is loaded by the jailed process (:mod:`matcher.jail`), which knows nothing of
the service. :mod:`contact_point.nist.reading` asks from outside, and believes what comes back no further than its shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from contact_point.nist import niem, traditional
from contact_point.nist.transaction import LimitError, MalformedError, NistError, UnsupportedError
from matcher.jail_terms import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contact_point.nist.transaction import Transaction

LETTERS: Final[Mapping[type[NistError], str]] = {
    LimitError: "T",
    UnsupportedError: "U",
    MalformedError: "D",
}
"""How a refusal is told to the other side of the jail's wall; any other is "D"."""


def looks_like_xml(data: bytes) -> bool:
    """Tell whether these are the bytes of an XML document, by how they begin."""
    return data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")


def _task(read: Callable[[bytes], Transaction]) -> Callable[[Any, bytes], tuple[Any, bytes]]:
    """Return a task that reads a transaction, and gives its description and the values of its fields, one after the other."""

    def task(_arguments: Any, data: bytes) -> tuple[Any, bytes]:
        try:
            transaction = read(data)
        except NistError as error:
            raise RefusalError(LETTERS.get(type(error), "D"), str(error)) from None
        return described(transaction)

    return task


def described(transaction: Transaction) -> tuple[Any, bytes]:
    """Return a transaction as JSON can say it: each field is its number and the length of its value."""
    records = [
        [record.type, [[field.number, len(field.value)] for field in record.fields]] for record in transaction.records
    ]
    content = {
        "encoding": transaction.encoding,
        "charset": transaction.charset,
        "deviations": [[each.record, each.field, each.code, each.text] for each in transaction.deviations],
        "records": records,
    }
    return content, b"".join(field.value for record in transaction.records for field in record.fields)


TASKS: Final[Mapping[str, Callable[[Any, bytes], tuple[Any, bytes]]]] = {
    "traditional": _task(traditional.read),
    "xml": _task(niem.read),
}
AGAIN: Final = frozenset({"traditional"})
"""The parser of XML (expat) is written in C, so each document has a child of its own."""
