"""Train on a bare accelerator machine from one folder, and report speed and metrics.

`python -m benchmarks.gpu pack FOLDER --env ml-1m` writes the folder after the `data`
pipeline: model inputs as Parquet, and the parameters of training.
`KERAS_BACKEND=jax PYTHONPATH=src python -m benchmarks.gpu train FOLDER` trains on it
with the code of the training pipeline. It needs Keras, JAX or TensorFlow, NumPy,
PyArrow and Pydantic, the folders `src` and `benchmarks`, and no network.
"""

import argparse
import json
import logging
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import shards
from benchmarks.machine import cpu_name
from two_tower.training.params import Training

if TYPE_CHECKING:  # importing Keras chooses the back end
    from two_tower.towers.two_tower import TwoTower
    from two_tower.training.callbacks import TrainingState
    from two_tower.training.inputs import ModelInputs
    from two_tower.training.validation import Examples, Validation

EPOCHS_FROM_MEMORY = 2  # the faster one counts
KIB, MIB = 1 << 10, 1 << 20
WITHOUT_DECIMALS = 1000  # numbers from here on are written as whole numbers

# Option of the command line → the parameters that it replaces.
OVERRIDES = {
    "precision": ["precision"],
    "epochs": ["epochs"],
    "seed": ["seed"],
    "tokens_per_batch": ["batches.tokens_per_batch", "validation.tokens_per_batch"],
    "logits_chunk": ["batches.logits_chunk"],
    "steps_per_execution": ["steps_per_execution"],
    "device": ["device"],
}

Report = dict[str, Any]


def main() -> None:
    """Run the command line."""
    arguments = read_arguments()
    if arguments.command == "pack":
        given = dict(one.split("=", 1) for one in arguments.params)
        shards.pack(arguments.folder, env=arguments.env, given=given)
        return
    default = "tensorflow" if find_spec("tensorflow") else "jax"
    os.environ.setdefault("KERAS_BACKEND", default)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    report = train(arguments.folder, read_parameters(arguments))
    written = json.dumps(report, indent=2) + "\n" if arguments.json else table(report)
    sys.stdout.write(written)


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write the folder, with Kedro")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--env", default="ml-1m", help="environment of Kedro")
    packing.add_argument(
        "--params", nargs="*", default=[], metavar="NAME=VALUE", help="also preset=…"
    )
    training = commands.add_parser("train", help="train from the folder")
    training.add_argument("folder", type=Path)
    training.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    training.add_argument("--epochs", type=int)
    training.add_argument("--seed", type=int)
    training.add_argument(
        "--tokens-per-batch",
        type=int,
        help="items in a batch of training and validation, padding included",
    )
    training.add_argument(
        "--logits-chunk", type=int, help="queries whose logits exist at one time"
    )
    training.add_argument("--steps-per-execution", type=int)
    training.add_argument("--device", choices=["auto", "cpu", "gpu"])
    training.add_argument("--json", action="store_true", help="instead of a table")
    return parser.parse_args()


def read_parameters(arguments: argparse.Namespace) -> Training:
    """Return the folder's parameters of training with those of the command line.

    Raises:
        ValueError: if they are not valid, or tokens per batch are given for batches
            of pairs.
    """
    import keras

    changes = {
        path: value
        for option, paths in OVERRIDES.items()
        if (value := getattr(arguments, option)) is not None
        for path in paths
    }
    changes["backend"] = keras.backend.backend()
    parameters = shards.read_parameters(arguments.folder, changes)
    history = parameters.history
    if arguments.tokens_per_batch and not history.chosen.query_per_position:
        raise ValueError(
            f"--tokens-per-batch is {arguments.tokens_per_batch}, but history.kind "
            f"{history.kind!r} trains batches of batches.pairs queries; pack the "
            "folder with --params training.batches.pairs=…"
        )
    return parameters


