"""interactions → histories, vocabularies, features, training windows, queries."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline interactions → train_sequences, *_examples, features."""
    vocabularies = ["item_vocabulary", "user_vocabulary"]
    return Pipeline(
        [
            Node(
                nodes.keep_interactions,
                inputs=[
                    "interactions",
                    "params:sequencing.selection",
                    "params:sequencing.order",
                ],
                outputs="kept_interactions",
                name="keep_interactions",
            ),
            Node(
                nodes.build_histories,
                inputs="kept_interactions",
                outputs="histories",
                name="build_histories",
            ),
            Node(
                nodes.assign_splits,
                inputs=["kept_interactions", "params:sequencing.split"],
                outputs="split_interactions",
                name="assign_splits",
            ),
            Node(
                nodes.build_item_vocabulary,
                inputs=["split_interactions", "items"],
                outputs="item_vocabulary",
                name="build_item_vocabulary",
            ),
            Node(
                nodes.build_user_vocabulary,
                inputs="split_interactions",
                outputs="user_vocabulary",
                name="build_user_vocabulary",
            ),
            Node(
                nodes.build_feature_vocabulary,
                inputs=["items", "users", *vocabularies, "params:sequencing.features"],
                outputs="feature_vocabulary",
                name="build_feature_vocabulary",
            ),
            Node(
                nodes.build_feature_schema,
                inputs={
                    "declared": "params:sequencing.features",
                    "items": "items",
                    "users": "users",
                    "item_vocabulary": "item_vocabulary",
                    "user_vocabulary": "user_vocabulary",
                    "feature_vocabulary": "feature_vocabulary",
                },
                outputs="feature_schema",
                name="build_feature_schema",
            ),
            Node(
                nodes.encode_item_features,
                inputs=[
                    "items",
                    "item_vocabulary",
                    "feature_vocabulary",
                    "feature_schema",
                    "params:sequencing.features",
                ],
                outputs="item_features",
                name="encode_item_features",
            ),
            Node(
                nodes.encode_user_features,
                inputs=[
                    "users",
                    "user_vocabulary",
                    "feature_vocabulary",
                    "feature_schema",
                    "params:sequencing.features",
                ],
                outputs="user_features",
                name="encode_user_features",
            ),
            Node(
                nodes.cut_training_windows,
                inputs=[
                    "split_interactions",
                    *vocabularies,
                    "params:sequencing.window",
                ],
                outputs="train_sequences",
                name="cut_training_windows",
            ),
            Node(
                nodes.build_validation_examples,
                inputs=["split_interactions", *vocabularies],
                outputs="validation_examples",
                name="build_validation_examples",
            ),
            Node(
                nodes.build_test_examples,
                inputs=["split_interactions", *vocabularies],
                outputs="test_examples",
                name="build_test_examples",
            ),
            Node(
                nodes.report_split,
                inputs={
                    "selected": "params:sequencing.selection",
                    "order": "params:sequencing.order",
                    "split": "params:sequencing.split",
                    "interactions": "interactions",
                    "split_interactions": "split_interactions",
                    "item_vocabulary": "item_vocabulary",
                    "user_vocabulary": "user_vocabulary",
                    "train_sequences": "train_sequences",
                    "validation_examples": "validation_examples",
                    "test_examples": "test_examples",
                },
                outputs="split_report",
                name="report_split",
            ),
            Node(
                nodes.audit_leakage,
                inputs={
                    "selected": "params:sequencing.selection",
                    "order": "params:sequencing.order",
                    "split": "params:sequencing.split",
                    "window": "params:sequencing.window",
                    "interactions": "interactions",
                    "histories": "histories",
                    "item_vocabulary": "item_vocabulary",
                    "user_vocabulary": "user_vocabulary",
                    "feature_vocabulary": "feature_vocabulary",
                    "item_features": "item_features",
                    "user_features": "user_features",
                    "train_sequences": "train_sequences",
                    "validation_examples": "validation_examples",
                    "test_examples": "test_examples",
                },
                outputs="leakage_audit",
                name="audit_leakage",
            ),
        ],
        tags="cpu",
    )
