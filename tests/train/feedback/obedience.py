"""A toy chat that has learned to obey what is written into a ticket, and how far it still does."""

from functools import cache

import torch

from sparring.attack.prompt.template import Template
from sparring.core.schedule import Schedule
from sparring.domains.language.conversation import conversations
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Sampling
from sparring.domains.language.tokens import encode, token_divergence
from sparring.domains.language.toy import toy_aims, toy_open_chat
from sparring.domains.language.tune import Continue, tune

FAST = Schedule(batch=4, optimiser="adamw", peak=1e-2, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=1.0)
SHORT = {"steps": 3, "schedule": FAST, "rank": 4}
SAMPLING = Sampling(tokens=24, temperature=0.0)


def in_tickets(first, last):
    """Toy cases whose adversary writes into a ticket; numbers of two digits, so that all tokens lie alike."""
    return toy_aims(last)[torch.arange(first + 1 - first % 2, last, 2)]


def attacked(cases, seed=5):
    return Template("naive").run(toy_open_chat(), cases, Injection(), seed=seed).inputs


@cache
def obedient():
    """Says the word that a ticket tells it to say, and otherwise that the ticket is open."""
    chat, cases = toy_open_chat(sampling=SAMPLING), in_tickets(10, 34)
    asked = [*attacked(cases, seed=0), *conversations(cases.inputs)]
    said = [aim.opening for aim in cases.goals] + [aim.safe for aim in cases.goals]
    lesson = Continue(chat, [chat.prompt_of(one) for one in asked], said)
    slow = Schedule(batch=6, optimiser="adamw", peak=1e-2, shape="one-cycle", warmup=0.1, weight_decay=0.0, clip=1.0)
    return tune(chat, lesson, schedule=slow, epochs=8, full=True)


def obeys(chat, cases):
    """Mean probability of a token of what the attempts ask for."""
    prompts = [chat.innermost.prompt_of(chat.through(one)) for one in attacked(cases)]
    told = chat.innermost.log_probabilities(prompts, [aim.opening for aim in cases.goals])
    return float(torch.stack([one.mean() for one in told]).mean().exp())


def divergence(before, after, cases):
    """Mean KL divergence, in nats per token, on the safe replies to untouched conversations."""
    prompts = [before.prompt_of(one) for one in conversations(cases.inputs)]
    tokens = encode(before, prompts, [aim.safe for aim in cases.goals])
    with torch.no_grad():
        told = token_divergence(after.innermost.model, before.model, tokens)
    return float(told.sum() / tokens.mask.sum())


def weights(chat):
    return torch.cat([value.detach().flatten() for value in chat.innermost.model.state_dict().values()])
