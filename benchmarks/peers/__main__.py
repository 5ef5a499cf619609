"""Error rates and speed of other matchers: ``python -m benchmarks.peers FOLDER... [--kind templates]``; see the package."""

from __future__ import annotations

import argparse
from dataclasses import astuple, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.accuracy import EMPTY, read_folder
from benchmarks.peers import Rates, available, compare_all, rates, speed
from matcher.extraction import Extractor


def main() -> None:
    """Read, compare, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Error rates and speed of other matchers on folders of real prints.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="<finger>_<impression>.<extension>")
    parser.add_argument("--kind", choices=("images", "templates"), default="images")
    parser.add_argument("--dpi", type=float, help="resolution of images that no MANIFEST.tsv lists")
    arguments = parser.parse_args()
    extractor = Extractor() if arguments.kind == "images" else None
    prints = [each for folder in arguments.folders for each in read_folder(folder, arguments.dpi, extractor)]
    templates = [print_.template or EMPTY for print_ in prints]
    table = Table(*(field.name for field in fields(Rates)), "comparisons/s/core")
    peers, reasons = available()
    for peer in peers:
        name, *shares = astuple(rates(peer.name, prints, compare_all(peer, prints)))
        table.add_row(
            name, *(f"{100 * share:.2f} %" for share in shares), f"{speed(peer, templates[::16], templates):,.0f}"
        )
    Console(width=120).print(table)
    print(*reasons, machine.describe(), sep="\n")


if __name__ == "__main__":
    main()
