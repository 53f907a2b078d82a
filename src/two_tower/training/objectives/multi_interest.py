"""The objective of users with several vectors, one for each of their interests."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from two_tower.losses.multi_interest import (
    Rivals,
    entropy,
    load_balancing,
    mixture_cross_entropy,
    multi_vector_cross_entropy,
    score_of_nearest,
    score_rivals,
    score_rivals_of_nearest,
    semantic,
    weighted_mean,
)
from two_tower.losses.softmax import SMALLEST_WEIGHT
from two_tower.towers.two_tower import TwoTower
from two_tower.towers.vectors import to_unit_length
from two_tower.training.metrics import Measure
from two_tower.training.objectives.multi_interest_metrics import (
    head_figures,
    interest_measures,
    rank_figures,
    user_figures,
    vector_figures,
    weight_figures,
)
from two_tower.training.objectives.single_vector import TensorBatch, embed_candidates
from two_tower.types import MASKED_LOGIT, Assignment, Tensor

# No head has this number, so no candidate's head is it by chance.
ANY_HEAD = -1


class SoftMaxTemperature(NamedTuple):
    """How far vectors that are not the nearest count, as shares of the temperature.

    Attributes:
        start: as training begins; in (0, 1].
        end: as it ends; in between it falls by as much of itself with each step.
    """

    start: float
    end: float

    def at(self, progress: Tensor) -> Tensor:
        """Return it after a share of the training, both float32 scalars."""
        return self.start * (self.end / self.start) ** progress


class Contrast(NamedTuple):
    """Positives beside their candidates: V vectors apart, or as one (V = 1).

    Attributes:
        positive: `[P, V]` float32, the positives' logits.
        rivals: of as many vectors.
        losses: `[P]` float32, the main loss.
    """

    positive: Tensor
    rivals: Rivals
    losses: Tensor


class AuxiliaryWeights(NamedTuple):
    """What a positive's auxiliary losses are multiplied by; 0 leaves one out.

    Attributes:
        load_balancing: that each head has its share of the positives.
        entropy: that each category is for one head.
        semantic: that heads are like the positives of their categories.
    """

    load_balancing: float
    entropy: float
    semantic: float


@dataclass(frozen=True, kw_only=True)
class InterestSoftmax:
    """Tell each positive from candidates that the batch shares, vector by vector.

    A category router says for which heads, and so for which vectors, a positive is:
    p(v) = Σ_{h of v} p(h | category of the positive). The main loss is the mean of the
    vectors' cross-entropies by p(v), or that of the vectors together; the auxiliary
    ones are about the posterior p(h). Candidates that are the positive itself are left
    out: it stands in the softmax once, beside them.

    Attributes:
        joint: whether vectors compete, in one softmax over (vector, item).
        assignment: `category` if a positive is for each of the vectors that its
        category is
            for; `mixture` if for whichever of them explains it; `any` if for whichever
            of all; `nearest` if, as in retrieval, an item is scored by its nearest
            vector, which comes about by and by.
        soft_max_temperature: of `nearest`.
        margin: what the positive's cosine is lowered by.
        hard: how many of the first candidates are hard: they count only where their
            category's first head is that of the positive's category.
        auxiliary: weights of the auxiliary losses.
        enough: the probability of a category's first head that `entropy` is content
            with.
        semantic_temperature: what cosines of heads and positives are divided by; None
            for the temperature of the main loss.

    References:
        Zhou et al., Contrastive Learning for Debiased Candidate Generation in
        Large-Scale Recommender Systems, KDD 2021.
    """

    joint: bool
    assignment: Assignment
    soft_max_temperature: SoftMaxTemperature
    margin: float
    hard: int
    auxiliary: AuxiliaryWeights
    enough: float
    semantic_temperature: float | None

    def measures(self, towers: TwoTower) -> list[Measure]:
        """Return what `measured` measures; see `interest_measures`."""
        encoder: Any = towers.history_encoder
        return interest_measures(
            n_heads=encoder.n_heads,
            n_vectors=towers.n_vectors,
            hard=self.hard > 0,
            soft_max_temperature=self.assignment == "nearest",
        )

    def __call__(
        self,
        towers: TwoTower,
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> Tensor:
        """Return the weighted sum of the batch's losses, a float32 scalar."""
        loss, _ = self.measured(
            towers, batch, temperature=temperature, training=training
        )
        return loss

    def measured(
        self,
        towers: TwoTower,
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, as calling does, and the batch's figures of `measures`.

        Args:
            towers: both towers.
            batch: as a feed of places makes it: row p is place p.
            temperature: divides the cosines; above 0.
            training: whether to drop.
        """
        weights = batch["weights"]
        encoder: Any = towers.history_encoder
        users = encoder.interests(batch, towers.item_tower, training=training)
        users = users._replace(vectors=towers.as_scored(users.vectors))
        positives, vectors = embed_candidates(towers, batch, training=training)
        posterior, hard_heads = self._route(towers, batch)
        is_rival = self._is_rival(batch, posterior, hard_heads)

        cosines = _cosines(users.vectors, positives)
        own_log_q = ops.expand_dims(batch["own_log_q"], 1)
        positive = (cosines - self.margin) / temperature - own_log_q
        against = users.vectors / temperature, vectors, _log_weights(batch, is_rival)
        if self.assignment == "nearest":
            soft_max_temperature = self.soft_max_temperature.at(batch["progress"])
            contrast = _contrast_of_nearest(positive, against, soft_max_temperature)
            figures = {"soft_max_temperature": soft_max_temperature}
        else:
            shares = _shares(posterior, users.vectors.shape[1])
            contrast = self._contrast(positive, against, shares)
            figures = {}
        auxiliary = {
            "load_balancing": load_balancing(posterior, weights),
            "entropy": entropy(posterior, weights, enough=self.enough),
            "semantic": semantic(
                _cosines(to_unit_length(users.heads), to_unit_length(positives)),
                posterior,
                weights,
                temperature=self.semantic_temperature or temperature,
            ),
        }
        extra = sum(
            weight * auxiliary[name]
            for name, weight in self.auxiliary._asdict().items()
        )
        loss = ops.sum(contrast.losses * weights) + ops.sum(weights) * extra
        return loss, {
            "nll": weighted_mean(contrast.losses, weights),
            **auxiliary,
            **figures,
            **rank_figures(
                cosines, contrast.positive, contrast.rivals.greatest, weights
            ),
            **weight_figures(batch, is_rival, hard=self.hard),
            **head_figures(posterior, weights),
            **user_figures(users, weights),
            **vector_figures(users.vectors, cosines, weights),
        }

    def _contrast(
        self, positive: Tensor, against: tuple[Tensor, Tensor, Tensor], shares: Tensor
    ) -> Contrast:
        """Return how vectors that share a positive tell it apart, and the main loss.

        Args:
            positive: `[P, V]`, logits.
            against: arguments of `score_rivals`.
            shares: `[P, V]`, p(v).
        """
        rivals = score_rivals(*against)
        if self.assignment == "category":
            losses = multi_vector_cross_entropy(
                positive, rivals.log_sum, shares, joint=self.joint
            )
            return Contrast(positive, rivals, losses)
        if self.assignment == "any":
            # A joint softmax is over vectors already, others are of one each.
            shares = ops.full_like(shares, 1.0 if self.joint else 1 / shares.shape[1])
        losses = mixture_cross_entropy(
            positive, rivals.log_sum, shares, joint=self.joint
        )
        return Contrast(positive, rivals, losses)

    def _route(
        self, towers: TwoTower, batch: TensorBatch
    ) -> tuple[Tensor, Tensor | None]:
        """Return which heads categories are for.

        Returns:
            Of the positives, `[P, H]` float32, log p(h); of the hard candidates,
            `[hard]` int, their first head, or None if there are none.
        """
        encoder: Any = towers.history_encoder
        labels, hard = batch["labels"], batch["candidates"][: self.hard]
        ids = ops.concatenate([labels, hard]) if self.hard else labels
        posteriors = encoder.category_log_probabilities(ids, towers.item_tower)
        if not self.hard:
            return posteriors, None
        n_places = ops.shape(labels)[0]
        of_hard = posteriors[n_places:]
        return posteriors[:n_places], ops.argmax(of_hard, axis=-1)

    def _is_rival(
        self, batch: TensorBatch, posterior: Tensor, hard_heads: Tensor | None
    ) -> Tensor:
        """Return `[P, Q]` bool, False for candidates that are left out for a place."""
        ids, labels = batch["candidates"], batch["labels"]
        is_rival = ops.not_equal(ops.expand_dims(labels, 1), ids)
        if "excluded" in batch:
            excluded = ops.take(batch["excluded"], batch["rows"], axis=0)
            is_rival = ops.logical_and(is_rival, ops.logical_not(excluded))
        if hard_heads is None:
            return is_rival
        n_easy = ops.shape(ids)[0] - self.hard
        easy = ops.full((n_easy,), ANY_HEAD, dtype="int32")
        heads = ops.concatenate([ops.cast(hard_heads, "int32"), easy])
        own_head = ops.cast(ops.argmax(posterior, axis=-1), "int32")
        agrees = ops.logical_or(
            heads == ANY_HEAD, ops.equal(ops.expand_dims(own_head, 1), heads)
        )
        return ops.logical_and(is_rival, agrees)


def _contrast_of_nearest(
    positive: Tensor,
    against: tuple[Tensor, Tensor, Tensor],
    soft_max_temperature: Tensor,
) -> Contrast:
    """Return how the softly nearest vector tells a positive apart, and the main loss.

    Args:
        positive: `[P, V]`, logits.
        against: arguments of `score_rivals`.
        soft_max_temperature: in (0, 1].
    """
    positive = score_of_nearest(positive, soft_max_temperature)
    rivals = score_rivals_of_nearest(*against, soft_max_temperature)
    alone = ops.ones_like(positive)
    losses = mixture_cross_entropy(positive, rivals.log_sum, alone, joint=True)
    return Contrast(positive, rivals, losses)


def _cosines(vectors: Tensor, positives: Tensor) -> Tensor:
    """Return `[P, N]` products of `[P, N, D]` vectors and `[P, D]` positives."""
    products = ops.matmul(vectors, ops.expand_dims(positives, -1))
    return ops.squeeze(products, -1)


def _log_weights(batch: TensorBatch, is_rival: Tensor) -> Tensor:
    """Return `[P, Q]`, log weight less log q, masked where it is no rival."""
    weights = batch["candidate_weights"]
    logs = ops.log(ops.maximum(weights, SMALLEST_WEIGHT)) - batch["candidate_log_q"]
    of_candidates = ops.where(weights > 0, logs, MASKED_LOGIT)
    return ops.where(is_rival, of_candidates, MASKED_LOGIT)


def _shares(log_posterior: Tensor, n_vectors: int) -> Tensor:
    """Return `[P, V]`, p(v): the sum over the neighbouring heads that v is made of."""
    grouped = ops.reshape(
        ops.exp(log_posterior), (-1, n_vectors, log_posterior.shape[1] // n_vectors)
    )
    return ops.sum(grouped, axis=-1)
