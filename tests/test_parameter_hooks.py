"""Environments, keys and values of the configuration that are refused at the start."""

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.pipeline import Node, Pipeline
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field

from two_tower import parameter_hooks
from two_tower.parameter_hooks import EnvironmentHooks, ParameterHooks
from two_tower.params import OneOf, Params
from two_tower.settings import CONFIG_LOADER_ARGS


class Mean(Params):
    dropout: float


class Transformer(Params):
    n_blocks: int = Field(ge=1)


class History(OneOf[Params]):
    mean: Mean
    transformer: Transformer


class Training(Params):
    epochs: int
    history: History


class Categorical(Params):
    min_count: int = 1


class Features(Params):
    item: dict[str, Categorical | None] | None


def train(training: Training, rows: Any) -> None: ...
def describe(features: Features) -> None: ...
def cut(window: Annotated[int, Field(ge=1)]) -> None: ...


NODES = [
    Node(train, ["params:training", "params:checkpoints"], None, name="train"),
    Node(describe, "params:sequencing.features", None, name="describe"),
    Node(cut, ["params:sequencing.window"], "windows", name="cut"),
]
FILES = {
    "base/globals.yml": (
        "{ dataset: simulated, preset: short, format: own, data: data }"
    ),
    "base/catalog.yml": (
        "'params:checkpoints': { type: memory }\n"
        "windows: { type: '${runtime_params:engine,duckdb}', filepath: "
        "'${globals:data}/${globals:dataset}' }"
    ),
    "base/parameters/training.yml": (
        "_training: { epochs: 3, history: { kind: mean, mean: { dropout: 0.1 },"
        " transformer: { n_blocks: 2 } } }\n"
        "training: ${preset:${_training},${_presets},"
        "${runtime_params:preset,${globals:preset}}}"
    ),
    "base/parameters/presets/short.yml": "_presets: { short: { epochs: 1 } }",
    "base/parameters/presets/long.yml": "_presets: { long: { epochs: 9 } }",
    "base/parameters/formats/own.yml": (
        "_formats: { own: { sequencing: { features: { item: {} } } } }"
    ),
    "base/parameters/sequencing.yml": (
        "_format: ${format:${_formats},${globals:format}}\n"
        "sequencing: { window: 200, features: '${_format.sequencing.features}' }"
    ),
    "simulated/.gitkeep": "",
    "ml-1m/globals.yml": "dataset: ml-1m",
}


@pytest.fixture(autouse=True)
def conf(tmp_path, monkeypatch) -> Path:
    """A configuration like the project's, of three nodes."""
    monkeypatch.setattr(parameter_hooks, "pipelines", {"__default__": Pipeline(NODES)})
    for name, text in FILES.items():
        write(tmp_path, name, text)
    return tmp_path


def write(conf: Path, name: str, text: str) -> None:
    file = conf / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def open_context(conf: Path, env: str | None = None, **params: Any) -> None:
    loader = OmegaConfigLoader(
        str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS
    )
    context = SimpleNamespace(config_loader=loader)
    EnvironmentHooks().after_context_created(context)
    ParameterHooks().after_context_created(context)


def refusal(*args: Any, **params: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - tests match the text
        open_context(*args, **params)
    return str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"preset": "long", "engine": "spark"},
        {"training": {"epochs": 4, "history": {"mean": {"dropout": 0.2}}}},
        {"sequencing": {"window": 5, "features": {"item": {"own": {"min_count": 2}}}}},
    ],
    ids=str,
)
def test_what_nodes_and_files_read_is_accepted(conf, params):
    open_context(conf, **params)
    open_context(conf, "ml-1m", **params)


