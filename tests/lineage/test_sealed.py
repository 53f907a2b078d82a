import json

import pytest

from two_tower.hashes import DamagedError
from two_tower.lineage.sealed import read_sealed, write_sealed

CONTENT = {"run": "a", "parameters": {"kinds": ["x", None], "sizes": {1: 2.5}}}


def test_a_sealed_file_is_read_back(tmp_path):
    write_sealed(tmp_path / "new" / "a.json", CONTENT)
    found = read_sealed(tmp_path / "new" / "a.json")
    assert found == json.loads(json.dumps(CONTENT))
    text = (tmp_path / "new" / "a.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_a_missing_file_has_no_content(tmp_path):
    assert read_sealed(tmp_path / "a.json") is None


def test_every_damaged_byte_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    write_sealed(path, {"run": "é", "n": 1})
    whole = path.read_bytes()
    content = json.loads(whole)
    for at in range(len(whole)):
        for byte in (0, whole[at] ^ 1, ord("9")):
            path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
            try:
                assert json.loads(path.read_bytes()) == content  # only white space
            except (ValueError, AssertionError):
                with pytest.raises(DamagedError, match=str(path)):
                    read_sealed(path)


@pytest.mark.parametrize("text", ["", "[1]", "1", "null", '"a"', "{}", '{"run": "a"}'])
def test_a_file_of_another_form_is_named(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DamagedError, match=str(path)):
        read_sealed(path)


def test_the_file_of_another_name_is_refused(tmp_path):
    write_sealed(tmp_path / "a.json", CONTENT)
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    with pytest.raises(DamagedError, match=r"b\.json is damaged"):
        read_sealed(tmp_path / "b.json")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(DamagedError, match=r"a\.json is a folder"):
        read_sealed(tmp_path / "a.json")
