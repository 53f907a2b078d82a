"""What README.md tells people to type and to open is really there."""

import re
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

PROJECT = Path(__file__).parents[1]
README = "".join(p.read_text(encoding="utf-8") for p in PROJECT.glob("README.md"))
WITHOUT_A_PLACE = {"preset", "engine"}  # options of the configuration, not parameters

bootstrap_project(PROJECT)


def named(pattern: str) -> list[str]:
    """Return what the pattern's group matches in the README, each once."""
    found = {part for match in re.findall(pattern, README) for part in match.split(",")}
    return sorted(found)


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    with KedroSession.create(PROJECT, save_on_close=False) as session:
        return session.load_context().config_loader["parameters"]


def test_both_commands_come_first():
    assert README.index("make run") < README.index("## ")
    assert README.index("make test") < README.index("## ")


@pytest.mark.parametrize("target", named(r"make ([a-z]+)(?=[\s`])"))
def test_a_make_target_exists(target):
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("env", named(r"--env[ =]([\w-]+)"))
def test_an_environment_exists(env):
    assert (PROJECT / "conf" / env).is_dir()


@pytest.mark.parametrize("pipeline", named(r"--pipelines[ =]([\w,-]+)"))
def test_a_pipeline_exists(pipeline):
    assert pipeline in pipelines


@pytest.mark.parametrize("preset", named(r"preset=([\w-]+)"))
def test_a_preset_exists(preset):
    assert (PROJECT / f"conf/base/parameters/presets/{preset}.yml").is_file()


@pytest.mark.parametrize("param", named(r"--params \"?([^\s`\"]+)"))
def test_a_parameter_exists(param, parameters):
    name = param.strip('"').partition("=")[0]
    value = parameters
    for key in [] if name in WITHOUT_A_PLACE else name.split("."):
        value = value[key]


@pytest.mark.parametrize("link", named(r"\]\(([^)#:]+)(?:#[^)]*)?\)"))
def test_a_linked_file_exists(link):
    assert (PROJECT / link).exists()