@pytest.mark.parametrize(
    ("env", "choices"),
    [
        ("ml1m", "did you mean ml-1m?"),
        ("other", "choose one of base, ml-1m, simulated"),
    ],
)
def test_an_environment_that_does_not_exist_is_refused_with_those_that_do(
    conf, env, choices
):
    assert refusal(conf, env) == f"{conf} has no environment {env!r}; {choices}"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"trainig": {"epochs": 3}}, "trainig, which nothing reads; did you mean trai"),
        ({"epochs": 3}, "epochs, which nothing reads; did you mean training.epochs?"),
        ({"sequencing": {"windw": 5}}, "did you mean sequencing.window?"),
        ({"training": {"n_blocks": 5}}, "mean training.history.transformer.n_blocks?"),
        ({"training": {"history": {"mean": {"drop": 1}}}}, "history.mean.dropout?"),
        (
            {"engin": "spark"},
            "--params gives engin, which nothing reads; did you mean en",
        ),
        ({"preste": "long"}, "did you mean preset?"),
        ({"training": {"preset": "long"}}, "did you mean preset"),
        ({"_training": {"epochs": 3}}, "_training, which only the files of the config"),
        ({"_presets": {"long": {"epochs": 3}}}, "; give training.<key>"),
        ({"dataset": "ml-1m"}, "gives dataset, which is a global; set it in the env"),
        (
            {"sequencing": {"features": {"item": {"own": {"mincount": 2}}}}},
            "did you mean sequencing.features.item.own.min_count?",
        ),
        ({"zzz": 1}, "nothing reads; choose one of engine, preset, seq"),
    ],
    ids=str,
)
def test_a_parameter_that_nothing_reads_is_refused_with_the_nearest(
    conf, params, message
):
    found = refusal(conf, **params)
    assert message in found
    assert found.startswith("--params gives ")
    assert "\n" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sequencing.window: 5",
            "gives a key with dots, 'sequencing.window', which nothing reads; write "
            "groups: sequencing: { window: … }",
        ),
        ("training: { history.kind: mean }", "write groups: history: { kind: … }"),
        (
            "sequencng: { window: 5 }",
            "sequencng, which nothing reads; did you mean seq",
        ),
        ("sequencing: { windw: 5 }", "did you mean sequencing.window?"),
        (
            "engine: spark",
            "gives engine, which is read from the command line only; run",
        ),
        ("preset: long", "gives preset, which is read from the command line only"),
        (
            "_preset: { long: { epochs: 2 } }",
            "_preset, which nothing reads; did you me",
        ),
        ("_trainings: { epochs: 2 }", "did you mean _training?"),
    ],
    ids=str,
)
def test_a_key_of_a_file_that_nothing_reads_is_refused_with_its_file(
    conf, text, message
):
    write(conf, "ml-1m/parameters/more.yml", text)
    found = refusal(conf, "ml-1m")
    assert message in found
    assert found.startswith(f"{conf}/ml-1m/parameters/more.yml gives ")


def test_a_key_of_the_base_that_nothing_reads_is_refused_with_its_file(conf):
    write(conf, "base/parameters/more.yml", "sequencng: { window: 5 }")
    assert refusal(conf) == (
        f"{conf}/base/parameters/more.yml gives sequencng, which nothing reads; "
        "did you mean sequencing?"
    )


def test_two_files_of_which_one_would_be_ignored_are_refused(conf):
    changes = "training: ${oc.select:_presets.${globals:preset},{}}"
    write(conf, "ml-1m/parameters/training.yml", changes)
    open_context(conf, "ml-1m")
    write(conf, "ml-1m/parameters/more.yml", "training: { epochs: 5 }")
    assert "both give training, and only one of them" in refusal(conf, "ml-1m")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("presets/long.yml", "_presets: { long: { epoch: 9 } }", "training.epochs?"),
        (
            "formats/own.yml",
            "_formats: { own: { sequencing: { featurs: 1, features: {item: {}} } } }",
            "sequencing.features?",
        ),
    ],
)
def test_a_key_of_a_preset_or_format_is_refused_whether_chosen_or_not(
    conf, name, text, message
):
    write(conf, f"base/parameters/{name}", text)
    found = refusal(conf)
    assert f"{name} gives " in found
    assert found.endswith(f"did you mean {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datset: ml-1m", "datset, which nothing reads; did you mean dataset or data?"),
        ("dataset.name: x", "gives dataset.name, which nothing reads"),
        (
            "sequencing: { window: 5 }",
            "is a parameter; move it to a file of parameters",
        ),
    ],
)
def test_a_global_that_nothing_reads_is_refused_with_its_file(conf, text, message):
    write(conf, "ml-1m/globals.yml", text)
    found = refusal(conf, "ml-1m")
    assert message in found
    assert found.startswith(f"{conf}/ml-1m/globals.yml gives ")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "parameters/training.yml",
            FILES["base/parameters/training.yml"].replace("_training:", "_trainig:"),
            "_trainig, which nothing reads; did you mean _training?",
        ),
        (
            "parameters/presets/short.yml",
            "_preset: { short: { epochs: 1 } }",
            "_preset, which nothing reads; did you mean _presets?",
        ),
        (
            "globals.yml",
            FILES["base/globals.yml"].replace("preset:", "presets:"),
            "presets, which nothing reads; did you mean preset?",
        ),
        (
            "globals.yml",
            FILES["base/globals.yml"].replace("dataset:", "datset:"),
            "datset, which nothing reads; did you mean dataset or data?",
        ),
    ],
)
def test_a_misspelt_name_that_others_refer_to_is_refused_by_its_file(
    conf, name, text, message
):
    write(conf, f"base/{name}", text)
    assert refusal(conf) == f"{conf}/base/{name} gives {message}"


