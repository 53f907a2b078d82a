"""Parameters of a study's variants, as its trainings get them."""

from kedro.config import OmegaConfigLoader

from benchmarks.project import DATASET, ROOT, nested
from benchmarks.variants import Study, parameters_of
from two_tower.pipelines.training.params.training import Training
from two_tower.settings import CONFIG_LOADER_ARGS


def training_of(study: Study, variant: str, **changes) -> Training:
    """Return the parameters of training of a variant.

    Raises:
        ValidationError: if they are not valid.
    """
    asked = {"seed": 1, "epochs": study.epochs, **changes}
    loader = OmegaConfigLoader(
        str(ROOT / "conf"),
        env=DATASET,
        runtime_params=nested(parameters_of(study, variant, **asked)),
        **CONFIG_LOADER_ARGS,
    )
    return Training.model_validate(loader["parameters"]["training"])
