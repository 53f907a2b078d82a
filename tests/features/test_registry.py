"""Declarations of features in the parameters of sequencing."""

import pytest
from pydantic import ValidationError

from tests.features.tables import declare
from tests.sequences.tables import movielens_features
from two_tower.features.rarest import Rarest
from two_tower.features.registry import Features
from two_tower.features.values import ValueSet


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"kind": "text"}, "multi_valued"),  # names the kinds that there are
        ({"kind": "words", "prefix": 3}, "prefix is 3, but .* 'words' does not read"),
        ({"kind": "rarest", "prefix": 3}, "prefix is 3, but .* 'rarest' does not read"),
        ({"kind": "dense", "min_count": 2}, "min_count is 2, but .* 'dense' does not"),
        ({"kind": "dense", "buckets": 2}, r"dense\.buckets"),
    ],
)
def test_options_that_the_kind_does_not_read_are_refused(feature, message):
    with pytest.raises(ValidationError, match=message):
        declare(**feature)


def test_another_kinds_options_may_be_set_to_their_defaults():
    # An environment changes the kind of a feature of conf/base, key by key.
    assert declare(kind="dense", prefix=None, min_count=1).kind == "dense"


def test_a_feature_can_be_switched_off_alone_or_with_all_others():
    genre = {"kind": "multi_valued"}
    declared = Features(item={"z": genre, "year": None, "a": genre}, user=None)
    assert list(declared.of("item")) == ["a", "z"]
    assert declared.of("user") == {}


@pytest.mark.parametrize("name", ["id", "item"])
def test_a_feature_can_not_take_the_name_of_an_id(name):
    with pytest.raises(ValidationError, match=rf"can be called '{name}'"):
        Features(item={name: {"kind": "dense"}}, user=None)


def test_the_project_declares_a_genre_and_the_set_of_genres_for_models_that_opt_in():
    declared = Features(**movielens_features()).of("item")
    options = {"column": "genres", "opt_in": True}
    assert declared["primary_genre"] == Rarest(**options)
    assert declared["genre_set"] == ValueSet(**options)
    assert not declared["genres"].opt_in


def test_declared_features_are_read_back_as_they_were_written():
    declared = Features(**movielens_features())
    assert Features.model_validate(declared.model_dump()) == declared


def test_features_within_a_schema_are_those_that_it_has():
    kind = {"kind": "categorical"}
    declared = Features(item={"a": kind, "b": kind, "c": None}, user={"a": kind})
    within = declared.within({"item": {"b": {}}, "user": {}})
    assert list(within.of("item")) == ["b"]
    assert within.of("user") == {}
