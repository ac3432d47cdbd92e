"""Best of n: asks one attempt per case and round, and stops at the first one that gets what the adversary wants."""

from collections.abc import Sequence

import torch

from sparring.core.attack import Attempts
from sparring.core.cases import Cases
from sparring.domains.language.aim import Aim
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.injection import Injection
from sparring.domains.language.target import Chat


def best_of(target: Chat, cases: Cases, tries: Sequence[Sequence[Conversation]], suited: Sequence[bool]) -> Attempts:
    """For each case the first attempt that reaches its aim, else the one whose reply came closest, the earlier of equals.

    A case with a single attempt is not asked about, since there is nothing to choose; a suited one with none is refused.

    Args:
        cases: whose goals are aims.
        tries: the attempts for each case, in their order.
        suited: whether the attack is made for each case.

    Returns:
        Attempts; `found` says which reached their aim when they were asked.
    """
    chosen = [own[0] if own else Conversation.of(asked) for own, asked in zip(tries, cases.inputs, strict=True)]
    nearest, found = [-1.0] * len(cases), [False] * len(cases)
    for turn in range(max(len(own) for own in tries)):
        going = [k for k, own in enumerate(tries) if 1 < len(own) > turn and not found[k]]
        if not going:
            break
        for k, reply in zip(going, target([tries[k][turn] for k in going]), strict=True):
            if not isinstance(reply, str):
                continue
            near = cases.goals[k].closeness(reply)
            if cases.goals[k].reached(reply):
                chosen[k], found[k] = tries[k][turn], True
            elif near > nearest[k]:
                chosen[k], nearest[k] = tries[k][turn], near
    made_for = torch.tensor(list(suited))
    refused = torch.tensor([not own for own in tries]) & made_for
    return Attempts(chosen, torch.tensor(found), refused=refused, unsuited=~made_for)


def admitted(threat: Injection, own: Conversation, aim: Aim, payload: str) -> Conversation | None:
    """The case's conversation with the payload in its place; None where the threat does not admit it."""
    attempt = threat.inject(own, aim, payload)
    return attempt if threat.admits(Cases([""], [own], [aim]), [attempt])[0] else None
