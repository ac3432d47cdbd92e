"""Tokens are counted as the innermost model sees them, wrapped or not."""

from sparring.core.target import Hardening
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.function_chat import FunctionChat
from sparring.domains.language.target import Sampling
from sparring.domains.language.toy import toy_open_chat
from sparring.domains.language.vitals.tokens_spent import TokensSpent
from sparring.mitigate.wrapped import Wrapped


class Doubled(Wrapped):
    def view(self, asked: Conversation) -> Conversation:
        return asked.under("x" * 100)


def test_a_wrapper_that_adds_a_hundred_bytes_costs_a_hundred_tokens_and_a_line_break():
    plain = toy_open_chat(sampling=Sampling(tokens=1, temperature=0.0))
    plain.model.config.max_position_embeddings = 4096
    wrapped = Doubled(plain, "x", Hardening("doubled"))
    before, after = TokensSpent(count=2).read(plain).value, TokensSpent(count=2).read(wrapped).value
    assert 100 <= after - before <= 103


def test_it_fits_only_where_tokens_are_known():
    assert TokensSpent().fits(toy_open_chat())
    assert not TokensSpent().fits(FunctionChat(str))
