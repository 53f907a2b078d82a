"""Evaluation queries: histories, positives and vectors of the test users."""

from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.index.vectors import UserVectors, read_user_vectors
from two_tower.metrics.ranks import (
    are_in_lists,
    item_indices,
    left_out_items,
    without_targets,
)
from two_tower.params import SeenItems
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, Int64Array


@dataclass(frozen=True, eq=False)
class EvaluationQueries:
    """B queries with their positives.

    Attributes:
        users: `[B]` int32, user indices, ascending.
        history: B lists of item rows, oldest first.
        targets: B lists of item rows, the distinct positives of each query.
        seen: whether seen items are ranked or left out.
        other_seen: B lists of item rows that the user has seen besides the history,
            since the selection dropped them; None: none.
    """

    users: npt.NDArray[np.int32]
    history: Ragged
    targets: Ragged
    seen: SeenItems = "left_out"
    other_seen: Ragged | None = None

    @classmethod
    def from_arrow(
        cls, rows: pa.Table, seen: SeenItems = "left_out"
    ) -> "EvaluationQueries":
        """Return one query per row.

        Args:
            rows: `user` (int32), `items`, `targets` and `other_seen` (list<int32>, item
                indices).
            seen: whether seen items are ranked or left out.
        """
        targets = Ragged.from_arrow(rows["targets"]).distinct()
        return cls(
            users=rows["user"].to_numpy(),
            history=item_indices(Ragged.from_arrow(rows["items"])),
            targets=Ragged(targets.values - FIRST_ID, targets.offsets),
            seen=seen,
            other_seen=item_indices(Ragged.from_arrow(rows["other_seen"])),
        )

    @property
    def excluded(self) -> Ragged:
        """B lists of the distinct item rows that are no candidates.

        These are the seen items without the positives, or none if they are ranked.
        """
        left_out = left_out_items(self.history, self.other_seen, self.seen)
        return without_targets(left_out, self.targets).distinct()

    @property
    def is_repeat(self) -> npt.NDArray[np.bool_]:
        """`[P]`, whether the history holds a positive already."""
        return are_in_lists(self.targets, self.history)

    def take(self, rows: npt.ArrayLike) -> "EvaluationQueries":
        """Return these queries, in this order."""
        chosen = np.asarray(rows, np.int64)
        return EvaluationQueries(
            self.users[chosen],
            self.history.take(chosen),
            self.targets.take(chosen),
            self.seen,
            None if self.other_seen is None else self.other_seen.take(chosen),
        )

    def restrict(self, is_kept: npt.NDArray[np.bool_]) -> "EvaluationQueries":
        """Return the queries over some items only; queries without a positive go.

        Args:
            is_kept: `[N]`, mask of items by index.
        """
        history = self.history.keep(is_kept[self.history.values])
        targets = self.targets.keep(is_kept[self.targets.values])
        others = self.other_seen
        if others is not None:
            others = others.keep(is_kept[others.values])
        rows = np.flatnonzero(targets.lengths)
        return EvaluationQueries(self.users, history, targets, self.seen, others).take(
            rows
        )

    def count_candidates(self, n_items: int) -> Int64Array:
        """Return `[B]`, the number of candidates.

        Args:
            n_items: N, the size of the catalogue.
        """
        return n_items - self.excluded.lengths


def read_evaluation_queries(
    test_examples: ir.Table, seen: SeenItems = "left_out"
) -> EvaluationQueries:
    """Return the evaluation queries, ordered by `user`.

    Args:
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        seen: whether seen items are ranked or left out.

    Raises:
        ValueError: if there is no query.
    """
    columns = ("user", "items", "targets", "other_seen")
    rows = test_examples.order_by("user").select(*columns).to_pyarrow()
    if not rows.num_rows:
        raise ValueError(
            "test_examples is empty, so there is nothing to evaluate: the split holds "
            "no interaction out for test; change sequencing.split and run: kedro "
            "run --pipelines sequencing"
        )
    return EvaluationQueries.from_arrow(rows, seen)


def read_query_vectors(
    test_queries: ir.Table, users: npt.NDArray[np.int32]
) -> UserVectors:
    """Return the vectors and ids of these users.

    Args:
        test_queries: one row per vector: `user` (int32), `user_id`, `vector_index`
            (int32, from 0 for each user) and `vector` (array<float32>).
        users: `[B]` int32, ascending.

    Raises:
        ValueError: if the table has other users, or a user lacks a vector.
    """
    found = read_user_vectors(test_queries)
    require_same_users(found.users, users)
    return found


def require_same_users(
    in_queries: npt.NDArray[np.int32], in_examples: npt.NDArray[np.int32]
) -> None:
    """Raise an error if queries and examples have different users.

    Args:
        in_queries: users of `test_queries`, ascending.
        in_examples: users of `test_examples`, ascending.

    Raises:
        ValueError: if the two differ.
    """
    if not np.array_equal(in_queries, in_examples):
        raise ValueError(
            f"test_queries has {len(in_queries)} users and test_examples "
            f"{len(in_examples)}, and they are different users; run: kedro run "
            "--pipelines export"
        )


def read_training_items(train_sequences: ir.Table) -> Ragged:
    """Return the training items of each user, one list of item rows per user.

    Args:
        train_sequences: one row per window: `user` (int32), `items` and `targets`
            (array<int32>).
    """
    windows = train_sequences.select("user", "items", "targets").to_pyarrow()
    items = Ragged.from_arrow(windows["items"])
    targets = Ragged.from_arrow(windows["targets"])
    user = windows["user"].to_numpy()
    user_of_value = np.concatenate([user[items.rows], user[targets.rows]])
    values = np.concatenate([items.values, targets.values])
    order = np.argsort(user_of_value, kind="stable")
    n_values = np.unique(user_of_value, return_counts=True)[1]
    offsets = np.append(0, np.cumsum(n_values))
    return item_indices(Ragged(values[order], offsets))


def read_n_train(vocabulary: ir.Table, entity: str) -> Int64Array:
    """Return the training interactions of each item or user, in vocabulary order.

    Args:
        vocabulary: `<entity>` (int32, from 2 without gaps) and `n_train` (int64).
        entity: `item` or `user`.
    """
    counts: Int64Array
    counts = vocabulary.order_by(entity).n_train.to_pyarrow().to_numpy()
    return counts
