import pytest
from kedro.pipeline import Node

from two_tower import hooks
from two_tower.hooks import BackendHooks, CheckpointHooks
from two_tower.training.checkpoints import Checkpoint, CheckpointStore


@pytest.mark.parametrize(
    ("parameters", "backend"),
    [({"params:training.backend": "jax"}, "jax"), ({}, "tensorflow")],
)
def test_keras_runs_on_the_backend_of_the_parameters(monkeypatch, parameters, backend):
    chosen = []
    monkeypatch.setattr(hooks, "choose_backend", chosen.append)
    BackendHooks().after_catalog_created(parameters=parameters)
    assert chosen == [backend]


@pytest.mark.parametrize(("tag", "n_imports"), [("gpu", 1), ("cpu", 0)])
def test_keras_is_imported_quietly_for_gpu_nodes_only(monkeypatch, tag, n_imports):
    imports = []
    monkeypatch.setattr(hooks, "import_keras_quietly", lambda: imports.append("keras"))
    node = Node(lambda model: model, "model", "vectors", name="export", tags=tag)
    BackendHooks().before_dataset_loaded(node=node)
    assert len(imports) == n_imports


# covers: X17
def test_a_checkpoint_is_removed_once_the_last_output_of_its_training_is_saved(
    tmp_path,
):
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint("of these data", {}, {}))
    training = Node(lambda store: (1, 2), "training_checkpoints", ["model", "history"])
    checkpoint_hooks = CheckpointHooks()
    checkpoint_hooks.before_node_run(inputs={"training_checkpoints": store})
    checkpoint_hooks.after_dataset_saved(dataset_name="model", node=training)
    assert store.load("of these data")
    checkpoint_hooks.after_dataset_saved(dataset_name="history", node=training)
    assert store.load("of these data") is None
