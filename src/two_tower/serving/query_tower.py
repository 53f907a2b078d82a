"""Query tower of a deployed model: raw ids and values in, query vectors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.index.base import NO_ITEM
from two_tower.index.inner_product import reduce_items, reduce_queries
from two_tower.ragged import Ragged
from two_tower.recommend.ids import IdLookup
from two_tower.recommend.recommender import UNLEARNED_COLD_START
from two_tower.serving.requests import (
    RequestEvents,
    encode_values,
    list_lengths,
    read_events,
)
from two_tower.serving.vocabularies import Vocabularies
from two_tower.towers.encode import encode_histories, encode_items
from two_tower.towers.events import Events
from two_tower.types import (
    FIRST_ID,
    OUT_OF_VOCABULARY,
    FloatArray,
    IntArray,
    JsonObject,
)

if TYPE_CHECKING:  # Kedro opens what uses this module, and must not import Keras
    from two_tower.towers.two_tower import TwoTower


class Requests(NamedTuple):
    """Inputs of the towers for R requests.

    Attributes:
        histories: R rows of item indices (int32).
        users: `[R]` int32 user indices, 1 out of vocabulary.
        values: name of a feature → `[R, width]`, in place of the stored values.
        events: of the histories; None for towers that read no events.
    """

    histories: Ragged
    users: IntArray
    values: Mapping[str, np.ndarray]
    events: Events | None


@dataclass(frozen=True, eq=False)
class QueryTower:
    """Trained towers with the vocabularies and settings of serving and retraining.

    All vectors that it returns have length 1, so an angular index ranks as the model
    does. Towers that don't normalise get one more dimension (`index.inner_product`).

    Attributes:
        towers: the trained model, built.
        vocabularies: raw ids and feature values of its indices.
        average_query: `[D]` float32 of length 1, the direction of the mean of all
            user vectors.
        largest_norm: length of the longest item vector of towers that don't
            normalise; None for others.
        bucket_boundaries: rising widths that histories are padded to; the last is
            the number of newest items that towers read.
        tokens_per_batch: items in a batch, padding included.
        origin: `fingerprints` of the data and the model, the `parameters` of the
            training, and the `rules` that selected and split its data.
    """

    towers: TwoTower
    vocabularies: Vocabularies
    average_query: FloatArray
    largest_norm: float | None
    bucket_boundaries: Sequence[int]
    tokens_per_batch: int
    origin: JsonObject

    @property
    def has_learned_cold_start(self) -> bool:
        """Whether training has taught the towers a query for cold-start users.

        It has if towers read histories, since a first item has an empty history, or
        if id dropout hid users from a profile.
        """
        profile = self.towers.profile
        if self.towers.history_encoder is not None or profile is None:
            return True
        return profile.use_id and profile.id_dropout > 0

    @property
    def dimension(self) -> int:
        """D of the vectors that it returns."""
        return self.towers.item_tower.dimension + (self.largest_norm is not None)

    @property
    def hashes_users(self) -> bool:
        """Whether the history encoder reads a hashed embedding of the user's id."""
        encoder = self.towers.history_encoder
        return encoder is not None and bool(encoder.reads_users)

    def encode(
        self,
        histories: pa.ListArray,
        users: Any = None,
        features: pa.Table | None = None,
        *,
        events: RequestEvents | None = None,
        strict: bool = False,
    ) -> FloatArray:
        """Return the query vectors of R requests.

        Items out of vocabulary are skipped; users and values out of vocabulary get the
        out-of-vocabulary embedding.

        Args:
            histories: R lists of raw item ids, oldest first; an empty or null list is
                a user without a history.
            users: R raw user ids (list or Arrow array), null for a user without an id;
                None if no user has one.
            features: R rows of the columns of declared user features. They replace the
                stored values of a user; a feature without its column keeps them.
            events: times and ratings of the histories' items; towers that read items
                alone ignore them.
            strict: raise an error for items, users and values out of vocabulary.

        Returns:
            `[R, D]` float32 of length 1, or `[R, V, D]` from towers of V vectors per
            user.

        Raises:
            ValueError: see `read`.
        """
        requests = self.read(histories, users, features, events=events, strict=strict)
        return self.encode_indices(*requests)

    def read(
        self,
        histories: pa.ListArray,
        users: Any = None,
        features: pa.Table | None = None,
        *,
        events: RequestEvents | None = None,
        strict: bool = False,
    ) -> Requests:
        """Return the inputs of the towers for R requests.

        Args:
            histories: see `encode`.
            users: see `encode`.
            features: see `encode`.
            events: see `encode`.
            strict: see `encode`.

        Raises:
            ValueError: if the arguments differ in length, ids are of another type
                than the model's, no feature is read from a column, or (`strict`) an
                item, user or value is out of vocabulary.
        """
        _require_lengths(histories, users, features)
        profile = self.towers.profile
        names = () if profile is None else profile.features
        items = self._history_indices(histories, strict=strict)
        in_vocabulary = items.values >= FIRST_ID
        return Requests(
            items.keep(in_vocabulary),
            self._user_indices(users, len(histories), strict=strict),
            {}
            if features is None
            else encode_values(
                features, self.vocabularies, "user", names, strict=strict
            ),
            read_events(items, events or RequestEvents()).keep(in_vocabulary)
            if self.towers.reads_events
            else None,
        )

    def find_cold_start_users(self, requests: Requests) -> npt.NDArray[np.bool_]:
        """Return the mask `[R]` bool of cold-start requests.

        A request is warm if the towers read an item of its history, an embedding of
        the user's id, or a feature value, stored or given, that is neither missing nor
        out of vocabulary.
        """
        is_warm = np.zeros(len(requests.users), bool)
        if self.towers.history_encoder is not None:
            is_warm |= requests.histories.lengths > 0
        if self.hashes_users:
            n_train = self.vocabularies.users["n_train"].to_numpy()
            is_trained = np.concatenate([np.zeros(FIRST_ID, bool), n_train > 0])
            is_warm |= is_trained[requests.users]
        profile = self.towers.profile
        if profile is None:
            return ~is_warm
        if profile.use_id:
            rows = np.asarray(profile.id_rows)[requests.users]
            is_warm |= rows != OUT_OF_VOCABULARY
        for name, feature in profile.features.items():
            given = requests.values.get(name)
            stored = np.asarray(feature.values)
            values = stored[requests.users] if given is None else given
            # The number 0 is missing, or the mean.
            is_dense = feature.feature.is_dense
            has_value = values != 0 if is_dense else values >= FIRST_ID
            is_warm |= has_value.any(axis=1)
        return ~is_warm

    def encode_indices(
        self,
        histories: Ragged,
        users: IntArray | None = None,
        values: Mapping[str, np.ndarray] | None = None,
        events: Events | None = None,
    ) -> FloatArray:
        """Return the query vectors of indices and encoded values; see `encode`.

        Args:
            histories: R rows of item indices (int32).
            users: `[R]` int32 user indices; None: all out of vocabulary.
            values: name of a feature → `[R, width]`, in place of the stored values.
            events: of the histories; None without times and ratings.
        """
        if users is None:
            users = np.full(len(histories), OUT_OF_VOCABULARY, np.int32)
        vectors = encode_histories(
            self.towers,
            histories,
            users,
            boundaries=self.bucket_boundaries,
            tokens_per_batch=self.tokens_per_batch,
            values=values or None,
            events=events,
        )
        return vectors if self.largest_norm is None else reduce_queries(vectors)

    def encode_items(self, items: IntArray) -> FloatArray:
        """Return the `[N, D]` float32 unit vectors of `[N]` int32 item indices."""
        vectors = encode_items(self.towers, items)
        if self.largest_norm is None:
            return vectors
        return reduce_items(vectors, self.largest_norm)

    def cold_start_query(self, policy: Literal["learned", "average"]) -> FloatArray:
        """Return the query of cold-start users.

        Args:
            policy: `learned`: the towers' output without history, user and features,
                `[D]` or `[V, D]`; `average`: `average_query`, `[D]`.

        Raises:
            ValueError: if the policy is `learned` and the towers have not learned it.
        """
        if policy == "average":
            return self.average_query
        if not self.has_learned_cold_start:
            raise ValueError(f"cold_start is 'learned', but {UNLEARNED_COLD_START}")
        (query,) = self.encode_indices(Ragged.from_lists([[]]))
        return np.asarray(query)

    def _history_indices(self, histories: pa.ListArray, *, strict: bool) -> Ragged:
        """Return R rows of item indices, 1 out of vocabulary."""
        lookup = self.vocabularies.item_lookup
        ids = _cast(pc.list_flatten(histories), lookup)
        indices = _vocabulary_indices(ids, lookup, strict=strict)
        offsets = np.cumsum(list_lengths(histories), dtype=np.int64)
        return Ragged(indices, np.concatenate([[0], offsets]))

    def _user_indices(self, users: Any, n_rows: int, *, strict: bool) -> IntArray:
        """Return `[n_rows]` int32 user indices, 1 for users out of vocabulary."""
        indices = np.full(n_rows, OUT_OF_VOCABULARY, np.int32)
        if users is None:
            return indices
        lookup = self.vocabularies.user_lookup
        column = users if isinstance(users, pa.Array) else _combined(users)
        has_id = column.is_valid().to_numpy(zero_copy_only=False)
        ids = _cast(column.drop_null(), lookup)
        indices[has_id] = _vocabulary_indices(ids, lookup, strict=strict)
        return indices


