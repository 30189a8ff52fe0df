"""Semantic-Aware Fine-Grained Correspondence (ECCV 2022): masks for every frame from the mask of one.

As a library::

    import sfc_cli

    masks = sfc_cli.propagate(frames, mask)     # uint8 [T, H, W, 3] and [H, W] → uint8 [T, H, W]
    scores = sfc_cli.evaluate(truth, masks)     # J and F as the DAVIS benchmark defines them

What these names stand for is imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

from sfc_cli.version import __version__

if TYPE_CHECKING:
    from sfc_cli.library import evaluate, load_network, propagate, propagate_stream


__all__ = ["__version__", "evaluate", "load_network", "propagate", "propagate_stream"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from sfc_cli import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
