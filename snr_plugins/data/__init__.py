"""What lies on disk: one table each of layouts, conditions and ids, and the readers.

``snr_plugins.data.checks`` looks for what is wrong; ``snr_plugins.city`` makes streets of its own.
"""
