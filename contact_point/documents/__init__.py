"""What is printed: documents in English and Japanese as PDF, figures as SVG.

A document is data first (:mod:`~contact_point.documents.parts`): a title, facts, tables and paragraphs, each label and each
coded value in both languages, free text as it was given. :mod:`~contact_point.documents.setting` sets it as a PDF: A4, tagged,
with its font in it, and the same data gives the same bytes. What is set comes from two sides: the messages of Article 5
(:mod:`~contact_point.documents.article_5`), and the record (:mod:`~contact_point.documents.reports`), whose reports are
signed (:mod:`~contact_point.documents.signing`). :mod:`~contact_point.documents.charts` draws the figures of
:mod:`pcsc.figures`.

Nothing here reads a clock, the store or a key slot: whoever prints hands over what is to be seen.
"""

from contact_point.documents.errors import DocumentError

__all__ = ["DocumentError"]
