"""Evidence: the ledger is the truth; known resources and the DuckDB files are rebuilt from it."""
