"""The Keras layers and models of both towers."""


def register_towers() -> None:
    """Make every tower known to Keras by name, so that saved models load."""
    from two_tower.towers import mean, transformer, two_tower  # noqa: F401
