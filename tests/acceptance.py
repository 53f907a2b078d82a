"""Which test covers which promised behaviour: `python -m tests.acceptance` writes it.

A comment `# covers: Q3, X1` above a test, or at the head of a file, names the rows.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs/acceptance.md"

ROWS = {
    "Q1": "item vectors are rows of a trainable table",
    "Q2": "a user is the mean of any number of items",
    "Q3": "the mean of a padded batch leaves padding out, whatever B and T",
    "Q4": "padding enters neither the mean nor the gradient",
    "Q5": "an empty history has a learned, finite vector",
    "Q6": "the mean equals sum over count",
    "Q7": "history items and candidates share one item tower, of ids and content",
    "Q8": "two or more ReLU layers follow the mean",
    "Q9": "dot product and cross-entropy",
    "Q10": "length buckets: the same losses, far less padding",
    "Q11": "masking by `mask_zero` gives the same numbers",
    "Q12": "the item table and the layers above train together",
    "A41": "training data are shuffled globally",
    "A51": "the learning rate asked for is the one used; gradients are clipped",
    "L1": "option errors come at once and name the choices",
    "L5": "in-batch softmax, each query's own item on the diagonal",
    "L11": "dropout in [0, 1)",
    "L12": "vectors have length 1",
    "L13": "documented defaults are the defaults",
    "L14": "learning-rate decay",
    "L15": "Adam's epsilon",
    "L16": "invalid regularisation is an error",
    "L18": "logQ correction by share of training rows, on or off",
    "L19": "temperature",
    "L20": "accidental hits have probability 0; temperature, logQ, mask in this order",
    "L26": "evaluation while training",
    "L28": "what is needed to reload is stored",
    "L29": "an unknown user, item or feature is a clear error",
    "L30": "serving: seen items filtered, nearest items",
    "N1": "load MovieLens and report sizes",
    "N2": "select fields",
    "N3": "seeded random 80/20 split, beside leave-one-out and temporal",
    "N4": "items are keyed by id, never by title",
    "N5": "batched iteration",
    "N7": "the query tower takes raw ids",
    "N8": "factorised top-k metrics over all candidates",
    "N9": "in-batch retrieval softmax",
    "N10": "accidental negatives have probability 0",
    "N11": "each metric's formula is documented",
    "N13": "choice of optimiser; reshuffled every epoch",
    "N14": "the test split is evaluated",
    "N15": "dense index ids with an id table beside them",
    "N16": "Annoy index with configurable trees",
    "N17": "top-k titles for test users",
    "N18": "item vectors once, a query vector per request",
    "N19": "index saved and loaded, with scores, seen filter and recall",
    "X1": "transformer history tower: causal, padding-proof",
    "X2": "full softmax without a [positions, catalogue] tensor",
    "X5": "the index must meet its recall target against exact search",
    "X6": "room for several vectors a user",
    "X7": "the leakage audit stops the run",
    "X8": "paired bootstrap intervals, slices, popularity and EASE beside every report",
    "X9": "self-describing index bundle; mismatch refused, golden queries replayed",
    "X10": "alarms for NaN and collapse",
    "X11": "cold items have vectors from their content",
    "X12": "the same seed gives the same result, to the bit",
    "X16": "served without importing TensorFlow",
    "X17": "a killed training resumes to the unbroken run's result",
}

HEAD = """# Acceptance: which test covers what

Written by `make acceptance` from the `# covers:` comments of the tests, which a test
compares with this page. Q: averaging variable-length histories. A: multi-interest
candidate generation. L: LibRecommender's TwoTower. N: the MovieLens retrieval
notebook. X: beyond those. A row says what is covered so far; rows that aren't here
aren't covered yet.

| row | behaviour | tests | module |
|---|---|---|---|
"""

MARK = re.compile(r"# covers: (?P<rows>[A-Z]\d+(?:,? [A-Z]\d+)*)")
TEST = re.compile(r"^(?:    )?def (test_\w+)|^class (Test\w+)", re.MULTILINE)


def page() -> str:
    """Return the whole page."""
    found: dict[str, dict[Path, list[str]]] = {}
    for row, path, name in covered():
        found.setdefault(row, {}).setdefault(path, []).append(name)
    lines = [
        f"| {row} | {behaviour} | {_tests(found[row])} | {_modules(found[row])} |"
        for row, behaviour in ROWS.items()
        if row in found
    ]
    return HEAD + "\n".join(lines) + "\n"


def covered() -> Iterator[tuple[str, Path, str]]:
    """Yield each row with a file and the test below the comment that names it."""
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for mark in MARK.finditer(text):
            test = TEST.search(text, mark.end())
            name = next(filter(None, test.groups())) if test else "whole file"
            for row in re.findall(r"[A-Z]\d+", mark["rows"]):
                yield row, path.relative_to(PROJECT), name


def _tests(tests: dict[Path, list[str]]) -> str:
    return "<br>".join(
        f"[{path.name}](../{path}): {', '.join(f'`{n}`' for n in dict.fromkeys(names))}"
        for path, names in tests.items()
    )


def _modules(tests: dict[Path, list[str]]) -> str:
    folders = dict.fromkeys(path.parent.relative_to("tests") for path in tests)
    return ", ".join(
        f"`{folder}`"
        for folder in folders
        if (PROJECT / "src/two_tower" / folder).is_dir()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
