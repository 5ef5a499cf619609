"""What a peer is: another matcher that is measured on the templates that this one is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from matcher.template import Template


class MissingPeerError(Exception):
    """A peer cannot be measured here, and why."""


class Peer(Protocol):
    """A matcher; used by one thread at a time."""

    name: str

    def prepare(self, template: Template) -> Any:
        """Return a print in the peer's own form, which is what ``compare`` takes; any template is taken, also an empty one."""

    def compare(self, probe: Any, candidate: Any) -> float:
        """Return how much speaks for one finger; not below 0, and greater for more."""

    def compare_many(self, probe: Any, candidates: Sequence[Any]) -> NDArray[np.float64]:
        """Return the scores (candidates,) of ``compare``, as fast as the peer can."""
