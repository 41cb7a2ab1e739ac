"""What gitrelease knows of particular apps, as data and plain functions."""
