"""What a source of negatives is."""

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from two_tower.negatives.candidates import Candidates, Positives

State: TypeAlias = dict[str, npt.NDArray[Any]]


class Source(Protocol):
    """Draws the candidates of each batch, on the host.

    A source that remembers earlier batches hands its memory over in `state`, so that a
    resumed training draws what the unbroken one would have drawn.
    """

    def draw(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        """Return the candidates of a batch; sources with a memory remember it.

        Args:
            positives: `[P]`, the batch's places.
            rng: decides the draw.
        """

    def state(self) -> State:
        """Return copies of all that the source remembers."""
        return {}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        del state  # a source without a memory has nothing to go on from
