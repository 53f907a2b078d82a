"""Lineage: the origin of each dataset, the check that inputs agree, the run record."""
