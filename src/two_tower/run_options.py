"""Names and runner in the options of `kedro run`, checked before anything is opened."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from inspect import isabstract, signature
from typing import Any, Final

from kedro import runner as runners
from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.utils import load_obj

from two_tower.messages import suggest

NO_THREADS: Final = (
    "--async and ThreadRunner are not supported: the tables of a run share a database "
    "connection, which serves one thread; run without them"
)
"""Message for a run whose datasets would be loaded by several threads."""

FILTERS: Final = (
    "tags",
    "from_nodes",
    "to_nodes",
    "node_names",
    "from_inputs",
    "to_outputs",
    "namespaces",
)
"""Options that choose nodes of the pipelines."""

RUNNERS: Final = ("ParallelRunner", "SequentialRunner")


def check_run_options(options: Mapping[str, Any]) -> None:
    """Refuse names that the chosen pipelines lack, and runners that don't fit.

    Args:
        options: options of `kedro run`, by the names of its arguments.

    Raises:
        ValueError: a pipeline, node, dataset, tag, namespace or runner does not exist,
            or the run would use threads.
    """
    runner_params = options["runner_params"] or {}
    _check_runner(options["runner"] or "SequentialRunner", runner_params)
    if options["is_async"] or runner_params.get("is_async"):
        raise ValueError(NO_THREADS)
    names = options["pipelines"] or [options["pipeline"] or "__default__"]
    _require("pipeline", names, pipelines.keys())
    chosen = sum((pipelines[name] for name in names), Pipeline([]))
    nodes = {node.name for node in chosen.nodes}
    for option in ("node_names", "from_nodes", "to_nodes"):
        _require("node", options[option], nodes, inside=names)
    for option in ("from_inputs", "to_outputs"):
        _require("dataset", options[option], chosen.datasets(), inside=names)
    tags = {tag for node in chosen.nodes for tag in node.tags}
    _require("tag", options["tags"], tags, inside=names)
    namespaces = {prefix for node in chosen.nodes for prefix in node.namespace_prefixes}
    _require("namespace", options["namespaces"], namespaces, inside=names)
    _require_nodes(chosen, options)


def _require_nodes(chosen: Pipeline, options: Mapping[str, Any]) -> None:
    """Refuse options that exclude each other's nodes."""
    given = {name: options[name] for name in FILTERS if options[name]}
    namespaces = given.pop("namespaces", None)
    try:
        chosen.filter(**given, node_namespaces=namespaces)
    except ValueError as error:
        words = ["--" + name.replace("_", "-") for name in given]
        words += ["--namespaces"] * bool(namespaces)
        text = " and ".join(words).replace("--node-names", "--nodes")
        raise ValueError(f"no node fits {text} together; drop one of them") from error


def _require(
    kind: str, given: Iterable[str], names: Iterable[str], inside: Iterable[str] = ()
) -> None:
    """Refuse a name that is not among those there are.

    Args:
        kind: what the names are names of.
        given: names of the command line.
        names: names that exist.
        inside: pipelines that hold them, or none.
    """
    choices = sorted(names)
    pipeline = ",".join(sorted(set(inside) - {"__default__"}))
    owner = f"pipeline {pipeline} has" if pipeline else "there is"
    for name in given:
        if name not in choices:
            # The last word of a node's name says what it does.
            near = [one for one in choices if one.endswith(f".{name}")]
            near = near or get_close_matches(name, choices)
            raise ValueError(f"{owner} no {kind} {name!r}; {suggest(near, choices)}")


def _check_runner(name: str, params: Mapping[str, Any]) -> None:
    if "." not in name and name != "ThreadRunner":
        _require("runner", [name], RUNNERS)
    runner = _load_runner(name)
    if issubclass(runner, runners.ThreadRunner):
        raise ValueError(NO_THREADS)
    if "." in name:  # a class of one's own has its own arguments
        return
    _require("runner parameter", params, signature(runner).parameters)
    workers = params.get("max_workers", 1)
    if type(workers) is not int or workers < 1:
        raise ValueError(
            f"--runner-params gives max_workers={workers}; it must be a whole number "
            "of 1 or more"
        )


def _load_runner(name: str) -> Any:
    """Return the class of a runner, named as `--runner` names it."""
    try:
        found: Any = load_obj(name, "kedro.runner")
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        raise ValueError(
            f"the runner {name!r} can't be imported ({error}); choose one of "
            f"{', '.join(RUNNERS)}, or a class: --runner <module>.<class>"
        ) from error
    is_runner = isinstance(found, type) and issubclass(found, runners.AbstractRunner)
    if not is_runner or isabstract(found):
        raise ValueError(
            f"{name!r} is no class of a runner; choose one of {', '.join(RUNNERS)}"
        )
    return found
