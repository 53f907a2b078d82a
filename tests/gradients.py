"""Values and gradients on either back end, and the numerical ones to compare with."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

RELATIVE, ABSOLUTE = 1e-5, 1e-6
STEP = 1e-5  # of a central difference: its error is about the square of this


def evaluated(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Return a function of arrays that returns an array and changes no variable.

    JAX compiles it as a whole (called as it is, it would compile each operation), and
    so reads variables once, when it is first called.
    """
    if keras.backend.backend() != "jax":
        return lambda *arrays: np.asarray(function(*arrays))
    import jax

    def pure(*arrays: Any) -> Any:
        with keras.StatelessScope():  # which keeps seeds as they are
            return function(*arrays)

    compiled = jax.jit(pure)
    return lambda *arrays: np.asarray(compiled(*arrays))


def gradient_function(
    function: Callable[..., Any], variables: Sequence[keras.Variable]
) -> Callable[..., tuple[np.ndarray, list[np.ndarray]]]:
    """Return the function of arrays → its value and its gradient in each variable.

    Args:
        function: of arrays, to a scalar; it reads the variables.
        variables: those that it doesn't depend on have gradient 0.
    """
    if keras.backend.backend() == "jax":
        return _gradients_by_jax(function, variables)
    import tensorflow as tf

    def both(*arrays: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        with tf.GradientTape() as tape:
            value = function(*arrays)
        found = tape.gradient(
            value, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        # The gradient of a gather is sparse until it is converted.
        return np.asarray(value), [np.asarray(tf.convert_to_tensor(g)) for g in found]

    return both


def _gradients_by_jax(
    function: Callable[..., Any], variables: Sequence[keras.Variable]
) -> Callable[..., tuple[np.ndarray, list[np.ndarray]]]:
    import jax

    def pure(values: list[Any], *arrays: Any) -> Any:
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*arrays)

    compiled = jax.jit(jax.value_and_grad(pure))

    def both(*arrays: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        value, found = compiled([variable.value for variable in variables], *arrays)
        return np.asarray(value), [np.asarray(gradient) for gradient in found]

    return both


def value_and_gradients(
    function: Callable[[], Any], variables: Sequence[keras.Variable]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a scalar and its gradient in each variable."""
    return gradient_function(function, variables)()


def with_gradients(
    function: Callable[..., Any], n_inputs: int, *, compile_it: bool = False
) -> Callable[..., tuple[Any, Sequence[Any]]]:
    """Return the function of arrays → its value and gradients.

    JAX always compiles: one operation at a time it would compile each of them.

    Args:
        function: of tensors, to a scalar.
        n_inputs: how many of its first tensors gradients are taken in.
        compile_it: whether TensorFlow compiles too, with XLA.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.value_and_grad(function, argnums=tuple(range(n_inputs))))
    import tensorflow as tf

    def both(*arrays: Any) -> tuple[Any, Any]:
        tensors = [tf.convert_to_tensor(array) for array in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors[:n_inputs])
            value = function(*tensors)
        return value, tape.gradient(value, tensors[:n_inputs])

    return tf.function(both, jit_compile=True) if compile_it else both


def numerical_gradients(
    function: Callable[..., float], arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the gradient of a NumPy function in each array, a number at a time."""
    points = [np.array(array, np.float64) for array in arrays]
    gradients = [np.zeros_like(point) for point in points]
    for point, gradient in zip(points, gradients, strict=True):
        for place in np.ndindex(point.shape):
            here = point[place]
            point[place] = here + STEP
            above = function(*points)
            point[place] = here - STEP
            gradient[place] = (above - function(*points)) / (2 * STEP)
            point[place] = here
    return gradients


def assert_same_as(
    reference: Callable[..., float],
    function: Callable[[], Any],
    variables: Sequence[keras.Variable],
) -> None:
    """Hold value and gradients of `function` against a NumPy `reference` in float64.

    Args:
        reference: takes the variables' values as arrays, in their order.
        function: reads the variables themselves.
        variables: what both depend on.
    """
    value, gradients = value_and_gradients(function, variables)
    arrays = [np.asarray(variable.value, np.float64) for variable in variables]
    np.testing.assert_allclose(value, reference(*arrays), RELATIVE, ABSOLUTE)
    numerical = numerical_gradients(reference, arrays)
    for gradient, expected, variable in zip(
        gradients, numerical, variables, strict=True
    ):
        np.testing.assert_allclose(
            gradient, expected, RELATIVE, ABSOLUTE, err_msg=variable.path
        )


def traced_shapes(
    function: Callable[..., Any], n_inputs: int, arrays: Sequence[np.ndarray]
) -> set[tuple[int, ...]]:
    """Return the shapes of all tensors that the function and its gradients make.

    Args:
        function: of tensors, to a scalar.
        n_inputs: how many of its first tensors gradients are taken in.
        arrays: what it is traced with.
    """
    both = with_gradients(function, n_inputs, compile_it=True)
    if keras.backend.backend() == "jax":
        return _jaxpr_shapes(both.trace(*arrays).jaxpr.jaxpr)
    graph = both.get_concrete_function(*map(ops.convert_to_tensor, arrays)).graph
    definition = graph.as_graph_def(add_shapes=True)
    inner = [node for body in definition.library.function for node in body.node_def]
    return {
        tuple(dimension.size for dimension in shape.dim)
        for node in [*definition.node, *inner]
        for shape in node.attr["_output_shapes"].list.shape
    }


def _jaxpr_shapes(jaxpr: Any) -> set[tuple[int, ...]]:
    import jax

    shapes = set()
    for equation in jaxpr.eqns:
        shapes |= {variable.aval.shape for variable in equation.outvars}
        for parameter in jax.tree.leaves(list(equation.params.values())):
            body = getattr(parameter, "jaxpr", parameter)  # of a loop or a function
            shapes |= _jaxpr_shapes(body) if hasattr(body, "eqns") else set()
    return shapes
