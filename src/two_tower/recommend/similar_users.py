"""Similar users: exact search among the users' query vectors."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.index.base import ItemIndices, normalise_queries
from two_tower.index.exact import search_exactly
from two_tower.index.vectors import UserVectors
from two_tower.query_vectors import with_vector_axis
from two_tower.recommend.ids import NAMED_IN_ERRORS, IdLookup, require_count
from two_tower.types import FloatArray


@dataclass(frozen=True)
class SimilarUser:
    """One entry of a list of similar users.

    Attributes:
        rank: from 1.
        user_id: raw id.
        score: cosine, in [-1, 1].
    """

    rank: int
    user_id: int | str
    score: float


class SimilarUsers:
    """Finds the users whose vectors are nearest to a user's.

    The similarity of two users of several vectors is that of their nearest pair.
    """

    def __init__(self, user_ids: pa.Array, vectors: FloatArray) -> None:
        """Normalise the vectors.

        Args:
            user_ids: `[N]` int64 or string.
            vectors: `[N, D]` or `[N, V, D]` float32, the users' query vectors.

        Raises:
            ValueError: if the numbers of ids and vectors differ, an id is repeated, or
                a vector is zero.
        """
        if len(user_ids) != len(vectors):
            raise ValueError(
                f"there are {len(user_ids)} user ids and {len(vectors)} vectors"
            )
        _require_distinct(user_ids)
        self._lookup = IdLookup(user_ids, what="users", where="user_embeddings")
        unit = normalise_queries(vectors, np.shape(vectors)[-1])
        _, self._n_vectors, dimension = with_vector_axis(unit).shape
        self._vectors = unit.reshape(-1, dimension)

    @classmethod
    def of(cls, users: UserVectors) -> "SimilarUsers":
        """Return the finder over the users that `read_user_vectors` has read."""
        return cls(users.user_ids, users.vectors)

    def find(self, user_id: int | str, k: int) -> list[SimilarUser]:
        """Return at most `k` users nearest to a user, without that user.

        Raises:
            ValueError: if there is no such user, or `k` is not a whole number above 0.
        """
        k = require_count(k, "k")
        (user,) = self._lookup.require([user_id])
        own = user * self._n_vectors + np.arange(self._n_vectors)
        others = np.delete(np.arange(len(self._vectors)), own)
        # So many vectors belong to at least k users.
        n_found = min(k * self._n_vectors, len(others))
        query = self._vectors[own][np.newaxis]
        found = search_exactly(query, self._vectors, n_found, among=others)
        users = found.indices[0] // self._n_vectors
        return [
            SimilarUser(
                rank,
                self._lookup.ids[users[first]].as_py(),
                float(found.scores[0, first]),
            )
            for rank, first in enumerate(_first_of_each(users)[:k], start=1)
        ]


def _require_distinct(user_ids: pa.Array) -> None:
    counts = user_ids.value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise ValueError(
            f"{len(repeated)} user ids are repeated (first: "
            f"{repeated[:NAMED_IN_ERRORS].to_pylist()}); user_embeddings has a row for "
            "each vector of a user: read it with read_user_vectors and pass the result "
            "to SimilarUsers.of"
        )


def _first_of_each(values: ItemIndices) -> ItemIndices:
    """Return the index of the first occurrence of each value, rising."""
    return np.sort(np.unique(values, return_index=True)[1])
