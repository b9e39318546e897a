"""One training run: batches, steps, records and states; it knows no disk."""
