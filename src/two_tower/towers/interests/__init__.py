"""The parts of the user tower of several interests, one job each."""
