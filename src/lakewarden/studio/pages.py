"""The few pages of our own under ``/_studio``: plain HTML, no script. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lakewarden.studio.model import FAILED, IN_SERVICE, PENDING, App, Space

POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:44rem;padding:0 1rem;color:#1b2733}"
    "h1{font-size:1.5rem}table{border-collapse:collapse;width:100%}td,th{padding:.5rem;text-align:left;"
    "border-bottom:1px solid #d7dde3}form{display:inline}button,input{font:inherit;padding:.25rem .75rem}"
    ".error{border-left:4px solid #b3261e;padding-left:1rem}.quiet{color:#5b6b7a}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A space and the app on it, if there is one."""

    space: Space
    app: App | None


def home(domain: str, profile: str, rows: Sequence[Row], message: str = "") -> str:
    """A person's page: her spaces, and what can be done with them."""
    lines = "".join(_row(domain, profile, row) for row in rows)
    table = (
        f"<table><tr><th>Space</th><th>JupyterLab</th><th></th></tr>{lines}</table>"
        if rows
        else '<p class="quiet">You have no space yet. A space is a home directory that stays, with a JupyterLab on it.</p>'
    )
    error = f'<p class="error">{escape(message)}</p>' if message else ""
    form = (
        f'<p><form method="post" action="{_path(domain, profile)}-/create"><input name="space" required maxlength="63" '
        'pattern="[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}" placeholder="name"> <button>Create JupyterLab space</button></form></p>'
    )
    leave = f'<form method="post" action="{_path(domain, profile)}-/sign-out"><button>Sign out</button></form>'
    return page(
        f"Studio: {profile}",
        f'<h1>{escape(profile)}</h1><p class="quiet">Domain {escape(domain)}</p>{error}{table}{form}{leave}',
    )


def refused(text: str) -> str:
    """Why a request was not answered."""
    return page("Studio", f'<h1>Studio</h1><p class="error">{escape(text)}</p>')


def page(title: str, body: str) -> str:
    """A whole document."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _row(domain: str, profile: str, row: Row) -> str:
    name = escape(row.space.name)
    base = _path(domain, profile)
    status = row.app.status if row.app is not None else "stopped"
    reason = f" ({escape(row.app.failure)})" if row.app is not None and row.app.status == FAILED else ""
    running = status in {IN_SERVICE, PENDING}
    open_it = f'<a href="{base}{name}/lab">Open JupyterLab</a> '
    button = _button(f"{base}-/stop", name, "Stop") if running else _button(f"{base}-/start", name, "Start")
    return f"<tr><td>{name}</td><td>{escape(status)}{reason}</td><td>{open_it}{button}</td></tr>"


def _button(action: str, space: str, text: str) -> str:
    hidden = f'<input type="hidden" name="space" value="{space}">'
    return f'<form method="post" action="{action}">{hidden}<button>{text}</button></form>'


def _path(domain: str, profile: str) -> str:
    return f"/_studio/{escape(domain)}/{escape(profile)}/"
