"""Kedro hooks for the Keras back end, unread parameters and training checkpoints."""

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.pipeline.node import Node

from two_tower.backend import choose_backend, import_keras_quietly
from two_tower.training.checkpoints import CheckpointStore


class BackendHooks:
    """Select the Keras back end of `training.backend`, and import Keras quietly."""

    @hook_impl
    def after_catalog_created(self, parameters: dict[str, Any]) -> None:
        choose_backend(parameters.get("params:training.backend", "tensorflow"))

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        # Loading a model imports Keras before the node itself runs.
        if "gpu" in node.tags:
            import_keras_quietly()


class ParameterHooks:
    """Refuse parameters of a pipeline that no node reads, such as a misspelt group."""

    @hook_impl
    def after_catalog_created(self, parameters: dict[str, Any]) -> None:
        read = {
            name
            for part in pipelines.values()
            for name in part.datasets()
            if name.startswith("params:")
        }
        for name in sorted(parameters):
            root = name.split(".")[0]
            groups = sorted(group for group in read if _is_within(group, root))
            is_read = any(
                _is_within(name, group) or _is_within(group, name) for group in groups
            )
            if groups and not is_read:
                raise ValueError(
                    f"no node reads the parameter {name.removeprefix('params:')}; "
                    "choose one of "
                    f"{', '.join(group.removeprefix('params:') for group in groups)}"
                )


def _is_within(name: str, group: str) -> bool:
    return name == group or name.startswith(f"{group}.")


class CheckpointHooks:
    """Remove the checkpoint of a training once all outputs of its node are saved.

    Fingerprints do not cover the code, so a checkpoint that stayed would resume a
    finished training even after its code has changed. Removed any earlier, it would be
    lost to a save that fails.
    """

    def __init__(self) -> None:
        self._store: CheckpointStore | None = None

    @hook_impl
    def before_node_run(self, inputs: dict[str, Any]) -> None:
        self._store = inputs.get("params:training_checkpoints")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        if self._store is not None and dataset_name == node.outputs[-1]:
            self._store.clear()
