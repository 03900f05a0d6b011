"""Names as fingers write them."""

import random


def misspelt(name: str, seed: int = 0) -> str:
    """A letter is lost, doubled or exchanged with the next; the same for the same seed."""
    rng = random.Random(f"{name}{seed}")
    at = rng.randrange(len(name) - 1)
    ways = (
        name[:at] + name[at + 1 :],
        name[: at + 1] + name[at:],
        name[:at] + name[at + 1] + name[at] + name[at + 2 :],
    )
    return rng.choice([way for way in ways if way != name])
