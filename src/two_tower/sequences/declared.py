"""How a declared feature is written down in the parameters of sequencing."""

from typing import Literal, Self

from pydantic import Field, model_validator

from two_tower.params import Params


class DeclaredFeature(Params):
    """How a column of the items or users becomes numbers."""

    # A declaration names only what it needs, hence the defaults.
    kind: Literal["categorical", "multi_valued", "words", "dense"]
    column: str | None = Field(
        default=None, description="where it is read from; null: the feature's name"
    )
    min_count: int = Field(
        default=1,
        ge=1,
        description="values that fewer items (users) of the training have are unknown",
    )
    prefix: int | None = Field(
        default=None, ge=1, description="only a value's first characters (categorical)"
    )

    @model_validator(mode="after")
    def _options_fit_the_kind(self) -> Self:
        if self.prefix is not None and self.kind != "categorical":
            raise ValueError(f"prefix is for categorical features, not {self.kind!r}")
        if self.min_count > 1 and self.kind == "dense":
            raise ValueError("min_count is for features with values, not for 'dense'")
        return self
