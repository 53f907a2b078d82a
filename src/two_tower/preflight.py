"""Refusals that need no data, before the first node of a run.

What one group of parameters can tell is checked by its class, when parameters are read.
Here is what several groups, or this machine, must agree on.
"""

import logging
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

import ibis
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from two_tower.catalog_entries import check_entries
from two_tower.evaluation.protocol import require_headline
from two_tower.features.columns import find_column_faults, readable_features
from two_tower.features.registry import Features
from two_tower.negatives.low_rated import LowRatedParams
from two_tower.pipelines.ingestion.params import Ingestion
from two_tower.plain_names import require_plain_folder, require_plain_names
from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.selection import Selection
from two_tower.sequences.splits import Split
from two_tower.training.features import (
    Schema,
    fit_to_features,
    undeclared_features,
    wanted_features,
)
from two_tower.training.params import Training
from two_tower.types import ENTITIES, Entity

logger = logging.getLogger(__name__)

CHOOSE_GPU: Final = (
    "from two_tower.training.devices import choose_device; choose_device('gpu')"
)


class PreflightHooks:
    """Refuse a run that its parameters, or this machine, will not allow to finish."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        loader: Any = context.config_loader  # an OmegaConfigLoader
        require_plain_folder(str(loader.conf_source), "the configuration's folder")
        require_plain_folder(str(context.project_path), "the project's folder")
        require_plain_names(loader["globals"])
        engine = (loader.runtime_params or {}).get("engine")
        connections = loader["globals"].get("connections", {})
        if engine is not None and engine not in connections:
            raise ValueError(
                f"no engine {engine!r}; choose one of {', '.join(sorted(connections))},"
                " or add it to connections in conf/base/globals.yml"
            )

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        names = {name for name in pipeline.inputs() if name.startswith("params:")}
        given = {name: catalog[name].load() for name in names}
        # Kedro types the parameters of this run's pipelines only.
        ingestion = Ingestion.model_validate(catalog["params:ingestion"].load())
        training = given.get("params:training")
        _check_sequencing(given, ingestion)
        if {"params:training", "params:sequencing.features"} & names:
            features = Features.model_validate(
                catalog["params:sequencing.features"].load()
            )
            _check_features(features, ingestion, training)
        _check_evaluation(given)
        check_entries(pipeline.datasets(), catalog)
        if any("gpu" in node.tags for node in pipeline.nodes):
            _check_keras(catalog["params:training.backend"].load())
        if training is not None and training.device == "gpu":
            _require_gpu()


def _check_sequencing(given: Mapping[str, Any], ingestion: Ingestion) -> None:
    split: Split | None = given.get("params:sequencing.split")
    if split is not None:
        timed = ingestion.columns.interactions.timestamp is not None
        split.require_times(timed=timed)
    selection: Selection | None = given.get("params:sequencing.selection")
    negatives: ExplicitNegatives | None = given.get(
        "params:sequencing.explicit_negatives"
    )
    if selection is not None:
        _require_ratings(selection, ingestion)
    if selection is not None and negatives is not None:
        negatives.check_against(selection)
    training: Training | None = given.get("params:training")
    if training is not None and negatives is not None:
        _require_low_ratings(training, negatives)


def _require_ratings(selection: Selection, ingestion: Ingestion) -> None:
    has_ratings = ingestion.columns.interactions.rating is not None
    if selection.min_rating is not None and not has_ratings:
        raise ValueError(
            f"sequencing.selection.min_rating is {selection.min_rating}, but the "
            "interactions have no ratings (ingestion.columns.interactions.rating is "
            "null), so none would be kept; name their column, or set min_rating to null"
        )


def _require_low_ratings(training: Training, negatives: ExplicitNegatives) -> None:
    is_low_rated = isinstance(training.negatives.chosen, LowRatedParams)
    if is_low_rated and negatives.max_rating is None:
        raise ValueError(
            "training.negatives.kind is 'low_rated', but "
            "sequencing.explicit_negatives.max_rating is null, which collects none; "
            "set it below sequencing.selection.min_rating, or choose other negatives"
        )


def _check_features(
    features: Features, ingestion: Ingestion, training: Training | None
) -> None:
    """Refuse features without their column, and options that name undeclared ones."""
    found = [_find_faults(entity, features, ingestion, training) for entity in ENTITIES]
    if faults := [one for one in found if one]:
        raise ValueError(". ".join(faults))
    if training is None:
        return
    schema: dict[str, Schema] = {
        entity: {
            name: {"kind": one.kind, "opt_in": one.opt_in}
            for name, one in readable_features(
                features.of(entity), ingestion.kept_columns(entity)
            ).items()
        }
        for entity in ENTITIES
    }
    fit_to_features(training, schema)
    if left_out := undeclared_features(training, schema):
        logger.info(
            "the options of training leave out %s: sequencing.features does not "
            "declare them",
            ", ".join(sorted(left_out)),
        )


def _find_faults(
    entity: Entity, features: Features, ingestion: Ingestion, training: Training | None
) -> str | None:
    """Return what is wrong with the columns that are read, and the remedy; or None.

    An opt-in feature needs its column once a tower reads it.
    """
    kept = ingestion.kept_columns(entity)
    declared = features.of(entity)
    wanted = wanted_features(training, entity) if training else set()
    needed = readable_features(declared, kept) | {
        name: declared[name] for name in wanted & declared.keys()
    }
    columns = {name: ibis.dtype(of) for name, of in kept.items()}
    return find_column_faults(entity, needed, columns)


def _check_evaluation(given: Mapping[str, Any]) -> None:
    ranking = given.get("params:evaluation.ranking")
    report = given.get("params:evaluation.report")
    if ranking is not None and report is not None:
        require_headline(report.headline, ranking.cutoffs)


def _check_keras(backend: str) -> None:
    if find_spec(backend) is None:
        raise ValueError(
            f"training.backend is {backend!r}, which is not installed; run: pip "
            f"install {backend}, or choose the other one"
        )


def _require_gpu() -> None:
    # In a process of its own: ParallelRunner can't fork one that has seen a GPU.
    command = [sys.executable, "-c", CHOOSE_GPU]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        _, _, message = done.stderr.strip().splitlines()[-1].partition(": ")
        raise ValueError(message)