def build(folder: Path, parameters: Training) -> "tuple[ModelInputs, TrainingState]":
    """Return the inputs of a packed folder, and a training before its first epoch."""
    from two_tower.training.assembly import build_state, prepare
    from two_tower.training.inputs import read_inputs
    from two_tower.training.loader import build_batches
    from two_tower.training.model import build_towers

    prepare(parameters)
    tables: dict[str, Any] = dict(shards.read_tables(folder))
    schema, information = shards.read_documents(folder).values()
    inputs = read_inputs(tables, schema, information, parameters)
    towers = build_towers(parameters, inputs)
    batches = build_batches(parameters, inputs, towers)
    return inputs, build_state(parameters, inputs, towers, batches, fingerprint="")


def train(folder: Path, parameters: Training) -> Report:
    """Return the speed, memory and metrics of a training."""
    from two_tower.training.assembly import build_validation
    from two_tower.training.checkpoints import CheckpointStore
    from two_tower.training.fit import fit
    from two_tower.training.inputs import read_examples

    inputs, state = build(folder, parameters)
    towers = state.task.towers
    with TemporaryDirectory() as checkpoints:
        history = fit(
            state,
            build_validation(parameters, inputs.examples, towers),
            epochs=parameters.epochs,
            validate_every=parameters.validation.every,
            store=CheckpointStore(Path(checkpoints)),
        )
    table: Any = shards.read_tables(folder)["test_examples"]
    test = read_examples(table, with_events=parameters.history.chosen.reads_events)
    report = {
        **setting(parameters),
        "request time": "known" if towers.request_time else "no",
        **speed([epoch["seconds"] for epoch in history], state.batches.n_positives),
        **peak_memory(),
        **best_metrics(history, parameters.validation.monitor),
        **test_metrics(build_validation(parameters, test, towers), test, towers),
    }
    return report | input_pipeline(state, report["seconds per epoch"])


def setting(parameters: Training) -> Report:
    """Return the device, and the parameters that speed depends on."""
    import keras

    return {
        "device": device_name(),
        "back end": f"{parameters.backend}, Keras {keras.version()}",
        "precision": parameters.precision,
        "seed": parameters.seed,
        "tokens per batch": parameters.batches.tokens_per_batch,
        "logits chunk": parameters.batches.logits_chunk,
        "steps per execution": parameters.steps_per_execution,
    }


def device_name() -> str:
    """Return the name of the device that trains."""
    import keras

    if keras.backend.backend() == "jax":
        device = jax_device()
        is_cpu, name = device.platform == "cpu", str(device.device_kind)
    else:
        import tensorflow as tf

        gpus = tf.config.get_visible_devices("GPU")
        is_cpu, name = not gpus, ""
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            name = details.get("device_name", "GPU")
    return f"CPU, {os.cpu_count()} cores, {cpu_name()}" if is_cpu else name


def jax_device() -> Any:
    """Return the device of new JAX arrays."""
    import jax

    return next(iter(jax.numpy.zeros(()).devices()))


def speed(seconds: Sequence[float], n_positives: int) -> Report:
    """Return the duration of epochs.

    Args:
        seconds: of training in each epoch; the first one also traces and compiles.
        n_positives: training examples of an epoch.
    """
    later = statistics.median(seconds[1:]) if len(seconds) > 1 else None
    per_epoch = seconds[0] if later is None else later
    return {
        "epochs": len(seconds),
        "seconds per epoch": per_epoch,
        "seconds of compilation": None if later is None else seconds[0] - later,
        "seconds of training": sum(seconds),
        "positives per second": n_positives / per_epoch,
    }


def peak_memory() -> Report:
    """Return the peak memory of host and device; None for a device without a count."""
    import keras

    peak = None
    if keras.backend.backend() == "jax":
        stats = jax_device().memory_stats()
        peak = stats["peak_bytes_in_use"] if stats else None
    else:
        import tensorflow as tf

        if tf.config.get_visible_devices("GPU"):
            peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "peak device memory, MiB": None if peak is None else peak / MIB,
        "peak host memory, MiB": own * (1 if sys.platform == "darwin" else KIB) / MIB,
    }


