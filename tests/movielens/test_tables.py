"""Movies, users and ratings: what is read, and what is refused with its line."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.movielens import ratings as ratings_module
from two_tower.movielens import rows
from two_tower.movielens.archive import ArchiveError
from two_tower.movielens.movies import read_movies, year_of
from two_tower.movielens.ratings import read_ratings, whole_lines
from two_tower.movielens.releases import RELEASES
from two_tower.movielens.users import read_users

from .archives import FLAGS, MOVIES, write_archive


@pytest.fixture
def read(tmp_path):
    readers = {
        "movies": read_movies,
        "users": read_users,
        "ratings": lambda *of: pa.Table.from_batches(read_ratings(*of)),
    }

    def read_changed(table, release, changed):
        path = write_archive(tmp_path / f"{release}.zip", release, changed)
        return readers[table](path, RELEASES[release]).to_pylist()

    return read_changed


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Superman/Doomsday (2007) ", 2007),
        ("3 dev adam (Three Giant Men) (1973) ", 1973),
        ("Land Before Time III (1995) (V)", 1995),
        ("Class of (1984) (1982)", 1982),
        ("(500) Days of Summer (2009)", 2009),
        ("2001: A Space Odyssey (1968)", 1968),
        ("Fawlty Towers (1975-1979)", 1975),
        ("Death Note: Desu nôto (2006\u20132007)", 2006),
        ("Doctor Who (2005- )", 2005),
        ("Babylon 5", None),
        ("Movie 1984", None),
        ("Movie (12345)", None),
        ("Movie (0999)", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_the_year_is_in_the_last_parenthesis_that_holds_one(title, year):
    assert year_of(title) == year


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))))
def test_any_title_survives_csv(tmp_path_factory, titles):
    text = io.StringIO()
    csv.writer(text).writerows([["movieId", "title", "genres"]])
    csv.writer(text).writerows([i, title, "Drama"] for i, title in enumerate(titles))
    path = tmp_path_factory.mktemp("csv") / "ml-25m.zip"
    write_archive(path, "ml-25m", {"movies.csv": text.getvalue()})
    assert read_movies(path, RELEASES["ml-25m"])["title"].to_pylist() == titles


def test_titles_hold_characters_that_look_like_line_ends(read):
    title = "Next\x85Line\u2028Separator (1999)"
    text = f"10::{title}::Drama\n"
    (movie,) = read("movies", "ml-10m", {"movies.dat": text})
    assert (movie["title"], movie["year"]) == (title, 1999)


def test_movies_of_one_title_stay_apart(read):
    text = "1::Chasing Amy (1997)::Drama\n2::Chasing Amy (1997)::Drama\n"
    movies = read("movies", "ml-1m", {"movies.dat": text})
    assert [movie["movie_id"] for movie in movies] == [1, 2]


def test_a_blank_line_at_the_end_of_the_movies_is_no_movie(read):
    item = f"10|Toy Story (1995)|01-Jan-1995||http://imdb/10|{FLAGS[10]}\n\n"
    assert read("movies", "ml-100k", {"u.item": item}) == MOVIES[:1]


DAT, CSV = ("ml-1m", "movies.dat"), ("ml-25m", "movies.csv")
HEADER = "movieId,title,genres\n"
MALFORMED_MOVIES = [
    (DAT, "10::Toy Story (1995)\n", 1, "has 2 values, not 3"),
    (DAT, "10::A (1995)::Drama\n\n20::B (1996)::Drama\n", 2, "has 2 values"),
    (DAT, "x1::A (1995)::Drama\n", 1, "is 'x1', no whole number"),
    (DAT, "-1::A (1995)::Drama\n", 1, "is '-1', no whole number"),
    (DAT, "99999999999999999999::A::Drama\n", 1, "no whole number"),
    (CSV, f"{HEADER}1,A (1995),B,C\n", 2, "has 4 values"),
    (CSV, f'{HEADER}1,"A (1995),Drama\n', 2, "values, not 3"),
    (CSV, "movieId,title\n1,A (1995)\n", 1, "not the header"),
    (CSV, "1,A (1995),Drama\n", 1, "not the header"),
    (("ml-100k", "u.item"), "1|A (1995)|01-Jan-1995||\n", 1, "values, not 24"),
]


@pytest.mark.parametrize(("file", "text", "line", "fault"), MALFORMED_MOVIES)
def test_malformed_movies_are_refused_with_their_line(read, file, text, line, fault):
    release, member = file
    where = f"line {line} of {release}/{member} in .*{release}.zip"
    with pytest.raises(ArchiveError, match=f"{where} .*{fault}"):
        read("movies", release, {member: text})


def test_a_movie_that_comes_twice_is_refused_with_both_lines(read):
    text = "1::A::Drama\n2::B::Drama\n1::C::Drama\n"
    with pytest.raises(ArchiveError, match="movie 1 stands on lines 1 and 3 of"):
        read("movies", "ml-1m", {"movies.dat": text})


def test_latin_1_where_utf_8_is_due_is_refused_with_its_line(read):
    text = "10::Toy Story (1995)::Drama\n20::Café (1996)::Drama\n".encode("latin-1")
    with pytest.raises(ArchiveError, match=r"line 2 of .*movies.dat.* is not utf-8"):
        read("movies", "ml-10m", {"movies.dat": text})


def test_utf_8_where_latin_1_is_due_is_refused(read):
    text = "20::Café (1996)::Drama\n".encode()
    with pytest.raises(ArchiveError, match=r"movies.dat.* is utf-8"):
        read("movies", "ml-1m", {"movies.dat": text})


def test_a_list_of_movies_too_long_to_be_held_is_refused(read, monkeypatch):
    monkeypatch.setattr(rows, "MAX_LISTED_BYTES", 20)
    with pytest.raises(ArchiveError, match="more than 20 bytes"):
        read("movies", "ml-1m", {})


def test_zip_codes_and_occupations_stay_text(read):
    text = "1::F::1::10::05146\n2::M::56::16::70072-1234\n"
    users = read("users", "ml-1m", {"users.dat": text})
    assert [user["zip"] for user in users] == ["05146", "70072-1234"]
    assert [user["occupation"] for user in users] == ["10", "16"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1::F::1::10\n", "line 1 .* 4 values, not 5"),
        ("1::F::old::10::48067\n", "age on line 1 .* 'old'"),
        ("1::F::1::10::48067\n1::M::1::10::48067\n", "user 1 .* line 2 .* again"),
    ],
)
def test_malformed_users_are_refused_with_their_line(read, text, message):
    with pytest.raises(ArchiveError, match=message):
        read("users", "ml-1m", {"users.dat": text})


def test_half_stars_are_read(read):
    ratings = read("ratings", "ml-10m", {"ratings.dat": "5::20::0.5::978300760\n"})
    assert ratings[0]["rating"] == 0.5


def test_the_last_rating_needs_no_line_end(read):
    ratings = read("ratings", "ml-1m", {"ratings.dat": "5::20::4::978300760"})
    assert len(ratings) == 1


MALFORMED_RATINGS = [
    "5::20::4",
    "5::20::4::978300760::1",
    "5:20::4::978300760",
    "5:::20::4::978300760",
    "5\t20\t4\t978300760",
    "",
    "a::20::4::978300760",
    "5::20::::978300760",
    "5::20::good::978300760",
    "5::20::4::2000-12-31",
    "5::20::4::978300760.5",
    "99999999999999999999::20::4::978300760",
    "5::20::4::978300760\xff",
]
SOUND = "5::20::4::978300760"


@pytest.mark.parametrize("line", MALFORMED_RATINGS)
@pytest.mark.parametrize("n_before", [0, 1, 6])
def test_a_malformed_rating_is_refused_with_its_line(read, line, n_before):
    text = "\n".join([SOUND] * n_before + [line] + [SOUND] * 3) + "\n"
    where = rf"line {n_before + 1} of ml-1m/ratings.dat in .* is no rating"
    with pytest.raises(ArchiveError, match=where):
        read("ratings", "ml-1m", {"ratings.dat": text})


def test_lines_of_csv_count_from_the_header(read):
    text = "userId,movieId,rating,timestamp\n5,20,4.0,978300760\n5,20,4.0\n"
    with pytest.raises(ArchiveError, match=r"line 3 of ml-25m/ratings.csv"):
        read("ratings", "ml-25m", {"ratings.csv": text})


def test_ratings_without_their_header_are_refused(read):
    text = "5,20,4.0,978300760\n"
    with pytest.raises(ArchiveError, match=r"line 1 of ml-25m/ratings.csv.*header"):
        read("ratings", "ml-25m", {"ratings.csv": text})


def test_a_header_without_ratings_is_refused(read):
    text = "userId,movieId,rating,timestamp\n"
    with pytest.raises(ArchiveError, match=r"ratings.csv .* holds no ratings"):
        read("ratings", "ml-25m", {"ratings.csv": text})


@pytest.mark.parametrize(
    ("release", "member", "rating"),
    [
        ("ml-1m", "ratings.dat", "0"),
        ("ml-1m", "ratings.dat", "6"),
        ("ml-1m", "ratings.dat", "3.5"),
        ("ml-1m", "ratings.dat", "-1"),
        ("ml-1m", "ratings.dat", "nan"),
        ("ml-1m", "ratings.dat", "inf"),
        ("ml-10m", "ratings.dat", "5.5"),
        ("ml-10m", "ratings.dat", "0"),
        ("ml-10m", "ratings.dat", "3.7"),
    ],
)
def test_a_rating_off_the_scale_is_refused_with_its_line(read, release, member, rating):
    text = f"{SOUND}\n5::20::{rating}::978300760\n"
    with pytest.raises(ArchiveError, match=f"line 2 of .*{member}.* has a rating of"):
        read("ratings", release, {member: text})


def test_a_rating_of_an_unknown_movie_is_refused_with_its_line(read):
    text = f"{SOUND}\n{SOUND}\n5::99::4::978300760\n"
    with pytest.raises(ArchiveError, match=r"line 3 of .* rates movie 99.* 3 movies"):
        read("ratings", "ml-1m", {"ratings.dat": text})


def test_lines_and_events_are_counted_across_pieces(read, monkeypatch):
    monkeypatch.setattr(ratings_module, "PIECE_BYTES", 64)
    text = f"{SOUND}\n" * 10
    ratings = read("ratings", "ml-1m", {"ratings.dat": text})
    assert [rating["event_id"] for rating in ratings] == list(range(10))
    with pytest.raises(ArchiveError, match="line 11 of"):
        read("ratings", "ml-1m", {"ratings.dat": f"{text}no\n"})


@settings(deadline=None)
@given(data=st.binary(max_size=60), piece_bytes=st.integers(1, 20))
def test_pieces_hold_every_byte_and_end_where_lines_do(data, piece_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ratings_module, "PIECE_BYTES", piece_bytes)
        pieces = list(whole_lines(io.BytesIO(data)))
    assert b"".join(pieces) == data
    short_lines = max(map(len, data.split(b"\n"))) < piece_bytes
    assert not short_lines or all(piece.endswith(b"\n") for piece in pieces[:-1])
