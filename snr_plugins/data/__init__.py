"""Street scenes: a synthetic city, its weather, and readers of Cityscapes-style folders."""
