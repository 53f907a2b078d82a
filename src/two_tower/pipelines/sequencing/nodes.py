"""Nodes of the sequencing pipelines: unpack the parameters, call what does the work."""

import logging
from dataclasses import asdict

import ibis.expr.types as ir

from two_tower.features import vocabulary
from two_tower.features.base import FeatureKind
from two_tower.features.columns import readable_features
from two_tower.features.encoding import describe_features, encode_features
from two_tower.features.registry import Features
from two_tower.params import Count
from two_tower.sequences import split_report, vocabularies, windows
from two_tower.sequences.examples import build_examples
from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.expressions import collect_in_order
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import TEST, TRAIN, VALIDATION, NoSplit, Split
from two_tower.sequences.times import describe_order, has_times, require_stable_order
from two_tower.sequences.vocabularies import DeployedVocabularies
from two_tower.types import ENTITIES, FIRST_ID, Entity, JsonObject

from . import audit
from .retraining import require_same_rules

logger = logging.getLogger(__name__)


def keep_interactions(
    interactions: ir.Table,
    selected: Selection,
    order: Order,
    split: Split | None = None,
    deployed: DeployedVocabularies | None = None,
    ingestion_report: JsonObject | None = None,
) -> ir.Table:
    """Return the selected interactions with their position in the user's history.

    Args:
        interactions: `event_id` (int64, unique, the order in the file), `user_id`,
            `item_id`, `timestamp` (int64, seconds; null in all rows: there are no
            times), `rating` (float32 or null).
        selected: which interactions are kept.
        order: order of a user's interactions.
        split: how interactions will be held out; needed with `deployed`.
        deployed: has the rules of the deployed towers' training; None: a first
            training.
        ingestion_report: not read. Without it ingestion has refused the tables, and
            sequencing does not start.

    Returns:
        The same columns and `position` (int32, from 0 with the user's oldest), ordered
        by user and position.

    Raises:
        ValueError: the selection leaves nothing, or the rules may hold out interactions
            that the deployed towers were trained on.
    """
    timed = has_times(interactions)
    if split is not None and deployed is not None:
        require_same_rules(deployed.rules, selected, order, split)
        require_stable_order(order, split, timed=timed)
    selected.require_rows(interactions)
    *_, kept = selected.steps(interactions).values()
    if not timed:
        logger.info("the data have no times: %s", describe_order(order))
    return order.number_positions(kept, timed=timed)


def build_histories(kept_interactions: ir.Table) -> ir.Table:
    """Collect each user's history, oldest first.

    Args:
        kept_interactions: as from `keep_interactions`.

    Returns:
        One row per user, by `user_id`: `user_id`, `item_ids`, `timestamps`
        (array<int64>, seconds) and `ratings` (array<float32>, null if missing), each as
        long as the user has interactions.
    """
    lists = {"item_ids": "item_id", "timestamps": "timestamp", "ratings": "rating"}
    histories = collect_in_order(kept_interactions, ["user_id"], "position", lists)
    return histories.order_by("user_id")


def assign_splits(kept_interactions: ir.Table, split: Split) -> ir.Table:
    """Assign each interaction to the training, a query's history or its targets.

    Args:
        kept_interactions: as from `keep_interactions`.
        split: how interactions are held out.

    Returns:
        The same columns and `split` (see `splits`), ordered by user and position.

    Raises:
        ValueError: the split needs times and there are none, or it leaves nothing for
            training or for test.
    """
    split.require_times(timed=has_times(kept_interactions))
    split_interactions = split.assign(kept_interactions)
    split.require_rows(split_interactions)
    return split_interactions.order_by("user_id", "position")


def build_item_vocabulary(
    split_interactions: ir.Table,
    items: ir.Table,
    deployed: DeployedVocabularies | None = None,
) -> ir.Table:
    """Number the items; see `vocabularies.item_vocabulary`."""
    grown_from = deployed.items if deployed else None
    return vocabularies.item_vocabulary(split_interactions, items, grown_from)


def build_user_vocabulary(
    split_interactions: ir.Table, deployed: DeployedVocabularies | None = None
) -> ir.Table:
    """Number the users; see `vocabularies.user_vocabulary`."""
    grown_from = deployed.users if deployed else None
    return vocabularies.user_vocabulary(split_interactions, grown_from)


def build_feature_vocabulary(
    declared: Features,
    deployed: DeployedVocabularies | None = None,
    **tables: ir.Table,
) -> ir.Table:
    """Number the values of each feature.

    Args:
        declared: the features.
        deployed: has the feature vocabulary and schema to grow from.
        tables: `items`, `users`, `item_vocabulary` and `user_vocabulary`.

    Returns:
        `entity`, `feature`, `value`, `id` (int32), `count` (int64), ordered by entity,
        feature and id; see `vocabulary.feature_vocabulary`.
    """
    of_items, of_users = (
        vocabulary.feature_vocabulary(
            _with_columns(entity, declared, tables),
            entity,
            _readable(entity, declared, tables[f"{entity}s"]),
            deployed.values if deployed else None,
            deployed.schema[entity] if deployed else None,
        )
        for entity in ENTITIES
    )
    return of_items.union(of_users).order_by("entity", "feature", "id")


