"""`python -m gitrelease`: the same as the `gitrelease` command."""

from gitrelease.cli import main

if __name__ == "__main__":
    main()
