"""The pipelines of this project, run on the files of a benchmark."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DATASET = "ml-1m"


@dataclass(frozen=True)
class Project:
    """The project with its own folder of data and configuration.

    Attributes:
        folder: of data, and of the configuration that points to it.
        python: runs the pipelines; by default that of this process.
    """

    folder: Path
    python: Path = Path(sys.executable)

    @property
    def data(self) -> Path:
        """The root of all data sets."""
        return self.folder / "data"

    def set_up(self, archive: Path, parameters: Mapping[str, Any] | None) -> None:
        """Write the configuration, and copy the archive to the raw data.

        Args:
            archive: of MovieLens.
            parameters: replace all parameters of the data set's environment; None
                keeps those.
        """
        shutil.rmtree(self.folder / "conf", ignore_errors=True)
        shutil.copytree(ROOT / "conf", self.folder / "conf")
        environment = self.folder / "conf" / DATASET
        _write(
            environment / "globals.yml",
            {"dataset": DATASET, "format": "movielens", "data": str(self.data)},
        )
        if parameters is not None:
            shutil.rmtree(environment / "parameters")
            _write(environment / "parameters.yml", parameters)
        raw = self.data / "01_raw"
        raw.mkdir(parents=True, exist_ok=True)
        shutil.copy(archive, raw / f"{DATASET}.zip")

    def command(self, pipelines: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the command that runs these pipelines with these parameters."""
        given = ",".join(
            f"{name}={'null' if value is None else value}"
            for name, value in parameters.items()
        )
        return [
            *[str(self.python), "-m", "kedro", "run", "--env", DATASET],
            *["--conf-source", str(self.folder / "conf"), "--pipelines", pipelines],
            *(["--params", given] if given else []),
        ]

    def run(self, pipelines: str, parameters: Mapping[str, Any]) -> None:
        """Run these pipelines in another process.

        Raises:
            subprocess.CalledProcessError: if they fail.
        """
        subprocess.run(self.command(pipelines, parameters), check=True, cwd=ROOT)

    @property
    def checkpoints(self) -> Path:
        """Folder from which an interrupted training resumes."""
        return self.data / "06_models" / DATASET / "training_checkpoints"

    def forget_training(self) -> None:
        """Remove the checkpoint, so that a training starts anew."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def load(self, *names: str) -> list[Any]:
        """Return datasets of the catalog."""
        with self._context({}) as context:
            catalog = context.catalog
            return [catalog.load(name) for name in names]

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters of a run with these ones on the command line."""
        with self._context(nested(given)) as context:
            return dict(context.params)

    @contextmanager
    def _context(self, parameters: dict[str, Any]) -> Iterator[Any]:
        from kedro.framework.session import KedroSession
        from kedro.framework.startup import bootstrap_project

        bootstrap_project(ROOT)
        with KedroSession.create(
            ROOT,
            env=DATASET,
            conf_source=str(self.folder / "conf"),
            runtime_params=parameters,
        ) as session:
            yield session.load_context()  # type: ignore[attr-defined]


def nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"a.b": c}` as `{"a": {"b": c}}`."""
    nested: dict[str, Any] = {}
    for path, value in given.items():
        *groups, name = path.split(".")
        group = nested
        for one in groups:
            group = group.setdefault(one, {})
        group[name] = value
    return nested


def _write(path: Path, content: Mapping[str, Any]) -> None:
    import yaml  # here, because a bare machine imports this module without it

    path.write_text(yaml.safe_dump(content), encoding="utf-8")
