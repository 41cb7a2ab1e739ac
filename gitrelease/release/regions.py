"""Where do the regions of the app stand?"""

from __future__ import annotations

from typing import Any

from gitrelease.candidate import placed
from gitrelease.core.filechange import whole
from gitrelease.core.parsing import Broken, parse
from gitrelease.core.resolve import resolve
from gitrelease.core.scopes import Scopes
from gitrelease.world import World


def places(world: World, commit: str) -> list[dict[str, Any]]:
    """Return each region with its lines in `commit`; null where it is not."""
    rows = []
    found: dict[str, Any] = {}
    lines = placed(world, commit)
    for path in world.settings.region_files:
        content = world.git.blob(commit, path)
        there = world.settings.regions_of(path)
        found |= {region.name: whole(content) for region in there if region.form == "file"}
        source = parse(content) if content is not None and path.endswith(".py") else None
        if source is not None and not isinstance(source, Broken):
            found |= {name: item.lines for name, item in resolve(Scopes(source), there, lines).items()}
    for region in world.settings.regions:
        where = ", ".join(filter(None, (region.symbol, region.assign)))
        rows.append(
            {
                "region": region.name,
                "kind": region.kind.value,
                "file": world.settings.file_of(region),
                "lines": list(found[region.name]) if found.get(region.name) else None,
                "where": where,
            }
        )
    return rows
