"""Train the towers, and plot their learning curves."""

import hashlib
import logging
from collections.abc import Iterable
from typing import Any

import ibis.expr.types as ir
from pydantic import BaseModel

from two_tower.features import mutual_information
from two_tower.lineage.records import LineageStore
from two_tower.params import Seen
from two_tower.pipelines.training.plots import draw_learning_curves
from two_tower.sequences.times import has_times
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.kept_epoch import describe_kept_epoch, find_kept_epoch
from two_tower.training.params import Refit, Training
from two_tower.types import JsonObject, KerasModel

logger = logging.getLogger(__name__)

TRAINING_INPUTS = (
    "train_sequences",
    "validation_examples",
    "item_features",
    "user_features",
    "item_vocabulary",
    "user_vocabulary",
    "explicit_negatives",
    "feature_schema",
    "feature_information",
)
REFIT_INPUTS = (
    "two_tower_model",
    "refit_sequences",
    "refit_item_vocabulary",
    "refit_user_vocabulary",
    "refit_explicit_negatives",
    "item_features",
    "user_features",
    "feature_schema",
    "feature_information",
)


def measure_feature_information(
    item_features: ir.Table, item_vocabulary: ir.Table
) -> JsonObject:
    """Return the mutual information between the features of items, in nats.

    Args:
        item_features: `item` (int32), and a column for each declared feature.
        item_vocabulary: `item` and `n_train`, its training interactions.

    Returns:
        `features` (names) and `matrix`; see `mutual_information`.
    """
    return mutual_information.feature_information(item_features, item_vocabulary)


def train_two_tower(  # noqa: PLR0913 (its inputs in the catalog)
    *,
    feature_schema: JsonObject,
    feature_information: JsonObject,
    leakage_audit: JsonObject,
    training_checkpoints: CheckpointStore,
    lineage: LineageStore,
    parameters: Training,
    seen: Seen,
    deployed_query_tower: Any = None,
    **tables: ir.Table,
) -> tuple[KerasModel, list[JsonObject]]:
    """Return the trained towers and a record of each epoch.

    With deployed towers, training starts from their weights; optimizer state, schedule,
    a learned temperature, the queue and estimated frequencies start anew.

    Args:
        feature_schema: kind and size of each feature, `n_items` and `n_users`.
        feature_information: `features` of items and the `matrix` of their mutual
            information, in nats.
        leakage_audit: result of the audit, which must precede training.
        training_checkpoints: store of the checkpoint that a killed training resumes
            from.
        lineage: fingerprints of the inputs, which a checkpoint must match.
        parameters: of training; a retraining needs those of the deployed towers.
        seen: whether validation ranks items of a query's history, as evaluation does.
        deployed_query_tower: its `towers` are trained further; None: new towers. The
            vocabularies must extend its own.
        tables: `train_sequences` (`user`, `window` int32, `items`, `targets`
            array<int32>), `validation_examples` (`user`, `items`, `targets`),
            `item_features` and `user_features` (`item` or `user`, and a column for
            each declared feature), `item_vocabulary` and `user_vocabulary` (`item` or
            `user`, and `n_train`, its training interactions), `explicit_negatives`
            (`user`, `items`).

    Raises:
        ValueError: if the data do not fit the parameters, the device is missing, or the
            deployed towers have other options than the parameters.
        TrainingError: if the loss is not finite, or the item vectors collapse.
    """
    from two_tower.training.assembly import prepare, train
    from two_tower.training.features import fit_to_features
    from two_tower.training.inputs import read_inputs

    logger.info("training begins: %d audit checks passed", len(leakage_audit["checks"]))
    parameters = _without_absent_times(parameters, tables["train_sequences"])
    prepare(parameters)
    fingerprint = fingerprint_training(lineage, parameters, seen)
    parameters = fit_to_features(parameters, feature_schema)
    inputs = read_inputs(tables, feature_schema, feature_information, parameters)
    deployed = None if deployed_query_tower is None else deployed_query_tower.towers
    return train(
        parameters,
        inputs,
        fingerprint,
        training_checkpoints,
        seen=seen.root,
        deployed=deployed,
    )


def _without_absent_times(parameters: Training, train_sequences: ir.Table) -> Training:
    """Return parameters that read no times if the data have none."""
    oldest = train_sequences.select(timestamp=train_sequences.timestamps[0])
    if has_times(oldest):
        return parameters
    logger.info(
        "the data have no times: training.history.%s is trained without the times of "
        "events and requests",
        parameters.history.kind,
    )
    return parameters.without_times()


