"""One verb a file: parse, ask, print, exit code. Kept empty of imports: hooks must start fast."""
