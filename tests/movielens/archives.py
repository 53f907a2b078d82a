"""Archives of three movies, two users and four ratings, as each release writes them.

The text is written by hand, not derived from the project's format descriptions.
"""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

FLAGS = {  # unknown, Action, Adventure, Animation, Children's, Comedy, …, Film-Noir, …
    10: "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0",
    20: "0|0|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0",
    30: "1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0",
}
ML_100K = {
    "ml-100k/u.data": (
        "5\t20\t4\t978300760\n4\t10\t5\t978302109\n"
        "5\t10\t1\t978300760\n4\t30\t3\t978302268\n"
    ),
    "ml-100k/u.item": (
        f"10|Toy Story (1995)|01-Jan-1995||http://imdb/10|{FLAGS[10]}\n"
        f"20|Café :: Noir, The (1975-1979) |01-Jan-1975||http://imdb/20|{FLAGS[20]}\n"
        f"30|unknown||||{FLAGS[30]}\n"
    ),
    "ml-100k/u.user": "4|24|M|technician|05146\n5|53|F|other|T8H1N\n",
}
ML_1M = {
    "ml-1m/ratings.dat": (
        "5::20::4::978300760\n4::10::5::978302109\n"
        "5::10::1::978300760\n4::30::3::978302268\n"
    ),
    "ml-1m/movies.dat": (
        "10::Toy Story (1995)::Animation|Children's|Comedy\n"
        "20::Café :: Noir, The (1975-1979) ::Film-Noir\n"
        "30::unknown::\n"
    ),
    "ml-1m/users.dat": "4::M::24::technician::05146\n5::F::53::other::T8H1N\n",
}
ML_10M = {
    "ml-10M100K/ratings.dat": (
        "5::20::4::978300760\n4::10::5::978302109\n"
        "5::10::1::978300760\n4::30::3.0::978302268\n"
    ),
    "ml-10M100K/movies.dat": (
        "10::Toy Story (1995)::Animation|Children's|Comedy\n"
        "20::Café :: Noir, The (1975-1979) ::Film-Noir\n"
        "30::unknown::(no genres listed)\n"
    ),
}


def as_csv(name: str) -> dict[str, str]:
    """Return the files of a CSV release, whose lines end in CR LF."""
    ratings = (
        "userId,movieId,rating,timestamp\r\n5,20,4.0,978300760\r\n4,10,5.0,978302109\r\n"
        "5,10,1.0,978300760\r\n4,30,3.0,978302268\r\n"
    )
    movies = (
        "movieId,title,genres\r\n10,Toy Story (1995),Animation|Children's|Comedy\r\n"
        '20,"Café :: Noir, The (1975-1979) ",Film-Noir\r\n'
        "30,unknown,(no genres listed)\r\n"
    )
    return {f"{name}/ratings.csv": ratings, f"{name}/movies.csv": movies}


FILES: Mapping[str, Mapping[str, str]] = {
    "ml-100k": ML_100K,
    "ml-1m": ML_1M,
    "simulated": ML_1M,
    "ml-10m": ML_10M,
    "ml-20m": as_csv("ml-20m"),
    "ml-25m": as_csv("ml-25m"),
    "ml-32m": as_csv("ml-32m"),
    "ml-latest-small": as_csv("ml-latest-small"),
    "ml-latest": as_csv("ml-latest"),
}
LATIN_1 = {"ml-100k", "ml-1m", "simulated"}

RATINGS = [
    {"event_id": e, "user_id": u, "movie_id": m, "rating": r, "timestamp": t}
    for e, u, m, r, t in [
        (0, 5, 20, 4.0, 978300760),
        (1, 4, 10, 5.0, 978302109),
        (2, 5, 10, 1.0, 978300760),
        (3, 4, 30, 3.0, 978302268),
    ]
]
MOVIES = [
    {"movie_id": i, "title": title, "genres": genres, "year": year}
    for i, title, genres, year in [
        (10, "Toy Story (1995)", ["Animation", "Children's", "Comedy"], 1995),
        (20, "Café :: Noir, The (1975-1979) ", ["Film-Noir"], 1975),
        (30, "unknown", [], None),
    ]
]
USERS = [
    {"user_id": i, "gender": gender, "age": age, "occupation": work, "zip": code}
    for i, gender, age, work, code in [
        (4, "M", 24, "technician", "05146"),
        (5, "F", 53, "other", "T8H1N"),
    ]
]


def write_archive(
    path: Path, release: str, changed: Mapping[str, bytes | str | None] | None = None
) -> Path:
    """Write a release's archive.

    `changed` replaces the content of files by name; None leaves a file out.
    """
    encoding = "latin-1" if release in LATIN_1 else "utf-8"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, text in FILES[release].items():
            content = (changed or {}).get(Path(name).name, text)
            if content is not None:
                data = content.encode(encoding) if isinstance(content, str) else content
                archive.writestr(name, data)
    return path