def refit_two_tower(  # noqa: PLR0913 (its inputs in the catalog)
    *,
    refit: Refit,
    split_report: JsonObject,
    training_history: list[JsonObject],
    two_tower_model: KerasModel,
    feature_schema: JsonObject,
    feature_information: JsonObject,
    training_checkpoints: CheckpointStore,
    lineage: LineageStore,
    parameters: Training,
    **tables: ir.Table,
) -> tuple[KerasModel, list[JsonObject]]:
    """Return towers that are trained on all interactions, and a record of each epoch.

    As many epochs are trained as the evaluated model has, at the same learning rates.

    Args:
        refit: what the towers start from.
        split_report: `kind` of the split of the evaluated model.
        training_history: of the evaluated model; says which epoch was kept.
        two_tower_model: the evaluated model.
        feature_schema: see `train_two_tower`.
        feature_information: see `train_two_tower`.
        training_checkpoints: see `train_two_tower`.
        lineage: see `train_two_tower`.
        parameters: of the evaluated model's training.
        tables: those of `train_two_tower`, made of all interactions.

    Raises:
        ValueError: the model was trained on everything already, or it was retrained,
            so that its epochs say nothing about a training from scratch.
        TrainingError: see `train_two_tower`.
    """
    from two_tower.training.assembly import prepare, train
    from two_tower.training.features import fit_to_features
    from two_tower.training.inputs import read_inputs

    _require_refit(refit, split_report, lineage)
    epochs = find_kept_epoch(training_history)
    logger.info(
        "the refit trains %d epochs on all interactions, start: %s",
        epochs,
        refit.start,
    )
    parameters = _without_absent_times(parameters, tables["train_sequences"])
    prepare(parameters)
    fingerprint = fingerprint_training(lineage, parameters, refit, names=REFIT_INPUTS)
    parameters = fit_to_features(parameters, feature_schema)
    nothing = tables["validation_examples"].limit(0)
    inputs = read_inputs(
        tables | {"validation_examples": nothing},
        feature_schema,
        feature_information,
        parameters,
    )
    return train(
        parameters,
        inputs,
        fingerprint,
        training_checkpoints,
        deployed=two_tower_model if refit.start == "warm" else None,
        epochs=epochs,
    )


def _require_refit(
    refit: Refit, split_report: JsonObject, lineage: LineageStore
) -> None:
    """Refuse a refit that would change nothing, or train an unknown number of epochs.

    Raises:
        ValueError: see `refit_two_tower`.
    """
    if split_report["kind"] == "none":
        raise ValueError(
            "sequencing.split.kind is none: two_tower_model was trained on all "
            "interactions already, so there is nothing to refit"
        )
    record = lineage.find("two_tower_model")
    is_retrained = record is not None and "deployed_query_tower" in record.ancestors
    if is_retrained and refit.start == "scratch":
        raise ValueError(
            "two_tower_model was retrained from a deployed one, so its number of "
            "epochs is not that of a training from scratch; add --params "
            "refit.start=warm"
        )


def fingerprint_training(
    lineage: LineageStore, *options: BaseModel, names: Iterable[str] = TRAINING_INPUTS
) -> str:
    """Return the fingerprint of a training's parameters and inputs.

    Args:
        lineage: fingerprints of the inputs.
        options: groups of parameters.
        names: the inputs.
    """
    texts = (group.model_dump_json() for group in options)
    digest = hashlib.sha256("".join(texts).encode())
    for name in names:
        digest.update(lineage.fingerprint(name).encode())
    return digest.hexdigest()


def summarise_training(training_history: list[JsonObject]) -> JsonObject:
    """Return which epoch is the model, and whether another number may be better.

    Args:
        training_history: one record per epoch, of which one is `kept`.

    Returns:
        `epochs` trained, `kept_epoch` (from 1), and `in_words`.
    """
    return {
        "epochs": len(training_history),
        "kept_epoch": find_kept_epoch(training_history),
        "in_words": describe_kept_epoch(training_history),
    }


def plot_learning_curves(training_history: list[JsonObject]) -> Any:
    """Return loss and validation metrics by epoch, a Plotly figure."""
    return draw_learning_curves(training_history)
