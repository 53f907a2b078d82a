"""Run `benchmarks.gpu` as on a machine that has nothing but what it may need."""

import builtins
import runpy
import sys
from importlib.abc import MetaPathFinder

# What comes with Keras is there too: Rich draws its progress bars, and ours.
MAY_IMPORT = {"jax", "keras", "numpy", "pyarrow", "rich", "tensorflow"}
OWN = {"__main__", "benchmarks", "two_tower"}
# What the project needs elsewhere, and libraries try to find.
ABSENT = {
    "annoy",
    "duckdb",
    "ibis",
    "kedro",
    "kedro_datasets",
    "omegaconf",
    "pandas",
    "plotly",
    "pydantic",
    "sqlglot",
    "yaml",
}

usual_import = builtins.__import__


class Absent(MetaPathFinder):
    """Finds that a package isn't installed."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname in ABSENT:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
    """Import a module, unless our own code asks for what it may not need."""
    importer = (globals or {}).get("__name__", "").partition(".")[0]
    asked = name.partition(".")[0]
    allowed = MAY_IMPORT | OWN | sys.stdlib_module_names
    if level == 0 and importer in OWN and asked not in allowed:
        raise ImportError(f"{importer} imports {name}, which a bare machine lacks")
    return usual_import(name, globals, locals, fromlist, level)


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    builtins.__import__ = guarded_import
    runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
