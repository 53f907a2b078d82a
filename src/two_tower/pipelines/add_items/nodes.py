"""Give the deployed model the items that it lacks."""

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
        deployed_query_tower: as it was exported; it stays as it is.
        items: `item_id` (unique), `title` and the columns of item features.
        parameters: which items are added.

    Returns:
        The query tower, and `item` (int32, known ids as they were), `item_id`,
        `title`, `n_train` (int64; 0 for new items).

    Raises:
        ValueError: if an item that the parameters name is not among `items`, or the
            model can't tell new items apart.
    """
    grown = add_items(deployed_query_tower, choose_items(items, parameters))
    n_known = deployed_query_tower.vocabularies.items.num_rows
    table = grown.vocabularies.items
    logger.info("added %d items to %d", table.num_rows - n_known, n_known)
    return grown, ibis.memtable(table).order_by("item")


def choose_items(items: ir.Table, parameters: AddItems) -> ir.Table:
    """Return the rows of the items that may be added.

    Raises:
        ValueError: naming items that are not there.
    """
    if parameters.items == "all":
        return items
    chosen, unknown = rows_of_ids(items, "item_id", parameters.items)
    if unknown:
        n_asked = len({str(item) for item in parameters.items})
        raise ValueError(
            f"{len(unknown)} of {n_asked} items of add_items.items are not among "
            f"the items that were read: {', '.join(unknown[:NAMED_IN_ERRORS])}"
        )
    return chosen