def test_a_reference_to_a_name_that_is_like_no_other_keeps_its_error(conf):
    write(conf, "ml-1m/parameters/more.yml", "sequencing: { window: '${zzz}' }")
    with pytest.raises(OmegaConfBaseException, match="'zzz' not found"):
        open_context(conf, "ml-1m")


def test_a_group_that_nothing_reads_is_told_without_its_keys(conf):
    found = refusal(conf, training={"histry": {"kind": "mean", "mean": {}}})
    assert found == (
        "--params gives training.histry, which nothing reads; did you mean "
        "training.history?"
    )


def test_private_names_of_ones_own_are_accepted(conf):
    text = "_window: &window 5\nsequencing: { window: *window }"
    write(conf, "ml-1m/parameters.yml", text)
    open_context(conf, "ml-1m")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"training": {"epochs": True}}, "training.epochs is true; it must be a whole"),
        (
            {"training": {"epochs": "many"}},
            "training.epochs is 'many'; it must be a wh",
        ),
        ({"training": {"epochs": None}}, "training.epochs is null; it must be a whole"),
        ({"training": 5}, "training is 5; it must be a group of keys"),
        ({"sequencing": None}, "sequencing is null; it must be a group of keys"),
        ({"sequencing": {"window": 0}}, "sequencing.window is 0; it must be greater "),
        ({"sequencing": {"window": "5"}}, "sequencing.window is '5'; it must be a who"),
        (
            {"training": {"history": {"kind": "men"}}},
            "training.history: kind is 'men'; choose one of mean, transformer",
        ),
        (
            {"training": {"history": {"mean": {"dropout": float("inf")}}}},
            "training.history.mean.dropout is inf; it must be a finite number",
        ),
    ],
    ids=str,
)
def test_a_value_that_its_node_refuses_is_refused_with_its_name(conf, params, message):
    assert refusal(conf, **params).startswith(message)


def test_all_that_is_wrong_is_told_at_once(conf):
    found = refusal(conf, epochs=3, sequencing={"window": 0}, training={"epochs": "x"})
    assert [line.split(" ")[0] for line in found.splitlines()] == [
        "--params",
        "sequencing.window",
        "training.epochs",
    ]


def test_an_option_of_a_kind_that_is_not_chosen_is_refused(conf):
    assert refusal(conf, training={"history": {"transformer": {"n_blocks": 4}}}) == (
        "training.history.transformer.n_blocks has no effect: training.history.kind is "
        "'mean'. Drop it, or add --params training.history.kind=transformer"
    )


def test_a_misspelt_dataset_of_the_catalog_is_refused():
    with pytest.raises(ValueError, match=r"'windws', which .*; did you mean windows"):
        ParameterHooks().after_catalog_created(conf_catalog={"windws": {}})


def test_datasets_of_ones_own_are_accepted():
    catalog = {"windows": {}, "sales_of_2024": {}, "{name}ndows": {}}
    ParameterHooks().after_catalog_created(conf_catalog=catalog)
