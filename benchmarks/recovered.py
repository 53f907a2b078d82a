"""Do heads find the interests that the simulator gave its users?

`kedro run --pipelines simulation` makes the data and the truth, `kedro run --params
preset=multi-interest` the model; `python -m benchmarks.recovered` prints how much the
head that an item is routed to tells of the interest that the rating followed.
"""

import json
import sys

import numpy as np
import numpy.typing as npt
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.project import ROOT
from two_tower.features.mutual_information import mutual_information
from two_tower.types import FIRST_ID


def main() -> None:
    """Print the normalised mutual information of interests and heads, by router."""
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT) as session:
        catalog = session.load_context().catalog  # type: ignore[attr-defined]
        towers = catalog.load("two_tower_model")
        vocabulary = catalog.load("item_vocabulary").order_by("item")
        interests = catalog.load("simulated_interests")
    followed = interests.filter(interests.interest.notnull())
    ratings = followed.inner_join(
        vocabulary, followed.movie_id == vocabulary.item_id
    ).select("item", "interest")
    rows = ratings.to_pyarrow()
    _, interest = np.unique(rows["interest"].to_numpy(), return_inverse=True)
    item = rows["item"].to_numpy() - FIRST_ID

    ids = np.arange(FIRST_ID, towers.item_tower.n_entities, dtype=np.int32)
    encoder = towers.history_encoder
    routed = {
        "item router": encoder.item_router.log_probabilities(towers.item_tower(ids)),
        "category router": encoder.category_router.log_probabilities(
            towers.categories(ids)
        ),
    }
    found = {
        name: normalised_information(np.asarray(logs).argmax(axis=1)[item], interest)
        for name, logs in routed.items()
    }
    result = {
        "ratings": len(item),
        "interests": len(np.unique(interest)),
        "heads": encoder.n_heads,
        "normalised mutual information": found,
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def normalised_information(
    one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]
) -> float:
    """Return the mutual information of two labellings over their mean entropy.

    Args:
        one: `[n]` int, a label of each rating.
        other: `[n]` int.
    """
    columns = np.column_stack([one, other])
    matrix = mutual_information(columns, np.ones(len(columns), np.int64))
    return float(matrix[0, 1] / ((matrix[0, 0] + matrix[1, 1]) / 2))


if __name__ == "__main__":
    main()
