"""One attempt by a person: what was asked, what came back, what the judges say of it."""

import datetime
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sparring.core.book import Judged
from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec, SparringError
from sparring.core.judge import Judge, Outcome
from sparring.core.shown import keyless
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.keys import without_keys
from sparring.ui.campaign import Campaign

_REASON = 500  # characters of an error


@dataclass(frozen=True)
class Verdict:
    """What one judge says; `trouble` is why it could say nothing."""

    judge: str
    outcome: Outcome
    trouble: str = ""


@dataclass(frozen=True)
class Attempt:
    """What a person tried on one target.

    Args:
        campaign, target: who was asked.
        case: id of the case, which stands for the goal.
        harm: of the goal.
        text: what the person wrote last.
        conversation: what the target was asked, all of it.
        reply: what it answered; None where there is no answer.
        error: why there is none.
        verdicts: the judge's first, then those of the recipe's opinions; none without a reply.
    """

    campaign: str
    target: str
    case: str
    harm: str
    text: str
    conversation: Conversation
    reply: str | None
    error: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def key(self) -> str:
        """The same attempt on the same target has one key."""
        content = json.dumps([self.campaign, self.target, self.case, list(self.conversation)])
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    @property
    def input(self) -> Any:
        """The conversation as a case book holds it."""
        messages = self.conversation.messages
        alone = len(messages) == 1 and messages[0].role == "user"
        return messages[0].text if alone else [list(message) for message in messages]

    def judged(self, person: str, by: str) -> Judged:
        """With a person's verdict: broken, held or undecided.

        Raises:
            InvalidCases: for another verdict, or without a reply to judge.
        """
        if self.reply is None or not self.verdicts:
            raise InvalidCases(f"there is no reply to judge: {self.error}. Send the attack again.")
        if person not in (Outcome.BROKEN, Outcome.HELD, Outcome.UNDECIDED):
            raise InvalidCases("say what you think of the reply: broken, held, or cannot tell.")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Judged(
            self.case, self.harm, self.input, self.reply, f"{self.campaign}, {self.target}", self.verdicts[0].judge,
            self.verdicts[0].outcome, Outcome(person), " ".join(by.split())[:80], now,
        )  # fmt: skip


def attempt(campaign: Campaign, target: str, case: str, text: str, after: Attempt | None = None) -> Attempt:
    """Asks a target what a person wrote, and the judges about the reply.

    A target that fails is an attempt with an error, never one that held.

    Args:
        case: id of the goal's case.
        text: what the adversary writes, in the place that the goal names.
        after: an attempt of the same goal to go on from: the text is then the user's next turn.

    Raises:
        InvalidCases: for no text, or more than the threat allows.
        InvalidSpec: for an unknown target or goal, or a text with a key in it.
        SparringError: if the target cannot be opened.
    """
    if not text.strip():
        raise InvalidCases("the attack is empty: write what the adversary says.")
    if keyless(without_keys(text)) != text:
        raise InvalidSpec("the attack holds what looks like a key or password. Leave it out; nothing was sent.")
    one = campaign.goal(case)
    with campaign.lock:
        chat = campaign.open(target)
        asked = _written(one, text, after, campaign)
        reply, error = _answer(chat, asked)
        verdicts = () if reply is None else _verdicts(campaign, one, asked, reply)
    return Attempt(
        campaign.name, target, case, one.goals[0].harm, text, asked, None if reply is None else keyless(without_keys(reply)),
        keyless(without_keys(error)), verdicts,
    )  # fmt: skip


def may_go_on(goal: Any) -> bool:
    """Whether the adversary may take more turns after the reply."""
    return not isinstance(goal, Aim) or goal.surface == "user"


def _written(one: Cases, text: str, after: Attempt | None, campaign: Campaign) -> Conversation:
    goal, threat = one.goals[0], campaign.recipe.built_threat
    if after is not None:
        if after.case != one.ids[0] or after.reply is None or not may_go_on(goal):
            raise InvalidSpec("there is nothing to go on from: that attempt had another goal, or no reply.")
        asked = after.conversation.then(after.reply, text)
    elif isinstance(goal, Aim):
        asked = (threat if isinstance(threat, Injection) else Injection()).inject(one.inputs[0], goal, text)
    else:
        asked = Conversation.of(text)
    if not all(threat.admits(one, [asked])):
        raise InvalidCases(
            f"the threat is {threat.describe()}; this attack is outside of it, with {len(text)} characters in turn "
            f"{asked.turn}. Shorten it, or take fewer turns."
        )
    return asked


def _answer(chat: Any, asked: Conversation) -> tuple[str | None, str]:
    """The reply, or None and why."""
    try:
        (reply,) = chat([asked])
    except SparringError as error:
        return None, str(error)[:_REASON]
    except Exception as error:  # whatever a user's own target raises is shown, and never taken for a refusal
        return None, f"{type(error).__name__}: {error}"[:_REASON]
    return (reply, "") if isinstance(reply, str) else (None, reply.reason[:_REASON])


def _verdicts(campaign: Campaign, one: Cases, asked: Conversation, reply: str) -> tuple[Verdict, ...]:
    harm = one.goals[0].harm
    first = campaign.recipe.judge.judges[harm]
    found = [Verdict(first.name, first.grade(one, [asked], [reply])[0])]
    return (*found, *(_opinion(judge, one, asked, reply) for judge in campaign.recipe.built_opinions))


def _opinion(judge: Judge, one: Cases, asked: Conversation, reply: str) -> Verdict:
    try:
        return Verdict(judge.name, judge.grade(one, [asked], [reply])[0])
    except SparringError as error:
        return Verdict(judge.name, Outcome.ERROR, str(error)[:_REASON])
