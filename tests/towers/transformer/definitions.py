"""Transformer options by their papers, position by position, in float64."""

from math import erf, exp, floor, log2, sqrt

import numpy as np

LAYER_NORM_EPSILON = 1e-3  # Keras' default
POINTWISE_EPSILON = 1e-6


def sigmoid(number):
    return 1 / (1 + exp(-number))


def silu(vector):
    return np.array([x * sigmoid(x) for x in vector])


def gelu(vector):
    return np.array([x * (1 + erf(x / sqrt(2))) / 2 for x in vector])


def layer_norm(vector, gain, shift, epsilon=LAYER_NORM_EPSILON):
    centred = vector - vector.mean()
    return centred / sqrt((centred**2).mean() + epsilon) * gain + shift


def bucket(number, per_doubling):
    """Return the bucket of a number, `per_doubling` while number + 1 doubles."""
    doublings = floor(log2(number + 1))
    share = (number + 1) / 2**doublings - 1
    return doublings * per_doubling + floor(share * per_doubling)


def position_bucket(distance):
    return min(bucket(distance, 8), 96)


def time_bucket(seconds):
    return 0 if seconds is None else 1 + bucket(seconds, 2)


def softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def feed_forward(state, options, weights):
    if options["feed_forward"]["kind"] == "gelu":
        inner = gelu(state @ weights["into/kernel"] + weights["into/bias"])
        return inner @ weights["out/kernel"] + weights["out/bias"]
    gate, up = np.split(state @ weights["into/kernel"], 2)
    return (silu(gate) * up) @ weights["out/kernel"]


def add_back(state, branch, options, weights, name):
    if options["residual"] == "sum":
        return state + branch
    gate = state @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
    return state + np.array([sigmoid(x) for x in gate]) * branch


def attend(states, times, requested, options, weights):
    """Return what each position reads, `[n, H·W]` before the output projection."""
    n_heads, is_softmax = options["n_heads"], options["attention"] == "softmax"
    width = options["head_width"] or states.shape[1] // n_heads
    mixed = states @ weights["projections/kernel"]
    gates = np.ones((len(states), n_heads * width))
    if not is_softmax:
        mixed = np.array([silu(row) for row in mixed])
        gates, mixed = mixed[:, : n_heads * width], mixed[:, n_heads * width :]
    parts = np.split(mixed, 3, axis=1)
    read = np.zeros_like(gates)
    for head in range(n_heads):
        own = slice(head * width, (head + 1) * width)
        queries, keys, values = (part[:, own] for part in parts)
        for t in range(len(states)):
            logits = keys[: t + 1] @ queries[t]
            if is_softmax:
                logits = logits / sqrt(width)
            for j in range(t + 1):
                if options["relative_position"]:
                    logits[j] += weights["positions"][head, position_bucket(t - j)]
                if options["relative_time"]:
                    since = time_bucket(int(requested[t] - times[j]))
                    logits[j] += weights["times"][head, since]
            shares = softmax(logits) if is_softmax else silu(logits) / (t + 1)
            read[t, own] = shares @ values[: t + 1]
    if is_softmax:
        return read
    norm = (weights["norm/gamma"], weights["norm/beta"], POINTWISE_EPSILON)
    return gates * np.array([layer_norm(row, *norm) for row in read])


def block(states, times, requested, options, weights):
    """Return the next states `[n, D]`; the weights are those of one block."""
    norm = weights["attention_norm/gamma"], weights["attention_norm/beta"]
    normal = np.array([layer_norm(state, *norm) for state in states])
    read = attend(normal, times, requested, options, weights)
    read = read @ weights["output_projection/kernel"]
    states = np.array(
        [
            add_back(*both, options, weights, "attention_gate")
            for both in zip(states, read, strict=True)
        ]
    )
    if options["feed_forward"] is None:
        return states
    norm = weights["feed_norm/gamma"], weights["feed_norm/beta"]
    return np.array(
        [
            add_back(
                state,
                feed_forward(layer_norm(state, *norm), options, weights),
                options,
                weights,
                "feed_gate",
            )
            for state in states
        ]
    )


def sequence_user(history, times, requested_at, options, weights, blocks):
    """Return one user's states `[n, D]`.

    Args:
        history: `[n, D]`, the vectors of its items.
        times: seconds of the events.
        requested_at: seconds of the request.
        options: options by name.
        weights: weights outside the blocks, by name.
        blocks: weights of each block, by name.
    """
    n, dimension = history.shape
    requested = [*times[1:], requested_at] if options["request_time"] else times
    states = history * sqrt(dimension)
    for t in range(n):
        if options["absolute_position"]:
            states[t] += weights["positions"][n - 1 - t]
        if options["time_gap"]:
            before = None if t == 0 else int(times[t] - times[t - 1])
            states[t] += weights["before"][time_bucket(before)]
            if options["request_time"]:
                states[t] += weights["after"][time_bucket(int(requested[t] - times[t]))]
    for own in blocks:
        states = block(states, times, requested, options, own)
    norm = weights["output_norm/gamma"], weights["output_norm/beta"]
    return np.array([layer_norm(state, *norm) for state in states])
