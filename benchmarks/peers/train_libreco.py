"""Train LibRecommender's TwoTower on the benchmark's pairs, in its own environment.

All settings are its defaults: embeddings of 16, layers of 128, 64 and 32 with batch
norm, Adam 1e-3, batches of 256, in-batch softmax corrected by item frequencies.
`--recommended` follows its documentation: unit vectors and a temperature in the middle
of the typical range, 0.1.

User features are sparse columns; one multi-valued field has all genres of an item,
where the library's own MovieLens examples keep three. Training prints and evaluates
nothing; the process itself makes the batches, the default (`num_workers=0`).
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
import pandas as pd
from libreco.algorithms import TwoTower
from libreco.data import DatasetFeat
from libreco.training import tf_trainer

MISSING = 0


def read_pairs(data: dict[str, np.ndarray]) -> tuple[pd.DataFrame, dict[str, list]]:
    """Return one row per pair with its features, and the roles of columns."""
    user_columns = [str(name) for name in data["user_feature_names"]]
    item_columns = [f"genre{i}" for i in range(1, data["genres"].shape[1] + 1)]
    users, items = data["users"], data["items"]
    frame = pd.DataFrame({"user": users, "item": items, "label": 1})
    frame[user_columns] = data["user_features"][users]
    frame[item_columns] = data["genres"][items]
    return frame, {
        "user_col": user_columns,
        "item_col": item_columns,
        "sparse_col": user_columns,
        "multi_sparse_col": [item_columns],
    }


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Append the seconds of the block."""
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)


def main() -> None:
    """Read pairs, train, and write vectors and seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--recommended", action="store_true")
    arguments = parser.parse_args()

    with np.load(arguments.data) as data:
        pairs, columns = read_pairs(dict(data))
        n_users, n_items = len(data["user_features"]), len(data["genres"])
    train_data, info = DatasetFeat.build_trainset(pairs, pad_val=MISSING, **columns)
    if (info.n_users, info.n_items) != (n_users, n_items):
        raise SystemExit("every user and item must be in a training pair")
    del pairs

    # The trainer uses it only around an epoch's loop over batches.
    epoch_seconds: list[float] = []
    tf_trainer.time_block = lambda *_: timed(epoch_seconds)
    options = {"norm_embed": True, "temperature": 0.1} if arguments.recommended else {}
    model = TwoTower(
        "ranking", info, n_epochs=arguments.epochs, seed=arguments.seed, **options
    )
    model.fit(train_data, neg_sampling=True, verbose=0, shuffle=True)
    np.savez(
        arguments.out,
        # Ids run from 0 without gaps, so the library numbers them alike.
        users=model.user_embeds_np[:n_users],
        items=model.item_embeds_np[:n_items],
        epoch_seconds=epoch_seconds,
        versions=[f"{name} {version(name)}" for name in PACKAGES],
    )


PACKAGES = ("LibRecommender", "tensorflow-cpu", "torch", "numpy")

if __name__ == "__main__":
    main()
