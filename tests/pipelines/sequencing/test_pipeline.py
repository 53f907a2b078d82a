import ibis
import pyarrow as pa
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro.validation.exceptions import DataValidationError
from kedro.validation.type_extractor import TypeExtractor

from tests.sequences.tables import (
    BASE,
    FEATURES,
    interactions,
    movielens_features,
    parameters,
    rows,
    some_interactions,
    some_items,
    some_users,
)
from two_tower.features.registry import Features
from two_tower.pipelines.sequencing.pipeline import (
    create_pipeline,
    create_refit_pipeline,
    create_retraining_pipeline,
)
from two_tower.sequences.explicit_negatives import ExplicitNegatives
from two_tower.sequences.selection import Order, Selection
from two_tower.sequences.splits import Split
from two_tower.sequences.vocabularies import DeployedVocabularies

CONF = BASE.parents[2]
TYPES = {
    "selection": Selection,
    "order": Order,
    "split": Split,
    "explicit_negatives": ExplicitNegatives,
    "features": Features,
}


@pytest.fixture
def catalog_of(monkeypatch, tmp_path):
    """Return a function that gives the project's catalog, on data in a new folder."""

    def make(name, events=None, **changes):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        patterns = {
            "catalog": ["catalog/sequencing*", "catalog/refit*"],
            "globals": ["globals*"],
        }
        config = OmegaConfigLoader(
            str(CONF),
            base_env="base",
            default_run_env="test",
            config_patterns=patterns,
            runtime_params={},
        )
        catalog = DataCatalog.from_config(dict(config["catalog"]))
        base = parameters() | {"features": FEATURES} | changes
        for group, model in TYPES.items():
            catalog[f"params:sequencing.{group}"] = model(**base[group])
        catalog["params:sequencing.window"] = base["window"]
        catalog["interactions"] = some_interactions() if events is None else events
        catalog["items"], catalog["users"] = some_items(), some_users()
        catalog["ingestion_report"] = {"warnings": []}
        return catalog

    return make


def run(catalog):
    SequentialRunner().run(create_pipeline(), catalog)
    return catalog


def test_all_outputs_are_in_the_catalog_with_their_layer(catalog_of):
    catalog = catalog_of("a")
    layers = {
        name: catalog[name].metadata["kedro-viz"]["layer"]
        for name in create_pipeline().all_outputs()
    }
    assert layers == {
        "kept_interactions": "primary",
        "split_interactions": "primary",
        "histories": "feature",
        "item_vocabulary": "feature",
        "user_vocabulary": "feature",
        "feature_vocabulary": "feature",
        "feature_schema": "feature",
        "item_features": "feature",
        "user_features": "feature",
        "train_sequences": "model_input",
        "explicit_negatives": "model_input",
        "validation_examples": "model_input",
        "test_examples": "model_input",
        "split_report": "model_input",
        "leakage_audit": "model_input",
    }


@pytest.mark.parametrize("create", [create_pipeline, create_retraining_pipeline])
def test_the_parameters_reach_the_nodes_typed(create):
    found = TypeExtractor({"sequencing": create()})
    assert found.extract_types_from_pipelines() == {
        f"sequencing.{group}": model for group, model in TYPES.items()
    }


def test_the_base_parameters_are_allowed_and_no_group_is_forgotten():
    base = parameters() | {"features": movielens_features()}
    assert set(base) == {*TYPES, "window"}
    for group, model in TYPES.items():
        model(**base[group])


def test_two_runs_write_the_same_bytes(catalog_of, tmp_path):
    for name in ("first", "second"):
        catalog = run(catalog_of(name))
        assert catalog["leakage_audit"].load()["passed"]
    files = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("first", "second")
    ]
    assert len(files[0]) > 30
    assert files[0] == files[1]


# covers: L28
def test_the_retraining_pipeline_grows_the_deployed_vocabularies(catalog_of):
    first, retraining = create_pipeline(), create_retraining_pipeline()
    assert retraining.all_outputs() == first.all_outputs()
    assert retraining.inputs() - first.inputs() == {"deployed_vocabularies"}
    events = some_interactions()
    deployed = run(catalog_of("first", events.filter(ibis._.user_id > 4)))
    tables = [
        ibis.memtable(deployed[f"{name}_vocabulary"].load().to_pyarrow())
        for name in ("item", "user", "feature")
    ]
    schema = deployed["feature_schema"].load()
    catalog = catalog_of("second", events)
    rules = {
        f"sequencing.{group}": catalog[f"params:sequencing.{group}"].load().model_dump()
        for group in ("selection", "order", "split")
    }
    catalog["deployed_vocabularies"] = MemoryDataset(
        DeployedVocabularies(*tables, schema, rules), copy_mode="assign"
    )
    SequentialRunner().run(retraining, catalog)
    users = [user for (user,) in rows(catalog["user_vocabulary"].load(), "user_id")]
    assert users == [*range(5, 17), 1, 2, 3, 4]
    grown = catalog["feature_schema"].load()
    assert grown["item"]["length"] == schema["item"]["length"]
    assert catalog["leakage_audit"].load()["passed"]


