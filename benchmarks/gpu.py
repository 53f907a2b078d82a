"""Train on a bare accelerator machine, from one folder, and measure it.

`python -m benchmarks.gpu pack FOLDER --env ml-1m` writes the folder where the `data`
pipeline has run: tables of model inputs in Parquet, and the parameters of training.
`KERAS_BACKEND=jax PYTHONPATH=src python -m benchmarks.gpu train FOLDER` trains on it,
with the code that the training pipeline runs. It needs Keras, JAX or TensorFlow, NumPy
and PyArrow, of this project the folders `src` and `benchmarks`, and no network.
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
from typing import Any

import numpy as np

from benchmarks import shards
from benchmarks.machine import cpu_name

MEASURED_EPOCHS = 2  # with batches out of memory; the faster one counts
KIB, MIB = 1 << 10, 1 << 20
WITHOUT_DECIMALS = 1000  # figures from here on are shown as whole numbers

Figures = dict[str, Any]


def main() -> None:
    """Do what the command line asks for."""
    arguments = read_arguments()
    if arguments.do == "pack":
        given = dict(one.split("=", 1) for one in arguments.params)
        shards.pack(arguments.folder, env=arguments.env, given=given)
        return
    usual = "tensorflow" if find_spec("tensorflow") else "jax"
    os.environ.setdefault("KERAS_BACKEND", usual)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    found = train(arguments)
    written = json.dumps(found, indent=2) + "\n" if arguments.json else table(found)
    sys.stdout.write(written)


def read_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="do", required=True)
    packing = commands.add_parser("pack", help="write the folder, with Kedro")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--env", default="ml-1m", help="environment of Kedro")
    packing.add_argument(
        "--params", nargs="*", default=[], metavar="NAME=VALUE", help="preset=… too"
    )
    training = commands.add_parser("train", help="train from the folder")
    training.add_argument("folder", type=Path)
    training.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    training.add_argument("--epochs", type=above_zero)
    training.add_argument("--seed", type=int)
    training.add_argument(
        "--tokens_per_batch",
        type=above_zero,
        help="of a batch, in training and validation, padding included",
    )
    training.add_argument(
        "--chunk", type=above_zero, help="queries with logits at a time"
    )
    training.add_argument("--steps-per-execution", type=above_zero)
    training.add_argument("--device", choices=["auto", "cpu", "gpu"])
    training.add_argument("--json", action="store_true", help="rather than a table")
    return parser.parse_args()


def above_zero(text: str) -> int:
    """Return a number of the command line that counts something.

    Raises:
        ValueError: if it is none, which the command line then says.
    """
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def read_parameters(arguments: argparse.Namespace) -> Any:
    """Return the folder's parameters of training with those of the command line.

    Raises:
        ValueError: if they don't go together.
    """
    import keras

    parameters = shards.read_parameters(arguments.folder)
    parameters.backend = keras.backend.backend()
    for name in ("precision", "epochs", "seed", "steps_per_execution", "device"):
        asked = getattr(arguments, name)
        if asked is not None:
            setattr(parameters, name, asked)
    set_batches(
        parameters, tokens_per_batch=arguments.tokens_per_batch, chunk=arguments.chunk
    )
    return parameters


def set_batches(
    parameters: Any, *, tokens_per_batch: int | None, chunk: int | None
) -> None:
    """Give batches other sizes, checked as the parameters of the folder were.

    Args:
        parameters: that are changed.
        tokens_per_batch: items in a batch of training and of validation; None leaves
        both.
        chunk: queries whose logits exist at one time; None leaves it.

    Raises:
        ValueError: if batches have no tokens_per_batch, a row doesn't fit, or the
        queue of
            negatives can't hold a batch.
    """
    from two_tower.chunking import count_queries
    from two_tower.types import ROW_PER_PLACE

    batches = parameters.batches
    if tokens_per_batch is not None:
        if parameters.history in ROW_PER_PLACE:
            raise ValueError(
                f"--tokens_per_batch is {tokens_per_batch}, but with history "
                f"{parameters.history!r} a batch "
                "is of batches.pairs; pack the folder with training.batches.pairs=…"
            )
        batches.tokens_per_batch = parameters.validation.tokens_per_batch = (
            tokens_per_batch
        )
    batches.chunk = batches.chunk if chunk is None else chunk
    if parameters.history in ROW_PER_PLACE:
        return
    if batches.tokens_per_batch < batches.buckets[-1]:
        raise ValueError(
            f"--tokens_per_batch is {batches.tokens_per_batch}, less than the "
            "widest of batches.buckets, "
            f"{batches.buckets[-1]}; a batch holds at least one row"
        )
    queue = parameters.negatives.queue
    places = max(
        count_queries(
            width, tokens_per_batch=batches.tokens_per_batch, chunk=batches.chunk
        )
        for width in batches.buckets
    )
    if parameters.negatives == "queue" and queue.size - queue.hard < places:
        raise ValueError(
            f"a batch may have {places} places with --tokens_per_batch "
            f"{batches.tokens_per_batch} and "
            f"--chunk {batches.chunk}, but sources.queue has size {queue.size} with "
            f"{queue.hard} hard ones; lower tokens_per_batch or chunk, or pack the "
            "folder with a "
            "larger training.negatives.queue.size"
        )


def train(arguments: argparse.Namespace) -> Figures:
    """Return how fast a training was, and what it came to."""
    from two_tower.training.assembly import (
        assemble_feed,
        assemble_state,
        assemble_towers,
        assemble_validation,
        prepare,
    )
    from two_tower.training.checkpoints import CheckpointStore
    from two_tower.training.fit import fit
    from two_tower.training.inputs import read_examples, read_inputs

    parameters = read_parameters(arguments)
    prepare(parameters)
    tables = shards.read_tables(arguments.folder)
    schema, information = shards.read_documents(arguments.folder).values()
    inputs = read_inputs(tables, schema, information, parameters)
    towers = assemble_towers(parameters, inputs)
    feed = assemble_feed(parameters, inputs, towers)
    state = assemble_state(parameters, inputs, towers, feed, fingerprint="")
    with TemporaryDirectory() as folder:
        history = fit(
            state,
            assemble_validation(parameters, inputs.examples, towers),
            epochs=parameters.epochs,
            validate_every=parameters.validation.every,
            store=CheckpointStore(Path(folder)),
        )
    test = read_examples(tables["test_examples"], with_events=parameters.reads_events)
    figures = {
        **setting(parameters),
        "request time": "known" if towers.request_time else "no",
        **speed([epoch["seconds"] for epoch in history], feed.n_positives),
        **peak_memory(),
        **best_figures(history, parameters.validation.monitor),
        **test_figures(assemble_validation(parameters, test, towers), test, towers),
    }
    return figures | feeding(state, figures["seconds per epoch"])


def setting(parameters: Any) -> Figures:
    """Return what was trained on which device."""
    import keras

    return {
        "device": device_name(),
        "back end": f"{parameters.backend}, Keras {keras.version()}",
        "precision": parameters.precision,
        "seed": parameters.seed,
        "tokens_per_batch of a batch": parameters.batches.tokens_per_batch,
        "places in a chunk": parameters.batches.chunk,
        "steps per execution": parameters.steps_per_execution,
    }


def device_name() -> str:
    """Return what the device that trains calls itself."""
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
    """Return the device that JAX puts arrays on."""
    import jax

    return next(iter(jax.numpy.zeros(()).devices()))


def speed(seconds: Sequence[float], n_positives: int) -> Figures:
    """Return how long epochs took.

    Args:
        seconds: of each epoch's training; the first one traces and compiles too.
        n_positives: examples of an epoch.
    """
    later = statistics.median(seconds[1:]) if len(seconds) > 1 else None
    usual = seconds[0] if later is None else later
    return {
        "epochs": len(seconds),
        "seconds per epoch": usual,
        "seconds of compilation": None if later is None else seconds[0] - later,
        "seconds of training": sum(seconds),
        "examples per second": n_positives / usual,
    }


def peak_memory() -> Figures:
    """Return the most memory that was in use, of the device where it tells."""
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


def best_figures(history: Sequence[Mapping[str, Any]], monitor: str) -> Figures:
    """Return the validation figures of the epoch whose weights were kept.

    That is the last one where nothing was validated.
    """
    name = f"val_{monitor}"
    validated = [epoch for epoch in history if name in epoch]
    best = max(validated, key=lambda epoch: epoch[name], default=history[-1])
    ranked = {key: value for key, value in best.items() if is_figure(key)}
    return {
        "loss of the last epoch": history[-1]["loss"],
        "epoch kept": best["epoch"],
        **{key.replace("val_", "validation "): value for key, value in ranked.items()},
    }


def is_figure(name: str) -> bool:
    """Return whether a record's entry is a hit rate or NDCG of the validation."""
    return name.startswith(("val_hr@", "val_ndcg@"))


