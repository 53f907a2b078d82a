"""Small tables for the tests, and the outputs of sequencing for them."""

from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import yaml

from two_tower.features.registry import Features
from two_tower.pipelines.sequencing import nodes
from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import Split
from two_tower.sequences.vocabularies import DeployedVocabularies

BASE = Path(__file__).parents[2] / "conf" / "base" / "parameters" / "sequencing.yml"
MOVIELENS = BASE.parent / "formats" / "movielens.yml"
SCHEMA = ibis.schema(
    {
        "event_id": "int64",
        "user_id": "int64",
        "item_id": "int64",
        "timestamp": "int64",
        "rating": "float32",
    }
)
FILE_ORDER = Order(ties="file_order", without_times="file_order", seed=0)


def interactions(*rows) -> ir.Table:
    """Return interactions from (user, item, timestamp[, rating]), in file order."""
    columns = {name: [] for name in SCHEMA.names}
    for event_id, (user, item, timestamp, *rating) in enumerate(rows):
        values = (event_id, user, item, timestamp, *(rating or [None]))
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    return ibis.memtable(pa.table(columns, SCHEMA.to_pyarrow()))


def rows(table: ir.Table, *columns) -> list[tuple]:
    """Return a table's rows as tuples, of some columns or all."""
    selected = table.select(*columns) if columns else table
    return [tuple(row.values()) for row in selected.to_pyarrow().to_pylist()]


def stored(table: ir.Table) -> ir.Table:
    """Return the table computed, as the catalog's tables are."""
    return ibis.memtable(table.to_pyarrow())


def parameters() -> dict:
    """Return the base parameters of sequencing, of data that keep all items."""
    base = yaml.safe_load(BASE.read_text(encoding="utf-8"))["sequencing"]
    base["selection"]["min_item_interactions"] = 1
    return base


def movielens_features() -> dict:
    formats = yaml.safe_load(MOVIELENS.read_text(encoding="utf-8"))["_formats"]
    return formats["movielens"]["sequencing"]["features"]


FEATURES = {
    "item": {
        "genres": {"kind": "multi_valued"},
        "title_words": {"kind": "words", "column": "title"},
        "year": {"kind": "categorical"},
        "length": {"kind": "dense"},
    },
    "user": {"gender": {"kind": "categorical"}},
}


def some_interactions(seed: int = 0) -> ir.Table:
    """Return 16 users' interactions with 12 items, with ties and ratings.

    No user has an item twice; users 1 and 2 have one and two interactions.
    """
    random = np.random.default_rng(seed)
    found = [(1, 5, 50, 3.0), (2, 5, 60, 3.0), (2, 6, 60, 4.0)]
    for user in range(3, 17):
        n = int(random.integers(3, 12))
        items = random.permutation(12)[:n] + 1
        times = np.sort(random.integers(0, 100, n) // 3 * 3)
        stars = random.integers(1, 6, n)
        found += [
            (user, int(i), int(t), float(r))
            for i, t, r in zip(items, times, stars, strict=True)
        ]
    return interactions(*(found[i] for i in random.permutation(len(found))))


def some_items() -> ir.Table:
    return ibis.memtable(
        pa.table(
            {
                "item_id": range(1, 13),
                "title": [f"Film {'two' * (i % 2)} (19{i + 60})" for i in range(12)],
                "genres": [["Drama", "War"][: i % 3] for i in range(12)],
                "year": pa.array([*range(60, 71), None], pa.int32()),
                "length": [90.0 + i * i for i in range(12)],
            }
        )
    )


def some_users() -> ir.Table:
    genders = ["F" if i % 3 else "M" for i in range(1, 17)]
    return ibis.memtable(pa.table({"user_id": range(1, 17), "gender": genders}))


def sequence(  # noqa: PLR0913
    interactions: ir.Table,
    *,
    items: ir.Table | None = None,
    users: ir.Table | None = None,
    features: dict | None = None,
    split: dict | None = None,
    selection: dict | None = None,
    order: dict | None = None,
    window: int = 3,
    explicit_negatives: dict | None = None,
    grown_from: dict | None = None,
) -> tuple[dict[str, ir.Table], dict]:
    """Run the nodes one after the other; return their tables and their parameters.

    `grown_from` holds the tables of an earlier call, whose vocabularies are deployed.
    """
    base = parameters()
    params = {
        "selected": Selection(**base["selection"] | (selection or {})),
        "order": Order(**base["order"] | (order or {})),
        "split": Split(**base["split"] | (split or {})),
        "window": window,
        "rule": ExplicitNegatives(
            **base["explicit_negatives"] | (explicit_negatives or {})
        ),
    }
    declared = Features(**(features or FEATURES))
    t = {
        "interactions": interactions,
        "items": some_items() if items is None else items,
        "users": some_users() if users is None else users,
    }
    deployed = grown_from and DeployedVocabularies(
        items=grown_from["item_vocabulary"],
        users=grown_from["user_vocabulary"],
        values=grown_from["feature_vocabulary"],
        schema=grown_from["feature_schema"],
        rules={},
    )
    kept = stored(
        nodes.keep_interactions(interactions, params["selected"], params["order"])
    )
    split_interactions = stored(nodes.assign_splits(kept, params["split"]))
    t["split_interactions"] = split_interactions
    t["histories"] = stored(nodes.build_histories(kept))
    t["item_vocabulary"] = stored(
        nodes.build_item_vocabulary(split_interactions, t["items"], deployed)
    )
    t["user_vocabulary"] = stored(
        nodes.build_user_vocabulary(split_interactions, deployed)
    )
    ids = t["item_vocabulary"], t["user_vocabulary"]
    described = {
        name: t[name]
        for name in ("items", "users", "item_vocabulary", "user_vocabulary")
    }
    t["feature_vocabulary"] = stored(
        nodes.build_feature_vocabulary(declared, deployed, **described)
    )
    t["feature_schema"] = schema = nodes.build_feature_schema(
        declared,
        deployed,
        **described,
        feature_vocabulary=t["feature_vocabulary"],
    )
    t["item_features"] = stored(
        nodes.encode_item_features(
            t["items"], ids[0], t["feature_vocabulary"], schema, declared
        )
    )
    t["user_features"] = stored(
        nodes.encode_user_features(
            t["users"], ids[1], t["feature_vocabulary"], schema, declared
        )
    )
    t["train_sequences"] = stored(
        nodes.cut_training_windows(split_interactions, *ids, window)
    )
    t["explicit_negatives"] = stored(
        nodes.collect_explicit_negatives(
            params["rule"],
            params["selected"],
            params["split"],
            interactions=interactions,
            split_interactions=split_interactions,
            item_vocabulary=ids[0],
            user_vocabulary=ids[1],
        )
    )
    t["validation_examples"] = stored(
        nodes.build_validation_examples(
            interactions, split_interactions, *ids, params["split"]
        )
    )
    t["test_examples"] = stored(
        nodes.build_test_examples(
            interactions, split_interactions, *ids, params["split"]
        )
    )
    if deployed is not None:
        params["deployed"] = deployed
    return t, params
