"""Wiring of the simulation pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline recipe → simulated_archive, simulated_interests.

    Ingestion reads the archive as tables, which Kedro does not know to depend on it.
    Independent nodes run in alphabetical order: without a namespace, `build_archive`
    precedes `data.ingestion`.
    """
    return Pipeline(
        [
            Node(
                nodes.build_archive,
                inputs="params:simulation",
                outputs="simulated_archive",
                name="build_archive",
            ),
            Node(
                nodes.simulate_interests,
                inputs="params:simulation",
                outputs="simulated_interests",
                name="simulate_interests",
            ),
        ],
        tags="cpu",
    )
