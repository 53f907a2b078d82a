"""The export pipelines."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline two_tower_model → the query tower and embeddings."""
    return Pipeline(
        [
            Node(
                nodes.export_query_tower,
                inputs=[
                    "two_tower_model",
                    "item_vocabulary",
                    "user_vocabulary",
                    "feature_vocabulary",
                    "feature_schema",
                    "histories",
                    "params:lineage",
                    "params:sequencing.features",
                    "params:export.query_tower",
                ],
                outputs="query_tower",
                name="export_query_tower",
            ),
            Node(
                nodes.export_test_queries,
                inputs=["query_tower", "test_examples", "params:export.chunks"],
                outputs="test_queries",
                name="export_test_queries",
            ),
            *_embedding_nodes(),
        ],
        tags="gpu",
        namespace="model.export",
        prefix_datasets_with_namespace=False,
    )


def create_refit_pipeline() -> Pipeline:
    """Return the pipeline refit_model → the query tower and embeddings."""
    return Pipeline(
        [
            Node(
                nodes.export_refitted_tower,
                inputs=[
                    "refit_model",
                    "refit_item_vocabulary",
                    "refit_user_vocabulary",
                    "feature_vocabulary",
                    "feature_schema",
                    "histories",
                    "refit_history",
                    "params:lineage",
                    "params:sequencing.features",
                    "params:export.query_tower",
                ],
                outputs="query_tower",
                name="export_refitted_tower",
            ),
            *_embedding_nodes(),
        ],
        tags="gpu",
        namespace="model.export",
        prefix_datasets_with_namespace=False,
    )


def create_embedding_pipeline() -> Pipeline:
    """Return the pipeline query_tower → embeddings of items and users."""
    return Pipeline(
        _embedding_nodes(),
        tags="gpu",
        namespace="model.export",
        prefix_datasets_with_namespace=False,
    )


def _embedding_nodes() -> list[Node]:
    return [
        Node(
            nodes.export_item_embeddings,
            inputs=["query_tower", "params:export.chunks"],
            outputs="item_embeddings",
            name="export_item_embeddings",
        ),
        Node(
            nodes.export_user_embeddings,
            inputs=[
                "query_tower",
                "histories",
                "user_vocabulary",
                "params:export.chunks",
            ],
            outputs="user_embeddings",
            name="export_user_embeddings",
        ),
        Node(
            nodes.export_cold_queries,
            inputs="query_tower",
            outputs="cold_queries",
            name="export_cold_queries",
        ),
    ]
