"""The whole pipeline, in each environment, from fabricated and real archives."""

import shutil

import pytest
from kedro.io import DatasetError

from tests.movielens.archives import FILES, RATINGS, write_archive
from tests.simulation.recipes import small_recipe
from two_tower.datasets.simulated_archive import SimulatedArchiveDataset
from two_tower.simulation.archive_writer import make_archive

RELEASES = sorted(set(FILES) - {"simulated"})

INTERACTIONS = [
    {
        "event_id": rating["event_id"],
        "user_id": rating["user_id"],
        "item_id": rating["movie_id"],
        "timestamp": rating["timestamp"],
        "rating": rating["rating"],
    }
    for rating in RATINGS
]


def rows(catalog, name):
    return catalog.load(name).to_pyarrow().to_pylist()


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("env", [*RELEASES, "simulated"])
def test_every_environment_ingests_its_release(data, configuration, ingest, env):
    dataset = configuration(env)["globals"]["dataset"]
    write_archive(data / "01_raw" / f"{dataset}.zip", dataset)
    catalog = ingest(env)
    assert rows(catalog, "interactions") == INTERACTIONS
    assert rows(catalog, "items") == [
        {"item_id": i, "title": title, "genres": genres, "year": year}
        for i, title, genres, year in [
            (10, "Toy Story (1995)", ["Animation", "Children's", "Comedy"], 1995),
            (20, "Café :: Noir, The (1975-1979) ", ["Film-Noir"], 1975),
            (30, "unknown", [], None),
        ]
    ]
    assert (data / "02_intermediate" / dataset / "interactions").is_dir()


@pytest.mark.parametrize("env", RELEASES)
def test_a_releases_environment_says_only_its_name(configuration, env):
    simulated, own = configuration("simulated"), configuration(env)
    assert own["globals"] == {**simulated["globals"], "dataset": env}
    assert own["parameters"] == simulated["parameters"]


def test_users_keep_their_demographics(data, ingest):
    write_archive(data / "01_raw" / "ml-1m.zip", "ml-1m")
    assert rows(ingest("ml-1m"), "users") == [
        {"user_id": 4, "gender": "M", "age": 24, "occupation": "technician"}
        | {"zip": "05146"},
        {"user_id": 5, "gender": "F", "age": 53, "occupation": "other"}
        | {"zip": "T8H1N"},
    ]


def test_a_release_without_users_has_a_table_without_rows(data, ingest):
    write_archive(data / "01_raw" / "ml-25m.zip", "ml-25m")
    users = ingest("ml-25m").load("users")
    assert users.columns == ("user_id", "gender", "age", "occupation", "zip")
    assert users.count().execute() == 0


BAD_RATINGS = {
    "a malformed line": ("5::20::4\n", r"line 5 of ml-1m/ratings\.dat"),
    "a rating off the scale": ("5::20::9::978300760\n", "line 5 .* rating of 9"),
    "a movie without a line": ("5::99::4::978300760\n", "line 5 .* movie 99"),
    "a negative time": ("5::20::4::-5\n", "before 1971, the first '-5' in row 5"),
    "an absurd time": ("5::20::4::9999999999\n", "after 2099, the first .* in row 5"),
    "milliseconds": ("5::20::4::978300760000\n", "milliseconds"),
}


@pytest.mark.parametrize(("line", "message"), BAD_RATINGS.values(), ids=BAD_RATINGS)
def test_bad_ratings_stop_the_run_and_leave_earlier_outputs(
    data, ingest, line, message
):
    archive = data / "01_raw" / "ml-1m.zip"
    write_archive(archive, "ml-1m")
    ingest("ml-1m")
    before = files(data / "02_intermediate")
    sound = FILES["ml-1m"]["ml-1m/ratings.dat"]
    write_archive(archive, "ml-1m", {"ratings.dat": sound + line})
    with pytest.raises((DatasetError, ValueError), match=message):
        ingest("ml-1m")
    assert files(data / "02_intermediate") == before


@pytest.mark.parametrize(
    ("changed", "message", "output"),
    [
        ({"movies.dat": "1::A::B\n1::C::D\n"}, "movie 1 .* lines 1 and 2", "items"),
        ({"movies.dat": ""}, "is empty", "items"),
        ({"movies.dat": "20::Café::Drama\n".encode()}, "is utf-8", "items"),
        ({"ratings.dat": ""}, "is empty", "interactions"),
        ({"users.dat": None}, "0 members 'ml-1m/users.dat'", "users"),
    ],
)
def test_a_bad_table_writes_nothing(data, ingest, changed, message, output):
    write_archive(data / "01_raw" / "ml-1m.zip", "ml-1m", changed)
    with pytest.raises(DatasetError, match=message):
        ingest("ml-1m")
    assert not (data / "02_intermediate" / "ml-1m" / output).exists()


@pytest.mark.movielens
def test_the_real_ml_100k_is_ingested(data, ingest, real_archive):  # covers: N1 N4
    shutil.copy(real_archive("ml-100k.zip"), data / "01_raw" / "ml-100k.zip")
    catalog = ingest("ml-100k")
    interactions, items = catalog.load("interactions"), catalog.load("items")
    assert interactions.count().execute() == 100_000
    assert items.item_id.nunique().execute() == 1_682
    assert items.title.nunique().execute() == 1_664
    first = interactions.order_by("event_id").limit(1).to_pyarrow().to_pylist()
    assert first == [
        {"event_id": 0, "user_id": 196, "item_id": 242, "timestamp": 881250949}
        | {"rating": 3.0}
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_simulator_writes_is_ingested(data, ingest, release):
    made = data / "made.zip"  # nothing is saved under the release's own name
    members = make_archive(small_recipe(release=release))
    SimulatedArchiveDataset(filepath=str(made)).save(members)
    made.rename(data / "01_raw" / f"{release}.zip")
    catalog = ingest(release)
    interactions, items = catalog.load("interactions"), catalog.load("items")
    missing = interactions.anti_join(items, "item_id")
    assert interactions.count().execute() == small_recipe().n_ratings
    assert items.count().execute() == small_recipe().n_movies
    assert missing.count().execute() == 0
