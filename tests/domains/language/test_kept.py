"""What was made once is read from the cache, and other settings make something else."""

import torch

from sparring.domains.language.kept import kept
from sparring.domains.language.toy import toy_open_chat


def shifted(base, by: float):
    made = []

    def make(folder):
        made.append(folder)
        other = base.copy()
        with torch.no_grad():
            for weight in other.model.parameters():
                weight.add_(by)
        return other

    return make, made


def test_is_made_once_and_read_afterwards_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    base = toy_open_chat()
    make, made = shifted(base, 0.5)
    first = kept("toys", base, (1,), make, "shifted")
    second = kept("toys", base, (1,), make, "shifted")
    assert len(made) == 1 and first.name == second.name == "shifted"
    assert first.fingerprint() == second.fingerprint() != base.fingerprint()
    kept("toys", base, (2,), make, "shifted")
    assert len(made) == 2
