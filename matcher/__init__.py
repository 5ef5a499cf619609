"""One-to-many search of minutiae.

The words, as they are used here. A *template* is the minutiae of one *impression* of one *finger*; its *position* says
which of ten, its *origin* who found the minutiae. A *subject* is one individual with the prints enrolled together; the
*gallery* holds them all, and a *view* says which of them one search may reach. A *probe* is the prints of one individual
that are searched for. *Mates* are minutiae, or prints, of the same finger; a *score* is a log likelihood ratio that they
are. A *candidate* is a subject that the evidence names under a *policy*, which bounds how many false candidates a search
may be expected to return.

Names are loaded when first used: the search engine compiles its kernels, reading a template does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matcher.comparison import Comparison, Transform, compare
    from matcher.gallery import Candidate, FingerMatch, Gallery, GalleryError, Policy, PolicyError, ProbeError
    from matcher.template import ImpressionType, MinutiaKind, Origin, Template, TemplateError

__all__ = [
    "Candidate",
    "Comparison",
    "FingerMatch",
    "Gallery",
    "GalleryError",
    "ImpressionType",
    "MinutiaKind",
    "Origin",
    "Policy",
    "PolicyError",
    "ProbeError",
    "Template",
    "TemplateError",
    "Transform",
    "compare",
]

_HOME: Final = {
    "comparison": ("Comparison", "Transform", "compare"),
    "gallery": ("Candidate", "FingerMatch", "Gallery", "GalleryError", "Policy", "PolicyError", "ProbeError"),
    "template": ("ImpressionType", "MinutiaKind", "Origin", "Template", "TemplateError"),
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
