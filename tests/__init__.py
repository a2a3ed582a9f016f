"""The tests, a package so that `tests.lab` is this one whatever else is installed."""
