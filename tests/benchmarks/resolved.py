"""Parameters of a study's variants, as its trainings get them."""

from functools import cache

from omegaconf import OmegaConf

from benchmarks.project import DATASET, ROOT, nested
from benchmarks.variants import Study, parameters_of
from two_tower.settings import CONFIG_LOADER_ARGS, ConfigLoader
from two_tower.training.params import Training


@cache
def configured(preset: str):
    """Return a preset as the data set's environment has it."""
    loader = ConfigLoader(
        str(ROOT / "conf"),
        env=DATASET,
        runtime_params={"preset": preset},
        **CONFIG_LOADER_ARGS,
    )
    return loader["parameters"]["training"]


def training_of(study: Study, variant: str) -> Training:
    """Return the parameters of training of a variant.

    Raises:
        ValidationError: if they are not valid.
    """
    asked = nested(parameters_of(study, variant, 1, epochs=study.epochs))
    merged = OmegaConf.merge(configured(asked["preset"]), asked["training"])
    return Training.model_validate(OmegaConf.to_container(merged))
