"""Image targets: any torch module, a Hugging Face classifier, or a black box that gives scores or labels."""

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from sparring.core.cases import Cases
from sparring.core.errors import BadTarget, InvalidCases, InvalidSpec
from sparring.core.goal import Goals
from sparring.core.panel import Panel
from sparring.core.target import Labelled, Scored, Trainable
from sparring.domains.image.exhibit import exhibit


class _Shown(Labelled):
    """Shows what broke an image classifier as pictures."""

    class_names: Sequence[str] | None = None

    def exhibit(self, cases: Cases, attempts: Any) -> list[tuple[Panel, ...]]:
        answers = self.respond(cases.inputs), self.respond(attempts)
        return exhibit(cases.inputs, attempts, *answers, self.class_names)


class Classifier(_Shown, Trainable, Scored):
    """A torch module that maps images (batch, channel, height, width) to logits (batch, class).

    Inputs are in the threat's units (usually [0, 1]); normalisation belongs in here, so that a radius means the same
    for every model. Any input rank works.

    Args:
        net: the module; it stays in the caller's hands and is never changed.
        classes: number of logits.
        mean, std: one number per channel; the net sees `(input - mean) / std`.
        autocast: a number type for the forward pass, such as torch.bfloat16; logits come back as float32.
        channels_last: memory format of the images on the way in.
        compile: run the net through torch.compile.
        replays: False for a net that draws random numbers as it answers.
        class_names: for pictures and captions.
        name: for tables.

    Raises:
        InvalidSpec: if there are fewer than two classes.
    """

    def __init__(
        self,
        net: nn.Module,
        classes: int,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        autocast: torch.dtype | None = None,
        channels_last: bool = False,
        compile: bool = False,
        replays: bool = True,
        class_names: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        if classes < 2:
            raise InvalidSpec(f"a classifier needs 2 classes or more; got {classes}.")
        self.module = net
        self.classes = classes
        self.mean, self.std = mean, std
        self.autocast = autocast
        self.channels_last = channels_last
        self.replays = replays
        self.class_names = class_names
        self.name = name or type(net).__name__
        self._training = False
        self._compile = compile
        self._call = torch.compile(net) if compile else net

    @property
    def device(self) -> torch.device:
        parameter = next(self.module.parameters(), None)
        return parameter.device if parameter is not None else torch.device("cpu")

    def forward(self, inputs: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (inputs.ndim - 2))
        if self.mean is not None:
            inputs = inputs - inputs.new_tensor(self.mean).view(shape)
        if self.std is not None:
            inputs = inputs / inputs.new_tensor(self.std).view(shape)
        if self.channels_last and inputs.ndim == 4:
            inputs = inputs.to(memory_format=torch.channels_last)
        mixed = torch.autocast(inputs.device.type, self.autocast) if self.autocast else contextlib.nullcontext()
        with contextlib.nullcontext() if self._training else evaluating(self.module), mixed:
            logits = self._call(inputs)
        if logits.ndim != 2 or logits.shape[1] != self.classes:
            raise BadTarget(
                f"{self.name} must give logits of shape (batch, {self.classes}); got {tuple(logits.shape)}. "
                "Set classes to the number of outputs."
            )
        return logits.float()

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Inside, forwards run in training mode (batch statistics, dropout); modes are restored after."""
        modes = [(module, module.training) for module in self.module.modules()]
        self.module.train()
        self._training = True
        try:
            yield
        finally:
            self._training = False
            for module, mode in modes:
                module.training = mode

    def place(self, cases: Cases) -> Cases:
        inputs = _tensor(cases.inputs).to(self.device)
        return replace(cases, inputs=inputs, goals=_to(_naming(cases.goals), self.device))

    def check(self, cases: Cases) -> None:
        check_labels(cases, self.classes)

    def copy(self) -> "Self":
        twin = type(self)(
            copy.deepcopy(self.module), self.classes, mean=self.mean, std=self.std, autocast=self.autocast,
            channels_last=self.channels_last, compile=self._compile, replays=self.replays,
            class_names=self.class_names, name=self.name,
        )  # fmt: skip
        twin.lineage = self.lineage
        return twin

    def fingerprint(self) -> str:
        return digest_of(self.module, f"{self.classes}{self.mean}{self.std}{self.autocast}")


class BlackBox(_Shown, Scored):
    """A Python callable that gives scores, (batch, class): a scikit-learn pipeline's `predict_proba`, a remote model.

    Args:
        function: takes a float32 numpy array (batch, ...) and returns scores.
        classes: number of scores.
        replays: False if the same input can get different scores.
        name: for tables.
    """

    def __init__(
        self, function: Callable[[np.ndarray], Any], classes: int, *, replays: bool = True, name: str | None = None
    ) -> None:
        self.function, self.classes, self.replays = function, classes, replays
        self.name = name or getattr(function, "__name__", "black box")

    def respond(self, inputs: Tensor) -> Tensor:
        scores = torch.as_tensor(np.asarray(self.function(_array(inputs))), dtype=torch.float32)
        if scores.ndim != 2 or scores.shape[1] != self.classes:
            raise BadTarget(
                f"{self.name} must give scores of shape (batch, {self.classes}); got {tuple(scores.shape)}. "
                "For a function that gives labels only, use LabelBox."
            )
        return scores

    def place(self, cases: Cases) -> Cases:
        return replace(cases, inputs=_tensor(cases.inputs), goals=_naming(cases.goals))

    def check(self, cases: Cases) -> None:
        check_labels(cases, self.classes)


class LabelBox(_Shown):
    """A Python callable that gives only labels, (batch,): a scikit-learn pipeline's `predict`.

    Args:
        function: takes a float32 numpy array (batch, ...) and returns integer labels.
        classes: how many there are.
        replays: False if the same input can get different labels.
        name: for tables.
    """

    def __init__(
        self, function: Callable[[np.ndarray], Any], classes: int, *, replays: bool = True, name: str | None = None
    ) -> None:
        self.function, self.classes, self.replays = function, classes, replays
        self.name = name or getattr(function, "__name__", "label box")

    def respond(self, inputs: Tensor) -> Tensor:
        labels = torch.as_tensor(np.asarray(self.function(_array(inputs))))
        if labels.ndim != 1 or labels.is_floating_point():
            raise BadTarget(
                f"{self.name} must give integer labels of shape (batch,); got {tuple(labels.shape)} of {labels.dtype}. "
                "For a function that gives scores, use BlackBox."
            )
        return labels.long()

    def place(self, cases: Cases) -> Cases:
        return replace(cases, inputs=_tensor(cases.inputs), goals=_naming(cases.goals))

    def check(self, cases: Cases) -> None:
        check_labels(cases, self.classes)


def hugging_face(path: str, **settings: Any) -> Classifier:
    """A Hugging Face image classifier, from a folder or a name, with its processor's normalisation inside.

    Weights load from safetensors only and no remote code runs. Images come in [0, 1] at the model's own size.

    Raises:
        MissingExtra: if transformers is not installed.
    """
    try:
        from transformers import AutoConfig, AutoModelForImageClassification
    except ImportError as error:
        from sparring.core.errors import MissingExtra

        raise MissingExtra("Hugging Face models need transformers: pip install 'sparring[hf]'") from error
    import json
    from pathlib import Path

    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    model = AutoModelForImageClassification.from_pretrained(path, use_safetensors=True, trust_remote_code=False)
    processor = Path(path) / "preprocessor_config.json"
    saved = json.loads(processor.read_text()) if processor.exists() else {}
    normalise = saved.get("do_normalize", bool(saved))
    settings.setdefault("mean", saved.get("image_mean") if normalise else None)
    settings.setdefault("std", saved.get("image_std") if normalise else None)
    settings.setdefault("name", Path(path).name)
    return Classifier(_Logits(model), int(config.num_labels or 0), **settings)


class _Logits(nn.Module):
    """A Hugging Face model as a plain module: pixels in, logits out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(pixel_values=inputs).logits


def digest_of(module: nn.Module, settings: str) -> str:
    """Sixteen hexadecimal digits of a net's weights and of what else decides its answers."""
    hashed = hashlib.sha256(settings.encode())
    for key, value in module.state_dict().items():
        hashed.update(key.encode())
        hashed.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()[:16]


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Every submodule in evaluation mode inside, and in the mode it had before after."""
    awake = [part for part in module.modules() if part.training]
    for part in awake:
        part.training = False
    try:
        yield
    finally:
        for part in awake:
            part.training = True


def check_labels(cases: Cases, classes: int) -> None:
    """Raises InvalidCases if a label (or a target class) is not one of the classes."""
    for what in ("labels", "targets"):
        values = getattr(cases.goals, what, None)
        if values is None or len(values) == 0:
            continue
        bad = ((values < 0) | (values >= classes)).nonzero()
        if len(bad):
            first = int(bad[0])
            raise InvalidCases(
                f"{what} must lie in 0 to {classes - 1}; case {cases.ids[first]} has {int(values[first])}. "
                "Set classes to the model's number of outputs or mend the data."
            )


def _tensor(inputs: Any) -> Tensor:
    """Float32 from a tensor, an array, or anything that numpy can read, such as a lazy source."""
    return inputs.float() if isinstance(inputs, Tensor) else torch.from_numpy(np.asarray(inputs, dtype=np.float32))


def _array(inputs: Tensor) -> np.ndarray:
    return inputs.detach().cpu().numpy()


def _naming(goals: Any) -> Any:
    """The goals as they face a target that always names a class, wherever they were placed before."""
    return goals.facing(None) if isinstance(goals, Goals) else goals


def _to(goals: Any, device: torch.device) -> Any:
    fields = {name: value.to(device) for name, value in vars(goals).items() if isinstance(value, Tensor)}
    return replace(goals, **fields) if fields else goals
