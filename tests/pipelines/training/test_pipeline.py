import pytest
from kedro.validation import TypeExtractor

from two_tower.params import Seen
from two_tower.pipelines.training.pipeline import (
    create_pipeline,
    create_retraining_pipeline,
)
from two_tower.training.params import Training

pytestmark = pytest.mark.filterwarnings("ignore:The 'preview_fn' feature")


BOTH = pytest.mark.parametrize(
    ("create", "more"),
    [(create_pipeline, set()), (create_retraining_pipeline, {"deployed_query_tower"})],
)


@BOTH
def test_the_pipeline_takes_model_inputs_and_gives_a_model_with_its_history(
    create, more
):
    pipeline = create()
    assert pipeline.inputs() == more | {
        "train_sequences",
        "validation_examples",
        "item_features",
        "user_features",
        "item_vocabulary",
        "user_vocabulary",
        "explicit_negatives",
        "feature_schema",
        "leakage_audit",
        "params:training_checkpoints",
        "params:lineage",
        "params:training",
        "params:evaluation.seen",
    }
    assert pipeline.outputs() == {
        "two_tower_model",
        "learning_curves",
        "training_summary",
    }


@BOTH
def test_kedro_sees_the_type_of_the_parameters(create, more):
    types = TypeExtractor({"training": create()})
    assert types.extract_types_from_pipelines() == {
        "training": Training,
        "evaluation.seen": Seen,
    }


def test_only_training_asks_for_a_gpu():
    tags = {node.short_name: node.tags for node in create_pipeline().nodes}
    assert tags == {
        "measure_feature_information": {"cpu"},
        "train_two_tower": {"gpu"},
        "summarise_training": {"cpu"},
        "plot_learning_curves": {"cpu"},
    }
