"""A tiny open chat for tests of fine-tuning: one character is one token, and a random Llama of a few thousand weights."""

import copy

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sparring.core.seed import Seed
from sparring.domains.language.target import OpenChat, seed_of
from sparring.domains.language.tokens import encode, token_log_probs

LETTERS = "\0\1" + "".join(map(chr, range(32, 127)))


class Letters:
    """A tokenizer of printable characters; 0 ends a text, 1 begins one."""

    eos_token_id, bos_token_id = 0, 1

    def encode(self, text, add_special_tokens=False):
        return [max(LETTERS.find(letter), 2) for letter in text]

    def decode(self, ids):
        return "".join(LETTERS[i] for i in ids if i > 1)


def tiny_model(seed=0, vocabulary=len(LETTERS), dtype=torch.float32, width=16, layers=2):
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=256, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).to(dtype).eval()


class TinyChat(OpenChat):
    """Answers with a dozen characters, drawn by a seed of the conversation."""

    def __init__(self, model=None, seed=0, tokens=12):
        self.model, self.tokenizer, self.seed, self.tokens = model or tiny_model(), Letters(), Seed(seed), tokens

    def fingerprint(self):
        return str(sum(float(weight.detach().double().abs().sum()) for weight in self.model.parameters()))

    def prompt_of(self, asked):
        return "".join(f"{message.role[0]}:{message.text}|" for message in asked.messages) + "a:"

    def reply(self, asked):
        return [self._drawn(self.prompt_of(one), seed_of(self.seed, one)) for one in asked]

    @torch.no_grad()
    def _drawn(self, prompt, seed):
        generator, ids, start = seed.generator(), self.tokenizer.encode(prompt), len(prompt)
        for _ in range(self.tokens):
            scores = self.model(torch.tensor([ids[-200:]])).logits[0, -1].float()
            ids.append(int(torch.multinomial(scores.softmax(0), 1, generator=generator)))
            if ids[-1] == 0:
                break
        return self.tokenizer.decode(ids[start:])

    @torch.no_grad()
    def log_probabilities(self, prompts, continuations):
        tokens = encode(self, prompts, continuations, end=False)
        told = token_log_probs(self.model, tokens)
        return [row[mask] for row, mask in zip(told, tokens.mask, strict=True)]

    def with_model(self, model):
        other = copy.copy(self)
        other.__dict__.pop("meter", None)
        other.model = model
        return other