def _with_columns(
    entity: Entity, declared: Features, tables: dict[str, ir.Table]
) -> ir.Table:
    """Return the items or users of the vocabulary with the declared columns."""
    table = tables[f"{entity}s"]
    readable = _readable(entity, declared, table)
    return vocabulary.with_columns(
        tables[f"{entity}_vocabulary"], entity, table, readable
    )


def _readable(
    entity: Entity, declared: Features, table: ir.Table
) -> dict[str, FeatureKind]:
    """Return the features of an entity, but for opt-in ones without their column."""
    return readable_features(declared.of(entity), table.columns)


def build_feature_schema(
    declared: Features,
    deployed: DeployedVocabularies | None = None,
    **tables: ir.Table,
) -> JsonObject:
    """Return the sizes of all embedding tables, and how features are encoded.

    Args:
        declared: the features.
        deployed: has the feature schema to grow from.
        tables: `items`, `users`, `item_vocabulary`, `user_vocabulary` and
            `feature_vocabulary`.

    Returns:
        `item` and `user` (see `encoding.describe_features`), `n_items` and `n_users`
        (the greatest index + 1).
    """
    schema: JsonObject = {}
    for entity in ENTITIES:
        schema[entity] = describe_features(
            _with_columns(entity, declared, tables),
            entity,
            tables["feature_vocabulary"],
            _readable(entity, declared, tables[f"{entity}s"]),
            deployed.schema[entity] if deployed else None,
        )
        n = int(tables[f"{entity}_vocabulary"].count().execute())
        schema[f"n_{entity}s"] = FIRST_ID + n
    return schema


def encode_item_features(
    items: ir.Table,
    item_vocabulary: ir.Table,
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
    declared: Features,
) -> ir.Table:
    """Encode the items' features; see `encoding.encode_features`."""
    tables = {"items": items, "item_vocabulary": item_vocabulary}
    return _encode("item", declared, tables, feature_vocabulary, feature_schema)


def encode_user_features(
    users: ir.Table,
    user_vocabulary: ir.Table,
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
    declared: Features,
) -> ir.Table:
    """Encode the users' features; see `encoding.encode_features`."""
    tables = {"users": users, "user_vocabulary": user_vocabulary}
    return _encode("user", declared, tables, feature_vocabulary, feature_schema)


def _encode(
    entity: Entity,
    declared: Features,
    tables: dict[str, ir.Table],
    feature_vocabulary: ir.Table,
    feature_schema: JsonObject,
) -> ir.Table:
    return encode_features(
        _with_columns(entity, declared, tables),
        entity,
        feature_vocabulary,
        _readable(entity, declared, tables[f"{entity}s"]),
        feature_schema[entity],
    )


def cut_training_windows(
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    window: Count,
) -> ir.Table:
    """Cut the training histories into windows; see `windows.cut_windows`."""
    training = split_interactions.filter(split_interactions.split == TRAIN)
    rows = vocabularies.with_indices(training, item_vocabulary, user_vocabulary)
    return windows.cut_windows(rows, window)


def collect_explicit_negatives(
    rule: ExplicitNegatives, selected: Selection, split: Split, **tables: ir.Table
) -> ir.Table:
    """Collect the items that users rated low before anything is held out.

    Args:
        rule: which ratings are explicit negatives.
        selected: which interactions are kept.
        split: how interactions are held out.
        tables: `interactions` (all of them), `split_interactions`, `item_vocabulary`
            and `user_vocabulary`.

    Returns:
        `user` (int32) and `items` (array<int32>); see `ExplicitNegatives.find`.

    Raises:
        ValueError: a rating would be a positive and an explicit negative at once.
    """
    rule.check_against(selected)
    cut_offs = split.chosen.cut_offs(tables["split_interactions"])
    return rule.find(**tables, training_end=cut_offs.get(VALIDATION))


def build_validation_examples(
    interactions: ir.Table,
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    split: Split,
) -> ir.Table:
    """Return the validation queries; see `examples.build_examples`."""
    tables = interactions, split_interactions, item_vocabulary, user_vocabulary
    return _build_examples(VALIDATION, split, *tables)


def build_test_examples(
    interactions: ir.Table,
    split_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    split: Split,
) -> ir.Table:
    """Return the test queries; see `examples.build_examples`."""
    tables = interactions, split_interactions, item_vocabulary, user_vocabulary
    return _build_examples(TEST, split, *tables)


def _build_examples(
    target: str,
    split: Split,
    interactions: ir.Table,
    split_interactions: ir.Table,
    *ids: ir.Table,
) -> ir.Table:
    """Return the queries of one split.

    Args:
        target: split of the targets.
        split: how interactions are held out.
        interactions: all of them.
        split_interactions: those that the selection kept.
        ids: the vocabularies of items and users.
    """
    dropped = interactions.anti_join(split_interactions, "event_id")
    rows, others = (
        vocabularies.with_indices(table, *ids)
        for table in (split_interactions, dropped)
    )
    return build_examples(rows, target, split.chosen.history_splits(target), others)


