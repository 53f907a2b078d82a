"""Small made-up tables in the forms in which their publishers give them."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

N_USERS, N_ITEMS, N_EVENTS = 30, 20, 300
START = datetime(2021, 3, 1, 8, 0, tzinfo=UTC)


def events() -> list[tuple[int, int, datetime]]:
    """Return (user, item, time) in order of time; users prefer a third of the items."""
    rng = np.random.default_rng(0)
    users = rng.permutation(np.arange(N_EVENTS) % N_USERS)
    users[:20] = 0  # one user is busier than the others
    found = []
    for i, user in enumerate(users.tolist()):
        likes = rng.integers(0, N_ITEMS // 3 + 1) * 3 + user % 3
        item = int(likes if rng.random() < 0.9 else rng.integers(N_ITEMS)) % N_ITEMS
        time = START + timedelta(hours=7 * i, seconds=int(rng.integers(3600)))
        found.append((user, item, time))
    return found


def purchases(folder: Path) -> list[str]:
    """Write purchases with dates and names as ids, as a shop's office exports them."""
    names = [f"{f} {s}" for f in ("Anna", "Bo", "Zoë") for s in "ABCDEFGHIJ"]
    rows = ["Customer;Product;Date;Quantity;Amount"]
    rows += [
        f'{names[user]};"Tea no. {item}; loose";{time:%d.%m.%Y};{1 + item % 3};'
        f"{4 + item},{item:02}"
        for user, item, time in events()
    ]
    path = folder / "purchases 2021.csv"
    path.write_text("\r\n".join(rows) + "\r\n", encoding="utf-8-sig")
    return [str(path)]


def clicks(folder: Path) -> list[str]:
    """Write clicks of sessions in daily files without header, as yoochoose's."""
    lines = [
        f"{11 + user},{time:%Y-%m-%dT%H:%M:%S}.277Z,{214_536_500 + item},"
        f"{'S' if item % 5 == 0 else item % 4}\n"
        for user, item, time in events()
    ]
    half = len(lines) // 2
    for name, part in (("1", lines[:half]), ("2", lines[half:])):
        path = folder / f"clicks-{name}.dat.gz"
        path.write_bytes(gzip.compress("".join(part).encode()))
    return [str(folder / "clicks-*.dat.gz")]


def item_lists(folder: Path) -> list[str]:
    """Write a line per user with the user's items, without times, as Gowalla's."""
    items: dict[int, list[int]] = {}
    for user, item, _ in events():
        items.setdefault(user, []).append(item)
    path = folder / "train.txt"
    path.write_text(
        "".join(f"{u} {' '.join(map(str, of))}\n" for u, of in sorted(items.items()))
    )
    return [str(path)]


def pairs(folder: Path) -> list[str]:
    """Write pairs of user and item without times and header."""
    path = folder / "pairs.tsv"
    path.write_text("".join(f"u{user}\t{item}\n" for user, item, _ in events()))
    return [str(path)]


def reviews(folder: Path) -> list[str]:
    """Write reviews and products as JSON lines, as Amazon's."""
    lines = [
        {
            "reviewerID": f"A{user:04}KX",
            "asin": f"{item:010}",
            "reviewerName": f'Reader "{user}"',
            "helpful": [user % 3, 3],
            "reviewText": "Not for me, but my aunt keeps asking for more of it. " * 2,
            "overall": float(1 + (user + item) % 5),
            "summary": "Fine" if user % 2 else "",
            "unixReviewTime": int(time.timestamp()) // 86_400 * 86_400,
            "reviewTime": f"{time:%m %d, %Y}",
        }
        for user, item, time in events()
    ]
    path = folder / "reviews_Tea_5.json.gz"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()))
    products = [
        {
            "asin": f"{item:010}",
            "title": f"Green tea of garden {item % 7}",
            "price": f"${4 + item}.{item:02}" if item % 6 else "",
            "brand": ["Leaf & Co", "Kettle", None][item % 3],
            "categories": [
                ["Grocery", "Tea"],
                ["Grocery", ["Green", "Loose"][item % 2]],
            ],
            "salesRank": {"Grocery": 100 + item},
            "imUrl": f"http://example.org/{item}.jpg",
        }
        for item in range(N_ITEMS)
    ]
    meta = folder / "meta_Tea.json"
    meta.write_text("".join(json.dumps(line) + "\n" for line in products))
    return [str(path), "--items", str(meta)]


def ratings(folder: Path) -> list[str]:
    """Write ratings, books and readers in latin-1 without times, as Book-Crossing's."""
    rated = {(user, item): 1 + (user + item) % 10 for user, item, _ in events()}
    table = ['"User-ID";"ISBN";"Book-Rating"']
    table += [
        f'"{276_700 + user}";"{item:09}X";"{stars}"'
        for (user, item), stars in rated.items()
    ]
    books = ['"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher"']
    books += [
        f'"{item:09}X";"The \\"{word}\\" of Zürich; part {item}";"Müller {item % 4}";'
        f'"{1990 + item % 9}";"Éditions {item % 3}"'
        for item, word in enumerate(["Clock", "Key"] * (N_ITEMS // 2))
    ]
    readers = ['"User-ID";"Location";"Age"']
    readers += [
        f'"{276_700 + user}";"bern, bern, schweiz";{[34, "NULL", 51][user % 3]}'
        for user in range(N_USERS)
    ]
    paths = []
    for name, lines in (("Ratings", table), ("Books", books), ("Users", readers)):
        path = folder / f"BX-{name}.csv"
        path.write_text("\r\n".join(lines) + "\r\n", encoding="latin-1")
        paths.append(str(path))
    return [paths[0], "--items", paths[1], "--users", paths[2]]


FORMS = {
    "purchases": purchases,
    "clicks": clicks,
    "item-lists": item_lists,
    "pairs": pairs,
    "reviews": reviews,
    "ratings": ratings,
}
"""Name of the environment → function that writes its tables and returns the words of
the generator's command line."""
