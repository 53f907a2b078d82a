from dataclasses import replace

import numpy as np
import pytest

from tests.index.fabricate import bundle_of, unit_vectors
from two_tower.index.bundle import replay_golden_queries


def test_item_ids_of_another_count_are_refused():
    vectors = unit_vectors(6)
    with pytest.raises(ValueError, match=r"6 vectors of 8 dimensions.* 5 item ids"):
        bundle_of(vectors, item_ids=range(5))


def test_an_index_of_other_scores_fails_the_golden_queries():
    bundle = bundle_of(unit_vectors(60))
    bundle.golden.found.scores[1, 0] -= 0.1
    with pytest.raises(ValueError, match=r"1 of 3 golden queries .*\(query 1: items"):
        replay_golden_queries(bundle)


def test_ties_may_change_ranks_in_golden_queries():
    bundle = bundle_of(np.tile(np.eye(1, 4, dtype=np.float32), (5, 1)))
    found = bundle.golden.found
    swapped = found._replace(indices=found.indices[:, ::-1])
    golden = replace(bundle.golden, found=swapped)
    replay_golden_queries(replace(bundle, golden=golden))
