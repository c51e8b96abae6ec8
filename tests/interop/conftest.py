import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'integration'))

from harness.fixtures import (close_clients, make_server,  # noqa: E402, F401
                              pytest_runtest_makereport, server)
