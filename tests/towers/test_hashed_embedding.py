import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import assert_same_as, evaluated, value_and_gradients
from tests.towers.build import scatter_weights
from two_tower.towers.hashed_embedding import Hash, HashedEmbedding
from two_tower.towers.hashing import HourOfDay, Modulo, Thresholds

pytestmark = pytest.mark.backend

TWO = [Hash("a", Modulo(7), 3), Hash("b", Modulo(5), 2)]
IDS = np.array(
    [[3, 0, 10], [38, 12, 0]], np.int32
)  # 3, 10 and 38 share rows of a and b
DIRECTION = np.linspace(-1, 1, 24).reshape(2, 3, 4)


def embed(hashes=TWO, dimension=4, **options):
    """Return a built, scattered embedding."""
    layer = HashedEmbedding(hashes, dimension, **options)
    layer.build()
    scatter_weights(layer)
    return layer


def weights_of(layer):
    return [*layer.tables.values(), *([layer.kernel] if layer.projects else [])]


# covers: A2 A5
def test_a_vector_is_the_concatenated_rows_times_w():
    layer = embed()
    assert [w.shape for w in weights_of(layer)] == [(8, 3), (6, 2), (5, 4)]

    def vector(i, a, b, w):
        rows = np.concatenate([a[i % 7 + 1], b[i % 5 + 1]])
        return rows @ w if i else np.zeros(4)

    assert_same_as(
        lambda a, b, w: np.sum(
            [[vector(i, a, b, w) for i in row] for row in IDS] * DIRECTION
        ),
        lambda: ops.sum(layer(IDS) * DIRECTION),
        weights_of(layer),
    )


# covers: A5
def test_padding_has_a_zero_vector_and_no_gradient():
    layer = embed()
    vectors = evaluated(layer)(IDS)
    assert (vectors.any(axis=-1) == (IDS != 0)).all()
    _, gradients = value_and_gradients(
        lambda: ops.sum(layer(np.zeros((2, 3), np.int32))), weights_of(layer)
    )
    assert not any(gradient.any() for gradient in gradients)


# covers: A5
def test_padding_reads_no_row_of_a_value():
    layer = embed()
    table = layer.tables["a"]
    table.assign(np.where(np.arange(8)[:, None] == 1, np.nan, table))  # of 0, 7, 14 …
    _, gradients = value_and_gradients(lambda: ops.sum(layer(IDS)), weights_of(layer))
    assert all(np.isfinite(gradient).all() for gradient in gradients)


# covers: A5
def test_a_mask_marks_padding_where_zero_is_a_value():
    layer = embed([Hash("stars", Thresholds((1.0, 3.5)), 4)])
    ratings = np.array([0.0, np.nan, 5.0, 2.0], np.float32)
    is_real = np.array([True, False, True, False])
    table = np.asarray(layer.tables["stars"])
    found = evaluated(lambda x, real: layer(x, is_real=real))(ratings, is_real)
    zero = np.zeros(4)
    np.testing.assert_allclose(found, [table[1], zero, table[3], zero], 1e-6)
    _, (gradient,) = value_and_gradients(
        lambda: ops.sum(layer(ratings, is_real=is_real)), [layer.tables["stars"]]
    )
    assert np.flatnonzero(gradient.any(axis=1)).tolist() == [1, 3]


# covers: A3
def test_one_hash_of_the_full_width_has_no_projection():
    layer = embed([Hash("a", Modulo(7), 4)])
    assert [weight.name for weight in layer.trainable_weights] == ["a"]
    found = evaluated(layer)(np.array([3, 12]))
    np.testing.assert_allclose(found, np.asarray(layer.tables["a"])[[4, 6]], 1e-6)


# covers: A3
@pytest.mark.parametrize("hashes", [[Hash("a", Modulo(7), 3)], TWO])
def test_other_hashes_are_projected(hashes):
    layer = embed(hashes)
    assert layer.kernel.shape == (sum(one.dimension for one in hashes), 4)
    assert "bias" not in {weight.name for weight in layer.weights}


# covers: A2
def test_hashes_with_one_table_name_share_the_table():
    layer = embed([Hash("time", HourOfDay(), 4), Hash("time", HourOfDay(), 4)])
    assert [weight.shape for weight in layer.weights] == [(25, 4), (8, 4)]


@pytest.mark.parametrize("other", [Hash("a", Modulo(5), 3), Hash("a", Modulo(7), 2)])
def test_different_shapes_of_a_shared_table_are_refused(other):
    with pytest.raises(ValueError, match=r"table 'a' has the shapes \(8, 3\) and"):
        HashedEmbedding([TWO[0], other], 4)


def test_an_embedding_without_hashes_is_refused():
    with pytest.raises(ValueError, match="no hashes"):
        HashedEmbedding([], 4)


# covers: A6
@pytest.mark.parametrize(("scale", "deviation"), [(None, 64**-0.5), (0.3, 0.3)])
def test_weights_start_normal(scale, deviation):
    primes = 1009, 1013
    layer = HashedEmbedding(
        [Hash(str(p), Modulo(p), 32) for p in primes], 64, scale=scale
    )
    layer.build()
    *tables, kernel = (np.asarray(weight, np.float64) for weight in weights_of(layer))
    for table in tables:
        assert table.std() == pytest.approx(deviation, rel=0.03)
        # Fourth moment: 3 of a normal, 1.8 of a uniform variable.
        assert np.mean((table / deviation) ** 4) == pytest.approx(3, rel=0.1)
    # Glorot: a variance of 2 / (64 in + 64 out). Cut at two deviations, as in Keras,
    # the fourth moment of a normal variable is 2.37.
    assert kernel.std() == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    assert np.mean((kernel / kernel.std()) ** 4) == pytest.approx(2.37, rel=0.1)


# covers: L16
def test_l2_penalises_the_tables_and_nothing_else():
    layer = embed(l2=0.01)
    assert_same_as(
        lambda a, b: 0.01 * (np.sum(a**2) + np.sum(b**2)),
        lambda: ops.sum(ops.stack(layer.losses)),
        weights_of(layer)[:2],
    )


def test_half_precision_moves_no_number_to_another_bucket():
    layer = embed([Hash("a", Thresholds((1000.0,)), 4)], dtype="mixed_bfloat16")
    assert layer.tables["a"].dtype == "float32"
    found = layer(np.array([1000.0, 1001.0], np.float32))  # 1000 both in bfloat16
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    rows = np.asarray(layer.tables["a"])[[1, 2]]
    np.testing.assert_allclose(ops.cast(found, "float32"), rows, rtol=1e-2)


def test_the_layer_is_saved_and_loaded(tmp_path):
    hashes = [*TWO, Hash("c", Thresholds((1.0, 9.0)), 2)]
    layer = embed(hashes, scale=0.5, l2=0.1)
    copy = HashedEmbedding.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.hashes == tuple(hashes)
    inputs = keras.Input((3,), dtype="int32")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "hashed.keras")
    loaded = keras.saving.load_model(tmp_path / "hashed.keras")
    np.testing.assert_array_equal(loaded(IDS), model(IDS))
