"""What is wrong with a dataset on disk: everything at once, by name, with a picture."""
