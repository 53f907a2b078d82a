"""Model inputs and parameters in one folder, for a machine without Kedro and Ibis.

They are written from the catalog, and read by PyArrow and Pydantic alone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.project import ROOT, nested
from two_tower.training.params import Training

TABLES = (
    "train_sequences",
    "validation_examples",
    "test_examples",
    "item_features",
    "user_features",
    "item_vocabulary",
    "user_vocabulary",
    "explicit_negatives",
)
DOCUMENTS = ("feature_schema", "feature_information")
PARAMETERS = "training"


def pack(folder: Path, *, env: str, given: Mapping[str, str]) -> None:
    """Write the inputs of a training, from the output of the `data` pipeline.

    Args:
        folder: a new folder, with a folder of Parquet files for each table.
        env: environment of Kedro.
        given: changed parameters, dotted path → YAML.
    """
    import yaml
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    from two_tower.features.mutual_information import feature_information

    bootstrap_project(ROOT)
    changes = nested({name: yaml.safe_load(value) for name, value in given.items()})
    with KedroSession.create(ROOT, env=env, runtime_params=changes) as session:
        context = session.load_context()  # type: ignore[attr-defined]
        tables = {name: context.catalog.load(name) for name in TABLES}
        for name, table in tables.items():
            _write_table(folder / name, table)
        documents = {
            "feature_schema": context.catalog.load("feature_schema"),
            "feature_information": feature_information(
                tables["item_features"], tables["item_vocabulary"]
            ),
            PARAMETERS: context.params[PARAMETERS].model_dump(mode="json"),
        }
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _write_table(folder: Path, table: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    schema = table.schema().to_pyarrow()
    with pq.ParquetWriter(folder / "00000.parquet", schema, compression="zstd") as file:
        for batch in table.to_pyarrow_batches():
            file.write_batch(batch.cast(schema))


def read_parameters(folder: Path, changes: Mapping[str, Any] | None = None) -> Training:
    """Return the parameters of training.

    Args:
        folder: written by `pack`.
        changes: values that replace those of the folder, by dotted path.

    Raises:
        ValidationError: if they are not valid.
    """
    parameters = _read_json(folder, PARAMETERS)
    for path, value in (changes or {}).items():
        *groups, name = path.split(".")
        group = parameters
        for one in groups:
            group = group[one]
        group[name] = value
    return Training.model_validate(parameters)


def read_documents(folder: Path) -> dict[str, Any]:
    """Return the feature schema and the information of features."""
    return {name: _read_json(folder, name) for name in DOCUMENTS}


def read_tables(folder: Path) -> dict[str, "Shards"]:
    """Return the tables by name, not yet read.

    Raises:
        FileNotFoundError: if one is missing.
    """
    missing = [name for name in TABLES if not (folder / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{folder} has no {', '.join(missing)}; write it again by "
            "`python -m benchmarks.gpu pack`"
        )
    return {name: Shards(folder / name) for name in TABLES}


@dataclass(frozen=True)
class Shards:
    """A folder of Parquet files, with the methods of an Ibis table that training calls.

    Attributes:
        folder: of the files.
        columns: columns to read; None for all.
        order: columns that sort the rows.
    """

    folder: Path
    columns: tuple[str, ...] | None = None
    order: tuple[str, ...] = ()

    def order_by(self, *names: str) -> Self:
        """Return the table sorted by these columns."""
        return replace(self, order=names)

    def select(self, *names: str) -> Self:
        """Return the table with only these columns, which include its sort keys."""
        return replace(self, columns=names)

    def to_pyarrow(self) -> pa.Table:
        """Return the rows."""
        table = pq.read_table(self.folder, columns=self.columns and list(self.columns))
        order = [(name, "ascending") for name in self.order]
        return table.sort_by(order) if order else table

    def to_pyarrow_batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows, and yield them batch by batch."""
        return iter(self.to_pyarrow().to_batches())


def _read_json(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
