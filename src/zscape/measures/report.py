"""placeholder."""


def report(space, log, *, study, notes):
    return "<p>pending</p>"
