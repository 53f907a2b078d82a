"""The query tower that a retraining starts from, kept until the retraining is whole.

A retraining replaces the query tower that it was made from. If it is killed after that,
it has to start from the former one again, not from its own result. So the pipelines
read the deployed query tower from a folder of its own:

    deployed_query_tower/
        _current, v-…/       as in the folder of the query tower
        _unfinished.json     the run that has not finished; removed at its very end
"""

import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from kedro.io import DataCatalog

from two_tower.atomic import current_version, has_version, replace_folder
from two_tower.hashes import DamagedError
from two_tower.lineage import graph
from two_tower.lineage.records import LineageStore
from two_tower.lineage.sealed import read_sealed, write_sealed

logger = logging.getLogger(__name__)

_UNFINISHED: Final = "_unfinished.json"


@dataclass(frozen=True)
class Unfinished:
    """A run that started from the deployed model and has not finished.

    Attributes:
        run: start time of the run, in Kedro's format of versions.
        pipelines: its option `--pipelines`, after a space.
        command: its command.
        outputs: datasets that it makes.
    """

    run: str
    pipelines: str
    command: str
    outputs: list[str]


class Deployment:
    """Keeps the query tower that unfinished runs started from.

    Args:
        kept: folder of the kept query tower.
        output: name of the dataset that replaces the query tower.
        current: folder of that dataset.
        store: lineage records.
    """

    def __init__(
        self, kept: Path, output: str, current: Path, store: LineageStore
    ) -> None:
        self._kept = kept
        self._output = output
        self._current = current
        self._store = store

    @classmethod
    def find(cls, catalog: DataCatalog, store: LineageStore) -> Self | None:
        """Return the deployment of a catalog, or None.

        The datasets of the deployed model have `metadata: {output: <name>}` with the
        name of the dataset that replaces it.
        """
        for name in sorted(graph.find_sources()):
            output = graph.find_metadata(name, catalog).get("output")
            if output is not None:
                kept, current = (
                    Path(str(graph.find_path(one, catalog))) for one in (name, output)
                )
                return cls(kept, output, current, store)
        return None

    def find_command(self) -> str | None:
        """Return the command of the unfinished run; None without one."""
        try:
            unfinished = self._find_unfinished()
        except DamagedError:
            return None
        return unfinished.command if unfinished else None

    def start(self, wanted: Unfinished) -> None:
        """Keep the query tower that a run starts from.

        It is the current one, or that of an unfinished run of the same pipelines.

        Raises:
            ValueError: there is no query tower, it is unfinished or was replaced by
                hand, or a run of other pipelines is unfinished.
        """
        try:
            unfinished = self._find_unfinished()
        except DamagedError as error:
            raise ValueError(
                "it is unknown whether the query tower is the result of an unfinished "
                f"run: {error}; train a new model: kedro run"
            ) from error
        if unfinished is None:
            self._keep_current()
            self._write(wanted)
            return
        if unfinished.pipelines != wanted.pipelines:
            raise ValueError(
                f"run {unfinished.run} has not finished, so the deployed model is in "
                f"part its result; run: {unfinished.command}"
            )
        logger.info(
            "run %s has not finished: this run starts from the same query tower",
            unfinished.run,
        )
        if {*wanted.outputs} >= {*unfinished.outputs}:
            self._write(wanted)

    def finish(self) -> None:
        """Let later runs start from the current query tower, if all outputs are whole.

        They are if the unfinished run or a later one has made each.
        """
        try:
            unfinished = self._find_unfinished()
        except DamagedError:
            return
        if unfinished is None:
            return
        if all(self._is_made(name, unfinished) for name in unfinished.outputs):
            (self._kept / _UNFINISHED).unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the kept query tower of a run that has finished."""
        try:
            is_in_use = self._find_unfinished() is not None
        except DamagedError:
            return
        if self._kept.is_dir() and not is_in_use:
            (self._kept / _UNFINISHED).unlink(missing_ok=True)
            shutil.rmtree(self._kept)

    def _find_unfinished(self) -> Unfinished | None:
        """Return the unfinished run, if it has changed anything that still counts.

        Raises:
            DamagedError: it can't be read.
        """
        if self._is_replaced():
            return None
        try:
            content = read_sealed(self._kept / _UNFINISHED)
        except DamagedError:
            if self._is_result():
                raise
            return None
        if content is None:
            return None
        unfinished = Unfinished(**content)
        has_begun = any(
            self._store.is_unfinished(name) or self._is_made(name, unfinished)
            for name in unfinished.outputs
        )
        return unfinished if has_begun else None

    def _is_made(self, name: str, unfinished: Unfinished) -> bool:
        """Return whether the unfinished run or a later one has made a dataset."""
        record = self._store.find_intact(name)
        return record is not None and record.run >= unfinished.run

    def _is_replaced(self) -> bool:
        """Return whether the query tower is neither the kept one nor made from it."""
        record = self._store.find_intact(self._output)
        kept = self._kept_version()
        if record is None or kept is None:
            return False
        return kept.name not in {record.content, *record.ancestors.values()}

    def _kept_version(self) -> Path | None:
        return current_version(self._kept) if has_version(self._kept) else None

    def _is_result(self) -> bool:
        """Return whether the query tower may have been made from the kept one."""
        record = self._store.find_intact(self._output)
        kept = self._kept_version()
        return record is None or (
            kept is not None and kept.name in record.ancestors.values()
        )

    def _write(self, unfinished: Unfinished) -> None:
        write_sealed(self._kept / _UNFINISHED, asdict(unfinished))

    def _keep_current(self) -> None:
        version = current_version(self._current)
        if version is None:
            raise ValueError(
                f"there is no query tower in {self._current}; run: kedro run"
            )
        self._require_finished(version)
        (self._kept / _UNFINISHED).unlink(missing_ok=True)
        with replace_folder(self._kept) as folder:
            shutil.copytree(
                version, folder, dirs_exist_ok=True, copy_function=_link_or_copy
            )

    def _require_finished(self, version: Path) -> None:
        record = self._store.find_intact(self._output)
        command = self._store.find_recovery_command(self._output)
        if record is None and command is not None:
            raise ValueError(
                f"{self._output} has no lineage record: the run that wrote it was "
                f"interrupted; run: {command}"
            )
        if record and record.content != version.name:
            raise ValueError(
                f"{self._output} is not what {record.made_by} saved: its files were "
                "changed or replaced by hand; put the former ones back, or train a new "
                "model: kedro run"
            )


def reads_deployed(names: Iterable[str], catalog: DataCatalog) -> bool:
    """Return whether one of the datasets is part of the deployed model."""
    return any("output" in graph.find_metadata(name, catalog) for name in names)


def _link_or_copy(source: str, target: str) -> None:
    """Link a file, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
