"""Nodes of the evaluation pipeline: ranks, metrics, report and plots."""

import logging

import ibis.expr.types as ir
import pyarrow as pa

from two_tower.evaluation import plots
from two_tower.evaluation.multi_interest import ListLengths, describe_user_vectors
from two_tower.evaluation.not_evaluated import (
    NO_ROWS,
    format_no_report,
    holds_out_nothing,
    no_metrics,
)
from two_tower.evaluation.plots import Figure
from two_tower.evaluation.protocol import describe_protocol
from two_tower.evaluation.queries import (
    read_evaluation_queries,
    read_n_train,
    read_query_vectors,
)
from two_tower.evaluation.rank_tables import join_rankings, read_exposure, read_ranks
from two_tower.evaluation.ranking import (
    baseline_scorers,
    rank_by_model,
    rank_by_scorers,
    rank_cold_items,
)
from two_tower.evaluation.report import (
    format_headline,
    format_refit,
    format_report,
)
from two_tower.evaluation.summary import summarise_rankings
from two_tower.index.bundle import IndexBundle
from two_tower.index.vectors import read_item_embeddings
from two_tower.params import Seen
from two_tower.pipelines.evaluation.params import (
    Baselines,
    Interests,
    Ranking,
    Report,
)
from two_tower.training.params import Refit
from two_tower.types import JsonObject

logger = logging.getLogger(__name__)


def rank_by_two_tower(
    test_queries: ir.Table,
    test_examples: ir.Table,
    item_embeddings: ir.Table,
    item_index: IndexBundle,
    ranking: Ranking,
    seen: Seen,
) -> tuple[pa.Table, pa.Table]:
    """Rank all items for each evaluation query, exactly and through the index.

    Args:
        test_queries: one row per vector of a query: `user` (int32), `user_id`,
            `vector_index` (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        item_embeddings: `item` (int32, from 2), `item_id`, `vector` (array<float32>).
        item_index: index of the same items.
        ranking: cut-offs and block size.
        seen: whether items that a user has seen are ranked.

    Returns:
        Ranks, one row per positive, by user and item: `user`, `item` (int32), `n_seen`
        (int64, history length), `is_repeat` (int64, 1 if the history holds the
        positive), `n_candidates` (int64), and the ranks from 0 `exact` and `index`
        (int64; null outside the list of the longest cut-off). Exposure, one row per
        item: `item`, and the number of lists with it, `exact@<k>` and `index@<k>`.

    Raises:
        ValueError: if there is no query, or queries, items and index don't match.
    """
    if holds_out_nothing(test_examples):
        return NO_ROWS, NO_ROWS
    queries = read_evaluation_queries(test_examples, seen.root)
    return rank_by_model(
        queries,
        read_query_vectors(test_queries, queries.users).vectors,
        read_item_embeddings(item_embeddings).vectors,
        item_index,
        cutoffs=ranking.cutoffs,
        item_block=ranking.item_block,
    )


def rank_among_cold_items(
    test_queries: ir.Table,
    test_examples: ir.Table,
    item_embeddings: ir.Table,
    item_vocabulary: ir.Table,
    item_block: int,
    seen: Seen,
) -> pa.Table:
    """Rank the cold items, those without a training interaction, among themselves.

    Args:
        test_queries: one row per vector of a query: `user` (int32), `user_id`,
            `vector_index` (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        item_embeddings: `item` (int32, from 2), `item_id`, `vector` (array<float32>).
        item_vocabulary: `item` (int32, from 2 without gaps) and `n_train` (int64).
        item_block: items scored at a time.
        seen: whether items that a user has seen are ranked.

    Returns:
        One row per cold positive, by user and item: `user`, `item` (int32),
        `n_candidates` (int64) and the rank from 0 `exact` (int64).

    Raises:
        ValueError: if there is no query, or queries, items and vocabulary don't match.
    """
    if holds_out_nothing(test_examples):
        return NO_ROWS
    queries = read_evaluation_queries(test_examples, seen.root)
    return rank_cold_items(
        queries,
        read_query_vectors(test_queries, queries.users).vectors,
        read_item_embeddings(item_embeddings).vectors,
        read_n_train(item_vocabulary, "item"),
        item_block=item_block,
    )


