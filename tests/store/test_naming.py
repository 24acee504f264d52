"""Names of documents hold any word, and give it back."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.store.naming import name_of, word_of

anything = st.text(st.characters(exclude_categories=()), max_size=20)


@given(st.lists(anything, min_size=1, max_size=4))
def test_every_word_is_read_again_as_it_was(words):
    """Also slashes, percent signs, and halves of surrogate pairs."""
    assert [word_of(part) for part in name_of(*words).split("/")] == words


@given(anything)
def test_a_name_is_plain_ascii(word):
    """Whatever keeps it, a file system or a server, has seen such letters before."""
    name = name_of(word)
    assert name.isascii()
    assert "/" not in name


def test_an_ordinary_name_stays_as_it_is():
    """People may look into the store."""
    assert name_of("release", "2.7.1", "web-1") == "release/2.7.1/web-1"
    assert name_of("release", "0123456789ab+ff00aa11") == "release/0123456789ab%2Bff00aa11"
