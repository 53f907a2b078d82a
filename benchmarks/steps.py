"""Measure the steps of a preset against what the processor can multiply.

`python -m benchmarks.gpu pack FOLDER --env ml-1m` writes the folder, `python -m
benchmarks.steps FOLDER` prints one Markdown table. With `--until 0.3` it then trains
from the start, for as many epochs as the parameters say, and adds how long it took to
that validation HR@10.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import shards
from benchmarks.gpu import Figures, InMemory, device_name, table

SIZE = 2048  # of the square matrices that the rate is measured with
REPEATS = 7  # of which the fastest counts
OF_BACKWARD = 2  # a product's gradient is two products as large
HEAD_PRODUCTS = 3  # logits, gradient of queries, gradient of items
GIGA = 1e9


def main() -> None:
    """Measure what the command line asks for."""
    arguments = read_arguments()
    parameters = shards.read_parameters(arguments.folder)
    os.environ["KERAS_BACKEND"] = parameters.backend
    sys.stdout.write(table(measure(arguments.folder, parameters, arguments.until)))


def read_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="as `benchmarks.gpu pack` writes it")
    parser.add_argument("--until", type=float, help="validation HR@10 to train to")
    return parser.parse_args()


def measure(folder: Path, parameters: Any, until: float | None) -> Figures:
    """Return how fast steps are, and where their time goes.

    Raises:
        ValueError: if the parameters read no histories.
    """
    if parameters.history == "none":
        raise ValueError(
            "history is 'none', so batches have no tokens_per_batch of items to be "
            "measured; pack "
            "a folder with `--params preset=…` of one that reads histories"
        )
    from two_tower.training.assembly import (
        assemble_feed,
        assemble_state,
        assemble_towers,
        prepare,
    )
    from two_tower.training.inputs import read_inputs

    prepare(parameters)
    tables = shards.read_tables(folder)
    schema, information = shards.read_documents(folder).values()
    inputs = read_inputs(tables, schema, information, parameters)
    towers = assemble_towers(parameters, inputs)
    feed = assemble_feed(parameters, inputs, towers)
    state = assemble_state(parameters, inputs, towers, feed, fingerprint="")
    began = time.perf_counter()
    batches = list(feed)
    alone = time.perf_counter() - began
    wall, processor, compiling = seconds_of_an_epoch(state, batches)
    places = sum(int(batch["weights"].sum()) for batch in batches)
    tokens_per_batch = sum(batch["items"].size for batch in batches)
    items = sum(np.count_nonzero(batch["items"]) for batch in batches)
    rates = {precision: rate_of(precision) for precision in ("float32", "bfloat16")}
    n_candidates = len(inputs.candidate_ids)
    figures: Figures = {
        "device": device_name(),
        "back end": parameters.backend,
        "XLA": parameters.jit_compile or parameters.backend == "jax",
        **{
            f"matrix products in {precision}, G/s": rate / GIGA
            for precision, rate in rates.items()
        },
        "batches of an epoch": len(batches),
        "examples per second": places / wall,
        "tokens_per_batch per second": tokens_per_batch / wall,
        "share of padding": 1 - items / tokens_per_batch,
        "seconds per epoch": wall,
        "processor seconds per epoch": processor,
        "seconds that the first epoch took longer": compiling,
        "batches per second, made alone": len(batches) / alone,
    }
    if parameters.objective == "softmax" and parameters.negatives == "catalogue":
        head = HEAD_PRODUCTS * product(places, n_candidates, parameters.dimension)
        body = sum(body_operations(towers, *batch["items"].shape) for batch in batches)
        of_head = seconds_of_head(parameters, n_candidates) * places
        figures |= {
            "operations of the softmax head, share": head / (head + body),
            "seconds per epoch in the softmax head": of_head,
            "rate of the softmax head / float32": head / of_head / rates["float32"],
            "rate of the rest / float32": body / (wall - of_head) / rates["float32"],
        }
    if until is not None:
        figures |= training_until(parameters, inputs, until)
    return figures


def product(rows: int, inner: int, columns: int) -> int:
    """Return the operations of a product of matrices: an addition for each factor."""
    return 2 * rows * inner * columns


def body_operations(towers: Any, n_rows: int, width: int) -> int:
    """Return the operations of all products between histories and queries.

    Dense layers at each slot, and attention of each slot with each of its row (half of
    which is masked, and computed all the same); forwards and backwards.
    """
    encoder = towers.history_encoder
    dense = sum(
        int(np.prod(weight.shape))
        for weight in encoder.trainable_weights
        if weight.name == "kernel"
    )
    n_slots = n_rows * width
    forwards = product(n_slots, dense, 1)
    for block in getattr(encoder, "blocks", []):
        inner = block.attention.n_heads * block.attention.width
        forwards += 2 * product(n_slots, inner, width)
    return (1 + OF_BACKWARD) * forwards


def rate_of(precision: str) -> float:
    """Return the operations per second of large square products, the best of some."""
    from keras import ops

    one = ops.cast(np.ones((SIZE, SIZE), np.float32), precision)
    fastest = best(lambda: ops.matmul(one, one))
    return product(SIZE, SIZE, SIZE) / fastest


def best(run: Callable[[], Any]) -> float:
    """Return the least seconds of a run, its outcome waited for; the first is no one's.

    Args:
        run: returns an array, or arrays, of the back end.
    """
    import keras

    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        for found in keras.tree.flatten(run()):
            np.asarray(found[:1] if found.shape else found)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def seconds_of_an_epoch(
    state: Any, batches: Sequence[Any]
) -> tuple[float, float, float]:
    """Return wall and processor time of a second epoch, and what the first had more.

    The batches lie in memory: making them is measured by itself.
    """
    from two_tower.training.keras_input import as_keras_input

    spent = []
    for _ in range(2):
        began, used = time.perf_counter(), time.process_time()
        state.task.fit(
            as_keras_input(InMemory(list(batches)), stack=state.stack),  # type: ignore[arg-type]
            epochs=1,
            shuffle=False,
            verbose=0,
        )
        spent.append((time.perf_counter() - began, time.process_time() - used))
    (first, _), (wall, processor) = spent
    return wall, processor, first - wall


def seconds_of_head(parameters: Any, n_candidates: int) -> float:
    """Return what the softmax and its gradient take for a place, alone.

    On random unit vectors: a batch of as many places as tokens_per_batch.
    """
    import keras
    from keras import ops

    from two_tower.losses.softmax import softmax_cross_entropy
    from two_tower.negatives.base import whole_catalogue
    from two_tower.towers.vectors import to_unit_length
    from two_tower.types import FIRST_ID

    batches, rng = parameters.batches, np.random.default_rng(0)
    n_places = max(batches.tokens_per_batch // batches.chunk, 1) * batches.chunk
    known = np.arange(n_candidates + FIRST_ID) >= FIRST_ID
    labels = rng.integers(FIRST_ID, len(known), n_places).astype(np.int32)
    queries, vectors = (
        to_unit_length(
            ops.convert_to_tensor(
                rng.normal(size=(n, parameters.dimension)).astype(np.float32)
            )
        )
        for n in (n_places, n_candidates)
    )

    def loss(queries: Any, vectors: Any) -> Any:
        return softmax_cross_entropy(
            queries,
            ops.take(vectors, labels - FIRST_ID, axis=0),
            ops.convert_to_tensor(labels),
            ops.ones(n_places),
            whole_catalogue(known, ops.convert_to_tensor(labels)),
            vectors,
            temperature=parameters.scoring.temperature.start,
            mask_hits=False,
            chunk=batches.chunk,
        )

    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(jax.grad(loss, argnums=(0, 1)))
        return best(lambda: compiled(queries, vectors)) / n_places
    import tensorflow as tf

    @tf.function(jit_compile=parameters.jit_compile)
    def gradients(queries: Any, vectors: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([queries, vectors])
            value = loss(queries, vectors)
        return [
            tf.convert_to_tensor(g) for g in tape.gradient(value, [queries, vectors])
        ]

    return best(lambda: gradients(queries, vectors)) / n_places


def training_until(parameters: Any, inputs: Any, target: float) -> Figures:
    """Return how long training took to a validation HR@10, validation left out."""
    from two_tower.training.assembly import train
    from two_tower.training.checkpoints import CheckpointStore

    with TemporaryDirectory() as folder:
        towers, history = train(parameters, inputs, "", CheckpointStore(Path(folder)))
    reached = seconds_until(history, target)
    return {
        "request time": "known" if towers.request_time else "no",
        f"seconds of training to validation HR@10 {target}": reached,
        "best validation HR@10": max(one.get("val_hr@10", 0.0) for one in history),
    }


def seconds_until(history: Sequence[Figures], target: float) -> float | None:
    """Return the seconds of all epochs up to the first at the target; None for none."""
    seconds = 0.0
    for epoch in history:
        seconds += epoch["seconds"]
        if epoch.get("val_hr@10", 0.0) >= target:
            return seconds
    return None


if __name__ == "__main__":
    main()
