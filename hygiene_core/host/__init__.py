"""Everything that touches a host. Probes read; nothing in here decides."""
