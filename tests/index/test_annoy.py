import numpy as np
import pytest

from tests.index.fabricate import annoy_over, unit_vectors
from two_tower.index.annoy import FILE_NAME, AnnoyParams
from two_tower.index.base import NO_ITEM
from two_tower.index.exact import search_exactly


# covers: N16
def test_an_exhaustive_search_of_the_trees_is_exact_search():
    items, queries = unit_vectors(200), unit_vectors(5, seed=1)
    found = annoy_over(items, n_trees=4, search_k=100_000).search(queries, 30)
    exact = search_exactly(queries, items, 30)
    np.testing.assert_array_equal(found.indices, exact.indices)
    np.testing.assert_array_equal(found.scores, exact.scores)
    assert found.scores.dtype == np.float32


@pytest.mark.parametrize("n_items", [1, 2, 9])
def test_ranks_beyond_the_catalogue_are_empty(n_items):
    found = annoy_over(unit_vectors(n_items)).search(unit_vectors(2, seed=1), 10)
    assert ((found.indices != NO_ITEM).sum(axis=1) == n_items).all()
    assert (found.scores[:, n_items:] == -np.inf).all()


# covers: X12
def test_a_seed_always_gives_the_same_bytes_and_another_seed_others(tmp_path):
    items = unit_vectors(300)
    files = []
    for i, seed in enumerate([7, 7, 8]):
        (tmp_path / str(i)).mkdir()
        annoy_over(items, seed=seed).save(tmp_path / str(i))
        files.append((tmp_path / str(i) / FILE_NAME).read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_longer_list_than_tuned_for_inspects_more_nodes():
    items, queries = unit_vectors(2000), unit_vectors(20, seed=1)
    index = annoy_over(items, n_trees=1, search_k=10, at_k=10)
    # 10 nodes hold a leaf or two; a list 50 times as long inspects 500.
    n_found = (index.search(queries, 500).indices != NO_ITEM).sum(axis=1)
    assert n_found.min() >= 400


def test_an_opened_index_answers_as_the_saved_one(tmp_path):
    items, queries = unit_vectors(200), unit_vectors(5, seed=1)
    built = annoy_over(items, n_trees=3, search_k=30)
    built.save(tmp_path)
    opened = AnnoyParams.open(tmp_path, items, built.parameters)
    assert opened.parameters == {"n_trees": 3, "search_k": 30, "at_k": 10}
    np.testing.assert_array_equal(
        opened.search(queries, 8).indices, built.search(queries, 8).indices
    )


def test_a_file_without_a_forest_of_this_dimension_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"x" * 77)
    with pytest.raises(ValueError, match="not an Annoy index of 8 dimensions"):
        AnnoyParams.open(tmp_path, unit_vectors(5), {"n_trees": 3})


def test_a_forest_of_another_size_is_refused(tmp_path):
    annoy_over(unit_vectors(50), n_trees=3).save(tmp_path)
    with pytest.raises(ValueError, match="holds 3 trees, but was built with 4"):
        AnnoyParams.open(tmp_path, unit_vectors(50), {"n_trees": 4})


def test_candidates_are_ordered_by_trees_and_then_by_search_effort():
    params = AnnoyParams(n_trees=[4, 2], search_k=[900, 20, 100])
    tried = list(params.candidates(unit_vectors(400), k=10, seed=1))
    settings = [(index.parameters["n_trees"], index.search_k) for index in tried]
    assert settings == [(2, 20), (2, 100), (2, 900), (4, 20), (4, 100), (4, 900)]
    assert {index.at_k for index in tried} == {10}


def test_no_search_beyond_the_whole_forest_is_tried():
    # Two trees over 30 items have 60 leaf items to inspect.
    params = AnnoyParams(n_trees=2, search_k=[10, 100, 1000, 10_000])
    tried = params.candidates(unit_vectors(30), k=10, seed=1)
    assert [index.search_k for index in tried] == [10, 100]