def rank_by_baselines(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    test_examples: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    train_sequences: ir.Table,
    ranking: Ranking,
    baselines: Baselines,
    seen: Seen,
) -> tuple[pa.Table, pa.Table]:
    """Rank all items for each evaluation query by popularity and by EASE.

    Both are fitted to the training interactions only. A catalogue above
    `ease.max_items` skips EASE.

    Args:
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        item_vocabulary: `item` (int32, from 2 without gaps) and `n_train` (int64).
        user_vocabulary: `user` (int32, from 2 without gaps) and `n_train` (int64).
        train_sequences: one row per window: `user` (int32), `items` and `targets`
            (array<int32>); together all training items of each user.
        ranking: cut-offs and block size.
        baselines: options of EASE.
        seen: whether items that a user has seen are ranked.

    Returns:
        Ranks, one row per positive, by user and item: `user`, `item` (int32),
        `item_n_train` and `user_n_train` (int64, training interactions), and the ranks
        from 0 `popularity` and `ease` (int64). Exposure, one row per item: `item`,
        `n_train`, and the number of lists with it, `popularity@<k>` and `ease@<k>`.

    Raises:
        ValueError: if there is no query, or EASE can't be solved.
    """
    if holds_out_nothing(test_examples):
        return NO_ROWS, NO_ROWS
    queries = read_evaluation_queries(test_examples, seen.root)
    n_train = read_n_train(item_vocabulary, "item")
    return rank_by_scorers(
        queries,
        baseline_scorers(
            queries,
            train_sequences,
            n_train,
            l2=baselines.ease.l2,
            max_items=baselines.ease.max_items,
        ),
        n_train,
        read_n_train(user_vocabulary, "user"),
        cutoffs=ranking.cutoffs,
        item_block=ranking.item_block,
    )


def compute_metrics(
    split_report: JsonObject,
    ranking: Ranking,
    baselines: Baselines,
    report: Report,
    seen: Seen,
    **tables: ir.Table,
) -> JsonObject:
    """Return all metrics; `docs/metrics.md` gives their formulas.

    Args:
        split_report: `kind`, `shares`, `seed`, `cut_offs`, `selection`, `has_times` and
            `ties` of the split.
        ranking: cut-offs.
        baselines: options of EASE.
        report: headline, bootstrap and slices.
        seen: whether items that a user has seen are ranked.
        tables: `two_tower_ranks` and `two_tower_exposure` from `rank_by_two_tower`,
            `baseline_ranks` and `baseline_exposure` from `rank_by_baselines`,
            `cold_ranks` from `rank_among_cold_items`, and `test_queries` with
            `asked_at` (int64; null if the towers don't read the request time).

    Returns:
        `protocol`; the means of each metric, under `two_tower` (`exact`, `index`) and
        `baselines` (`popularity`, and `ease` or why it was skipped); `intervals`;
        `slices`; and `among_cold_items`, a slice ranked among cold items. Where nothing
        is held out, only `dataset` and why it is `not_evaluated`.

    Raises:
        ValueError: if the tables of ranks have different positives, or the headline is
            not one of the cut-offs.
    """
    if split_report["kind"] == "none":
        metrics = no_metrics(report.dataset)
        logger.info("nothing is evaluated: %s", metrics["not_evaluated"])
        return metrics
    rankings = join_rankings(
        read_ranks(tables["two_tower_ranks"], ["n_seen", "is_repeat", "n_candidates"]),
        read_ranks(tables["baseline_ranks"], ["item_n_train", "user_n_train"]),
    )
    exposure = read_exposure(tables["two_tower_exposure"], tables["baseline_exposure"])
    n_train = exposure["n_train"].to_numpy()
    protocol = describe_protocol(
        split_report,
        dataset=report.dataset,
        cutoffs=ranking.cutoffs,
        headline=report.headline,
        request_time=_reads_request_time(tables["test_queries"]),
        seen_items=seen.root,
        share_of_repeated_positives=float(rankings.columns["is_repeat"].mean()),
        n_queries=len(rankings.n_positives),
        n_positives=len(rankings.items),
        n_items=len(n_train),
        n_cold_items=int((n_train == 0).sum()),
        slices=report.slices.model_dump(mode="json"),
    )
    summary = summarise_rankings(
        rankings,
        read_ranks(tables["cold_ranks"], ["n_candidates"]),
        exposure,
        cutoffs=ranking.cutoffs,
        intervals=report.intervals.model_dump(),
        slices=report.slices.model_dump(),
    )
    summary["baselines"].setdefault("ease", _skipped_ease(len(n_train), baselines))
    metrics = {"protocol": protocol, **summary}
    logger.info(format_headline(metrics))
    return metrics