def test_figures(ranking: Any, test: Any, towers: Any) -> Figures:
    """Return hit rates and NDCG of the test positives, the whole catalogue ranked.

    Args:
        ranking: as of validation, which may ask a sample of the users alone.
        test: examples, of which all are asked.
        towers: trained.
    """
    from two_tower.towers.encode import encode_items
    from two_tower.types import FIRST_ID

    if ranking is None:
        return {}
    ids = np.arange(FIRST_ID, towers.item_tower.n_entities, dtype=np.int32)
    everyone = replace(ranking, examples=test)
    found = everyone.evaluate(towers, encode_items(towers, ids))
    return {
        name.replace("val_", "test "): value
        for name, value in found.items()
        if is_figure(name)
    }


def feeding(state: Any, seconds_per_epoch: float) -> Figures:
    """Return what making batches costs, alone and by what epochs take without it.

    The towers train on, so this comes last. A training waits for batches no longer than
    making them takes alone, and as long as that where nothing makes them ahead; batches
    that lie in memory save what it waits. Where the machine has other work to do, what
    they save is lost in the noise, and may be below 0.
    """
    feed = state.feed
    feed.begin(len(state.history))
    began = time.perf_counter()
    batches = list(feed)
    alone = time.perf_counter() - began
    kept = min(epochs_from_memory(state, batches))
    figures: Figures = {
        "batches of an epoch": len(batches),
        "seconds to make an epoch's batches alone": alone,
        "share of an epoch that this is": alone / seconds_per_epoch,
        "seconds per epoch of batches in memory": kept,
        "seconds per epoch that these save": seconds_per_epoch - kept,
    }
    if "items" in batches[0]:
        n_slots = sum(batch["items"].size for batch in batches)
        n_items = sum(np.count_nonzero(batch["items"]) for batch in batches)
        figures["tokens_per_batch per second"] = n_slots / seconds_per_epoch
        figures["share of padding"] = 1 - n_items / n_slots
    return figures


def epochs_from_memory(state: Any, batches: list[Any]) -> list[float]:
    """Return the seconds of epochs that train on batches made beforehand."""
    import keras

    from two_tower.training.keras_input import as_keras_input

    class Clock(keras.callbacks.Callback):
        """Time epochs, and look at the loss as often as training does."""

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
    feed: Any = InMemory(batches)
    state.task.fit(
        as_keras_input(feed, stack=state.stack),
        epochs=MEASURED_EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    return clock.seconds


class InMemory:
    """A feed of batches that have been made."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def table(figures: Figures) -> str:
    """Return the figures as one Markdown table."""
    rows = ["| | |", "|---|---:|"]
    rows += [f"| {name} | {shown(value)} |" for name, value in figures.items()]
    return "\n".join(rows) + "\n"


def shown(value: Any) -> str:
    """Return a figure as a table shows it."""
    if value is None:
        return "not measured"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= WITHOUT_DECIMALS else f"{value:.4g}"


if __name__ == "__main__":
    main()
