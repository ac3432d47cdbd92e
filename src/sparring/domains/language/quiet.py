"""Keeps the bars, hints and warnings of transformers and peft out of our own output."""

import contextlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, these libraries print nothing but raise as ever; after, they do as before."""
    from transformers.utils import logging

    drawn, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        # One bar, of reading GGUF, knows no switch and goes to stderr.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if drawn:
            logging.enable_progress_bar()
