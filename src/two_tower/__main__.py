"""Command line of the packaged project: `python -m two_tower` is `kedro run`."""

from pathlib import Path

from kedro.framework.project import configure_project

from two_tower.cli import run


def main() -> None:
    """Run `kedro run` of this package with the arguments of the command line."""
    configure_project(Path(__file__).parent.name)
    run()


if __name__ == "__main__":
    main()
