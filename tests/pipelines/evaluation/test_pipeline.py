from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro.validation import TypeExtractor

from tests.evaluation.fabricate import SPLIT_REPORT, World, parameters
from two_tower.pipelines.evaluation.params import Evaluation
from two_tower.pipelines.evaluation.pipeline import create_pipeline

CONF = Path(__file__).parents[3] / "conf"


def test_the_pipeline_takes_what_others_made_and_gives_metrics_and_plots():
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
        "params:evaluation",
    }
    assert pipeline.outputs() == {"report", "hit_rates_plot", "slices_plot"}


def test_kedro_sees_the_type_of_the_parameters():
    types = TypeExtractor({"evaluation": create_pipeline()})
    assert types.extract_types_from_pipelines() == {"evaluation": Evaluation}


def test_the_parameters_in_conf_are_sound():
    loader = OmegaConfigLoader(
        str(CONF),
        base_env="base",
        config_patterns={"parameters": ["parameters/evaluation.yml"]},
    )
    parameters = Evaluation.model_validate(loader["parameters"]["evaluation"])
    assert parameters.cutoffs == (1, 5, 10, 50, 100, 200)
    assert parameters.dataset == "simulated"


def test_every_output_is_in_the_catalog_with_a_layer():
    text = (CONF / "base" / "catalog" / "evaluation.yml").read_text()
    catalog = {
        name: entry
        for name, entry in yaml.safe_load(text).items()
        if not name.startswith("_")
    }
    assert catalog.keys() == create_pipeline().all_outputs()
    for entry in catalog.values():
        assert entry["metadata"]["kedro-viz"] == {"layer": "reporting"}
    assert catalog["metrics"]["filepath"].endswith("${globals:dataset}/metrics.json")
    assert "versioned" not in catalog["metrics"]


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


def test_the_pipeline_runs_through_its_catalog(catalog, tmp_path):
    world = World()
    for name in create_pipeline().inputs() - {"split_report", "params:evaluation"}:
        catalog[name] = MemoryDataset(getattr(world, name), copy_mode="assign")
    catalog["split_report"] = SPLIT_REPORT
    catalog["params:evaluation"] = parameters()
    SequentialRunner().run(create_pipeline(), catalog)
    folder = tmp_path / "08_reporting" / "simulated"
    assert catalog["metrics"].load()["protocol"]["n_queries"] == 12
    assert "# Evaluation on small world" in (folder / "report.md").read_text()
    assert len(catalog["interests"].load()["users"]) == 3
    assert "layout" in catalog["hit_rates_plot"].preview()
    assert "layout" in catalog["slices_plot"].preview()
