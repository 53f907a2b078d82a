"""The training pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes
from .drawing import draw_towers


def create_pipeline() -> Pipeline:
    """Return the pipeline train_sequences → two_tower_model, learning_curves."""
    return Pipeline(
        [
            Node(
                nodes.train_two_tower,
                inputs=[
                    "train_sequences",
                    "validation_examples",
                    "item_features",
                    "feature_schema",
                    "leakage_audit",
                    "training_checkpoints",
                    "lineage",
                    "params:training",
                ],
                outputs=["two_tower_model", "training_history"],
                name="train_two_tower",
                tags="gpu",
                preview_fn=draw_towers,
            ),
            Node(
                nodes.plot_learning_curves,
                inputs="training_history",
                outputs="learning_curves",
                name="plot_learning_curves",
                tags="cpu",
            ),
        ]
    )
