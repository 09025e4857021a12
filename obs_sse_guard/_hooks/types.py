"""Types that the hooks share; SDK objects are ``Any`` because SDKs ship no types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias  # type: ignore[attr-defined,unused-ignore]

__all__ = ["Args", "Function", "Items", "Kwargs", "MakeHook"]

if TYPE_CHECKING:
    Args: TypeAlias = tuple[Any, ...]
    Kwargs: TypeAlias = dict[str, Any]
    Items: TypeAlias = list[tuple[Any, Any]]
    Function: TypeAlias = Callable[..., Any]
    MakeHook: TypeAlias = Callable[[str, Function], Function]