def _combined(users: Any) -> pa.Array:
    if isinstance(users, pa.ChunkedArray):
        return users.combine_chunks()
    return pa.array(users)


def _cast(ids: pa.Array, lookup: IdLookup) -> pa.Array:
    """Return ids in the type of the vocabulary; an empty column may have no type."""
    try:
        if pa.types.is_null(ids.type) or _are_alike(ids.type, lookup.ids.type):
            return ids.cast(lookup.ids.type)
    except pa.ArrowInvalid:
        pass  # such as a number above those of int64
    raise ValueError(
        f"the ids of the {lookup.what} are {ids.type}, but those of {lookup.where} are "
        f"{lookup.ids.type}; give ids of this type"
    )


def _are_alike(given: pa.DataType, expected: pa.DataType) -> bool:
    """Return whether ids of a type need no conversion but that of their width."""
    if pa.types.is_integer(expected):
        return bool(pa.types.is_integer(given))
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_text(given) for is_text in texts)


def _vocabulary_indices(ids: pa.Array, lookup: IdLookup, *, strict: bool) -> IntArray:
    """Return int32 indices, 1 out of vocabulary."""
    rows = lookup.require(ids.to_pylist()) if strict else lookup.find(ids)
    indices = np.where(rows == NO_ITEM, OUT_OF_VOCABULARY, rows + FIRST_ID)
    return indices.astype(np.int32)


def _require_lengths(histories: pa.ListArray, users: Any, features: Any) -> None:
    lengths = {
        "histories": len(histories),
        "users": len(histories) if users is None else len(users),
        "features": len(histories) if features is None else features.num_rows,
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "histories, users and features need one row per request, but have "
            f"{lengths} rows"
        )
