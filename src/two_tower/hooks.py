"""What Kedro calls around a run: the Keras back end, checkpoints, lineage."""

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from two_tower.backend import choose_backend, import_keras_quietly
from two_tower.training.checkpoints import CheckpointStore


class BackendHooks:
    """Run Keras on the back end that `training.backend` names, and start it quietly."""

    @hook_impl
    def after_catalog_created(self, parameters: dict[str, Any]) -> None:
        choose_backend(parameters.get("params:training.backend", "tensorflow"))

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        # Loading a model imports Keras before the node itself runs.
        if "gpu" in node.tags:
            import_keras_quietly()


class CheckpointHooks:
    """Remove a training's checkpoint once all that came of the training is saved.

    Were it kept, training again after a change of code would return the old result,
    since code is no part of a fingerprint. Were it removed any earlier, a save that
    fails would lose the training.
    """

    def __init__(self) -> None:
        self._store: CheckpointStore | None = None

    @hook_impl
    def before_node_run(self, inputs: dict[str, Any]) -> None:
        self._store = inputs.get("training_checkpoints")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        if self._store is not None and dataset_name == node.outputs[-1]:
            self._store.clear()
