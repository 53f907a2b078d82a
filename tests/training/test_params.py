import pytest
from omegaconf.errors import InterpolationResolutionError
from pydantic import BaseModel, ValidationError

from tests.training.tiny import parameters, training_in_conf
from two_tower.training.params import Training


def refused(path: str, value: object) -> dict[str, object]:
    """Return a change of one parameter, named with dots."""
    *groups, name = path.split(".")
    change: dict[str, object] = {name: value}
    for group in reversed(groups):
        change = {group: change}
    return change


@pytest.mark.parametrize(
    ("preset", "history"),
    [
        ("transformer", "transformer"),
        ("mean", "mean"),
        ("tfrs-basic", "none"),
        ("libreco-two-tower", "none"),
        ("multi-interest", "multi_interest"),
        ("multiclrec", "multi_interest"),
    ],
)
def test_a_preset_gives_the_history_that_it_says(preset, history):
    assert (
        Training.model_validate(training_in_conf(preset=preset)).history.kind == history
    )


# covers: A20 A22 A23 A39 A40 A42 A43 A44 A45 A46 A47 A48
def test_multiclrec_has_the_settings_of_its_code():
    found = Training.model_validate(training_in_conf(preset="multiclrec"))
    encoder, objective = found.history.multi_interest, found.objective.interest_softmax
    assert (encoder.attention.kind, encoder.attention.position_bias) == (
        "context",
        False,
    )
    heads = encoder.heads
    assert (heads.routing, heads.prior, heads.equalise) == ("soft", True, False)
    assert (heads.temperature, heads.category_temperature) == (0.07, 0.07)
    assert encoder.aggregation.model_dump() == {
        "query": "items",
        "transform": True,
        "temperature": None,
        "last_layer": False,
    }
    assert found.scoring.model_dump() == {
        "normalise": True,
        "temperature": {"start": 0.07, "learned": False},
    }
    assert (objective.joint, objective.assignment, objective.margin) == (
        True,
        "category",
        0,
    )
    parts = (objective.load_balancing, objective.entropy, objective.semantic)
    assert [part.weight for part in parts] == [1, 1, 1]
    queue = found.negatives.queue
    assert (found.negatives.kind, queue.unique, found.log_q.kind) == (
        "queue",
        True,
        "none",
    )
    # Ten batches, as there; half of them hard.
    assert queue.size == 2 * queue.hard == 10 * found.batches.pairs
    optimizer = found.optimizer
    assert (optimizer.kind, optimizer.learning_rate, optimizer.clip) == (
        "adam",
        0.001,
        "each",
    )
    assert found.schedule.kind == "constant"


# covers: L2 L5 L9 L10 L11 L12 L13 L15 L16 L18 L19 L20
def test_libreco_two_tower_has_the_defaults_of_its_code():
    found = Training.model_validate(training_in_conf(preset="libreco-two-tower"))
    for tower in (found.profile, found.item_tower):
        assert (tower.embedding, tower.combine, tower.l2) == (16, "concat", 0)
        assert [*tower.mlp.widths, found.dimension] == [128, 64, 32]
        assert (tower.mlp.batch_norm, tower.mlp.dropout) == (True, 0)
    assert (found.epochs, found.batches.pairs, found.schedule.kind) == (
        20,
        256,
        "constant",
    )
    assert (found.objective.kind, found.negatives.kind, found.log_q.kind) == (
        "softmax",
        "in_batch",
        "exact",
    )
    assert not found.masks.hits
    assert not found.scoring.normalise
    assert found.scoring.temperature.start == 1
    optimizer = found.optimizer
    assert (optimizer.kind, optimizer.learning_rate) == ("adam", 0.001)
    assert (optimizer.adam.beta_2, optimizer.adam.epsilon) == (0.999, 1e-5)
    assert optimizer.clip_norm is None
    assert found.self_supervision.kind == "none"
    assert found.self_supervision.alpha == 0.2
    assert found.objective.max_margin.margin == 1


# covers: N9 N13
def test_tfrs_basic_is_the_notebooks_model():
    found = Training.model_validate(training_in_conf(preset="tfrs-basic"))
    for tower in (found.profile, found.item_tower):
        assert tower.use_id
        assert not tower.use_features
        assert tower.mlp is None
    assert (found.dimension, found.epochs, found.batches.pairs) == (32, 3, 8192)
    assert (found.negatives.kind, found.log_q.kind, found.masks.hits) == (
        "in_batch",
        "none",
        False,
    )
    assert (found.optimizer.kind, found.optimizer.learning_rate) == ("adagrad", 0.1)
    # The mean of 8,192 losses in place of their sum.
    summed = found.optimizer.adagrad.initial_accumulator_value * 8192**2
    assert summed == pytest.approx(0.1, rel=0.01)
    assert found.optimizer.adagrad.epsilon * 8192**2 == pytest.approx(1e-7, rel=0.01)
    assert not found.scoring.normalise


