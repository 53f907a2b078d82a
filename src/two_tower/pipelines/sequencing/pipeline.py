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
DESCRIBED = {
    "items": "items",
    "users": "users",
    "item_vocabulary": "item_vocabulary",
    "user_vocabulary": "user_vocabulary",
    "declared": "params:sequencing.features",
}


def create_pipeline() -> Pipeline:
    """Return the pipeline of a first training, whose vocabularies start empty."""
    return _create_pipeline(deployed={}, rules={})


def create_retraining_pipeline() -> Pipeline:
    """Return the pipeline of a retraining, whose vocabularies grow from deployed ones.

    It refuses rules of selection, order and split that differ from the deployed ones.
    """
    deployed = {"deployed": "deployed_vocabularies"}
    return _create_pipeline(deployed, rules={**deployed, **RULES})


def create_refit_pipeline() -> Pipeline:
    """Return the pipeline of a refit, in which every interaction is a training one.

    Indices and features stay those of the evaluated model.
    """
    return Pipeline(
        [
            Node(
                nodes.count_all_of_items,
                inputs=["item_vocabulary", "kept_interactions"],
                outputs="refit_item_vocabulary",
                name="count_all_of_items",
            ),
            Node(
                nodes.count_all_of_users,
                inputs=["user_vocabulary", "kept_interactions"],
                outputs="refit_user_vocabulary",
                name="count_all_of_users",
            ),
            Node(
                nodes.cut_all_windows,
                inputs=[
                    "kept_interactions",
                    "refit_item_vocabulary",
                    "refit_user_vocabulary",
                    "params:sequencing.window",
                ],
                outputs="refit_sequences",
                name="cut_all_windows",
            ),
            Node(
                nodes.collect_all_explicit_negatives,
                inputs={
                    "rule": "params:sequencing.explicit_negatives",
                    "selected": "params:sequencing.selection",
                    "interactions": "interactions",
                    "kept_interactions": "kept_interactions",
                    "item_vocabulary": "refit_item_vocabulary",
                    "user_vocabulary": "refit_user_vocabulary",
                },
                outputs="refit_explicit_negatives",
                name="collect_all_explicit_negatives",
            ),
        ],
        tags="cpu",
        namespace="data.sequencing",
        prefix_datasets_with_namespace=False,
    )


def _create_pipeline(deployed: dict[str, str], rules: dict[str, str]) -> Pipeline:
    return Pipeline(
        [
            Node(
                nodes.keep_interactions,
                inputs={
                    "interactions": "interactions",
                    "selected": "params:sequencing.selection",
                    "order": "params:sequencing.order",
                    "ingestion_report": "ingestion_report",
                    **rules,
                },
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
                inputs={
                    "split_interactions": "split_interactions",
                    "items": "items",
                    **deployed,
                },
                outputs="item_vocabulary",
                name="build_item_vocabulary",
            ),
            Node(
                nodes.build_user_vocabulary,
                inputs={"split_interactions": "split_interactions", **deployed},
                outputs="user_vocabulary",
                name="build_user_vocabulary",
            ),
            Node(
                nodes.build_feature_vocabulary,
                inputs={**DESCRIBED, **deployed},
                outputs="feature_vocabulary",
                name="build_feature_vocabulary",
            ),
            Node(
                nodes.build_feature_schema,
                inputs={
                    **DESCRIBED,
                    "feature_vocabulary": "feature_vocabulary",
                    **deployed,
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
                    "interactions",
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
                    "interactions",
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
                inputs={
                    **COUNTED,
                    "split_interactions": "split_interactions",
                    "ingestion_report": "ingestion_report",
                },
                outputs="split_report",
                name="report_split",
            ),
            Node(
                nodes.audit_leakage,
                inputs={
                    **COUNTED,
                    "window": "params:sequencing.window",
                    "rule": "params:sequencing.explicit_negatives",
                    "histories": "histories",
                    "feature_vocabulary": "feature_vocabulary",
                    "item_features": "item_features",
                    "user_features": "user_features",
                    **deployed,
                },
                outputs="leakage_audit",
                name="audit_leakage",
            ),
        ],
        tags="cpu",
        namespace="data.sequencing",
        prefix_datasets_with_namespace=False,
    )
