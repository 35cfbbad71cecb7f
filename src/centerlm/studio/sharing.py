"""An episode as one static HTML file: no script, no prompt, no path of a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from centerlm.episode import Blob, Node, citations
from centerlm.studio.site import HERE
from centerlm.studio.tree import Tree

if TYPE_CHECKING:
    from centerlm.studio.site import Site


def shared(site: Site, name: str, tree: Tree, blob: Blob, file_of: Callable[[str], str]) -> str:
    """The page of an episode: question, answer, plan, and every step with what it cites."""
    state = tree.state

    def cites(node: Node) -> list[dict[str, Any]]:
        return citations(node.finding, blob)

    return site.text(
        "share.html",
        name=name,
        state=state,
        tree=tree,
        plan=blob(state.plan).decode() if state.plan else "",
        cites=cites,
        root_cites=citations(state.finding, blob),
        file_of=file_of,
        style=(HERE / "static" / "studio.css").read_text(encoding="utf-8"),
    )
