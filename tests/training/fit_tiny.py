"""Small histories, and the smallest trainings that still have all the parts."""

from functools import partial

import keras
import numpy as np

from tests.towers.build import sequence_options
from two_tower.ragged import Ragged
from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.events import Events
from two_tower.towers.mean import MeanUserTower
from two_tower.towers.transformer.tower import TransformerUserTower
from two_tower.towers.two_tower import TwoTower
from two_tower.training.batches.pairs import PairBatches
from two_tower.training.batches.positions import PositionBatches
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.batches.windows import WindowBatches
from two_tower.training.callbacks import EarlyStopping, TrainingState
from two_tower.training.checkpoints import CheckpointStore
from two_tower.training.objectives.base import Objective
from two_tower.training.objectives.softmax import FullSoftmax
from two_tower.training.optimizers import Optimizer
from two_tower.training.schedules import Cosine, Horizon
from two_tower.training.sequences import SequenceEvents, Sequences
from two_tower.training.task import RetrievalTask, Temperature
from two_tower.training.validation import Examples, Validation

N_ITEMS = 22  # twenty real items behind the two reserved ids
N_USERS = 90
BOUNDARIES = [3, 6]
TOKENS = 24
CHUNK = 8


def walks(n_users=30, n_items=N_ITEMS, seed=0):
    """Histories of 2 to 13 items, each item followed by the next one of a circle."""
    rng = np.random.default_rng(seed)
    n_real = n_items - 2
    starts, lengths = rng.integers(n_real, size=n_users), rng.integers(2, 14, n_users)
    return [
        [int(start + step) % n_real + 2 for step in range(length)]
        for start, length in zip(starts, lengths, strict=True)
    ]


BEGINNING = 900_000_000
HOUR = 3600


def second_of(user, position):
    """Return when a user met the item of a position of the history."""
    return BEGINNING + HOUR * (100 * user + position)


def rating_of(position):
    """Return how the item of a position is rated; every third one is not."""
    return float("nan") if position % 3 == 2 else 1.0 + position % 5


def cut(histories, window):
    """Cut histories into windows from their ends, as sequencing does."""
    users, items, targets, is_first = [], [], [], []
    seconds, ratings, target_seconds = [], [], []
    for user, history in enumerate(histories, start=2):
        oldest = (len(history) - 1) % window or window
        ends = range(oldest, max(len(history), oldest + 1), window)
        for end in ends:
            start = max(end - window, 0)
            users.append(user)
            items.append(history[start:end])
            targets.append(history[start + 1 : end + 1])
            is_first.append(start == 0)
            positions = range(start, min(end, len(history)))
            seconds += [second_of(user, position) for position in positions]
            ratings += [rating_of(position) for position in positions]
            asked = range(start + 1, min(end + 1, len(history)))
            target_seconds += [second_of(user, position) for position in asked]
    return Sequences(
        np.array(users, np.int32),
        Ragged.from_lists(items),
        Ragged.from_lists(targets),
        np.array(is_first, bool),
        SequenceEvents(
            np.array(seconds, np.int64),
            np.array(ratings, np.float32),
            np.array(target_seconds, np.int64),
        ),
    )


def window_batches(  # noqa: PLR0913
    histories,
    *,
    boundaries=BOUNDARIES,
    tokens_per_batch=TOKENS,
    chunk=CHUNK,
    with_ages=False,
    request_time=False,
    seed=1,
    sampler=None,
):
    return WindowBatches(
        cut(histories, boundaries[-1]),
        boundaries,
        tokens_per_batch=tokens_per_batch,
        chunk=chunk,
        with_ages=with_ages,
        request_time=request_time,
        seed=seed,
        sampler=sampler or BatchSampler(),
    )


def pair_batches(histories, *, size=16, chunk=CHUNK, seed=1, sampler=None):
    users, labels = cut(histories, 100).pairs()
    return PairBatches(
        users,
        labels,
        size=size,
        chunk=chunk,
        seed=seed,
        sampler=sampler or BatchSampler(),
    )


def position_batches(  # noqa: PLR0913
    histories,
    *,
    window=None,
    boundaries=BOUNDARIES,
    size=16,
    chunk=CHUNK,
    request_time=True,
    epochs=1,
    seed=1,
    sampler=None,
):
    return PositionBatches(
        cut(histories, window or boundaries[-1]),
        boundaries,
        size=size,
        chunk=chunk,
        request_time=request_time,
        epochs=epochs,
        seed=seed,
        sampler=sampler or BatchSampler(),
    )


