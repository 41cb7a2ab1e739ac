"""`gitrelease _complete …`: what could come next? Asked by a shell when Tab is pressed; internal, like `hook`.

Whoever presses Tab is in the middle of a line: what is wrong in a checkout has no offers, and no words either. A bug
goes to the one handler for bugs: the shells' scripts let nothing of that into the line, and the traceback is kept.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence

from gitrelease.core.completion import FOLDERS, Offer, Typed, for_bash, read_line, with_words
from gitrelease.core.errors import ReleaseError


def main(arguments: Sequence[str]) -> int:
    """Print offers, a line each.

    `line LINE REPLACED` is how bash asks: LINE is raw, REPLACED the end of it that gives way to an offer. `words WORD
    …` is how shells ask that take quotations away and put them back by themselves; the last word is being typed.
    """
    with contextlib.suppress(ReleaseError, OSError, SystemExit):
        match arguments:
            case ("line", line, replaced):
                typed = read_line(line)
                lines = for_bash(offers(typed), typed, replaced)
            case ("words", *words, word):
                lines = with_words(offers(Typed(words, word)))
            case _:
                return 0
        sys.stdout.write("".join(f"{one}\n" for one in lines))
        sys.stdout.flush()
    return 0


def offers(typed: Typed) -> Iterator[Offer]:
    """Yield what could stand at the cursor: what the verbs, and what they say of their options, have to offer."""
    # Of the library's own protocols none carries a word with blanks, and zsh's evaluates names: docs/decisions/0033.
    from typer._completion_classes import FishComplete
    from typer.main import get_command

    from gitrelease.commands.application import VERBS, application, first_word

    verb = first_word(typed.words)
    if verb and not verb.startswith("-") and verb not in VERBS:
        return iter(())  # the library would offer the verbs once more
    command = get_command(application(typed.words))
    found = FishComplete(command, {}, "gitrelease", "").get_completions(list(typed.words), typed.word)
    if any(one.help == FOLDERS for one in found):
        return iter([Offer(FOLDERS)])
    return _whole(typed.word, (Offer(one.value, one.help or "") for one in found))


def _whole(word: str, found: Iterable[Offer]) -> Iterator[Offer]:
    """Yield offers as whole words: of `--to=can` the library completes the value only."""
    option, is_set, _ = word.partition("=")
    before = f"{option}=" if is_set and option.startswith("-") else ""
    for one in found:
        yield Offer(before + one.value, one.told)
