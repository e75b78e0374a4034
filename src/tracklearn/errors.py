"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Something outside the code is wrong: data, configuration, disk or network.

    The message is one line that names the thing, its value, what was expected and the remedy. Stages print it
    without a traceback; every other exception is a bug and keeps its own.
    """
