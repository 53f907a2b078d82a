"""The pipelines of the project, by the names that `kedro run --pipelines` knows."""

from kedro.pipeline import Pipeline

from two_tower.pipelines.add_items.pipeline import create_pipeline as add_items
from two_tower.pipelines.evaluation.pipeline import create_pipeline as evaluation
from two_tower.pipelines.evaluation.pipeline import (
    create_refit_pipeline as report_of_refit,
)
from two_tower.pipelines.export.pipeline import (
    create_embedding_pipeline as export_embeddings,
)
from two_tower.pipelines.export.pipeline import create_pipeline as export
from two_tower.pipelines.export.pipeline import create_refit_pipeline as export_refit
from two_tower.pipelines.indexing.pipeline import create_pipeline as indexing
from two_tower.pipelines.ingestion.pipeline import create_pipeline as ingestion
from two_tower.pipelines.recommendation.pipeline import (
    create_pipeline as recommendation,
)
from two_tower.pipelines.recommendation.pipeline import (
    create_refit_pipeline as recommendation_of_refit,
)
from two_tower.pipelines.sequencing.pipeline import create_pipeline as sequencing
from two_tower.pipelines.sequencing.pipeline import (
    create_refit_pipeline as sequencing_of_everything,
)
from two_tower.pipelines.sequencing.pipeline import (
    create_retraining_pipeline as sequencing_for_retraining,
)
from two_tower.pipelines.simulation.pipeline import create_pipeline as simulation
from two_tower.pipelines.training.pipeline import create_pipeline as training
from two_tower.pipelines.training.pipeline import (
    create_refit_pipeline as refit,
)
from two_tower.pipelines.training.pipeline import (
    create_retraining_pipeline as retraining,
)


def register_pipelines() -> dict[str, Pipeline]:
    """Return all pipelines: the stages, then their combinations."""
    stages = {
        "ingestion": ingestion(),
        "sequencing": sequencing(),
        "training": training(),
        "export": export(),
        "indexing": indexing(),
        "evaluation": evaluation(),
        "recommendation": recommendation(),
    }
    data = stages["ingestion"] + stages["sequencing"]
    serving = stages["export"] + stages["indexing"]
    model = stages["training"] + serving
    results = stages["evaluation"] + stages["recommendation"]
    return {
        "simulation": simulation(),
        **stages,
        "data": data,
        "model": model,
        # These two start from the query tower of the last export.
        "retrain": stages["ingestion"]
        + sequencing_for_retraining()
        + retraining()
        + serving
        + results,
        # After the default pipeline: trains on what that held out, too, and replaces
        # what is deployed. The metrics stay those of the model before.
        "refit": sequencing_of_everything()
        + refit()
        + export_refit()
        + stages["indexing"]
        + recommendation_of_refit()
        + report_of_refit(),
        "add_items": stages["ingestion"].only_nodes("data.ingestion.type_items")
        + add_items()
        + export_embeddings()
        + stages["indexing"],
        "__default__": data + model + results,
    }
