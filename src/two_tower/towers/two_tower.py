"""The two-tower model: query tower of history and profile, and item tower."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from two_tower.towers.base import HistoryEncoder
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.mlp import Mlp
from two_tower.towers.vectors import take_rows, to_unit_length
from two_tower.types import Tensor

NO_HISTORY_SCALE = 0.02

# Parts that are models themselves; an older file may lack some of them.
TOWERS = ("item_tower", "history_item_tower", "history_encoder", "profile")


@keras.saving.register_keras_serializable("two_tower")
class TwoTower(keras.Model):
    """Query vectors from histories, user profiles, or both, and item vectors.

    With `normalise` all vectors have length 1, so the score of a query and an item is
    their cosine and an angular index keeps the model's order; otherwise the score is
    their dot product. If a query has several vectors, the best score counts.

    Args:
        item_tower: embeds candidates, and history items without `history_item_tower`.
        history_encoder: encodes histories; None if they are not read.
        profile: embeds users by id and features; None if they are not read.
        fusion: `hidden_units`, `batch_norm`, `dropout` and `seed` of the `Mlp` from
            concatenated history state and profile to D; None without one of them.
        normalise: whether query and item vectors have length 1.
        history_item_tower: embeds history items with weights of its own.

    Raises:
        ValueError: if there is neither history nor profile, if a fusion is given for
            one of them or missing for both, if query and item vectors differ in width,
            if a profile meets several vectors per query, or if `history_item_tower` has
            no history to embed or differs from `item_tower` in size.
    """

    def __init__(
        self,
        item_tower: EntityTower,
        *,
        history_encoder: HistoryEncoder | None,
        profile: EntityTower | None,
        fusion: Mapping[str, Any] | None,
        normalise: bool,
        history_item_tower: EntityTower | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_query_side(item_tower, history_encoder, profile, fusion)
        _check_history_items(item_tower, history_encoder, history_item_tower)
        self.item_tower = item_tower
        self.history_item_tower = history_item_tower
        self.history_encoder: Any = history_encoder  # some offer more to objectives
        self.profile = profile
        self.fusion_options = None if fusion is None else dict(fusion)
        self.normalise = normalise
        self.fusion = (
            None
            if fusion is None
            else Mlp(
                output=item_tower.dimension,
                name="fusion",
                dtype=self.dtype_policy.name,
                **fusion,
            )
        )

    @property
    def input_dtype(self) -> str:
        """Dtype that Keras casts inputs to; each tower casts what it reads."""
        return "float32"

    @property
    def dimension(self) -> int:
        """D of query and item vectors."""
        return self.item_tower.dimension

    @property
    def embeds_histories(self) -> EntityTower:
        """The tower that embeds history items.

        Its name is part of saved models, whose weights Keras files by attribute name.
        """
        return self.history_item_tower or self.item_tower

    @property
    def max_length(self) -> int:
        """Longest history of training, in items; 0 if histories are not read."""
        return self.history_encoder.max_length if self.history_encoder else 0

    @property
    def reads_events(self) -> bool:
        """Whether times, or also ratings, of history items are read."""
        return self.history_encoder is not None and self.history_encoder.reads_events

    @property
    def request_time(self) -> bool:
        """Whether the time of the request is read."""
        return self.reads_events and self.history_encoder.request_time

    @property
    def reads_users(self) -> bool:
        """Whether user indices are read."""
        encoder = self.history_encoder
        return self.profile is not None or (encoder is not None and encoder.reads_users)

    @property
    def query_per_position(self) -> bool:
        """Whether each position of a history is a query; otherwise each row is one."""
        encoder = self.history_encoder
        return encoder is None or encoder.query_per_position

    @property
    def n_vectors(self) -> int:
        """V, vectors per query."""
        return 1 if self.history_encoder is None else self.history_encoder.n_vectors

    def build(self, _: Any = None) -> None:
        # Towers from a file are built already.
        for tower in (self.item_tower, self.history_item_tower, self.profile):
            if tower is not None and not tower.built:
                tower.build()
        if self.history_encoder is not None:
            if not self.history_encoder.built:
                self.history_encoder.build((None, None, self.dimension))
            if self.query_per_position:
                self.no_history = self.add_weight(
                    name="no_history",
                    shape=(self.history_encoder.dimension,),
                    initializer=keras.initializers.RandomNormal(
                        stddev=NO_HISTORY_SCALE
                    ),
                )
        if self.fusion is not None:
            sides = [s for s in (self.history_encoder, self.profile) if s is not None]
            self.fusion.build((None, sum(int(side.dimension) for side in sides)))
        self.built = True

    def call(self, inputs: dict[str, Any], *, training: bool = False) -> Tensor:
        """Return the query vectors of the newest position of each history.

        Args:
            inputs: the fields that the model reads: `items` `[B, T]` int32 item
                indices, oldest first, then padding; `lengths` `[B]` int32, items of
                each history; `users` `[B]` int32 user indices, 0 or 1 if unknown; the
                fields of `event_fields`; and optionally `values`, feature →
                `[B, width]`, in place of the stored ones (see `EntityTower.call`).
            training: whether dropout applies.

        Returns:
            `[B, D]` float32, or `[B, V, D]` if a query has several vectors.
        """
        batch = dict(inputs)
        if self.history_encoder is not None and self.query_per_position:
            n_rows, width = ops.shape(batch["items"])[0], ops.shape(batch["items"])[1]
            newest = ops.arange(n_rows, dtype="int32") * width + batch["lengths"] - 1
            batch["positions"] = ops.where(batch["lengths"] > 0, newest, n_rows * width)
        return self.queries(batch, training=training)

    def queries(
        self,
        batch: Mapping[str, Any],
        *,
        catalogue: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Return the vectors of a batch's queries.

        Args:
            batch: the fields that `history_encoder.encode` reads. With
                `query_per_position` also `positions` `[P]` int32, row · T + position of
                each query, or B · T for an empty history; otherwise each row is a
                query. With a profile `users` `[B]` int32 and optionally `rows` `[P]`
                int32, the row of each query (default: query p is row p), and `values`
                as in `call`. Optionally `weights` `[P]` float32, 0 for padding, which
                batch norm excludes from its statistics.
            catalogue: `[N, D]` float, vectors of all item indices by the tower that
                embeds history items, which are looked up in it; None embeds the items
                of the batch.
            training: whether dropout applies.

        Returns:
            `[P, D]` float32, or `[P, V, D]` if a query has several vectors.
        """
        sides = []
        if self.history_encoder is not None:
            states = self.history_encoder.encode(
                batch,
                self.embeds_histories,
                catalogue=catalogue,
                training=training,
            )
            if self.query_per_position:
                states = self._at_positions(states, batch["positions"])
            sides.append(states)
        if self.profile is not None:
            values = batch.get("values")
            vectors = self.profile(batch["users"], training=training, values=values)
            if (rows := batch.get("rows")) is not None:
                # Embedded once per row: a history has many queries and one user.
                vectors = take_rows(vectors, rows, dtype=vectors.dtype)
            sides.append(vectors)
        if self.fusion is not None:
            queries = self.fusion(
                ops.concatenate(sides, axis=-1),
                training=training,
                weights=batch.get("weights"),
            )
            sides = [queries]
        return self.as_scored(sides[0])

    def item_vectors(self, ids: Tensor) -> Tensor:
        """Return `[N, D]` float32 vectors of `[N]` item indices as candidates."""
        return self.as_scored(self.item_tower(ids))

    def as_scored(self, vectors: Tensor) -> Tensor:
        """Return a tower's vectors as float32 and, with `normalise`, of length 1."""
        vectors = ops.cast(vectors, "float32")
        return to_unit_length(vectors) if self.normalise else vectors

    def _at_positions(self, states: Tensor, positions: Tensor) -> Tensor:
        """Return `[P, H]` of `[B, T, H]` states; position B · T is `no_history`."""
        states = ops.reshape(states, (-1, states.shape[-1]))
        no_history = ops.cast(ops.expand_dims(self.no_history, 0), states.dtype)
        rows = ops.concatenate([states, no_history])
        return take_rows(rows, positions, dtype=states.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in TOWERS
            },
            "fusion": self.fusion_options,
            "normalise": self.normalise,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TwoTower":
        """Rebuild the towers, then the model, from the result of `get_config`."""
        towers = {
            name: keras.saving.deserialize_keras_object(config.get(name))
            for name in TOWERS
        }
        model = cls(**{**config, **towers})
        model.build()  # so that saved weights find their variables
        return model


