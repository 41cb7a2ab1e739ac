"""One verb a file: parse, ask, print, exit code."""
