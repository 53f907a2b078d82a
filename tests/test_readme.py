"""Commands, parameters and links in README.md and docs/ exist."""

import re
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
DOCS = sorted((PROJECT / "docs").glob("*.md"))
# docs/acceptance.md is generated from the tests, and compared with them elsewhere.
PAGES = [PROJECT / "README.md", *(page for page in DOCS if page.stem != "acceptance")]
LINKING = [*PAGES, PROJECT / "CHANGELOG.md"]
MAX_LINES = 200
NOT_PARAMETERS = {"preset", "engine"}  # chosen by name in conf/base/globals.yml

bootstrap_project(PROJECT)


def find_names(pattern: str) -> list[str]:
    """Return what the pattern's group matches in the README, split at commas."""
    found = {part for match in re.findall(pattern, README) for part in match.split(",")}
    return sorted(found)


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    with KedroSession.create(PROJECT, save_on_close=False) as session:
        return session.load_context().config_loader["parameters"]


def test_the_readme_is_short_and_begins_with_the_make_targets():
    assert len(README.splitlines()) <= MAX_LINES
    for target in ("run", "viz", "test"):
        assert README.index(f"make {target}") < README.index("## ")


@pytest.mark.parametrize("target", find_names(r"make ([a-z]+)(?=[\s`])"))
def test_a_make_target_exists(target):
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("env", find_names(r"--env[ =]([\w-]+)"))
def test_an_environment_exists_or_is_written_before(env):
    is_written = re.search(rf"new_environment .*--name {env}\n", README)
    assert is_written or (PROJECT / "conf" / env).is_dir()


@pytest.mark.parametrize("pipeline", find_names(r"--pipelines[ =]([\w,-]+)"))
def test_a_pipeline_exists(pipeline):
    assert pipeline in pipelines


@pytest.mark.parametrize("preset", find_names(r"preset=([\w-]+)"))
def test_a_preset_exists(preset):
    assert (PROJECT / f"conf/base/parameters/presets/{preset}.yml").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_parameters_exist(page, parameters):
    nodes = {node.name for part in pipelines.values() for node in part.nodes}
    text = page.read_text(encoding="utf-8")
    roots = "|".join(parameters)
    names = set(re.findall(rf"(?<![\w./])((?:{roots})(?:\.\w+)+)", text))
    missing = {name for name in names if not has_parameter(parameters, name)}
    assert not {name for name in missing if not is_part_of_a_node(name, nodes)}


@pytest.mark.parametrize("param", find_names(r"--params \"?([^\s`\"]+)"))
def test_a_parameter_on_the_command_line_exists(param, parameters):
    name = param.strip('"').partition("=")[0]
    assert name in NOT_PARAMETERS or has_parameter(parameters, name)


def has_parameter(parameters: dict[str, Any], name: str) -> bool:
    value: Any = parameters
    for key in name.split("."):
        if value == {}:
            return True  # a group of any names, such as `features`
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def is_part_of_a_node(name: str, nodes: set[str]) -> bool:
    return any(node.endswith(name) for node in nodes)


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.stem)
def test_linked_files_exist(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.stem)
def test_linked_headings_exist(page):
    links = re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text("utf-8"))
    for link, anchor in links:
        target = page.parent / link if link else page
        assert anchor in anchors(target), f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