def test_the_transformer_is_the_default():
    assert training_in_conf() == training_in_conf(preset="transformer")


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(InterpolationResolutionError, match=r"'huge'; choose .*mean"):
        training_in_conf(preset="huge")


def test_the_command_line_changes_one_value_of_a_preset():
    asked = {"item_tower": {"features": {"genres": False}}, "epochs": 3}
    found = training_in_conf(preset="mean", training=asked)
    changed = Training.model_validate(found)
    assert changed.item_tower.features == {"genres": False}
    assert (changed.epochs, changed.history.kind) == (3, "mean")
    usual = training_in_conf(preset="mean")
    assert found["batches"] == usual["batches"]


# covers: L13
def test_defaults_are_written_once_in_conf():
    def fields(model):
        for field in model.model_fields.values():
            yield field
            if isinstance(field.annotation, type) and issubclass(
                field.annotation, BaseModel
            ):
                yield from fields(field.annotation)

    # Of kinds without options nothing need be written.
    assert all(
        field.is_required() or not field.annotation.model_fields
        for field in fields(Training)
    )


# covers: L1 L11 L14 L15 L16
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("backend", "torch", "'tensorflow' or 'jax'"),
        ("device", "tpu", "'auto', 'cpu' or 'gpu'"),
        ("precision", "float16", "'float32' or 'mixed_bfloat16'"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**31, "seed is 2147483648; allowed is up to 2147483647"),
        ("epochs", 0, "greater than or equal to 1"),
        ("dimension", 0, "greater than or equal to 1"),
        (
            "history.kind",
            "gru",
            "choose one of none, mean, transformer, multi_interest",
        ),
        ("objective.kind", "hinge", "max_margin, interest_softmax"),
        ("objective.max_margin.margin", 0.0, "greater than 0"),
        ("negatives.kind", "hard", "one of catalogue, in_batch, uniform, popular"),
        ("log_q.kind", "all", "one of none, exact, streaming"),
        ("scoring.temperature.start", 0.0, "greater than 0"),
        ("negatives.unconsumed.per_positive", 0, "greater than or equal to 1"),
        ("negatives.uniform.count", -1, "greater than or equal to 0"),
        ("negatives.uniform.count", 9, "count is 9 and per_positive 3; give one"),
        ("negatives.popular.exponent", -1, "greater than or equal to 0"),
        ("negatives.queue.size", 0, "greater than or equal to 1"),
        ("negatives.queue.hard", -1, "greater than or equal to 0"),
        ("optimizer.clip", "value", "'global' or 'each'"),
        (
            "objective.interest_softmax.assignment",
            "all",
            "'mixture', 'any' or 'nearest'",
        ),
        ("objective.interest_softmax.margin", -1, "greater than or equal to 0"),
        ("objective.interest_softmax.entropy.confident", 0.0, "greater than 0"),
        ("objective.interest_softmax.semantic.weight", -1, "than or equal to 0"),
        ("history.multi_interest.n_vectors", 3, "n_heads is 4, no multiple of"),
        ("history.multi_interest.max_items", 0, "greater than or equal to 1"),
        (
            "objective.interest_softmax.soft_max_temperature.end",
            1e-50,
            "than or equal to 0.001",
        ),
        (
            "objective.interest_softmax.soft_max_temperature.start",
            1.5,
            "less than or equal to 1",
        ),
        ("history.multi_interest.heads.routing", "medium", "'soft', 'straight_thro"),
        ("history.multi_interest.heads.temperature", 0.0, "greater than 0"),
        ("history.multi_interest.attention.kind", "self", "'context' or 'queries'"),
        ("history.multi_interest.events.age_edges", [9, 5], "let each be above"),
        ("history.multi_interest.events.age_edges", [], "at least 1 item"),
        ("history.multi_interest.events.rating_edges", [], "at least 1 item"),
        (
            "history.multi_interest.events.user_id",
            [{"buckets": 53, "dimension": 4}, {"buckets": 53, "dimension": 8}],
            r"tables of user_id have \[53, 53\] buckets, .* a prime of its own",
        ),
        (
            "history.multi_interest.attention",
            {"kind": "queries", "position_bias": True},
            "reads no positions; set it to false",
        ),
        (
            "profile.hashes",
            {"gender": [{"buckets": 7, "dimension": 4}] * 2},
            r"tables of hashes\.gender have \[7, 7\] buckets",
        ),
        (
            "item_tower.hashes",
            {"id": [{"buckets": 10, "dimension": 4}]},
            "buckets is 10, not a prime; take 11",
        ),
        ("log_q.streaming.memory", 1.5, "less than or equal to 1"),
        ("self_supervision.kind", "mask", "'none', 'rfm', 'rfm-complementary' or"),
        ("self_supervision.alpha", 0.0, "greater than 0"),
        ("self_supervision.items", 1, "greater than or equal to 2"),
        ("item_tower.l2", -0.1, "greater than or equal to 0"),
        ("item_tower.combine", "max", "'sum', 'mean' or 'concat'"),
        ("fusion.dropout", 1.0, "less than 1"),
        ("fusion.hidden_units", 0, "greater than or equal to 1"),
        ("steps_per_execution", 0, "greater than or equal to 1"),
        ("history.mean.hidden_units", [64], "at least 2 items"),
        ("history.mean.hidden_units", [64, 0], "greater than or equal to 1"),
        ("history.mean.dropout", 1.0, "less than 1"),
        ("history.transformer.n_blocks", 0, "greater than or equal to 1"),
        ("history.transformer.n_heads", 0, "greater than or equal to 1"),
        ("history.transformer.dropout.input", -0.1, "greater than or equal to 0"),
        ("history.transformer.dropout.branch", 1.0, "less than 1"),
        ("history.transformer.attention", "linear", "'softmax' or 'pointwise'"),
        ("history.transformer.residual", "none", "'sum' or 'gated'"),
        ("history.transformer.feed_forward.kind", "relu", "'gelu' or 'swiglu'"),
        ("history.transformer.feed_forward.factor", 0, "greater than 0"),
        ("history.transformer.head_width", 0, "greater than or equal to 1"),
        ("item_tower.id_dropout", 1.0, "less than 1"),
        ("item_tower.scale", 0.0, "greater than 0"),
        ("optimizer.kind", "lamb", "one of adam, adamw, adagrad, sgd"),
        ("optimizer.learning_rate", 0.0, "greater than 0"),
        ("optimizer.adam.beta_2", 1.0, "less than 1"),
        ("optimizer.adam.epsilon", 0.0, "greater than 0"),
        ("optimizer.clip_norm", 0.0, "greater than 0"),
        ("optimizer.sgd.momentum", 1.0, "less than 1"),
        ("optimizer.adagrad.initial_accumulator_value", 0.0, "greater than 0"),
        ("schedule.kind", "linear", "one of constant, cosine, exponential"),
        ("schedule.cosine.warmup_steps", -1, "greater than or equal to 0"),
        ("schedule.cosine.final_share", 1.5, "less than or equal to 1"),
        ("schedule.exponential.per_epoch", 1.1, "less than or equal to 1"),
        ("batches.pairs", 0, "greater than or equal to 1"),
        ("batches.logits_chunk", 0, "greater than or equal to 1"),
        ("batches.bucket_boundaries", [], "at least 1 item"),
        ("batches.bucket_boundaries", [8, 4], "rising widths above 0"),
        ("batches.bucket_boundaries", [4, 4, 8], "rising widths above 0"),
        ("batches.bucket_boundaries", [0, 8], "greater than or equal to 1"),
        (
            "batches.tokens_per_batch",
            7,
            "tokens_per_batch is 7, less than the last of bucket_boundaries, 8",
        ),
        ("validation.every", 0, "greater than or equal to 1"),
        ("validation.cutoffs", [], "at least 1 item"),
        ("validation.cutoffs", [0, 10], "greater than 0"),
        ("validation.patience", 0, "greater than or equal to 1"),
        ("validation.monitor", "ndcg@7", r"cutoffs \[1, 10\] choose one of mrr, hr@1"),
        ("validation.sample_users", 0, "greater than 0"),
        ("optimizer.nesterov", True, "Extra inputs are not permitted"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name, value, message):
    with pytest.raises(ValidationError, match=message):
        parameters(refused(name, value))


