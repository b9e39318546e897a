"""How likely things are: modules that return distributions, and the distributions they return.

Nothing here knows networks, models, objectives or where data came from.
"""
