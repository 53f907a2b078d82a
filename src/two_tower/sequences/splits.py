"""Splits: which interactions are trained on, and which are targets of queries.

Each kind of split adds the column `split` to the kept interactions:

- `train`: the towers are trained on it;
- `given`: history of a held-out user, never trained on (`new_users` only);
- `validation`, `test`: a target of a query.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Final, Self, TypeAlias

import ibis
import ibis.expr.types as ir
from ibis import _
from pydantic import BeforeValidator, Field, Strict, model_validator

from two_tower.params import OneOf, Params
from two_tower.sequences.expressions import random_key

TRAIN: Final = "train"
GIVEN: Final = "given"
VALIDATION: Final = "validation"
TEST: Final = "test"

MIN_HELD_OUT: Final = 2
"""Fewest interactions of a held-out user: one is given and one is a target."""

Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class SplitKind(Params, ABC):
    """A way to hold interactions out of the training, with its options."""

    is_random: ClassVar[bool] = False
    """Whether a seed decides; such a split changes when the data grow."""
    needs_times: ClassVar[bool] = False
    """Whether interactions without times can't be split this way."""
    holds_out: ClassVar[bool] = True
    """Whether anything is held out of the training."""
    remedy: ClassVar[str]
    """What to change where the split leaves no training or no test interaction."""

    @abstractmethod
    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        """Return the kept interactions with the column `split`.

        Args:
            kept: `user_id`, `item_id`, `event_id` (unique), `timestamp` (int64,
                seconds), `position` (int32, from 0 with each user's oldest) and others.
            seed: seed of a random split.
        """

    def history_splits(self, target: str) -> tuple[str, ...]:
        """Return the splits whose interactions are a query's history.

        Args:
            target: split of the query's targets, `validation` or `test`.
        """
        history = (TRAIN, GIVEN)
        return history if target == VALIDATION else (*history, VALIDATION)

    def cut_offs(self, kept: ir.Table) -> dict[str, ir.IntegerScalar]:
        """Return the first second of `validation` and `test`; empty: no such moment.

        Args:
            kept: `timestamp` (int64, seconds) and `event_id` (unique).
        """
        return {}


class LeaveOneOut(SplitKind):
    """Each user's last interaction for test, the one before for validation.

    A user with two has no validation target, one with a single interaction no target.
    """

    remedy: ClassVar[str] = "A test query takes a user with two interactions or more"

    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        n = kept.event_id.count().over(group_by="user_id")
        from_end = n - 1 - kept.position
        return kept.mutate(
            split=ibis.cases(
                ((from_end == 0) & (n >= 2), TEST),  # noqa: PLR2004
                ((from_end == 1) & (n >= 3), VALIDATION),  # noqa: PLR2004
                else_=TRAIN,
            )
        )


def _text_only(value: object) -> object:
    if isinstance(value, str | date):  # datetime is a date; numbers are shares
        return value
    raise ValueError("a cut-off is a share of the interactions or a date")


CutOff: TypeAlias = (
    Share | Annotated[datetime, Strict(strict=False), BeforeValidator(_text_only)]
)


