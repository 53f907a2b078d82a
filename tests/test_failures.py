"""What a failed run shows, and what it keeps."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.utils import KedroCliError
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from kedro.validation import DataValidationError
from omegaconf import OmegaConf

from two_tower import failures
from two_tower.failures import describe, keep_traceback
from two_tower.run_options import check_run_options


class FailingDataset(AbstractDataset):
    """A dataset that raises the error it is given."""

    def __init__(self, filepath, error):
        self._filepath, self._error = filepath, error

    def load(self):
        raise self._error

    def save(self, data):
        raise self._error

    def _describe(self):
        return {"filepath": self._filepath, "backend": "duckdb"}


def raised_by(action, *args, **kwargs):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any error will do
        action(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DatasetError("items: nothing is saved"), "items: nothing is saved"),
        (
            OSError(28, "No space left on device"),
            "a can't be {}: [Errno 28] No spa",
        ),
    ],
)
def test_a_datasets_refusal_is_its_cause(error, message):
    dataset = FailingDataset("a", error)
    assert describe(raised_by(dataset.load)).startswith(message.format("loaded"))
    assert describe(raised_by(dataset.save, 1)).startswith(message.format("saved"))


def test_a_dataset_of_the_catalog_has_its_name():
    refused = FailingDataset("a", DatasetError("nothing is saved; run: kedro run"))
    full = FailingDataset("b", OSError(28, "No space left on device", "b/1"))
    catalog = DataCatalog({"items": refused, "users": full})
    assert describe(raised_by(catalog.load, "items")) == (
        "items: nothing is saved; run: kedro run"
    )
    assert describe(raised_by(catalog.save, "users", 1)) == (
        "users can't be saved: [Errno 28] No space left on device: 'b/1'"
    )


def test_a_fault_below_the_catalog_is_told_as_a_fault():
    catalog = DataCatalog({"items": FailingDataset("a", KeyError("user_id"))})
    found = describe(raised_by(catalog.load, "items"))
    assert found.startswith("KeyError: 'user_id'")


class ResourceExhaustedError(Exception):
    """An error like TensorFlow's."""

    __module__ = "tensorflow.python.framework.errors_impl"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError("Unable to allocate 7 TiB"), "Unable to allocate 7 TiB"),
        (MemoryError(), "no more could be allocated"),
        (
            ResourceExhaustedError("Graph\n  OOM when allocating [9,9]\n a page"),
            "OOM when allocating [9,9]",
        ),
    ],
)
def test_too_little_memory_is_no_fault(error, memory):
    found = describe(error)
    assert found.startswith(f"there is too little memory ({memory}); lower what a batc")
    catalog = DataCatalog({"items": FailingDataset("a", error)})
    assert memory in describe(raised_by(catalog.save, "items", 1))


def test_a_page_of_text_is_cut():
    error = raised_by({}.__getitem__, "many words " * 1_000)
    assert len(describe(error)) < 700


def test_a_validators_refusal_names_the_dataset():
    error = DataValidationError("2 ids repeat", dataset_name="items", mode="save")
    assert describe(error) == "items can't be saved: 2 ids repeat"


def test_a_refusal_of_the_configuration_is_its_first_line():
    OmegaConf.register_new_resolver(
        "refuse", lambda: raised_by_name("no preset 'men'"), replace=True
    )
    config = OmegaConf.create({"training": "${refuse:}"})
    error = raised_by(OmegaConf.to_container, config, resolve=True)
    assert describe(error) == "training: no preset 'men'"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${zzz}", "a: it refers to zzz, which no file of parameters gives"),
        (
            "${globals:zzz}",
            "a: it refers to the global zzz, which no globals.yml gives; add it to con",
        ),
        (
            "${runtime_params:zzz}",
            "a: it refers to zzz of the command line; run: kedro run --params zzz=<v",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_says_where_it_leads(
    reference, message, tmp_path
):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "parameters.yml").write_text(f"a: {reference}")
    loader = OmegaConfigLoader(str(tmp_path), base_env="base", default_run_env="base")
    error = raised_by(loader.__getitem__, "parameters")
    assert describe(error).startswith(message)


