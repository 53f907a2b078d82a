from pathlib import Path

import yaml
from kedro.validation import TypeExtractor

from two_tower.params import Seen
from two_tower.pipelines.recommendation.params import Recommendation
from two_tower.pipelines.recommendation.pipeline import create_pipeline

CONF = Path(__file__).parents[3] / "conf" / "base"


def test_the_pipeline_takes_an_index_and_users_and_gives_recommendations():
    pipeline = create_pipeline()
    assert pipeline.inputs() == {
        "item_index",
        "item_vocabulary",
        "user_embeddings",
        "histories",
        "interactions",
        "cold_queries",
        "params:evaluation.seen",
        "params:recommendation",
    }
    assert pipeline.outputs() == {"recommendations"}


def test_kedro_sees_the_type_of_the_parameters():
    types = TypeExtractor({"recommendation": create_pipeline()})
    assert types.extract_types_from_pipelines() == {
        "evaluation.seen": Seen,
        "recommendation": Recommendation,
    }


def test_the_parameters_in_conf_are_sound():
    text = (CONF / "parameters" / "recommendation.yml").read_text()
    parameters = Recommendation.model_validate(yaml.safe_load(text)["recommendation"])
    assert parameters.listed_users == "all"