def build_towers(  # noqa: PLR0913
    tower="mean",
    *,
    n_items=N_ITEMS,
    dimension=8,
    max_length=64,
    dropout=0.0,
    normalise=True,
    dtype="float32",
    seed=1,
    sequence=None,
    separate=False,
    **item_options,
):
    """Return towers whose initial weights come from the seed.

    The queries read a history (`mean`, `transformer`, the latter with changes
    `sequence` of its options), know the user (`profile`), or both (`both`, a mean).
    Items of histories have, if `separate`, a tower apart.
    """
    keras.utils.set_random_seed(seed)
    options = {
        "features": {},
        "use_id": True,
        "id_dropout": 0.0,
        "embedding": dimension,
        "combine": "sum",
        "mlp": None,
        "l2": 0.0,
        "n_rows": n_items,
        "scale": 0.5,
        "dtype": dtype,
    }
    new_item_tower = partial(EntityTower, n_items, dimension, **options | item_options)
    profile = EntityTower(
        N_USERS, dimension, seed=9, **options | {"features": {}, "n_rows": N_USERS}
    )
    encoders = {
        "mean": partial(
            MeanUserTower, hidden_units=[8, 8], max_length=max_length, dropout=dropout
        ),
        "transformer": partial(
            TransformerUserTower,
            max_length=max_length,
            options=sequence_options(dropout=dropout, **sequence or {}),
        ),
    }
    encoder = encoders.get({"both": "mean"}.get(tower, tower))
    fusion = {"hidden_units": [], "batch_norm": False, "dropout": 0.0, "seed": 5}
    towers = TwoTower(
        new_item_tower(seed=seed),
        history_encoder=encoder and encoder(dimension, seed=seed + 1, dtype=dtype),
        profile=profile if tower in {"profile", "both"} else None,
        fusion=fusion if tower == "both" else None,
        normalise=normalise,
        history_item_tower=new_item_tower(seed=seed + 2) if separate else None,
        dtype=dtype,
    )
    towers.build()
    return towers


OPTIMIZERS = {
    "adam": {"beta_2": 0.98, "epsilon": 1e-7},
    "adamw": {"beta_2": 0.98, "epsilon": 1e-7, "weight_decay": 0.0},
    "adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "sgd": {"momentum": 0.0},
}


def optimizer_of(kind, learning_rate=0.1, *, clip_norm=None, clip="global", **options):
    """Return the optimiser of a kind, with changes of its options."""
    groups = OPTIMIZERS | {kind: OPTIMIZERS[kind] | options}
    asked = Optimizer(
        kind=kind, learning_rate=1.0, clip_norm=clip_norm, clip=clip, **groups
    )
    return asked.build(learning_rate)


def cosine_rate(peak=0.2, final_share=0.1, *, warmup_steps, total_steps):
    schedule = Cosine(warmup_steps=warmup_steps, final_share=final_share)
    return schedule.build(peak, Horizon(total_steps, epochs=1))


def objective_of(chunk=CHUNK, n_items=N_ITEMS):
    return FullSoftmax(np.ones(n_items, bool), chunk)


class LossOf(Objective):
    """An objective without metrics, of a function that returns the loss."""

    def __init__(self, loss):
        self.loss = loss

    def __call__(self, towers, batch, *, temperature, training):
        loss = self.loss(towers, batch, temperature=temperature, training=training)
        return loss, {}


def state_of(  # noqa: PLR0913
    towers,
    batches,
    *,
    objective=None,
    optimizer=None,
    temperature=None,
    monitor="val_ndcg@10",
    patience=9,
    **compiled,
):
    """Return the state of a training that is ready to fit, its task compiled."""
    temperature = temperature or Temperature(0.2, learned=False)
    task = RetrievalTask(towers, objective or objective_of(), temperature)
    task.build()
    # Without it Keras runs JAX one operation at a time.
    compiled = {"jit_compile": keras.backend.backend() == "jax"} | compiled
    task.compile(optimizer or keras.optimizers.Adam(0.01), **compiled)
    task.optimizer.build(task.trainable_variables)
    return TrainingState(task, batches, EarlyStopping(monitor, patience), "these data")


def examples_of(histories):
    users = range(2, 2 + len(histories))
    in_histories = [
        (user, position)
        for user, history in zip(users, histories, strict=True)
        for position in range(len(history) - 1)
    ]
    asked = [
        second_of(user, len(history) - 1)
        for user, history in zip(users, histories, strict=True)
    ]
    return Examples(
        np.array(users, np.int32),
        Ragged.from_lists([history[:-1] for history in histories]),
        Ragged.from_lists([history[-1:] for history in histories]),
        Events(
            np.array([second_of(*one) for one in in_histories], np.int64),
            np.array([rating_of(position) for _, position in in_histories], np.float32),
            np.array(asked, np.int64),
        ),
    )


def validation_of(histories):
    """Rank each history's last item, given those before it."""
    return Validation(
        examples_of(histories),
        cutoffs=[1, 10],
        boundaries=BOUNDARIES,
        tokens_per_batch=TOKENS,
        item_block=7,
    )


class ScriptedValidation:
    """Returns the given values of one metric, and notes the weights it saw."""

    def __init__(self, values, name="val_ndcg@10"):
        self.values = iter(values)
        self.name = name
        self.seen = []

    def evaluate(self, towers, items):
        self.seen.append([np.array(weight) for weight in towers.get_weights()])
        return {self.name: next(self.values)}


class Interrupted(BaseException):
    """Nothing catches it, as nothing catches a kill."""


class InterruptedStore(CheckpointStore):
    """Raises right after the save of an epoch, from 1, or right before it."""

    def __init__(self, folder, *, epoch, before=False):
        super().__init__(folder)
        self.epoch, self.before = epoch, before

    def save(self, checkpoint):
        is_it = len(checkpoint.about["history"]) == self.epoch
        if is_it and self.before:
            raise Interrupted
        super().save(checkpoint)
        if is_it:
            raise Interrupted