def _check_query_side(
    item_tower: EntityTower,
    history_encoder: HistoryEncoder | None,
    profile: EntityTower | None,
    fusion: Mapping[str, Any] | None,
) -> None:
    sides = {"history_encoder": history_encoder, "profile": profile}
    given = {name: side for name, side in sides.items() if side is not None}
    if not given:
        raise ValueError(
            "there is neither a history_encoder nor a profile, so all queries would be "
            "alike; give at least one of them"
        )
    if (fusion is not None) != (len(given) == len(sides)):
        raise ValueError(
            f"the query side has {sorted(given)} and fusion is {fusion}; fusion joins "
            "a history_encoder and a profile: give it with both, and only then"
        )
    for name, side in given.items():
        if fusion is None and side.dimension != item_tower.dimension:
            raise ValueError(
                f"{name} makes queries of width {side.dimension} for items of width "
                f"{item_tower.dimension}; give both the same dimension"
            )
    if profile is not None and history_encoder and history_encoder.n_vectors > 1:
        raise ValueError(
            f"the history_encoder gives each query {history_encoder.n_vectors} "
            "vectors, and fusion joins a profile with one; leave the profile out"
        )


def _check_history_items(
    item_tower: EntityTower,
    history_encoder: HistoryEncoder | None,
    history_item_tower: EntityTower | None,
) -> None:
    if history_item_tower is None:
        return
    if history_encoder is None:
        raise ValueError(
            "a history_item_tower embeds the items of histories, but there is no "
            "history_encoder; leave it out"
        )
    own = history_item_tower.n_entities, history_item_tower.dimension
    shared = item_tower.n_entities, item_tower.dimension
    if own != shared:
        raise ValueError(
            f"the history_item_tower has {own[0]} items of dimension {own[1]}, the "
            f"item_tower {shared[0]} of {shared[1]}; give them the same sizes"
        )
