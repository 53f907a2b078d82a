import pytest

from two_tower.lineage.records import (
    LineageStore,
    Record,
    describe_conflict,
    find_conflicts,
    find_roots,
    fingerprint_files,
    fingerprint_output,
)


def record(fingerprint: str, **ancestors: str) -> Record:
    return Record(
        fingerprint=fingerprint,
        made_by="some_node",
        run="2026-01-01T00.00.00.000Z",
        parameters={},
        inputs={},
        ancestors=ancestors,
        command="kedro run",
        content=None,
    )


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    one = fingerprint_output("fit", "model", {"a": 1, "b": {"c": 2, "d": 3}}, {})
    other = fingerprint_output("fit", "model", {"b": {"d": 3, "c": 2}, "a": 1}, {})
    assert one == other


@pytest.mark.parametrize(
    "changed",
    [
        ("fit", "model", {"epochs": 2}, {"rows": "aa"}),
        ("fit", "model", {"epochs": 1}, {"rows": "bb"}),
        ("fit", "curves", {"epochs": 1}, {"rows": "aa"}),
        ("tune", "model", {"epochs": 1}, {"rows": "aa"}),
    ],
)
def test_a_fingerprint_depends_on_node_output_parameters_and_inputs(changed):
    original = fingerprint_output("fit", "model", {"epochs": 1}, {"rows": "aa"})
    assert fingerprint_output(*changed) != original


def test_the_fingerprint_of_a_folder_depends_on_contents_and_names(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    first = fingerprint_files(str(tmp_path))
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    renamed = fingerprint_files(str(tmp_path))
    (tmp_path / "a" / "y").write_text("2")
    assert len({first, renamed, fingerprint_files(str(tmp_path))}) == 3


def test_the_fingerprint_of_a_file_does_not_depend_on_its_path(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    assert fingerprint_files(str(tmp_path / "a")) == fingerprint_files(
        str(tmp_path / "b")
    )


def test_the_fingerprint_of_a_pattern_covers_the_files_it_matches(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.csv").write_text("a")
        (tmp_path / name / "2.csv").write_text("b")
    (tmp_path / "other" / "notes.txt").write_text("not matched")
    one, other = (
        fingerprint_files(str(tmp_path / name / "*.csv")) for name in ("one", "other")
    )
    assert one == other == fingerprint_files(str(tmp_path / "one"))
    (tmp_path / "other" / "2.csv").write_text("c")
    assert fingerprint_files(str(tmp_path / "other" / "*.csv")) != one


def test_a_pattern_that_matches_nothing_has_no_fingerprint(tmp_path):
    with pytest.raises(FileNotFoundError, match="ratings"):
        fingerprint_files(str(tmp_path / "ratings-*.csv"))


def test_a_missing_file_has_no_fingerprint(tmp_path):
    with pytest.raises(FileNotFoundError, match="ratings"):
        fingerprint_files(str(tmp_path / "ratings"))


def test_a_record_is_read_back_as_written(tmp_path):
    store = LineageStore(tmp_path / "lineage")
    store.write("model", record("aa", rows="bb"))
    assert store.find("model") == record("aa", rows="bb")
    assert store.fingerprint("model") == "aa"


def test_an_unfinished_dataset_has_a_recovery_command_and_no_record(tmp_path):
    store = LineageStore(tmp_path)
    store.write("model", record("aa"))
    store.mark_unfinished("model", "kedro run")
    store.mark_unfinished("model", "kedro run")
    assert store.find("model") is None
    assert store.find_recovery_command("model") == "kedro run"
    with pytest.raises(
        ValueError, match=r"model has no lineage record in .*run the pipeline"
    ):
        store.fingerprint("model")


def test_writing_a_record_removes_the_recovery_command(tmp_path):
    store = LineageStore(tmp_path)
    store.mark_unfinished("model", "kedro run")
    store.write("model", record("aa"))
    assert store.find_recovery_command("model") is None


def test_inputs_that_share_no_ancestor_agree():
    assert find_conflicts({"a": {"a": "1", "x": "2"}, "b": {"b": "3"}}) == {}


def test_inputs_of_one_version_agree():
    rows = {"model": {"model": "1", "rows": "2"}, "rows": {"rows": "2"}}
    assert find_conflicts(rows) == {}


def test_inputs_of_different_versions_are_found_and_grouped():
    origins = {
        "index": {"index": "1", "rows": "old"},
        "queries": {"queries": "2", "rows": "new"},
        "titles": {"titles": "3", "rows": "new"},
    }
    assert find_conflicts(origins) == {"rows": [["index"], ["queries", "titles"]]}


def test_a_conflict_names_an_input_of_each_version():
    message = describe_conflict("rows", [["index"], ["queries", "titles"]])
    assert message == "index and queries were made from different versions of rows"


def test_a_conflict_with_an_input_itself_names_the_stale_input():
    message = describe_conflict("rows", [["rows"], ["model"]])
    assert message == "model was made from another version of rows"


def test_roots_have_no_ancestor_among_the_other_datasets(tmp_path):
    store = LineageStore(tmp_path)
    store.write("rows", record("1", archive="0"))
    store.write("vocabulary", record("2", archive="0", rows="1"))
    store.write("model", record("3", archive="0", rows="1", vocabulary="2"))
    # The archive is a source, which has no record.
    assert find_roots(["model", "vocabulary"], store) == ["vocabulary"]
    assert find_roots(["model", "rows", "vocabulary"], store) == ["rows"]
    assert find_roots(["archive", "model", "rows"], store) == ["archive"]
