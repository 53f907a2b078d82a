"""Self-supervision: a contrastive loss of item views, beside the main loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from keras import ops

from two_tower.losses.contrastive import contrastive
from two_tower.losses.logits import scale
from two_tower.towers.two_tower import TwoTower
from two_tower.training.metrics import Metric
from two_tower.training.objectives.base import Objective, TensorBatch
from two_tower.types import Tensor


@dataclass(frozen=True)
class SelfSupervised(Objective):
    """A main objective, with two views of an item pulled together.

    The mean loss of the views is added `alpha` times to the mean loss of the positives,
    however many positives there are.

    Attributes:
        main: the objective of the positives.
        alpha: weight of the views' loss.
    """

    main: Objective
    alpha: float

    def metrics(self, towers: TwoTower) -> Sequence[Metric]:
        return self.main.metrics(towers)

    def __call__(
        self,
        towers: TwoTower,
        batch: TensorBatch,
        *,
        temperature: float | Tensor,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        items = batch["views_items"]
        left, right = (
            towers.as_scored(
                towers.item_tower(items, training=training, kept=batch[f"views_{side}"])
            )
            for side in ("left", "right")
        )
        logits = ops.matmul(scale(left, temperature), ops.transpose(right))
        of_views = ops.mean(contrastive(logits))
        loss, metrics = self.main(
            towers, batch, temperature=temperature, training=training
        )
        return loss + self.alpha * ops.sum(batch["weights"]) * of_views, metrics
