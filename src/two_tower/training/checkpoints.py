"""All that a killed training needs to go on as if nothing had happened."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from two_tower.atomic import replace_file

logger = logging.getLogger(__name__)

Arrays = dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch.

    Attributes:
        fingerprint: of the data and parameters that are trained with.
        about: plain values: `epoch` (the last that ended), `history`, …
        arrays: named lists of arrays: variables, best weights, ….
    """

    fingerprint: str
    about: dict[str, Any]
    arrays: Arrays


class CheckpointStore:
    """One checkpoint in one file, replaced as a whole.

    Args:
        folder: where the file lies; made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkpoint.npz"

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a kill at any moment leaves the old or the new."""
        about = {"fingerprint": checkpoint.fingerprint, **checkpoint.about}
        flat: dict[str, Any] = {
            f"{name}/{i}": array
            for name, arrays in checkpoint.arrays.items()
            for i, array in enumerate(arrays)
        }
        with replace_file(self.path) as new:
            np.savez(new, about=np.array(json.dumps(about)), **flat)

    def load(self, fingerprint: str) -> Checkpoint | None:
        """Return the checkpoint of these data and parameters, or None.

        One of other data or parameters is of no use here: it is logged and left until
        the next save replaces it.
        """
        if not self.path.exists():
            return None
        with np.load(self.path) as file:
            about = json.loads(str(file["about"]))
            found = about.pop("fingerprint")
            if found != fingerprint:
                logger.info(
                    "the checkpoint in %s is of other data or parameters; "
                    "training starts anew",
                    self.path,
                )
                return None
            arrays: Arrays = {}
            for key in file.files:
                if "/" in key:  # in the order they were written
                    arrays.setdefault(key.split("/")[0], []).append(file[key])
        return Checkpoint(found, about, arrays)

    def clear(self) -> None:
        """Remove the checkpoint of a training that has ended."""
        self.path.unlink(missing_ok=True)
