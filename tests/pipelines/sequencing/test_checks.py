import ibis
import pytest

from two_tower.pipelines.sequencing.checks import HasColumns

TABLE = ibis.table({"user": "int32", "user_id": "string", "items": "array<int32>"})


def test_a_table_as_declared_passes_unexecuted():
    check = HasColumns({"user": "int32", "user_id": "any", "items": "array<int32>"})
    assert check.validate(TABLE) is TABLE


@pytest.mark.parametrize(
    "declared",
    [
        {"user": "int32", "user_id": "any"},
        {"user": "int64", "user_id": "any", "items": "array<int32>"},
        {"user": "int32", "user_id": "any", "items": "array<int32>", "more": "any"},
    ],
)
def test_another_table_is_refused_with_both_schemas(declared):
    with pytest.raises(ValueError, match=r"'items': 'array<int32>'.*are declared"):
        HasColumns(declared).validate(TABLE)
