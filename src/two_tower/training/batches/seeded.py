"""What all batches share: epochs that begin, are read again and resume."""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from two_tower.training.batches.base import Batch, Batches
from two_tower.training.batches.sampling import BatchSampler
from two_tower.types import State

# The sampler has a random stream of its own, so that it changes no order.
SAMPLER_STREAM = 1


class SeededBatches(Batches):
    """Batches whose order and samples derive from (seed, epoch).

    Each reading of an epoch starts from the sampler's state at the start of the epoch,
    and only a complete reading updates it: Keras also peeks at first batches. Two
    readings cannot overlap.

    Args:
        seed: of all randomness.
        sampler: adds negatives, masks and views to each batch.
    """

    def __init__(self, seed: int, sampler: BatchSampler) -> None:
        self.seed = seed
        self.sampler = sampler
        self._state_at_end = sampler.state()
        self.begin(0)

    def begin(self, epoch: int) -> None:
        self.epoch = epoch
        self._state_at_start = self._state_at_end

    def __iter__(self) -> Iterator[Batch]:
        self.sampler.restore(self._state_at_start)
        order = np.random.default_rng([self.seed, self.epoch])
        samples = np.random.default_rng([self.seed, self.epoch, SAMPLER_STREAM])
        n_left = len(self)
        for batch in self.positives(order):
            self.sampler.extend(batch, samples)
            n_left -= 1
            if not n_left:  # before the last batch is handed over, and the epoch over
                self._state_at_end = self.sampler.state()
            yield batch

    @abstractmethod
    def positives(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the epoch's batches without sampled parts, in random order."""

    def state(self) -> State:
        return self._state_at_end

    def restore(self, state: State) -> None:
        self._state_at_end = state
