"""Parameters of a study's variants, resolved without a Kedro session."""

from functools import cache

from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from benchmarks.project import DATASET, ROOT, nested
from benchmarks.variants import Study, parameters_of
from two_tower.settings import CONFIG_LOADER_ARGS
from two_tower.training.params import Training


@cache
def configured(preset: str):
    """Return the parameters of a preset in the environment of the data set."""
    loader = OmegaConfigLoader(
        str(ROOT / "conf"),
        env=DATASET,
        runtime_params={"preset": preset},
        **CONFIG_LOADER_ARGS,
    )
    return loader["parameters"]["training"]


def training_of(study: Study, variant: str) -> Training:
    """Return a variant's parameters of training.

    Raises:
        ValidationError: if they are not valid.
    """
    given = nested(parameters_of(study, variant, 1, epochs=study.epochs))
    merged = OmegaConf.merge(configured(given["preset"]), given["training"])
    return Training.model_validate(OmegaConf.to_container(merged))