class Temporal(SplitKind):
    """All interactions from a cut-off on, the same for all users.

    A cut-off is a date (UTC), or the share of the interactions in order of time that
    come before it. Interactions of the cut-off's second all come after it.
    """

    needs_times: ClassVar[bool] = True
    remedy: ClassVar[str] = (
        "Set sequencing.split.temporal.validation and test to times that the data span"
    )

    validation: CutOff = Field(description="end of the training")
    test: CutOff = Field(description="end of the validation")

    @model_validator(mode="after")
    def _cut_offs_ascend(self) -> Self:
        are_shares = [isinstance(cut, float) for cut in (self.validation, self.test)]
        if are_shares[0] == are_shares[1] and not self.cuts[0] < self.cuts[1]:
            raise ValueError(
                f"temporal.validation ({self.validation}) must lie before "
                f"temporal.test ({self.test})"
            )
        return self

    @property
    def cuts(self) -> tuple[float | int, float | int]:
        """Both cut-offs: shares as floats, dates as whole seconds since 1970 (UTC)."""
        validation, test = (
            cut if isinstance(cut, float) else _seconds(cut)
            for cut in (self.validation, self.test)
        )
        return validation, test

    def cut_offs(self, kept: ir.Table) -> dict[str, ir.IntegerScalar]:
        cuts = zip((VALIDATION, TEST), self.cuts, strict=True)
        return {name: cut_off(kept, at) for name, at in cuts}

    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        first = self.cut_offs(kept)
        return kept.mutate(
            split=ibis.cases(
                (kept.timestamp >= first[TEST], TEST),
                (kept.timestamp >= first[VALIDATION], VALIDATION),
                else_=TRAIN,
            )
        )


def _seconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp())


def cut_off(kept: ir.Table, at: float | int) -> ir.IntegerScalar:
    """Return a cut-off in seconds since 1970 (UTC).

    Args:
        kept: `timestamp` (int64, seconds) and `event_id` (unique).
        at: seconds as an int, or as a float in (0, 1) the share of the interactions in
            order of time that come before.
    """
    if isinstance(at, int):
        return ibis.literal(at, "int64")
    in_time = kept.select(
        "timestamp",
        rank=ibis.row_number().over(order_by=["timestamp", "event_id"]),
        n=kept.event_id.count().over(),
    )
    first_after = in_time.filter(_.rank == (_.n * at).floor().cast("int64"))
    return first_after.select("timestamp").as_scalar()


class HeldOut(SplitKind):
    """Random shares that are held out, each rounded to whole rows."""

    is_random: ClassVar[bool] = True
    remedy: ClassVar[str] = (
        "Shares are rounded to whole rows: raise the share, or bring more data"
    )

    validation: float = Field(ge=0, lt=1, description="share for validation; 0: none")
    test: Share = Field(description="share for test")

    @model_validator(mode="after")
    def _training_keeps_some(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation + test is {self.validation + self.test}, so that nothing "
                "is left to train on; set shares with a sum below 1"
            )
        return self

    def roles(self, rows: ir.Table, key: str, *, seed: int, purpose: str) -> ir.Table:
        """Return rows in random order with `role`: test first, then validation.

        Args:
            rows: what is held out, one row each.
            key: its unique column, which the random order depends on.
            seed: seed of the order.
            purpose: see `random_key`.
        """
        order = [random_key(rows[key], seed=seed, purpose=purpose), rows[key]]
        ranked = rows.mutate(
            _rank=ibis.row_number().over(order_by=order), _n=rows[key].count().over()
        )
        n_test = (ranked["_n"] * self.test + 0.5).floor()
        n_validation = (ranked["_n"] * self.validation + 0.5).floor()
        role = ibis.cases(
            (ranked["_rank"] < n_test, TEST),
            (ranked["_rank"] < n_test + n_validation, VALIDATION),
            else_=TRAIN,
        )
        return ranked.mutate(role=role).drop("_rank", "_n")


class RandomInteractions(HeldOut):
    """Shares of all interactions, whichever the user and the time."""

    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        roles = self.roles(kept, "event_id", seed=seed, purpose="random")
        return roles.rename(split="role")


class NewUsers(HeldOut):
    """Shares of the users with two interactions or more, held out whole.

    The oldest interactions of a held-out user are given, the others are targets; at
    least one is given and one is a target.
    """

    given: Share = Field(
        description="share of a held-out user's interactions that is given, rounded "
        "down"
    )

    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        users = kept.group_by("user_id").agg(_n_own=_.event_id.count())
        eligible = users.filter(_["_n_own"] >= MIN_HELD_OUT)
        roles = self.roles(eligible, "user_id", seed=seed, purpose="new_users")
        rows = kept.left_join(roles.select("user_id", "_n_own", "role"), "user_id")
        n_given = (rows["_n_own"] * self.given).floor().clip(1, rows["_n_own"] - 1)
        split = ibis.cases(
            (rows["role"].fill_null(TRAIN) == TRAIN, TRAIN),
            (rows.position < n_given, GIVEN),
            else_=rows["role"],
        )
        return rows.select(*kept.columns, split=split)


