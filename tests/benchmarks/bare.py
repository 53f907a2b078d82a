"""Run `benchmarks.gpu` as on a machine with nothing but the packages that it names."""

import builtins
import runpy
import sys
from importlib.abc import MetaPathFinder

# Rich comes with Keras.
MAY_IMPORT = {"jax", "keras", "numpy", "pyarrow", "pydantic", "rich", "tensorflow"}
OWN = {"__main__", "benchmarks", "two_tower"}
# Packages that the project needs elsewhere, and that libraries look for.
ABSENT = {
    "annoy",
    "duckdb",
    "ibis",
    "kedro",
    "kedro_datasets",
    "omegaconf",
    "pandas",
    "plotly",
    "sqlglot",
    "yaml",
}

usual_import = builtins.__import__


class Absent(MetaPathFinder):
    """Reports packages as not installed."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname in ABSENT:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def guarded_import(name, globals=None, locals=None, fromlist=(), level=0):
    """Import a module, unless our own code imports a package that is not allowed."""
    importer = (globals or {}).get("__name__", "").partition(".")[0]
    package = name.partition(".")[0]
    allowed = MAY_IMPORT | OWN | sys.stdlib_module_names
    if level == 0 and importer in OWN and package not in allowed:
        raise ImportError(f"{importer} imports {name}, which a bare machine lacks")
    return usual_import(name, globals, locals, fromlist, level)


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    builtins.__import__ = guarded_import
    runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
