"""What repairs learn from: the replies that broke a chat, what it should have said, and benign replies of its own."""

from collections.abc import Sequence
from typing import Any

from sparring.core.cases import Cases
from sparring.core.judge import Outcome
from sparring.core.seed import Seed
from sparring.domains.language.conversation import Conversation, conversations
from sparring.domains.language.harm import Harm
from sparring.domains.language.target import Chat

REFUSAL = "I'm sorry, but I can't help with that. Is there something else I can do for you?"


def broken_replies(target: Chat, data: Cases, harms: Sequence[Harm]) -> list[tuple[Conversation, str]]:
    """Each failure with the target's reply to it, asked again; "" where the reply is not broken this time.

    Args:
        harms: whose judges decide, unless a person called this very reply broken; a case of another harm, or a goal
            without one, counts as broken.
    """
    asked = conversations(data.inputs)
    replies = [text.strip() if isinstance(text, str) else "" for text in target(asked)]
    for harm in harms:
        own = [k for k, goal in enumerate(data.goals) if getattr(goal, "harm", None) == harm.name and replies[k]]
        if own:
            graded = harm.judge.grade(data[own], [asked[k] for k in own], [replies[k] for k in own])
            for k, outcome in zip(own, graded, strict=True):
                broken = outcome is Outcome.BROKEN or data.goals[k].is_confirmed(replies[k])
                replies[k] = replies[k] if broken else ""
    return list(zip(asked, replies, strict=True))


def safe_reply(harms: Sequence[Harm], goal: Any, asked: Conversation) -> str:
    """What the harm of this goal says the target should have said; a polite refusal where no harm here knows."""
    for harm in harms:
        if harm.name == getattr(goal, "harm", None):
            return harm.safe_reply(asked)
    return REFUSAL


def benign_replies(
    target: Chat, count: int, seed: Seed, questions: Sequence[str] | None = None
) -> list[tuple[Conversation, str]]:
    """Benign questions that repairs may learn from, with the target's own replies.

    Questions are taken in a random order; where more are wanted than there are, further samples of the replies are.

    Args:
        questions: by default those of `benign_training`, every other one a look-alike of attacks, for these are what a
            repair wrongly refuses.
    """
    if questions is None:
        from sparring.domains.language.benign import benign_training, training_look_alikes

        near = training_look_alikes()
        sets = [near, [one for one in benign_training() if one not in near]]
    else:
        sets = [questions]
    orders = [seed.child("benign", k).numpy().permutation(len(one)) for k, one in enumerate(sets) if len(one)]
    asked = []
    for k in range(count if orders else 0):
        turn, which = divmod(k, len(orders))
        draw, place = divmod(turn, len(orders[which]))
        asked.append(Conversation.of(sets[which][int(orders[which][place])]).draw(draw))
    replies = target(asked) if asked else []
    return [
        (one, text.strip()) for one, text in zip(asked, replies, strict=True) if isinstance(text, str) and text.strip()
    ]
