"""Reading a transaction that somebody sent: in the jail, so that no bytes can cost this process more than a refusal.

The work is done by :mod:`contact_point.nist.jailed`, in a child process without rights. Here its answer is turned into a
:class:`~contact_point.nist.transaction.Transaction` again, and trusted for nothing but its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Annotated, Final

from annotated_types import Ge, Len
from pydantic import TypeAdapter, ValidationError

from contact_point.nist.jailed import LETTERS, looks_like_xml
from contact_point.nist.transaction import (
    MAX_BYTES,
    MAX_FIELDS,
    MAX_RECORDS,
    Deviation,
    Encoding,
    Field,
    LimitError,
    NistError,
    Record,
    Transaction,
)
from matcher.jail import Jail, RefusedError

JAIL: Final = Jail(modules=("matcher._decoding", "contact_point.nist.jailed"))
"""Where this process reads what others sent: images and transactions. It starts with the first of them."""


class KilledError(NistError):
    """The child that read the transaction was killed: over its limits, or it did what reading does not need."""


_ERRORS: Final[dict[str, type[NistError]]] = {letter: error for error, letter in LETTERS.items()} | {"K": KilledError}


_Count = Annotated[int, Ge(0)]


@dataclass(frozen=True, slots=True)
class _Described:
    """A transaction as :func:`contact_point.nist.jailed.described` tells it: fields by number and length."""

    encoding: Encoding
    charset: str
    deviations: list[tuple[_Count, _Count, str, str]]
    records: Annotated[
        list[tuple[_Count, Annotated[list[tuple[_Count, _Count]], Len(0, MAX_FIELDS)]]], Len(1, MAX_RECORDS)
    ]


_DESCRIBED: Final = TypeAdapter(_Described)


def read(data: bytes, *, place: Jail = JAIL) -> Transaction:
    """Return the transaction that the bytes hold, in the traditional encoding or in XML, with what was forgiven.

    Raises:
        MalformedError: the records cannot be told apart.
        LimitError: more bytes, records or fields than a transaction may have.
        UnsupportedError: an encoding or edition that is not read.
        KilledError: reading it took more than it may, or broke the reader.
        jail.JailError: nothing can be read at present; it is not the sender's fault.

    """
    if len(data) > MAX_BYTES:
        raise LimitError(
            f"the transaction: expected at most {MAX_BYTES} bytes, got {len(data)}: divide the transaction"
        )
    try:
        content, values = place.ask("xml" if looks_like_xml(data) else "traditional", None, data, most=MAX_BYTES)
        described = _DESCRIBED.validate_python(content)
    except RefusedError as refusal:
        raise _ERRORS.get(refusal.letter, NistError)(str(refusal)) from refusal
    except ValidationError as error:
        raise KilledError(
            "the transaction broke its reader, which answered with something else than records"
        ) from error
    lengths = [length for _, fields in described.records for _, length in fields]
    if described.records[0][0] != 1:
        raise KilledError(
            "the transaction broke its reader, which answered with records of which the first is no Type-1"
        )
    if sum(lengths) != len(values):
        raise KilledError("the transaction broke its reader, which answered with other values than it described")
    spans = pairwise(accumulate(lengths, initial=0))
    records = tuple(
        Record(kind, tuple(Field(number, values[slice(*next(spans))]) for number, _ in fields))
        for kind, fields in described.records
    )
    deviations = tuple(Deviation(*each) for each in described.deviations)
    return Transaction(records, described.charset, described.encoding, deviations)
