"""The training pipelines."""

from kedro.pipeline import Node, Pipeline

from . import nodes
from .drawing import preview_towers

INPUTS = {
    "train_sequences": "train_sequences",
    "validation_examples": "validation_examples",
    "item_features": "item_features",
    "user_features": "user_features",
    "item_vocabulary": "item_vocabulary",
    "user_vocabulary": "user_vocabulary",
    "explicit_negatives": "explicit_negatives",
    "feature_schema": "feature_schema",
    "feature_information": "feature_information",
    "leakage_audit": "leakage_audit",
    "training_checkpoints": "params:training_checkpoints",
    "lineage": "params:lineage",
    "parameters": "params:training",
    "seen": "params:evaluation.seen",
}


def create_pipeline() -> Pipeline:
    """Return the pipeline train_sequences → two_tower_model, learning_curves."""
    return _create_pipeline(INPUTS)


def create_retraining_pipeline() -> Pipeline:
    """Return the pipeline that resumes from the towers in `deployed_query_tower`."""
    return _create_pipeline({**INPUTS, "deployed_query_tower": "deployed_query_tower"})


def _create_pipeline(inputs: dict[str, str]) -> Pipeline:
    return Pipeline(
        [
            Node(
                nodes.measure_feature_information,
                inputs=["item_features", "item_vocabulary"],
                outputs="feature_information",
                name="measure_feature_information",
                tags="cpu",
            ),
            Node(
                nodes.train_two_tower,
                inputs=inputs,
                outputs=["two_tower_model", "training_history"],
                name="train_two_tower",
                tags="gpu",
                preview_fn=preview_towers,
            ),
            Node(
                nodes.plot_learning_curves,
                inputs="training_history",
                outputs="learning_curves",
                name="plot_learning_curves",
                tags="cpu",
            ),
        ],
        namespace="model.training",
        prefix_datasets_with_namespace=False,
    )
