"""The untrained two-tower model that parameters describe."""

from typing import Any

from two_tower.towers.entity_tower import EntityTower
from two_tower.towers.params import EntityParams, HistoryShape, MlpParams
from two_tower.towers.two_tower import TwoTower
from two_tower.training.inputs import Entities, ModelInputs
from two_tower.training.params import Training

# First seed of each part of the model beside the item tower, which has 0; the mlp of an
# entity tower has seeds from 500 further on.
HISTORY_SEED, PROFILE_SEED, FUSION_SEED, HISTORY_ITEMS_SEED = 1, 1001, 2001, 3001


def build_towers(parameters: Training, inputs: ModelInputs) -> TwoTower:
    """Return the built, untrained model that the parameters describe."""
    shape = HistoryShape(
        parameters.dimension,
        inputs.longest_window,
        parameters.seed + HISTORY_SEED,
        parameters.precision,
    )
    # In this order: initial weights depend on it.
    item_tower = _entity_tower(parameters, parameters.item_tower, inputs.items, seed=0)
    history_encoder = parameters.history.chosen.build(shape)
    profile = history_item_tower = None
    if inputs.users is not None:
        profile = _entity_tower(
            parameters, parameters.profile, inputs.users, seed=PROFILE_SEED
        )
    if inputs.history_items is not None:
        history_item_tower = _entity_tower(
            parameters,
            parameters.history_item_tower,
            inputs.history_items,
            seed=HISTORY_ITEMS_SEED,
        )
    towers = TwoTower(
        item_tower,
        history_encoder=history_encoder,
        profile=profile,
        fusion=_fusion(parameters),
        normalise=parameters.scoring.normalise,
        history_item_tower=history_item_tower,
        dtype=parameters.precision,
    )
    towers.build()
    vocabularies = (
        (item_tower, inputs.items),
        (history_item_tower, inputs.history_items),
        (profile, inputs.users),
    )
    for tower, entities in vocabularies:
        if tower is not None and entities is not None:
            set_vocabulary(tower, entities)
    return towers


def set_vocabulary(tower: EntityTower, entities: Entities) -> None:
    """Store the entities' features in a built tower, and which of them are trained."""
    tower.set_features(entities.values)
    tower.set_trained(entities.is_trained)


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
