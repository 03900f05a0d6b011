"""Style Normalization and Restitution (Jin et al., arXiv 2101.00588) as a plug-in.

``snr_plugins.nn`` is the method in plain torch, ``snr_plugins.data`` reads street scenes,
``snr_plugins.city`` makes them, ``snr_plugins.detection`` serves Detectron2 and
``snr_plugins.segmentation`` MMSegmentation.
"""

__version__ = "0.1.0"
