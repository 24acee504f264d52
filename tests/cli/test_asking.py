"""Where a command looks for the sidecar."""

from sidecar.cli.asking import find_socket


def test_where_a_path_is_too_long_for_a_socket_the_sidecar_is_looked_for_elsewhere(monkeypatch):
    """The sidecar could not open one there either; only what is named outright is tried however long it is."""
    deep = "/" + "d" * 100
    monkeypatch.setenv("XDG_RUNTIME_DIR", deep)
    places = find_socket(None, None)
    assert places
    assert not [path for path in places if path.startswith(deep)]
    assert find_socket(f"{deep}/of-my-own.sock", None) == [f"{deep}/of-my-own.sock"]
    named = "/" + "ü" * 60  # in bytes it is twice as long
    monkeypatch.setenv("SIDECAR_SOCKET", named)
    assert find_socket(None, None) == [named]
