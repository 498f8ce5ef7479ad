"""What can go wrong, by kind.

Every error that a user can cause derives from `MlpError`, says what was given, what was expected and
what to do instead. Scripts turn an `MlpError` into one line and exit status 2; notebooks show it as it is.
"""


class MlpError(Exception):
    """Base of all errors that tell a user what to change.

    Attributes:
        exit_status: of a script that ends with it.
    """

    exit_status = 2


class ShapeError(MlpError, ValueError):
    """An array has the wrong shape, dtype or range for the layer or loss that received it."""


class ConfigurationError(MlpError, ValueError):
    """A setting (a flag, a constructor argument) is unknown or out of its range."""


class DataError(MlpError):
    """A data set is missing, truncated or not what its name says."""


class CheckpointError(MlpError):
    """A checkpoint or run folder cannot be read, or belongs to another configuration."""


class FolderInUseError(CheckpointError):
    """Another process writes to the run folder. Schedulers may try again later."""

    exit_status = 73  # EX_CANTCREAT of sysexits.h


class StopRequestedError(MlpError):
    """A signal asked for the end of training; what was done is saved, and a resume continues it."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h


class DeviceError(MlpError):
    """The requested device cannot be used, or arrays live on different devices."""


class BackwardError(MlpError, RuntimeError):
    """backward() was called without a forward() whose values it could use."""


class NonFiniteLossError(MlpError, ArithmeticError):
    """The training loss became infinite or NaN."""
