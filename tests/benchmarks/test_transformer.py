import pytest

from benchmarks.records import CURRENT
from benchmarks.transformer import STUDY, VARIANTS, notes, seconds_to
from benchmarks.variants import table
from tests.benchmarks.resolved import training_of

RUN = {
    "variant": "base",
    "validation": dict.fromkeys(("hr@10", "ndcg@10", "hr@50", "hr@200"), 0.25),
    "test": dict.fromkeys(("hr@10", "ndcg@10", "hr@50", "hr@200"), 0.2),
    "best_epoch": 4,
    "epoch_seconds": [11.0, 10.0, 10.0, 10.0, 10.0],
    "epoch_hr@10": [None, 0.2, None, 0.31, 0.3],
    "load_before": 0.5,
    "request_time": False,
}


@pytest.fixture(scope="module")
def base():
    return training_of(STUDY, "base")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_valid_parameters_that_differ_from_the_base(variant, base):
    found = training_of(STUDY, variant)
    assert (found == base) == (variant == "base")
    entries = notes(found, {"temperature": 0.05})
    assert entries["request_time"] == variant.endswith("-request")


def test_the_base_has_the_parameters_of_the_environment(base):
    assert base.batches.tokens_per_batch == 6400


def test_seconds_count_up_to_the_first_validation_at_the_target():
    assert seconds_to(RUN, 0.2) == 21.0
    assert seconds_to(RUN, 0.3) == 41.0
    assert seconds_to(RUN, 0.4) is None


def columns_of(*runs):
    head, _, row = table(STUDY, {("base", CURRENT): runs}).splitlines()
    cells = (line.strip("| ").split(" | ") for line in (head, row))
    return dict(zip(*cells, strict=True))


def test_the_table_has_epochs_seconds_and_metrics():
    found = columns_of(RUN, RUN | {"epoch_seconds": [21.0, 20.0, 20.0, 20.0, 20.0]})
    assert found["epochs"] == "5.0"
    assert found["training, s"] == "76"
    assert found["to the best epoch, s"] == "61"
    assert found["to validation HR@10 0.30, s"] == "61"
    assert found["validation NDCG@10"] == "0.2500"
    assert found["test HR@200"] == "0.2000"


def test_the_table_says_whether_request_time_is_known():
    assert columns_of(RUN)["request time"] == "no"
    assert columns_of(RUN | {"request_time": True})["request time"] == "known"


def test_a_target_missed_by_one_training_has_no_time():
    found = columns_of(RUN, RUN | {"epoch_hr@10": [None, 0.2, None, 0.29, 0.29]})
    assert found["to validation HR@10 0.30, s"] == "never"
