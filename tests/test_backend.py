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


def test_the_back_end_is_selected_before_keras_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    choose_backend("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_another_back_end_than_the_imported_one_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", keras_on("tensorflow"))
    with pytest.raises(RuntimeError, match=r"'jax'.*imported Keras with 'tensorflow'"):
        choose_backend("jax")


def test_the_imported_back_end_is_accepted(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", keras_on("jax"))
    choose_backend("jax")


def test_a_log_level_of_the_environment_is_kept(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", keras_on("jax"))
    choose_backend("jax")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_messages_of_importing_keras_go_to_the_debug_log(
    monkeypatch, tmp_path, caplog, capfd
):
    noise = "import os\nos.write(2, b'no cuda drivers')\n"
    noise += "class config:\n    backend = staticmethod(lambda: 'jax')\n"
    (tmp_path / "keras.py").write_text(noise)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with caplog.at_level("DEBUG", logger="two_tower.backend"):
        import_keras_quietly()
    del sys.modules["keras"]  # monkeypatch restores the real module
    assert "no cuda drivers" in caplog.text
    assert capfd.readouterr().err == ""
