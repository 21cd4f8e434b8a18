"""`python -m dnslb` is `dnslb`."""

from dnslb.cli import main

if __name__ == "__main__":
    main()
