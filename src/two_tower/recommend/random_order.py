"""Order of a list: best first, or sampled at random with the better items likelier."""

from abc import ABC, abstractmethod
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.params import Factor, OneOf, Params

# The constants of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom
# Number Generators, OOPSLA 2014): a step, and two odd factors that mix all bits.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_MANTISSA: Final = np.uint64(11)  # 64 - 53: a float64 keeps 53 bits


class Order(Params, ABC):
    """How a list is chosen from the best allowed items of its user."""

    takes_quota: ClassVar[bool]
    """Whether `recommendation.quota` may order the list, too."""

    @abstractmethod
    def n_candidates(self, k: int) -> int:
        """Return how many of the best items a list of `k` is chosen from."""

    @abstractmethod
    def choose(
        self,
        found: SearchResult,
        users: npt.NDArray[np.int64],
        k: int,
        *,
        by_popularity: bool,
    ) -> SearchResult:
        """Return `[B, k]` items of the candidates.

        Args:
            found: `[B, n_candidates]`, best first.
            users: `[B]` int64, a number per user.
            k: items per user.
            by_popularity: whether scores are popularity shares, not cosines.
        """


class BestFirst(Order):
    """The best items, best first."""

    takes_quota: ClassVar[bool] = True

    def n_candidates(self, k: int) -> int:
        return k

    def choose(
        self,
        found: SearchResult,
        users: npt.NDArray[np.int64],
        k: int,
        *,
        by_popularity: bool,
    ) -> SearchResult:
        return found


class RandomOrder(Order):
    """Items sampled without replacement, likelier with softmax(score / temperature).

    Popular items for cold-start users are sampled by their shares; the temperature
    scales cosines only.
    """

    takes_quota: ClassVar[bool] = False

    temperature: Factor = Field(
        gt=0, description="large: nearly uniform; small: nearly best first"
    )
    among: int = Field(ge=1, description="the best items that a list is sampled from")
    seed: int = Field(ge=0, description="another seed gives every user another list")

    def n_candidates(self, k: int) -> int:
        return self.among

    def choose(
        self,
        found: SearchResult,
        users: npt.NDArray[np.int64],
        k: int,
        *,
        by_popularity: bool,
    ) -> SearchResult:
        if by_popularity:
            return sample_by_popularity(found, users, k, seed=self.seed)
        return sample_by_score(
            found, users, k, temperature=self.temperature, seed=self.seed
        )


class ListOrder(OneOf[Order]):
    """Order of the recommended items."""

    best: BestFirst = BestFirst()
    random: RandomOrder


def sample_by_score(
    found: SearchResult,
    users: npt.NDArray[np.int64],
    k: int,
    *,
    temperature: float,
    seed: int,
) -> SearchResult:
    """Return `k` items per list, sampled with probability softmax(score / τ).

    Items are sampled without replacement: the k greatest sums of score / τ and Gumbel
    noise have this distribution. The noise depends on the seed, the user and the item
    only, so the list of a user is independent of the other users of the run.

    Args:
        found: `[B, L]`, the items to sample from.
        users: `[B]` int64, a number per user.
        k: items per list, at most L.
        temperature: τ above 0.
        seed: of the noise.

    Returns:
        `[B, k]` in the order of sampling, with the scores of `found`.

    References:
        Kool, van Hoof and Welling, Stochastic Beams and Where to Find Them: The
        Gumbel-Top-k Trick for Sampling Sequences Without Replacement, ICML 2019.
    """
    logits = found.scores.astype(np.float64) / temperature
    return _sample(found, logits, users, k, seed=seed)


def sample_by_popularity(
    found: SearchResult, users: npt.NDArray[np.int64], k: int, *, seed: int
) -> SearchResult:
    """Return `k` items per list, sampled with their popularity shares as probabilities.

    Shares differ by factors and cosines by differences, so one temperature can't fit
    both.

    Args:
        found: `[B, L]`, with scores in [0, 1]; items of score 0 are sampled last.
        users: `[B]` int64, a number per user.
        k: items per list, at most L.
        seed: of the noise, see `sample_by_score`.
    """
    shares = np.maximum(found.scores.astype(np.float64), 0)
    with np.errstate(divide="ignore"):
        logits = np.log(shares)
    return _sample(found, logits, users, k, seed=seed)


def _sample(
    found: SearchResult,
    logits: npt.NDArray[np.float64],
    users: npt.NDArray[np.int64],
    k: int,
    *,
    seed: int,
) -> SearchResult:
    noise = gumbel_noise(users[:, np.newaxis], found.indices, seed=seed)
    keys = np.where(found.indices == NO_ITEM, -np.inf, logits + noise)
    order = np.argsort(-keys, axis=1, kind="stable")[:, :k]
    return SearchResult(
        np.take_along_axis(found.indices, order, axis=1),
        np.take_along_axis(found.scores, order, axis=1),
    )


def gumbel_noise(
    users: npt.NDArray[np.int64], items: ItemIndices, *, seed: int
) -> npt.NDArray[np.float64]:
    """Return a number of the standard Gumbel distribution per user and item.

    Args:
        users: `[…]` int64.
        items: `[…]` int64, broadcast to the users.
        seed: another seed gives other numbers.
    """
    state = _mixed(np.full(1, seed, np.uint64))
    state = _mixed(state ^ users.astype(np.uint64))
    bits = _mixed(state ^ items.astype(np.uint64)) >> _MANTISSA
    # Half a step from 0 and from 1, where the logarithms below have no value.
    uniform = (bits.astype(np.float64) + 0.5) / 2**53
    return -np.log(-np.log(uniform))


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64 pseudorandom bits for each state."""
    with np.errstate(over="ignore"):
        mixed = state + _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
