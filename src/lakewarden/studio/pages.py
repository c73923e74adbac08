"""The few pages of our own under ``/_studio``: plain HTML, no script. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lakewarden.studio.model import FAILED, IN_SERVICE, PENDING, App, Space

POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_STYLE = (
    ":root{color-scheme:light dark;--ink:#1b2733;--quiet:#5b6b7a;--line:#d7dde3;--paper:#f4f6f8;--card:#fff;--blue:#0b5cad;"
    "--red:#b3261e}@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--quiet:#9aa8b5;--line:#33404c;--paper:#11171d;"
    "--card:#1a222a;--blue:#6db3f2;--red:#f2867e}}"
    "*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--paper)}"
    "header{padding:.9rem 1.5rem;border-bottom:1px solid var(--line);background:var(--card)}"
    "h1{font-size:1rem;margin:0;letter-spacing:.02em}h2{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem}"
    "main{max-width:46rem;margin:3rem auto;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:8px}"
    "table{border-collapse:collapse;width:100%;margin:1.5rem 0}td,th{padding:.6rem .5rem;text-align:left;"
    "border-bottom:1px solid var(--line);vertical-align:top}th{font-weight:600;color:var(--quiet)}form{display:inline}"
    "button,input{font:inherit;padding:.35rem .9rem;border:1px solid var(--line);border-radius:4px;background:var(--card);"
    "color:var(--ink)}button{cursor:pointer}button.first{background:var(--blue);border-color:var(--blue);color:var(--card)}"
    "a{color:var(--blue)}a:focus-visible,button:focus-visible,input:focus-visible{outline:3px solid var(--blue);"
    "outline-offset:2px}.error{border-left:4px solid var(--red);padding-left:1rem;overflow-wrap:anywhere}"
    ".quiet{color:var(--quiet)}code{font-size:.9em;overflow-wrap:anywhere}"
)
_TITLES = {
    400: "This address is not right",
    403: "This cannot be opened",
    404: "There is nothing here",
    405: "This page can only be read",
    409: "That is not possible right now",
    421: "Not under this name",
    502: "JupyterLab does not answer",
    503: "JupyterLab is not running",
}
_HINTS = {
    403: "A link to Studio opens one profile, once, and for a few minutes. Ask for a new one where you got this one, or with "
    "<code>aws sagemaker create-presigned-domain-url</code>.",
    502: "Wait a moment and load the page again.",
    503: "What lies in your home directory is still there.",
}


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
    leave = f'<p><form method="post" action="{_path(domain, profile)}-/sign-out"><button>Sign out</button></form></p>'
    return page(
        f"Studio: {profile}",
        f'<h2>{escape(profile)}</h2><p class="quiet">Domain {escape(domain)}</p>{error}{table}{form}{leave}',
    )


def refused(status: int, text: str, home: str = "", start: str = "") -> str:
    """Why a request was not answered, and what to do about it. ``start`` is a space whose JupyterLab can be started."""
    title, hint = _TITLES.get(status, "That did not work"), _HINTS.get(status, "")
    button = _button(f"{escape(home)}-/start", escape(start), "Start JupyterLab again", "first") if start else ""
    back = f' <a href="{escape(home)}">All your spaces</a>' if home else ""
    more = f'<p class="quiet">{hint}</p>' if hint else ""
    return page(f"Studio: {title}", f'<h2>{title}</h2><p class="error">{escape(text)}</p>{more}<p>{button}{back}</p>')


def page(title: str, body: str) -> str:
    """A whole document."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><header><h1>Studio</h1></header><main>{body}</main></body></html>"
    )


def _row(domain: str, profile: str, row: Row) -> str:
    name = escape(row.space.name)
    shared = "" if row.space.private else ' <span class="quiet">shared</span>'
    base = _path(domain, profile)
    status = row.app.status if row.app is not None else "stopped"
    reason = f" ({escape(row.app.failure)})" if row.app is not None and row.app.status == FAILED else ""
    running = status in {IN_SERVICE, PENDING}
    open_it = f'<a href="{base}{name}/lab">Open JupyterLab</a> '
    button = _button(f"{base}-/stop", name, "Stop") if running else _button(f"{base}-/start", name, "Start")
    return f"<tr><td>{name}{shared}</td><td>{escape(status)}{reason}</td><td>{open_it}{button}</td></tr>"


def _button(action: str, space: str, text: str, kind: str = "") -> str:
    hidden = f'<input type="hidden" name="space" value="{space}">'
    shown = f' class="{kind}"' if kind else ""
    return f'<form method="post" action="{action}">{hidden}<button{shown}>{text}</button></form>'


def _path(domain: str, profile: str) -> str:
    return f"/_studio/{escape(domain)}/{escape(profile)}/"
