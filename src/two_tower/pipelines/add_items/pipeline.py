"""The pipeline that adds items to the deployed model."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline deployed_query_tower, items → query_tower."""
    return Pipeline(
        [
            Node(
                nodes.add_new_items,
                inputs=["deployed_query_tower", "items", "params:add_items"],
                outputs=["query_tower", "item_vocabulary"],
                name="add_new_items",
            )
        ],
        tags="gpu",
        namespace="add_items",
        prefix_datasets_with_namespace=False,
    )
