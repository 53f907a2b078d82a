"""Explicit negatives: items that the user rated low."""

import numpy as np
from pydantic import Field

from two_tower.negatives.base import (
    Candidates,
    NegativeData,
    Positives,
    Source,
    SourceParams,
    with_certain_positives,
)
from two_tower.negatives.log_q import Frequencies
from two_tower.negatives.uniform import Uniform
from two_tower.params import LARGEST_SIZE, Size
from two_tower.ragged import Ragged
from two_tower.types import PADDING, State


class LowRatedParams(SourceParams):
    """Items that the user rated low; see `sequencing.explicit_negatives`."""

    per_positive: Size = Field(description="samples of each query")
    uniform: int = Field(
        ge=0,
        le=LARGEST_SIZE,
        description="additional samples of each query, from all items",
    )

    @property
    def per_query(self) -> bool:
        return True

    def build(self, data: NegativeData, frequencies: Frequencies | None) -> Source:
        """Return the source.

        Raises:
            ValueError: if no user has an explicit negative.
        """
        trained = np.isin(data.explicit_negatives.values, data.candidates)
        explicit_negatives = data.explicit_negatives.keep(trained)
        if not len(explicit_negatives.values):
            raise ValueError(
                "training.negatives.kind is 'low_rated', but no user has an explicit "
                "negative: set sequencing.explicit_negatives.max_rating (null collects "
                "none) below sequencing.selection.min_rating, the minimum rating of a "
                "positive; or choose other negatives"
            )
        log_q = frequencies is not None
        others = Uniform(data.candidates, self.uniform, per_query=True, log_q=log_q)
        return LowRated(
            explicit_negatives,
            count=self.per_positive,
            log_q=log_q,
            others=others if self.uniform else None,
        )


class LowRated(Source):
    """Samples with replacement from the user's explicit negatives.

    Args:
        explicit_negatives: item indices by user index, from 0.
        count: n, samples of each query (`[P, n]`); users without explicit negatives get
            weight 0.
        log_q: whether to correct, by log(n / number of explicit negatives).
        others: samples m more for each query from all items, so that every user is
            scored against the rest of the catalogue (`[P, n + m]`); None for none.
    """

    def __init__(
        self,
        explicit_negatives: Ragged,
        *,
        count: int,
        log_q: bool,
        others: Source | None,
    ) -> None:
        self._lengths = explicit_negatives.lengths
        self._starts = explicit_negatives.offsets[:-1]
        # One value more, so that the start of an empty last row can be read.
        self._items = np.append(explicit_negatives.values, PADDING).astype(np.int32)
        self._count = count
        self._log_q = log_q
        self._others = others

    def sample(self, positives: Positives, rng: np.random.Generator) -> Candidates:
        n_explicit = self._lengths[positives.users][:, None]
        at_least_one = np.maximum(n_explicit, 1)
        shape = (len(positives.users), self._count)
        ranks = rng.integers(0, at_least_one, shape)
        own = with_certain_positives(
            self._items[self._starts[positives.users][:, None] + ranks],
            self._count / at_least_one,
            positives,
            log_q=self._log_q,
            is_found=n_explicit > 0,
        )
        if self._others is None:
            return own
        others = self._others.sample(positives, rng)
        return own._replace(
            ids=np.concatenate([own.ids, others.ids], axis=1),
            weights=np.concatenate([own.weights, others.weights], axis=1),
            log_q=np.concatenate([own.log_q, others.log_q], axis=1),
        )

    def state(self) -> State:
        return self._others.state() if self._others else {}

    def restore(self, state: State) -> None:
        if self._others:
            self._others.restore(state)
