"""interactions → histories, vocabularies, features, training windows, queries."""

from collections.abc import Mapping
from typing import Final

from kedro.pipeline import Node, Pipeline

from . import nodes

VOCABULARIES: Final = ["item_vocabulary", "user_vocabulary"]
RULES: Final = {
    "selected": "params:sequencing.selection",
    "order": "params:sequencing.order",
    "split": "params:sequencing.split",
}
KNOWN: Final = {
    "deployed_items": "deployed_item_vocabulary",
    "deployed_users": "deployed_user_vocabulary",
    "deployed_values": "deployed_feature_vocabulary",
    "deployed_schema": "deployed_feature_schema",
}
MADE: Final = [
    "interactions",
    "train_sequences",
    "explicit_negatives",
    "validation_examples",
    "test_examples",
    *VOCABULARIES,
]


def create_pipeline() -> Pipeline:
    """Return the pipeline interactions → train_sequences, *_examples, features."""
    return _pipeline(known={})


def create_growing_pipeline() -> Pipeline:
    """Return the same with vocabularies that grow from known ones.

    It reads, beside what the other reads, `deployed_item_vocabulary`,
    `deployed_user_vocabulary`, `deployed_feature_vocabulary`,
    `deployed_feature_schema` and
    `deployed_rules`, which those of the parameters must not differ from.
    """
    return _pipeline(known=KNOWN)


def _pipeline(known: Mapping[str, str]) -> Pipeline:
    return Pipeline(
        [
            _keep_as_before() if known else _keep(),
            *_split(),
            *_number(known),
            *_encode(),
            *_prepare(),
            *_report(known),
        ],
        tags="cpu",
    )


def _by_name(names: list[str]) -> dict[str, str]:
    return {name: name for name in names}


def _only(known: Mapping[str, str], argument: str) -> dict[str, str]:
    return {name: known[name] for name in (argument,) if name in known}


def _keep() -> Node:
    return Node(
        nodes.keep_interactions,
        inputs=[
            "interactions",
            "params:sequencing.selection",
            "params:sequencing.order",
        ],
        outputs="kept_interactions",
        name="keep_interactions",
    )


def _keep_as_before() -> Node:
    return Node(
        nodes.keep_interactions_as_before,
        inputs={
            "interactions": "interactions",
            **RULES,
            "deployed_rules": "deployed_rules",
        },
        outputs="kept_interactions",
        name="keep_interactions_as_before",
    )


def _split() -> list[Node]:
    return [
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
    ]


def _number(known: Mapping[str, str]) -> list[Node]:
    """Return the nodes that number everything; each takes what it grows from."""
    split = ["split_interactions"]
    described = ["items", "users", *VOCABULARIES]
    declared = {"declared": "params:sequencing.features"}
    return [
        Node(
            nodes.build_item_vocabulary,
            inputs={**_by_name([*split, "items"]), **_only(known, "deployed_items")},
            outputs="item_vocabulary",
            name="build_item_vocabulary",
        ),
        Node(
            nodes.build_user_vocabulary,
            inputs={**_by_name(split), **_only(known, "deployed_users")},
            outputs="user_vocabulary",
            name="build_user_vocabulary",
        ),
        Node(
            nodes.build_feature_vocabulary,
            inputs={
                **_by_name(described),
                **declared,
                **_only(known, "deployed_values"),
                **_only(known, "deployed_schema"),
            },
            outputs="feature_vocabulary",
            name="build_feature_vocabulary",
        ),
        Node(
            nodes.build_feature_schema,
            inputs={
                **_by_name([*described, "feature_vocabulary"]),
                **declared,
                **_only(known, "deployed_schema"),
            },
            outputs="feature_schema",
            name="build_feature_schema",
        ),
    ]


def _encode() -> list[Node]:
    encoding = ["feature_vocabulary", "feature_schema", "params:sequencing.features"]
    return [
        Node(
            nodes.encode_item_features,
            inputs=["items", "item_vocabulary", *encoding],
            outputs="item_features",
            name="encode_item_features",
        ),
        Node(
            nodes.encode_user_features,
            inputs=["users", "user_vocabulary", *encoding],
            outputs="user_features",
            name="encode_user_features",
        ),
        Node(
            nodes.measure_feature_information,
            inputs=["item_features", "item_vocabulary"],
            outputs="feature_information",
            name="measure_feature_information",
        ),
    ]


def _prepare() -> list[Node]:
    split = ["split_interactions", *VOCABULARIES]
    return [
        Node(
            nodes.cut_training_windows,
            inputs=[*split, "params:sequencing.window"],
            outputs="train_sequences",
            name="cut_training_windows",
        ),
        Node(
            nodes.collect_explicit_negatives,
            inputs={
                "rule": "params:sequencing.explicit_negatives",
                "selected": "params:sequencing.selection",
                "split": "params:sequencing.split",
                **_by_name(["interactions", *split]),
            },
            outputs="explicit_negatives",
            name="collect_explicit_negatives",
        ),
        Node(
            nodes.build_validation_examples,
            inputs=[*split, "params:sequencing.split"],
            outputs="validation_examples",
            name="build_validation_examples",
        ),
        Node(
            nodes.build_test_examples,
            inputs=[*split, "params:sequencing.split"],
            outputs="test_examples",
            name="build_test_examples",
        ),
    ]


def _report(known: Mapping[str, str]) -> list[Node]:
    """Return the nodes that count and audit; the audit takes what is known."""
    return [
        Node(
            nodes.report_split,
            inputs={**RULES, **_by_name([*MADE, "split_interactions"])},
            outputs="split_report",
            name="report_split",
        ),
        Node(
            nodes.audit_leakage,
            inputs={
                **RULES,
                **_by_name(MADE),
                "window": "params:sequencing.window",
                "rule": "params:sequencing.explicit_negatives",
                "histories": "histories",
                "feature_vocabulary": "feature_vocabulary",
                "item_features": "item_features",
                "user_features": "user_features",
                **known,
            },
            outputs="leakage_audit",
            name="audit_leakage",
        ),
    ]
