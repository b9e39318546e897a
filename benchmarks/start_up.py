"""What a person waits for: the help, the demo, and the full grid of rendered sprites."""
