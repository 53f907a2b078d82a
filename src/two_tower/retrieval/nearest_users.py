"""The users who are most like a user."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from two_tower.retrieval.exact import search_exactly
from two_tower.retrieval.index import normalise_queries
from two_tower.retrieval.lookup import IdLookup
from two_tower.types import FloatArray


@dataclass(frozen=True)
class NearUser:
    """One place in a list of users.

    Attributes:
        rank: from 1.
        user_id: as the data gave it.
        score: cosine, in [-1, 1].
    """

    rank: int
    user_id: int | str
    score: float


class NearestUsers:
    """Finds users by exact search among the users' vectors."""

    def __init__(self, user_ids: pa.Array, vectors: FloatArray) -> None:
        """Make ready to answer.

        Args:
            user_ids: `[N]` int64 or string.
            vectors: `[N, D]` float32, the users' query vectors.

        Raises:
            ValueError: if there are not as many ids as vectors, or a vector is zero.
        """
        if len(user_ids) != len(vectors):
            raise ValueError(
                f"there are {len(user_ids)} user ids and {len(vectors)} vectors"
            )
        self._lookup = IdLookup(user_ids, what="users", where="user_embeddings")
        self._vectors = normalise_queries(vectors, vectors.shape[1])

    def nearest(self, user_id: int | str, k: int) -> list[NearUser]:
        """Return at most `k` users nearest to a user, that one left out.

        Raises:
            ValueError: if the user is unknown.
        """
        (own,) = self._lookup.require([user_id])
        others = np.delete(np.arange(len(self._vectors)), own)
        query = self._vectors[[own]]
        found = search_exactly(query, self._vectors, min(k, len(others)), among=others)
        places = zip(found.positions[0].tolist(), found.scores[0].tolist(), strict=True)
        return [
            NearUser(rank, self._lookup.ids[position].as_py(), score)
            for rank, (position, score) in enumerate(places, start=1)
        ]
