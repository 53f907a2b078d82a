"""Command line of the packaged project: `python -m two_tower` is `kedro run`."""

import sys
from pathlib import Path

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main() -> None:
    """Run `kedro run` of this package with the arguments of the command line."""
    package = Path(__file__).parent.name
    configure_project(package)
    run = find_run_command(package)
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
