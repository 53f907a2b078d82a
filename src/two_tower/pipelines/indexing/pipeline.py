"""The indexing pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline item_embeddings → item_index, index_report."""
    return Pipeline(
        [
            Node(
                nodes.build_item_index,
                inputs=[
                    "item_embeddings",
                    "user_embeddings",
                    "params:lineage",
                    "params:indexing",
                ],
                outputs=["item_index", "index_report"],
                name="build_item_index",
            )
        ],
        tags="cpu",
        namespace="model.indexing",
        prefix_datasets_with_namespace=False,
    )
