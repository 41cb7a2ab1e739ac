"""`python -m gitrelease.front`: the front without TLS, which it never speaks; asyncio would load it, 4 MB of it."""

import sys

if __name__ == "__main__":
    sys.modules["ssl"] = None  # type: ignore[assignment]  # for asyncio it is not there
    from gitrelease.front.run import main

    main(sys.argv[1:])
