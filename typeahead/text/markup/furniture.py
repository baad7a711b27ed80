"""Tells what stands round the main part of an HTML page: navigation, contents, permalinks, buttons, what is hidden.

The names are those of Sphinx, MkDocs, Docusaurus, Javadoc, DocBook, AsciiDoc and common themes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TAGS = frozenset(
    "script style nav aside footer noscript template svg math-renderer button select input textarea iframe object "
    "canvas audio video head link meta title datalist dialog".split()
)
_ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "complementary", "menu", "toolbar", "dialog"])
#: Whole names of classes.
_CLASSES = frozenset(
    # Permalinks and links to sources.
    "headerlink hash-link anchor-link anchorjs-link viewcode-link viewcode-back permalink octicon-link "
    "edit-this-page edit-page md-content__button copybtn copy-button linenos lineno gutter sr-only visually-hidden "
    # Lists of what is on the page and beside it.
    "toc toc-list table-of-contents list-of-tables list-of-figures list-of-examples fancy_toc nosearch indexterm "
    "navheader navfooter sphinxsidebar related related-pages sidebar sidebar-drawer navbar topnav top-nav sub-nav "
    "skip-nav skip-link skip-to-content breadcrumb breadcrumbs wy-breadcrumbs pagination pagination-nav prev-next-area "
    "rst-footer-buttons toc-drawer theme-doc-breadcrumbs theme-doc-toc-mobile theme-doc-footer md-sidebar md-header "
    "md-footer md-source md-skip cookie-banner announcement menu hide-nav-button".split()
)
_IDS = frozenset(
    "hd ft sidebar footer nav navbar navigation toc table-of-contents menu search searchbox side-nav "
    "breadcrumbs cookie-banner".split()
)
_NOT_SHOWN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
#: A form with less text than this asks for something; a longer one holds a whole page.
_SHORT_FORM = 400


def is_furniture(tag: str, attributes: Mapping[str, str | None], node: Any, *, headers: bool) -> bool:
    """Whether an element is no part of what a page says; ``headers`` says whether headers are."""
    if tag in _TAGS or (tag == "header" and headers):
        return True
    if not attributes:
        return tag == "form" and len(node.text(deep=True)) < _SHORT_FORM
    if "class" in attributes:
        classes = set((attributes["class"] or "").split())
        if classes & _CLASSES or ("contents" in classes and classes & {"topic", "local"}):
            return True
        # Permalinks of GitHub and of many themes.
        if tag == "a" and "anchor" in classes and not node.text(deep=True).strip("#¶§ \n"):
            return True
    own = (attributes.get("id") or "").lower()
    if tag in ("div", "ul", "table", "form") and (own in _IDS or (own == "header" and headers)):
        return True
    role = attributes.get("role")
    if role in _ROLES:
        return True
    if "hidden" in attributes and attributes["hidden"] != "until-found" and role != "tabpanel":
        return True
    if attributes.get("aria-hidden") == "true" or _NOT_SHOWN.search(attributes.get("style") or ""):
        return True
    return tag == "form" and len(node.text(deep=True)) < _SHORT_FORM
