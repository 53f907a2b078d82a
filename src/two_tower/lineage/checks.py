"""Checks before the first node: what a run leaves as it is must fit what it makes."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from two_tower.lineage import graph
from two_tower.lineage.origins import Origin, Origins
from two_tower.lineage.parameters import Parameters, describe_differences
from two_tower.lineage.records import Record, fingerprint_output

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a node of a run is going to make, and from what.

    Attributes:
        node: the node.
        parameters: its parameters, name → plain value.
        inputs: its other inputs, name → fingerprint.
        outputs: its outputs, name → fingerprint.
    """

    node: Node
    parameters: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]


def check_run(
    pipeline: Pipeline, origins: Origins, *, only_missing_outputs: bool
) -> None:
    """Refuse a run whose result would not be that of its parameters.

    Args:
        pipeline: the nodes of the run.
        origins: of the run's catalog.
        only_missing_outputs: whether nodes are skipped whose outputs exist.

    Raises:
        ValueError: an input that the run does not make, or an output that it skips, was
            made with other parameters or from other data; it has the command that
            makes it again.
    """
    catalog = origins.catalog
    recorded = list(graph.find_recorded_inputs(pipeline, catalog))
    if not recorded and not only_missing_outputs:
        return  # the run makes everything itself
    parameters = Parameters(catalog)
    plans = _plan(pipeline, origins, parameters)
    for name in recorded:
        _require_in_force(name, origins, parameters)
    if only_missing_outputs:
        for plan in plans:
            _require_skippable(plan, origins)
    _warn_of_changed_sources(pipeline, recorded, origins)


def _plan(pipeline: Pipeline, origins: Origins, parameters: Parameters) -> list[Plan]:
    """Return what each node makes; refuse inputs of different versions.

    Raises:
        ValueError: see `Origins.require_agreement`.
    """
    catalog = origins.catalog
    found: dict[str, Origin] = {}
    plans = []
    for node in pipeline.nodes:
        for name in graph.find_inputs(node, catalog):
            if name not in found:
                found[name] = origins.find(name)
        own = {name: found[name] for name in graph.find_inputs(node, catalog)}
        origins.require_agreement(node, own)
        values = {
            name.removeprefix("params:"): parameters.find(name.removeprefix("params:"))
            for name in graph.find_parameters(node, catalog)
        }
        inputs = {name: origin[name] for name, origin in own.items()}
        outputs = {
            name: fingerprint_output(node.name, name, values, inputs)
            for name in node.outputs
        }
        ancestors = origins.ancestors(node, own)
        for name, fingerprint in outputs.items():
            found[name] = {**ancestors, name: fingerprint}
        plans.append(Plan(node, values, inputs, outputs))
    return plans


def _require_skippable(plan: Plan, origins: Origins) -> None:
    """Refuse to skip a node whose outputs exist, but are not what it would make."""
    if not all(origins.catalog.exists(name) for name in plan.outputs):
        return
    for name, fingerprint in plan.outputs.items():
        record = origins.record(name)
        if record.fingerprint == fingerprint:
            continue
        how = _describe_change(record, plan, origins)
        raise ValueError(
            f"{name} exists, so --only-missing-outputs would skip {plan.node.name}, "
            f"but it was made {how}; make it again: "
            f"{origins.command.from_nodes(plan.node.name)}"
        )


def _describe_change(record: Record, plan: Plan, origins: Origins) -> str:
    if record.made_by != plan.node.name or record.inputs.keys() != plan.inputs.keys():
        return f"by {record.made_by} from {', '.join(sorted(record.inputs))}"
    if differing := describe_differences(record.parameters, plan.parameters):
        return f"with other parameters: {differing}{_offer_options(record, origins)}"
    changed = [name for name in plan.inputs if record.inputs[name] != plan.inputs[name]]
    return f"from another version of {changed[0]}"


