"""The export pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline two_tower_model → embeddings and the query tower."""
    return Pipeline(
        [
            Node(
                nodes.export_query_tower,
                inputs=["two_tower_model", "item_vocabulary", "params:export"],
                outputs="query_tower",
                name="export_query_tower",
            ),
            Node(
                nodes.export_item_embeddings,
                inputs=["two_tower_model", "item_vocabulary", "params:export"],
                outputs="item_embeddings",
                name="export_item_embeddings",
            ),
            Node(
                nodes.export_user_embeddings,
                inputs=[
                    "query_tower",
                    "histories",
                    "user_vocabulary",
                    "params:export",
                ],
                outputs="user_embeddings",
                name="export_user_embeddings",
            ),
            Node(
                nodes.export_test_queries,
                inputs=["query_tower", "test_examples", "params:export"],
                outputs="test_queries",
                name="export_test_queries",
            ),
        ],
        tags="gpu",
    )
