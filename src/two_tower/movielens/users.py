"""A release's users: gender, age, occupation, zip code."""

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
        release: how it is written.

    Returns:
        One row per user, of `USERS_SCHEMA`, no rows where the release has no users:
        `user_id`, unique; `age` in years, exact in ml-100k, in ml-1m the lowest of a
        bracket; `occupation`, a word in ml-100k, in ml-1m a number; `zip` as written,
        since "05146" is another place than 5146.

    Raises:
        ArchiveError: as `read_rows`, and for an id or age that is no number and an id
            that comes twice.
    """
    if release.users is None:
        return USERS_SCHEMA.empty_table()
    where = f"{release.path(release.users)} in {path}"
    users = {}
    for number, row in read_rows(path, release, release.users):
        user_id = parse_int(row["user_id"], "user_id", number, where)
        if user_id in users:
            raise ArchiveError(
                f"user {user_id} stands on line {number} of {where} again; a user's id "
                "may come only once"
            )
        age = parse_int(row["age"], "age", number, where)
        users[user_id] = row | {"user_id": user_id, "age": age}
    return pa.Table.from_pylist(list(users.values()), schema=USERS_SCHEMA)
