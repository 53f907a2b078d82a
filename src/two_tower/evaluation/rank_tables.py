"""Tables of ranks and exposure: written by the ranking nodes, read by the metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.evaluation.queries import EvaluationQueries
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, Int64Array


def ranks_table(
    queries: EvaluationQueries, columns: Mapping[str, npt.NDArray[np.generic]]
) -> pa.Table:
    """Return one row per positive, ordered by `user` and `item`.

    Args:
        queries: the queries, with P positives.
        columns: `[P]` each; an infinite rank becomes null.

    Returns:
        `user` and `item` (int32, their indices), then the columns (int64).
    """
    targets = queries.targets
    table = pa.table(
        {
            "user": queries.users[targets.rows],
            "item": (targets.values + FIRST_ID).astype(np.int32),
            **{name: _as_int64(values) for name, values in columns.items()},
        }
    )
    return table.sort_by([("user", "ascending"), ("item", "ascending")])


def exposure_table(
    counts: Mapping[str, Int64Array], cutoffs: Sequence[int], **columns: Int64Array
) -> pa.Table:
    """Return one row per item, ordered by `item`: in how many top-k lists it is.

    Args:
        counts: exposure of each ranking, `[len(cutoffs), N]`.
        cutoffs: the k.
        columns: `[N]` each, further columns.

    Returns:
        `item` (int32, item index), the further columns, and `<ranking>@<k>`
        (int64).
    """
    exposure = {
        f"{name}@{k}": row
        for name, rows in counts.items()
        for k, row in zip(cutoffs, rows, strict=True)
    }
    n_items = len(next(iter(exposure.values())))
    item = np.arange(FIRST_ID, FIRST_ID + n_items, dtype=np.int32)
    return pa.table({"item": item, **columns, **exposure})


@dataclass(frozen=True, eq=False)
class Rankings:
    """Ranks of P positives by several rankings.

    Attributes:
        items: `[P]` int64, the item row of each positive.
        columns: `[P]` int64, the other columns of the table by name.
        ranks: of each ranking, one row per query; infinity for a missing rank.
    """

    items: Int64Array
    columns: Mapping[str, Int64Array]
    ranks: Mapping[str, Ragged]

    @property
    def offsets(self) -> Int64Array:
        """`[B + 1]`, where the positives of each query begin and end."""
        return next(iter(self.ranks.values())).offsets

    @property
    def n_positives(self) -> Int64Array:
        """`[B]`, the number of positives of each query."""
        return np.diff(self.offsets)

    @property
    def n_candidates(self) -> Int64Array:
        """`[B]`, the number of candidates of each query."""
        return self.columns["n_candidates"][self.offsets[:-1]]

    def keep(self, mask: npt.NDArray[np.bool_]) -> "Rankings":
        """Return some of the positives with their ranks, and the queries they are of.

        Args:
            mask: `[P]`, true for a positive to keep.
        """
        kept = {name: ranks.keep(mask) for name, ranks in self.ranks.items()}
        return Rankings(
            items=self.items[mask],
            columns={name: values[mask] for name, values in self.columns.items()},
            ranks={
                name: ranks.take(np.flatnonzero(ranks.lengths))
                for name, ranks in kept.items()
            },
        )


def read_ranks(table: ir.Table, columns: Sequence[str]) -> Rankings:
    """Return the content of a `ranks_table`.

    Args:
        table: `user`, `item`, the further columns, and a column for each ranking.
        columns: names of the columns that hold no ranks.
    """
    rows = table.order_by(["user", "item"]).to_pyarrow()
    _, starts = np.unique(rows["user"].to_numpy(), return_index=True)
    offsets = np.append(starts, rows.num_rows).astype(np.int64)
    others = {"user", "item", *columns}
    return Rankings(
        items=rows["item"].to_numpy().astype(np.int64) - FIRST_ID,
        columns={name: rows[name].to_numpy() for name in columns},
        ranks={
            name: Ragged(
                rows[name].cast(pa.float64()).fill_null(np.inf).to_numpy(), offsets
            )
            for name in rows.column_names
            if name not in others
        },
    )


def join_rankings(model: Rankings, baselines: Rankings) -> Rankings:
    """Return the rankings of both.

    Raises:
        ValueError: if their queries or positives differ.
    """
    if not (
        np.array_equal(model.offsets, baselines.offsets)
        and np.array_equal(model.items, baselines.items)
    ):
        raise ValueError(
            f"two_tower_ranks has {len(model.items)} positives of "
            f"{len(model.n_positives)} queries and baseline_ranks "
            f"{len(baselines.items)} of {len(baselines.n_positives)}, and they are "
            "different positives; run: kedro run --pipelines evaluation"
        )
    return Rankings(
        items=model.items,
        columns={**model.columns, **baselines.columns},
        ranks={**model.ranks, **baselines.ranks},
    )


def read_exposure(model: ir.Table, baselines: ir.Table) -> pa.Table:
    """Return the columns of two exposure tables of the same items, by `item`."""
    return model.join(baselines, "item").order_by("item").to_pyarrow()


def _as_int64(values: npt.NDArray[np.generic]) -> pa.Array:
    missing = np.isinf(values)
    return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)
