"""Tests of the scripts in this folder: each checker must find what is planted for it."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
sys.path.insert(0, str(SCRIPTS))

import check_run  # noqa: E402

LAYERS = '''# floors
base:
xml:    base
bench:  base xml
'''


def run(script, files):
    """The exit code and the output of a checker over a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, str(SCRIPTS / script), '--root', root],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class Layers(unittest.TestCase):
    TREE = {
        'LAYERS': LAYERS,
        'src/base/a.h': '',
        'src/base/a.c': '#include "base/a.h"\n#include <stdio.h>\n',
        'src/xml/x.h': '#include "base/a.h"\n',
        'src/xml/x_test.c': '  #  include "xml/x.h"\n',
        'bench/b.h': '',
        'bench/b.c': '#include "b.h"\n#include "xml/x.h"\n',
    }

    def expect(self, code, words, **changes):
        files = {**self.TREE, **{k.replace('__', '/').replace('_DOT_', '.'): v
                                 for k, v in changes.items()}}
        got, out = run('check-layers', files)
        self.assertEqual(got, code, out)
        self.assertEqual(out.splitlines(), words)

    def test_a_tree_in_order_passes(self):
        self.expect(0, [])

    def test_an_include_upwards_fails(self):
        self.expect(1, ['src/base/a.h:1: base includes xml/x.h; it may include base'],
                    src__base__a_DOT_h='#include "xml/x.h"\n')

    def test_a_unit_test_may_not_include_upwards_either(self):
        self.expect(1, ['src/base/t.c:2: base includes xml/x.h; it may include base'],
                    src__base__t_DOT_c='\n#include "xml/x.h"\n')

    def test_a_floor_may_not_include_the_bench(self):
        self.expect(1, ['src/xml/y.c:1: src/ has no b.h; name a header from src/ on'],
                    src__xml__y_DOT_c='#include "b.h"\n')

    def test_a_header_is_named_from_src_on(self):
        self.expect(1, ['src/xml/y.c:1: src/ has no x.h; name a header from src/ on'],
                    src__xml__y_DOT_c='#include "x.h"\n')

    def test_a_program_sees_public_headers_alone(self):
        layers = LAYERS + 'include:\nexamples: include\n'
        self.expect(1, ['examples/e.c:2: examples includes base/a.h; it may include examples, '
                        'include'], LAYERS=layers, include__p__p_DOT_h='',
                    examples__e_DOT_c='#include "p/p.h"\n#include "base/a.h"\n')

    def test_a_folder_without_a_floor_fails(self):
        self.expect(1, ['src/new/n.c: LAYERS has no floor new'], src__new__n_DOT_c='')

    def test_an_exception_lets_one_include_pass(self):
        layers = LAYERS + 'src/base/a.h includes xml/x.h because of a reason\n'
        self.expect(0, [], LAYERS=layers, src__base__a_DOT_h='#include "xml/x.h"\n')

    def test_an_exception_lets_a_header_from_elsewhere_pass(self):
        layers = LAYERS + 'src/xml/x_test.c includes helper.h because tests share it\n'
        self.expect(0, [], LAYERS=layers, src__xml__x_test_DOT_c='#include "helper.h"\n')

    def test_an_exception_that_nobody_needs_fails(self):
        layers = LAYERS + 'src/base/a.h includes xml/x.h because of a reason\n'
        self.expect(1, ['LAYERS:5: nobody needs this exception; remove it'], LAYERS=layers)

    def test_an_exception_needs_a_reason(self):
        layers = LAYERS + 'src/base/a.h includes xml/x.h\n'
        self.expect(1, ['LAYERS:5: write FLOOR: FLOOR..., or PATH includes HEADER because '
                        'REASON, each once'], LAYERS=layers)

    def test_floors_form_no_circle(self):
        self.expect(1, ['LAYERS:1: base names xml, which does not stand above; a floor names '
                        'those below it'], LAYERS='base: xml\nxml: base\nbench: base xml\n')

    def test_a_tree_without_sources_fails(self):
        code, out = run('check-layers', {'LAYERS': LAYERS})
        self.assertEqual((code, out), (1, 'no source files found\n'))


