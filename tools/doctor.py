"""Look at this environment: what is here, what works, and how to mend what does not.

    python tools/doctor.py

The same as `python -m snr_plugins.doctor`, which needs no repository.
"""

import sys

from snr_plugins.doctor.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
