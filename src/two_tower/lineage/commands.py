"""Commands that error messages print: how a dataset is made again."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from omegaconf import OmegaConf

_FILTERS: Final = {
    "pipeline_names": "pipelines",
    "tags": "tags",
    "from_nodes": "from-nodes",
    "to_nodes": "to-nodes",
    "node_names": "nodes",
    "from_inputs": "from-inputs",
    "to_outputs": "to-outputs",
    "namespaces": "namespaces",
}
"""Name of a choice of nodes in the options of a run → its option of `kedro run`."""


@dataclass(frozen=True)
class Command:
    """The command of a run.

    Attributes:
        options: `kedro run` with its environment and `--params`.
        pipelines: its option `--pipelines`, after a space; empty without one.
        filters: all its options that choose nodes, after a space.
    """

    options: str = "kedro run"
    pipelines: str = ""
    filters: str = ""

    @classmethod
    def of_run(cls, run_params: Mapping[str, Any]) -> Self:
        """Return the command of a run with these options, as hooks get them."""
        filters = [
            f" --{option} {shlex.quote(','.join(chosen))}"
            for name, option in _FILTERS.items()
            if (chosen := run_params.get(name))
        ]
        if run_params.get("only_missing_outputs"):
            filters.append(" --only-missing-outputs")
        return cls(
            options=options_of(run_params["env"], run_params["runtime_params"]),
            pipelines=filters[0] if run_params["pipeline_names"] else "",
            filters="".join(filters),
        )

    @property
    def text(self) -> str:
        """The whole command."""
        return f"{self.options}{self.filters}"

    def from_nodes(self, *nodes: str, pipeline: str | None = None) -> str:
        """Return the command that runs nodes and all that follow them.

        Args:
            nodes: names of the nodes.
            pipeline: which holds them; None: the pipelines of this command.
        """
        chosen = self.pipelines if pipeline is None else _option(pipeline)
        return f"{self.options}{chosen} --from-nodes {','.join(nodes)}"

    def from_inputs(self, names: Iterable[str], *, pipeline: str | None) -> str:
        """Return the command that makes all that follows from these datasets."""
        return f"{self.options}{_option(pipeline)} --from-inputs {','.join(names)}"

    def of_pipeline(self, pipeline: str) -> str:
        """Return the command that runs a whole pipeline."""
        return f"{self.options}{_option(pipeline)}"


def _option(pipeline: str | None) -> str:
    is_default = pipeline in (None, "__default__")
    return "" if is_default else f" --pipelines {pipeline}"


def options_of(env: str | None, runtime_params: Mapping[str, Any]) -> str:
    """Return `kedro run` with its environment and `--params`.

    Args:
        env: name of the environment, or None.
        runtime_params: parameters of the command line, nested.
    """
    words = ["kedro", "run", *(["--env", env] if env else [])]
    given = [f"{name}={_as_text(value)}" for name, value in flatten(runtime_params)]
    return shlex.join([*words, *(["--params", ",".join(given)] if given else [])])


def flatten(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, with their keys joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in flatten(value))
        else:
            yield name, value


def _as_text(value: Any) -> str:
    """Return a value in the syntax of `--params`; a text such as 007 is quoted."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_read_as_text = OmegaConf.from_dotlist([f"value={value}"]).value == value
    return value if is_read_as_text else f"'{value}'"
