import json
from hashlib import sha256
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DatasetError

from two_tower.atomic import current_version
from two_tower.datasets import parquet_shards
from two_tower.datasets.parquet_shards import ParquetShardsDataset

SCHEMA = pa.schema([("item", pa.int32()), ("ids", pa.list_(pa.int64()))])


@pytest.fixture
def dataset(tmp_path):
    return ParquetShardsDataset(filepath=str(tmp_path / "table"), rows_per_shard=3)


def rows(n):
    return pa.table({"item": range(n), "ids": [[i] * i for i in range(n)]}, SCHEMA)


def batches(table, sizes):
    start = 0
    for size in sizes:
        yield from table.slice(start, size).combine_chunks().to_batches()
        start += size
    yield from table.slice(start).combine_chunks().to_batches()


def loaded(dataset):
    return dataset.load().order_by("item").to_pyarrow().to_pylist()


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_shards_hold_fixed_row_ranges(dataset):
    dataset.save(rows(8))
    manifest = dataset.manifest()
    assert manifest["rows"] == 8
    assert [(s["file"], s["rows"]) for s in manifest["shards"]] == [
        ("00000.parquet", 3),
        ("00001.parquet", 3),
        ("00002.parquet", 2),
    ]
    assert loaded(dataset) == rows(8).to_pylist()


def test_a_lazy_table_is_saved_in_its_order(dataset):
    table = ibis.memtable(rows(7)).order_by(ibis.desc("item"))
    dataset.save(table)
    assert [row[0] for row in dataset.preview(nrows=7)["data"]] == list(range(7))[::-1]


@pytest.mark.parametrize("n_rows", [0, 1, 3, 7])
@pytest.mark.parametrize(
    "as_input",
    [
        lambda table: ibis.memtable(table).order_by("item"),
        lambda table: table,
        lambda table: table.to_reader(max_chunksize=2),
        lambda table: iter([pa.RecordBatch.from_pylist(table.to_pylist(), SCHEMA)]),
    ],
    ids=["ibis", "table", "reader", "iterator"],
)
def test_every_kind_of_input_gives_the_same_bytes(tmp_path, n_rows, as_input):
    for name, data in (("a", rows(n_rows)), ("b", as_input(rows(n_rows)))):
        path = str(tmp_path / name)
        ParquetShardsDataset(filepath=path, rows_per_shard=3).save(data)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(min_value=0, max_value=9), max_size=6),
    rows_per_shard=st.integers(min_value=1, max_value=12),
)
def test_batches_of_any_size_give_the_same_bytes(
    tmp_path_factory, sizes, rows_per_shard
):
    folder = tmp_path_factory.mktemp("shards")
    for name, data in (("a", rows(20)), ("b", batches(rows(20), sizes))):
        path = str(folder / name)
        ParquetShardsDataset(filepath=path, rows_per_shard=rows_per_shard).save(data)
    assert files(folder / "a") == files(folder / "b")


