import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.interests import (
    compare,
    figures_of,
    parameters_of,
    ranks_file,
    read_records,
    table,
)


def keep(folder, settings, ranks, by_vector):
    """Keep the ranks of one positive for each of some users."""
    file = ranks_file(folder, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, ranks=ranks, by_vector=by_vector, offsets=np.arange(len(ranks) + 1))
    return file


def record(variant, seed, settings, hits=0.5):
    figures = dict.fromkeys(("hr@10", "ndcg@10", "hr@50", "hr@200"), hits)
    shared = dict.fromkeys(("shared_hr@50", "shared_hr@200"), hits)
    return {
        "variant": variant,
        "seed": seed,
        "epochs": 3,
        "settings": settings,
        "validation": figures,
        "test": figures | shared,
        "heads": 8,
        "head_posterior_min": 0.1,
        "epoch_seconds": [10.0, 12.0],
    }


def test_vectors_share_as_many_candidates_as_one_vector_has(tmp_path):
    # Of 50 candidates each of two vectors has 25: ranks from 0 to 24 are among them.
    ranks, by_vector = [30, 20, 49], [[24, 25, 60], [90, 25, 60]]
    found = figures_of(keep(tmp_path, "one", ranks, by_vector))
    assert found["hr@50"].tolist() == [1, 1, 1]
    assert found["shared_hr@50"].tolist() == [1, 0, 0]


def test_one_vector_has_all_candidates_for_itself(tmp_path):
    found = figures_of(keep(tmp_path, "one", [9, 49, 50], [[9, 49, 50]]))
    for k in (10, 50, 200):
        np.testing.assert_array_equal(found[f"shared_hr@{k}"], found[f"hr@{k}"])


@pytest.fixture
def arguments(tmp_path):
    keep(tmp_path, "a", [5, 5], [[5, 5]])
    keep(tmp_path, "b", [5, 60], [[5, 60]])
    lines = [
        record("base", 1, "a"),
        record("one-vector", 1, "b"),
        record("base", 2, "c"),
    ]
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return SimpleNamespace(
        variants=["base", "one-vector"],
        seeds=[1, 2],
        epochs=3,
        work=tmp_path,
        results=results,
    )


def test_variants_are_compared_over_the_seeds_that_both_have(arguments):
    found = compare(arguments)
    assert found["seeds"] == [1]
    assert found["differences"]["hr@50"]["mean"] == 0.5
    assert found["differences"]["hr@200"]["mean"] == 0


def test_without_a_common_seed_it_is_said_what_to_run(arguments):
    arguments.seeds = [2]
    with pytest.raises(ValueError, match="no ranks of base and one-vector after 3"):
        compare(arguments)


def test_the_table_has_a_row_per_variant_the_best_of_validation_first(arguments):
    records = [*read_records(arguments.results), record("unique", 1, "d", hits=0.6)]
    rows = [line.split(" | ") for line in table(records, 3).splitlines()[2:]]
    assert [row[0].strip("| ") for row in rows] == ["unique", "base", "one-vector"]
    assert rows[1][1] == "2"
    assert [cell.strip(" |") for cell in rows[1][-2:]] == ["0.80", "22"]


def test_variants_change_the_preset_and_nothing_else():
    assert parameters_of("one-vector", 2, 3) == {
        "preset": "multi-interest",
        "training.seed": 2,
        "training.epochs": 3,
        "training.histories.multi_interest.n_vectors": 1,
    }
