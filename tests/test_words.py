"""Code, configuration and documentation use the words of docs/glossary.md.

Each pattern is a word that only this project used, with the field's word for it.
"""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

BETTER = {
    r"told (apart )?from|tells? (\w+ ){0,2}apart": "contrasted with, or distinguish",
    r"\brivals?\b": "negatives",
    r"\b(the|its|of|their) contrasts\b": "negatives, or loss",
    r"\bfeeds?\b(?!-forward)|_feeds?\b": "batches",
    r"\badditions\b": "sampled negatives and masks",
    r"\bdraws\b|\bdrawn\b|_drawn\b": "sample, or random order",
    r"\bplaces?\b|_places?\b|\bplaces_": "position, query, rank or index",
    r"\bpieces?\b|_pieces?\b": "chunks",
    r"\bslots?\b|_slots?\b": "tokens per batch, or positions",
    r"\bfigures\b|_figures\b": "metrics",
    r"_measures?\b|\bMeasures?\b|\bthe measures\b": "metrics",
    r"\bcases\b|_cases?\b": "queries",
    r"\bdense ids?\b": "index (item index, user index)",
    r"\bknown_|\bset_known\b": "in the vocabulary, trained or deployed",
    r"\bstrangers?\b|\bnobody\b|\bwhoever\b": "cold-start users",
    r"\bdisliked\b": "explicit negatives",
    r"\bhide_seen\b|\bis_open\b": "seen filter, mask, or allowed",
    r"[\"`]because[\"`]": "similar history items",
    r"\bFound\b|\bNOTHING\b": "search result, or no item",
    r"\bcredit\b": "assignment",
    r"\bsoftness\b": "soft-max temperature",
    r"\bdead[ _]heads?\b": "load balancing",
    r"\bsharpness\b|\bsharpest\b": "entropy",
    r"\bqueries_each_position\b": "query_per_position",
    r"\.tell\(|\bdef tell\(": "set_vocabulary",
    r"\bway out\b": "recovery command",
    r"\b(gone|goes?|went) on from\b|\bcut short\b": "resumed from, or interrupted",
    r"\bis asked for\b|\bby and by\b|\b(is|are) told\b": "one plain sentence",
    r"\b[Ll]ikewise\b|\bthe same of\b|\bas of\b": "restate it in five words",
    r"\bof whom\b|\bof which the\b": "a sentence of its own",
}

# Another meaning (a title may name a place, Ibis has a function `cases`), or names that
# stay: a key of exported query towers, a variant in docs/results.
ALLOWED = re.compile(
    r"\bin place\b|\btakes the place of\b|\{place\}|place=self|ibis\.cases|"
    r"Plotly figures|\"slots\"|no-sharpness"
)

FILES = [
    PROJECT / "README.md",
    *sorted(
        path
        for folder in ("src", "conf", "docs")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in {".py", ".md", ".yml"} and path.name != "acceptance.md"
    ),
]


@pytest.mark.parametrize(("pattern", "better"), BETTER.items())
def test_no_word_of_a_private_dialect(pattern, better):
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, ALLOWED.sub("", line))
    ]
    assert not found, f"say: {better}\n" + "\n".join(found)
