from pathlib import Path

import yaml
from kedro.validation import TypeExtractor

from two_tower.pipelines.indexing.params import Indexing
from two_tower.pipelines.indexing.pipeline import create_pipeline

CONF = Path(__file__).parents[3] / "conf" / "base"


def test_the_pipeline_takes_embeddings_and_gives_an_index_and_its_report():
    pipeline = create_pipeline()
    assert pipeline.inputs() == {
        "item_embeddings",
        "user_embeddings",
        "params:lineage",
        "params:indexing",
    }
    assert pipeline.outputs() == {"item_index", "index_report"}


def test_kedro_sees_the_type_of_the_parameters():
    types = TypeExtractor({"indexing": create_pipeline()})
    assert types.extract_types_from_pipelines() == {"indexing": Indexing}


def test_the_parameters_in_conf_are_sound():
    text = (CONF / "parameters" / "indexing.yml").read_text()
    parameters = Indexing.model_validate(yaml.safe_load(text)["indexing"])
    assert parameters.recall_target >= 0.95
