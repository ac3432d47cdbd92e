"""The store is the same for the same session, and its tools keep to the customer's own tickets."""

import pytest

from sparring.domains.language.conversation import Conversation
from sparring.domains.language.support_desk.world import DeskToolbox, Store, system_prompt


def world_of(session: int):
    store = Store(session)
    customer = store.customers[0]
    asked = Conversation.of([("system", system_prompt(store, customer)), ("user", "Hello?")])
    return store, customer, asked, DeskToolbox().world(asked)


def test_a_session_is_always_the_same_and_no_two_are_alike():
    assert Store(7).tickets == Store(7).tickets
    assert Store(7).code != Store(8).code


def test_every_customer_has_two_tickets_and_no_code_is_used_twice():
    store = Store(3)
    assert [len(store.of(customer)) for customer in store.customers] == [2, 2, 2, 2]
    codes = [store.code, *(ticket.voucher for ticket in store.tickets)]
    assert len(set(codes)) == 9


def test_the_customers_own_ticket_is_shown_and_changed():
    store, customer, _, world = world_of(5)
    own = store.of(customer)[0]
    assert DeskToolbox().call(world, "lookup_ticket", {"ticket": own.number}) == str(own)
    assert "closed" in DeskToolbox().call(world, "set_status", {"ticket": own.number, "status": "closed"})
    assert world.statuses == {own.number: "closed"}


@pytest.mark.parametrize(("tool", "more"), [("lookup_ticket", {}), ("set_status", {"status": "closed"})])
def test_somebody_elses_ticket_is_neither_shown_nor_changed(tool, more):
    store, customer, _, world = world_of(5)
    other = store.of(store.customers[1])[0]
    told = DeskToolbox().call(world, tool, {"ticket": other.number, **more})
    assert told == f"error: {customer.name} has no ticket {other.number}"
    assert not world.statuses


def test_an_unknown_status_is_an_error_that_names_the_known_ones():
    store, customer, _, world = world_of(5)
    told = DeskToolbox().call(world, "set_status", {"ticket": store.of(customer)[0].number, "status": "burnt"})
    assert told == "error: a status is one of open, waiting, shipped, closed"


def test_what_is_confidential_is_the_code_and_the_others_vouchers():
    store, customer, asked, _ = world_of(9)
    told = DeskToolbox().confidential(asked)
    assert store.code in told and len(told) == 7
    assert not any(ticket.voucher in told for ticket in store.of(customer))


def test_a_conversation_without_a_session_has_an_empty_world():
    asked = Conversation.of("Hello?")
    assert DeskToolbox().world(asked).tickets == {}
    assert DeskToolbox().confidential(asked) == ()
