import pytest
from pydantic import ValidationError

from tests.index.fabricate import annoy_over, unit_vectors
from two_tower.index.annoy import AnnoyTrees
from two_tower.index.exact import ExactIndex
from two_tower.index.registry import IndexBackend, open_index

ANNOY = {"n_trees": 3, "search_k": 100}


def test_a_back_end_is_chosen_by_its_kind():
    backend = IndexBackend.model_validate({"kind": "exact", "annoy": ANNOY})
    (index,) = backend.chosen.candidates(unit_vectors(5), k=10, seed=1)
    assert isinstance(index, ExactIndex)


def test_an_unknown_back_end_is_refused_with_the_registered_ones():
    with pytest.raises(ValidationError, match="'faiss'; choose one of annoy, exact"):
        IndexBackend.model_validate({"kind": "faiss", "annoy": ANNOY})


def test_a_saved_index_is_opened_by_its_kind(tmp_path):
    vectors = unit_vectors(50)
    annoy_over(vectors, n_trees=3).save(tmp_path)
    parameters = {"n_trees": 3, "search_k": 10, "at_k": 10}
    assert isinstance(open_index("annoy", tmp_path, vectors, parameters), AnnoyTrees)
    assert isinstance(open_index("exact", tmp_path, vectors, {}), ExactIndex)


def test_an_index_of_an_unregistered_kind_is_not_opened(tmp_path):
    with pytest.raises(ValueError, match="'faiss'; this version reads annoy, exact"):
        open_index("faiss", tmp_path, unit_vectors(5), {})
