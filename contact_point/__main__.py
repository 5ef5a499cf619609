"""`python -m contact_point` is `pcsc`."""

from contact_point.cli import main

if __name__ == "__main__":
    main()
