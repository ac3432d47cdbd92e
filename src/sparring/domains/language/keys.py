"""Keys: read from the environment when they are used, held by no object, and cut out of whatever may repeat them."""

import logging
import os
import re

_NAMED = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)S?$", re.IGNORECASE)
_SECRET = 8  # characters; shorter words are no keys, and would be cut out of ordinary text
_LOGGERS = ("httpx2", "httpcore2.connection", "httpcore2.http11", "openai._base_client")


def key_in(variable: str) -> str:
    """The key in an environment variable; empty where there is none."""
    return os.environ.get(variable, "").strip() if variable else ""


def without(text: str, key: str) -> str:
    """The text with `[key]` in the key's place."""
    return text.replace(key, "[key]") if len(key) >= _SECRET else text


def without_keys(text: str) -> str:
    """The text without any key: of the variables that targets use, and of all whose name says that they hold one."""
    named = {variable for variable in os.environ if _NAMED.search(variable)}
    for key in sorted(map(key_in, named | _KEYLESS.variables), key=len, reverse=True):
        text = without(text, key)
    return text


def keep_out_of_log(variable: str) -> None:
    """From now on the transport's log has no key of this variable, which a careless server's headers may bring there."""
    _KEYLESS.variables.add(variable)
    for logger in _LOGGERS:
        logging.getLogger(logger).addFilter(_KEYLESS)


class _Keyless(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for variable in tuple(self.variables):
            message = without(message, key_in(variable))
        record.msg, record.args = message, ()
        return True


_KEYLESS = _Keyless()
