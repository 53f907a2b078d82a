from datetime import UTC, datetime

import numpy as np
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.sessions import sample_schedule
from two_tower.simulation.users import sample_users


def _schedule(**changes):
    recipe = small_recipe(**{"users_per_chunk": 300} | changes)
    return sample_schedule(recipe, sample_users(recipe, 0), 0)


def _within_users(schedule, values):
    """Return the differences between consecutive values of one user."""
    return np.diff(values)[np.diff(schedule.user) == 0]


def test_timestamps_never_fall_and_stay_in_the_timeline():
    schedule = _schedule()
    assert (_within_users(schedule, schedule.timestamp) >= 0).all()
    start = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
    end = datetime(2003, 1, 2, tzinfo=UTC).timestamp()  # the last session may run over
    assert schedule.timestamp.min() >= start
    assert schedule.timestamp.max() < end


def test_the_month_is_that_of_the_sessions_first_rating():
    schedule = _schedule()
    starts = np.flatnonzero(np.diff(schedule.session, prepend=-1) != 0)
    moments = schedule.timestamp[starts].astype("datetime64[s]").astype("datetime64[M]")
    months = (moments - np.datetime64("2000-01")).astype(int)
    agree = months == schedule.month[starts]
    assert agree.mean() > 0.99  # a session may be delayed past the end of its month


@pytest.mark.parametrize("ties", [0.0, 0.5])
def test_the_given_share_of_ratings_has_tied_timestamps(ties):
    schedule = _schedule(sessions={"ties": ties})
    inside = _within_users(schedule, schedule.session) == 0
    gaps = _within_users(schedule, schedule.timestamp)[inside]
    assert np.mean(gaps == 0) == pytest.approx(ties, abs=0.03)


def test_sessions_have_the_given_length_and_long_gaps_between_them():
    schedule = _schedule(sessions={"length": 10})
    n_sessions = np.count_nonzero(np.diff(schedule.session, prepend=-1))
    # The last session of a history is cut short.
    assert 7 < len(schedule.user) / n_sessions < 10
    starts = _within_users(schedule, schedule.session) == 1
    gaps = _within_users(schedule, schedule.timestamp)
    assert np.median(gaps[starts]) > 86_400
    assert gaps[~starts].max() < 3_600


def test_a_session_has_one_interest_of_its_user():
    recipe = small_recipe(users_per_chunk=300)
    users = sample_users(recipe, 0)
    schedule = sample_schedule(recipe, users, 0)
    same_session = _within_users(schedule, schedule.session) == 0
    changes = _within_users(schedule, schedule.interest) != 0
    assert not changes[same_session].any()
    assert changes[~same_session].mean() > 0.3
    own = users.interests[schedule.user] == schedule.interest[:, None]
    assert own.any(axis=1).all()


def _share_unchanged(drift):
    """Return the share of users whose first and last session have equal interests."""
    schedule = _schedule(users={"drift": drift, "lifetime_days": 900})
    ends = np.append(np.flatnonzero(np.diff(schedule.user)), len(schedule.user) - 1)
    starts = np.append(0, ends[:-1] + 1)
    return np.mean(schedule.interest[starts] == schedule.interest[ends])


def test_interests_drift_with_the_given_strength():
    # Two samples of eight interests with Dirichlet(2) weights agree in 1 of 5.7 cases.
    assert _share_unchanged(0.0) == pytest.approx(1 / 5.7, abs=0.08)

    assert _share_unchanged(8.0) < 0.05


def test_interests_have_their_seasons():
    scary = [row for row, one in enumerate(INTERESTS) if one.month == 10]
    schedule = _schedule(n_users=600, n_ratings=18_000, sessions={"seasons": 0.9})
    of_year = schedule.month % 12 + 1
    is_scary = np.isin(schedule.interest, scary)
    autumn = is_scary[np.isin(of_year, [9, 10, 11])].mean()
    assert autumn > 2 * is_scary[np.isin(of_year, [3, 4, 5])].mean()


def test_winters_have_more_ratings_than_summers():
    recipe = {"n_users": 600, "n_ratings": 18_000, "users_per_chunk": 600}
    schedule = _schedule(sessions={"seasons": 0.9}, **recipe)
    of_year = schedule.month % 12 + 1
    winter, summer = np.isin(of_year, [12, 1, 2]), np.isin(of_year, [6, 7, 8])
    assert winter.sum() > 1.3 * summer.sum()