class Docs(unittest.TestCase):
    TREE = {
        'stentor.doap': '<Project/>',
        'man/x.8': '.Dd November 25, 2026\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n'
                   '.Sh DESCRIPTION\nText.\n',
        'README.md': '[page](docs/page.md#part) [net](https://example.org/x)\n',
        'docs/README.md': '[page](page.md)\n',
        'docs/page.md': '[back](../README.md)\n```\n[no](link)\n```\n\n    [no](link)\n',
    }

    def expect(self, code, word, **changes):
        got, out = run('check-docs', {**self.TREE, **changes})
        self.assertEqual(got, code, out)
        self.assertIn(word, out)

    def test_pages_in_order_pass(self):
        self.expect(0, '')

    def test_a_link_to_nowhere_fails(self):
        self.expect(1, 'README.md:2: there is no docs/gone.md',
                    **{'README.md': '\n[gone](docs/gone.md)\n'})

    def test_a_page_that_the_index_does_not_name_fails(self):
        self.expect(1, 'docs/README.md: new.md is not named here', **{'docs/new.md': ''})

    def test_a_manual_with_a_fault_fails(self):
        self.expect(1, 'man/x.8', **{'man/x.8': '.Dd November 25, 2026\n.Dt X 8\n.Os\n.Zz\n'})

    def test_a_doap_that_is_no_xml_fails(self):
        self.expect(1, 'stentor.doap:1', **{'stentor.doap': '<Project>'})


class Counting(unittest.TestCase):
    """What is counted is what the runners say, and nothing is taken for passed that is not."""

    def test_meson(self):
        text = '\n'.join('{"name": "a/%d", "result": "%s"}' % (i, r) for i, r in enumerate(
            ['OK', 'FAIL', 'TIMEOUT', 'SKIP', 'ERROR', 'EXPECTEDFAIL', 'UNEXPECTEDPASS',
             'INTERRUPT']))
        result = check_run.count_meson(text + '\n')
        self.assertEqual(result.passed, 2)
        self.assertEqual(result.skipped, 1)
        self.assertEqual(result.failed, ['a/1 (FAIL)', 'a/2 (TIMEOUT)', 'a/4 (ERROR)',
                                         'a/6 (UNEXPECTEDPASS)', 'a/7 (INTERRUPT)'])

    def test_junit(self):
        text = '''<testsuites><testsuite>
            <testcase classname="t" name="good"/>
            <testcase classname="t" name="out"><system-out/></testcase>
            <testcase classname="t" name="bad"><failure/><error/></testcase>
            <testcase classname="t" name="worse"><error/></testcase>
            <testcase classname="t" name="not"><skipped/></testcase>
            </testsuite></testsuites>'''
        self.assertEqual(check_run.count_junit(text),
                         check_run.Result(2, ['t::bad', 't::worse'], 1))

    def test_unittest(self):
        text = ('test_a (x.A.test_a) ... ok\ntest_b (x.A.test_b) ... FAIL\n'
                'test_c (x.A.test_c) ... ERROR\n\nRan 3 tests\n')
        self.assertEqual(check_run.count_unittest(text),
                         check_run.Result(1, ['test_b (x.A.test_b)', 'test_c (x.A.test_c)'], 0))

    def test_fuzz(self):
        text = 'ok jid: 12 runs\nFAILED xml: exit code 77\nok then\n'
        self.assertEqual(check_run.count_words(text), check_run.Result(1, ['xml'], 0))

    def test_a_command_past_the_deadline_is_a_failure(self):
        check = check_run.Check()
        check.deadline = 0
        with tempfile.TemporaryDirectory() as root:
            check.log = Path(root) / 'log'
            with self.assertRaises(check_run.CannotRun):
                check.run('sleep', '60')


if __name__ == '__main__':
    unittest.main()
