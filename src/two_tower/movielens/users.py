"""Read a release's users: id, gender, age, occupation and zip code."""

from pathlib import Path
from typing import Final

import pyarrow as pa

from two_tower.movielens.archive import ArchiveError
from two_tower.movielens.releases import Release
from two_tower.movielens.rows import parse_int, read_rows

USERS_SCHEMA: Final = pa.schema(
    {
        "user_id": pa.int64(),
        "gender": pa.string(),
        "age": pa.int32(),
        "occupation": pa.string(),
        "zip": pa.string(),
    }
)


def read_users(path: Path, release: Release) -> pa.Table:
    """Read the users of an archive, in file order.

    Args:
        path: the archive.
        release: format of the archive.

    Returns:
        One row per user, of `USERS_SCHEMA`; no rows if the release has no users.
        `user_id`, unique; `age` in years, exact in ml-100k, the lowest of its bucket in
        ml-1m; `occupation`, a word in ml-100k, a code in ml-1m; `zip` as text, since
        leading zeros count.

    Raises:
        ArchiveError: `read_rows` fails, an id or age is not a number, or an id is not
            unique.
    """
    if release.users is None:
        return USERS_SCHEMA.empty_table()
    where = f"{release.path(release.users)} in {path}"
    users = {}
    for number, row in read_rows(path, release, release.users):
        user_id = parse_int(row["user_id"], "user_id", number, where)
        if user_id in users:
            raise ArchiveError(
                f"user {user_id} is on line {number} of {where} again; ids of users "
                "must be unique"
            )
        age = parse_int(row["age"], "age", number, where)
        users[user_id] = row | {"user_id": user_id, "age": age}
    return pa.Table.from_pylist(list(users.values()), schema=USERS_SCHEMA)
