"""Samples of a process, and whether it grew."""
import os
import statistics
from collections import namedtuple

WARM_UP = 1 / 3            # of the time: caches fill, each errand is done by each person
ALLOWED_BYTES = 1 << 20    # what the allocator and the page caches of SQLite come and go by
ALLOWED_PER_ENTRY = 2      # docs/ledger.md: what the ledger knows in memory of an archived message
ALLOWED_FILES = 4          # beside connections: segments of the ledger that are opened once

LISTENING = '0A'           # a state in /proc/net/tcp

Sample = namedtuple('Sample', 'seconds resident anonymous files sessions accounts kept cpu')
"""resident, anonymous: bytes of memory. files: descriptors that are no client's connection. kept:
messages that the server has archived. cpu: seconds."""


def read_memory(pid):
    """Resident and anonymous bytes."""
    fields = {}
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as lines:
        for line in lines:
            name, _, rest = line.partition(':')
            fields[name] = rest.split()
    return int(fields['Rss'][0]) << 10, int(fields['Anonymous'][0]) << 10


def count_files(pid, ports):
    """Descriptors, without the connections that were accepted on these ports."""
    connected = set()
    with open('/proc/net/tcp', encoding='ascii') as lines:
        next(lines)
        for line in lines:
            fields = line.split()
            if int(fields[1].partition(':')[2], 16) in ports and fields[3] != LISTENING:
                connected.add(f'socket:[{fields[9]}]')
    count = 0
    for name in os.listdir(f'/proc/{pid}/fd'):
        try:
            count += os.readlink(f'/proc/{pid}/fd/{name}') not in connected
        except FileNotFoundError:
            pass    # closed meanwhile
    return count


def read_cpu(pid):
    """Seconds of all threads."""
    with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        fields = stat.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Verdict:
    """What the samples behind the warm-up say. The growth of something is told in two ways: along
    the line of least squares, and from the median of the first quarter to that of the last. A
    leak shows in both, a step of the allocator or a peak at one end in one of them."""

    def __init__(self, samples):
        end = samples[-1].seconds
        self.warm = [s for s in samples if s.seconds >= end * WARM_UP]
        self.minutes = (self.warm[-1].seconds - self.warm[0].seconds) / 60
        entries = 2 * (self.warm[-1].kept - self.warm[0].kept)    # in two archives
        self.allowed = ALLOWED_BYTES + ALLOWED_PER_ENTRY * entries

    def growth(self, field):
        """(along the line, between the medians)."""
        times = [s.seconds for s in self.warm]
        values = [getattr(s, field) for s in self.warm]
        slope = statistics.linear_regression(times, values).slope
        quarter = max(1, len(values) // 4)
        return (slope * (times[-1] - times[0]),
                statistics.median(values[-quarter:]) - statistics.median(values[:quarter]))

    def faults(self):
        found = []
        if min(self.growth('resident')) > self.allowed:
            found.append('memory grew')
        if min(self.growth('files')) > ALLOWED_FILES:
            found.append('descriptors leak')
        return found

    def describe(self):
        def kib(field):
            line, medians = self.growth(field)
            return f'{line / 1024:+.0f} KiB by the line, {medians / 1024:+.0f} by the medians'
        middle = statistics.median(s.resident for s in self.warm)
        line, medians = self.growth('files')
        return (f'in the last {self.minutes:.0f} minutes resident memory, {middle / 1024:.0f} KiB '
                f'in the middle, changed by {kib("resident")} ({self.allowed / 1024:.0f} allowed), '
                f'anonymous by {kib("anonymous")}; descriptors by {line:+.1f}, {medians:+.1f}')
