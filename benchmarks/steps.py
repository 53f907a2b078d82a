"""Measure the training steps of a preset against the processor's matrix products.

`python -m benchmarks.gpu pack FOLDER --env ml-1m` writes the folder, `python -m
benchmarks.steps FOLDER` prints one Markdown table. `--until 0.3` then trains from the
start, for at most the epochs of the parameters, and adds the seconds to that validation
HR@10.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import shards
from benchmarks.gpu import InMemory, Report, build, device_name, table
from two_tower.training.params import Training

if TYPE_CHECKING:  # importing Keras chooses the back end
    from two_tower.training.callbacks import TrainingState
    from two_tower.training.inputs import ModelInputs

SIZE = 2048  # of the square matrices in the reference product
REPEATS = 7  # the fastest one counts
OF_BACKWARD = 2  # a product's gradient is two products as large
HEAD_PRODUCTS = 3  # logits, gradient of queries, gradient of items
GIGA = 1e9


def main() -> None:
    """Run the command line."""
    arguments = read_arguments()
    parameters = shards.read_parameters(arguments.folder)
    os.environ["KERAS_BACKEND"] = parameters.backend
    sys.stdout.write(table(measure(arguments.folder, parameters, arguments.until)))


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="written by `benchmarks.gpu pack`")
    parser.add_argument("--until", type=float, help="validation HR@10 to train to")
    return parser.parse_args()


def measure(folder: Path, parameters: Training, until: float | None) -> Report:
    """Return the speed of steps, and the shares of their parts.

    Raises:
        ValueError: if the parameters have no history.
    """
    if parameters.history.kind == "none":
        raise ValueError(
            "history.kind is 'none', so batches have no tokens to measure; pack a "
            "folder with --params preset=… of a preset with a history"
        )
    inputs, state = build(folder, parameters)
    began = time.perf_counter()
    batches = list(state.batches)
    alone = time.perf_counter() - began
    wall, processor, compiling = seconds_of_an_epoch(state, batches)
    rates = {precision: rate_of(precision) for precision in ("float32", "bfloat16")}
    n_queries = sum(int(batch["weights"].sum()) for batch in batches)
    n_tokens = sum(batch["items"].size for batch in batches)
    n_items = sum(np.count_nonzero(batch["items"]) for batch in batches)
    report: Report = {
        "device": device_name(),
        "back end": parameters.backend,
        "XLA": parameters.jit_compile or parameters.backend == "jax",
        **{
            f"matrix products in {precision}, G/s": rate / GIGA
            for precision, rate in rates.items()
        },
        "batches per epoch": len(batches),
        "positives per second": n_queries / wall,
        "tokens per second": n_tokens / wall,
        "share of padding": 1 - n_items / n_tokens,
        "seconds per epoch": wall,
        "processor seconds per epoch": processor,
        "seconds that the first epoch took longer": compiling,
        "batches per second, made alone": len(batches) / alone,
    }
    if (parameters.objective.kind, parameters.negatives.kind) == (
        "softmax",
        "catalogue",
    ):
        shapes = [batch["items"].shape for batch in batches]
        body = sum(body_operations(state.task.towers, *shape) for shape in shapes)
        n_candidates = len(inputs.candidate_ids)
        report |= shares(
            head=HEAD_PRODUCTS * product(n_queries, n_candidates, parameters.dimension),
            body=body,
            seconds=wall,
            seconds_of_head=seconds_of_head(parameters, n_candidates) * n_queries,
            rate=rates["float32"],
        )
    if until is not None:
        report |= training_until(parameters, inputs, until)
    return report


def shares(
    *, head: int, body: int, seconds: float, seconds_of_head: float, rate: float
) -> Report:
    """Return how an epoch divides into the softmax head and the rest.

    Args:
        head: operations of the softmax head.
        body: operations of the rest.
        seconds: of an epoch.
        seconds_of_head: of them, in the softmax head.
        rate: operations per second of large products in float32.
    """
    return {
        "operations of the softmax head, share": head / (head + body),
        "seconds per epoch in the softmax head": seconds_of_head,
        "rate of the softmax head / float32": head / seconds_of_head / rate,
        "rate of the rest / float32": body / (seconds - seconds_of_head) / rate,
    }


def product(rows: int, inner: int, columns: int) -> int:
    """Return the operations of a matrix product: its multiplications and additions."""
    return 2 * rows * inner * columns


def body_operations(towers: Any, n_rows: int, width: int) -> int:
    """Return the operations of all products between histories and queries.

    They are dense layers at each token, and attention between all tokens of a row (the
    masked half is computed too), forwards and backwards.
    """
    encoder = towers.history_encoder
    dense = sum(
        int(np.prod(weight.shape))
        for weight in encoder.trainable_weights
        if weight.name == "kernel"
    )
    n_tokens = n_rows * width
    forwards = product(n_tokens, dense, 1)
    for block in getattr(encoder, "blocks", []):
        inner = block.attention.n_heads * block.attention.width
        forwards += 2 * product(n_tokens, inner, width)
    return (1 + OF_BACKWARD) * forwards


def rate_of(precision: str) -> float:
    """Return the operations per second of the fastest large square product."""
    from keras import ops

    one = ops.cast(np.ones((SIZE, SIZE), np.float32), precision)
    return product(SIZE, SIZE, SIZE) / fastest(lambda: ops.matmul(one, one))


def fastest(run: Callable[[], Any]) -> float:
    """Return the least seconds of several runs after a first one.

    Args:
        run: returns an array, or arrays, of the back end; they are waited for.
    """
    import keras

    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        for array in keras.tree.flatten(run()):
            np.asarray(array[:1] if array.shape else array)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def seconds_of_an_epoch(
    state: "TrainingState", batches: Sequence[Any]
) -> tuple[float, float, float]:
    """Return wall and processor seconds of a second epoch, and the first one's excess.

    The batches lie in memory; making them is measured separately.
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


