from dataclasses import replace

import pytest

from tests.serving.build import make_vocabularies


@pytest.mark.parametrize("entity", ["items", "users"])
def test_indices_with_gaps_are_refused(entity):
    vocabularies = make_vocabularies()
    table = getattr(vocabularies, entity).take([0, 2, 1])
    with pytest.raises(ValueError, match=f"indices of the {entity} don't rise from 2"):
        replace(vocabularies, **{entity: table})


@pytest.mark.parametrize(
    ("name", "column"), [("items", "n_train"), ("users", "user_id"), ("values", "id")]
)
def test_a_table_without_a_column_is_refused(name, column):
    vocabularies = make_vocabularies()
    table = getattr(vocabularies, name).drop([column])
    message = rf"vocabulary of {name} lacks \['{column}'\]"
    with pytest.raises(ValueError, match=message):
        replace(vocabularies, **{name: table})
