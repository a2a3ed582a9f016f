"""One module a format. A report is a pure function of a stored run."""
