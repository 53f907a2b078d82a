import pytest
from kedro.pipeline import Node, Pipeline

from two_tower import hooks
from two_tower.hooks import BackendHooks, CheckpointHooks, ParameterHooks
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


@pytest.fixture
def one_group(monkeypatch):
    """A project whose only node reads the group `evaluation.report`."""
    node = Node(lambda report: report, "params:evaluation.report", "metrics")
    monkeypatch.setattr(hooks, "pipelines", {"__default__": Pipeline([node])})


def names(*parameters):
    return {f"params:{name}": None for name in parameters}


@pytest.mark.usefixtures("one_group")
def test_a_parameter_that_no_node_reads_is_refused_by_name():
    given = names("evaluation", "evaluation.report", "evaluation.repot")
    with pytest.raises(ValueError, match=r"evaluation\.repot; .* evaluation\.report$"):
        ParameterHooks().after_catalog_created(parameters=given)


@pytest.mark.usefixtures("one_group")
def test_options_of_a_group_and_parameters_of_no_pipeline_are_allowed():
    given = names("evaluation", "evaluation.report", "evaluation.report.k", "preset")
    ParameterHooks().after_catalog_created(parameters=given)


# covers: X17
def test_a_checkpoint_is_removed_once_the_last_output_of_its_training_is_saved(
    tmp_path,
):
    store = CheckpointStore(tmp_path)
    store.save(Checkpoint("of these data", {}, {}))
    training = Node(
        lambda store: (1, 2), "params:training_checkpoints", ["model", "history"]
    )
    checkpoint_hooks = CheckpointHooks()
    checkpoint_hooks.before_node_run(inputs={"params:training_checkpoints": store})
    checkpoint_hooks.after_dataset_saved(dataset_name="model", node=training)
    assert store.load("of these data")
    checkpoint_hooks.after_dataset_saved(dataset_name="history", node=training)
    assert store.load("of these data") is None
