"""What can go wrong, in one sentence for the person who ran it.

Every error carries the exit code of the command line. A message names the file, says what is wrong
and what to do; it is printed as it is, without a stack trace.
"""


class GypsumError(Exception):
    """Base of all errors that are explained to the user rather than shown as a stack trace."""

    exit_code = 3


class InputError(GypsumError):
    """What the user gave can't be used: files, folders, options, the output's place."""

    exit_code = 2


class ReconstructionError(GypsumError):
    """The input is readable but no model could be made of it."""

    exit_code = 3


class ResourceError(GypsumError):
    """The machine ran out of disk, memory or permission while working."""

    exit_code = 3
