"""Origins of the datasets of a run: their fingerprints and those of their ancestors."""

from collections.abc import Iterable, Mapping

from kedro.io import DataCatalog
from kedro.pipeline.node import Node

from two_tower.hashes import DamagedError
from two_tower.lineage import graph
from two_tower.lineage.commands import Command
from two_tower.lineage.deployment import Deployment
from two_tower.lineage.records import (
    LineageStore,
    Record,
    describe_conflict,
    find_conflicts,
    find_roots,
    fingerprint_files,
    merge_origins,
)

STORE = "params:lineage"

Origin = Mapping[str, str]
"""A dataset and its ancestors, name → fingerprint."""


class Origins:
    """Finds the origins of datasets, and refuses those that are unknown.

    Args:
        catalog: catalog of the run.
        command: command of the run, which the recovery commands repeat.
    """

    def __init__(self, catalog: DataCatalog, command: Command) -> None:
        self.catalog = catalog
        self.command = command
        self.store: LineageStore = catalog[STORE].load()
        self._sources: dict[str, str] = {}

    def find(self, name: str) -> Origin:
        """Return the origin of a dataset.

        Raises:
            ValueError: it has no record, a damaged one, or was replaced by hand.
        """
        if name in graph.find_producers():
            record = self.record(name)
            return {**record.ancestors, name: record.fingerprint}
        found = self.source(name)
        return dict.fromkeys(graph.find_twins(name, self.catalog), found)

    def record(self, name: str) -> Record:
        """Return the record of a dataset that a node makes; see `find`."""
        try:
            record = self.store.find(name)
            unfinished = self.store.find_recovery_command(name)
        except DamagedError as error:
            raise ValueError(
                f"the lineage record of {name} can't be read: {error}; run: "
                f"{self._make_unrecorded(name)}"
            ) from error
        if record is None:
            raise ValueError(
                f"{name} has no lineage record: the run that wrote it was interrupted, "
                "or the file was copied by hand; run: "
                f"{unfinished or self._make_unrecorded(name)}"
            )
        if record.content != find_content(name, self.catalog):
            raise ValueError(
                f"{name} is not what {record.made_by} saved: its files were changed or "
                f"replaced by hand; run: {self.make_again(record)}"
            )
        return record

    def source(self, name: str) -> str:
        """Return the fingerprint of a dataset that no node makes."""
        if name not in self._sources:
            self._sources[name] = _fingerprint_source(name, self.catalog)
        return self._sources[name]

    @property
    def sources(self) -> dict[str, str]:
        """The sources that were read so far, name → fingerprint."""
        return dict(self._sources)

    def ancestors(self, node: Node, origins: Mapping[str, Origin]) -> dict[str, str]:
        """Return the ancestors of a node's outputs.

        A node that updates the deployed model in place keeps the ancestors of the
        model alone: what it adds is from newer data on purpose.

        Args:
            node: the node.
            origins: of its inputs.
        """
        updated = [
            origin
            for name, origin in origins.items()
            if graph.find_metadata(name, self.catalog).get("output") in node.outputs
        ]
        return merge_origins(updated or origins.values())

    def require_agreement(self, node: Node, origins: Mapping[str, Origin]) -> None:
        """Refuse inputs of a node that have different versions of an ancestor.

        Raises:
            ValueError: naming two of them, and the recovery command.
        """
        conflicts = find_conflicts(origins)
        if not conflicts:
            return
        roots = find_roots(conflicts, self.store)
        again = self._unfinished_run() or self.make_from(roots)
        raise ValueError(
            f"{node.name} can't mix its inputs: "
            f"{describe_conflict(roots[0], conflicts[roots[0]])}; run: {again}"
        )

    def make_again(self, record: Record) -> str:
        """Return the command that makes a dataset again, and all that follows it.

        A pipeline that starts from the deployed model is run as a whole: its later
        nodes can't be run again without the first ones.
        """
        if unfinished := self._unfinished_run():
            return unfinished
        pipeline = graph.find_maker(record.made_by, record.inputs, self.catalog)
        if pipeline is None or pipeline == "__default__":
            return self.command.from_nodes(record.made_by, pipeline="__default__")
        return self.command.of_pipeline(pipeline)

    def make_all_again(self) -> str:
        """Return the command that makes all again, or finishes what has begun."""
        return self._unfinished_run() or self.command.options

    def make_from(self, roots: list[str]) -> str:
        """Return the command that makes all that follows from datasets."""
        pipeline = graph.find_holder(roots)
        is_deployed = any(
            "output" in graph.find_metadata(name, self.catalog) for name in roots
        )
        if pipeline and is_deployed:
            return self.command.of_pipeline(pipeline)  # see `make_again`
        return self.command.from_inputs(roots, pipeline=pipeline)

    def _make_unrecorded(self, name: str) -> str:
        """Return the command that makes a dataset without a record."""
        producer = graph.find_producers()[name]
        return self._unfinished_run() or self.command.from_nodes(
            producer, pipeline="__default__"
        )

    def _unfinished_run(self) -> str | None:
        deployment = Deployment.find(self.catalog, self.store)
        return deployment.find_command() if deployment else None


def find_content(name: str, catalog: DataCatalog) -> str | None:
    """Return a digest of the saved dataset; None if it has no file."""
    dataset = catalog[name]
    if hasattr(dataset, "fingerprint"):
        return str(dataset.fingerprint())
    path = graph.find_path(name, catalog)
    return None if path is None else fingerprint_files(path)


def find_records(names: Iterable[str], store: LineageStore) -> dict[str, Record]:
    """Return the records of datasets, as far as there are any that can be read."""
    records = {name: store.find_intact(name) for name in sorted(names)}
    return {name: record for name, record in records.items() if record}


def _fingerprint_source(name: str, catalog: DataCatalog) -> str:
    content = find_content(name, catalog)
    if content is None:
        raise ValueError(
            f"{name} has no fingerprint: no node makes it, and its dataset "
            f"{type(catalog[name]).__name__} has no filepath; give the class a method "
            "`fingerprint() -> str`, or the catalog entry `metadata: {lineage: false}`"
        )
    return content
