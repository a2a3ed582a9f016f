"""Bytes in IEC units, as every sentence and every report writes them."""

from __future__ import annotations

__all__ = ["iec_size"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP = 1024


def iec_size(figure_bytes: float, *, whole: bool = False) -> str:
    """Bytes in the largest IEC unit of which there is one: `8.0 GiB`, `0 B`.

    Args:
        figure_bytes: the figure; it may be negative.
        whole: leave the decimal out where the figure is exact, `8 GiB`: what a person wrote in a
            configuration is read back as it was written.
    """
    power = 0
    # Rounded, so that one byte less than a unit is not written as 1024 of the unit below.
    while power < len(_UNITS) - 1 and round(abs(figure_bytes) / _STEP**power, 1) >= _STEP:
        power += 1
    figure = figure_bytes / _STEP**power
    decimals = 0 if power == 0 or (whole and figure.is_integer()) else 1
    return f"{figure:.{decimals}f} {_UNITS[power]}"
