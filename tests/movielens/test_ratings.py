import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.movielens import ratings as ratings_module
from two_tower.movielens.archive import ArchiveError
from two_tower.movielens.ratings import read_line_chunks


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
    "0x5::20::4::978300760",
    "5::20::4::0X10",
]
VALID = "5::20::4::978300760"


@pytest.mark.parametrize("line", MALFORMED_RATINGS)
@pytest.mark.parametrize("n_before", [0, 1, 6])
def test_a_malformed_rating_is_refused_with_its_line(read, line, n_before):
    text = "\n".join([VALID] * n_before + [line] + [VALID] * 3) + "\n"
    where = rf"line {n_before + 1} of ml-1m/ratings.dat in .* is not a rating"
    with pytest.raises(ArchiveError, match=where):
        read("ratings", "ml-1m", {"ratings.dat": text})


def test_lines_of_csv_are_counted_from_the_header(read):
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
    text = f"{VALID}\n5::20::{rating}::978300760\n"
    with pytest.raises(ArchiveError, match=f"line 2 of .*{member}.* has a rating of"):
        read("ratings", release, {member: text})


def test_a_rating_of_an_unlisted_movie_is_refused_with_its_line(read):
    text = f"{VALID}\n{VALID}\n5::99::4::978300760\n"
    with pytest.raises(ArchiveError, match=r"line 3 of .* rates movie 99.* 3 movies"):
        read("ratings", "ml-1m", {"ratings.dat": text})


def test_lines_and_events_are_counted_across_chunks(read, monkeypatch):
    monkeypatch.setattr(ratings_module, "CHUNK_BYTES", 64)
    text = f"{VALID}\n" * 10
    ratings = read("ratings", "ml-1m", {"ratings.dat": text})
    assert [rating["event_id"] for rating in ratings] == list(range(10))
    with pytest.raises(ArchiveError, match="line 11 of"):
        read("ratings", "ml-1m", {"ratings.dat": f"{text}no\n"})


@settings(deadline=None)
@given(data=st.binary(max_size=60), chunk_bytes=st.integers(1, 20))
def test_chunks_hold_all_bytes_and_end_at_line_ends(data, chunk_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ratings_module, "CHUNK_BYTES", chunk_bytes)
        chunks = list(read_line_chunks(io.BytesIO(data)))
    assert b"".join(chunks) == data
    short_lines = max(map(len, data.split(b"\n"))) < chunk_bytes
    assert not short_lines or all(chunk.endswith(b"\n") for chunk in chunks[:-1])
