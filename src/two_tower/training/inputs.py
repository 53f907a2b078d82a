"""The model inputs, read from their tables into arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.negatives.base import NegativeData
from two_tower.ragged import Ragged
from two_tower.towers.events import Events
from two_tower.towers.features import Feature, InputKind
from two_tower.towers.params import EntityParams
from two_tower.training.params import Training
from two_tower.training.sequences import Sequences
from two_tower.training.validation import Examples
from two_tower.types import IntArray, JsonObject

if TYPE_CHECKING:  # a GPU machine may have no Ibis
    import ibis.expr.types as ir


def chosen_features(
    schema: JsonObject,
    *,
    tower: str,
    use_features: bool,
    switches: Mapping[str, bool],
) -> JsonObject:
    """Return the part of a feature schema that the tower is to use.

    Args:
        schema: feature → its `kind` and `size`, and `opt_in` if it is to be asked for.
        tower: its group of parameters, for the error's text.
        use_features: false for none at all.
        switches: feature → false leaves it out, true takes in one that is opt-in.

    Raises:
        ValueError: if a switch names a feature that the data don't have.
    """
    unknown = sorted(set(switches) - set(schema))
    if unknown:
        raise ValueError(
            f"training.{tower}.features names {unknown}, but the data have "
            f"{sorted(schema)}; declare features in sequencing.features"
        )
    if not use_features:
        return {}
    return {
        name: about
        for name, about in schema.items()
        if switches.get(name, not about.get("opt_in", False))
    }


def read_features(
    table: pa.Table, schema: JsonObject, entity: str, n_entities: int
) -> tuple[dict[str, Feature], dict[str, np.ndarray]]:
    """Return what the features are, and each entity's values.

    Args:
        table: `item` or `user` (int32) and a column for each feature of the schema.
        schema: feature → its `kind` and `size`.
        entity: the column of the dense ids, `item` or `user`.
        n_entities: how many dense ids there are, the reserved ones included.

    Returns:
        Name → `Feature`, and name → `[n_entities, width]` int32 or float32;
        reserved ids have zeros.
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
    """What a tower is to know of items or users, by dense id.

    Attributes:
        n_entities: dense ids, the reserved ones included.
        features: name → what the feature is.
        values: name → `[n_entities, width]`, each entity's values.
        known: `[n_entities]` bool, whether training has any interaction of it.
    """

    n_entities: int
    features: Mapping[str, Feature]
    values: Mapping[str, np.ndarray]
    known: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """All that towers are trained on.

    Attributes:
        sequences: the training histories.
        examples: what is held out to validate with.
        items: of the item tower.
        history_items: the same items for the tower that embeds those of histories;
            None where the item tower does.
        users: of the profile; None where the queries have none.
        n_users: dense user ids, the reserved ones included.
        explicit_negatives: dense item ids by dense user id, from 0.
        information: name of an item's feature, or `id` → its mutual information with
            each, in nats.
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
        """`[n_items]` bool, which items a positive is told from.

        Those that training knows; a positive is one of them whatever its table says,
        for without its own column a softmax would fall below 0.
        """
        n_positives = self.sequences.count_positives(self.items.n_entities)
        return self.items.known | (n_positives > 0)

    @property
    def candidate_ids(self) -> IntArray:
        """`[N]` int32, the dense ids of the candidates in rising order."""
        return np.flatnonzero(self.is_candidate).astype(np.int32)

    @cached_property
    def negative_data(self) -> NegativeData:
        """The training interactions, as sources of negatives read them."""
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
        """How many items the longest window of training has."""
        return int(self.sequences.items.lengths.max())


def read_inputs(
    tables: Mapping[str, "ir.Table"],
    feature_schema: JsonObject,
    feature_information: JsonObject,
    parameters: Training,
) -> ModelInputs:
    """Read what the parameters ask for.

    Args:
        tables: `train_sequences`, `validation_examples`, `item_features`,
            `user_features`, `item_vocabulary`, `user_vocabulary`,
            `explicit_negatives`, as
            `train_two_tower` describes them.
        feature_schema: kind and size of each feature, `n_items` and `n_users`.
        feature_information: `features` and their `matrix` of mutual information.
        parameters: of training.

    Raises:
        ValueError: if there is nothing to train on, or no feature of a given name.
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
        items=_read_entities(
            tables, feature_schema, "item", parameters.item_tower, "item_tower"
        ),
        history_items=_read_entities(
            tables,
            feature_schema,
            "item",
            parameters.history_item_tower,
            "history_item_tower",
        )
        if parameters.history_items == "separate"
        else None,
        users=_read_entities(tables, feature_schema, "user", profile, "profile")
        if profile.use
        else None,
        n_users=n_users,
        explicit_negatives=_read_explicit_negatives(
            tables["explicit_negatives"], n_users
        ),
        information=_by_name(feature_information),
    )


def read_examples(examples: "ir.Table", *, with_events: bool) -> Examples:
    """Return what is held out, in order of `user`.

    Args:
        examples: `user`, `items`, `targets` and, for events, `timestamps`, `ratings`
            and `target_timestamps`.
        with_events: whether to keep times and ratings.
    """
    held_out = examples.order_by("user").to_pyarrow()
    return Examples(
        held_out["user"].to_numpy(),
        Ragged.from_arrow(held_out["items"]),
        Ragged.from_arrow(held_out["targets"]),
        _read_events(held_out) if with_events else None,
    )


def _read_events(held_out: pa.Table) -> Events:
    """Return the histories' events; a query is asked when its first positive comes."""
    first = pc.list_element(held_out["target_timestamps"], 0)
    return Events.from_arrow(held_out["timestamps"], held_out["ratings"], first)


def _read_entities(
    tables: Mapping[str, "ir.Table"],
    schema: JsonObject,
    entity: Literal["item", "user"],
    asked: EntityParams,
    tower: str,
) -> Entities:
    n_entities = schema[f"n_{entity}s"]
    chosen = chosen_features(
        schema[entity],
        tower=tower,
        use_features=asked.use_features,
        switches=asked.features,
    )
    rows = tables[f"{entity}_features"].order_by(entity).select(entity, *chosen)
    features, values = read_features(rows.to_pyarrow(), chosen, entity, n_entities)
    return Entities(
        n_entities,
        features,
        values,
        _known(tables[f"{entity}_vocabulary"], entity, n_entities),
    )


def _known(
    vocabulary: "ir.Table", entity: str, n_entities: int
) -> npt.NDArray[np.bool_]:
    rows = vocabulary.select(entity, "n_train").to_pyarrow()
    known = np.zeros(n_entities, bool)
    known[rows[entity].to_numpy()] = rows["n_train"].to_numpy() > 0
    return known


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
