"""The evaluation pipeline."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline test queries, item_index → metrics, interests, report."""
    return Pipeline(
        [
            Node(
                nodes.rank_by_two_tower,
                inputs=[
                    "test_queries",
                    "test_examples",
                    "item_embeddings",
                    "item_index",
                    "params:evaluation.ranking",
                    "params:evaluation.seen",
                ],
                outputs=["two_tower_ranks", "two_tower_exposure"],
                name="rank_by_two_tower",
            ),
            Node(
                nodes.rank_among_cold_items,
                inputs=[
                    "test_queries",
                    "test_examples",
                    "item_embeddings",
                    "item_vocabulary",
                    "params:evaluation.ranking.item_block",
                    "params:evaluation.seen",
                ],
                outputs="cold_ranks",
                name="rank_among_cold_items",
            ),
            Node(
                nodes.rank_by_baselines,
                inputs=[
                    "test_examples",
                    "item_vocabulary",
                    "user_vocabulary",
                    "train_sequences",
                    "params:evaluation.ranking",
                    "params:evaluation.baselines",
                    "params:evaluation.seen",
                ],
                outputs=["baseline_ranks", "baseline_exposure"],
                name="rank_by_baselines",
            ),
            Node(
                nodes.compute_metrics,
                inputs={
                    "split_report": "split_report",
                    "ranking": "params:evaluation.ranking",
                    "baselines": "params:evaluation.baselines",
                    "report": "params:evaluation.report",
                    "seen": "params:evaluation.seen",
                    "two_tower_ranks": "two_tower_ranks",
                    "two_tower_exposure": "two_tower_exposure",
                    "baseline_ranks": "baseline_ranks",
                    "baseline_exposure": "baseline_exposure",
                    "cold_ranks": "cold_ranks",
                    "test_queries": "test_queries",
                },
                outputs="metrics",
                name="compute_metrics",
            ),
            Node(
                nodes.describe_interests,
                inputs=[
                    "test_queries",
                    "test_examples",
                    "item_index",
                    "item_vocabulary",
                    "params:evaluation.interests",
                    "params:evaluation.report.headline",
                    "params:evaluation.seen",
                ],
                outputs="interests",
                name="describe_interests",
            ),
            Node(
                nodes.write_report,
                inputs=["metrics", "interests", "training_summary"],
                outputs="report",
                name="write_report",
            ),
            Node(
                nodes.plot_hit_rates,
                inputs="metrics",
                outputs="hit_rates_plot",
                name="plot_hit_rates",
            ),
            Node(
                nodes.plot_slices,
                inputs="metrics",
                outputs="slices_plot",
                name="plot_slices",
            ),
        ],
        tags="cpu",
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )


def create_refit_pipeline() -> Pipeline:
    """Return the pipeline metrics, refit_history → refit_report."""
    return Pipeline(
        [
            Node(
                nodes.write_refit_report,
                inputs=[
                    "metrics",
                    "refit_history",
                    "item_vocabulary",
                    "refit_item_vocabulary",
                    "params:refit",
                ],
                outputs="refit_report",
                name="write_refit_report",
            )
        ],
        tags="cpu",
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
