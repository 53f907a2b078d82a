from kedro.validation import TypeExtractor

from two_tower.features.registry import Features
from two_tower.pipelines.export.params import Chunks, QueryTowerParams
from two_tower.pipelines.export.pipeline import (
    create_embedding_pipeline,
    create_pipeline,
)


def test_the_pipeline_takes_a_model_and_gives_embeddings_and_the_query_tower():
    pipeline = create_pipeline()
    assert pipeline.inputs() == {
        "two_tower_model",
        "item_vocabulary",
        "user_vocabulary",
        "feature_vocabulary",
        "feature_schema",
        "histories",
        "params:lineage",
        "test_examples",
        "params:sequencing.features",
        "params:export.query_tower",
        "params:export.chunks",
    }
    # Other nodes read the query tower, so Kedro does not count it as an output.
    assert pipeline.outputs() | {"query_tower"} == {
        "query_tower",
        "item_embeddings",
        "user_embeddings",
        "test_queries",
        "cold_queries",
    }


def test_embeddings_come_from_the_query_tower_alone():
    inputs = create_embedding_pipeline().inputs()
    assert "two_tower_model" not in inputs
    assert "item_vocabulary" not in inputs


# covers: A52
def test_item_embeddings_can_be_exported_alone():
    alone = create_pipeline().only_nodes("model.export.export_item_embeddings")
    assert alone.inputs() == {"query_tower", "params:export.chunks"}
    assert alone.outputs() == {"item_embeddings"}


def test_kedro_sees_the_type_of_the_parameters():
    types = TypeExtractor({"export": create_pipeline()})
    assert types.extract_types_from_pipelines() == {
        "export.query_tower": QueryTowerParams,
        "export.chunks": Chunks,
        "sequencing.features": Features,
    }


def test_all_of_export_is_tagged_gpu():
    assert all(node.tags == {"gpu"} for node in create_pipeline().nodes)
