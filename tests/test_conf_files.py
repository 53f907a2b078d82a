"""Files of the configuration, in a folder or in an archive."""

import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
from kedro.config import OmegaConfigLoader

from two_tower.conf_files import find_environments, read_conf_files

FILES = {
    "base/globals.yml": "dataset: simulated",
    "base/parameters/training.yml": "training: { epochs: 3 }",
    "base/parameters/presets/small.yml": "_presets: { small: { epochs: 1 } }",
    "mine/parameters.yml": "training: { name: '${globals:dataset}' }",
    "mine/catalog.yml": "items: { type: pickle }",
}


def make_folder(folder: Path) -> Path:
    for name, text in FILES.items():
        file = folder / "conf" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "conf"


def make_tar(folder: Path) -> Path:
    with tarfile.open(folder / "conf.tar.gz", "w:gz") as archive:
        archive.add(make_folder(folder), "conf")
    return folder / "conf.tar.gz"


def make_zip(folder: Path) -> Path:
    conf = make_folder(folder)
    with ZipFile(folder / "conf.zip", "w") as archive:
        for name in FILES:
            archive.write(conf / name, f"conf/{name}")
    return folder / "conf.zip"


@pytest.fixture(params=[make_folder, make_tar, make_zip])
def loader(request, tmp_path) -> OmegaConfigLoader:
    return OmegaConfigLoader(
        str(request.param(tmp_path)), base_env="base", default_run_env="mine"
    )


def test_files_of_one_kind_are_found_in_folders_and_archives(loader):
    found = read_conf_files(loader, "base", "parameters")
    assert [path.name for path in found] == ["small.yml", "training.yml"]
    preset = next(path for path in found if path.name == "small.yml")
    assert preset.parent.name == "presets"
    assert found[preset] == {"_presets": {"small": {"epochs": 1}}}
    assert [*read_conf_files(loader, "base", "catalog")] == []


def test_files_are_not_resolved(loader):
    (content,) = read_conf_files(loader, "mine", "parameters").values()
    assert "${globals:dataset}" in str(content)


def test_an_environment_that_is_absent_has_no_files(loader):
    assert read_conf_files(loader, "ml1m", "parameters") == {}


def test_environments_are_the_folders_of_the_configuration(loader):
    assert find_environments(loader) == ["base", "mine"]


def test_a_folder_without_base_is_no_configuration(tmp_path):
    loader = OmegaConfigLoader(str(tmp_path), base_env="base")
    with pytest.raises(ValueError, match="no configuration: it has no folder 'base'"):
        find_environments(loader)
