"""Measurements that are no tests: they take long and compare with other libraries."""
