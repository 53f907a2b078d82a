"""The recommendation pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline item_index, user_embeddings → recommendations."""
    return _create_pipeline("item_vocabulary")


def create_refit_pipeline() -> Pipeline:
    """Return the pipeline of a refit, where all interactions count as popularity."""
    return _create_pipeline("refit_item_vocabulary")


def _create_pipeline(item_vocabulary: str) -> Pipeline:
    return Pipeline(
        [
            Node(
                nodes.recommend_items,
                inputs=[
                    "item_index",
                    item_vocabulary,
                    "user_embeddings",
                    "histories",
                    "interactions",
                    "cold_queries",
                    "params:evaluation.seen",
                    "params:recommendation",
                ],
                outputs="recommendations",
                name="recommend_items",
            )
        ],
        tags="cpu",
        namespace="recommendation",
        prefix_datasets_with_namespace=False,
    )
