"""Errors that speak to people, and the one that speaks to programmers."""


class SidecarError(Exception):
    """Something the operator can mend. Worded "cannot X: cause"; shown without a traceback."""


class RefusedError(SidecarError):
    """An operator's order cannot be carried out as things are. Nothing has changed."""


class IllegalTransitionError(Exception):
    """A state machine was asked for a step that its table does not have. Nothing has changed."""
