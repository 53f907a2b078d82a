"""Parts of the multi-interest encoder by their formulas, per user, in float64."""

import numpy as np

from tests.towers.definitions import unit


def softmax(logits):
    terms = np.exp(logits - np.max(logits))
    return terms / terms.sum()


def weighted_softmax(logits, weights):
    """Return w · exp(logit) / Σ over all elements; zeros if all weights are 0."""
    terms = np.where(weights > 0, weights * np.exp(logits - np.max(logits)), 0.0)
    return terms / terms.sum() if terms.sum() > 0 else terms


def dense(vector, kernel, bias):
    return vector @ kernel + bias


def routed(vector, prototypes, temperature):
    """Return p(h|x) `[H]` of one vector."""
    return softmax(
        np.array([unit(vector) @ unit(prototype) for prototype in prototypes])
        / temperature
    )


def co_action(keys, query, key_kernel, key_bias, query_kernel, query_bias):
    """Return one user's contexts `[n, D]` of keys `[n, K]` and a query `[L]`."""
    dimension = key_kernel.shape[1]
    matrix = dense(query, query_kernel, query_bias).reshape(dimension, dimension)
    contexts = []
    for key in keys:
        projected = dense(key, key_kernel, key_bias)
        contexts.append(np.tanh(projected + np.tanh(projected) @ matrix))
    return np.array(contexts)


def context_attention(items, contexts, hidden, hidden_bias, logit, logit_bias, *more):
    """Return one user's p(item) `[n]`.

    Args:
        items: `[n, D]`, oldest first.
        contexts: `[n, D]`.
        hidden: `[2D or 3D, 4D]`.
        hidden_bias: `[4D]`.
        logit: `[4D, 1]`.
        logit_bias: `[1]`.
        more: positions `[max_length, D]`, newest first, or nothing.
    """
    logits = []
    for t, (item, context) in enumerate(zip(items, contexts, strict=True)):
        newer = len(items) - 1 - t
        positions = [table[min(newer, len(table) - 1)] for table in more]
        seen = np.concatenate([item, *positions, context])
        state = np.tanh(dense(seen, hidden, hidden_bias))
        logits.append(dense(state, logit, logit_bias)[0])
    return softmax(np.array(logits))


def query_attention(items, queries, temperature, *change):
    """Return one user's p(item) `[n]`, the mean over queries; `change` is an FC."""
    if not len(queries):
        return np.full(len(items), 1 / len(items))
    changed = [query + dense(query, *change) if change else query for query in queries]
    return np.mean([softmax(items @ q / temperature) for q in changed], axis=0)


def heads_of(items, item_probability, head_of_item, weights, prior=None, *, equal):
    """Return one user's heads `[H, D]`.

    Args:
        items: `[n, D]` of any length.
        item_probability: `[n]`.
        head_of_item: `[n, H]`.
        weights: kernel, bias, kernel, bias of the two layers.
        prior: `[H, D]`, or None.
        equal: whether each head's items are weighted to a sum of 1.
    """
    heads = []
    for h in range(head_of_item.shape[1]):
        joint = item_probability * head_of_item[:, h]
        start = sum(p * unit(item) for p, item in zip(joint, items, strict=True))
        if equal:
            start = start / joint.sum()
        seen = start if prior is None else np.concatenate([start, prior[h]])
        state = np.tanh(dense(seen, *weights[:2]))
        heads.append(dense(state, *weights[2:]) + start)
    return np.array(heads)


def summed_up(heads, query, temperature=1.0):
    """Return the vector `[D]` of one group of heads `[G, D]`."""
    weights = softmax(heads @ query / temperature)
    return sum(w * head for w, head in zip(weights, heads, strict=True)) / len(heads)


def layer_norm(vector, gain, shift, *, to_unit):
    centred = vector - vector.mean()
    normal = centred / np.sqrt((centred**2).mean())
    return gain * (normal / np.sqrt(len(vector)) if to_unit else normal) + shift
