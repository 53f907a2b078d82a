import pytest
from omegaconf.errors import InterpolationResolutionError
from pydantic import BaseModel, ValidationError

from tests.pipelines.training.tiny import parameters, training_in_conf
from two_tower.pipelines.training.params import Training


def refused(path: str, value: object) -> dict[str, object]:
    """Return a change of one parameter, named with dots."""
    *groups, name = path.split(".")
    change: dict[str, object] = {name: value}
    for group in reversed(groups):
        change = {group: change}
    return change


@pytest.mark.parametrize("preset", ["transformer", "mean"])
def test_a_preset_gives_the_tower_of_its_name(preset):
    assert Training.model_validate(training_in_conf(preset=preset)).tower == preset


def test_the_transformer_is_the_default():
    assert training_in_conf() == training_in_conf(preset="transformer")


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(InterpolationResolutionError, match=r"'huge'; choose .*mean"):
        training_in_conf(preset="huge")


def test_the_command_line_changes_one_value_of_a_preset():
    asked = {"item_tower": {"features": {"genres": False}}, "epochs": 3}
    found = training_in_conf(preset="mean", training=asked)
    changed = Training.model_validate(found)
    assert changed.item_tower.features == {"genres": False}
    assert (changed.epochs, changed.tower) == (3, "mean")
    usual = training_in_conf(preset="mean")
    assert found["batches"] == usual["batches"]


# covers: L13
def test_defaults_are_written_once_in_conf():
    def fields(model):
        for field in model.model_fields.values():
            yield field
            if isinstance(field.annotation, type) and issubclass(
                field.annotation, BaseModel
            ):
                yield from fields(field.annotation)

    assert all(field.is_required() for field in fields(Training))


# covers: L1 L11 L14 L15 L16
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("backend", "torch", "'tensorflow' or 'jax'"),
        ("device", "tpu", "'auto', 'cpu' or 'gpu'"),
        ("precision", "float16", "'float32' or 'mixed_bfloat16'"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**31, "less than or equal to 2147483647"),
        ("epochs", 0, "greater than or equal to 1"),
        ("dimension", 0, "greater than or equal to 1"),
        ("tower", "gru", "'mean' or 'transformer'"),
        ("objective", "hinge", "'softmax' or 'in_batch_softmax'"),
        ("objectives.softmax.temperature", 0.0, "greater than 0"),
        ("objectives.in_batch_softmax.temperature", -0.1, "greater than 0"),
        ("towers.mean.hidden_units", [64], "at least 2 items"),
        ("towers.mean.hidden_units", [64, 0], "greater than 0"),
        ("towers.mean.dropout", 1.0, "less than 1"),
        ("towers.transformer.n_blocks", 0, "greater than or equal to 1"),
        ("towers.transformer.n_heads", 0, "greater than or equal to 1"),
        ("towers.transformer.dropout", -0.1, "greater than or equal to 0"),
        ("item_tower.id_dropout", 1.0, "less than 1"),
        ("item_tower.scale", 0.0, "greater than 0"),
        ("optimizer.kind", "sgd", "'adam', 'adamw' or 'adagrad'"),
        ("optimizer.learning_rate", 0.0, "greater than 0"),
        ("optimizer.beta_2", 1.0, "less than 1"),
        ("optimizer.epsilon", 0.0, "greater than 0"),
        ("optimizer.clip_norm", 0.0, "greater than 0"),
        ("schedule.kind", "linear", "'constant' or 'cosine'"),
        ("schedule.warmup_steps", -1, "greater than or equal to 0"),
        ("schedule.final_share", 1.5, "less than or equal to 1"),
        ("batches.chunk", 0, "greater than or equal to 1"),
        ("batches.buckets", [], "at least 1 item"),
        ("batches.buckets", [8, 4], "rising widths above 0"),
        ("batches.buckets", [4, 4, 8], "rising widths above 0"),
        ("batches.buckets", [0, 8], "rising widths above 0"),
        ("batches.slots", 7, "slots is 7, less than the widest of buckets, 8"),
        ("validation.every", 0, "greater than or equal to 1"),
        ("validation.cutoffs", [], "at least 1 item"),
        ("validation.cutoffs", [0, 10], "greater than 0"),
        ("validation.patience", 0, "greater than or equal to 1"),
        ("validation.monitor", "ndcg@7", r"cutoffs \[1, 10\] choose one of mrr, hr@1"),
        ("optimizer.momentum", 0.9, "Extra inputs are not permitted"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name, value, message):
    with pytest.raises(ValidationError, match=message):
        parameters(refused(name, value))


@pytest.mark.parametrize("monitor", ["mrr", "hr@1", "recall@10", "ndcg@10"])
def test_every_figure_that_is_measured_can_be_monitored(monitor):
    assert parameters({"validation": {"monitor": monitor}}).validation.monitor


def test_an_item_tower_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="both false, so all items would be"):
        parameters({"item_tower": {"use_id": False, "use_features": False}})


@pytest.mark.parametrize("missing", ["use_id", "use_features"])
def test_id_dropout_needs_an_id_and_something_else(missing):
    with pytest.raises(ValidationError, match=r"id_dropout is 0\.1, which needs both"):
        parameters({"item_tower": {"id_dropout": 0.1, missing: False}})


def test_weight_decay_is_refused_where_it_would_do_nothing():
    with pytest.raises(ValidationError, match="kind is 'adam'; only adamw decays"):
        parameters({"optimizer": {"weight_decay": 0.1}})
    parameters({"optimizer": {"weight_decay": 0.1, "kind": "adamw"}})


def test_heads_share_the_dimension_where_there_are_heads():
    odd = {"dimension": 10, "towers": {"transformer": {"n_heads": 4}}}
    with pytest.raises(ValidationError, match="dimension 10 is not a multiple of"):
        parameters(odd, preset="transformer")
    parameters(odd, preset="mean")
