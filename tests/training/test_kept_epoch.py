import pytest

from two_tower.training.kept_epoch import (
    describe_kept_epoch,
    find_kept_epoch,
    mark_kept,
)


def history(n, kept, **metrics):
    records = [{"epoch": number + 1, **metrics} for number in range(n)]
    mark_kept(records, kept)
    return records


@pytest.mark.parametrize(
    ("n", "kept", "sentence"),
    [
        (4, 4, "number 4 of 4, the last one: train longer, with a higher training.epo"),
        (1, 1, "number 1 of 1, the last one: train longer"),
        (8, 2, "number 2 of 8: a lower training.epochs may be as good"),
        (8, 7, "number 7 of 8."),
    ],
)
def test_the_best_epoch_says_whether_another_number_may_be_better(n, kept, sentence):
    found = history(n, kept, **{"val_ndcg@10": 0.5})
    assert find_kept_epoch(found) == kept
    assert sentence in describe_kept_epoch(found)


def test_without_validation_no_epoch_is_called_the_best():
    found = describe_kept_epoch(history(3, 3))
    assert found == "No validation: 3 epochs were trained, and the last is the model."
