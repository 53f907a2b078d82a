"""Recommendations drawn at random, the better ones more often."""

from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from two_tower.index.base import NO_ITEM, ItemIndices, SearchResult
from two_tower.params import Params

# The constants of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom
# Number Generators, OOPSLA 2014): a step, and two odd factors that mix all bits.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_MANTISSA: Final = np.uint64(11)  # 64 - 53: a float64 keeps 53 bits


class Drawn(Params):
    """Items drawn at random, with probability softmax(score / temperature).

    Popular ones, which unknown users may get, are drawn with their shares as
    probabilities: the temperature is for cosines.
    """

    temperature: float = Field(
        gt=0, description="large: any item; small: nearly the best ones alone"
    )
    among: int = Field(ge=1, description="so many of the best items are drawn from")
    seed: int = Field(ge=0, description="another gives every user other items")


def draw_by_score(
    found: SearchResult,
    users: npt.NDArray[np.int64],
    k: int,
    *,
    temperature: float,
    seed: int,
) -> SearchResult:
    """Return `k` items of each list, drawn with probability softmax(score / τ).

    They are drawn one after the other and not put back: the k greatest of
    score / τ + Gumbel noise are distributed so. The noise depends on the seed, the user
    and the item alone, so a user's items don't change with the users asked about
    beside.

    Args:
        found: `[B, L]`, the items to draw from.
        users: `[B]` int64, a number for each user.
        k: items to draw, of at most L.
        temperature: τ above 0; small ones draw nearly the best items alone.
        seed: of the noise.

    Returns:
        `[B, k]` in the order of the draws, with their scores as they were.

    References:
        Kool, van Hoof and Welling, Stochastic Beams and Where to Find Them: The
        Gumbel-Top-k Trick for Sampling Sequences Without Replacement, ICML 2019.
    """
    logits = found.scores.astype(np.float64) / temperature
    return _draw(found, logits, users, k, seed=seed)


def draw_by_share(
    found: SearchResult, users: npt.NDArray[np.int64], k: int, *, seed: int
) -> SearchResult:
    """Return the same where scores are shares: each is a probability to be drawn.

    Shares differ by factors, cosines by differences, so that no temperature fits both.

    Args:
        found: as of `draw_by_score`, with scores in [0, 1]; 0 is drawn last.
        users: as of `draw_by_score`.
        k: as of `draw_by_score`.
        seed: as of `draw_by_score`.
    """
    shares = np.maximum(found.scores.astype(np.float64), 0)
    with np.errstate(divide="ignore"):
        logits = np.log(shares)
    return _draw(found, logits, users, k, seed=seed)


def _draw(
    found: SearchResult,
    logits: npt.NDArray[np.float64],
    users: npt.NDArray[np.int64],
    k: int,
    *,
    seed: int,
) -> SearchResult:
    noise = gumbel_noise(users[:, np.newaxis], found.indices, seed=seed)
    keys = np.where(found.indices == NO_ITEM, -np.inf, logits + noise)
    drawn = np.argsort(-keys, axis=1, kind="stable")[:, :k]
    return SearchResult(
        np.take_along_axis(found.indices, drawn, axis=1),
        np.take_along_axis(found.scores, drawn, axis=1),
    )


def gumbel_noise(
    users: npt.NDArray[np.int64], positions: ItemIndices, *, seed: int
) -> npt.NDArray[np.float64]:
    """Return one number of the standard Gumbel distribution per user and item.

    Args:
        users: `[…]` int64.
        positions: `[…]` int64 that broadcast to them.
        seed: others give other numbers.
    """
    state = _mixed(np.full(1, seed, np.uint64))
    state = _mixed(state ^ users.astype(np.uint64))
    bits = _mixed(state ^ positions.astype(np.uint64)) >> _MANTISSA
    # Half a step from 0 and from 1, where the logarithms below have no value.
    uniform = (bits.astype(np.float64) + 0.5) / 2**53
    return -np.log(-np.log(uniform))


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64 bits that look random, others for each state."""
    with np.errstate(over="ignore"):
        mixed = state + _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
