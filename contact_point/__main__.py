"""`pcsc`, as a process of its own, which keeps what it holds to itself (Article 9)."""

from __future__ import annotations

import sys

from contact_point import hardening


def main() -> None:
    """Run the command line; what serves first starts again with memory that is overwritten when it is given back."""
    if {"serve", "console"} & set(sys.argv[1:]):
        hardening.begin_wiping()
    hardening.harden()
    from contact_point import cli  # noqa: PLC0415 - the service would load it twice

    try:
        cli.main()
    except Exception:
        hardening.harden()  # again: the command line has put its own way of showing an error, with its values, in place
        raise


if __name__ == "__main__":
    main()
