"""How often the kernel is asked, and how rarely every process is looked at."""

from sidecar.gateway.search import Pace, Search

PACE = Pace()
A, B = frozenset({1}), frozenset({2})


def test_every_process_is_looked_at_only_when_a_listener_is_new() -> None:
    """The dear look follows a change of the listeners, not the clock."""
    search = Search(PACE, now=0.0)
    assert not search.is_due(frozenset(), now=0.1)
    assert search.is_due(A, now=0.2)
    search.proven(A)
    assert not search.is_due(A, now=1e6)
    assert not search.is_due(frozenset(), now=1e6)
    assert search.is_due(B, now=1e6)


def test_nobody_listening_is_asked_about_eagerly_at_first_and_patiently_later() -> None:
    """A start is seen within a tenth of a second; a gateway that stays away costs less."""
    search = Search(PACE, now=100.0)
    assert search.pause(now=100.0, asking_took=0.0) == PACE.eager
    assert search.pause(now=100.0 + PACE.eager_for, asking_took=0.0) == PACE.patient


def test_an_unproven_listener_is_looked_into_ever_more_rarely() -> None:
    """What hides behind an unchanged listener is looked for again after 1, 2, 4 … and at most 30 seconds."""
    search, now, pauses = Search(PACE, now=0.0), 0.0, []
    for _ in range(7):
        search.unproven(A, "hidden", now)
        pauses.append(next(wait for wait in range(100) if search.is_due(A, now + wait)))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert search.pause(now, asking_took=0.0) == PACE.doubtful
    assert search.is_due(B, now)


def test_a_doubt_is_news_once_until_nobody_listens_or_the_doubt_is_another() -> None:
    """A worker that comes and goes behind a doubt makes no stream of events."""
    search = Search(PACE, now=0.0)
    assert search.unproven(A, "several", 0.0)
    assert not search.unproven(B, "several", 1.0)
    assert search.unproven(B, "hidden", 2.0)
    search.nothing()
    assert search.unproven(B, "hidden", 3.0)


def test_a_kernel_that_answers_slowly_is_asked_less() -> None:
    """Where one question costs 20 ms of processor time, asking stays within its share of a core."""
    search = Search(PACE, now=0.0)
    assert search.pause(now=0.0, asking_took=0.02) == 0.02 / PACE.share
