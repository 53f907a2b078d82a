"""Test queries in the form that rankings need: positions, row by row."""

from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.index import vectors as embeddings
from two_tower.index.vectors import UserVectors
from two_tower.metrics.ranks import item_positions, without_targets
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, FloatArray


@dataclass(frozen=True, eq=False)
class TestCases:
    """B queries with their answers.

    Attributes:
        users: `[B]` int32, dense ids, rising.
        seen: B rows of item positions, the history of each query.
        targets: B rows of item positions, the positives, each once.
    """

    __test__ = False  # pytest would collect it for its name

    users: npt.NDArray[np.int32]
    seen: Ragged
    targets: Ragged

    def among(self, is_listed: npt.NDArray[np.bool_]) -> "TestCases":
        """Return the queries with a positive among these items, and nothing else.

        Args:
            is_listed: `[N]`, by position.
        """
        seen = self.seen.keep(is_listed[self.seen.values])
        targets = self.targets.keep(is_listed[self.targets.values])
        asked = np.flatnonzero(targets.lengths)
        return TestCases(self.users[asked], seen.take(asked), targets.take(asked))

    def take(self, rows: npt.ArrayLike) -> "TestCases":
        """Return these queries, in this order."""
        chosen = np.asarray(rows, np.int64)
        return TestCases(
            self.users[chosen], self.seen.take(chosen), self.targets.take(chosen)
        )

    def list_lengths(self, n_items: int) -> npt.NDArray[np.int64]:
        """Return `[B]`, how many of `n_items` are in each query's list.

        These are the items that its user has not seen, and the positives.
        """
        hidden = without_targets(self.seen, self.targets).distinct()
        return n_items - hidden.lengths


def read_cases(test_examples: ir.Table) -> TestCases:
    """Return the test queries in order of `user`.

    Args:
        test_examples: `user` (int32, unique), `items` and `targets` (array<int32>).

    Raises:
        ValueError: if there is no query.
    """
    columns = test_examples.order_by("user").select("user", "items", "targets")
    rows = columns.to_pyarrow()
    if not rows.num_rows:
        raise ValueError(
            "test_examples is empty, so there is nothing to evaluate; change the split "
            "in the parameters of sequencing so that something is held out for test"
        )
    return cases_of(rows)


def cases_of(rows: pa.Table) -> TestCases:
    """Return the rows of `read_cases`, some of them maybe, as queries."""
    targets = Ragged.from_arrow(rows["targets"]).distinct()
    return TestCases(
        users=rows["user"].to_numpy(),
        seen=item_positions(Ragged.from_arrow(rows["items"])),
        targets=Ragged(targets.values - FIRST_ID, targets.offsets),
    )


def read_queries(test_queries: ir.Table, users: npt.NDArray[np.int32]) -> FloatArray:
    """Return `[B, V, D]` float32, the vectors of each of these users.

    Args:
        test_queries: as of `read_asking_users`.
        users: `[B]` int32, rising.
    """
    return read_asking_users(test_queries, users).vectors


def read_asking_users(
    test_queries: ir.Table, users: npt.NDArray[np.int32]
) -> UserVectors:
    """Return the ids and vectors of these users.

    Args:
        test_queries: one row per vector: `user` (int32), `user_id`, `vector_index`
            (int32, from 0 for each user) and `vector` (array<float32>).
        users: `[B]` int32, rising.

    Raises:
        ValueError: if the table's users are others, or one lacks a vector.
    """
    found = embeddings.read_user_vectors(test_queries)
    require_same_users(found.users, users)
    return found


def require_same_users(
    asking: npt.NDArray[np.int32], users: npt.NDArray[np.int32]
) -> None:
    """Raise an error if queries and examples are of other users.

    Args:
        asking: the users of some `test_queries`, rising.
        users: those of the same part of `test_examples`, rising.

    Raises:
        ValueError: if the two differ.
    """
    if not np.array_equal(asking, users):
        raise ValueError(
            f"test_queries has {len(asking)} users and test_examples "
            f"{len(users)}, and they are not the same ones; run the export pipeline "
            "again"
        )


def read_training_items(train_sequences: ir.Table) -> Ragged:
    """Return one row per user: the positions of the items it was trained on.

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
    return item_positions(Ragged(values[order], offsets))


def read_n_train(vocabulary: ir.Table, entity: str) -> npt.NDArray[np.int64]:
    """Return the training interactions of each item or user, in order of dense ids.

    Args:
        vocabulary: `<entity>` (int32, from 2 without gaps) and `n_train` (int64).
        entity: `item` or `user`.
    """
    counts: npt.NDArray[np.int64]
    counts = vocabulary.order_by(entity).n_train.to_pyarrow().to_numpy()
    return counts
