"""Ids of taxonomies: each stands for one entry of one edition."""

import pytest

from sparring.core.errors import InvalidSpec
from sparring.domains.language.taxonomy import entry, taxonomy


def test_every_entry_names_its_scheme_edition_and_title():
    assert len(taxonomy()) == 15
    assert all(one.scheme and one.edition and one.title and key == one.id for key, one in taxonomy().items())


def test_ids_of_owasp_and_nist_carry_their_edition():
    assert all(one.edition in one.id for one in taxonomy().values() if one.scheme != "MITRE ATLAS")


def test_an_id_of_another_edition_is_refused_in_one_sentence():
    with pytest.raises(InvalidSpec, match="no taxonomy here has the id 'LLM06:2025'"):
        entry("LLM06:2025")
