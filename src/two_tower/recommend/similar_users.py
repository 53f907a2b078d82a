"""The users who are most like a user."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from two_tower.index.base import ItemIndices, normalise_queries
from two_tower.index.exact import search_exactly
from two_tower.index.vectors import UserVectors
from two_tower.query_vectors import with_vector_axis
from two_tower.recommend.ids import NAMED_IN_ERRORS, IdLookup
from two_tower.types import FloatArray


@dataclass(frozen=True)
class SimilarUser:
    """One place in a list of users.

    Attributes:
        rank: from 1.
        user_id: as the data gave it.
        score: cosine, in [-1, 1].
    """

    rank: int
    user_id: int | str
    score: float


class SimilarUsers:
    """Finds users by exact search among the users' vectors.

    Of users with several vectors, the nearest pair counts: they have that in common.
    """

    def __init__(self, user_ids: pa.Array, vectors: FloatArray) -> None:
        """Make ready to answer.

        Args:
            user_ids: `[N]` int64 or string.
            vectors: `[N, D]` or `[N, V, D]` float32, the users' query vectors.

        Raises:
            ValueError: if there are not as many ids as vectors, an id is repeated, or a
                vector is zero.
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
        """Return the finder over these users, as `read_user_vectors` gives them."""
        return cls(users.user_ids, users.vectors)

    def nearest(self, user_id: int | str, k: int) -> list[SimilarUser]:
        """Return at most `k` users nearest to a user, that one left out.

        Raises:
            ValueError: if the user is unknown.
        """
        (user,) = self._lookup.require([user_id])
        own = user * self._n_vectors + np.arange(self._n_vectors)
        others = np.delete(np.arange(len(self._vectors)), own)
        # So many vectors belong to k users at least.
        n_found = min(k * self._n_vectors, len(others))
        query = self._vectors[own][np.newaxis]
        found = search_exactly(query, self._vectors, n_found, among=others)
        nearest = _first_of_each(found.indices[0] // self._n_vectors)[:k]
        return [
            SimilarUser(
                rank,
                self._lookup.ids[found.indices[0, place] // self._n_vectors].as_py(),
                float(found.scores[0, place]),
            )
            for rank, place in enumerate(nearest, start=1)
        ]


def _require_distinct(user_ids: pa.Array) -> None:
    counts = user_ids.value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise ValueError(
            f"{len(repeated)} user ids stand there more than once (first: "
            f"{repeated[:NAMED_IN_ERRORS].to_pylist()}); user_embeddings has a row for "
            "each vector of a user: read it with read_user_vectors and give the "
            "users to SimilarUsers.of"
        )


def _first_of_each(values: ItemIndices) -> ItemIndices:
    """Return the places at which a value stands for the first time, rising."""
    return np.sort(np.unique(values, return_index=True)[1])