def seconds_of_head(parameters: Training, n_candidates: int) -> float:
    """Return the seconds per query of the softmax and its gradient, alone.

    The input is random unit vectors, one query per token of a batch.
    """
    from keras import ops

    from two_tower.losses.softmax import score_shared, softmax_cross_entropy
    from two_tower.negatives.base import whole_catalogue
    from two_tower.types import FIRST_ID

    chunk, rng = parameters.batches.logits_chunk, np.random.default_rng(0)
    n_queries = max(parameters.batches.tokens_per_batch // chunk, 1) * chunk
    known = np.arange(n_candidates + FIRST_ID) >= FIRST_ID
    labels = rng.integers(FIRST_ID, len(known), n_queries).astype(np.int32)
    queries, vectors = (
        random_unit_vectors(rng, n, parameters.dimension)
        for n in (n_queries, n_candidates)
    )

    def loss(queries: Any, vectors: Any) -> Any:
        logits = score_shared(
            queries,
            ops.take(vectors, labels - FIRST_ID, axis=0),
            ops.convert_to_tensor(labels),
            ops.ones(n_queries),
            vectors,
            whole_catalogue(known, ops.convert_to_tensor(labels)),
            temperature=parameters.scoring.temperature.start,
        )
        return softmax_cross_entropy(*logits, mask_hits=False, chunk=chunk)

    gradients = compiled_gradients(loss, jit_compile=parameters.jit_compile)
    return fastest(lambda: gradients(queries, vectors)) / n_queries


def random_unit_vectors(rng: np.random.Generator, n: int, dimension: int) -> Any:
    """Return `[n, dimension]` float32, a tensor of the back end."""
    from keras import ops

    from two_tower.towers.vectors import to_unit_length

    vectors = rng.normal(size=(n, dimension)).astype(np.float32)
    return to_unit_length(ops.convert_to_tensor(vectors))


def compiled_gradients(
    loss: Callable[[Any, Any], Any], *, jit_compile: bool
) -> Callable[[Any, Any], Any]:
    """Return the gradients of a loss by its two arguments, compiled.

    Args:
        loss: of two tensors, a scalar.
        jit_compile: whether TensorFlow uses XLA.
    """
    import keras

    if keras.backend.backend() == "jax":
        import jax

        on_jax: Callable[[Any, Any], Any] = jax.jit(jax.grad(loss, argnums=(0, 1)))
        return on_jax
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)  # type: ignore[untyped-decorator]
    def gradients(one: Any, other: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([one, other])
            value = loss(one, other)
        return [tf.convert_to_tensor(g) for g in tape.gradient(value, [one, other])]

    on_tensorflow: Callable[[Any, Any], Any] = gradients
    return on_tensorflow


def training_until(
    parameters: Training, inputs: "ModelInputs", target: float
) -> Report:
    """Return the seconds of training to a validation HR@10, without validation."""
    from two_tower.training.assembly import train
    from two_tower.training.checkpoints import CheckpointStore

    with TemporaryDirectory() as folder:
        towers, history = train(parameters, inputs, "", CheckpointStore(Path(folder)))
    return {
        "request time": "known" if towers.request_time else "no",
        f"seconds of training to validation HR@10 {target}": seconds_until(
            history, target
        ),
        "best validation HR@10": max(one.get("val_hr@10", 0.0) for one in history),
    }


def seconds_until(history: Sequence[Report], target: float) -> float | None:
    """Return the seconds of epochs up to the first at the target; None if never."""
    seconds = 0.0
    for epoch in history:
        seconds += epoch["seconds"]
        if epoch.get("val_hr@10", 0.0) >= target:
            return seconds
    return None


if __name__ == "__main__":
    main()