@pytest.mark.parametrize("monitor", ["mrr", "hr@1", "recall@10", "ndcg@10"])
def test_every_figure_that_is_measured_can_be_monitored(monitor):
    assert parameters({"validation": {"monitor": monitor}}).validation.monitor


def test_an_item_tower_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="both false, so all entities would be"):
        parameters({"item_tower": {"use_id": False, "use_features": False}})


@pytest.mark.parametrize("missing", ["use_id", "use_features"])
def test_id_dropout_needs_an_id_and_something_else(missing):
    with pytest.raises(ValidationError, match=r"id_dropout is 0\.1, which needs both"):
        parameters({"item_tower": {"id_dropout": 0.1, missing: False}})


# covers: A51
def test_clipping_of_each_tensor_needs_a_norm():
    with pytest.raises(ValidationError, match="clip is 'each' but clip_norm is null"):
        parameters({"optimizer": {"clip": "each", "clip_norm": None}})
    parameters({"optimizer": {"clip": "each", "clip_norm": 5.0}})
    parameters({"optimizer": {"clip": "global", "clip_norm": None}})


def test_heads_share_the_dimension_where_there_are_heads():
    odd = {"dimension": 10, "history": {"transformer": {"n_heads": 4}}}
    with pytest.raises(ValidationError, match="dimension 10 is not a multiple of"):
        parameters(odd, preset="transformer")
    parameters(odd, preset="mean")
    odd["history"]["transformer"]["head_width"] = 3
    parameters(odd, preset="transformer")


