"""JSON files with a digest of their name and content, by which damage is noticed."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from two_tower.atomic import replace_file
from two_tower.hashes import DamagedError

_DIGEST: Final = "digest"


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file in one step.

    Args:
        path: missing folders are made.
        content: values of JSON's types; `digest` is no key of it.
    """
    plain = json.loads(json.dumps(content))  # the keys are text from here on
    sealed = {**plain, _DIGEST: _digest(path, plain)}
    with replace_file(path) as new:
        text = json.dumps(sealed, indent=2, sort_keys=True)
        new.write_text(text + "\n", encoding="utf-8")


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file; None if there is no file.

    Raises:
        DamagedError: the file was changed, or an older version of the project wrote it.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise DamagedError(f"{path} is a folder, where a file was saved") from error
    try:
        content: dict[str, Any] = json.loads(text)
        if content.pop(_DIGEST) == _digest(path, content):
            return content
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # other than an object with a digest
    raise DamagedError(
        f"{path} is damaged, or an older version of this project wrote it"
    )


def _digest(path: Path, content: dict[str, Any]) -> str:
    text = json.dumps([path.name, content], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
