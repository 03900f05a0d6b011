"""Write scikit-learn's digits in five styles, as domains: OUT/<style>/<digit>/<number>.png.

    python tools/make_digits.py [--out data/digits]

1797 digits, 32x32 pixels, dealt out to the styles: none of them is in two, so a style that is held
out holds digits that nobody has seen in any other. A minute's task in domain generalisation for
those without a dataset; needs scikit-learn, and nothing from a network.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from snr_plugins.errors import InputError

SIZE = 32  # pixels
Random = np.random.Generator

# A style makes an image (32, 32, 3), float in [0, 255], of ink (32, 32) in [0, 1].


def white_on_black(ink: np.ndarray, random: Random) -> np.ndarray:
    return _mixed(ink, np.full(3, 255.0), np.zeros(3))


def inverted(ink: np.ndarray, random: Random) -> np.ndarray:
    return _mixed(ink, np.zeros(3), np.full(3, 255.0))


def coloured(ink: np.ndarray, random: Random) -> np.ndarray:
    """Two colours, no two images the same; the digit may be darker than its ground or brighter."""
    first, second = random.uniform(0, 100, 3), random.uniform(155, 255, 3)
    return _mixed(ink, *((first, second) if random.random() < 0.5 else (second, first)))


def blurred(ink: np.ndarray, random: Random) -> np.ndarray:
    """Grey and out of focus, with little contrast."""
    grey = Image.fromarray((255 * ink).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
    return _mixed(np.asarray(grey) / 255, np.full(3, 170.0), np.full(3, 90.0))


def noisy(ink: np.ndarray, random: Random) -> np.ndarray:
    return white_on_black(ink, random) * 0.6 + random.normal(50, 50, (SIZE, SIZE, 3))


STYLES: dict[str, Callable[[np.ndarray, Random], np.ndarray]] = {
    style.__name__: style for style in (white_on_black, inverted, coloured, blurred, noisy)
}


def _mixed(ink: np.ndarray, digit: np.ndarray, ground: np.ndarray) -> np.ndarray:
    return ink[..., None] * digit + (1 - ink[..., None]) * ground


def write_digits(out: Path) -> int:
    """Write all images; how many.

    Raises:
        InputError: scikit-learn is missing, or ``out`` holds something already.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError("the digits are scikit-learn's: pip install scikit-learn") from None
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: remove it, or give another --out")
    unfinished = out.with_name(f".{out.name}.partial")  # out is there whole or not at all
    shutil.rmtree(unfinished, ignore_errors=True)
    digits = load_digits()
    random = np.random.default_rng(0)
    styles = list(STYLES.items())
    for index, (small, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        name, style = styles[index % len(styles)]
        grey = Image.fromarray((small * 255 / 16).astype(np.uint8)).resize((SIZE, SIZE))
        image = style(np.asarray(grey) / 255, random).clip(0, 255).astype(np.uint8)
        folder = unfinished / name / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:04}.png")
    unfinished.replace(out)
    return len(digits.images)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data/digits"))
    args = parser.parse_args()
    try:
        count = write_digits(args.out)
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {args.out} cannot be written ({error.strerror}): mend the disk or folder")
    print(f"{count} digits in {len(STYLES)} styles: {args.out}/{{{','.join(STYLES)}}}")


if __name__ == "__main__":
    main()
