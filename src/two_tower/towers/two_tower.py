"""The two-tower model: histories and profiles on one side, items on the other."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.mlp import Mlp
from two_tower.towers.multi_interest.tower import Interests
from two_tower.towers.vectors import take_rows, to_unit_length
from two_tower.types import PADDING, Tensor

NO_HISTORY_SCALE = 0.02

# Parts that are models themselves; a file may lack what it was saved without.
TOWERS = ("item_tower", "history_item_tower", "history_encoder", "profile")


@keras.saving.register_keras_serializable("two_tower")
class TwoTower(keras.Model):
    """A query side of a history, a profile, or both, and the items that it looks for.

    With `normalise` both ends are unit vectors, so the score of a user and an item is
    their cosine and an angular index keeps the model's order; without, the score is
    their dot product. A user without a history gets a learned vector. A multi-interest
    encoder may give a user several vectors, the nearest of which counts.

    Args:
        item_tower: embeds candidates, and the items of histories if nothing else does.
        history_encoder: a layer from `[B, T, D]` item vectors and their `[B, T]` mask
            to `[B, T, H]`, the user as of each position, with the `[B, T]` ages of
            the items if it `reads_events`; or, if it isn't one that
            `query_per_position`, a `MultiInterestUserTower`. Its `max_length` is the
            longest T that it was trained on. None reads no history.
        profile: embeds users by what they are; None knows no more than their history.
        fusion: `hidden_units`, `batch_norm`, `dropout` and `seed` of the `Mlp` from
            history and profile side by side to D, where there are both.
        normalise: whether queries and items have length 1.
        history_item_tower: embeds the items of histories apart from the candidates;
            None where one tower does both.

    Raises:
        ValueError: if there is neither history nor profile, if a fusion is given for
            one of them or none for both, if queries are not as wide as items, or if a
            multi-interest encoder is given a profile or vectors of any length.
    """

    def __init__(
        self,
        item_tower: EntityTower,
        *,
        history_encoder: keras.layers.Layer | None,
        profile: EntityTower | None,
        fusion: Mapping[str, Any] | None,
        normalise: bool,
        history_item_tower: EntityTower | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_sides(item_tower, history_encoder, profile, fusion)
        _check_interests(history_encoder, profile, normalise=normalise)
        _check_histories(item_tower, history_encoder, history_item_tower)
        self.item_tower = item_tower
        self.history_item_tower = history_item_tower
        self.history_encoder: Any = history_encoder  # some have more than all layers
        self.profile = profile
        self.fusion_options = None if fusion is None else dict(fusion)
        self.normalise = normalise
        self.fusion = (
            None
            if fusion is None
            else Mlp(
                output=item_tower.dimension,
                name="fusion",
                dtype=self.dtype_policy,
                **fusion,
            )
        )

    @property
    def input_dtype(self) -> str:
        """What Keras casts numbers to: each tower casts what it reads by itself."""
        return "float32"

    @property
    def dimension(self) -> int:
        """D of queries and items."""
        return self.item_tower.dimension

    @property
    def embeds_histories(self) -> EntityTower:
        """What makes vectors of the items of histories."""
        return self.history_item_tower or self.item_tower

    @property
    def max_length(self) -> int:
        """The longest history that training saw; 0 for a model that reads none."""
        return self.history_encoder.max_length if self.history_encoder else 0

    @property
    def reads_events(self) -> bool:
        """Whether histories are read with the times and ratings of their items."""
        return self.history_encoder is not None and self.history_encoder.reads_events

    @property
    def request_time(self) -> bool:
        """Whether it is read when a query is asked."""
        return self.reads_events and self.history_encoder.request_time

    @property
    def query_per_position(self) -> bool:
        """Whether each position of a history is a query; else each history is one."""
        encoder = self.history_encoder
        return encoder is None or encoder.query_per_position

    @property
    def n_vectors(self) -> int:
        """V, how many vectors a query has."""
        return 1 if self.query_per_position else int(self.history_encoder.n_vectors)

    def build(self, _: Any = None) -> None:
        # Towers that come out of a file are built already.
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
        """Return each user's query vector, or vectors.

        Args:
            inputs: what the model reads of: `items` `[B, T]` int32 dense ids, oldest
                first, padded behind; `lengths` `[B]` int32, 0 for a user without a
                history; `users` `[B]` int32 dense ids, 0 or 1 for unknown ones; the
                fields of `event_fields`; and, if they are to stand for what is stored,
                `values`, feature → `[B, width]` (see `EntityTower.call`).
            training: whether to drop.

        Returns:
            `[B, D]` float32, or `[B, V, D]` of several vectors.
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
        """Return the query vectors of some places of a batch.

        Args:
            batch: what the model reads of: `items` `[B, T]` int32 dense ids, padded
                behind, `places` `[P]` int32, row · T + position, or B · T for no
                history at all, and maybe `ages` `[B, T]` int32; or, of a multi-interest
                encoder, the fields of `event_fields`, and then each row is a place;
                `users` `[B]` int32 and `rows` `[P]` int32, the row
                of each place (without it, place p is row p), and, maybe, `values`.
                `weights` `[P]` float32, if there, is 0 for padding, which batch norm
                leaves out of its statistics.
            catalogue: `[n_entities, D]` float, the vectors of every dense id by
                `embeds_histories`, to look items of histories up in; None embeds each
                by itself.
            training: whether to drop.

        Returns:
            `[P, D]` float32, or `[P, V, D]` of several vectors.
        """
        if not self.query_per_position:
            vectors = self.interests(batch, training=training).vectors
            return vectors if self.n_vectors > 1 else ops.squeeze(vectors, 1)
        sides = []
        if self.history_encoder is not None:
            items = batch["items"]
            vectors = self._history_vectors(items, catalogue, training=training)
            is_real = ops.not_equal(items, PADDING)
            times = (batch["ages"],) if self.reads_events else ()
            states = self.history_encoder(vectors, is_real, *times, training=training)
            sides.append(self._at_places(states, batch["positions"]))
        if self.profile is not None:
            values = batch.get("values")
            vectors = self.profile(batch["users"], training=training, values=values)
            if (rows := batch.get("rows")) is not None:
                # Made once for each row: a sequence has many places and one user.
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

    def interests(
        self, batch: Mapping[str, Any], *, training: bool = False
    ) -> Interests:
        """Return what a multi-interest encoder makes of each row of a batch.

        Args:
            batch: as of `queries`.
            training: whether to drop.
        """
        items, encoder = batch["items"], self.history_encoder
        found: Interests = encoder(
            batch,
            self.item_tower(items, training=training),
            self.categories(items),
            training=training,
        )
        return found

    def categories(self, ids: Tensor) -> Tensor:
        """Return the `[..., D]` vectors of the kinds of items that `ids` are of."""
        return self.item_tower.mean_of(ids, self.history_encoder.category)

    def item_vectors(self, ids: Tensor) -> Tensor:
        """Return the candidates' `[N, D]` float32 vectors of `[N]` dense ids."""
        return self.as_scored(self.item_tower(ids))

    def as_scored(self, vectors: Tensor) -> Tensor:
        """Return a tower's vectors as float32 and, with `normalise`, of length 1."""
        vectors = ops.cast(vectors, "float32")
        return to_unit_length(vectors) if self.normalise else vectors

    def _history_vectors(
        self, items: Tensor, catalogue: Tensor | None, *, training: bool
    ) -> Tensor:
        if catalogue is None:
            return self.embeds_histories(items, training=training)
        return take_rows(catalogue, items, dtype=catalogue.dtype)

    def _at_places(self, states: Tensor, places: Tensor) -> Tensor:
        """Return the `[P, H]` states of places, the learned vector behind them all."""
        states = ops.reshape(states, (-1, states.shape[-1]))
        no_history = ops.cast(ops.expand_dims(self.no_history, 0), states.dtype)
        known = ops.concatenate([states, no_history])
        return take_rows(known, places, dtype=states.dtype)

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
        """Rebuild the towers, then the model, from `get_config`'s answer."""
        towers = {
            name: keras.saving.deserialize_keras_object(config.get(name))
            for name in TOWERS
        }
        model = cls(**{**config, **towers})
        model.build()  # so that saved weights find their variables
        return model


