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
    "A1": (
        "tables hold times (int64) and ratings of every item of a history, and the "
        "time of each request; towers read them as int32 fields"
    ),
    "A2": (
        "hashed embedding: rows of several tables side by side times W, no bias; "
        "ten million ids in tables under 100 MB"
    ),
    "A3": "W is skipped for one hash of dimension D",
    "A4": (
        "hash functions: id modulo a prime, hour of the day, day of the week, "
        "thresholds, each + 1"
    ),
    "A5": "padding is a zero vector after the projection and teaches nothing",
    "A6": "tables start N(0, D^-1/2), W Glorot-normal",
    "A7": "the same hashed tables serve histories, positives and negatives",
    "A8": "an item is the mean of its parts, a category the mean of named features",
    "A9": (
        "events rated high or not at all speak for a category; ratings have vectors "
        "of their own"
    ),
    "A10": "an event's age has a vector; padding and unknown ages have none",
    "A11": "one table of hours and weekdays serves requests and events",
    "A12": (
        "the category asked for is that of liked events, by learned weights of "
        "positions"
    ),
    "A13": "keys and queries of events and requests are put together of these parts",
    "A14": "users can have hashed vectors of their own in what they ask",
    "A15": "a table partitioned over two devices gives the same vectors",
    "A16": "a request makes the layer that events pass through (co-action)",
    "A17": "how much an item counts: a masked softmax of item and context",
    "A18": "positions from the newest item count if asked for, and by default not",
    "A19": (
        "a softmax by weights gives padding exactly 0, and is defined without any "
        "weight"
    ),
    "A20": "prototypes route vectors: soft, straight through, hard, and as logs",
    "A21": "items are shared out among heads by p(t) and p(h|t)",
    "A22": "heads of few items can weigh as much as those of many",
    "A23": "a learned prior tells heads without items apart",
    "A24": "heads pass through two layers and are added to what they were",
    "A25": (
        "a router with a prototype for each head is injected; one for items, one "
        "for categories"
    ),
    "A26": "the mean item asks for heads, changed by a linear layer",
    "A27": "heads are summed up in groups, one for each vector",
    "A28": "heads become one vector by a query or their mean",
    "A29": "each vector can have a matrix of its own",
    "A30": "how much an item counts, by what is asked for alone",
    "A31": "a layer norm, to length 1 if asked for",
    "A32": (
        "a user's vectors are unit vectors; their flat view is the table "
        "`user_embeddings`, a row per vector"
    ),
    "A33": (
        "an item is scored by the nearest of a user's V vectors: max over v of the "
        "cosine"
    ),
    "A34": (
        "the best vectors of a user by given scores: a function for code of your own, "
        "since exports and searches use all V vectors"
    ),
    "A35": "A FIFO queue of positives, the current batch in it, its size checked",
    "A36": "queued ids are embedded with today's weights: never stale, and they learn",
    "A37": "tokens_per_batch of the queue that are not filled yet have weight 0",
    "A38": "candidates that are the positive itself get no probability",
    "A39": (
        "the queue's oldest part counts where category routers agree on a head; its "
        "counts are measured"
    ),
    "A40": (
        "a repeated id of the queue can share one weight among its entries; the "
        "extremes are measured"
    ),
    "A41": "training data are shuffled globally",
    "A42": (
        "one vector: softmax of (positive - margin) and weighted negatives over the "
        "temperature, in log space"
    ),
    "A43": (
        "several vectors: one softmax over (vector, item), or one for each vector, "
        "with or without weights"
    ),
    "A44": (
        "each vector's loss counts by its heads' posterior of the positive's category"
    ),
    "A45": "heads with less than an even share of the positives cost something",
    "A46": "categories of no sure head cost something, until sure enough",
    "A47": "heads are to be like the positives of their categories",
    "A48": "total = main loss + dead heads + entropy + semantic, each with a weight",
    "A49": (
        "what the loss consists of, ranks and heads are measured over each epoch, "
        "recorded and drawn"
    ),
    "A50": "measures of one name, or of a name that is taken, are refused",
    "A51": (
        "the learning rate asked for is the one used; gradients are cut by their "
        "whole norm, or each tensor's"
    ),
    "A52": (
        "export: a row for each of a user's V vectors and each item, in streamed "
        "pieces that are logged; items alone; a missing model is an error"
    ),
    "A53": (
        "training and export share one set of layers; a resumed training goes on "
        "from its step"
    ),
    "L1": "task and option errors come at once and name the choices",
    "L2": "sigmoid cross-entropy, max-margin and softmax objectives",
    "L3": "sigmoid cross-entropy over a positive and its sampled negatives",
    "L4": "max-margin: relu(margin + negative - positive)",
    "L5": "in-batch softmax, each query's own item on the diagonal",
    "L6": "tables of users, items and features, with out-of-vocabulary rows",
    "L7": "categorical: lookup; dense: value times field vector; concatenated",
    "L8": "either side with or without features",
    "L9": "hidden units as an int or a list, shared by all views of an item",
    "L10": "batch norm on the input and between layers; linear last layer",
    "L11": "dropout in [0, 1)",
    "L12": "vectors have length 1, or not, by choice",
    "L13": "documented defaults are the defaults; the preset runs 20 epochs",
    "L14": "learning-rate decay",
    "L15": "adam's epsilon",
    "L16": "L2 regularisation of tables; invalid values are errors",
    "L17": "negative samplers random, unconsumed, popular, with their number",
    "L18": "logQ correction by clipped share of training rows, on or off",
    "L19": "temperature, fixed or learned and kept positive, reported",
    "L20": "accidental hits have probability 0; temperature, logQ, mask in this order",
    "L21": "self-supervised views rfm, rfm-complementary, cfm, and their errors",
    "L22": "a masked feature is a frozen zero row",
    "L23": "items for self-supervision drawn uniformly; the three masking patterns",
    "L24": "pairwise mutual information of the features, for cfm",
    "L25": "total = main + alpha · self-supervised, with neither logQ nor hit mask",
    "L26": "evaluation while training, on a sample of users",
    "L27": (
        "top-k by the index, `exact` or Annoy, and not in the graph, where seen items "
        "and ties can't be handled; parameter count; seed"
    ),
    "L28": "what is needed to reload and retrain is stored; vocabularies grow",
    "L29": "an unknown user, item or feature is a clear error",
    "L30": "serving: request features, cold start, seen items, nearest, random draws",
    "N1": "load MovieLens and report sizes",
    "N2": "select fields",
    "N3": "seeded random 80/20 split, beside leave-one-out and temporal",
    "N4": "items are keyed by id, never by title",
    "N5": "batched iteration",
    "N6": "vocabulary lookup with an out-of-vocabulary id",
    "N7": "the query tower takes raw ids",
    "N8": "factorised top-k metrics over all candidates",
    "N9": "in-batch retrieval softmax",
    "N10": "accidental negatives have probability 0",
    "N11": "each metric's formula is documented",
    "N12": "the loss of a batch, from towers and objective",
    "N13": "choice of optimiser; reshuffled every epoch",
    "N14": "the test split is evaluated",
    "N15": "dense index ids with an id table beside them",
    "N16": "annoy index with configurable trees",
    "N17": "top-k titles for test users",
    "N18": "item vectors once, a query vector per request",
    "N19": "index saved and loaded, with scores, seen filter and recall",
    "N20": "the loss is explained",
    "N21": "nothing obsolete: no deprecation warning in a run",
    "X1": "transformer history tower: causal, padding-proof",
    "X2": "full softmax without a [positions, catalogue] tensor",
    "X3": "one negative engine for all sources, category-hard ones included",
    "X4": "streaming frequency estimation",
    "X5": "the index must meet its recall target against exact search",
    "X6": (
        "V searches, merged without repeats, re-scored exactly; lists as long as "
        "those of one vector"
    ),
    "X7": "the leakage audit stops the run",
    "X8": "paired bootstrap intervals, slices, popularity and EASE beside every report",
    "X9": "self-describing index bundle; mismatch refused, golden queries replayed",
    "X10": "alarms for NaN, collapsed items and collapsed or neglected heads",
    "X11": "cold start: items from content, users from history, measured apart",
    "X12": "the same seed gives the same result, to the bit",
    "X16": "served without importing TensorFlow",
    "X17": "a killed training resumes to the result of an uninterrupted one",
    "X18": "Kedro-Viz folds the pipelines into boxes, which open into their nodes",
    "X34": "each write of each save fails once, and nothing is lost or mixed",
    "X40": "a part is added by one file, one line of code, one line of YAML",
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
