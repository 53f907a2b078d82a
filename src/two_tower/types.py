"""Names shared by all layers: reserved ids and aliases that cost no heavy import."""

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

    KerasModel: TypeAlias = keras.Model
    Tensor: TypeAlias = keras.KerasTensor
else:
    # Kedro evaluates a node's hints at run time: there a model is anything.
    KerasModel = Any
    Tensor = Any

FloatArray: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int32]
Int64Array: TypeAlias = npt.NDArray[np.int64]
JsonObject: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, npt.NDArray[Any]]
"""State of batches or of a source of negatives, by name."""

# Allowed values, shared by parameters and by the code that reads them.
Entity: TypeAlias = Literal["item", "user"]
ENTITIES: Final[tuple[Entity, ...]] = ("item", "user")
Clip: TypeAlias = Literal["global", "each"]
DeviceKind: TypeAlias = Literal["auto", "cpu", "gpu"]
Combination: TypeAlias = Literal["sum", "mean", "concat"]
Assignment: TypeAlias = Literal["category", "mixture", "any", "nearest"]
ItemAttentionKind: TypeAlias = Literal["context", "queries"]
RoutingMode: TypeAlias = Literal["soft", "straight_through", "hard"]
HeadNorm: TypeAlias = Literal["layer", "unit"]
QuerySource: TypeAlias = Literal["items", "heads"]
SelfAttentionKind: TypeAlias = Literal["softmax", "pointwise"]
ResidualKind: TypeAlias = Literal["sum", "gated"]
FeedForwardKind: TypeAlias = Literal["gelu", "swiglu"]
HistoryItems: TypeAlias = Literal["tied", "separate"]

PADDING: Final = 0
"""Index of padding; no item, user or feature value has it."""

OUT_OF_VOCABULARY: Final = 1
"""Index of everything outside the vocabulary; a cold item of the vocabulary has its
own."""

FIRST_ID: Final = 2
"""Index of the first real item, user or feature value."""

ID: Final = "id"
"""Name of the embedding of an entity's id among its features; no feature has it."""

MASKED_LOGIT: Final = -1e9
"""Logit of a masked candidate: exp() of it is 0 in float32, yet it is finite, so that
gradients hold no 0 · ∞."""
