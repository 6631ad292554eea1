#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""install_test.py SOURCE BUILD

Goal:   what `make install` puts somewhere works from there, wherever that is: the commands, the
        headers that functions and programs are compiled with, the library, the examples.
Method: an installation into a folder of ours (which is not where its prefix says, as when a tree
        was moved); from there a node, a function, and a program made with pkg-config.
"""
import os
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE, BUILD = map(os.path.abspath, sys.argv[1:3])


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='microburst-install-')
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.run_in('meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', DESTDIR=self.root)
        bins = [d for d, _, files in os.walk(self.root) if 'microburst' in files and
                os.path.basename(d) == 'bin']
        self.assertEqual(len(bins), 1)
        self.prefix = os.path.dirname(bins[0])

    def run_in(self, *args, **env):
        clean = {k: v for k, v in os.environ.items() if k not in ('CC', 'CFLAGS')}
        done = subprocess.run(args, capture_output=True, text=True, timeout=120, check=False,
                              env={**clean, 'MICROBURST_SOCKET': f'{self.root}/socket', **env})
        self.assertEqual(done.returncode, 0, (args, done.stdout, done.stderr))
        return done.stdout

    def microburst(self, *args):
        return self.run_in(f'{self.prefix}/bin/microburst', *args)

    def start_node(self):
        log = open(f'{self.root}/log', 'w', encoding='utf-8')
        self.addCleanup(log.close)
        node = subprocess.Popen([f'{self.prefix}/bin/microburst', 'up', '--socket',
                                 f'{self.root}/socket'], stdout=log, stderr=log)
        self.addCleanup(node.wait)
        self.addCleanup(node.terminate)
        until = time.monotonic() + 60
        while not os.path.exists(f'{self.root}/socket'):
            self.assertIsNone(node.poll(), f'the node ended: {open(log.name).read()}')
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        return node

    def test_installed(self):
        examples = f'{self.prefix}/share/microburst/examples'
        node = self.start_node()
        self.assertEqual(self.microburst('deploy', f'{examples}/increment.c'),
                         'deployed increment, version 1\n')
        self.assertEqual(self.microburst('call', 'increment', '4'), '5\n')

        self.microburst('deploy', f'{examples}/wordcount.c')
        self.microburst('dag', 'add', 'wordcount', ', '.join(
            f'split -> count#{i}, count#{i} -> total' for i in range(4)))
        pc = [d for d, _, files in os.walk(self.prefix) if 'microburst.pc' in files][0]
        flags = self.run_in('pkg-config', f'--define-variable=prefix={self.prefix}', '--cflags',
                            '--libs', 'microburst', PKG_CONFIG_PATH=pc).split()
        program = f'{self.root}/wordcount_client'
        self.run_in('cc', f'{examples}/wordcount_client.c', *flags, '-o', program)
        with open(f'{self.root}/text', 'w', encoding='utf-8') as f:
            f.write('spam egg Spam')
        out = self.run_in(program, f'{self.root}/text', LD_LIBRARY_PATH=os.path.dirname(pc))
        self.assertEqual(out, '1 egg\n2 spam\n')
        self.microburst('down')
        self.assertEqual(node.wait(20), 0)

    def test_where_it_is_looked_for(self):
        """pkg-config finds it in the prefixes that it looks into."""
        looks = self.run_in('pkg-config', '--variable', 'pc_path', 'pkg-config').strip().split(':')
        pc = [d for d, _, files in os.walk(self.prefix) if 'microburst.pc' in files][0]
        self.assertIn(pc[len(self.prefix):], [path.removeprefix('/usr') for path in looks])

    def test_man_pages(self):
        for page in ('man1/microburst.1', 'man8/microburstd.8'):
            self.assertTrue(os.path.exists(f'{self.prefix}/share/man/{page}'))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
