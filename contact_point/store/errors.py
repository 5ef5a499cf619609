"""The errors of the store. What cannot be written is the agreement's: :class:`pcsc.errors.RecordError`, Article 11(1)."""


class StoreError(Exception):
    """Something cannot be stored or is not there."""


class UnknownExchangeError(StoreError):
    """No exchange has this number."""


class ContentGoneError(StoreError):
    """Content that is not held: it was destroyed, or never was here."""


class AlreadyReceivedError(StoreError):
    """A message with this control number was received before."""


class ReplayError(StoreError):
    """A signed request came a second time."""


class SubjectError(StoreError):
    """A subject of the gallery is enrolled already, or is not enrolled."""


class UnknownPersonError(StoreError):
    """Nobody of the console has this id."""
