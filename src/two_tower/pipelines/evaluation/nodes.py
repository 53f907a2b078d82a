"""Nodes of the evaluation pipeline: rank, measure, tell."""

import logging

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _

from two_tower.evaluation import plots
from two_tower.evaluation.multi_interest import (
    Catalogue,
    Lengths,
    describe_users,
    read_titles,
    spread_rows,
    stream_queries,
    summarise_vectors,
)
from two_tower.evaluation.plots import Figure
from two_tower.evaluation.protocol import describe_protocol
from two_tower.evaluation.queries import (
    read_asking_users,
    read_cases,
    read_n_train,
    read_queries,
    read_training_items,
)
from two_tower.evaluation.rank_tables import (
    exposure_table,
    join_rankings,
    ranks_table,
    read_exposure,
    read_ranks,
)
from two_tower.evaluation.report import format_headline, format_report
from two_tower.evaluation.summary import (
    MODEL,
    figures_by_query,
    figures_of_lists,
    figures_of_slice,
    figures_of_slices,
    intervals_with_cold_items,
)
from two_tower.evaluation.top_k_lists import count_shown, rank_through_index
from two_tower.index.bundle import IndexBundle
from two_tower.index.vectors import count_vectors, read_item_embeddings
from two_tower.metrics.accuracy import mean_figures
from two_tower.metrics.baselines import (
    ease_scorer,
    fit_ease,
    interaction_matrix,
    popularity_scorer,
)
from two_tower.metrics.ranks import dot_scorer, ranks_by
from two_tower.pipelines.evaluation.params import Evaluation
from two_tower.ragged import Ragged
from two_tower.types import FIRST_ID, JsonObject

logger = logging.getLogger(__name__)


def rank_by_two_tower(
    test_queries: ir.Table,
    test_examples: ir.Table,
    item_embeddings: ir.Table,
    item_index: IndexBundle,
    parameters: Evaluation,
) -> tuple[pa.Table, pa.Table]:
    """Rank every item for each test query, exactly and through the index.

    Args:
        test_queries: one row per vector of a test query: `user` (int32), `user_id`,
            `vector_index` (int32, from 0) and `vector` (array<float32>).
        test_examples: `user` (int32, unique), `items` and `targets` (array<int32>).
        item_embeddings: `item` (int32, from 2), `item_id`, `vector` (array<float32>).
        item_index: over the same items.
        parameters: of this pipeline.

    Returns:
        One row per positive, by user and item: `user`, `item` (int32), `n_seen`
        (int64, length of the history), `n_candidates` (int64, items that are ranked),
        the ranks from 0 `exact` and `index` (int64, null if the index' list of the
        longest cut-off doesn't hold it). And one row per item: `item`, and in how many
        lists it is: `exact@<k>`, `index@<k>`.

    Raises:
        ValueError: if there is no query, or queries, items and index don't belong
            together.
    """
    cases = read_cases(test_examples)
    queries = read_queries(test_queries, cases.users)
    vectors = read_item_embeddings(item_embeddings).vectors
    if item_index.n_items != len(vectors):
        raise ValueError(
            f"item_index holds {item_index.n_items} items and item_embeddings "
            f"{len(vectors)}; run the indexing pipeline again"
        )
    cutoffs, item_block = parameters.cutoffs, parameters.item_block
    scorer = dot_scorer(queries, vectors)
    exact = ranks_by(scorer, cases.targets, cases.seen, item_block=item_block)
    exact_shown = count_shown(scorer, cases.seen, cutoffs, item_block=item_block)
    index, index_shown = rank_through_index(item_index, queries, cases, cutoffs)
    query = cases.targets.rows
    facts = {
        "n_seen": cases.seen.lengths[query],
        "n_candidates": cases.list_lengths(len(vectors))[query],
    }
    return (
        ranks_table(cases, {**facts, "exact": exact, "index": index}),
        exposure_table({"exact": exact_shown, "index": index_shown}, cutoffs),
    )