class NewItems(HeldOut):
    """Shares of the items, held out whole: all their interactions are targets."""

    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        items = kept.select("item_id").distinct()
        roles = self.roles(items, "item_id", seed=seed, purpose="new_items")
        splits = roles.select("item_id", split="role")
        return kept.inner_join(splits, "item_id").select(*kept.columns, "split")

    def history_splits(self, target: str) -> tuple[str, ...]:
        """Return training and given interactions: items of validation are new too."""
        return (TRAIN, GIVEN)


class NoSplit(SplitKind):
    """Nothing is held out: all interactions are trained on, and none is evaluated."""

    holds_out: ClassVar[bool] = False
    remedy: ClassVar[str] = "Bring data with interactions"

    def assign(self, kept: ir.Table, *, seed: int) -> ir.Table:
        return kept.mutate(split=ibis.literal(TRAIN, "string"))


class Split(OneOf[SplitKind]):
    """Which interactions are held out: `kind` names one of the groups."""

    seed: int = Field(description="seed of a random split")
    # These two have no options, and so no group in the parameters.
    none: NoSplit = Field(default=NoSplit(), exclude=True)
    leave_one_out: LeaveOneOut = Field(default=LeaveOneOut(), exclude=True)
    temporal: Temporal
    random: RandomInteractions
    new_users: NewUsers
    new_items: NewItems

    def assign(self, kept: ir.Table) -> ir.Table:
        """Return the kept interactions with `split`; see `SplitKind.assign`."""
        return self.chosen.assign(kept, seed=self.seed)

    def require_times(self, *, timed: bool) -> None:
        """Refuse a split by time for data without times.

        Args:
            timed: whether the data have times.

        Raises:
            ValueError: the chosen kind needs times.
        """
        if self.chosen.needs_times and not timed:
            others = [kind for kind in self.kinds() if not self._needs_times(kind)]
            raise ValueError(
                f"sequencing.split.kind is {self.kind}, which needs times, but the "
                "data have none (ingestion.columns.interactions.timestamp is null); "
                f"choose one of {', '.join(others)}: random suits data without order"
            )

    def require_rows(self, split_interactions: ir.Table) -> None:
        """Refuse a split that leaves nothing for training or for test.

        Args:
            split_interactions: `user_id`, `item_id` and `split`.

        Raises:
            ValueError: no interaction is for training, or none for test although the
                kind holds some out.
        """
        names = (TRAIN, TEST) if self.chosen.holds_out else (TRAIN,)
        rows = split_interactions
        counts = rows.agg(
            interactions=rows.count(),
            users=rows.user_id.nunique(),
            items=rows.item_id.nunique(),
            **{name: (rows.split == name).cast("int64").sum() for name in names},
        )
        (found,) = counts.to_pyarrow().to_pylist()
        for name in names:
            if not found[name]:
                raise ValueError(self._refuse(name, found))

    def _refuse(self, name: str, found: Mapping[str, int]) -> str:
        """Return the message for a split that leaves nothing for `name`."""
        options = self.chosen.model_dump(mode="json")
        use = "training" if name == TRAIN else name
        return (
            f"sequencing.split.kind: {self.kind}{f' {options}' if options else ''} "
            f"leaves none of {found['interactions']} interactions for {use} "
            f"({found['users']} users, {found['items']} items). "
            f"{self.chosen.remedy}, or choose another kind"
            f"{'' if name == TRAIN else '; none trains on all of them'}"
        )

    def _needs_times(self, kind: str) -> bool:
        part: SplitKind = getattr(self, kind)
        return part.needs_times
