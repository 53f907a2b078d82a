"""The ingestion pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline raw tables → interactions, items, users, and a report."""
    return Pipeline(
        [
            Node(
                nodes.type_interactions,
                inputs=["raw_interactions", "params:ingestion"],
                outputs=["interactions", "interactions_counts"],
                name="type_interactions",
            ),
            Node(
                nodes.type_items,
                inputs=["raw_items", "params:ingestion"],
                outputs=["items", "items_counts"],
                name="type_items",
            ),
            Node(
                nodes.type_users,
                inputs=["raw_users", "params:ingestion"],
                outputs=["users", "users_counts"],
                name="type_users",
            ),
            Node(
                nodes.report_ingestion,
                inputs={
                    "interactions": "interactions",
                    "items": "items",
                    "users": "users",
                    "interactions_counts": "interactions_counts",
                    "items_counts": "items_counts",
                    "users_counts": "users_counts",
                },
                outputs="ingestion_report",
                name="report_ingestion",
            ),
        ],
        tags="cpu",
        namespace="data.ingestion",
        prefix_datasets_with_namespace=False,
    )