def rank_among_cold_items(
    test_queries: ir.Table,
    test_examples: ir.Table,
    item_embeddings: ir.Table,
    item_vocabulary: ir.Table,
    parameters: Evaluation,
) -> pa.Table:
    """Rank the items that training never met, among themselves.

    The baselines give all of these one score, so there is nothing to rank by them.

    Args:
        test_queries: as of `rank_by_two_tower`.
        test_examples: likewise.
        item_embeddings: likewise.
        item_vocabulary: `item` (int32, from 2 without gaps) and `n_train` (int64).
        parameters: of this pipeline.

    Returns:
        One row per positive that is such an item, by user and item: `user`, `item`
        (int32), `n_candidates` (int64, items that are ranked), the rank from 0 `exact`
        (int64).

    Raises:
        ValueError: if there is no query, or queries, items and vocabulary don't belong
            together.
    """
    cases = read_cases(test_examples)
    queries = read_queries(test_queries, cases.users)
    is_cold = read_n_train(item_vocabulary, "item") == 0
    vectors = read_item_embeddings(item_embeddings).vectors
    if len(vectors) != len(is_cold):
        raise ValueError(
            f"item_embeddings holds {len(vectors)} items and item_vocabulary "
            f"{len(is_cold)}; run the export pipeline again"
        )
    asked = cases.among(is_cold)
    place = np.cumsum(is_cold) - 1
    ranks = ranks_by(
        dot_scorer(queries[np.isin(cases.users, asked.users)], vectors[is_cold]),
        Ragged(place[asked.targets.values], asked.targets.offsets),
        Ragged(place[asked.seen.values], asked.seen.offsets),
        item_block=parameters.item_block,
    )
    n_candidates = asked.list_lengths(int(is_cold.sum()))[asked.targets.rows]
    return ranks_table(asked, {"n_candidates": n_candidates, "exact": ranks})


def rank_by_baselines(
    test_examples: ir.Table,
    item_vocabulary: ir.Table,
    user_vocabulary: ir.Table,
    train_sequences: ir.Table,
    parameters: Evaluation,
) -> tuple[pa.Table, pa.Table]:
    """Rank every item for each test query by popularity and by EASE.

    Both learn from the training interactions alone. EASE is left out above the
    catalogue size that the parameters state.

    Args:
        test_examples: `user` (int32, unique), `items` and `targets` (array<int32>).
        item_vocabulary: `item` (int32, from 2 without gaps) and `n_train` (int64).
        user_vocabulary: `user` (int32, from 2 without gaps) and `n_train` (int64).
        train_sequences: one row per window: `user` (int32), `items` and `targets`
            (array<int32>); together they hold each user's training items.
        parameters: of this pipeline.

    Returns:
        One row per positive, by user and item: `user`, `item` (int32), `item_n_train`
        and `user_n_train` (int64, training interactions), the ranks from 0 `popularity`
        and `ease` (int64). And one row per item: `item`, `n_train`, and in how many
        lists it is: `popularity@<k>`, `ease@<k>`.
    """
    cases = read_cases(test_examples)
    n_train = read_n_train(item_vocabulary, "item")
    scorers = {"popularity": popularity_scorer(n_train, len(cases.users))}
    if len(n_train) <= parameters.ease.max_items:
        training = interaction_matrix(
            read_training_items(train_sequences), len(n_train)
        )
        weights = fit_ease(training, l2=parameters.ease.l2)
        histories = interaction_matrix(cases.seen, len(n_train))
        scorers["ease"] = ease_scorer(weights, histories)
    cutoffs, item_block = parameters.cutoffs, parameters.item_block
    ranks = {
        name: ranks_by(scorer, cases.targets, cases.seen, item_block=item_block)
        for name, scorer in scorers.items()
    }
    shown = {
        name: count_shown(scorer, cases.seen, cutoffs, item_block=item_block)
        for name, scorer in scorers.items()
    }
    user_n_train = read_n_train(user_vocabulary, "user")[cases.users - FIRST_ID]
    facts = {
        "item_n_train": n_train[cases.targets.values],
        "user_n_train": user_n_train[cases.targets.rows],
    }
    return (
        ranks_table(cases, {**facts, **ranks}),
        exposure_table(shown, cutoffs, n_train=n_train),
    )


