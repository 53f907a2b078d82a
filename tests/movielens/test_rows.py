"""Rows of the small tables, read as movies: format, encoding, line numbers."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from two_tower.movielens import rows
from two_tower.movielens.archive import ArchiveError
from two_tower.movielens.movies import read_movies
from two_tower.movielens.releases import RELEASES

from .archives import FLAGS, MOVIES, write_archive


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))))
def test_any_title_survives_csv(tmp_path_factory, titles):
    text = io.StringIO()
    csv.writer(text).writerows([["movieId", "title", "genres"]])
    csv.writer(text).writerows([i, title, "Drama"] for i, title in enumerate(titles))
    path = tmp_path_factory.mktemp("csv") / "ml-25m.zip"
    write_archive(path, "ml-25m", {"movies.csv": text.getvalue()})
    assert read_movies(path, RELEASES["ml-25m"])["title"].to_pylist() == titles


def test_characters_that_look_like_line_ends_stay_in_titles(read):
    title = "Next\x85Line\u2028Separator (1999)"
    text = f"10::{title}::Drama\n"
    (movie,) = read("movies", "ml-10m", {"movies.dat": text})
    assert (movie["title"], movie["year"]) == (title, 1999)


def test_a_blank_line_at_the_end_is_no_row(read):
    item = f"10|Toy Story (1995)|01-Jan-1995||http://imdb/10|{FLAGS[10]}\n\n"
    assert read("movies", "ml-100k", {"u.item": item}) == MOVIES[:1]


DAT, CSV = ("ml-1m", "movies.dat"), ("ml-25m", "movies.csv")
HEADER = "movieId,title,genres\n"
MALFORMED = [
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


@pytest.mark.parametrize(("file", "text", "line", "fault"), MALFORMED)
def test_a_malformed_row_is_refused_with_its_line(read, file, text, line, fault):
    release, member = file
    where = f"line {line} of {release}/{member} in .*{release}.zip"
    with pytest.raises(ArchiveError, match=f"{where} .*{fault}"):
        read("movies", release, {member: text})


def test_latin_1_in_a_utf_8_release_is_refused_with_its_line(read):
    text = "10::Toy Story (1995)::Drama\n20::Café (1996)::Drama\n".encode("latin-1")
    with pytest.raises(ArchiveError, match=r"line 2 of .*movies.dat.* is not utf-8"):
        read("movies", "ml-10m", {"movies.dat": text})


def test_utf_8_in_a_latin_1_release_is_refused(read):
    text = "20::Café (1996)::Drama\n".encode()
    with pytest.raises(ArchiveError, match=r"movies.dat.* is utf-8"):
        read("movies", "ml-1m", {"movies.dat": text})


def test_a_table_above_the_size_limit_is_refused(read, monkeypatch):
    monkeypatch.setattr(rows, "MAX_TABLE_BYTES", 20)
    with pytest.raises(ArchiveError, match="more than 20 bytes"):
        read("movies", "ml-1m", {})
