"""Compare the heads of `multi-interest` with the interests of simulated users.

After `kedro run --pipelines simulation` and `kedro run --params preset=multi-interest`,
`python -m benchmarks.recovered` prints the mutual information between the head of a
rated item and the interest behind the rating.
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
    """Print the normalised mutual information of interests and heads per router."""
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT) as session:
        catalog = session.load_context().catalog  # type: ignore[attr-defined]
        towers = catalog.load("two_tower_model")
        vocabulary = catalog.load("item_vocabulary").order_by("item")
        interests = catalog.load("simulated_interests")
    of_interest = interests.filter(interests.interest.notnull())
    ratings = of_interest.inner_join(
        vocabulary, of_interest.movie_id == vocabulary.item_id
    ).select("item", "interest")
    rows = ratings.to_pyarrow()
    _, interest = np.unique(rows["interest"].to_numpy(), return_inverse=True)
    item = rows["item"].to_numpy() - FIRST_ID

    ids = np.arange(FIRST_ID, towers.item_tower.n_entities, dtype=np.int32)
    encoder = towers.history_encoder
    routed = {
        "item router": encoder.item_router.log_probabilities(towers.item_tower(ids)),
        "category router": encoder.category_log_probabilities(ids, towers.item_tower),
    }
    information = {
        name: normalised_information(np.asarray(logs).argmax(axis=1)[item], interest)
        for name, logs in routed.items()
    }
    result = {
        "ratings": len(item),
        "interests": len(np.unique(interest)),
        "heads": encoder.n_heads,
        "normalised mutual information": information,
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def normalised_information(
    one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]
) -> float:
    """Return mutual information of two labellings over their mean entropy, 0 to 1.

    Args:
        one: `[n]` int, a label per rating.
        other: `[n]` int, another label per rating.
    """
    columns = np.column_stack([one, other])
    matrix = mutual_information(columns, np.ones(len(columns), np.int64))
    return float(matrix[0, 1] / ((matrix[0, 0] + matrix[1, 1]) / 2))


if __name__ == "__main__":
    main()
