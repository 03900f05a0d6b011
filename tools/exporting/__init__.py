"""What tools/export.py is made of: networks as exporters take them, and the formats."""
