"""The commands that messages print."""

import pytest

from two_tower.lineage.commands import Command, flatten

RUN = {"env": None, "runtime_params": {}, "pipeline_names": []}


def test_a_run_without_options_is_kedro_run():
    command = Command.of_run(RUN)
    assert command == Command()
    assert command.text == command.options == "kedro run"


def test_a_command_repeats_the_options_of_its_run():
    command = Command.of_run(
        {
            "env": "ml-1m",
            "runtime_params": {"training": {"epochs": 3, "device": None}, "k": "007"},
            "pipeline_names": ["training", "export"],
            "tags": ["cpu"],
            "to_nodes": ["a b"],
            "node_names": [],
            "only_missing_outputs": True,
        }
    )
    options = (
        "kedro run --env ml-1m --params "
        """'training.epochs=3,training.device=null,k='"'"'007'"'"''"""
    )
    assert command.options == options
    assert command.pipelines == " --pipelines training,export"
    assert command.text == (
        f"{options} --pipelines training,export --tags cpu --to-nodes 'a b' "
        "--only-missing-outputs"
    )


def test_options_that_choose_nodes_are_no_choice_of_pipelines():
    command = Command.of_run({**RUN, "tags": ["cpu"]})
    assert (command.pipelines, command.filters) == ("", " --tags cpu")


@pytest.mark.parametrize(
    ("pipeline", "option"),
    [(None, " --pipelines a"), ("__default__", ""), ("b", " --pipelines b")],
)
def test_nodes_are_run_in_the_pipelines_of_the_run_or_another(pipeline, option):
    command = Command("kedro run --env x", " --pipelines a", " --pipelines a --tags t")
    found = command.from_nodes("fit", "test", pipeline=pipeline)
    assert found == f"kedro run --env x{option} --from-nodes fit,test"


@pytest.mark.parametrize(
    ("pipeline", "option"),
    [(None, ""), ("__default__", ""), ("b", " --pipelines b")],
)
def test_inputs_and_whole_pipelines_name_all_but_the_default_pipeline(pipeline, option):
    command = Command("kedro run", " --pipelines a")
    assert command.from_inputs(["x", "y"], pipeline=pipeline) == (
        f"kedro run{option} --from-inputs x,y"
    )
    if pipeline:
        assert command.of_pipeline(pipeline) == f"kedro run{option}"


def test_nested_keys_are_joined_by_dots():
    assert [*flatten({"a": {"b": 1, "c": {"d": 2}}, "e": []})] == [
        ("a.b", 1),
        ("a.c.d", 2),
        ("e", []),
    ]