def compute_metrics(
    split_report: JsonObject, parameters: Evaluation, **tables: ir.Table
) -> JsonObject:
    """Return all figures; `docs/metrics.md` gives their formulas.

    Args:
        split_report: `kind`, `shares`, `seed`, `cut_offs`, `selection` and `ties` of
            the split.
        parameters: of this pipeline.
        tables: `two_tower_ranks` and `two_tower_exposure` as from `rank_by_two_tower`,
            `baseline_ranks` and `baseline_exposure` as from `rank_by_baselines`,
            `cold_ranks` as from `rank_among_cold_items`, and `test_queries` with
            `asked_at` (int64, null where towers don't read it).

    Returns:
        `protocol`; `two_tower` (`exact`, `index`) and `baselines` (`popularity`, `ease`
        or why it was skipped) with each figure's mean; `intervals`; `slices`; and
        `among_cold_items`, a slice in which cold items alone are ranked.

    Raises:
        ValueError: if the tables of ranks hold other positives.
    """
    rankings = join_rankings(
        read_ranks(tables["two_tower_ranks"], facts=["n_seen", "n_candidates"]),
        read_ranks(tables["baseline_ranks"], facts=["item_n_train", "user_n_train"]),
    )
    among_cold = read_ranks(tables["cold_ranks"], facts=["n_candidates"])
    exposure = read_exposure(tables["two_tower_exposure"], tables["baseline_exposure"])
    n_train = exposure["n_train"].to_numpy()
    cutoffs = parameters.cutoffs
    figures = figures_by_query(rankings, cutoffs)
    means = {
        name: mean_figures(values) | figures_of_lists(exposure, name, n_train, cutoffs)
        for name, values in figures.items()
    }
    metrics = {
        "protocol": describe_protocol(
            split_report,
            dataset=parameters.dataset,
            cutoffs=cutoffs,
            headline=parameters.headline,
            request_time=_know_when_asked(tables["test_queries"]),
            n_queries=len(rankings.n_positives),
            n_positives=len(rankings.items),
            n_items=len(n_train),
            n_cold_items=int((n_train == 0).sum()),
            slices=parameters.slices.model_dump(mode="json"),
        ),
        "two_tower": {name: means.pop(name) for name in MODEL},
        "baselines": {
            "popularity": means.pop("popularity"),
            "ease": means.get("ease") or _why_without_ease(len(n_train), parameters),
        },
        "intervals": intervals_with_cold_items(
            rankings, cutoffs, **parameters.intervals.model_dump()
        ),
        "slices": figures_of_slices(
            rankings, n_train, cutoffs, **parameters.slices.model_dump()
        ),
        "among_cold_items": figures_of_slice(among_cold, cutoffs),
    }
    logger.info(format_headline(metrics))
    return metrics


def describe_interests(
    test_queries: ir.Table,
    test_examples: ir.Table,
    item_index: IndexBundle,
    item_vocabulary: ir.Table,
    parameters: Evaluation,
) -> JsonObject:
    """Return what the vectors of some test users are near to, in titles.

    Args:
        test_queries: as of `rank_by_two_tower`.
        test_examples: likewise.
        item_index: likewise.
        item_vocabulary: `item` (int32, from 2 without gaps) and `title` (string).
        parameters: of this pipeline.

    Returns:
        `n_vectors`, how many each user has; `headline`, the k of the shares;
        `all_queries`, as from `summarise_vectors` (null of a single vector); and
        `users`, as from `describe_users`, evenly spread over the table. Both are empty
        if no user is asked for.

    Raises:
        ValueError: if there is no query, or queries and items don't belong together.
    """
    n_vectors, asked = count_vectors(test_queries), parameters.interests
    found: JsonObject = {
        "n_vectors": n_vectors,
        "headline": parameters.headline,
        "all_queries": None,
        "users": [],
    }
    if not asked.users:
        return found
    titles = read_titles(item_vocabulary)
    if len(titles) != item_index.n_items:
        raise ValueError(
            f"item_index holds {item_index.n_items} items and item_vocabulary "
            f"{len(titles)}; run the export and indexing pipelines again"
        )
    known = test_examples.select("user").order_by("user").user.to_pyarrow().to_numpy()
    chosen = known[spread_rows(len(known), asked.users)].tolist()
    cases = read_cases(test_examples.filter(_.user.isin(chosen)))
    users = read_asking_users(test_queries.filter(_.user.isin(chosen)), cases.users)
    if n_vectors > 1:
        pieces = stream_queries(test_queries, test_examples, n_vectors)
        found["all_queries"] = summarise_vectors(
            pieces, item_index, parameters.headline
        )
    return found | {
        "users": describe_users(
            users,
            cases,
            Catalogue(item_index.item_ids, titles, item_index.vectors),
            Lengths(asked.history, asked.recommended, parameters.headline),
        ),
    }


def write_report(metrics: JsonObject, interests: JsonObject) -> str:
    """Return the metrics as Markdown: how they came about, and what they say.

    Args:
        metrics: as from `compute_metrics`.
        interests: as from `describe_interests`; told of users of several vectors.
    """
    return format_report(metrics, interests)


def plot_hit_rates(metrics: JsonObject) -> Figure:
    """Return HR@k of all rankings over k."""
    return plots.plot_hit_rates(metrics)


def plot_slices(metrics: JsonObject) -> Figure:
    """Return the headline hit rate of all rankings, slice by slice."""
    return plots.plot_slices(metrics)


def _know_when_asked(test_queries: ir.Table) -> bool:
    return bool(test_queries.asked_at.notnull().any().to_pyarrow().as_py())


def _why_without_ease(n_items: int, parameters: Evaluation) -> JsonObject:
    return {
        "skipped": f"the catalogue has {n_items} items, and evaluation.ease.max_items "
        f"is {parameters.ease.max_items}"
    }
