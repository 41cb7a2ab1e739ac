"""`python -m gitrelease.front`: without TLS, which the front never speaks; asyncio would load it, 4 MB of it."""

import sys

if __name__ == "__main__":
    sys.modules["ssl"] = None  # type: ignore[assignment]  # for asyncio it is not there
    sys.modules["_hashlib"] = None  # type: ignore[assignment]  # hashlib has its own digests without OpenSSL's
    from gitrelease.front.run import main

    main(sys.argv[1:])
