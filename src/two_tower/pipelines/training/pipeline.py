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


OF_EVERYTHING = {
    "train_sequences": "refit_sequences",
    "item_vocabulary": "refit_item_vocabulary",
    "user_vocabulary": "refit_user_vocabulary",
    "explicit_negatives": "refit_explicit_negatives",
}
EVALUATED = {
    "split_report": "split_report",
    "training_history": "training_history",
    "two_tower_model": "two_tower_model",
}


def create_pipeline() -> Pipeline:
    """Return the pipeline train_sequences → two_tower_model, learning_curves."""
    return _create_pipeline(INPUTS)


def create_retraining_pipeline() -> Pipeline:
    """Return the pipeline that resumes from the towers in `deployed_query_tower`."""
    return _create_pipeline({**INPUTS, "deployed_query_tower": "deployed_query_tower"})


def create_refit_pipeline() -> Pipeline:
    """Return the pipeline that trains a model on all interactions."""
    unread = {"leakage_audit", "seen"}  # nothing is held out
    trained = {name: data for name, data in INPUTS.items() if name not in unread}
    return Pipeline(
        [
            Node(
                nodes.refit_two_tower,
                inputs={
                    "refit": "params:refit",
                    **trained,
                    **OF_EVERYTHING,
                    **EVALUATED,
                },
                outputs=["refit_model", "refit_history"],
                name="refit_two_tower",
                tags="gpu",
                preview_fn=preview_towers,
            ),
        ],
        namespace="model.training",
        prefix_datasets_with_namespace=False,
    )


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
                nodes.summarise_training,
                inputs="training_history",
                outputs="training_summary",
                name="summarise_training",
                tags="cpu",
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
