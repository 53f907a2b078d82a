"""Wiring of the simulation pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline recipe → simulated_archive, simulated_interests."""
    return Pipeline(
        [
            Node(
                nodes.simulate_archive,
                inputs="params:simulation",
                outputs="simulated_archive",
                name="simulate_archive",
            ),
            Node(
                nodes.simulate_interests,
                inputs="params:simulation",
                outputs="simulated_interests",
                name="simulate_interests",
            ),
        ],
        tags="cpu",
        namespace="simulation",
        prefix_datasets_with_namespace=False,
    )
