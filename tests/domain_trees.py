"""A folder domain/class/image whose classes are colours and whose domains are brightnesses."""

import numpy as np
from PIL import Image

DOMAINS = {"bright": 250, "dim": 120, "dark": 60}
CLASSES = ("blue", "red")


def write_domain_tree(root, images=20, size=16):
    """``images`` in each class of each domain, with a little noise."""
    noise = np.random.default_rng(0)
    for domain, brightness in DOMAINS.items():
        for number, name in enumerate(CLASSES):
            folder = root / domain / name
            folder.mkdir(parents=True)
            for index in range(images):
                pixels = noise.integers(0, 6, (size, size, 3), dtype=np.uint8)
                pixels[..., 2 * (1 - number)] += np.uint8(brightness - 6)
                Image.fromarray(pixels).save(folder / f"{index:03}.png")
    return root
