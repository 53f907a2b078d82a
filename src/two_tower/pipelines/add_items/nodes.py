"""Add new items to the deployed model."""

import logging

import ibis
import ibis.expr.types as ir

from two_tower.pipelines.add_items.params import AddItems
from two_tower.recommend.ids import NAMED_IN_ERRORS, rows_of_ids
from two_tower.serving.new_items import add_items
from two_tower.serving.query_tower import QueryTower

logger = logging.getLogger(__name__)


def add_new_items(
    deployed_query_tower: QueryTower, items: ir.Table, parameters: AddItems
) -> tuple[QueryTower, ir.Table]:
    """Return the query tower with new items, and its item vocabulary.

    Args:
        deployed_query_tower: is not changed.
        items: `item_id` (unique), `title` and the columns of item features.
        parameters: which items are added.

    Returns:
        The query tower, and `item` (int32, unchanged for deployed items), `item_id`,
        `title`, `n_train` (int64; 0 for new items).

    Raises:
        ValueError: if a listed item is not among `items`, or the model has no item
            features.
    """
    grown = add_items(deployed_query_tower, choose_items(items, parameters))
    n_deployed = deployed_query_tower.vocabularies.items.num_rows
    table = grown.vocabularies.items
    logger.info("added %d items to %d", table.num_rows - n_deployed, n_deployed)
    return grown, ibis.memtable(table).order_by("item")


def choose_items(items: ir.Table, parameters: AddItems) -> ir.Table:
    """Return the rows of the listed items, or all.

    Raises:
        ValueError: naming listed items without a row.
    """
    if parameters.items == "all":
        return items
    rows, missing = rows_of_ids(items, "item_id", parameters.items)
    if missing:
        n_listed = len({str(item) for item in parameters.items})
        raise ValueError(
            f"{len(missing)} of {n_listed} items of add_items.items are not in "
            f"raw_items: {', '.join(missing[:NAMED_IN_ERRORS])}; correct the list, or "
            "add them to the data"
        )
    return rows
