import pytest
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from two_tower import run_options
from two_tower.run_options import check_run_options

NOTHING = {
    "pipelines": [],
    "pipeline": None,
    "node_names": (),
    "from_nodes": [],
    "to_nodes": [],
    "from_inputs": [],
    "to_outputs": [],
    "tags": (),
    "namespaces": [],
    "runner": None,
    "runner_params": {},
    "is_async": False,
}


class OwnRunner(SequentialRunner):
    """A runner of one's own, with an argument of its own."""

    def __init__(self, cluster):
        super().__init__()
        self.cluster = cluster


@pytest.fixture(autouse=True)
def two_pipelines(monkeypatch):
    """A default pipeline of two nodes, and another one with the second of them."""
    read = Node(lambda raw: raw, "raw", "items", name="read", namespace="data")
    train = Node(lambda items: items, "items", "model", name="train", tags="gpu")
    both = Pipeline([read, train], tags="all")
    pipelines = {"__default__": both, "training": Pipeline([train])}
    monkeypatch.setattr(run_options, "pipelines", pipelines)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pipelines": ["training"], "node_names": ("train",), "to_outputs": ["model"]},
        {"pipeline": "training", "tags": ("gpu",), "from_inputs": ["items"]},
        {"from_nodes": ["data.read"], "to_nodes": ["train"], "namespaces": ["data"]},
        {"runner": "ParallelRunner", "runner_params": {"max_workers": 2}},
        {"runner": f"{__name__}.OwnRunner", "runner_params": {"cluster": "a"}},
    ],
    ids=str,
)
def test_names_and_runners_that_exist_are_accepted(options):
    check_run_options(NOTHING | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pipelines": ["trainig"]},
            "there is no pipeline 'trainig'; did you mean t",
        ),
        (
            {"pipeline": "x"},
            "there is no pipeline 'x'; choose one of __default__, t",
        ),
        ({"node_names": ("trian",)}, "there is no node 'trian'; did you mean train?"),
        ({"from_nodes": ["read"]}, "there is no node 'read'; did you mean data.read?"),
        ({"to_nodes": ["y"]}, "there is no node 'y'; choose one of data.read, train"),
        ({"from_inputs": ["itms"]}, "there is no dataset 'itms'; did you mean items?"),
        ({"to_outputs": ["modle"]}, "there is no dataset 'modle'; did you mean model?"),
        ({"tags": ("gpus",)}, "there is no tag 'gpus'; did you mean gpu?"),
        ({"namespaces": ["dat"]}, "there is no namespace 'dat'; did you mean data?"),
        (
            {"pipelines": ["training"], "to_outputs": ["raw"]},
            "pipeline training has no dataset 'raw'; choose one of items, model",
        ),
        (
            {"runner": "ParalelRunner"},
            "no runner 'ParalelRunner'; did you mean Par",
        ),
        (
            {"runner_params": {"max_workers": 2}},
            "there is no runner parameter 'max_workers'; choose one of is_async",
        ),
        (
            {"from_nodes": ["train"], "to_outputs": ["items"]},
            "no node fits --from-nodes and --to-outputs together; drop one of them",
        ),
        (
            {"node_names": ("train",), "namespaces": ["data"]},
            "no node fits --nodes and --namespaces together",
        ),
        (
            {"runner": "ParallelRunner", "runner_params": {"max_workers": "two"}},
            "gives max_workers=two; it must be a whole number of 1 or more",
        ),
        (
            {"runner": "ParallelRunner", "runner_params": {"max_workers": 0}},
            "gives max_workers=0; it must",
        ),
        (
            {"runner": "my.package.Runner"},
            "the runner 'my.package.Runner' can't be imp",
        ),
        ({"runner": "two_tower.cli.Nope"}, "the runner 'two_tower.cli.Nope' can't be "),
        ({"runner": "..a"}, "the runner '..a' can't be imported"),
        ({"runner": "os.path"}, "'os.path' is no class of a runner; choose one of Par"),
        ({"runner": "kedro.runner.AbstractRunner"}, "is no class of a runner"),
        ({"runner": "kedro.runner.ThreadRunner"}, "--async and ThreadRunner are not"),
        ({"is_async": True}, "--async and ThreadRunner are not supported"),
        ({"runner_params": {"is_async": True}}, "--async and ThreadRunner are not"),
        ({"runner": "ThreadRunner"}, "--async and ThreadRunner are not supported"),
    ],
    ids=str,
)
def test_other_names_and_threads_are_refused(options, message):
    with pytest.raises(ValueError, match=r"there|pipeline|runner|--") as caught:
        check_run_options(NOTHING | options)
    assert message in str(caught.value)
