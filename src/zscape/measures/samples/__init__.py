"""How good samples are: distances between sets of features, and the rows that belong together."""
