"""Ranks and counts as tables, on the way out and back in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from two_tower.evaluation.queries import TestCases
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, Int64Array


def ranks_table(
    cases: TestCases, columns: Mapping[str, npt.NDArray[np.generic]]
) -> pa.Table:
    """Return one row per positive, ordered by `user` and `item`.

    Args:
        cases: the queries, with P positives.
        columns: `[P]` each; an infinite rank becomes null.

    Returns:
        `user` and `item` (int32, dense ids), then int64 columns.
    """
    targets = cases.targets
    table = pa.table(
        {
            "user": cases.users[targets.rows],
            "item": (targets.values + FIRST_ID).astype(np.int32),
            **{name: _whole_numbers(values) for name, values in columns.items()},
        }
    )
    return table.sort_by([("user", "ascending"), ("item", "ascending")])


def exposure_table(
    counts: Mapping[str, Int64Array], cutoffs: Sequence[int], **columns: Int64Array
) -> pa.Table:
    """Return one row per item, ordered by `item`: how often each list shows it.

    Args:
        counts: `[len(cutoffs), N]` of each ranking.
        cutoffs: the k.
        columns: `[N]` each, further facts of the items.

    Returns:
        `item` (int32, dense id), the further columns, and `<ranking>@<k>` (int64).
    """
    n_items = len(next(iter(counts.values()))[0])
    shown = {
        f"{name}@{k}": row
        for name, rows in counts.items()
        for k, row in zip(cutoffs, rows, strict=True)
    }
    item = np.arange(FIRST_ID, FIRST_ID + n_items, dtype=np.int32)
    return pa.table({"item": item, **columns, **shown})


@dataclass(frozen=True, eq=False)
class Rankings:
    """The ranks of the same positives by several rankings.

    Attributes:
        items: `[P]` int64, each positive's position.
        facts: `[P]` int64, other columns of the table.
        ranks: of each ranking, one row per query; infinity where there is none.
    """

    items: Int64Array
    facts: Mapping[str, Int64Array]
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
        """`[B]`, the number of items in each query's list."""
        return self.facts["n_candidates"][self.offsets[:-1]]

    def keep(self, mask: npt.NDArray[np.bool_]) -> "Rankings":
        """Return the positives where `mask` (`[P]`) is true, and their queries.

        Each keeps its rank; of a query's other positives nothing is expected.
        """
        kept = {name: ranks.keep(mask) for name, ranks in self.ranks.items()}
        return Rankings(
            items=self.items[mask],
            facts={name: values[mask] for name, values in self.facts.items()},
            ranks={
                name: ranks.take(np.flatnonzero(ranks.lengths))
                for name, ranks in kept.items()
            },
        )


def read_ranks(table: ir.Table, facts: Sequence[str]) -> Rankings:
    """Return the content of a `ranks_table`.

    Args:
        table: `user`, `item`, the facts, and a column for each ranking.
        facts: the columns that are no ranks.
    """
    rows = table.order_by(["user", "item"]).to_pyarrow()
    _, starts = np.unique(rows["user"].to_numpy(), return_index=True)
    offsets = np.append(starts, rows.num_rows).astype(np.int64)
    rankings = [
        name for name in rows.column_names if name not in {"user", "item", *facts}
    ]
    return Rankings(
        items=rows["item"].to_numpy().astype(np.int64) - FIRST_ID,
        facts={name: rows[name].to_numpy() for name in facts},
        ranks={
            name: Ragged(
                rows[name].cast(pa.float64()).fill_null(np.inf).to_numpy(), offsets
            )
            for name in rankings
        },
    )


def join_rankings(first: Rankings, second: Rankings) -> Rankings:
    """Return the rankings of both.

    Raises:
        ValueError: if they rank other positives, or other queries.
    """
    if not (
        np.array_equal(first.offsets, second.offsets)
        and np.array_equal(first.items, second.items)
    ):
        raise ValueError(
            f"the model ranked {len(first.items)} positives of "
            f"{len(first.n_positives)} queries and the baselines {len(second.items)} "
            f"of {len(second.n_positives)}, and they are not the same; run the "
            "evaluation pipeline again from its first node"
        )
    return Rankings(
        items=first.items,
        facts={**first.facts, **second.facts},
        ranks={**first.ranks, **second.ranks},
    )


def read_exposure(first: ir.Table, second: ir.Table) -> pa.Table:
    """Return the columns of two `exposure_table`s of the same items, by `item`."""
    return first.join(second, "item").order_by("item").to_pyarrow()


def _whole_numbers(values: npt.NDArray[np.generic]) -> pa.Array:
    missing = np.isinf(values)
    return pa.array(np.where(missing, 0, values).astype(np.int64), mask=missing)
