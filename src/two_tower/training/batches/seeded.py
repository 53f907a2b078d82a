"""What all feeds have in common: epochs that can be begun, read again and resumed."""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from two_tower.negatives.base import State
from two_tower.training.batches.base import Batch, Batches
from two_tower.training.batches.sampling import Additions

# The additions draw from a stream of their own, so that they change no order.
ADDITIONS = 1


class SeededBatches(Batches):
    """A feed whose order comes from (seed, epoch), with what is drawn per batch.

    Each reading of an epoch starts from what was remembered when the epoch began, and
    only one that comes to its end leaves anything: Keras also reads first batches, to
    see what they are like. Two readings don't go on at one time.

    Args:
        seed: of all draws.
        additions: what each batch gets beside its positives.
    """

    def __init__(self, seed: int, additions: Additions) -> None:
        self.seed = seed
        self.additions = additions
        self._at_the_end = additions.state()
        self.begin(0)

    def begin(self, epoch: int) -> None:
        self.epoch = epoch
        self._at_the_beginning = self._at_the_end

    def __iter__(self) -> Iterator[Batch]:
        self.additions.restore(self._at_the_beginning)
        order = np.random.default_rng([self.seed, self.epoch])
        draws = np.random.default_rng([self.seed, self.epoch, ADDITIONS])
        n_left = len(self)
        for batch in self.bare_batches(order):
            self.additions.add(batch, draws)
            n_left -= 1
            if not n_left:  # before the last one is seen, and the epoch over
                self._at_the_end = self.additions.state()
            yield batch

    @abstractmethod
    def bare_batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the epoch's batches without additions, in an order that rng decides."""

    def state(self) -> State:
        return self._at_the_end

    def restore(self, state: State) -> None:
        self._at_the_end = state
