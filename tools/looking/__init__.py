"""What tools/visualize.py and tools/shift.py share: a trained network of either framework, its
images by domain, what its style layers do to them, and pictures of that."""
