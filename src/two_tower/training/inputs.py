"""Model inputs, read from their tables into arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.negatives.base import NegativeData
from two_tower.ragged import Ragged
from two_tower.towers.events import Events
from two_tower.towers.features import Feature, InputKind
from two_tower.towers.params import EntityParams
from two_tower.training.features import chosen_features
from two_tower.training.params import Training
from two_tower.training.sequences import Sequences
from two_tower.training.validation import Examples
from two_tower.types import Entity, IntArray, JsonObject

if TYPE_CHECKING:  # a GPU machine may have no Ibis
    import ibis.expr.types as ir


def read_features(
    table: pa.Table, schema: JsonObject, entity: str, n_entities: int
) -> tuple[dict[str, Feature], dict[str, np.ndarray]]:
    """Return the kinds of features, and their values by entity.

    Args:
        table: `item` or `user` (int32) and a column for each feature of the schema.
        schema: feature → its `kind` and `size`.
        entity: the column of the indices, `item` or `user`.
        n_entities: number of indices, reserved ones included.

    Returns:
        Name → `Feature`, and name → `[n_entities, width]` int32 or float32;
        reserved indices have zeros.
    """
    features, values = {}, {}
    for name, about in schema.items():
        column = _as_rows(table[name])
        stored = np.zeros((n_entities, column.shape[1]), column.dtype)
        stored[table[entity].to_numpy()] = column
        values[name] = stored
        kind = _input_kind(table[name].type)
        features[name] = Feature(kind, about.get("size", 1), column.shape[1])
    return features, values


def _input_kind(encoded: pa.DataType) -> InputKind:
    """Return how a tower reads an encoded feature: its column type decides."""
    if pa.types.is_list(encoded):
        return "multi_valued"
    return "dense" if pa.types.is_floating(encoded) else "categorical"


def _as_rows(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    if not pa.types.is_list(column.type):
        return np.asarray(column)[:, None]
    lists = Ragged.from_arrow(column)
    return lists.pad(max(int(lists.lengths.max(initial=0)), 1))


@dataclass(frozen=True, eq=False)
class Entities:
    """Items or users as a tower stores them, by index.

    Attributes:
        n_entities: number of indices, reserved ones included.
        features: name → kind and size of the feature.
        values: name → `[n_entities, width]` values of each entity.
        is_trained: `[n_entities]` bool, whether it has a training interaction.
    """

    n_entities: int
    features: Mapping[str, Feature]
    values: Mapping[str, np.ndarray]
    is_trained: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """Everything that a training reads.

    Attributes:
        sequences: windows of the training histories.
        examples: held-out validation positives.
        items: items of the item tower.
        history_items: items of the history item tower; None without one.
        users: users of the profile tower; None without one.
        n_users: number of user indices, reserved ones included.
        explicit_negatives: item indices by user index, from 0.
        information: name of an item feature, or `id` → its mutual information with each
            of them, in nats.
    """

    sequences: Sequences
    examples: Examples
    items: Entities
    history_items: Entities | None
    users: Entities | None
    n_users: int
    explicit_negatives: Ragged
    information: Mapping[str, Mapping[str, float]]

    @cached_property
    def is_candidate(self) -> npt.NDArray[np.bool_]:
        """`[n_items]` bool, mask of candidate items: those with training interactions.

        Positives are always included: a softmax without the positive's own column could
        fall below 0.
        """
        n_positives = self.sequences.count_positives(self.items.n_entities)
        return self.items.is_trained | (n_positives > 0)

    @property
    def candidate_ids(self) -> IntArray:
        """`[N]` int32 item indices of the candidates, ascending."""
        return np.flatnonzero(self.is_candidate).astype(np.int32)

    def negative_data(self) -> NegativeData:
        """Return the training interactions, as sources of negatives read them."""
        users, items = self.sequences.pairs()
        return NegativeData(
            users,
            items,
            n_users=self.n_users,
            n_items=self.items.n_entities,
            candidates=self.candidate_ids,
            explicit_negatives=self.explicit_negatives,
        )

    @property
    def longest_window(self) -> int:
        """Number of items of the longest training window."""
        return int(self.sequences.items.lengths.max())


def read_inputs(
    tables: Mapping[str, "ir.Table"],
    feature_schema: JsonObject,
    feature_information: JsonObject,
    parameters: Training,
) -> ModelInputs:
    """Read the inputs that the parameters need.

    Args:
        tables: `train_sequences`, `validation_examples`, `item_features`,
            `user_features`, `item_vocabulary`, `user_vocabulary` and
            `explicit_negatives`; see `train_two_tower`.
        feature_schema: kind and size of each feature, `n_items` and `n_users`.
        feature_information: `features` and their `matrix` of mutual information.
        parameters: of training, as from `fit_to_features`.

    Raises:
        ValueError: if there is no training interaction.
    """
    n_users = feature_schema["n_users"]
    train_sequences = tables["train_sequences"].order_by("user", "window")
    profile = parameters.profile
    with_events = parameters.history.chosen.reads_events
    return ModelInputs(
        sequences=Sequences.from_batches(
            train_sequences.to_pyarrow_batches(), with_events=with_events
        ),
        examples=read_examples(tables["validation_examples"], with_events=with_events),
        items=_read_entities(tables, feature_schema, "item", parameters.item_tower),
        history_items=_read_entities(
            tables, feature_schema, "item", parameters.history_item_tower
        )
        if parameters.history_items == "separate"
        else None,
        users=_read_entities(tables, feature_schema, "user", profile)
        if profile.use
        else None,
        n_users=n_users,
        explicit_negatives=_read_explicit_negatives(
            tables["explicit_negatives"], n_users
        ),
        information=_by_name(feature_information),
    )


def read_examples(examples: "ir.Table", *, with_events: bool) -> Examples:
    """Return held-out positives, ordered by `user`.

    Args:
        examples: `user`, `items`, `targets`, `other_seen` and, for events,
            `timestamps`, `ratings` and `target_timestamps`.
        with_events: whether to keep times and ratings.
    """
    held_out = examples.order_by("user").to_pyarrow()
    return Examples(
        held_out["user"].to_numpy(),
        Ragged.from_arrow(held_out["items"]),
        Ragged.from_arrow(held_out["targets"]),
        _read_events(held_out) if with_events else None,
        Ragged.from_arrow(held_out["other_seen"]),
    )


def _read_events(held_out: pa.Table) -> Events:
    """Return the histories' events; the request time is that of the first positive."""
    first = pc.list_element(held_out["target_timestamps"], 0)
    return Events.from_arrow(held_out["timestamps"], held_out["ratings"], first)


