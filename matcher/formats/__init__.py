"""Records of prints as other systems write them: what others send is read here, and what is kept or sent is written.

- :mod:`~matcher.formats.minutiae_records`: finger minutiae records of ISO/IEC 19794-2 and INCITS 378, all editions;
  :mod:`~matcher.formats.minutiae` is what they say, :mod:`~matcher.formats.cards` the short forms for smart cards;
- :mod:`~matcher.formats.finger_images`: finger image records of ISO/IEC 19794-4 and INCITS 381;
  :mod:`~matcher.formats.pictures` is what they say;
- :mod:`~matcher.formats.deviations`: what all readers forgive, by codes;
- :mod:`~matcher.formats.scaling`: resolutions, and images that were squashed before their minutiae were taken.

Both kinds of records have a ``read`` that tells the standard and edition by itself, and a ``write`` that is strict. Every
reader takes bytes of anybody and raises :class:`FormatError`, never anything else, where it does not return.
"""

from __future__ import annotations

from matcher.formats._cursor import FormatError
from matcher.formats.minutiae_records import read_iso19794_2, write_iso19794_2
from matcher.formats.scaling import unstretch

__all__ = ["FormatError", "read_iso19794_2", "unstretch", "write_iso19794_2"]
