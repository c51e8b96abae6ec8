"""The faults of shim.c, seen by a small program; CRASH_SHIM names the shim."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from crashes.faults import CONTROL, NO_BOUND


@unittest.skipUnless('CRASH_SHIM' in os.environ, 'CRASH_SHIM is not set')
class ShimTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name).resolve()
        for name in ('data/sub', 'shadow'):
            (self.folder / name).mkdir(parents=True)

    def run_with(self, program, room=NO_BOUND, delay_us=0, early=0, **environment):
        """Runs lines of Python under the shim, with f a descriptor of data/file. What it
        prints."""
        control = self.folder / 'control'
        control.write_bytes(CONTROL.pack(room, delay_us, early))
        lines = ['import errno, os, time', "f = os.open('data/file', os.O_RDWR | os.O_CREAT)",
                 *program]
        done = subprocess.run(
            [sys.executable, '-c', '\n'.join(lines)], cwd=self.folder, capture_output=True,
            text=True, env={**os.environ, 'LD_PRELOAD': os.environ['CRASH_SHIM'],
                            'CRASH_CONTROL': str(control), 'CRASH_DATA': str(self.folder / 'data'),
                            'CRASH_SHADOW': str(self.folder / 'shadow'), **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def on_disk(self, name='file'):
        return (self.folder / 'shadow' / name).read_bytes()

    def test_synced(self):
        for sync in ('fsync', 'fdatasync'):
            self.run_with(["os.pwrite(f, b'abc', 0)", "os.write(f, b'xy')", f'os.{sync}(f)',
                           "os.pwrite(f, b'lost', 100)"])
            self.assertEqual(self.on_disk(), b'xyc')

    def test_early(self):
        self.run_with(["os.pwrite(f, b'x' * 512 * 1000, 0)"], early=2)
        sectors = self.on_disk().count(b'x' * 512)
        self.assertGreater(sectors, 350)
        self.assertLess(sectors, 650)

    def test_what_was_there(self):
        """A file of an earlier life is on the disk as it stands."""
        (self.folder / 'data/file').write_bytes(b'before')
        self.run_with(["os.pwrite(f, b'B', 0)"])
        self.assertEqual(self.on_disk(), b'before')

    def test_cut(self):
        self.run_with(["os.pwrite(f, b'abcdef', 0)", 'os.fsync(f)', 'os.ftruncate(f, 2)'])
        self.assertEqual(self.on_disk(), b'abcdef')
        self.run_with(['os.ftruncate(f, 2)', "os.pwrite(f, b'z', 3)", 'os.fsync(f)'])
        self.assertEqual(self.on_disk(), b'ab\0z')

    def test_names(self):
        self.run_with(["os.pwrite(f, b'abc', 0)", "os.rename('data/file', 'data/other')",
                       'os.fsync(f)'])
        self.assertEqual(self.on_disk('other'), b'abc')
        self.assertFalse((self.folder / 'shadow/file').exists())
        self.run_with(["os.unlink('data/other')"])
        self.assertFalse((self.folder / 'shadow/other').exists())

    def test_whole(self):
        self.run_with(["out = open('data/sub/file', 'w')", "out.write('abc')", 'out.flush()',
                       'os.fsync(out.fileno())', "out.write('lost')", 'out.flush()',
                       "os.pwrite(f, b'lost', 0)"], CRASH_WHOLE='yes')
        self.assertEqual(self.on_disk('sub/file'), b'abc')
        self.assertFalse((self.folder / 'shadow/file').exists())

    def test_no_room(self):
        said = self.run_with(["os.pwrite(f, b'x' * 10, 0)", "os.pwrite(f, b'y' * 10, 0)",
                              "try: os.pwrite(f, b'x', 10)",
                              'except OSError as e: print(errno.errorcode[e.errno])',
                              "print(os.fstatvfs(f).f_bavail)"], room=10)
        self.assertEqual(said.split(), ['ENOSPC', '0'])

    def test_slow(self):
        said = self.run_with(['t = time.monotonic()', 'for _ in range(20): os.fsync(f)',
                              'print(time.monotonic() - t)'], delay_us=20000)
        self.assertGreater(float(said), 0.05)

    def test_elsewhere(self):
        self.run_with(["g = os.open('elsewhere', os.O_RDWR | os.O_CREAT)",
                       "os.write(g, b'x' * 100)"], room=10)
        self.assertEqual((self.folder / 'elsewhere').stat().st_size, 100)
        self.assertFalse((self.folder / 'shadow/elsewhere').exists())
