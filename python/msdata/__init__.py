"""Did each requested identity survive? Data sets for multi-subject text-to-image evaluation.

    import msdata

    data = msdata.open("stress-test")
    data.report(by=["model", "scene_type"], ci=95).to_pandas()
    data.compare("MOSAIC", "PSR")
    data.show()

The work is done by the program `msdata`, which this package runs. A method is a command, and its keyword arguments are
the command's flags: `data.report(thresholds=[0.4, 0.5], controls=True)` is
`msdata report --thresholds 0.4,0.5 --controls`. `msdata help report` explains them.
"""

from __future__ import annotations

from os import PathLike

from ._program import DataWarning, Error, Flag, IncompleteWarning, Summary, run
from .dataset import Dataset
from .results import Figure, Page, Table
from .worker import Worker

__all__ = [
    "DataWarning",
    "Dataset",
    "Error",
    "Figure",
    "Flag",
    "IncompleteWarning",
    "Page",
    "Summary",
    "Table",
    "Worker",
    "demo",
    "init",
    "open",
]


def open(path: str | PathLike[str]) -> Dataset:
    """Returns the data set in a directory.

    Raises Error where there is none.
    """
    data = Dataset(path)
    data.sql("SELECT 1")
    return data


def init(path: str | PathLike[str], **flags: Flag) -> Dataset:
    """Makes an empty data set in a directory and returns it; a directory that does not exist is made."""
    data = Dataset(path)
    run(["init"], flags, data.path)
    return data


def demo(path: str | PathLike[str]) -> Dataset:
    """Draws a stress test of 675 images into a new or empty directory, embeds, scores and reports it, and returns the
    data set. It takes a minute or two."""
    data = Dataset(path)
    run(["demo"], {}, data.path)
    return data