def test_request_time_needs_an_option_that_reads_times():
    change = {"history": {"transformer": {"request_time": True}}}
    with pytest.raises(ValidationError, match="no time is read"):
        parameters(change, preset="transformer")
    change["history"]["transformer"]["time_gap"] = True
    assert parameters(change, preset="transformer").history.chosen.reads_events


def test_dropout_of_inner_units_needs_layers_that_have_them():
    options = {"feed_forward": None, "dropout": {"feed_forward": 0.1}}
    change = {"history": {"transformer": options}}
    with pytest.raises(ValidationError, match=r"dropout.feed_forward is 0.1 but"):
        parameters(change, preset="transformer")
    options["dropout"]["feed_forward"] = 0.0
    parameters(change, preset="transformer")


# covers: L9
@pytest.mark.parametrize(
    ("units", "widths"), [(64, [64]), ([64, 32], [64, 32]), ([], [])]
)
def test_hidden_units_are_one_number_or_a_list(units, widths):
    assert parameters({"fusion": {"hidden_units": units}}).fusion.widths == widths


MLP = {"hidden_units": 8, "batch_norm": False, "dropout": 0.0}
PAIRS = {"history": {"kind": "none"}, "profile": {"use": True}}


# covers: L1 L8 L20 L21
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history": {"kind": "none"}}, "all queries are alike"),
        ({"profile": {"use_id": False, "use_features": False}}, "both false"),
        ({"item_tower": {"combine": "concat"}}, "mlp is null"),
        (
            {"item_tower": {"embedding": 8}},
            "item_tower.embedding is 8 but the dimension",
        ),
        ({"profile": {"use": True, "embedding": 8}}, "profile.embedding is 8 but"),
        (
            {"objective": {"kind": "max_margin"}},
            "choose one of in_batch, uniform, popular",
        ),
        (
            {"negatives": {"kind": "uniform"}, "masks": {"hits": False}},
            "its own negative",
        ),
        ({"log_q": {"kind": "exact"}}, "set log_q.kind to none"),
        (
            {
                "objective": {"kind": "max_margin"},
                "negatives": {"kind": "uniform"},
                "log_q": {"kind": "exact"},
            },
            "corrects a softmax",
        ),
        (
            {"negatives": {"kind": "uniform"}, "log_q": {"kind": "streaming"}},
            "negatives that follow the positives",
        ),
        (
            {
                "objective": {"kind": "max_margin"},
                "negatives": {"kind": "uniform"},
                "self_supervision": {"kind": "rfm"},
            },
            "needs objective.kind softmax",
        ),
        (
            {
                "item_tower": {"use_features": False},
                "self_supervision": {"kind": "cfm"},
            },
            "items need some",
        ),
    ],
)
def test_a_combination_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        parameters(change)


@pytest.mark.parametrize(
    "change",
    [
        PAIRS,
        {"profile": {"embedding": 8}},
        {"item_tower": {"embedding": 8, "combine": "concat", "mlp": MLP}},
        {
            "negatives": {"kind": "in_batch"},
            "masks": {"hits": False},
            "log_q": {"kind": "streaming"},
        },
        {"negatives": {"kind": "low_rated"}, "objective": {"kind": "max_margin"}},
    ],
)
def test_a_combination_that_makes_sense_passes(change):
    assert parameters(change)
