"""Registry of the index back ends; a new one is a field here and a line of YAML."""

from collections.abc import Mapping
from pathlib import Path

from two_tower.index.annoy import AnnoyParams
from two_tower.index.base import Index, IndexParams
from two_tower.index.exact import ExactParams
from two_tower.params import OneOf
from two_tower.types import FloatArray


class IndexBackend(OneOf[IndexParams]):
    """Back end of the item index."""

    annoy: AnnoyParams
    exact: ExactParams = ExactParams()


def open_index(
    kind: str, folder: Path, vectors: FloatArray, parameters: Mapping[str, int]
) -> Index:
    """Return the index of this kind that a folder holds; see `IndexParams.open`.

    Raises:
        ValueError: if no such kind is registered, or the file is not such an index.
    """
    if kind not in IndexBackend.kinds():
        raise ValueError(
            f"{folder} was built with the back end {kind!r}; this version reads "
            f"{', '.join(IndexBackend.kinds())}"
        )
    params: type[IndexParams] = IndexBackend.model_fields[kind].annotation  # type: ignore[assignment]
    return params.open(folder, vectors, parameters)
