"""Local language models as chat targets: any Hugging Face causal language model, or a GGUF file."""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.seed import Seed, Stream
from sparring.domains.language import loading
from sparring.domains.language.cache import ask_once, key_of
from sparring.domains.language.conversation import Conversation, conversations
from sparring.domains.language.target import OpenChat, Sampling, Unanswered, in_order, seed_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LocalChat(OpenChat):
    """A causal language model on this machine that answers conversations through its chat template.

    Equal conversations get equal replies, whatever else is in the batch: in float32 up to rounding in the last digit,
    in bfloat16 as far as the processor's matrix kernels add in one order for every batch size.

    Args:
        source: a folder with safetensors, a GGUF file, the name of a model at the Hugging Face hub, or
            (model, tokenizer). Weights that would run code are refused; the hub is asked only for a name.
        sampling: how replies are drawn.
        seed: of all draws.
        system: put before every conversation, above what the template adds of its own.
        dtype: `bfloat16`, `float16`, `float32`, or `auto`: bfloat16 where the device multiplies it in hardware.
        seats: rows in a batch, at most.
        device: `cpu`, `cuda`, or `auto`.
        name: for tables.

    Raises:
        InvalidSpec: if there is no model to be had from `source`, or a setting means nothing.
        UnsafeWeights: if loading it would run code.
    """

    replays = True

    def __init__(
        self,
        source: Any,
        *,
        sampling: Sampling = Sampling(),
        seed: Seed | int = 0,
        system: str = "",
        dtype: str = "auto",
        seats: int = 64,
        device: str = "auto",
        name: str | None = None,
    ) -> None:
        if seats < 1:
            raise InvalidSpec(f"a local model needs 1 seat or more in its batch; got {seats}.")
        place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        if isinstance(source, tuple):
            self.model, self.tokenizer = source
            if dtype != "auto":
                self.model.to(loading.number_type(dtype, place))
        else:
            self.model, self.tokenizer = loading.load(source, loading.number_type(dtype, place))
        self.model.to(place).eval()
        self.sampling, self.seed, self.system, self.seats = sampling, Seed.of(seed), system, seats
        self.name = name or (type(self.model).__name__ if isinstance(source, tuple) else Path(source).name)

    def prompt_of(self, asked: Conversation) -> str:
        asked = asked.under(self.system) if self.system else asked
        if any(message.role == "tool" for message in asked) and not self._knows_tools:
            asked = asked.told_by_users()
        messages = [{"role": message.role, "content": message.text} for message in asked.messages]
        if self.tokenizer.chat_template is None:
            return "".join(f"{message['role']}: {message['content']}\n" for message in messages) + "assistant:"
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def reply(self, asked: Sequence[Conversation]) -> list[str | Unanswered]:
        return in_order(self.arriving(asked), len(asked))

    def arriving(self, asked: Sequence[Conversation]) -> Iterator[tuple[int, str | Unanswered]]:
        seeds = [seed_of(self.seed, one) for one in asked]
        for k, text in self._written([self.prompt_of(one) for one in asked], self.sampling, seeds):
            yield k, text.strip() if isinstance(text, str) else text

    def write(self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[Seed]) -> list[str | Unanswered]:
        self.meter.forwards += len(texts)
        wanted = [(text, seed.value) for text, seed in zip(texts, seeds, strict=True)]

        def ask(missing: Sequence[int]) -> Iterator[tuple[int, str | Unanswered]]:
            return self._written([texts[k] for k in missing], sampling, [seeds[k] for k in missing])

        def keys(requests: Sequence[tuple[str, int]]) -> list[bytes]:
            return [key_of(["write", self._weights, asdict(sampling), *request]) for request in requests]

        return ask_once(wanted, keys, ask, self.cache)

    def log_probabilities(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[Tensor]:
        """Of each token of each continuation, given its prompt: float32, shape (token,), without gradients.

        An empty prompt stands for the beginning of a text. One forward per pair is metered.

        Raises:
            InvalidCases: if a pair is longer than the model's window, or the lists are not equally long.
        """
        from sparring.domains.language.scoring import score

        if len(prompts) != len(continuations):
            raise InvalidCases(
                f"scoring needs one continuation per prompt; got {len(prompts)} prompts and "
                f"{len(continuations)} continuations."
            )
        self.meter.forwards += len(prompts)
        begin = self._begin()
        before = [self._tokens(prompt) or [begin] for prompt in prompts]
        after = [self._encode(text) for text in continuations]
        for one, two in zip(before, after, strict=True):
            if len(one) + len(two) > self.window:
                raise InvalidCases(self._too_long(len(one), len(two)) + " Cut the text into shorter pieces.")
        return score(self.model, before, after)

    def with_model(self, model: "PreTrainedModel") -> Self:
        other = copy.copy(self)
        for cached in ("meter", "_weights", "cache"):
            other.__dict__.pop(cached, None)
        other.model = model.eval()
        return other

    def copy(self) -> Self:
        """A target of its own with equal weights, and a meter at zero."""
        return self.with_model(copy.deepcopy(self.model))

    def check(self, cases: Cases) -> None:
        asked = conversations(cases.inputs)
        if not asked:
            return
        shortest = len(self._tokens(self.prompt_of(min(asked, key=_size))))
        if shortest + self.sampling.tokens > self.window:
            raise InvalidCases(
                f"no case fits: {self._too_long(shortest, self.sampling.tokens)} "
                "Shorten the cases, or ask for fewer tokens."
            )

    def fingerprint(self) -> str:
        settings = json.dumps([asdict(self.sampling), self.seed.value, self.system, str(self.tokenizer.chat_template)])
        return hashlib.blake2b((self._weights + settings).encode(), digest_size=16).hexdigest()

    @property
    def window(self) -> int:
        """Tokens that the model can look at, prompt and reply together."""
        config = self.model.config
        sizes = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "seq_length"))
        return next((int(size) for size in sizes if size), 1 << 20)

    @cached_property
    def _weights(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for name, weight in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(weight.detach().contiguous().cpu().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def _written(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[Seed]
    ) -> Iterator[tuple[int, str | Unanswered]]:
        from sparring.domains.language.engine import written

        prompts = [self._tokens(text) or [self._begin()] for text in texts]
        fits = [k for k, prompt in enumerate(prompts) if len(prompt) + sampling.tokens <= self.window]
        for k in sorted(set(range(len(texts))) - set(fits)):
            yield k, Unanswered(self._too_long(len(prompts[k]), sampling.tokens))
        numbers = Stream(torch.tensor([seeds[k].value for k in fits], dtype=torch.int64)).uniform((sampling.tokens,))
        done = written(
            self.model,
            [prompts[k] for k in fits],
            sampling,
            numbers,
            ends=self._ends,
            stops=self._stops(sampling.stop) if sampling.stop else None,
            seats=self.seats,
        )
        for place, tokens in done:
            yield fits[place], _before(str(self.tokenizer.decode(tokens, skip_special_tokens=True)), sampling.stop)

    def _stops(self, stop: tuple[str, ...]) -> Callable[[list[int]], bool]:
        # A stop text has at most as many tokens as bytes; one more token may begin before it.
        tail = max(len(text.encode()) for text in stop) + 4
        return lambda tokens: any(text in self.tokenizer.decode(tokens[-tail:]) for text in stop)

    def _tokens(self, text: str) -> list[int]:
        """Of a whole prompt: with the token that begins a text, where this model's tokenizer puts one."""
        tokens = self._encode(text)
        return [*self._prefix, *tokens] if tokens[: len(self._prefix)] != self._prefix else tokens

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    @cached_property
    def _prefix(self) -> list[int]:
        first = self.tokenizer.bos_token_id
        return [first] if first is not None and self.tokenizer.encode("a")[:1] == [first] else []

    @cached_property
    def _knows_tools(self) -> bool:
        """Whether the chat template has a turn of its own for what a tool says."""
        if self.tokenizer.chat_template is None:
            return True
        turns = [{"role": "user", "content": "one"}, {"role": "tool", "content": "two"}]
        try:
            told = str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except Exception:  # a template may raise what it likes about a role
            return False
        return "two" in told and any(name in told for name in ("tool", "ipython"))  # the latter in Llama's templates

    @cached_property
    def _ends(self) -> frozenset[int]:
        return loading.ends_of(self.model, self.tokenizer)

    def _begin(self) -> int:
        known = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)
        return next((token for token in known if token is not None), 0)

    def _too_long(self, prompt: int, more: int) -> str:
        return f"the prompt's {prompt} tokens and {more} more pass the model's window of {self.window}."


def _before(text: str, stop: tuple[str, ...]) -> str:
    return text[: min((text.find(one) for one in stop if one in text), default=len(text))]


def _size(asked: Conversation) -> int:
    return sum(len(message.text) for message in asked)
