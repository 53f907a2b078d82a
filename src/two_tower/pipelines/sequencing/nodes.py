"""Nodes of the sequencing pipeline: unpack the parameters, call what does the work."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Final, Literal

import ibis.expr.types as ir

from two_tower.features import mutual_information as information
from two_tower.features import vocabulary as features
from two_tower.features.encoding import describe_features, encode_features
from two_tower.features.registry import Features
from two_tower.sequences import (
    explicit_negatives,
    selection,
    splits,
    vocabularies,
    windows,
)
from two_tower.sequences import (
    split_report as counts,
)
from two_tower.sequences.examples import build_examples
from two_tower.sequences.expressions import collect_in_order
from two_tower.types import FIRST_ID, JsonObject

from . import audit
from .params import ExplicitNegatives, Order, Selection, Split
from .retraining import require_same_rules

logger = logging.getLogger(__name__)

ENTITIES: Final[tuple[Literal["item", "user"], ...]] = ("item", "user")


def keep_interactions(
    interactions: ir.Table,
    selected: Selection,
    order: Order,
    split: Split | None = None,
    deployed_rules: JsonObject | None = None,
) -> ir.Table:
    """Return the interactions that count, with each one's position in its history.

    Args:
        interactions: `event_id` (int64, unique, the order in the file), `user_id`,
            `item_id`, `timestamp` (int64, seconds), `rating` (float32 or null).
        selected: what counts.
        order: what comes first within a second.
        split: how interactions will be held out; needed with `deployed_rules`.
        deployed_rules: selection, order and split of the deployed towers' training;
            None: a first training.

    Returns:
        The same columns and `position` (int32, from 0 with the user's oldest), ordered
        by user and position.

    Raises:
        ValueError: other rules, which may hold out what the deployed towers were
            trained on.
    """
    if split is not None and deployed_rules is not None:
        require_same_rules(deployed_rules, selected, order, split)
    steps = selection.selection_steps(interactions, **selected.model_dump())
    *_, kept = steps.values()
    return selection.number_positions(kept, ties=order.ties, seed=order.seed)


def build_histories(kept_interactions: ir.Table) -> ir.Table:
    """Collect what each user did, oldest first.

    Args:
        kept_interactions: as from `keep_interactions`.

    Returns:
        One row per user, by `user_id`: `user_id`, `item_ids`, `timestamps`
        (array<int64>, seconds) and `ratings` (array<float32>, null where there is
        none), all of the user's number of interactions.
    """
    lists = {"item_ids": "item_id", "timestamps": "timestamp", "ratings": "rating"}
    histories = collect_in_order(kept_interactions, ["user_id"], "position", lists)
    return histories.order_by("user_id")


def assign_splits(kept_interactions: ir.Table, split: Split) -> ir.Table:
    """Say of each interaction whether it is trained on, given or a target.

    Args:
        kept_interactions: as from `keep_interactions`.
        split: how interactions are held out.

    Returns:
        The same columns and `split` (see `splits`), ordered by user and position.
    """
    validation, test = split.temporal.cuts
    ways: dict[str, Callable[[ir.Table], ir.Table]] = {
        "leave_one_out": splits.leave_one_out,
        "temporal": partial(splits.temporal, validation=validation, test=test),
        "random": partial(splits.random, **split.random.model_dump(), seed=split.seed),
        "new_users": partial(
            splits.new_users, **split.new_users.model_dump(), seed=split.seed
        ),
        "new_items": partial(
            splits.new_items, **split.new_items.model_dump(), seed=split.seed
        ),
    }
    return ways[split.kind](kept_interactions).order_by("user_id", "position")


def build_item_vocabulary(
    split_interactions: ir.Table,
    items: ir.Table,
    deployed_items: ir.Table | None = None,
) -> ir.Table:
    """Number the items; see `vocabularies.item_vocabulary`."""
    return vocabularies.item_vocabulary(split_interactions, items, deployed_items)


def build_user_vocabulary(
    split_interactions: ir.Table, deployed_users: ir.Table | None = None
) -> ir.Table:
    """Number the users; see `vocabularies.user_vocabulary`."""
    return vocabularies.user_vocabulary(split_interactions, deployed_users)


def build_feature_vocabulary(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    items: ir.Table,
    users: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    declared: Features,
    deployed_values: ir.Table | None = None,
    deployed_schema: JsonObject | None = None,
) -> ir.Table:
    """Number the values that training knows of each feature.

    Args:
        items: `item_id` and the declared columns.
        users: `user_id` and the declared columns.
        item_vocabulary: as from `build_item_vocabulary`.
        user_vocabulary: as from `build_user_vocabulary`.
        declared: the features.
        deployed_values: a feature vocabulary to grow from.
        deployed_schema: the schema of the same training.

    Returns:
        `entity`, `feature`, `value`, `id` (int32), `count` (int64), ordered by entity,
        feature and id; see `features.feature_vocabulary`.
    """
    of_items, of_users = declared.of("item"), declared.of("user")
    deployed_items = features.with_columns(item_vocabulary, "item", items, of_items)
    deployed_users = features.with_columns(user_vocabulary, "user", users, of_users)
    schema = deployed_schema or {}
    return (
        features.feature_vocabulary(
            deployed_items, "item", of_items, deployed_values, schema.get("item")
        )
        .union(
            features.feature_vocabulary(
                deployed_users, "user", of_users, deployed_values, schema.get("user")
            )
        )
        .order_by("entity", "feature", "id")
    )


def build_feature_schema(
    declared: Features, deployed_schema: JsonObject | None = None, **tables: ir.Table
) -> JsonObject:
    """Return the sizes of all tables that towers look ids up in.

    Args:
        declared: the features.
        deployed_schema: a schema to grow from.
        tables: `items`, `users`, `item_vocabulary`, `user_vocabulary` and
            `feature_vocabulary`.

    Returns:
        `item` and `user` (see `feature_codes.describe_features`), `n_items` and
        `n_users` (the largest dense id and one).
    """
    schema: JsonObject = {}
    for entity in ENTITIES:
        own, vocabulary = declared.of(entity), tables[f"{entity}_vocabulary"]
        known = features.with_columns(vocabulary, entity, tables[f"{entity}s"], own)
        schema[entity] = describe_features(
            known,
            entity,
            tables["feature_vocabulary"],
            own,
            (deployed_schema or {}).get(entity),
        )
        schema[f"n_{entity}s"] = FIRST_ID + int(vocabulary.count().execute())
    return schema


def encode_item_features(
    items: ir.Table,
    item_vocabulary: ir.Table,
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
    declared: Features,
) -> ir.Table:
    """Return the items' features as numbers; see `feature_codes.encode_features`."""
    own = declared.of("item")
    known = features.with_columns(item_vocabulary, "item", items, own)
    return encode_features(
        known, "item", feature_vocabulary, own, feature_schema["item"]
    )


def encode_user_features(
    users: ir.Table,
    user_vocabulary: ir.Table,
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
    declared: Features,
) -> ir.Table:
    """Return the users' features as numbers; see `feature_codes.encode_features`."""
    own = declared.of("user")
    known = features.with_columns(user_vocabulary, "user", users, own)
    return encode_features(
        known, "user", feature_vocabulary, own, feature_schema["user"]
    )


def measure_feature_information(
    item_features: ir.Table, item_vocabulary: ir.Table
) -> JsonObject:
    """Return what the items' features tell of each other; see `information`.

    Args:
        item_features: as from `encode_item_features`.
        item_vocabulary: as from `build_item_vocabulary`.
    """
    return information.feature_information(item_features, item_vocabulary)


def cut_training_windows(
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    window: int,
) -> ir.Table:
    """Cut the training histories into windows; see `windows.cut_windows`.

    Raises:
        ValueError: `window` is not a whole number above 0.
    """
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise ValueError(
            f"sequencing.window is {window!r}; it must be a whole number above 0"
        )
    training = split_interactions.filter(split_interactions.split == splits.TRAIN)
    rows = vocabularies.with_dense_ids(training, item_vocabulary, user_vocabulary)
    return windows.cut_windows(rows, window)


def collect_explicit_negatives(
    rule: ExplicitNegatives, selected: Selection, split: Split, **tables: ir.Table
) -> ir.Table:
    """Collect what users rated low before anything of theirs is held out.

    Args:
        rule: what counts as explicit_negatives.
        selected: what counts as a positive.
        split: how interactions are held out.
        tables: `interactions` (all of them), `split_interactions`, `item_vocabulary`
            and `user_vocabulary`.

    Returns:
        `user` (int32) and `items` (array<int32>); see
        `explicit_negatives.find_explicit_negatives`.

    Raises:
        ValueError: a rating would be a positive and an explicit negative at once.
    """
    rule.check_against(selected)
    if rule.max_rating is None:
        return explicit_negatives.no_explicit_negatives(tables["user_vocabulary"])
    before = None
    if split.kind == "temporal":
        before = splits.cut_off(tables["split_interactions"], split.temporal.cuts[0])
    return explicit_negatives.find_explicit_negatives(
        **tables, max_rating=rule.max_rating, before=before
    )


def build_validation_examples(
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    split: Split,
) -> ir.Table:
    """Return the validation queries; see `examples.build_examples`."""
    rows = vocabularies.with_dense_ids(
        split_interactions, item_vocabulary, user_vocabulary
    )
    known = splits.known_splits(split.kind, splits.VALIDATION)
    return build_examples(rows, splits.VALIDATION, known)


def build_test_examples(
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    split: Split,
) -> ir.Table:
    """Return the test queries; see `examples.build_examples`."""
    rows = vocabularies.with_dense_ids(
        split_interactions, item_vocabulary, user_vocabulary
    )
    known = splits.known_splits(split.kind, splits.TEST)
    return build_examples(rows, splits.TEST, known)


def report_split(
    selected: Selection, order: Order, split: Split, **tables: ir.Table
) -> JsonObject:
    """Count what sequencing did to the data.

    Args:
        selected: what counts.
        order: what comes first within a second.
        split: how interactions are held out.
        tables: `interactions` and the outputs of sequencing, by name.

    Returns:
        The kind of split with its shares, seed and cut-offs in seconds (null where
        there are none), the selection, and counts; the functions of `counts` name
        their keys.
    """
    steps = selection.selection_steps(tables["interactions"], **selected.model_dump())
    counted = counts.count_steps(steps)
    logger.info(
        "kept %d of %d interactions, of %d users and %d items",
        counted[-1]["interactions"],
        counted[0]["interactions"],
        counted[-1]["users"],
        counted[-1]["items"],
    )
    kept = tables["split_interactions"]
    return {
        "kind": split.kind,
        **_draw(split),
        "cut_offs": _cut_offs(kept, split),
        "selection": selected.model_dump(),
        "steps": counted,
        "dropped_interactions": counted[0]["interactions"]
        - counted[-1]["interactions"],
        "ties": {
            "handling": order.ties,
            "seed": order.seed if order.ties == "shuffled" else None,
            "share_of_consecutive_pairs": counts.share_of_ties(kept),
        },
        "splits": counts.count_splits(kept),
        "items": counts.count_unknown(tables["item_vocabulary"]),
        "users": counts.count_unknown(tables["user_vocabulary"]),
        "train_sequences": counts.count_sequences(tables["train_sequences"]),
        "explicit_negatives": counts.count_explicit_negatives(
            tables["explicit_negatives"]
        ),
        "validation_examples": counts.count_examples(tables["validation_examples"]),
        "test_examples": counts.count_examples(tables["test_examples"]),
    }


def _draw(split: Split) -> JsonObject:
    """Return the shares and the seed of a split that is drawn at random."""
    drawn = {
        "random": split.random,
        "new_users": split.new_users,
        "new_items": split.new_items,
    }
    if split.kind not in drawn:
        return {"shares": None, "seed": None}
    return {"shares": drawn[split.kind].model_dump(), "seed": split.seed}


def _cut_offs(kept: ir.Table, split: Split) -> JsonObject | None:
    if split.kind != "temporal":
        return None
    cuts = zip(("validation", "test"), split.temporal.cuts, strict=True)
    return {name: int(splits.cut_off(kept, at).execute()) for name, at in cuts}


def audit_leakage(
    selected: Selection,
    order: Order,
    split: Split,
    window: int,
    rule: ExplicitNegatives,
    deployed_schema: JsonObject | None = None,
    **tables: ir.Table,
) -> JsonObject:
    """Check that nothing a target would give away has been trained on or is known.

    Args:
        selected: what counts.
        order: what comes first within a second.
        split: how interactions are held out.
        window: most pairs of a training window.
        rule: what counts as explicit_negatives.
        deployed_schema: the schema that the features have grown from.
        tables: `interactions` and the outputs of sequencing, by name; and
            `deployed_items`, `deployed_users` and `deployed_values`, where the
            vocabularies
            have grown from these.

    Returns:
        `passed` (true) and `checks`: `name`, `passed` and `detail` of each.

    Raises:
        ValueError: a check failed; the message names each that did.
    """
    checks = audit.run_audit(
        tables,
        selection=selected,
        order=order,
        split=split,
        window=window,
        explicit_negatives=rule,
        deployed_schema=deployed_schema,
    )
    failed = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if failed:
        raise ValueError(
            f"the leakage audit failed in {len(failed)} of {len(checks)} checks; "
            f"nothing must be trained on these tables. {'; '.join(failed)}"
        )
    logger.info("the leakage audit passed %d checks", len(checks))
    return {"passed": True, "checks": [asdict(check) for check in checks]}
