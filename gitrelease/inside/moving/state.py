"""What a session of Streamlit holds: read from its objects in one process, put into them in another.

Versions 1.28 to 1.67 keep `st.session_state` in three places: values of earlier runs (`_old_state`, by user key or
widget id), values set in this run (`_new_session_state`, by user key) and of widgets (`_new_widget_state`, by id).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

# A click: it was answered by the run that it asked for, and must not be answered twice.
TRIGGERS = frozenset({"trigger_value", "string_trigger_value", "chat_input_value", "json_trigger_value"})
_OURS = "$$"  # what Streamlit names its own keys and the ids of widgets with


class Snapshot(NamedTuple):
    """References to all that a session holds. `values` and `widgets` are by user key."""

    client: Any  # ClientState
    widget_states: Any  # WStates, to be written down with their metadata
    old_widgets: dict[str, Any]  # by widget id
    values: dict[str, Any]
    widgets: dict[str, Any]
    files: list[Any]  # UploadedFileRec
    user: str
    running: bool


def running(session: Any) -> bool:
    """Return whether a run of the session's script is under way."""
    return session._scriptrunner is not None


def files_of(session: Any) -> dict[str, Any]:
    """Return the uploaded files of a session by their ids."""
    return dict(session._uploaded_file_mgr.file_storage.get(session.id) or {})


def files_in(manager: Any, identity: str) -> dict[str, Any]:
    """Return the files that were uploaded for a session, also for one that is still to come, by their ids."""
    return dict(manager._uploaded_file_mgr.file_storage.get(identity) or {})


def user_of(user_info: Any) -> str:
    """Return a fingerprint of whoever is logged in."""
    return hashlib.sha256(json.dumps(user_info, sort_keys=True, default=str).encode()).hexdigest()


def snapshot(session: Any, asked: Any | None) -> Snapshot:
    """Take references to what a session holds; `asked` is the ClientState that a run under way was asked for with.

    On the event loop, where nothing of Streamlit's own changes meanwhile but what a running script writes.
    """
    state = session._session_state
    widgets = state._new_widget_state
    old, new = dict(state._old_state), dict(state._new_session_state)
    ids = key_ids(state)
    shown = {key: identity for key, identity in ids.items() if identity in widgets.states or identity in old}
    merged = {**old, **new}
    return Snapshot(
        client=_client(session, asked if running(session) else None),
        widget_states=type(widgets)(dict(widgets.states), dict(widgets.widget_metadata)),
        old_widgets={name: value for name, value in old.items() if name.startswith(_OURS)},
        values={name: one for name, one in merged.items() if not name.startswith(_OURS) and name not in shown},
        widgets=_keyed(state, shown),
        files=list(files_of(session).values()),
        user=user_of(session._user_info),
        running=running(session),
    )


def key_ids(state: Any) -> dict[str, str]:
    """Return the ids of widgets by the keys that the app gave them."""
    mapper = getattr(state, "_key_id_mapper", None)
    return dict(state._key_id_mapping if mapper is None else mapper._key_id_mapping)


def _keyed(state: Any, shown: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, identity in shown.items():
        metadata = state._new_widget_state.widget_metadata.get(identity)
        if metadata is not None and metadata.value_type not in TRIGGERS:
            try:
                found[key] = state._getitem(identity, key)
            except KeyError:  # a widget that the script has not come to yet
                continue
    return found


def _client(session: Any, asked: Any | None) -> Any:
    from streamlit.proto.ClientState_pb2 import ClientState

    known = session._client_state if asked is None else asked
    client = ClientState()
    client.query_string = known.query_string
    client.page_script_hash = known.page_script_hash or session._client_state.page_script_hash
    if "context_info" in ClientState.DESCRIPTOR.fields_by_name and known.HasField("context_info"):
        client.context_info.CopyFrom(known.context_info)
    return client


def client_state(taken: Snapshot) -> Any:
    """Return the ClientState with the value of every widget, but for clicks.

    Some values are written down by the app's own functions: away from the event loop.
    """
    from streamlit.runtime.state.session_state import Value

    states = taken.widget_states
    for identity, value in taken.old_widgets.items():
        if identity in states.widget_metadata and identity not in states.states:
            states.states[identity] = Value(value)
    for identity in list(states.states):
        metadata = states.widget_metadata.get(identity)
        if metadata is not None and metadata.value_type in TRIGGERS:
            continue
        try:
            written = states.get_serialized(identity)
        except Exception:  # noqa: BLE001, S112  # the app's own functions; the browser has the value still
            continue
        if written is not None and written.WhichOneof("value") not in TRIGGERS:
            taken.client.widget_states.widgets.add().CopyFrom(written)
    return taken.client


def fill(session: Any, values: dict[str, Any], widgets: dict[str, Any]) -> None:
    """Put values into a new session, before its first run.

    A widget's value is there under its key until the widget has run: without its metadata, which only the script has,
    Streamlit does not tell a value from the one that the browser sends.
    """
    session._session_state._old_state.update(values)
    session._session_state._old_state.update(widgets)


def forget_widgets(session: Any, widgets: dict[str, Any]) -> None:
    """Drop the values that stood in for widgets: from the first run on each widget has its own."""
    old = session._session_state._old_state
    for key, value in widgets.items():
        if old.get(key) is value:
            del old[key]


def without_clicks(client: Any | None) -> Any | None:
    """Return what a run was asked for with, to ask for it once more: a click is answered once at most."""
    return None if client is None else _with_widgets(client, _values(client))


def has_click(client: Any | None) -> bool:
    """Return whether a run is asked for because of a click or a message."""
    return client is not None and bool(_clicks(client))


def brought_up_to_date(earlier: Any, later: Any) -> Any | None:
    """Return the run `earlier`, which comes behind `later`, with the values that the page has meanwhile.

    None where nothing of it is left to be done: what was typed is in every later run of the whole page.
    """
    clicks = _clicks(earlier)
    if not clicks and not getattr(later, "fragment_id", ""):
        return None
    return _with_widgets(earlier, [*_values(later), *clicks])


def _clicks(client: Any) -> list[Any]:
    return [one for one in client.widget_states.widgets if one.WhichOneof("value") in TRIGGERS]


def _values(client: Any) -> list[Any]:
    return [one for one in client.widget_states.widgets if one.WhichOneof("value") not in TRIGGERS]


def _with_widgets(client: Any, widgets: list[Any]) -> Any:
    """Return a copy of what a run was asked for with, with other states of widgets."""
    copy = type(client)()
    copy.CopyFrom(client)
    del copy.widget_states.widgets[:]
    copy.widget_states.widgets.extend(widgets)
    return copy
