"""Small towers of several vectors, batches for them, and their loss by definition."""

from itertools import combinations
from math import log, sqrt

import numpy as np
from keras import ops

from tests.gradients import evaluated
from tests.towers.build import new_item_tower, scatter_weights
from tests.towers.multi_interest.build import DIMENSION, any_batch, make_tower
from two_tower.towers.features import Feature
from two_tower.towers.two_tower import TwoTower
from two_tower.training.batches.sampling import BatchSampler
from two_tower.training.objectives.multi_interest import (
    AuxiliaryWeights,
    InterestSoftmax,
    SoftMaxTemperature,
)

N_ITEMS, N_GENRES = 9, 5
TEMPERATURE = 0.3
QUERIES = {"lengths": (5, 2, 0, 3, 1, 4, 0), "width": 5}
LABELS = [2, 5, 2, 8, 3, 7, 0]  # the last query is padding
WEIGHTS = [1, 1, 1, 1, 1, 1, 0]
PROGRESS = 0.5
# Halfway from 0.9 to 0.4, falling geometrically: their geometric mean.
SOFT_MAX_TEMPERATURE = sqrt(0.9 * 0.4)
NO_AUXILIARY = AuxiliaryWeights(load_balancing=0.0, entropy=0.0, semantic=0.0)


def make_towers(**options):
    """Return towers with scattered weights, by default of four heads, two vectors."""
    features = {"genre": Feature("categorical", N_GENRES, 1)}
    towers = TwoTower(
        new_item_tower(
            features, n_entities=N_ITEMS, dimension=DIMENSION, embedding=DIMENSION
        ),
        history_encoder=make_tower(**options),
        profile=None,
        fusion=None,
        normalise=True,
    )
    towers.build()
    rng = np.random.default_rng(4)
    genres = rng.integers(1, N_GENRES, (N_ITEMS, 1)).astype(np.int32)
    towers.item_tower.set_features({"genre": genres})
    scatter_weights(towers, seed=8)
    return towers


def batch_of(source, *, consumed=None, n_samples=1, labels=LABELS, weights=WEIGHTS):
    """Return a batch with the last of `n_samples` that the source takes for it."""
    rng = np.random.default_rng(2)
    batch = any_batch(**QUERIES)
    batch |= {
        "rows": np.arange(len(labels), dtype=np.int32),
        "labels": np.array(labels, np.int32),
        "weights": np.array(weights, np.float32),
        "progress": np.array(PROGRESS, np.float32),
    }
    for _ in range(n_samples):
        BatchSampler(source=source, consumed=consumed).extend(batch, rng)
    return batch


def objective_of(**changes):
    options = {
        "joint": True,
        "assignment": "category",
        "soft_max_temperature": SoftMaxTemperature(0.9, 0.4),
        "margin": 0.05,
        "hard": 0,
        "auxiliary": AuxiliaryWeights(load_balancing=0.5, entropy=0.7, semantic=2.0),
        "confident": 0.95,
        "semantic_temperature": None,
    }
    return InterestSoftmax(**options | changes)


def loss_and_metrics(objective, towers, batch):
    """Return the objective's loss, a float, and its metrics by name."""

    def both(batch):
        loss, metrics = objective(
            towers, batch, temperature=TEMPERATURE, training=False
        )
        return {"loss": loss} | metrics

    metrics = evaluated_by_name(both, batch)
    return float(metrics.pop("loss")), metrics


def interests_of(towers, batch):
    """Return the fields of users' `Interests` by name, in float64."""

    def interests(batch):
        found = towers.history_encoder.interests(batch, towers.item_tower)
        return found._asdict() | {"vectors": towers.as_scored(found.vectors)}

    found = evaluated_by_name(interests, batch)
    return {name: array.astype(np.float64) for name, array in found.items()}


