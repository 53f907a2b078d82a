"""The sequencing pipelines: interactions → training windows, queries, features."""

from kedro.pipeline import Node, Pipeline

from . import nodes

RULES = {
    "selected": "params:sequencing.selection",
    "order": "params:sequencing.order",
    "split": "params:sequencing.split",
}
COUNTED = {
    **RULES,
    "interactions": "interactions",
    "train_sequences": "train_sequences",
    "explicit_negatives": "explicit_negatives",
    "validation_examples": "validation_examples",
    "test_examples": "test_examples",
    "item_vocabulary": "item_vocabulary",
    "user_vocabulary": "user_vocabulary",
}
AUDITED = {
    **COUNTED,
    "window": "params:sequencing.window",
    "rule": "params:sequencing.explicit_negatives",
    "histories": "histories",
    "feature_vocabulary": "feature_vocabulary",
    "item_features": "item_features",
    "user_features": "user_features",
}
DESCRIBED = {
    "items": "items",
    "users": "users",
    "item_vocabulary": "item_vocabulary",
    "user_vocabulary": "user_vocabulary",
    "declared": "params:sequencing.features",
}


def create_pipeline() -> Pipeline:
    """Return the pipeline of a first training; all vocabularies start empty."""
    first = [
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
            inputs=DESCRIBED,
            outputs="feature_vocabulary",
            name="build_feature_vocabulary",
        ),
        Node(
            nodes.build_feature_schema,
            inputs={**DESCRIBED, "feature_vocabulary": "feature_vocabulary"},
            outputs="feature_schema",
            name="build_feature_schema",
        ),
        Node(
            nodes.audit_leakage,
            inputs=AUDITED,
            outputs="leakage_audit",
            name="audit_leakage",
        ),
    ]
    return _with_common_nodes(first)


def create_retraining_pipeline() -> Pipeline:
    """Return the pipeline of a retraining; vocabularies grow from the deployed ones.

    It refuses rules of selection and splitting that differ from `deployed_rules`.
    """
    grown = [
        Node(
            nodes.keep_interactions,
            inputs={
                **RULES,
                "interactions": "interactions",
                "deployed_rules": "deployed_rules",
            },
            outputs="kept_interactions",
            name="keep_interactions",
        ),
        Node(
            nodes.build_item_vocabulary,
            inputs=["split_interactions", "items", "deployed_item_vocabulary"],
            outputs="item_vocabulary",
            name="build_item_vocabulary",
        ),
        Node(
            nodes.build_user_vocabulary,
            inputs=["split_interactions", "deployed_user_vocabulary"],
            outputs="user_vocabulary",
            name="build_user_vocabulary",
        ),
        Node(
            nodes.build_feature_vocabulary,
            inputs={
                **DESCRIBED,
                "deployed_values": "deployed_feature_vocabulary",
                "deployed_schema": "deployed_feature_schema",
            },
            outputs="feature_vocabulary",
            name="build_feature_vocabulary",
        ),
        Node(
            nodes.build_feature_schema,
            inputs={
                **DESCRIBED,
                "feature_vocabulary": "feature_vocabulary",
                "deployed_schema": "deployed_feature_schema",
            },
            outputs="feature_schema",
            name="build_feature_schema",
        ),
        Node(
            nodes.audit_leakage,
            inputs={
                **AUDITED,
                "deployed_items": "deployed_item_vocabulary",
                "deployed_users": "deployed_user_vocabulary",
                "deployed_values": "deployed_feature_vocabulary",
                "deployed_schema": "deployed_feature_schema",
            },
            outputs="leakage_audit",
            name="audit_leakage",
        ),
    ]
    return _with_common_nodes(grown)


def _with_common_nodes(own: list[Node]) -> Pipeline:
    """Return the pipeline of these nodes and those of every sequencing pipeline."""
    common = [
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
                "item_vocabulary",
                "user_vocabulary",
                "params:sequencing.window",
            ],
            outputs="train_sequences",
            name="cut_training_windows",
        ),
        Node(
            nodes.collect_explicit_negatives,
            inputs={
                "rule": "params:sequencing.explicit_negatives",
                "selected": "params:sequencing.selection",
                "split": "params:sequencing.split",
                "interactions": "interactions",
                "split_interactions": "split_interactions",
                "item_vocabulary": "item_vocabulary",
                "user_vocabulary": "user_vocabulary",
            },
            outputs="explicit_negatives",
            name="collect_explicit_negatives",
        ),
        Node(
            nodes.build_validation_examples,
            inputs=[
                "split_interactions",
                "item_vocabulary",
                "user_vocabulary",
                "params:sequencing.split",
            ],
            outputs="validation_examples",
            name="build_validation_examples",
        ),
        Node(
            nodes.build_test_examples,
            inputs=[
                "split_interactions",
                "item_vocabulary",
                "user_vocabulary",
                "params:sequencing.split",
            ],
            outputs="test_examples",
            name="build_test_examples",
        ),
        Node(
            nodes.report_split,
            inputs={**COUNTED, "split_interactions": "split_interactions"},
            outputs="split_report",
            name="report_split",
        ),
    ]
    return Pipeline(
        [*own, *common],
        tags="cpu",
        namespace="data.sequencing",
        prefix_datasets_with_namespace=False,
    )
