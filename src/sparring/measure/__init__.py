"""Measure: `sparring.measure(...)` is the function; its parts are this folder's files."""

import sys
from types import ModuleType
from typing import Any


class _Measure(ModuleType):
    """The folder and the function share a name, so the folder can be called."""

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        from sparring.measure.campaign import measure

        return measure(*arguments, **settings)


sys.modules[__name__].__class__ = _Measure
