"""The verdict about samples, with growth planted for it."""
import os
import socket
import unittest

from soaking.memory import (ALLOWED_BYTES, ALLOWED_FILES, ALLOWED_PER_ENTRY, Sample, Verdict,
                            count_files)

MIB = 1 << 20
COUNT = 90


def samples(resident=lambda n: 20 * MIB, files=lambda n: 30, kept=lambda n: 0):
    return [Sample(10.0 * n, int(resident(n)), 0, files(n), 60, 40, kept(n), 0.0)
            for n in range(COUNT)]


def jitter(n):
    return (n * 7919 % 13) * MIB / 20


class Memory(unittest.TestCase):
    cases = (
        ('flat', lambda n: 20 * MIB, []),
        ('flat with noise', lambda n: 20 * MIB + jitter(n), []),
        ('growth in the warm-up alone', lambda n: min(n, COUNT // 3) * MIB, []),
        ('steady growth', lambda n: 20 * MIB + n * MIB / 10, ['memory grew']),
        ('steady growth with noise', lambda n: 20 * MIB + n * MIB / 10 + jitter(n),
         ['memory grew']),
        ('a peak at the end', lambda n: (60 if n > COUNT - 4 else 20) * MIB, []),
        ('it shrinks', lambda n: 60 * MIB - n * MIB / 10, []),
    )

    def test_growth(self):
        for name, resident, faults in self.cases:
            with self.subTest(name):
                self.assertEqual(Verdict(samples(resident)).faults(), faults)

    def test_archived_messages_may_take_a_little(self):
        """What is allowed counts the messages behind the warm-up, in two archives each."""
        def kept(n):
            return n * 100000

        def grows(n):
            return 20 * MIB + 4 * kept(n) * 0.9
        seen = Verdict(samples(kept=kept))
        entries = 2 * (kept(COUNT - 1) - seen.warm[0].kept)
        self.assertEqual(seen.allowed, ALLOWED_BYTES + ALLOWED_PER_ENTRY * entries)
        self.assertEqual(Verdict(samples(grows, kept=kept)).faults(), [])
        self.assertEqual(Verdict(samples(grows)).faults(), ['memory grew'])

    def test_descriptors(self):
        for name, files, faults in (
                ('a leak', lambda n: 30 + n // 5, ['descriptors leak']),
                ('a step', lambda n: 30 + (ALLOWED_FILES if n > COUNT // 2 else 0), [])):
            with self.subTest(name):
                self.assertEqual(Verdict(samples(files=files)).faults(), faults)


class Files(unittest.TestCase):
    def test_connections_do_not_count(self):
        with socket.create_server(('127.0.0.1', 0)) as server:
            port = server.getsockname()[1]
            before = count_files(os.getpid(), {port})
            with socket.create_connection(('127.0.0.1', port)), server.accept()[0]:
                # The client's end is no connection that was accepted.
                self.assertEqual(count_files(os.getpid(), {port}), before + 1)
            self.assertEqual(count_files(os.getpid(), {port}), before)
            with open(os.devnull, encoding='ascii'):
                self.assertEqual(count_files(os.getpid(), {port}), before + 1)


if __name__ == '__main__':
    unittest.main()
