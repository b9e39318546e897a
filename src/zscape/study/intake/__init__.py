"""What is brought in: files, shards and things of Python, read by processes that may die of it."""
