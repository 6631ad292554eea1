# SPDX-License-Identifier: Apache-2.0
"""A redis-server for the tests of a module, to ask the same things of."""
import os
import shutil
import subprocess
import tempfile
import unittest

from node import until


def redis_server():
    """Starts one, and ends it with the module's tests; without it they are skipped. Returns: the
    path of its socket."""
    if not shutil.which('redis-server'):
        raise unittest.SkipTest('there is no redis-server')
    folder = tempfile.mkdtemp(prefix='microburst-redis-')
    path = os.path.join(folder, 'socket')
    process = subprocess.Popen(['redis-server', '--port', '0', '--unixsocket', path, '--save', '',
                                '--dir', folder], stdout=subprocess.DEVNULL)
    unittest.addModuleCleanup(shutil.rmtree, folder)
    unittest.addModuleCleanup(process.wait)
    unittest.addModuleCleanup(process.terminate)
    until(lambda: os.path.exists(path), 60, 'a redis-server')
    return path
