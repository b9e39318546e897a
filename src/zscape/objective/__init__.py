"""Numbers to minimise, read off a trace; it knows no data, no optimiser and no disk."""
