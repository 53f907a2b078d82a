"""The kinds of features, and the features that the parameters of sequencing declare."""

from collections.abc import Collection, Mapping
from typing import Annotated, Final, Self, TypeAlias

from pydantic import Field, model_validator

from two_tower.features.base import FeatureKind
from two_tower.features.dense import Dense
from two_tower.features.rarest import Rarest
from two_tower.features.values import Categorical, MultiValued, ValueSet, Words
from two_tower.params import Params
from two_tower.plain_names import require_column_names
from two_tower.types import ENTITIES, Entity

DeclaredFeature: TypeAlias = Annotated[
    Categorical | MultiValued | Words | Dense | Rarest | ValueSet,
    Field(discriminator="kind"),
]
"""A declaration in the parameters, `{kind: …, <options>}`."""

RESERVED_NAMES: Final = {"id", "item", "item_id", "user", "user_id", "n_train"}
"""Columns of the feature tables, and the name of the id embedding in a tower."""


class Features(Params):
    """The declared features by name; null switches off one, or all of an entity."""

    item: dict[str, DeclaredFeature | None] | None
    user: dict[str, DeclaredFeature | None] | None

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        for entity in ENTITIES:
            require_column_names(self.of(entity), RESERVED_NAMES)
        return self

    def of(self, entity: Entity) -> dict[str, FeatureKind]:
        """Return the features that are switched on, by name in alphabetical order."""
        declared = (self.item if entity == "item" else self.user) or {}
        return {name: one for name, one in sorted(declared.items()) if one is not None}

    def within(self, schema: Mapping[str, Collection[str]]) -> Self:
        """Return the features that a schema has; opt-in ones may lack their column."""
        kept: dict[str, dict[str, FeatureKind]] = {
            entity: {
                name: one
                for name, one in self.of(entity).items()
                if name in schema[entity]
            }
            for entity in ENTITIES
        }
        return self.model_copy(update=kept)
