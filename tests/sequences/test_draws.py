from hashlib import md5

import ibis
import pytest

from two_tower.sequences.expressions import draw


@pytest.mark.parametrize("values", [[1, 22, -3], ["a", "Ü", ""]])
def test_a_draw_is_the_md5_of_its_arguments_on_any_engine(values):
    table = ibis.memtable({"value": values})
    found = draw(table.value, seed=7, purpose="ties").execute()
    assert sorted(found) == sorted(
        md5(f"ties:7:{value}".encode(), usedforsecurity=False).hexdigest()
        for value in values
    )
