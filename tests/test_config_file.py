"""Files of `kedro run --config` that are refused before Kedro reads them."""

import pytest
from kedro.framework.cli.project import run as kedro_run

from two_tower.config_file import check_config_file


def check(tmp_path, text):
    file = tmp_path / "run.yml"
    file.write_bytes(text.encode("latin-1"))
    check_config_file(file, "run", kedro_run.params)


@pytest.mark.parametrize(
    "text",
    [
        "run: { env: test, pipelines: 'training,evaluation' }",
        "run: { params: { training: { epochs: 1 } }, only_missing_outputs: true }",
        "run: { params: training.epochs=1 }\nviz: { port: 4141 }",
        '{"run": {"env": "test"}}',
        "run: {}",
    ],
)
def test_options_of_the_command_are_accepted(tmp_path, text):
    check(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rum: { env: a }", "no section 'run', which holds the options; it has rum. W"),
        ("", "no section 'run', which holds the options; it is empty. Write: run: {"),
        ("- env", "run.yml is a list; it must hold sections, such as run:"),
        ("run: 3", "run is 3; it must be a group of options, such as run:"),
        (
            "run: { evn: a }",
            "gives run.evn, which is no option of a file; did you mean",
        ),
        (
            "run: { nodes: a }",
            "run.nodes, which is no option of a file; did you mean n",
        ),
        ("run: { from-nodes: a }", "did you mean from_nodes?"),
        ("run: { async: true }", "did you mean is_async?"),
        ("run: { config: a }", "gives run.config, which is no option of a file; "),
        ("run: { pipelines: [a, b] }", "['a', 'b']; it must be text: 'a,b'"),
        ("run: { env: 3 }", "run.env is 3; it must be text"),
        ("run: { params: [a] }", "run.params is ['a']; it must be text: 'a'"),
        ("run: { is_async: 'yes' }", "run.is_async is 'yes'; it must be true or false"),
        ("run: { params: 3 }", "run.params is 3; it must be a group of keys"),
        ("run: { env: [a", "can't be read as YAML: expected ',' or ']'"),
        ("run: { env: \xe4 }", "can't be read as YAML: 'utf-8' codec can't decode"),
        ("run", "run is empty; it must be a group of options"),
        ("run: [a]", "run is ['a']; it must be a group of options"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"run\.yml") as caught:
        check(tmp_path, text)
    assert message in str(caught.value)
