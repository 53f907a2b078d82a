"""The objective of users with several vectors, one for each of their interests."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from two_tower.losses.interest_heads import (
    entropy,
    load_balancing,
    semantic,
    weighted_mean,
)
from two_tower.losses.logits import candidate_bias, correct, mask, scale
from two_tower.losses.multi_interest import (
    LogPartition,
    log_partition,
    mixture_cross_entropy,
    multi_vector_cross_entropy,
    nearest_log_partition,
    soft_maximum,
)
from two_tower.towers.multi_interest.tower import Interests
from two_tower.towers.two_tower import TwoTower
from two_tower.towers.vectors import to_unit_length
from two_tower.training.metrics import Metric
from two_tower.training.objectives.base import Objective, TensorBatch
from two_tower.training.objectives.multi_interest_metrics import (
    candidate_metrics,
    head_metrics,
    interest_metrics,
    item_head_metrics,
    ranking_metrics,
    vector_metrics,
)
from two_tower.training.objectives.scoring import embed_candidates, masked_candidates
from two_tower.types import Assignment, Tensor

# Candidates that are not hard agree with every head.
ANY_HEAD = -1


class SoftMaxTemperature(NamedTuple):
    """Temperature of the soft maximum over vectors, relative to that of the scores.

    It falls geometrically, by a constant factor each step.

    Attributes:
        start: at the start of training; in (0, 1].
        end: at its end.
    """

    start: float
    end: float

    def at(self, progress: Tensor) -> Tensor:
        """Return it after a share of the training, both float32 scalars."""
        return self.start * (self.end / self.start) ** progress


class MainLoss(NamedTuple):
    """Loss of positives against their candidates: V vectors apart, or as one (V = 1).

    Attributes:
        positive: `[P, V]` float32, logits of the positives.
        negatives: log-partition of the candidates, of as many vectors.
        losses: `[P]` float32, in nats.
    """

    positive: Tensor
    negatives: LogPartition
    losses: Tensor


class AuxiliaryWeights(NamedTuple):
    """Weights of the auxiliary losses beside the main loss; 0 leaves one out.

    Attributes:
        load_balancing: of heads with less than an equal share of the positives.
        entropy: of categories that spread over several heads.
        semantic: of heads unlike the positives of their categories.
    """

    load_balancing: float
    entropy: float
    semantic: float


@dataclass(frozen=True, kw_only=True)
class InterestSoftmax(Objective):
    """Softmax of each positive over the query vectors it is assigned to.

    A category router assigns positives to heads, and so to vectors:
    p(v) = Σ_{h of v} p(h | category of the positive). Auxiliary losses train the
    posterior p(h). Candidates are shared by the batch; accidental hits are masked, so
    the positive counts once, beside the candidates.

    Attributes:
        joint: whether vectors compete, in one softmax over (vector, item).
        assignment: vectors that a positive trains. `category`: each of those that its
            category is assigned to, by p(v); `mixture`: whichever of them explains it;
            `any`: whichever of all; `nearest`: the nearest one, approached by a soft
            maximum, as in retrieval.
        soft_max_temperature: of `nearest`.
        margin: subtracted from the positive's cosine.
        hard: number of hard candidates, which come first: they count only where their
            category's first head is that of the positive's category.
        auxiliary: weights of the auxiliary losses.
        confident: probability of a category's first head above which `entropy` is 0.
        semantic_temperature: divides the cosines of heads and positives; None for the
            temperature of the main loss.

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
    confident: float
    semantic_temperature: float | None

    def metrics(self, towers: TwoTower) -> list[Metric]:
        """Return the metrics that `interest_metrics` explains."""
        encoder: Any = towers.history_encoder
        return interest_metrics(
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
    ) -> tuple[Tensor, dict[str, Tensor]]:
        weights = batch["weights"]
        encoder: Any = towers.history_encoder
        users = encoder.interests(batch, towers.item_tower, training=training)
        users = users._replace(vectors=towers.as_scored(users.vectors))
        positives, vectors = embed_candidates(towers, batch, training=training)
        posterior, hard_heads = self._route(towers, batch)
        masked = self._masked(batch, posterior, hard_heads)

        cosines = _cosines(users.vectors, positives)
        bias = candidate_bias(batch["candidate_weights"], batch["candidate_log_q"])
        main = self._main_loss(
            correct(
                scale(cosines - self.margin, temperature),
                ops.expand_dims(batch["own_log_q"], 1),
            ),
            (scale(users.vectors, temperature), vectors, mask(bias, masked)),
            posterior,
            batch,
        )
        auxiliary = self._auxiliary(users, positives, posterior, weights, temperature)
        extra = sum(
            weight * auxiliary[name]
            for name, weight in self.auxiliary._asdict().items()
        )
        loss = ops.sum(main.losses * weights) + ops.sum(weights) * extra
        metrics = {
            "nll": weighted_mean(main.losses, weights),
            **auxiliary,
            **ranking_metrics(cosines, main.positive, main.negatives.greatest, weights),
            **candidate_metrics(batch, masked, hard=self.hard),
            **head_metrics(posterior, weights),
            **item_head_metrics(users, weights),
            **vector_metrics(users.vectors, cosines, weights),
        }
        if self.assignment == "nearest":
            current = self.soft_max_temperature.at(batch["progress"])
            metrics["soft_max_temperature"] = current
        return loss, metrics

    def _main_loss(
        self,
        positive: Tensor,
        candidates: tuple[Tensor, Tensor, Tensor],
        posterior: Tensor,
        batch: TensorBatch,
    ) -> MainLoss:
        """Return the main loss, by the chosen assignment of positives to vectors.

        Args:
            positive: `[P, V]` float32, logits of the positives.
            candidates: arguments of `log_partition`.
            posterior: `[P, H]` float32, log p(h) of the positives.
            batch: for the progress of the training.
        """
        if self.assignment == "nearest":
            soft = self.soft_max_temperature.at(batch["progress"])
            positive = soft_maximum(positive, soft)
            negatives = nearest_log_partition(*candidates, soft)
            ones = ops.ones_like(positive)
            losses = mixture_cross_entropy(
                positive, negatives.log_sum, ones, joint=True
            )
            return MainLoss(positive, negatives, losses)
        negatives = log_partition(*candidates)
        probabilities = _vector_probabilities(posterior, candidates[0].shape[1])
        loss = mixture_cross_entropy
        if self.assignment == "category":
            loss = multi_vector_cross_entropy
        elif self.assignment == "any":
            # A joint softmax is over vectors already, others are of one each.
            each = 1.0 if self.joint else 1 / probabilities.shape[1]
            probabilities = ops.full_like(probabilities, each)
        losses = loss(positive, negatives.log_sum, probabilities, joint=self.joint)
        return MainLoss(positive, negatives, losses)

    def _auxiliary(
        self,
        users: Interests,
        positives: Tensor,
        posterior: Tensor,
        weights: Tensor,
        temperature: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return the auxiliary losses by name, before their weights."""
        cosines = _cosines(to_unit_length(users.heads), to_unit_length(positives))
        logits = scale(cosines, self.semantic_temperature or temperature)
        return {
            "load_balancing": load_balancing(posterior, weights),
            "entropy": entropy(posterior, weights, confident=self.confident),
            "semantic": semantic(logits, posterior, weights),
        }

    def _route(
        self, towers: TwoTower, batch: TensorBatch
    ) -> tuple[Tensor, Tensor | None]:
        """Return the heads that the categories of items belong to.

        Returns:
            `[P, H]` float32, log p(h) of the positives; `[hard]` int, the first head of
            each hard candidate, or None if there are none.
        """
        encoder: Any = towers.history_encoder
        labels, hard = batch["labels"], batch["candidates"][: self.hard]
        ids = ops.concatenate([labels, hard]) if self.hard else labels
        posteriors = encoder.category_log_probabilities(ids, towers.item_tower)
        if not self.hard:
            return posteriors, None
        n_queries = ops.shape(labels)[0]
        of_hard = posteriors[n_queries:]
        return posteriors[:n_queries], ops.argmax(of_hard, axis=-1)

    def _masked(
        self, batch: TensorBatch, posterior: Tensor, hard_heads: Tensor | None
    ) -> Tensor:
        """Return `[P, Q]` bool, masked candidates of a query."""
        masked = masked_candidates(batch)
        if hard_heads is None:
            return masked
        n_easy = ops.shape(batch["candidates"])[0] - self.hard
        easy = ops.full((n_easy,), ANY_HEAD, dtype="int32")
        heads = ops.concatenate([ops.cast(hard_heads, "int32"), easy])
        own_head = ops.cast(ops.argmax(posterior, axis=-1), "int32")
        agrees = ops.logical_or(
            heads == ANY_HEAD, ops.equal(ops.expand_dims(own_head, 1), heads)
        )
        return ops.logical_or(masked, ops.logical_not(agrees))


def _cosines(vectors: Tensor, positives: Tensor) -> Tensor:
    """Return `[P, N]` products of `[P, N, D]` vectors and `[P, D]` positives."""
    products = ops.matmul(vectors, ops.expand_dims(positives, -1))
    return ops.squeeze(products, -1)


def _vector_probabilities(log_posterior: Tensor, n_vectors: int) -> Tensor:
    """Return `[P, V]`, p(v): the sum of p(h) over the adjacent heads of vector v."""
    grouped = ops.reshape(
        ops.exp(log_posterior), (-1, n_vectors, log_posterior.shape[1] // n_vectors)
    )
    return ops.sum(grouped, axis=-1)
