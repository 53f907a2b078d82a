import pytest

from two_tower.movielens.archive import ArchiveError
from two_tower.movielens.movies import parse_year


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
    assert parse_year(title) == year


def test_movies_of_equal_titles_are_distinct(read):
    text = "1::Chasing Amy (1997)::Drama\n2::Chasing Amy (1997)::Drama\n"
    movies = read("movies", "ml-1m", {"movies.dat": text})
    assert [movie["movie_id"] for movie in movies] == [1, 2]


def test_a_repeated_movie_id_is_refused_with_both_lines(read):
    text = "1::A::Drama\n2::B::Drama\n1::C::Drama\n"
    with pytest.raises(ArchiveError, match="movie 1 is on lines 1 and 3 of"):
        read("movies", "ml-1m", {"movies.dat": text})
