"""Who is told when something has happened, what runs then, and who is told again when nobody answers?

Read anew from `host.toml` each time, so that a receiver that is set counts at once. Nothing here changes a release.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from gitrelease.agent.background import log
from gitrelease.agent.teller import LEAVE, Teller
from gitrelease.core.errors import SettingsError
from gitrelease.core.events import AnyEvent, Escalated
from gitrelease.core.history import Release, release_name
from gitrelease.core.memory import Emergency, Memory
from gitrelease.core.notices import Notice, Scene, body_of, receivers, title_of, until_told_again, variables, wants
from gitrelease.core.settings import Receiver, seconds
from gitrelease.core.settings_text import Written
from gitrelease.edges import notify, reactions, records
from gitrelease.edges import settings as settings_files
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.git import GitError
from gitrelease.edges.notify import Message
from gitrelease.edges.variables import for_reactions
from gitrelease.release.production import Production
from gitrelease.world import World

_TYPES = {0: "info", 1: "warning", 2: "failure", 3: "failure", 4: "success"}  # of Apprise, by level


class Telling:
    """Tells receivers, runs commands, and sees to it that somebody acknowledges that a person is needed."""

    def __init__(self, world: World, *, serves: Callable[[], str], write_down: Callable[[AnyEvent], None]) -> None:
        """`serves` says what users get just now, and nothing where they get nothing."""
        self._world = world
        self._serves = serves
        self._write_down = write_down
        self._settings = Written()
        self._watched: tuple[Emergency, float] | None = None  # and when it is told again, monotonic
        journal, told = world.journal, world.home.told
        self._tellers = (
            Teller(
                "notify", journal, told / "notify.json",
                tell=self._notify, release=self._release, meanwhile=self._look_at_emergency,
            ),
            Teller("on", journal, told / "on.json", tell=self._react, release=self._release),
        )  # fmt: skip

    def hear(self, world: World) -> None:
        """Be woken by what is written to the journal of `world`, which was opened anew."""
        world.journal.appended = self.look

    def start(self) -> None:
        self.hear(self._world)
        for teller in self._tellers:
            teller.start()

    def look(self) -> None:
        """Something was written to the journal."""
        for teller in self._tellers:
            teller.look()

    def stop(self) -> None:
        for teller in self._tellers:
            teller.stop()
        deadline = time.monotonic() + LEAVE
        for teller in self._tellers:
            teller.leave(deadline)

    def _release(self, number: int) -> Release | None:
        """Return a release; none where the refs cannot be read just now."""
        try:
            return records.find(self._world.git, number, self._world.group)
        except GitError as error:
            log.warning("notify: %s", error)
            return None

    def _written(self) -> Written:
        """Return the settings as they are on the host just now; the last good ones where they cannot be read."""
        try:
            self._settings = settings_files.told_of(self._world.home.settings)
        except SettingsError as error:
            log.warning("notify: %s. %s", error.message, error.hint)
        return self._settings

    # -- receivers ---------------------------------------------------------------------------------------------

    def _notify(self, notices: Sequence[Notice], _: Cancel) -> None:
        settings = self._written().notify
        scene = scene_of(self._world, self._serves())
        messages = [
            message_for(setting, receiver, notice, scene)
            for notice in notices
            for setting, receiver in receivers(settings)
            if wants(receiver, notice)
        ]
        for one in notify.deliver(
            messages, environment=for_reactions(self._world.home.root), limit=seconds(settings.timeout)
        ):
            if not one.reached:
                log.warning(
                    "notify: %s (%s) was not reached: %s. Try: gitrelease notify test", one.to, one.setting, one.why
                )

    # -- commands ----------------------------------------------------------------------------------------------

    def _react(self, notices: Sequence[Notice], cancel: Cancel) -> None:
        written = self._written()
        scene, home = scene_of(self._world, self._serves()), self._world.home
        of_host = for_reactions(home.root)
        for notice in notices:
            for number, reaction in enumerate(written.on, start=1):
                if reaction.event != notice.event:
                    continue
                file = home.logs / f"on-{notice.event}.log"
                wrong = reactions.run(
                    reaction.run,
                    variables={**of_host, **variables(notice, scene)},
                    cwd=self._world.git.root,
                    log=file,
                    most_log=written.limits.log_mb << 20,
                    limit=seconds(reaction.timeout),
                    cancel=cancel,
                )
                if wrong:
                    log.warning(
                        "on[%d] %s: %s: %s. Its output is in %s", number, notice.event, reaction.run[0], wrong, file
                    )

    # -- a person who is needed --------------------------------------------------------------------------------

    def _look_at_emergency(self, memory: Memory) -> float | None:
        """Tell level 3 when nobody has acknowledged an emergency in time; return in how many seconds to look again."""
        on = memory.emergency
        after = seconds(self._written().notify.acknowledge) if on is not None else 0.0
        wait = until_told_again(on, now=time.time(), after=after)
        if on is None or wait is None:
            self._watched = None
            return None
        if self._watched is None or self._watched[0].at != on.at:
            # Across agents only the wall clock goes on; from here on a clock counts that nobody sets.
            self._watched = on, time.monotonic() + wait
        left = self._watched[1] - time.monotonic()
        if left > 0:
            return left
        log.error("a person is needed, and nobody has acknowledged it within %s: %s", f"{after:g} s", on.reason)
        self._write_down(Escalated(at=time.time(), reason=on.reason))
        return None


def scene_of(world: World, serves: str) -> Scene:
    return Scene(host=socket.gethostname(), checkout=str(world.git.root), serves=serves, group=world.group)


def served_by(production: Production) -> str:
    """Say which release users get just now; nothing where no process serves them."""
    live = production.running.live
    return release_name(live.number) if live is not None and live.alive else ""


def message_for(setting: str, receiver: Receiver, notice: Notice, scene: Scene) -> Message:
    return Message(
        setting=setting, url=receiver.url, title=title_of(notice, scene), body=body_of(notice, scene),
        type=_TYPES[notice.level],
    )  # fmt: skip
