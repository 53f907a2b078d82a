from pathlib import Path

import ibis
import pyarrow as pa
import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro.validation import TypeExtractor

from tests.evaluation.fabricate import GROUPS, SPLIT_REPORT, World
from tests.evaluation.fabricate import parameters as group_of
from two_tower.lineage import graph
from two_tower.lineage.hooks import LineageHooks
from two_tower.lineage.records import LineageStore
from two_tower.pipelines.evaluation.pipeline import create_pipeline

CONF = Path(__file__).parents[3] / "conf"


def test_the_pipeline_has_metrics_and_plots_as_outputs():
    pipeline = create_pipeline()
    assert pipeline.inputs() == {
        "test_queries",
        "test_examples",
        "train_sequences",
        "item_embeddings",
        "item_index",
        "item_vocabulary",
        "user_vocabulary",
        "split_report",
        "training_summary",
        "params:evaluation.ranking",
        "params:evaluation.ranking.item_block",
        "params:evaluation.baselines",
        "params:evaluation.report",
        "params:evaluation.report.headline",
        "params:evaluation.interests",
        "params:evaluation.seen",
    }
    assert pipeline.outputs() == {"report", "hit_rates_plot", "slices_plot"}


def test_kedro_sees_the_types_of_the_parameters():
    types = TypeExtractor({"evaluation": create_pipeline()})
    assert types.extract_types_from_pipelines() == {
        f"evaluation.{name}": group for name, group in GROUPS.items()
    }


def test_the_parameters_in_conf_are_valid():
    loader = OmegaConfigLoader(
        str(CONF),
        base_env="base",
        config_patterns={"parameters": ["parameters/evaluation.yml"]},
    )
    found = {
        name: GROUPS[name].model_validate(group)
        for name, group in loader["parameters"]["evaluation"].items()
    }
    assert found["ranking"].cutoffs == (1, 5, 10, 50, 100, 200)
    assert found["report"].dataset == "simulated"
    assert found["report"].headline in found["ranking"].cutoffs


@pytest.fixture
def catalog(tmp_path):
    """The pipeline's own catalog, with its data in a scratch folder."""
    conf = tmp_path / "conf" / "base"
    conf.mkdir(parents=True)
    catalog = CONF / "base" / "catalog" / "evaluation.yml"
    (conf / "catalog.yml").write_text(catalog.read_text())
    known = yaml.safe_load((CONF / "base" / "globals.yml").read_text())
    (conf / "globals.yml").write_text(yaml.safe_dump(known | {"data": str(tmp_path)}))
    config = OmegaConfigLoader(str(conf.parent), base_env="base")
    return DataCatalog.from_config(config["catalog"])


def parameter(name, **changes):
    """The value of a node's input `params:evaluation.<group>[.<option>]`."""
    group, _, option = name.removeprefix("params:evaluation.").partition(".")
    value = group_of(group, **changes.get(group, {}))
    return getattr(value, option) if option else value


def test_the_pipeline_runs_through_its_catalog(catalog, tmp_path):
    world = World()
    for name in create_pipeline().inputs():
        if name.startswith("params:"):
            catalog[name] = parameter(name)
        elif name != "split_report":
            catalog[name] = MemoryDataset(getattr(world, name), copy_mode="assign")
    catalog["split_report"] = SPLIT_REPORT
    SequentialRunner().run(create_pipeline(), catalog)
    folder = tmp_path / "08_reporting" / "simulated"
    assert catalog["metrics"].load()["protocol"]["n_queries"] == 12
    assert "# Evaluation on small world" in (folder / "report.md").read_text()
    assert len(catalog["interests"].load()["users"]) == 3
    assert "layout" in catalog["hit_rates_plot"].preview()
    assert "layout" in catalog["slices_plot"].preview()


def test_where_nothing_is_held_out_the_outputs_say_so(catalog, tmp_path):
    world = World()
    for name in create_pipeline().inputs():
        if name.startswith("params:"):
            catalog[name] = parameter(name)
        elif name != "split_report":
            catalog[name] = MemoryDataset(getattr(world, name), copy_mode="assign")
    catalog["split_report"] = SPLIT_REPORT | {"kind": "none"}
    for name in ("test_examples", "test_queries"):
        empty = getattr(world, name).limit(0)
        catalog[name] = MemoryDataset(empty, copy_mode="assign")
    SequentialRunner().run(create_pipeline(), catalog)
    assert set(catalog["metrics"].load()) == {"dataset", "not_evaluated"}
    report = (tmp_path / "08_reporting" / "simulated" / "report.md").read_text()
    assert report.startswith("# No evaluation on small world")
    assert "sequencing.split.kind is none" in report
    assert "nothing is held out" in str(catalog["hit_rates_plot"].preview())
    assert catalog["two_tower_ranks"].load().count().execute() == 0
    assert catalog["interests"].load() == {}


class Source(MemoryDataset):
    """A dataset that no node makes, with a constant fingerprint."""

    def fingerprint(self):
        return "source"


def fingerprints(folder, monkeypatch, **changes):
    """Return the fingerprint of each output of a run with changed parameters."""
    pipeline, world = create_pipeline(), World()
    monkeypatch.setattr(graph, "pipelines", {"__default__": pipeline})
    store = LineageStore(folder)
    catalog = DataCatalog({"params:lineage": MemoryDataset(store, copy_mode="assign")})
    for name in pipeline.inputs():
        if name.startswith("params:"):
            catalog[name] = parameter(name, **changes)
        else:
            value = getattr(world, name, SPLIT_REPORT)
            catalog[name] = Source(value, copy_mode="assign")
    for name in pipeline.all_outputs():
        catalog[name] = InMemoryTable(copy_mode="assign")
    manager = _create_hook_manager()
    manager.register(LineageHooks())
    SequentialRunner().run(pipeline, catalog, manager, run_id="run")
    return {name: store.fingerprint(name) for name in pipeline.all_outputs()}


class InMemoryTable(MemoryDataset):
    """Returns a saved Arrow table as an ibis table, as a table of the catalog does."""

    def load(self):
        data = super().load()
        return ibis.memtable(data) if isinstance(data, pa.Table) else data


RANKS = {"two_tower_ranks", "two_tower_exposure", "baseline_ranks", "baseline_exposure"}
REPORTS = {"metrics", "report", "hit_rates_plot", "slices_plot"}


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"report": {"dataset": "renamed"}}, REPORTS),
        ({"report": {"headline": 10}}, REPORTS | {"interests"}),
        ({"interests": {"users": 1}}, {"interests", "report"}),
        ({"ranking": {"cutoffs": [5, 10]}}, REPORTS | RANKS),
        (
            {"baselines": {"ease": {"l2": 3.0, "max_items": 30}}},
            REPORTS | {"baseline_ranks", "baseline_exposure"},
        ),
    ],
)
def test_an_option_changes_the_fingerprints_of_what_reads_it(
    changes, changed, tmp_path, monkeypatch
):
    before = fingerprints(tmp_path / "before", monkeypatch)
    after = fingerprints(tmp_path / "after", monkeypatch, **changes)
    assert {name for name in before if before[name] != after[name]} == changed
