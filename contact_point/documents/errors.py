"""What can go wrong with a document."""


class DocumentError(ValueError):
    """A document cannot be set, signed or written; the message says what lacks and what to do."""
