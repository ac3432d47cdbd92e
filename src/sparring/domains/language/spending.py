"""Spending: what an endpoint may cost, and what it has cost."""

import threading
from dataclasses import dataclass

from sparring.core.errors import BudgetSpent, InvalidSpec
from sparring.domains.language.retry import Clock


@dataclass(frozen=True)
class Spending:
    """The most that one endpoint object may spend; None sets no limit.

    Args:
        tokens: read and written, as the endpoint counts them.
        requests: sent, retries included.
        seconds: since its first request.

    Raises:
        InvalidSpec: for limits that allow nothing.
    """

    tokens: int | None = None
    requests: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if limit is not None and not limit > 0:
                raise InvalidSpec(f"a budget of {limit} {name} allows nothing. Give more, or None for no limit.")


class Purse:
    """What was spent of a budget; safe under threads.

    A request is charged when it is sent, and its reply's longest length set aside until it is there. What prompts cost
    is known only afterwards, so the tokens may be passed by the prompts in flight.
    """

    def __init__(self, budget: Spending, clock: Clock) -> None:
        self.budget, self.clock = budget, clock
        self.tokens = self.requests = 0
        self._set_aside = 0
        self._ended = ""
        self._began: float | None = None
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        return 0.0 if self._began is None else self.clock.now() - self._began

    def check(self, requests: int, tokens: int) -> None:
        """Before the first request: raises BudgetSpent if the budget cannot cover one batch.

        Args:
            requests: of the batch.
            tokens: of one reply, at most.
        """
        if self._began is not None:
            return
        needs = {"requests": requests, "tokens": requests * tokens}
        for name, need in needs.items():
            limit = getattr(self.budget, name)
            if limit is not None and limit < need:
                raise BudgetSpent(
                    f"a budget of {limit} {name} does not cover one batch of {requests}, which may take {need} {name}. "
                    "Raise it, or ask smaller batches. Nothing was sent."
                )

    def charge(self, tokens: int) -> None:
        """Raises BudgetSpent, or pays for one request with a reply of so many tokens at most."""
        with self._lock:
            if self._began is None:
                self._began = self.clock.now()
            budget = self.budget
            for name, spent in (
                ("requests", self.requests + 1),
                ("tokens", self.tokens + self._set_aside + tokens),
                ("seconds", self.seconds),
            ):
                limit = getattr(budget, name)
                if limit is not None and spent > limit:
                    self._ended = f"{limit:g} {name}"
                    raise self.spent()
            self.requests += 1
            self._set_aside += tokens

    def settle(self, tokens: int, used: int) -> None:
        """A request that was charged with so many tokens used so many."""
        with self._lock:
            self._set_aside -= tokens
            self.tokens += used

    def spent(self) -> BudgetSpent:
        """The error that says which limit was met, and what was spent until now."""
        spent = f"{self.requests} requests, {self.tokens} tokens and {self.seconds:.0f} seconds"
        return BudgetSpent(
            f"the endpoint's budget of {self._ended} is spent: it took {spent}. What was answered is kept in the reply "
            "cache, if there is one: run the same again with a larger budget to go on."
        )
