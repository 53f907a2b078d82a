"""Checkpoints: everything that a killed training needs to resume."""

import json
import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from two_tower.atomic import replace_checked_file
from two_tower.hashes import check_file, hash_file

logger = logging.getLogger(__name__)

Arrays = dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch.

    Attributes:
        fingerprint: of the data and parameters.
        about: plain values: history, early stopping, ….
        arrays: lists of arrays by name: variables, best weights, ….
    """

    fingerprint: str
    about: dict[str, Any]
    arrays: Arrays


class CheckpointStore:
    """One checkpoint in one file, replaced atomically.

    Args:
        folder: of the file; created by the first save.
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
        with replace_checked_file(self.path) as new:
            np.savez(new, about=np.array(json.dumps(about)), **flat)

    def load(self, fingerprint: str) -> Checkpoint | None:
        """Return the checkpoint with this fingerprint, or None.

        A checkpoint of other data or parameters is logged, and stays until the next
        save replaces it.

        Raises:
            ValueError: the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            check_file(self.path)
            checkpoint = _read(self.path)
        except Exception as error:  # a reader of an unchecked file may raise anything
            raise ValueError(
                f"training can't resume from {self.path} ({error}); to train from the "
                f"first epoch, run: rm -r {shlex.quote(str(self.path.parent))}"
            ) from error
        if checkpoint.fingerprint != fingerprint:
            logger.info(
                "the checkpoint in %s belongs to other data or parameters; "
                "training starts from the first epoch",
                self.path,
            )
            return None
        return checkpoint

    def clear(self) -> None:
        """Remove the checkpoint of a finished training."""
        self.path.unlink(missing_ok=True)
        hash_file(self.path).unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint:
    with np.load(path) as file:
        about = json.loads(str(file["about"]))
        arrays: Arrays = {}
        for key in file.files:
            if "/" in key:  # in the order of the save
                arrays.setdefault(key.split("/")[0], []).append(file[key])
    return Checkpoint(about.pop("fingerprint"), about, arrays)