def test_a_letter_that_the_terminal_lacks_is_told_with_the_remedy():
    error = raised_by("Zürich".encode, "ascii")
    assert describe(error) == (
        "'\\xfc' can't be written in this terminal's encoding (ascii); set the "
        "variable PYTHONUTF8=1, and run again"
    )


def test_words_of_a_terminal_without_utf_8_are_kept(tmp_path):
    for _ in range(2):  # its size counts from the second on
        keep_traceback(ValueError("Z\udcc3"), tmp_path, ["kedro", "Z\udcc3"])
    text = (tmp_path / "logs" / "errors.log").read_text("utf-8")
    assert text.count("Z\\udcc3") == 4


def test_a_refusal_of_kedros_command_line_is_its_message():
    error = KedroCliError("Options '--pipeline' and '--pipelines' cannot be used")
    assert describe(error) == "Options '--pipeline' and '--pipelines' cannot be used"


def raised_by_name(message):
    raise ValueError(message)


def test_a_file_that_is_no_yaml_is_named_with_its_line():
    try:
        try:
            yaml.safe_load("a: 1\nb: [2\nc: 3\n")
        except yaml.YAMLError as cause:
            text = "Invalid YAML or JSON file conf/a.yml, unable to read line 2, posi"
            raise yaml.parser.ParserError(text) from cause
    except yaml.YAMLError as error:
        found = describe(error)
    assert found.startswith("conf/a.yml can't be read as YAML: ")
    assert found.endswith("in line 3, column 2")


def test_a_value_that_the_project_refuses_is_told_as_it_is():
    error = raised_by(check_run_options, {"runner": "Thread", "runner_params": {}})
    assert describe(error).startswith("there is no runner 'Thread'")


@pytest.mark.parametrize(
    ("action", "start"),
    [
        (lambda: {}["user_id"], "KeyError: 'user_id'"),
        (
            lambda: None.rows,
            "AttributeError: 'NoneType' object has no",
        ),
        (lambda: np.reshape([1, 2], 3), "ValueError: cannot reshape"),
        (FailingDataset("a", KeyError("user_id")).load, "KeyError: 'user_id'"),
    ],
)
def test_a_fault_of_the_program_says_so(action, start):
    found = describe(raised_by(action))
    assert found.startswith(start)
    assert found.endswith("please report it with the traceback")


def test_a_fault_names_the_projects_line():
    error = raised_by(check_run_options, {})
    assert "in two_tower/run_options.py, line " in describe(error)


def test_the_traceback_is_appended_to_a_file(tmp_path):
    for message in ("first", "second"):
        line = keep_traceback(
            raised_by(raised_by_name, message),
            tmp_path,
            ["kedro", "--env", "a b"],
        )
    log = tmp_path / "logs" / "errors.log"
    assert line == f"The traceback is in {log}"
    text = log.read_text()
    assert text.index("ValueError: first") < text.index("ValueError: second")
    assert "kedro --env 'a b'" in text
    assert "in raised_by_name" in text


def test_the_file_of_tracebacks_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(failures, "LOG_BYTES", 3_000)
    for _ in range(20):
        keep_traceback(raised_by(raised_by_name, "again"), tmp_path, ["kedro"])
    files = list((tmp_path / "logs").iterdir())
    assert {file.name for file in files} == {"errors.log", "errors.log.1"}
    assert all(file.stat().st_size <= 3_000 for file in files)


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "logs").write_text("not a folder")
    line = keep_traceback(raised_by(raised_by_name, "x"), tmp_path, ["kedro"])
    assert line.startswith("The traceback is lost: ")
    assert str(Path("logs", "errors.log")) in line
