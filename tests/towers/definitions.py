"""The towers by their papers, one user and one position at a time, in float64."""

from math import erf, sqrt

import numpy as np

LAYER_NORM_EPSILON = BATCH_NORM_EPSILON = 1e-3  # Keras' defaults


def unit(vectors):
    """Return the vectors divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def mean_user(history, layers):
    """Return one user's vector, not normalised.

    Args:
        history: `[n, D]`, the vectors of its items.
        layers: kernels and biases by turns; all but the last are ReLU layers.
    """
    state = sum(history) / len(history)
    *hidden, (kernel, bias) = zip(layers[::2], layers[1::2], strict=True)
    for kernel_of_hidden, bias_of_hidden in hidden:
        state = np.maximum(state @ kernel_of_hidden + bias_of_hidden, 0)
    return state @ kernel + bias


def layer_norm(vector, gain, shift):
    centred = vector - vector.mean()
    return centred / sqrt((centred**2).mean() + LAYER_NORM_EPSILON) * gain + shift


def gelu(vector):
    return np.array([x * (1 + erf(x / sqrt(2))) / 2 for x in vector])


def attention(queries, keys, values):
    """Return one head's outputs `[n, D/H]`; position t reads 0 … t."""
    outputs = []
    for t, query in enumerate(queries):
        logits = keys[: t + 1] @ query / sqrt(len(query))
        weights = np.exp(logits - logits.max())
        outputs.append(weights @ values[: t + 1] / weights.sum())
    return np.array(outputs)


def transformer_block(states, weights, n_heads):
    """Return the states `[n, D]` after one pre-norm block.

    Args:
        states: `[n, D]`.
        weights: gain, shift, query-key-value, output, gain, shift, kernel, bias,
            kernel, bias.
        n_heads: H.
    """
    gain, shift, query_key_value, output, *feed = weights
    normal = np.array([layer_norm(state, gain, shift) for state in states])
    queries, keys, values = np.split(normal @ query_key_value, 3, axis=1)
    heads = [
        attention(*head)
        for head in zip(
            *(np.split(part, n_heads, axis=1) for part in (queries, keys, values)),
            strict=True,
        )
    ]
    states = states + np.concatenate(heads, axis=1) @ output
    gain, shift, kernel_in, bias_in, kernel_out, bias_out = feed
    fed = [
        gelu(layer_norm(state, gain, shift) @ kernel_in + bias_in) for state in states
    ]
    return states + np.array(fed) @ kernel_out + bias_out


def transformer_user(history, positions, blocks, gain, shift, n_heads):
    """Return one user's states `[n, D]`; the newest item has position 0."""
    dimension = history.shape[1]
    newest_first = positions[: len(history)]
    states = history * sqrt(dimension) + newest_first[::-1]
    for weights in blocks:
        states = transformer_block(states, weights, n_heads)
    return np.array([layer_norm(state, gain, shift) for state in states])


def batch_norm(states, gain, shift, mean=None, variance=None):
    """Return `[N, D]` states normalised by the batch, or by averages from before."""
    mean = states.mean(axis=0) if mean is None else mean
    variance = ((states - mean) ** 2).mean(axis=0) if variance is None else variance
    return (states - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) * gain + shift


def mlp(states, layers, norms=()):
    """Return `[N, output]`: ReLU layers and a linear one.

    Args:
        states: `[N, D]`.
        layers: kernels and biases by turns; all but the last are ReLU layers.
        norms: functions of states, for the input and behind each ReLU; or none.
    """
    norms = list(norms) or [lambda same: same] * (len(layers) // 2)
    states = norms[0](states)
    *hidden, (kernel, bias) = zip(layers[::2], layers[1::2], strict=True)
    for (kernel_of_hidden, bias_of_hidden), norm in zip(hidden, norms[1:], strict=True):
        states = norm(np.maximum(states @ kernel_of_hidden + bias_of_hidden, 0))
    return states @ kernel + bias


def feature_vector(feature, table, values):
    """Return the `[E]` vector of one entity's `[width]` values of a feature."""
    if feature.kind == "dense":
        return values[0] * table[0]
    real = [table[value] for value in values if value]
    return sum(real) / len(real) if real else np.zeros(table.shape[1])