def _read_entities(
    tables: Mapping[str, "ir.Table"],
    schema: JsonObject,
    entity: Entity,
    options: EntityParams,
) -> Entities:
    n_entities = schema[f"n_{entity}s"]
    chosen = chosen_features(schema[entity], options)
    rows = tables[f"{entity}_features"].order_by(entity).select(entity, *chosen)
    features, values = read_features(rows.to_pyarrow(), chosen, entity, n_entities)
    return Entities(
        n_entities,
        features,
        values,
        _is_trained(tables[f"{entity}_vocabulary"], entity, n_entities),
    )


def _is_trained(
    vocabulary: "ir.Table", entity: str, n_entities: int
) -> npt.NDArray[np.bool_]:
    rows = vocabulary.select(entity, "n_train").to_pyarrow()
    is_trained = np.zeros(n_entities, bool)
    is_trained[rows[entity].to_numpy()] = rows["n_train"].to_numpy() > 0
    return is_trained


def _read_explicit_negatives(explicit_negatives: "ir.Table", n_users: int) -> Ragged:
    table: pa.Table = explicit_negatives.order_by("user").to_pyarrow()
    lists = Ragged.from_arrow(table["items"])
    lengths = np.zeros(n_users, np.int64)
    lengths[table["user"].to_numpy()] = lists.lengths
    return Ragged(lists.values, np.concatenate([[0], np.cumsum(lengths)]))


def _by_name(information: JsonObject) -> dict[str, dict[str, float]]:
    names = information["features"]
    return {
        name: dict(zip(names, row, strict=True))
        for name, row in zip(names, information["matrix"], strict=True)
    }
