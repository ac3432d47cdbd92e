"""The settings of attacks that swap tokens are checked in one place."""

import pytest

from sparring.attack.prompt.gcg import GCG
from sparring.attack.prompt.universal_gcg import UniversalGCG
from sparring.core.errors import InvalidSpec


@pytest.mark.parametrize("kind", [GCG, UniversalGCG])
@pytest.mark.parametrize("name", ["steps", "candidates", "topk", "replace", "length", "every"])
def test_numbers_below_one_are_refused(kind, name):
    with pytest.raises(InvalidSpec, match=rf"{kind.__name__} needs .*{name}.* of 1 or more; got {name}: 0\."):
        kind(**{name: 0})


@pytest.mark.parametrize("kind", [GCG, UniversalGCG])
def test_a_start_of_spaces_is_refused(kind):
    with pytest.raises(InvalidSpec, match=f"{kind.__name__} needs a start that is no space; got ' '"):
        kind(start=" ")