def report_split(
    selected: Selection,
    order: Order,
    split: Split,
    ingestion_report: JsonObject,
    **tables: ir.Table,
) -> JsonObject:
    """Report what the selection and the split made of the data.

    Args:
        selected: which interactions are kept.
        order: order of a user's interactions.
        split: how interactions are held out.
        ingestion_report: what ingestion has read.
        tables: `interactions` and the outputs of sequencing, by name.

    Returns:
        `ingestion`, the kind of split with its shares, seed and cut-offs in seconds
        (null for none), the selection, `has_times`, and counts of `split_report`.
        Without times, `ties` says how all interactions of a user are ordered.
    """
    steps = split_report.count_steps(selected.steps(tables["interactions"]))
    read, kept = steps[0], steps[-1]
    split_report.log_selection(steps)
    interactions, kind = tables["split_interactions"], split.chosen
    timed = has_times(interactions)
    handling = order.handling(timed=timed)
    cut_offs = {
        name: int(moment.execute())
        for name, moment in kind.cut_offs(interactions).items()
    }
    return {
        "ingestion": ingestion_report,
        "kind": split.kind,
        "shares": kind.model_dump() if kind.is_random else None,
        "seed": split.seed if kind.is_random else None,
        "cut_offs": cut_offs or None,
        "selection": selected.model_dump(),
        "steps": steps,
        "dropped_interactions": read["interactions"] - kept["interactions"],
        "has_times": timed,
        "ties": {
            "handling": handling,
            "seed": order.seed if handling == "shuffled" else None,
            "share_of_consecutive_pairs": split_report.share_of_ties(interactions),
        },
        **split_report.count_outputs(tables),
    }


def audit_leakage(
    selected: Selection,
    order: Order,
    split: Split,
    window: Count,
    rule: ExplicitNegatives,
    deployed: DeployedVocabularies | None = None,
    **tables: ir.Table,
) -> JsonObject:
    """Check that neither the training nor a query's history holds a target.

    Args:
        selected: which interactions are kept.
        order: order of a user's interactions.
        split: how interactions are held out.
        window: maximum pairs per training window.
        rule: which ratings are explicit negatives.
        deployed: the vocabularies that those of the outputs have grown from.
        tables: `interactions` and the outputs of sequencing, by name.

    Returns:
        `passed` (true) and `checks`: `name`, `passed` and `detail` of each.

    Raises:
        ValueError: checks failed; the message names each of them.
    """
    grown_from = deployed and {
        "deployed_items": deployed.items,
        "deployed_users": deployed.users,
        "deployed_values": deployed.values,
    }
    checks = audit.run_audit(
        {**tables, **(grown_from or {})},
        selection=selected,
        order=order,
        split=split,
        window=window,
        explicit_negatives=rule,
        deployed_schema=deployed.schema if deployed else None,
    )
    failed = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if failed:
        raise ValueError(
            f"the leakage audit failed in {len(failed)} of {len(checks)} checks: "
            f"{'; '.join(failed)}. Nothing may be trained on these tables. Run: "
            "kedro run --pipelines data. If the audit fails again, sequencing "
            "has a bug"
        )
    logger.info("the leakage audit passed %d checks", len(checks))
    return {"passed": True, "checks": [asdict(check) for check in checks]}


def count_all_of_items(
    item_vocabulary: ir.Table, kept_interactions: ir.Table
) -> ir.Table:
    """Return the item vocabulary of a refit: all interactions are training ones."""
    return vocabularies.recounted(item_vocabulary, kept_interactions, "item")


def count_all_of_users(
    user_vocabulary: ir.Table, kept_interactions: ir.Table
) -> ir.Table:
    """Return the user vocabulary of a refit: all interactions are training ones."""
    return vocabularies.recounted(user_vocabulary, kept_interactions, "user")


def cut_all_windows(
    kept_interactions: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    window: int,
) -> ir.Table:
    """Cut whole histories into the training windows of a refit.

    Raises:
        ValueError: `window` is not a whole number above 0.
    """
    everything = NoSplit().assign(kept_interactions, seed=0)
    return cut_training_windows(everything, item_vocabulary, user_vocabulary, window)


def collect_all_explicit_negatives(
    rule: ExplicitNegatives, selected: Selection, **tables: ir.Table
) -> ir.Table:
    """Collect the explicit negatives of a refit, where nothing is held out.

    Args:
        rule: which ratings are explicit negatives.
        selected: which interactions are kept.
        tables: `interactions` (all of them), `kept_interactions`, `item_vocabulary`
            and `user_vocabulary` of the refit.
    """
    rule.check_against(selected)
    everything = NoSplit().assign(tables.pop("kept_interactions"), seed=0)
    return rule.find(**tables, split_interactions=everything, training_end=None)
