"""What a page shows, and the states of its widgets: Streamlit's deltas, as the frontend applies them."""

from __future__ import annotations

from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetState

Path = tuple[int, ...]


class Elements:
    """The elements of a page by their place, and what a person entered in them by the ids of widgets."""

    def __init__(self) -> None:
        self.states: dict[str, WidgetState] = {}
        self._shown: dict[Path, Any] = {}
        self._fresh: dict[Path, Any] = {}  # of the run that is under way
        self._toasts: list[str] = []

    def begin(self) -> None:
        """A run of the script begins: what is there stays until its end, unless something takes its place."""
        self._fresh = {}

    def take(self, delta: Any, path: Path) -> list[str]:
        """Put an element into its place; return the addresses of pictures that come into view with it."""
        if delta.WhichOneof("type") != "new_element":
            return []
        element = delta.new_element
        pictures = _pictures(element)
        seen = _pictures(self._shown[path]) if path in self._shown else []
        self._shown[path] = self._fresh[path] = element
        self._begin_widget(element)
        if element.WhichOneof("type") == "toast":
            self._toasts.append(element.toast.body)
        return [picture for picture in pictures if picture not in seen]

    def _begin_widget(self, element: Any) -> None:
        """Give a widget the value that the script sets, or that it begins with."""
        kind = element.WhichOneof("type")
        if kind == "text_input":
            field = element.text_input
            if field.set_value:
                self.set(WidgetState(id=field.id, string_value=field.value))
            elif field.id not in self.states:
                self.set(WidgetState(id=field.id, string_value=field.default))
        elif kind == "file_uploader" and element.file_uploader.id not in self.states:
            state = WidgetState(id=element.file_uploader.id)
            state.file_uploader_state_value.SetInParent()
            self.set(state)

    def end(self) -> None:
        """A run has ended well: elements that it did not bring are gone, and so are the states of their widgets."""
        self._shown = dict(self._fresh)
        ids = {_value(element).id for element in self._shown.values() if hasattr(_value(element), "id")}
        self.states = {name: state for name, state in self.states.items() if name in ids}

    def set(self, state: WidgetState) -> None:
        """Enter something in a widget."""
        self.states[state.id] = state

    def widget(self, kind: str, label: str) -> Any:
        """Return the widget that the page shows with this label."""
        found = [
            _value(element)
            for element in list(self._shown.values())
            if element.WhichOneof("type") == kind and _value(element).label == label
        ]
        assert found, f"the page shows no {kind} {label!r}; {self.exceptions()}"
        return found[0]

    def texts(self) -> list[str]:
        """Return what `st.text` has written."""
        return [one.text.body for one in list(self._shown.values()) if one.WhichOneof("type") == "text"]

    def pictures(self) -> list[str]:
        """Return the addresses of the pictures that are shown."""
        return [path for element in list(self._shown.values()) for path in _pictures(element)]

    def exceptions(self) -> list[str]:
        """Return the exceptions that are shown."""
        return [one.exception.message for one in list(self._shown.values()) if one.WhichOneof("type") == "exception"]

    def new_toasts(self) -> list[str]:
        """Return the toasts since the last call."""
        new, self._toasts = self._toasts, []
        return new


def _value(element: Any) -> Any:
    return getattr(element, element.WhichOneof("type"))


def _pictures(element: Any) -> list[str]:
    if element.WhichOneof("type") != "imgs":
        return []
    return [image.url for image in element.imgs.imgs if image.url.startswith("/media/")]