def describe_interests(  # noqa: PLR0913, PLR0917 (its inputs in the catalog)
    test_queries: ir.Table,
    test_examples: ir.Table,
    item_index: IndexBundle,
    item_vocabulary: ir.Table,
    parameters: Interests,
    headline: int,
    seen: Seen,
) -> JsonObject:
    """Return a description of sample users' vectors by item titles.

    Args:
        test_queries: one row per vector of a query: `user` (int32), `user_id`,
            `vector_index` (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items`, `targets` and `other_seen`
            (array<int32>).
        item_index: index of all items.
        item_vocabulary: `item` (int32, from 2 without gaps) and `title` (string).
        parameters: number of users, and lengths of their lists.
        headline: the k of the top-k lists that the vectors share.
        seen: whether items that a user has seen are ranked.

    Returns:
        See `two_tower.evaluation.multi_interest.describe_user_vectors`; empty where
        nothing is held out.

    Raises:
        ValueError: if queries, items and index don't match.
    """
    if holds_out_nothing(test_examples):
        return {}
    return describe_user_vectors(
        test_queries,
        test_examples,
        item_index,
        item_vocabulary,
        seen=seen.root,
        n_users=parameters.users,
        lengths=ListLengths(parameters.history, parameters.recommended, headline),
    )


def write_report(
    metrics: JsonObject, interests: JsonObject, training_summary: JsonObject
) -> str:
    """Return the protocol and the metrics as Markdown.

    Args:
        metrics: from `compute_metrics`.
        interests: from `describe_interests`.
        training_summary: the epoch that is the model, `in_words`.
    """
    if "not_evaluated" in metrics:
        return format_no_report(metrics)
    return format_report(metrics, interests, training_summary["in_words"])


def write_refit_report(
    metrics: JsonObject,
    refit_history: list[JsonObject],
    item_vocabulary: ir.Table,
    refit_item_vocabulary: ir.Table,
    refit: Refit,
) -> str:
    """Return what the deployed model was trained on, and whose metrics are known.

    Args:
        metrics: from `compute_metrics`, of the model before the refit.
        refit_history: one record per epoch of the refit.
        item_vocabulary: `n_train`, training interactions of the evaluated model.
        refit_item_vocabulary: `n_train`, training interactions of the refit.
        refit: what the refitted towers started from.
    """
    before, after = (
        int(read_n_train(vocabulary, "item").sum())
        for vocabulary in (item_vocabulary, refit_item_vocabulary)
    )
    return format_refit(
        metrics,
        n_epochs=len(refit_history),
        n_before=before,
        n_after=after,
        start=refit.start,
    )


def plot_hit_rates(metrics: JsonObject) -> Figure:
    """Return HR@k of all rankings over k."""
    if "not_evaluated" in metrics:
        return plots.plot_nothing(metrics)
    return plots.plot_hit_rates(metrics)


def plot_slices(metrics: JsonObject) -> Figure:
    """Return the headline hit rate of all rankings in each slice."""
    if "not_evaluated" in metrics:
        return plots.plot_nothing(metrics)
    return plots.plot_slices(metrics)


def _reads_request_time(test_queries: ir.Table) -> bool:
    return bool(test_queries.asked_at.notnull().any().to_pyarrow().as_py())


def _skipped_ease(n_items: int, baselines: Baselines) -> JsonObject:
    return {
        "skipped": f"the catalogue has {n_items} items, and "
        f"evaluation.baselines.ease.max_items is {baselines.ease.max_items}"
    }
