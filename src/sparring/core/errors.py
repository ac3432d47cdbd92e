"""What can go wrong, in words that say what was expected, what came and what to do."""


class SparringError(Exception):
    """Base of all errors that a caller can cause or mend."""


class InvalidSpec(SparringError):
    """A setting, recipe key or name that nothing here understands."""


class InvalidCases(SparringError):
    """Cases that cannot be measured: empty, NaN, outside the box, labels outside the classes."""


class Incompatible(SparringError):
    """Parts that do not fit: an attack that needs more of the target than the target offers."""


class BadTarget(SparringError):
    """A target that broke its contract: NaN, another batch size, a shape that nobody asked for."""


class UnsafeWeights(SparringError):
    """A weights file that would run code on loading."""


class MissingData(SparringError):
    """A data set that was found in none of the places that were tried."""


class MissingExtra(SparringError):
    """An optional dependency that is not installed; the message is the command to type."""


class RunMismatch(SparringError):
    """A stored run asked to continue under other settings."""


class NotHeldOut(SparringError):
    """A family that is both trained on and held out."""


class Diverged(SparringError):
    """A training whose loss stopped being finite."""


class BudgetSpent(SparringError):
    """A budget of tokens, requests or seconds that ran out; what was answered before is kept."""