def evaluated_by_name(function, batch):
    """Return the arrays that a function of a batch returns by name."""
    names, shapes = list(batch), {}

    def flat(*arrays):
        found = function(dict(zip(names, arrays, strict=True)))
        shapes.update({name: tuple(one.shape) for name, one in found.items()})
        return ops.concatenate([ops.reshape(one, (-1,)) for one in found.values()])

    found = evaluated(flat)(*map(ops.convert_to_tensor, batch.values()))
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    parts = np.split(found, ends[:-1])
    return {
        name: part.reshape(shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def posteriors_of(towers):
    """Return `[N_ITEMS, H]`, p(h | category of each item), in float64."""
    router = towers.history_encoder.category_router
    ids = np.arange(N_ITEMS, dtype=np.int32)
    categories = towers.item_tower.mean_of(ids, towers.history_encoder.category)
    categories = np.asarray(categories, np.float64)
    prototypes = unit(np.asarray(router.prototypes.value, np.float64))
    lengths = np.linalg.norm(categories, axis=-1, keepdims=True)
    cosines = categories / np.where(lengths > 0, lengths, 1) @ prototypes.T
    return softmax(cosines / router.temperature)


def negative_weights(objective, batch, posteriors, query):
    """Return `[Q]`, how many negatives each candidate stands for, 0 if masked."""
    label, weights = batch["labels"][query], batch["candidate_weights"].astype(float)
    for q, item in enumerate(batch["candidates"]):
        is_excluded = "excluded" in batch and batch["excluded"][query, q]
        if item == label or is_excluded:
            weights[q] = 0
        heads = posteriors[item].argmax(), posteriors[label].argmax()
        if q < objective.hard and heads[0] != heads[1]:
            weights[q] = 0
    return weights


def defined(towers, batch, objective):
    """Return the loss and the metrics by their definitions in float64."""
    users = interests_of(towers, batch)
    vectors, heads = users["vectors"], users["heads"]
    ids = np.arange(N_ITEMS, dtype=np.int32)
    items = np.asarray(towers.item_vectors(ids), np.float64)
    posteriors = posteriors_of(towers)
    n_heads, n_vectors = posteriors.shape[1], vectors.shape[1]
    real = np.flatnonzero(batch["weights"])
    queries = [
        _query(
            objective,
            vectors[p] @ items[batch["labels"][p]],
            vectors[p] @ items[batch["candidates"]].T,
            negative_weights(objective, batch, posteriors, p),
            posteriors[batch["labels"][p]].reshape(n_vectors, -1).sum(axis=-1),
            batch["own_log_q"][p],
            batch["candidate_log_q"],
        )
        for p in real
    ]
    nll, is_first, cosines, weights = (
        np.array(one) for one in zip(*queries, strict=True)
    )
    of_queries = posteriors[batch["labels"][real]]
    shares = of_queries.mean(axis=0)
    greatest = of_queries.max(axis=-1)
    tau = objective.semantic_temperature or TEMPERATURE
    likeness = np.einsum("phd,pd->ph", unit(heads[real]), items[batch["labels"][real]])
    semantic = -(of_queries * np.log(softmax(likeness / tau))).sum(axis=-1)
    hard = (weights[:, : objective.hard] > 0).sum(axis=1)
    easy = batch["candidate_weights"][objective.hard :]
    items_of_heads = np.mean([_mass_of_heads(users, p) for p in real], axis=0)
    metrics = {
        "nll": nll.mean(),
        "load_balancing": np.maximum(log(1 / n_heads) - np.log(shares), 0).mean(),
        "entropy": -np.where(
            greatest > objective.confident, 0, np.log(greatest)
        ).mean(),
        "semantic": semantic.mean(),
        "accuracy": is_first.mean(),
        "positive_cosine": cosines.mean(),
        "positive_cosine_min": cosines.min(),
        "positive_cosine_max": cosines.max(),
        "real_queries": (batch["weights"] > 0).mean(),
        "negative_weight": weights.mean(),
        "negative_weight_min": easy[easy > 0].min(),
        "negative_weight_max": easy.max(),
        "head_certainty": greatest.mean(),
        "head_posterior_min": shares,
        "head_posterior_max": shares,
        "item_head_min": items_of_heads,
        "item_head_max": items_of_heads,
    }
    if n_vectors > 1:
        pairs = [*combinations(range(n_vectors), 2)]
        likeness = [vectors[p][u] @ vectors[p][v] for p in real for u, v in pairs]
        metrics["vector_likeness"] = np.mean(likeness)
        nearest = [np.argmax(vectors[p] @ items[batch["labels"][p]]) for p in real]
        of_vectors = np.bincount(nearest, minlength=n_vectors) / len(real)
        metrics["vector_share_min"] = metrics["vector_share_max"] = of_vectors
    if objective.assignment == "nearest":
        metrics["soft_max_temperature"] = SOFT_MAX_TEMPERATURE
    if objective.hard:
        metrics |= {"hard_count_min": hard.min(), "hard_count_max": hard.max()}
    extra = sum(
        weight * metrics[name] for name, weight in objective.auxiliary._asdict().items()
    )
    return len(real) * (nll.mean() + extra), metrics


def _mass_of_heads(users, query):
    """Return `[H]`, each head's mass of the history items of a query."""
    pairs = zip(
        users["item_probability"][query], users["head_of_item"][query], strict=True
    )
    return sum(probability * heads for probability, heads in pairs)


def _query(  # noqa: PLR0913, PLR0917
    objective, own, negatives, weights, probabilities, own_log_q, log_q
):
    """Return a query's loss, whether its item is first, its cosine, and the weights."""
    positive = (own - objective.margin) / TEMPERATURE - own_log_q
    with np.errstate(divide="ignore"):
        logits = negatives / TEMPERATURE - log_q + np.log(weights)
    if objective.assignment == "nearest":
        soft, both = SOFT_MAX_TEMPERATURE, np.c_[positive, logits]
        with np.errstate(divide="ignore"):
            merged = soft * np.log(np.exp(both / soft).sum(axis=0))
        loss = -np.log(softmax(merged)[0])
        return loss, merged[0] > merged[1:].max(), own.max(), weights
    columns = np.concatenate([positive[:, None], logits], axis=1)
    whole = np.exp(columns).sum(axis=1)
    partition = whole.sum() if objective.joint else whole
    explained = np.exp(positive) / partition
    match objective.assignment:
        case "category":
            loss = -probabilities @ np.log(explained)
        case "mixture":
            loss = -np.log(probabilities @ explained)
        case "any":
            whole = explained.sum()
            loss = -np.log(whole if objective.joint else whole / len(probabilities))
    return loss, positive.max() > logits.max(), own.max(), weights
