"""Run the packaged project: `python -m two_tower`."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main() -> None:
    """Hand the command line to `kedro run` of this package."""
    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    run(*sys.argv[1:], standalone_mode=True)


if __name__ == "__main__":
    main()
