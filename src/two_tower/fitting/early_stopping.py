"""Keep the best epoch's weights, and know when to stop."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class EarlyStopping:
    """The best epoch so far by one figure, more being better.

    Attributes:
        monitor: the figure's name.
        patience: validations without a better one after which training stops.
        best: the best figure so far.
        best_epoch: the epoch that had it, from 0; -1 before the first.
        waited: validations since.
        weights: the towers' weights then.
    """

    monitor: str
    patience: int
    best: float = -np.inf
    best_epoch: int = -1
    waited: int = 0
    weights: list[np.ndarray] = field(default_factory=list)

    def update(
        self, epoch: int, figures: dict[str, float], weights: list[np.ndarray]
    ) -> None:
        """Take note of an epoch's figures, and of its weights if it is the best."""
        if figures[self.monitor] > self.best:
            self.best, self.best_epoch = figures[self.monitor], epoch
            self.weights, self.waited = weights, 0
        else:
            self.waited += 1

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs beside the weights."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
        }

    def restore(self, state: dict[str, Any], weights: list[np.ndarray]) -> None:
        """Go on from an earlier `state` and its weights."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.waited, self.weights = state["waited"], weights