def _offer_options(record: Record, origins: Origins) -> str:
    """Return the command that uses a dataset as it is, with the options of its run."""
    if record.command == origins.command.options:
        return ""
    return f". Use it as it is: {record.command}{origins.command.filters}"


def _require_in_force(name: str, origins: Origins, parameters: Parameters) -> None:
    """Refuse a dataset that was made with other parameters than those in force."""
    lineage = _Lineage(name, origins, parameters)
    root = lineage.find_outdated(name)
    if root is None:
        return
    record = lineage.records[root]
    if record.fingerprint != lineage.used[root]:
        raise ValueError(
            f"{name} was made from another version of {root} than the present "
            f"parameters make; run: {origins.make_all_again()}"
        )
    again = origins.make_again(record)
    differing = describe_differences(record.parameters, lineage.in_force(record))
    whose = name if root == name else f"{name} was made from {root}, which"
    raise ValueError(
        f"{whose} was made with other parameters: {differing}"
        f"{_offer_options(record, origins)}; make it again: {again}"
    )


class _Lineage:
    """A dataset, its ancestors, and what the parameters in force would make of them.

    Attributes:
        used: the dataset and its ancestors, name → fingerprint.
        records: present records of those that nodes make; they may have been made
            again since.
    """

    def __init__(self, name: str, origins: Origins, parameters: Parameters) -> None:
        record = origins.record(name)
        self._parameters = parameters
        self.used = {**record.ancestors, name: record.fingerprint}
        self.records = {name: record}
        for ancestor in record.ancestors:
            if found := origins.store.find_intact(ancestor):
                self.records[ancestor] = found
        self._expected: dict[str, str] = {}

    def in_force(self, record: Record) -> dict[str, Any]:
        """Return the present values of a dataset's parameters.

        A parameter that no longer exists keeps its value: code is no part of lineage.
        """
        return {
            name: self._parameters.find(name, recorded)
            for name, recorded in record.parameters.items()
        }

    def find_outdated(self, name: str) -> str | None:
        """Return the first of a dataset and its ancestors to differ now, or None."""
        if name not in self.records or self._expect(name) == self.used.get(name):
            return None
        for ancestor in self._followed(self.records[name]):
            if root := self.find_outdated(ancestor):
                return root
        return name

    def _followed(self, record: Record) -> list[str]:
        """Return the inputs of a dataset that are made, and count as its ancestors."""
        return [
            name
            for name in record.inputs
            if name in self.records and name in record.ancestors
        ]

    def _expect(self, name: str) -> str:
        """Return the fingerprint that a dataset would have if it were made now.

        Its sources are those that it was made from.
        """
        if name not in self._expected:
            record = self.records[name]
            is_present = record.fingerprint == self.used.get(name)
            followed = self._followed(record)
            inputs = {
                other: self._expect(other)
                if other in followed
                else fingerprint
                if is_present
                else self.used.get(other, fingerprint)
                for other, fingerprint in record.inputs.items()
            }
            self._expected[name] = fingerprint_output(
                record.made_by, name, self.in_force(record), inputs
            )
        return self._expected[name]


def _warn_of_changed_sources(
    pipeline: Pipeline, recorded: Iterable[str], origins: Origins
) -> None:
    """Log the sources that have changed since the inputs of a run were made from them.

    It is no error: an earlier model may go on serving while its data grow.
    """
    catalog = origins.catalog
    for source in sorted(graph.find_sources() - pipeline.inputs()):
        is_deployed = "output" in graph.find_metadata(source, catalog)
        if is_deployed or not catalog.exists(source):
            continue
        for name in recorded:
            used: Mapping[str, str] = origins.record(name).ancestors
            if source in used and used[source] != origins.source(source):
                logger.warning(
                    "%s has changed since %s was made from it; this run uses the "
                    "earlier version. To use the new one, run: %s",
                    source,
                    name,
                    origins.command.options,
                )
                return
