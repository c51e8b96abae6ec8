import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.fixtures import (close_clients, make_server, others_are_served,  # noqa: E402, F401
                              pytest_runtest_makereport, server, witness)