def _check_sides(
    item_tower: EntityTower,
    history_encoder: keras.layers.Layer | None,
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
            f"of the query side there is {sorted(given)}, and fusion is {fusion}; it "
            "joins a history_encoder and a profile, and neither alone needs it"
        )
    for name, side in given.items():
        if fusion is None and side.dimension != item_tower.dimension:
            raise ValueError(
                f"{name} makes queries of width {side.dimension} for items of width "
                f"{item_tower.dimension}; give both the same dimension"
            )


def _check_interests(
    history_encoder: keras.layers.Layer | None,
    profile: EntityTower | None,
    *,
    normalise: bool,
) -> None:
    if history_encoder is None or history_encoder.query_per_position:
        return
    if profile is not None:
        raise ValueError(
            "a multi-interest history_encoder takes no profile beside it; let it embed "
            "users itself, by its user_id"
        )
    if not normalise:
        raise ValueError(
            "the vectors of a multi-interest history_encoder have length 1, and its "
            "scores are cosines; set normalise to true"
        )


def _check_histories(
    item_tower: EntityTower,
    history_encoder: keras.layers.Layer | None,
    history_item_tower: EntityTower | None,
) -> None:
    if history_item_tower is None:
        return
    if history_encoder is None or not history_encoder.query_per_position:
        raise ValueError(
            "a history_item_tower embeds the items of histories for a mean or a "
            f"transformer, but history_encoder is {history_encoder}; leave it out"
        )
    own = f"{history_item_tower.n_entities} items of {history_item_tower.dimension}"
    shared = f"{item_tower.n_entities} items of {item_tower.dimension}"
    if own != shared:
        raise ValueError(
            f"the history_item_tower has {own} numbers each, the item_tower {shared}; "
            "both are of the same items, so give them the same sizes"
        )
