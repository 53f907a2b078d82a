"""The two-tower model that the parameters describe, untrained."""

from typing import Any

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.multi_interest.params import MultiInterestParams
from two_tower.towers.params import EntityParams, HistoryShape, MlpParams
from two_tower.towers.two_tower import TwoTower
from two_tower.training.inputs import Entities, ModelInputs
from two_tower.training.params import Training

# Each part of the model has a range of seeds of its own, from its first one on; the
# layers of an entity tower, of items (0) or users, have seeds from 500 further on.
HISTORY_SEED, PROFILE_SEED, FUSION_SEED, HISTORY_ITEMS_SEED = 1, 1001, 2001, 3001


def build_towers(parameters: Training, inputs: ModelInputs) -> TwoTower:
    """Return the built, untrained model that the parameters describe.

    Raises:
        ValueError: if items lack a feature that their category is made of.
    """
    _require_category(parameters, inputs.items)
    history_items = inputs.history_items
    towers = TwoTower(
        _entity_tower(parameters, parameters.item_tower, inputs.items, seed=0),
        history_encoder=parameters.history.chosen.build(
            HistoryShape(
                parameters.dimension,
                inputs.longest_window,
                parameters.seed + HISTORY_SEED,
                parameters.precision,
            )
        ),
        profile=_entity_tower(
            parameters, parameters.profile, inputs.users, seed=PROFILE_SEED
        )
        if inputs.users is not None
        else None,
        fusion=_fusion(parameters),
        normalise=parameters.scoring.normalise,
        history_item_tower=_entity_tower(
            parameters,
            parameters.history_item_tower,
            history_items,
            seed=HISTORY_ITEMS_SEED,
        )
        if history_items is not None
        else None,
        dtype=parameters.precision,
    )
    towers.build()
    set_vocabulary(towers.item_tower, inputs.items)
    if history_items is not None:
        set_vocabulary(towers.embeds_histories, history_items)
    if towers.profile is not None and inputs.users is not None:
        set_vocabulary(towers.profile, inputs.users)
    return towers


def set_vocabulary(tower: EntityTower, entities: Entities) -> None:
    """Store the features of entities in a built tower, and which were trained."""
    tower.set_features(entities.values)
    tower.set_known(entities.is_trained)


def _require_category(parameters: Training, items: Entities) -> None:
    """Raise `ValueError` if items lack a feature that their category is made of."""
    history = parameters.history.chosen
    if not isinstance(history, MultiInterestParams):
        return
    if missing := [name for name in history.category if name not in items.features]:
        switches = ", ".join(f"training.item_tower.features.{n}=true" for n in missing)
        raise ValueError(
            f"training.history.multi_interest.category names {missing}, but the item "
            f"tower has the features {list(items.features)}: set {switches} (and "
            "use_features) if they are declared, perhaps as opt_in, or declare them in "
            "sequencing.features.item"
        )


def _fusion(parameters: Training) -> dict[str, Any] | None:
    if parameters.history.kind == "none" or not parameters.profile.use:
        return None
    return {**_layers(parameters.fusion), "seed": parameters.seed + FUSION_SEED}


def _entity_tower(
    parameters: Training, options: EntityParams, entities: Entities, *, seed: int
) -> EntityTower:
    return EntityTower(
        entities.n_entities,
        parameters.dimension,
        features=entities.features,
        use_id=options.use_id,
        id_dropout=options.id_dropout,
        embedding=options.embedding or parameters.dimension,
        hashes={
            name: [table.model_dump() for table in tables]
            for name, tables in options.hashes.items()
        },
        combine=options.combine,
        mlp=_layers(options.mlp) if options.mlp else None,
        l2=options.l2,
        n_rows=entities.n_entities,
        scale=options.scale,
        seed=parameters.seed + seed,
        dtype=parameters.precision,
    )


def _layers(mlp: MlpParams) -> dict[str, Any]:
    return {
        "hidden_units": mlp.widths,
        "batch_norm": mlp.batch_norm,
        "dropout": mlp.dropout,
    }
