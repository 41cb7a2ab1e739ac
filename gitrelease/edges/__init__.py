"""One outside thing each, no policy."""
