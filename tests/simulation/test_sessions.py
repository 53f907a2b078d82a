from datetime import UTC, datetime

import numpy as np
import pytest

from tests.simulation.recipes import small_recipe
from two_tower.simulation.latent_interests import INTERESTS
from two_tower.simulation.sessions import make_schedule
from two_tower.simulation.users import make_people


def _schedule(**changes):
    recipe = small_recipe(**{"users_per_chunk": 300} | changes)
    return make_schedule(recipe, make_people(recipe, 0), 0)


def _within_users(schedule, values):
    """Return the differences of neighbours that belong to one user."""
    return np.diff(values)[np.diff(schedule.user) == 0]


def test_time_never_runs_back_and_stays_in_the_timeline():
    schedule = _schedule()
    assert (_within_users(schedule, schedule.timestamp) >= 0).all()
    begin = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
    end = datetime(2003, 1, 2, tzinfo=UTC).timestamp()  # a last session may run over
    assert schedule.timestamp.min() >= begin
    assert schedule.timestamp.max() < end


def test_a_month_is_that_of_the_first_rating_of_its_session():
    schedule = _schedule()
    starts = np.flatnonzero(np.diff(schedule.session, prepend=-1) != 0)
    moments = schedule.timestamp[starts].astype("datetime64[s]").astype("datetime64[M]")
    months = (moments - np.datetime64("2000-01")).astype(int)
    agree = months == schedule.month[starts]
    assert agree.mean() > 0.99  # but where a session was pushed over a month's end


@pytest.mark.parametrize("ties", [0.0, 0.5])
def test_the_share_asked_for_has_the_second_of_the_rating_before(ties):
    schedule = _schedule(sessions={"ties": ties})
    inside = _within_users(schedule, schedule.session) == 0
    gaps = _within_users(schedule, schedule.timestamp)[inside]
    assert np.mean(gaps == 0) == pytest.approx(ties, abs=0.03)


def test_sessions_have_the_length_asked_for_and_lie_apart():
    schedule = _schedule(sessions={"length": 10})
    n_sessions = np.count_nonzero(np.diff(schedule.session, prepend=-1))
    # A history's end cuts its last session short.
    assert 7 < len(schedule.user) / n_sessions < 10
    starts = _within_users(schedule, schedule.session) == 1
    gaps = _within_users(schedule, schedule.timestamp)
    assert np.median(gaps[starts]) > 86_400
    assert gaps[~starts].max() < 3_600


def test_a_session_follows_one_interest_of_its_user():
    recipe = small_recipe(users_per_chunk=300)
    people = make_people(recipe, 0)
    schedule = make_schedule(recipe, people, 0)
    same_session = _within_users(schedule, schedule.session) == 0
    changes = _within_users(schedule, schedule.interest) != 0
    assert not changes[same_session].any()
    assert changes[~same_session].mean() > 0.3
    own = people.interests[schedule.user] == schedule.interest[:, None]
    assert own.any(axis=1).all()


def _kept(drift):
    """Return how often users follow at the end what they followed at first."""
    schedule = _schedule(users={"drift": drift, "lifetime_days": 900})
    ends = np.append(np.flatnonzero(np.diff(schedule.user)), len(schedule.user) - 1)
    starts = np.append(0, ends[:-1] + 1)
    return np.mean(schedule.interest[starts] == schedule.interest[ends])


def test_interests_drift_as_strongly_as_asked():
    # Eight interests by Dirichlet weights of 2 meet by chance in 1 of 5.7 pairs.
    assert _kept(0.0) == pytest.approx(1 / 5.7, abs=0.08)
    assert _kept(8.0) < 0.05


def test_interests_have_their_seasons():
    scary = [row for row, one in enumerate(INTERESTS) if one.month == 10]
    schedule = _schedule(n_users=600, n_ratings=18_000, sessions={"seasons": 0.9})
    of_year = schedule.month % 12 + 1
    is_scary = np.isin(schedule.interest, scary)
    autumn = is_scary[np.isin(of_year, [9, 10, 11])].mean()
    assert autumn > 2 * is_scary[np.isin(of_year, [3, 4, 5])].mean()


def test_winters_are_busier():
    recipe = {"n_users": 600, "n_ratings": 18_000, "users_per_chunk": 600}
    schedule = _schedule(sessions={"seasons": 0.9}, **recipe)
    of_year = schedule.month % 12 + 1
    winter, summer = np.isin(of_year, [12, 1, 2]), np.isin(of_year, [6, 7, 8])
    assert winter.sum() > 1.3 * summer.sum()
