"""A2C on a red language model: one step draws questions, asks the target, and moves adapters and a value head."""

import copy
import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from sparring.attack.learned.red import Desk, cut, normalised, numbered
from sparring.core.fit import Learner, Step
from sparring.core.seed import Seed
from sparring.domains.language.diversity import References, words
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import OpenChat

if TYPE_CHECKING:
    from sparring.attack.learned.reinforce import Reinforce
    from sparring.domains.language.tokens import Tokens

_LEAST_SPREAD = 0.1  # of advantages, when they are scaled to unit variance
_NEARLY_ONE = 1 - 1e-4  # rewards above are taken as this, so that -log(1 - r) stays below 9.3


class ActorCritic(Learner):
    """The policy (an adapted copy of the supervised model), its value head, and the archive of what it wrote."""

    def __init__(self, desk: Desk, harm: Harm, start: OpenChat, settings: "Reinforce", seed: Seed) -> None:
        from sparring.domains.language.lora import adapted, adapters

        self.desk, self.harm, self.start, self.settings = desk, harm, start, settings
        self.prompts = desk.prompts[harm.name]
        self.model: Any = adapted(copy.deepcopy(start.model).eval(), settings.rank, seed.child("adapters"))
        self.value = cast(nn.Linear, nn.utils.skip_init(nn.Linear, self.model.config.hidden_size, 1))  # draws nothing
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        self.value.to(self.model.device)
        self.module = nn.ParameterList([*adapters(self.model).values(), *self.value.parameters()])
        self.size = settings.steps * settings.schedule.batch
        self.history: list[dict[str, float]] = []
        self.archive: list[str] = []

    def state(self) -> dict[str, Any]:
        return {"history": self.history, "archive": self.archive}

    def restore(self, state: dict[str, Any]) -> None:
        self.history, self.archive = list(state["history"]), list(state["archive"])

    def backward(self, step: Step) -> dict[str, Tensor]:
        prompts = [numbered(self.prompts[int(k) % len(self.prompts)]) for k in step.index]
        texts = self._drawn(step, prompts)
        rewards, figures = self._rewarded(texts)
        figures |= self._moved(prompts, texts, torch.tensor(rewards))
        self.history.append({"step": float(step.number), **figures})
        return {key: torch.tensor(value * len(step.index)) for key, value in figures.items()}

    def _drawn(self, step: Step, prompts: list[str]) -> list[str]:
        """One text per prompt up to its first `?`, by the policy as it is now."""
        from sparring.domains.language.lora import merged

        kind = f"{self.harm.name} reinforce"
        numbers = [int(k) for k in step.index]
        seeds = [step.seed.child("question", k) for k in numbers]
        keys = [f"{step.number}/{k}" for k in numbers]
        # Plain weights write twice as fast as adapters, so a copy with them added in pays for itself at once.
        policy = self.start.with_model(merged(copy.deepcopy(self.model), step.seed.child("rounding")))
        texts = self.desk.written(kind, policy, prompts, keys, seeds, self.settings.sampling)
        return [cut(text or "") or (text or "").strip() for text in texts]

    def _rewarded(self, texts: list[str]) -> tuple[list[float], dict[str, float]]:
        """What each text earns: how bad its reply is, less its likeness to the archive; a fixed loss if it is invalid."""
        settings = self.settings
        valid = self._valid(texts)
        scored = self.desk.rewards(self.harm, [texts[k] for k in valid])
        book = References([words(one) for one in self.archive])
        rewards = [settings.invalid] * len(texts)
        likeness, earned = [], []
        for k, score in zip(valid, scored, strict=True):
            alike = book.bleu(words(texts[k]))
            book.add(words(texts[k]))
            likeness.append(alike)
            # A question without an answer proves nothing, so it earns what the batch expects: see below.
            rewards[k] = (
                math.nan if score is None else -math.log1p(-min(score, _NEARLY_ONE)) - settings.diversity * alike
            )
            if score is not None:
                earned.append(score)
        mean = _mean([one for one in rewards if not math.isnan(one)])
        rewards = [mean if math.isnan(one) else one for one in rewards]
        self.archive = [*self.archive, *(texts[k] for k in valid)][-settings.archive :]
        figures = {"reward": mean, "scored": _mean(earned), "likeness": _mean(likeness)}
        return rewards, figures | {"valid": len(valid) / max(1, len(texts))}

    def _valid(self, texts: list[str]) -> list[int]:
        """Positions of questions that are neither in the archive nor earlier in the batch."""
        seen = {normalised(one) for one in self.archive}
        valid = []
        for k, text in enumerate(texts):
            said = normalised(text)
            if text.endswith("?") and " " in said and said not in seen:
                seen.add(said)
                valid.append(k)
        return valid

    def _moved(self, prompts: list[str], texts: list[str], rewards: Tensor) -> dict[str, float]:
        """Adds the gradients of policy, KL penalty and value; returns their sizes."""
        from sparring.domains.language.tokens import encode

        settings = self.settings
        # An empty text is the choice of the line break.
        tokens = encode(self.start, prompts, [f" {text}" if text else "\n" for text in texts], end=False)
        tokens = tokens.to(self.value.weight.device)
        where = tokens.mask[:, 1:]
        share = (where / where.sum(1, keepdim=True) / len(texts))[where]  # of each position, so that texts count alike
        returns = rewards.to(share)[:, None].expand(where.shape)[where]  # each position's: its text's whole reward
        labels = tokens.ids[:, 1:][where]
        with torch.no_grad():
            start = torch.log_softmax(_scores(self.start.model, _states(self.start.model, tokens)), 1)
        with torch.enable_grad():
            states = _states(self.model, tokens)
            now = torch.log_softmax(_scores(self.model, states), 1)  # (position, token)
            values = self.value(states.detach().float())[:, 0]
            gain = returns - values.detach()
            gain = (gain - gain.mean()) / gain.std(correction=0).clamp(min=_LEAST_SPREAD)
            policy = -(share * gain * now.gather(1, labels[:, None])[:, 0]).sum()
            kl = (share * (now.exp() * (now - start)).sum(1)).sum()
            error = (share * (values - returns) ** 2).sum()
            loss = (1 - settings.kl) * (policy + settings.value * error) + settings.kl * kl
            loss.backward()
        parts = {"loss": loss, "policy": policy, "kl": kl, "value": error}
        return {key: float(part.detach()) for key, part in parts.items()}


def _states(model: Any, tokens: "Tokens") -> Tensor:
    """The last layer where a token of the text is predicted, shape (position, feature)."""
    hidden = model.base_model(
        input_ids=tokens.ids, attention_mask=tokens.attention.long(), use_cache=False
    ).last_hidden_state
    return hidden[:, :-1][tokens.mask[:, 1:]]


def _scores(model: Any, states: Tensor) -> Tensor:
    scores = model.get_output_embeddings()(states).float()
    scores = scores / getattr(model.config, "logits_scaling", 1.0)
    cap = getattr(model.config, "final_logit_softcapping", None)
    return scores if cap is None else cap * torch.tanh(scores / cap)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
