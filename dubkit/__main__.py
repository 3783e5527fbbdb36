"""``python -m dubkit``."""

import sys

from dubkit.cli.main import main

sys.exit(main())