def test_shards_and_row_groups_have_a_million_and_32_768_rows(tmp_path):
    dataset = ParquetShardsDataset(filepath=str(tmp_path / "table"))
    dataset.save(pa.table({"item": range(40_000)}))
    assert dataset.manifest()["rows_per_shard"] == 1_048_576
    (shard,) = current_version(tmp_path / "table").glob("*.parquet")
    file = pq.read_metadata(shard)
    found = [file.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert found == [32_768, 7_232]


def test_row_groups_end_with_their_shard(dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(parquet_shards, "ROWS_PER_GROUP", 2)
    dataset.save(rows(8))
    shards = sorted(current_version(tmp_path / "table").glob("*.parquet"))
    groups = [pq.read_metadata(shard) for shard in shards]
    found = [[m.row_group(i).num_rows for i in range(m.num_row_groups)] for m in groups]
    assert found == [[2, 1], [2, 1], [2]]
    assert loaded(dataset) == rows(8).to_pylist()


def test_an_empty_table_keeps_its_schema(dataset):
    dataset.save(rows(0))
    table = dataset.load()
    assert table.schema() == ibis.schema({"item": "int32", "ids": "array<int64>"})
    assert table.count().execute() == 0
    assert dataset.preview()["columns"] == ["item", "ids"]


def test_an_iterator_without_a_batch_is_refused(dataset):
    with pytest.raises(DatasetError, match="no schema"):
        dataset.save(iter([]))
    assert not dataset.exists()


def test_loading_before_saving_is_refused_with_a_remedy(dataset):
    assert not dataset.exists()
    for read in (dataset.load, dataset.preview, dataset.fingerprint):
        with pytest.raises(DatasetError, match="kedro run --to-outputs table"):
            read()


def failing(table):
    yield from table.to_batches(max_chunksize=2)
    raise RuntimeError("the engine gave up")


def test_a_failed_save_leaves_the_old_table(dataset, tmp_path):
    dataset.save(rows(4))
    before = files(tmp_path)
    with pytest.raises(DatasetError, match="gave up"):
        dataset.save(failing(rows(9)))
    assert files(tmp_path) == before
    assert dataset.exists()


@pytest.mark.parametrize(
    ("damage", "n_rows"),
    [
        (lambda table: table.slice(1), 2),
        (lambda table: pa.concat_tables([table, table]), 6),
    ],
    ids=["fewer", "more"],
)
def test_shards_that_read_back_differently_are_refused(
    dataset, monkeypatch, damage, n_rows
):
    dataset.save(rows(4))

    class Damages(pq.ParquetWriter):
        def write_table(self, table, **options):
            super().write_table(damage(table), **options)

    monkeypatch.setattr(parquet_shards.pq, "ParquetWriter", Damages)
    with pytest.raises(DatasetError, match=f"reads back as {n_rows} rows"):
        dataset.save(rows(9))
    assert loaded(dataset) == rows(4).to_pylist()


def test_a_table_can_be_saved_over_the_one_it_is_read_from(dataset):
    dataset.save(rows(7))
    dataset.save(dataset.load().mutate(twice=ibis._.item * 2).order_by("item"))
    assert [row["twice"] for row in loaded(dataset)] == [0, 2, 4, 6, 8, 10, 12]


def test_a_lazy_table_survives_a_save_of_the_same_rows(dataset):
    dataset.save(rows(7))
    table = dataset.load()
    dataset.save(rows(7))
    assert table.count().execute() == 7


def test_the_fingerprint_depends_on_rows_and_schema(dataset):
    dataset.save(rows(4))
    first = dataset.fingerprint()
    dataset.save(rows(5))
    second = dataset.fingerprint()
    dataset.save(rows(4))
    assert dataset.fingerprint() == first != second
    dataset.save(rows(4).rename_columns(["item", "others"]))
    assert dataset.fingerprint() not in {first, second}


def test_the_manifest_holds_the_hash_of_each_shard(dataset, tmp_path):
    dataset.save(rows(4))
    shard = dataset.manifest()["shards"][1]
    written = (current_version(tmp_path / "table") / shard["file"]).read_bytes()
    assert shard["bytes"] == len(written)
    assert shard["sha256"] == sha256(written).hexdigest()
    assert dataset.manifest()["schema"] == {
        "item": "int32",
        "ids": "list<item: int64>",
    }
    text = (current_version(tmp_path / "table") / "_manifest.json").read_text()
    assert text == json.dumps(dataset.manifest(), indent=2) + "\n"


REMEDY = "run, with its --env: kedro run --to-outputs table"


def test_a_truncated_or_missing_shard_is_refused(dataset, tmp_path):
    dataset.save(rows(4))
    shard = current_version(tmp_path / "table") / "00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert str(error.value) == f"{shard} was changed since it was saved; {REMEDY}"
    shard.unlink()
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert str(error.value) == f"{shard} is missing; {REMEDY}"


@pytest.mark.parametrize("name", ["00000.parquet", "_manifest.json"])
def test_each_flipped_bit_is_refused(dataset, tmp_path, name):
    dataset.save(rows(4))
    path = current_version(tmp_path / "table") / name
    content = path.read_bytes()
    for at in range(0, len(content), 13):
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        path.write_bytes(flipped)
        with pytest.raises(DatasetError, match=r"table/v-.*; run, with its --env"):
            dataset.load()
    path.write_bytes(content)
    assert loaded(dataset) == rows(4).to_pylist()


def test_a_stray_file_is_refused_by_name(dataset, tmp_path):
    dataset.save(rows(4))
    version = current_version(tmp_path / "table")
    stray = version / "more.parquet"
    stray.write_bytes((version / "00000.parquet").read_bytes())
    with pytest.raises(DatasetError) as error:
        dataset.load()
    assert str(error.value) == (
        f"{stray} was added to what was saved; remove it; {REMEDY}"
    )
    stray.unlink()
    assert loaded(dataset) == rows(4).to_pylist()


def test_a_damaged_pointer_is_refused_by_name(dataset, tmp_path):
    dataset.save(rows(4))
    (tmp_path / "table" / "_current").write_text("")
    assert not dataset.exists()
    for read in (dataset.load, dataset.preview, dataset.fingerprint, dataset.manifest):
        with pytest.raises(DatasetError, match=f"_current is damaged: .*{REMEDY}"):
            read()


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": 4}'])
def test_a_damaged_manifest_is_refused_by_name(dataset, tmp_path, text):
    dataset.save(rows(4))
    (current_version(tmp_path / "table") / "_manifest.json").write_text(text)
    with pytest.raises(
        DatasetError, match=rf"_manifest\.json can't be read .*{REMEDY}"
    ):
        dataset.manifest()
    with pytest.raises(DatasetError, match=f"is damaged: its files .*{REMEDY}"):
        dataset.load()


def test_the_catalog_may_name_another_command(tmp_path):
    metadata = {"recovery": "kedro run --pipelines simulation"}
    dataset = ParquetShardsDataset(filepath=str(tmp_path / "a"), metadata=metadata)
    with pytest.raises(DatasetError, match=r"--env: kedro run --pipelines simulation$"):
        dataset.load()


def test_the_preview_reads_the_first_rows_only_and_shortens_lists(dataset, tmp_path):
    dataset.save(pa.table({"item": range(9), "ids": [[7] * 20] * 9}, SCHEMA))
    last = current_version(tmp_path / "table") / "00002.parquet"
    last.write_bytes(b"never read")
    preview = dataset.preview(nrows=4)
    assert preview["columns"] == ["item", "ids"]
    assert [row[0] for row in preview["data"]] == [0, 1, 2, 3]
    assert preview["data"][0][1] == "[7, 7, 7, 7, 7, 7, 7, 7, … (20 in all)]"


def test_the_preview_has_five_rows_and_lists_of_eight_whole(dataset):
    dataset.save(pa.table({"item": range(9), "ids": [[7] * 8] * 9}, SCHEMA))
    preview = dataset.preview()
    assert preview["index"] == [0, 1, 2, 3, 4]
    assert [row[0] for row in preview["data"]] == [0, 1, 2, 3, 4]
    assert preview["data"][0][1] == "[7, 7, 7, 7, 7, 7, 7, 7]"
    assert dataset.preview(nrows=0)["data"] == []


def test_the_preview_of_any_types_is_json(dataset):
    values = {"day": [pd.Timestamp("2000-01-01")], "x": [float("nan")], "z": [None]}
    dataset.save(pa.table(values))
    data = json.loads(json.dumps(dataset.preview()["data"], allow_nan=False))
    assert data == [["2000-01-01 00:00:00", "nan", None]]


def test_pandas_reads_the_folder(dataset, tmp_path):
    dataset.save(rows(7))
    assert len(pd.read_parquet(tmp_path / "table")) == 7


def test_a_folder_name_may_hold_pattern_characters(tmp_path):
    dataset = ParquetShardsDataset(filepath=str(tmp_path / "a[1] *b"))
    dataset.save(rows(2))
    assert loaded(dataset) == rows(2).to_pylist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filepath": "s3://bucket/table"}, "not local"),
        ({"filepath": "table", "rows_per_shard": 0}, "1 and above"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(DatasetError, match=message):
        ParquetShardsDataset(**arguments)