def best_metrics(history: Sequence[Mapping[str, Any]], monitor: str) -> Report:
    """Return the validation metrics of the epoch whose weights were kept.

    Without validation that is the last epoch.
    """
    name = f"val_{monitor}"
    validated = [epoch for epoch in history if name in epoch]
    best = max(validated, key=lambda epoch: epoch[name], default=history[-1])
    return {
        "loss of the last epoch": history[-1]["loss"],
        "epoch kept": best["epoch"],
        **hit_rates_and_ndcg(best, "validation"),
    }


def test_metrics(
    validation: "Validation | None", test: "Examples", towers: "TwoTower"
) -> Report:
    """Return hit rates and NDCG of the test positives in the whole catalogue.

    Args:
        validation: the ranking, of a sample of the users maybe; None for none.
        test: examples of all users.
        towers: trained.
    """
    from two_tower.towers.encode import encode_items
    from two_tower.types import FIRST_ID

    if validation is None:
        return {}
    ids = np.arange(FIRST_ID, towers.item_tower.n_entities, dtype=np.int32)
    ranking = replace(validation, examples=test)
    return hit_rates_and_ndcg(
        ranking.evaluate(towers, encode_items(towers, ids)), "test"
    )


def hit_rates_and_ndcg(epoch: Mapping[str, Any], split: str) -> Report:
    """Return the entries `val_hr@k` and `val_ndcg@k`, named after a split."""
    return {
        name.replace("val_", f"{split} "): value
        for name, value in epoch.items()
        if name.startswith(("val_hr@", "val_ndcg@"))
    }


def input_pipeline(state: "TrainingState", seconds_per_epoch: float) -> Report:
    """Return the cost of making batches, alone and as part of an epoch.

    Making them alone takes as long as training can wait for them at most. Epochs over
    batches in memory are shorter by the time that training waits; on a busy machine
    this difference is noise, and may be below 0. The towers train on, so this comes
    last.
    """
    state.batches.begin(len(state.history))
    began = time.perf_counter()
    batches = list(state.batches)
    alone = time.perf_counter() - began
    from_memory = min(seconds_from_memory(state, batches))
    report: Report = {
        "batches per epoch": len(batches),
        "seconds to make an epoch's batches alone": alone,
        "share of an epoch": alone / seconds_per_epoch,
        "seconds per epoch from memory": from_memory,
        "seconds per epoch saved by memory": seconds_per_epoch - from_memory,
    }
    if "items" in batches[0]:
        n_tokens = sum(batch["items"].size for batch in batches)
        n_items = sum(np.count_nonzero(batch["items"]) for batch in batches)
        report["tokens per second"] = n_tokens / seconds_per_epoch
        report["share of padding"] = 1 - n_items / n_tokens
    return report


def seconds_from_memory(state: "TrainingState", batches: list[Any]) -> list[float]:
    """Return the seconds of epochs over batches in memory."""
    import keras

    from two_tower.training.keras_input import as_keras_input

    class Clock(keras.callbacks.Callback):
        """Times epochs, and reads the loss as often as training does."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            float(logs["loss"])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    clock = Clock()
    in_memory: Any = InMemory(batches)
    state.task.fit(
        as_keras_input(in_memory, stack=state.stack),
        epochs=EPOCHS_FROM_MEMORY,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    return clock.seconds


class InMemory:
    """Batches that are already made."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def table(report: Report) -> str:
    """Return the report as one Markdown table."""
    rows = ["| | |", "|---|---:|"]
    rows += [f"| {name} | {formatted(value)} |" for name, value in report.items()]
    return "\n".join(rows) + "\n"


def formatted(value: Any) -> str:
    """Return the text of a value in a table."""
    if value is None:
        return "not measured"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= WITHOUT_DECIMALS else f"{value:.4g}"


if __name__ == "__main__":
    main()
