"""Names of data sets, folders and features that every part of the project can read.

Kedro finds configuration by patterns and fills in braces of the catalog, so signs of
patterns in the name of a folder would be read as such.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

DATASET: Final = re.compile(r"\w[\w .,+()&-]*")
WILDCARDS: Final = "*?[]{}"
BRACES: Final = "{}"


def require_plain_names(names: Mapping[str, Any]) -> None:
    """Refuse a data set or a data folder whose name would be read as a pattern.

    Args:
        names: the globals: `dataset` and `data`.

    Raises:
        ValueError: naming the key of globals.yml.
    """
    dataset, data = str(names.get("dataset", "data")), str(names.get("data", "data"))
    if not DATASET.fullmatch(dataset):
        raise ValueError(
            f"dataset is {dataset!r} in globals.yml, but it names files and folders; "
            "choose letters, digits, spaces and . , + ( ) & _ -, a letter or digit "
            "first"
        )
    if found := _signs(data, BRACES):
        raise ValueError(
            f"data is {data!r} in globals.yml, and {found} in a path has a meaning to "
            "the catalog; name a folder without it"
        )


def require_plain_folder(path: str, what: str) -> None:
    """Refuse a folder in which Kedro would not find its configuration.

    Raises:
        ValueError: its name has signs of patterns.
    """
    if found := _signs(path, WILDCARDS):
        raise ValueError(
            f"{what} is {path}, and Kedro reads {found} in a path as a pattern; rename "
            "the folder, or move the project to another one"
        )


def require_column_names(names: Iterable[str], reserved: Collection[str]) -> None:
    """Refuse names that can't be those of columns beside reserved ones.

    Engines take names for equal that differ in capitals alone, and Kedro gives `@` in
    the name of a parameter a meaning.

    Args:
        names: of features or of kept columns of one table.
        reserved: names of the table's other columns, in small letters.

    Raises:
        ValueError: naming those names.
    """
    names = list(names)
    small = Counter(name.lower() for name in names)
    unfit = sorted(name for name in names if not name.isprintable() or not name.strip())
    signed = sorted(name for name in names if "@" in name)
    taken = sorted({name for name in names if name.lower() in reserved})
    alike = sorted({name for name in names if small[name.lower()] > 1})
    faults = {
        "has to be printable": unfit,
        "has an @, which has a meaning to Kedro": signed,
        "is that of another column": taken,
        "is there twice (capitals do not count)": alike,
    }
    for fault, found in faults.items():
        if found:
            raise ValueError(
                f"no feature can be called {', '.join(map(repr, found))}: the name "
                f"{fault}; choose another, and give the source as `column`"
            )


def _signs(text: str, signs: str) -> str:
    return " ".join(sign for sign in signs if sign in text)
