"""The two Annexes of the agreement as rules: pure functions over dated law.

``offences`` answers whether conduct is serious crime (Article 1(3) with Annex I), ``eligibility`` whether a person's
fingerprint data are made available to a query (Article 4(2) with Annex II), ``parameters`` holds every number and every
reading of an open clause with the date from which it holds, its source and its reason. Nothing here reads a clock, a
file or a network: the date is an argument, and a decision made again for the same date comes out the same.

Raises one tree of errors: :class:`AnnexError`, a ``ValueError``, and under it one class per module.
"""

from annex.parameters import AnnexError, Party

__all__ = ["AnnexError", "Party"]
