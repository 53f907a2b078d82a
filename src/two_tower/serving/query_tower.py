"""The query tower as it is served: raw ids and values in, query vectors out."""

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
    """What towers read of R requests.

    Attributes:
        histories: R rows of dense int32 item ids.
        users: `[R]` int32 dense user ids, 1 for unknown ones.
        values: name of the feature → `[R, width]`, in place of stored ones.
        events: of the histories; None for towers that read none.
    """

    histories: Ragged
    users: IntArray
    values: Mapping[str, np.ndarray]
    events: Events | None


@dataclass(frozen=True, eq=False)
class QueryTower:
    """Towers with all that a request, or another training, needs to know of them.

    All vectors that come out have length 1, so that an angular index keeps the model's
    order. Towers that don't normalise are served with one more dimension (`reduction`).

    Attributes:
        towers: the trained model, built.
        vocabularies: what its dense ids stand for.
        average_query: `[D]` float32 of length 1, the direction of the mean of all
            vectors of the users.
        largest_norm: length of the longest item vector of towers that don't
            normalise; None of others.
        edges: rising widths that histories are padded to; the last is the most items
            of a history that count.
        tokens_per_batch: items in a batch, padding included.
        origin: `fingerprints` of the data and the model, the `parameters` that it was
            trained with, and the `rules` by which its data were selected and split.
    """

    towers: TwoTower
    vocabularies: Vocabularies
    average_query: FloatArray
    largest_norm: float | None
    edges: Sequence[int]
    tokens_per_batch: int
    origin: JsonObject

    @property
    def has_learned_cold_start(self) -> bool:
        """Whether training has taught the towers a query for nobody.

        Histories leave out a first item's past, and id dropout the user; of a profile
        alone without it, nothing is ever unknown.
        """
        profile = self.towers.profile
        if self.towers.history_encoder is not None or profile is None:
            return True
        return profile.use_id and profile.id_dropout > 0

    @property
    def dimension(self) -> int:
        """D of all vectors that come out."""
        return self.towers.item_tower.dimension + (self.largest_norm is not None)

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

        What is unknown is no error: an unknown item of a history says nothing and is
        left out, an unknown user or value counts as any unknown one.

        Args:
            histories: R lists of raw item ids, oldest first; an empty or null one is a
                user without a history.
            users: R raw user ids (list or Arrow array), null for a user without one;
                None if no user has one.
            features: R rows of columns that user features are read from (see the
                declared features); they take the place of what is stored of a known
                user, who keeps the features whose column is not among them.
            events: times and ratings of the histories' items; towers that read items
                alone read none of them.
            strict: refuse unknown items, users and values.

        Returns:
            `[R, D]` float32 of length 1, or `[R, V, D]` of towers that answer with V
            vectors.

        Raises:
            ValueError: as `read`.
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
        """Return what the towers read of R requests.

        Args:
            histories: as of `encode`.
            users: as of `encode`.
            features: as of `encode`.
            events: as of `encode`.
            strict: as of `encode`.

        Raises:
            ValueError: if the arguments differ in length, ids are of another type
                than the model's, the towers read no feature from a column, or
                (`strict`) something is unknown.
        """
        _require_lengths(histories, users, features)
        profile = self.towers.profile
        names = () if profile is None else profile.features
        dense = self._dense_histories(histories, strict=strict)
        is_known = dense.values >= FIRST_ID
        return Requests(
            dense.keep(is_known),
            self._dense_users(users, len(histories), strict=strict),
            {}
            if features is None
            else encode_values(
                features, self.vocabularies, "user", names, strict=strict
            ),
            read_events(dense, events or RequestEvents()).keep(is_known)
            if self.towers.reads_events
            else None,
        )

    def find_cold_start_users(self, requests: Requests) -> npt.NDArray[np.bool_]:
        """Return `[R]` bool, of whom the towers read nothing that tells them apart.

        An item of the history tells, if the towers read histories; an id, if the user
        has a row of their own; a feature, stored or given, if its value is neither
        missing nor unknown.
        """
        is_known = np.zeros(len(requests.users), bool)
        if self.towers.history_encoder is not None:
            is_known |= requests.histories.lengths > 0
        if self._hashes_users:
            n_train = self.vocabularies.users["n_train"].to_numpy()
            is_trained = np.concatenate([np.zeros(FIRST_ID, bool), n_train > 0])
            is_known |= is_trained[requests.users]
        profile = self.towers.profile
        if profile is None:
            return ~is_known
        if profile.use_id:
            rows = np.asarray(profile.id_rows)[requests.users]
            is_known |= rows != OUT_OF_VOCABULARY
        for name, feature in profile.features.items():
            given = requests.values.get(name)
            stored = np.asarray(feature.values)
            values = stored[requests.users] if given is None else given
            # The number 0 is a missing one, or the mean.
            tells = values != 0 if feature.feature.is_dense else values >= FIRST_ID
            is_known |= tells.any(axis=1)
        return ~is_known

    def encode_indices(
        self,
        histories: Ragged,
        users: IntArray | None = None,
        values: Mapping[str, np.ndarray] | None = None,
        events: Events | None = None,
    ) -> FloatArray:
        """Return the same for dense ids and encoded values.

        Args:
            histories: R rows of dense int32 item ids.
            users: `[R]` int32 dense user ids; None for unknown users.
            values: name of the feature → `[R, width]`, in place of stored ones.
            events: of the histories; None if no time and no rating is known.
        """
        if users is None:
            users = np.full(len(histories), OUT_OF_VOCABULARY, np.int32)
        vectors = encode_histories(
            self.towers,
            histories,
            users,
            edges=self.edges,
            tokens_per_batch=self.tokens_per_batch,
            values=values or None,
            events=events,
        )
        return vectors if self.largest_norm is None else reduce_queries(vectors)

    def encode_items(self, ids: IntArray) -> FloatArray:
        """Return the `[N, D]` float32 unit vectors of `[N]` int32 dense item ids."""
        vectors = encode_items(self.towers, ids)
        if self.largest_norm is None:
            return vectors
        return reduce_items(vectors, self.largest_norm)

    def cold_query(self, policy: Literal["learned", "average"]) -> FloatArray:
        """Return the query for a user of whom nothing is known.

        Args:
            policy: `learned` is what the towers say of nobody, `[D]` or `[V, D]`;
                `average` the `[D]` direction of the mean of all users' vectors.

        Raises:
            ValueError: the towers have never learned to say anything of nobody.
        """
        if policy == "average":
            return self.average_query
        if not self.has_learned_cold_start:
            raise ValueError(
                "cold_start is 'learned', but these towers read profiles alone and "
                "were trained without training.profile.id_dropout, so that their query "
                "for nobody is not trained; choose average or popular, or train with "
                "id_dropout above 0"
            )
        (query,) = self.encode_indices(Ragged.from_lists([[]]))
        return np.asarray(query)

    @property
    def _hashes_users(self) -> bool:
        """Whether events are read with an embedding of the user's id."""
        if self.towers.query_per_position:
            return False
        return self.towers.history_encoder.events.user_id is not None

    def _dense_histories(self, histories: pa.ListArray, *, strict: bool) -> Ragged:
        """Return dense ids, 1 for unknown items."""
        lookup = self.vocabularies.item_lookup
        # A column without any item has values of no type at all.
        items = _cast(pc.list_flatten(histories), lookup)
        dense = _dense(items, lookup, strict=strict)
        offsets = np.cumsum(list_lengths(histories), dtype=np.int64)
        return Ragged(dense, np.concatenate([[0], offsets]))

    def _dense_users(self, users: Any, n_rows: int, *, strict: bool) -> IntArray:
        dense = np.full(n_rows, OUT_OF_VOCABULARY, np.int32)
        if users is None:
            return dense
        lookup = self.vocabularies.user_lookup
        column = users if isinstance(users, pa.Array) else _combined(users)
        named = column.is_valid().to_numpy(zero_copy_only=False)
        dense[named] = _dense(_cast(column.drop_null(), lookup), lookup, strict=strict)
        return dense


def _combined(users: Any) -> pa.Array:
    if isinstance(users, pa.ChunkedArray):
        return users.combine_chunks()
    return pa.array(users)


def _cast(ids: pa.Array, lookup: IdLookup) -> pa.Array:
    """Return ids of the vocabulary's type, as 32 bits may have become 64."""
    try:
        return ids.cast(lookup.ids.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"the ids of the {lookup.what} are {ids.type}, but those of "
            f"{lookup.where} are {lookup.ids.type}: {error}"
        ) from error


def _dense(ids: pa.Array, lookup: IdLookup, *, strict: bool) -> IntArray:
    """Return dense int32 ids, 1 for unknown ones."""
    positions = lookup.require(ids.to_pylist()) if strict else lookup.find(ids)
    dense = np.where(positions == NO_ITEM, OUT_OF_VOCABULARY, positions + FIRST_ID)
    return dense.astype(np.int32)


def _require_lengths(histories: pa.ListArray, users: Any, features: Any) -> None:
    lengths = {
        "histories": len(histories),
        "users": len(histories) if users is None else len(users),
        "features": len(histories) if features is None else features.num_rows,
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"a request has one row per user in everything, but there are {lengths}"
        )