def test_a_refit_trains_on_what_the_split_holds_out(catalog_of):
    catalog = run(catalog_of("a", explicit_negatives={"max_rating": None}))
    SequentialRunner().run(create_refit_pipeline(), catalog)
    kept = catalog["kept_interactions"].load()
    windows = catalog["refit_sequences"].load()
    held_out = catalog["train_sequences"].load()
    n_users = kept.user_id.nunique().execute()
    n_pairs = windows.targets.length().sum().execute()
    assert n_pairs == kept.count().execute() - n_users
    assert n_pairs > held_out.targets.length().sum().execute()
    items = catalog["refit_item_vocabulary"].load()
    assert items.n_train.sum().execute() == kept.count().execute()


def test_string_ids_and_no_items_or_users_are_enough(catalog_of):
    events = some_interactions().mutate(
        user_id=ibis._.user_id.cast("string"),
        item_id="i" + ibis._.item_id.cast("string"),
    )
    nothing = {"item": None, "user": None}
    catalog = catalog_of("a", events, features=nothing)
    for name in ("item", "user"):
        empty = pa.table({f"{name}_id": pa.array([], pa.int64())})
        catalog[f"{name}s"] = ibis.memtable(empty)
    run(catalog)
    assert rows(catalog["item_vocabulary"].load())[:2] == [
        (2, "i1", None, rows(catalog["item_vocabulary"].load())[0][3]),
        (3, "i10", None, rows(catalog["item_vocabulary"].load())[1][3]),
    ]
    assert catalog["item_features"].load().columns == ("item",)
    assert catalog["feature_schema"].load()["item"] == {}
    assert catalog["histories"].load().schema()["item_ids"] == ibis.dtype(
        "array<string>"
    )


def test_the_schema_counts_reserved_indices(catalog_of):
    schema = run(catalog_of("a"))["feature_schema"].load()
    assert schema["n_items"] == 12 + 2
    assert schema["n_users"] == 16 + 2
    assert schema["item"]["genres"]["size"] == 4
    assert schema["item"]["title_words"]["column"] == "title"
    assert schema["user"]["gender"] == {
        "kind": "categorical",
        "column": "gender",
        "prefix": None,
        "size": 4,
    }


def test_an_opt_in_feature_without_its_column_is_left_out_everywhere(catalog_of):
    mood = {"kind": "categorical", "opt_in": True}
    features = {
        entity: {**declared, "mood": mood} for entity, declared in FEATURES.items()
    }
    catalog = run(catalog_of("a", features=features))
    for entity in ("item", "user"):
        assert "mood" not in catalog["feature_schema"].load()[entity]
        assert "mood" not in catalog[f"{entity}_features"].load().columns
    named = rows(catalog["feature_vocabulary"].load(), "feature")
    assert ("mood",) not in named
    assert ("gender",) in named


def test_histories_hold_ratings_and_keep_missing_ones(catalog_of):
    events = interactions((1, 7, 5, 4.0), (1, 8, 4), (1, 9, 6, 0.5))
    histories = catalog_of("a", events)
    SequentialRunner().run(create_pipeline().to_outputs("histories"), histories)
    assert rows(histories["histories"].load()) == [
        (1, [8, 7, 9], [4, 5, 6], [None, 4.0, 0.5])
    ]


def test_data_without_a_single_target_stop_the_run(catalog_of):
    events = interactions((1, 7, 5, 4.0), (2, 8, 4, 4.0))
    with pytest.raises(ValueError, match=r"leaves none of 2 .* for test"):
        run(catalog_of("a", events))


def test_a_table_with_other_columns_is_not_saved(catalog_of):
    catalog = catalog_of("a")
    faulty = ibis.memtable({"user": [2], "window": [0]})
    with pytest.raises(DataValidationError, match="are declared"):
        catalog.save("train_sequences", faulty)
    assert not catalog["train_sequences"].exists()


def test_sequencing_starts_after_the_tables_were_found_to_fit():
    for pipeline in (create_pipeline(), create_retraining_pipeline()):
        first, *_ = pipeline.nodes
        assert "ingestion_report" in first.inputs
