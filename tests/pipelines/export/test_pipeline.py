from kedro.validation import TypeExtractor

from two_tower.pipelines.export.params import Export
from two_tower.pipelines.export.pipeline import create_pipeline


def test_the_pipeline_takes_a_model_and_gives_embeddings_and_the_query_tower():
    pipeline = create_pipeline()
    assert pipeline.inputs() == {
        "two_tower_model",
        "item_vocabulary",
        "histories",
        "user_vocabulary",
        "test_examples",
        "params:export",
    }
    # The query tower makes embeddings too, and is an output all the same.
    assert pipeline.outputs() | {"query_tower"} == {
        "query_tower",
        "item_embeddings",
        "user_embeddings",
        "test_queries",
    }


def test_kedro_sees_the_type_of_the_parameters():
    types = TypeExtractor({"export": create_pipeline()})
    assert types.extract_types_from_pipelines() == {"export": Export}


def test_all_of_export_asks_for_a_gpu():
    assert all(node.tags == {"gpu"} for node in create_pipeline().nodes)
