import os
import sys
from types import SimpleNamespace

import pytest

from two_tower.backend import choose_backend, import_keras_quietly


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")


def keras_on(backend: str) -> SimpleNamespace:
    return SimpleNamespace(config=SimpleNamespace(backend=lambda: backend))


def test_keras_is_told_its_back_end_before_it_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    choose_backend("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_another_back_end_than_the_one_imported_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", keras_on("tensorflow"))
    with pytest.raises(RuntimeError, match=r"'jax'.*imported Keras with 'tensorflow'"):
        choose_backend("jax")


def test_the_back_end_that_is_imported_already_is_fine(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", keras_on("jax"))
    choose_backend("jax")


def test_a_log_level_that_the_user_set_is_kept(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", keras_on("jax"))
    choose_backend("jax")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_what_keras_writes_while_it_is_imported_goes_to_the_debug_log(
    monkeypatch, tmp_path, caplog, capfd
):
    noise = "import os\nos.write(2, b'no cuda drivers')\n"
    noise += "class config:\n    backend = staticmethod(lambda: 'jax')\n"
    (tmp_path / "keras.py").write_text(noise)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with caplog.at_level("DEBUG", logger="two_tower.backend"):
        import_keras_quietly()
    del sys.modules["keras"]  # the real one, if there was one, comes back by itself
    assert "no cuda drivers" in caplog.text
    assert capfd.readouterr().err == ""
