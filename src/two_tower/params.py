"""The base of all typed parameters."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Base of all parameters: read-only, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
