"""Train the towers, and draw how it went."""

import hashlib
import logging
from typing import Any

import ibis.expr.types as ir

from two_tower.fitting.checkpoints import CheckpointStore
from two_tower.lineage import LineageStore
from two_tower.pipelines.training.curves import draw_learning_curves
from two_tower.pipelines.training.params import Training
from two_tower.types import JsonObject, KerasModel

logger = logging.getLogger(__name__)

LEARNS_FROM = (
    "train_sequences",
    "validation_examples",
    "item_features",
    "feature_schema",
)


def train_two_tower(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    train_sequences: ir.Table,
    validation_examples: ir.Table,
    item_features: ir.Table,
    feature_schema: JsonObject,
    leakage_audit: JsonObject,
    training_checkpoints: CheckpointStore,
    lineage: LineageStore,
    parameters: Training,
) -> tuple[KerasModel, list[JsonObject]]:
    """Return the trained towers and a record of each epoch.

    Args:
        train_sequences: `user`, `window` (int32), `items`, `targets` (array<int32>).
        validation_examples: `user` (int32), `items`, `targets` (array<int32>).
        item_features: `item` (int32) and a column for each declared feature.
        feature_schema: kind and size of each feature, and `n_items`.
        leakage_audit: the audit's verdict; nothing is trained before it is there.
        training_checkpoints: where a killed training goes on from.
        lineage: fingerprints of the inputs, which a checkpoint must match.
        parameters: of training.

    Raises:
        ValueError: if the data don't fit the parameters, or the device is not there.
        TrainingError: if the loss is no number, or the item vectors collapse.
    """
    from keras.utils import set_random_seed

    from two_tower.fitting.devices import choose_device
    from two_tower.fitting.fit import fit
    from two_tower.fitting.sequences import Sequences
    from two_tower.pipelines.training import assembly
    from two_tower.pipelines.training.features import chosen_features, read_features
    from two_tower.ragged import Ragged

    logger.info("training begins: %d audit checks passed", len(leakage_audit["checks"]))
    choose_device(parameters.device)
    set_random_seed(parameters.seed)

    sequences = Sequences.from_batches(
        train_sequences.order_by("user", "window").to_pyarrow_batches()
    )
    examples = validation_examples.order_by("user").select("items", "targets")
    held_out = examples.to_pyarrow()
    item_tower = parameters.item_tower
    features, values = read_features(
        item_features.order_by("item").to_pyarrow(),
        chosen_features(
            feature_schema["item"],
            use_features=item_tower.use_features,
            switches=item_tower.features,
        ),
        feature_schema["n_items"],
    )

    feed = assembly.assemble_feed(parameters, sequences)
    towers = assembly.assemble_towers(
        parameters,
        n_items=feature_schema["n_items"],
        features=features,
        values=values,
        max_length=feed.edges[-1],
    )
    state = assembly.assemble_state(
        parameters, towers, feed, fingerprint_training(lineage, parameters)
    )
    history = fit(
        state,
        feed,
        assembly.assemble_validation(
            parameters,
            Ragged.from_arrow(held_out["items"]),
            Ragged.from_arrow(held_out["targets"]),
            edges=feed.edges,
        ),
        epochs=parameters.epochs,
        validate_every=parameters.validation.every,
        store=training_checkpoints,
    )
    return towers, history


def fingerprint_training(lineage: LineageStore, parameters: Training) -> str:
    """Return the fingerprint that a checkpoint of this training has."""
    digest = hashlib.sha256(parameters.model_dump_json().encode())
    for name in LEARNS_FROM:
        digest.update(lineage.fingerprint(name).encode())
    return digest.hexdigest()


def plot_learning_curves(training_history: list[JsonObject]) -> Any:
    """Return the loss and the validation figures by epoch, a Plotly figure."""
    return draw_learning_curves(training_history)
