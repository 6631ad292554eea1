#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The node aborted when one function was deployed by several people at a time.

Versions that waited for their check passed for the newest one of the function: those before them
were removed as old, with them some that waited too, and what was then loaded was not there.

Goal:   deployments that wait are checked one after the other, in order, and a version that was not
        checked is seen by nobody, whatever becomes of it.
Method: deploy_crowd_test.py MICROBURST OBJECT. Many deployments of one function at a time, some of
        which their MB_INIT refuses, while it is called.
"""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402

MICROBURST, OBJECT = sys.argv[1:3]
CROWD = 12      # fewer than may wait


class DeployCrowd(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'executor.count=2')
        self.addCleanup(self.node.remove)
        self.sources = {}
        for word, init in ('good', ''), ('bad', 'MB_INIT { return mb_fail(call, "no"); }\n'):
            self.sources[word] = os.path.join(self.node.folder, word + '.c')
            with open(self.sources[word], 'w', encoding='utf-8') as f:
                f.write('#include <microburst/function.h>\n' + init +
                        f'MB_FUNCTION(word) {{ return mb_return_utf8(call, mb_str("{word}")); }}')
        self.assertEqual(self.node.run('deploy', self.sources['good'])[0], 0)

    def deploy(self, word):
        return subprocess.Popen([MICROBURST, 'deploy', self.sources[word], '--socket',
                                 self.node.socket], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def test_crowd(self):
        for _ in range(3):
            crowd = [(word, self.deploy(word)) for word in ['good', 'bad'] * (CROWD // 2)]
            while any(d.poll() is None for _, d in crowd):
                code, out, err = self.node.run('call', 'word')
                self.assertEqual((code, out), (0, b'good\n'), err)
            versions = []
            for word, d in crowd:
                out, err = d.communicate()
                if word == 'bad':
                    self.assertRegex(err, "MB_INIT of 'word' refused: no")
                else:
                    self.assertEqual((d.returncode, err), (0, ''), self.node.said())
                    versions.append(int(re.search(r'version (\d+)', out)[1]))
            newest = self.node.json('functions')['functions']
            self.assertEqual([(f['name'], f['version']) for f in newest],
                             [('word', max(versions))])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
