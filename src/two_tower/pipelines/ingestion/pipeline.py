"""The ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline raw tables → interactions, items, users."""
    return Pipeline(
        [
            Node(
                nodes.type_interactions,
                inputs=["raw_interactions", "params:ingestion"],
                outputs="interactions",
                name="type_interactions",
            ),
            Node(
                nodes.type_items,
                inputs=["raw_items", "params:ingestion"],
                outputs="items",
                name="type_items",
            ),
            Node(
                nodes.type_users,
                inputs=["raw_users", "params:ingestion"],
                outputs="users",
                name="type_users",
            ),
        ],
        tags="cpu",
        namespace="data.ingestion",
        prefix_datasets_with_namespace=False,
    )
