"""What the tables about notifications say together: a sink needs an address of its kind, and what sends to it."""

import re
from binascii import a2b_base64

from sidecar.config.lines import Path
from sidecar.config.report import Report
from sidecar.config.words import quote, show
from sidecar.core.notices.plan import NotifyPlan, SinkKind, SinkPlan

SINKS_AT_MOST = 100

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ADDRESS = {
    SinkKind.WEBHOOK: (re.compile(r"https?://[^/\s]+\S*"), "a web address, https://HOST/..."),
    SinkKind.APPRISE: (re.compile(r"[A-Za-z0-9]{2,}://\S+"), "an Apprise URL, SERVICE://..."),
}


def check_notify(notify: NotifyPlan, report: Report) -> None:
    """Report what is missing or does not fit together."""
    if notify.flap_low > notify.flap_high:
        found, limit = f"{notify.flap_low:g}", f"at most flap_high, {notify.flap_high:g}"
        report.add(("notify", "flap_low"), found, limit)
    if len(notify.sinks) > SINKS_AT_MOST:
        report.add(("notify", "sinks"), f"{len(notify.sinks)} sinks", f"at most {SINKS_AT_MOST}")
    for name, sink in notify.sinks.items():
        path: Path = ("notify", "sinks", name)
        if not _NAME.fullmatch(name):
            wanted = "a name of at most 64 small letters, digits, - and _, beginning with a letter or digit"
            report.add(path, f"the name {quote(name)}", wanted)
        _check_sink(sink, path, report)


def _check_sink(sink: SinkPlan, path: Path, report: Report) -> None:
    form, words = _ADDRESS[sink.kind]
    if not form.fullmatch(sink.url):
        report.add((*path, "url"), show(sink.url, hidden=True), words)
    if sink.kind is SinkKind.APPRISE:
        if sink.secret is not None:
            report.add((*path, "secret"), "only a webhook is signed", suggestion="remove it")
        if not _is_installed("apprise"):
            advice = "pip install 'mcp-gateway-sidecar[apprise]'"
            report.add((*path, "kind"), "Apprise is not installed", suggestion=advice)
    elif sink.secret is not None and sink.secret.startswith("whsec_") and not _is_base64(sink.secret[6:]):
        report.add((*path, "secret"), show(sink.secret, hidden=True), "base64 after whsec_")


def _is_base64(text: str) -> bool:
    try:
        return bool(a2b_base64(text, strict_mode=True))
    except ValueError:
        return False


def _is_installed(package: str) -> bool:
    from importlib.util import find_spec  # noqa: PLC0415 - only where it is asked

    return find_spec(package) is not None
