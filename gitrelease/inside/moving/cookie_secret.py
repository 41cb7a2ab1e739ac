"""Gives Streamlit one cookie secret for all processes of a production; a secret that the app sets itself wins.

To be called in the app's process before `streamlit run` reads its configuration. Standard library and Streamlit only,
Python 3.8 and later.
"""

from __future__ import annotations

from pathlib import Path

OPTION = "server.cookieSecret"


def use(path: str) -> bool:
    """Make the content of a file the default of `server.cookieSecret`; False where there is none, and nothing changes.

    Without it every process draws a secret of its own, and does not know what another one has signed. Only the default
    is replaced: files, STREAMLIT_SERVER_COOKIE_SECRET and `auth.cookie_secret` count as they do without us.
    """
    from streamlit import config

    try:
        secret = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    option = config._config_options_template.get(OPTION)
    if not secret or option is None:
        return False
    option._get_val_func = lambda: secret
    return True
