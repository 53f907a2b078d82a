"""The Keras layers and models of both towers."""


def register_towers() -> None:
    """Make every tower known to Keras by name, so that saved models load."""
    from two_tower.towers import (  # noqa: F401
        batch_norm,
        dropout,
        entity_tower,
        features,
        hashed_embedding,
        mean,
        mlp,
        two_tower,
    )
    from two_tower.towers.multi_interest import tower as multi_interest  # noqa: F401
    from two_tower.towers.transformer import tower as transformer  # noqa: F401
