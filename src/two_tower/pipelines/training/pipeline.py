"""The training pipelines."""

from kedro.pipeline import Node, Pipeline

from two_tower.pipelines.training.plots import draw_towers

from . import nodes

INPUTS = {
    name: name
    for name in (*nodes.LEARNS_FROM, "leakage_audit", "training_checkpoints", "lineage")
} | {"parameters": "params:training"}


def create_pipeline() -> Pipeline:
    """Return the pipeline train_sequences → two_tower_model, learning_curves."""
    return Pipeline(
        [
            Node(
                nodes.train_two_tower,
                inputs=INPUTS,
                outputs=["two_tower_model", "training_history"],
                name="train_two_tower",
                tags="gpu",
                preview_fn=draw_towers,
            ),
            _learning_curves(),
        ]
    )


def create_retraining_pipeline() -> Pipeline:
    """Return the same pipeline with towers that go on from `deployed_query_tower`."""
    return Pipeline(
        [
            Node(
                nodes.retrain_two_tower,
                inputs=INPUTS | {"deployed_query_tower": "deployed_query_tower"},
                outputs=["two_tower_model", "training_history"],
                name="retrain_two_tower",
                tags="gpu",
                preview_fn=draw_towers,
            ),
            _learning_curves(),
        ]
    )


def _learning_curves() -> Node:
    return Node(
        nodes.plot_learning_curves,
        inputs="training_history",
        outputs="learning_curves",
        name="plot_learning_curves",
        tags="cpu",
    )
