"""Model inputs and parameters in one folder, for a machine without Kedro and Pydantic.

Written from the catalog here, they are read by PyArrow alone there.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.project import ROOT, nested

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

# Keys of what is written of parameters; a group and a mapping look alike in JSON.
FIELDS, DERIVED, MAPPING = "fields", "derived", "mapping"


def pack(folder: Path, *, env: str, given: Mapping[str, str]) -> None:
    """Write what a training reads, as the `data` pipeline left it.

    Args:
        folder: to be made, with a folder of Parquet files for each table.
        env: environment of Kedro.
        given: dotted name → YAML of parameters over those of the environment.
    """
    import yaml
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(ROOT)
    asked = nested({name: yaml.safe_load(value) for name, value in given.items()})
    with KedroSession.create(ROOT, env=env, runtime_params=asked) as session:
        context = session.load_context()  # type: ignore[attr-defined]
        for name in TABLES:
            _write_table(folder / name, context.catalog.load(name))
        documents = {name: context.catalog.load(name) for name in DOCUMENTS}
        documents[PARAMETERS] = describe(context.params[PARAMETERS])
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _write_table(folder: Path, table: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    schema = table.schema().to_pyarrow()
    with pq.ParquetWriter(folder / "00000.parquet", schema, compression="zstd") as file:
        for batch in table.to_pyarrow_batches():
            file.write_batch(batch.cast(schema))


def describe(value: Any) -> Any:
    """Return typed parameters as JSON can hold them, with what they say of themselves.

    Of a group that is its fields, and its properties beside them.
    """
    from two_tower.params import Params

    if isinstance(value, Params):
        kind = type(value)
        # Those of Pydantic's base say nothing of training.
        derived = {
            name: getattr(value, name)
            for parent in kind.__mro__
            if issubclass(parent, Params)
            for name, member in vars(parent).items()
            if isinstance(member, property)
        }
        fields = {name: describe(getattr(value, name)) for name in kind.model_fields}
        return {FIELDS: fields, DERIVED: derived}
    if isinstance(value, Mapping):
        return {MAPPING: {name: describe(one) for name, one in value.items()}}
    return [describe(one) for one in value] if isinstance(value, list) else value


def read_parameters(folder: Path) -> Any:
    """Return the parameters of training by attribute, as typed ones are read."""
    return restore(_read_json(folder, PARAMETERS))


def restore(value: Any) -> Any:
    """Return what `describe` was given, with `Group` in place of typed parameters."""
    match value:
        case {"fields": fields, "derived": derived}:
            named = {name: restore(one) for name, one in fields.items()}
            return Group(named, derived)
        case {"mapping": mapping}:
            return {name: restore(one) for name, one in mapping.items()}
        case list():
            return [restore(one) for one in value]
        case _:
            return value


class Group:
    """A group of parameters that have been checked elsewhere.

    Args:
        fields: name → value, a group maybe.
        derived: what typed parameters say of themselves.
    """

    def __init__(self, fields: Mapping[str, Any], derived: Mapping[str, Any]) -> None:
        self._names = list(fields)
        vars(self).update(fields)
        vars(self).update(derived)

    def model_dump(self, *, exclude: frozenset[str] | set[str] = frozenset()) -> Any:
        """Return the fields as plain values, as Pydantic does."""
        return {
            name: _plain(getattr(self, name))
            for name in self._names
            if name not in exclude
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Group):
        return value.model_dump()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def read_documents(folder: Path) -> dict[str, Any]:
    """Return what is known of features."""
    return {name: _read_json(folder, name) for name in DOCUMENTS}


def read_tables(folder: Path) -> dict[str, "Shards"]:
    """Return the tables, of which nothing is read yet.

    Raises:
        FileNotFoundError: if there is none of a name.
    """
    missing = [name for name in TABLES if not (folder / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{folder} has no {', '.join(missing)}; `python -m benchmarks.gpu pack` "
            "writes a folder with all tables"
        )
    return {name: Shards(folder / name) for name in TABLES}


class Shards:
    """A folder of Parquet files: as much of an Ibis table as training asks for.

    Args:
        folder: which holds the files.
        columns: to be read; None for all.
        order: columns that the rows are sorted by.
    """

    def __init__(
        self,
        folder: Path,
        columns: list[str] | None = None,
        order: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.columns = columns
        self.order = order

    def order_by(self, *names: str) -> Self:
        """Return the table with its rows in this order."""
        return type(self)(self.folder, self.columns, names)

    def select(self, *names: str) -> Self:
        """Return the table with these columns alone; what it is ordered by is one."""
        return type(self)(self.folder, list(names), self.order)

    def to_pyarrow(self) -> pa.Table:
        """Read the rows."""
        table = pq.read_table(self.folder, columns=self.columns)
        order = [(name, "ascending") for name in self.order]
        return table.sort_by(order) if order else table

    def to_pyarrow_batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows, and return them batch by batch."""
        return iter(self.to_pyarrow().to_batches())


def _read_json(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
