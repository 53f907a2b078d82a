import logging

import keras
import pytest

from two_tower.training.devices import choose_device

pytestmark = pytest.mark.backend


class Machine:
    """A machine as TensorFlow or JAX sees it, and the devices hidden from them."""

    def __init__(self, monkeypatch, *, n_gpus):
        self.hidden = False
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            gpus = [f"GPU:{i}" for i in range(n_gpus)]
            monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: gpus)
            monkeypatch.setattr(tf.config, "set_visible_devices", self.hide)
        else:
            import jax

            gpu = type("Device", (), {"platform": "gpu"})
            devices = [gpu()] * n_gpus or jax.devices("cpu")
            monkeypatch.setattr(jax, "devices", lambda *_: devices)
            monkeypatch.setattr(jax.config, "update", self.hide)

    def hide(self, *_):
        self.hidden = True


@pytest.mark.parametrize(
    ("asked", "n_gpus", "chosen", "hidden"),
    [
        ("auto", 0, "cpu", False),
        ("auto", 2, "gpu", False),
        ("cpu", 0, "cpu", False),
        ("cpu", 1, "cpu", True),
        ("gpu", 1, "gpu", False),
    ],
)
def test_the_device_that_was_asked_for_trains(
    asked, n_gpus, chosen, hidden, monkeypatch, caplog
):
    machine = Machine(monkeypatch, n_gpus=n_gpus)
    with caplog.at_level(logging.INFO):
        assert choose_device(asked) == chosen
    assert machine.hidden == hidden
    assert f"training on the {chosen.upper()}" in caplog.text


def test_a_gpu_that_is_not_there_is_one_clear_error(monkeypatch):
    Machine(monkeypatch, n_gpus=0)
    with pytest.raises(ValueError, match=r"'gpu' but \w+ sees no GPU\. .* auto or cpu"):
        choose_device("gpu")
