#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_words_test.py MICROBURST SOURCE

Goal:   what a gate says of its commands is what Redis says of them: words, flags, keys, categories,
        subcommands, and every error of the commands that administer; a subcommand that is not
        served is named on the page of differences.
Method: a node and a redis-server (Debian: redis-server; skipped without) are asked the same; what
        users may is asked of users by chance. SEED= takes others.
"""
import os
import random
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from beside import redis_server   # noqa: E402
from node import Node, until   # noqa: E402
from resp import Raw, Typed, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
SEED = int(os.environ.get('SEED', '4711'))
BOTH = {}

# Those that concern what is not here, as the page of differences says.
FLAGS_ELSEWHERE = {'loading', 'stale', 'noscript', 'allow_busy', 'no_async_loading',
                   'skip_slowlog', 'skip_monitor', 'no_mandatory_keys'}

# Said one after the other to both; \s is a space within a word.
SAID = r"""
acl;acl nosuch;acl whoami x;acl whoami;acl cat nosuch;acl cat a b;acl setuser;acl setuser eve
acl setuser eve +config|get;acl dryrun eve config get x;acl dryrun eve config set x y
acl dryrun eve config nosuch;acl dryrun eve config;acl dryrun eve get;acl dryrun eve get x
acl dryrun nobody get x;acl dryrun eve nosuch;acl dryrun eve acl whoami
acl setuser eve +config|nosuch;acl setuser eve +config|get|x;acl setuser eve -config|get
acl dryrun eve config get x;acl setuser eve +@nosuch;acl setuser eve +nosuch;acl setuser eve nosuch
acl setuser eve ~;acl setuser eve ~* ~x;acl setuser eve resetkeys &* &x
acl setuser eve resetchannels;acl setuser eve %~x;acl setuser eve %X~x;acl setuser eve %RR~x
acl setuser eve #abc
acl setuser eve reset +@all %R~r %W~w %RW~b;acl dryrun eve bitfield r get u8 0
acl dryrun eve bitfield r get u8 0 set u8 0 1;acl dryrun eve bitfield r no
acl dryrun eve bitfield w get u8 0;acl dryrun eve bitfield b set u8 0 1
acl dryrun eve georadius r 1 1 1 m;acl dryrun eve georadiusbymember r a 1 m
acl dryrun eve georadius r 1 1 1 m store w;acl dryrun eve georadius w 1 1 1 m
acl dryrun eve georadius r 1 1 1 m store r;acl dryrun eve georadius r 1 1 1 m storedist r
acl dryrun eve georadius r 1 1 1 m store w storedist r;acl dryrun eve sort r store r
acl dryrun eve sort r store w;acl dryrun eve sort r store r store w;acl dryrun eve sort w
acl dryrun eve sort r limit store 1 store r;acl dryrun eve georadiusbymember r a 1 m store r
acl setuser eve reset;acl setuser eve clearselectors;acl getuser default
acl setuser eve !e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
acl setuser eve !e3;acl setuser eve |;acl setuser eve +;acl setuser eve +@;acl getuser nosuch
acl getuser;acl deluser default;acl deluser nosuch;acl deluser eve nosuch;acl genpass 0
acl genpass -1;acl genpass x;acl genpass 5000;acl genpass 1 2;acl log x;acl log -1;acl log reset x
acl log reset;acl list x;acl users x;client;client nosuch;client id x;client getname;client setname
client setname a\sb;client kill;client kill x;client kill id x;client kill id 0
client kill nosuch x;client kill type nosuch;client kill skipme x;client kill id 999999
client kill user nosuch;client kill addr x:1 skipme yes;client list type x
client list type normal extra;client list id;client list id x;client list id 0;client list nosuch
client pause;client pause x;client pause -1;client pause 0 x;client pause 0 write;client unpause x
client reply x;client reply;client tracking;client tracking x;client tracking on nosuch
client tracking on redirect x;client tracking on redirect 99999;client tracking on optin optout
client tracking on prefix x;client caching yes;client caching x;client trackinginfo x
client getredir;client unblock x;client unblock 99999;client unblock 1 x;client unblock 1 error x
client no-evict x;client no-evict on;client no-evict off;command nosuch;command count x
command getkeys;command getkeys x;command getkeys get;command getkeys get x;command getkeys get x y
command getkeys nosuch x;command getkeys ping x;command getkeys sort x store y store z
command getkeys sort x limit store y;command getkeys sort x by store y
command getkeys georadius x 1 1 1 m store y storedist z
command getkeys georadiusbymember x 1 1 m storedist z;command getkeys zunionstore d 2 a b
command getkeys zunionstore d 5 a b;command getkeys zunionstore d x a b
command getkeys zunion 2 a b;command getkeys lmpop 1 a left;command getkeys blmpop 1 2 a b left
command getkeys fcall f 0;command getkeys fcall f 1 a;command getkeys fcall f 2 a
command getkeys mset a 1 b 2;command getkeys mset a 1 b;command getkeys object encoding x
command getkeys object help;command getkeys memory usage x;command getkeys config get x
command getkeys publish a b;command getkeys spublish a b;command getkeys ssubscribe a
command getkeysandflags set a b;command getkeysandflags set a b get
command getkeysandflags set a b nx get;command getkeysandflags bitfield a get u8 0
command getkeysandflags bitfield a get u8 0 set u8 0 1;command getkeysandflags bitfield a
command getkeysandflags bitfield a no;command getkeysandflags bitfield a get u8
command getkeysandflags bitfield a overflow wrap get u8 0 get u8 1
command getkeysandflags zunionstore d 2 a b;command getkeysandflags sort a store b
command getkeysandflags copy a b;command getkeysandflags rename a b
command getkeysandflags lmove a b left right;command getkeysandflags sinterstore a b c
command getkeysandflags pfmerge a b c;command getkeysandflags bitop and a b c
command getkeysandflags del a b;command getkeysandflags mset a 1 b 2
command getkeysandflags fcall f 1 a;command getkeysandflags ping;command info nosuch
command info config|nosuch;command docs nosuch;command list filterby;command list filterby x y
command list filterby aclcat x;command list filterby module x;command list x;config;config nosuch
config get;config get nosuch;config get notify-keyspace-events
config get slowlog-max-len
config get slowlog-log-slower-than;config resetstat x;config set;config set a;config rewrite x
config set timeout 1 x;config set timeout x;config set timeout 1.5;config set timeout 1 timeout 2
config set timeout x timeout 2;config set slowlog-max-len 1 timeout x;config get slowlog-max-len
config set TIMEOUT 500 slowlog-max-len 7;config get timeout;config get slowlog-max-len
config set timeout 0 slowlog-max-len 128;config set slowlog-log-slower-than -1
config get slowlog-log-slower-than
config set slowlog-log-slower-than 10000 maxmemory-policy noeviction
multi;config set timeout x;config set timeout 0;exec
function
function nosuch;function stats x;function delete;function load;function load x y
function load replace x y;function load replace replace x y;function list x;function list withcode
function list withcode withcode;function list withcode libraryname;latency
latency nosuch;latency latest x;latency history;latency history x;latency reset x;latency graph x
latency graph;latency histogram nosuch;latency doctor x;memory;memory nosuch;memory usage
memory usage x;memory usage x y;memory usage x samples;memory usage x samples x
memory usage x samples -1;memory usage x samples 1 2;memory purge x;memory purge;memory stats x
memory doctor x;object;object nosuch x;object encoding;object encoding x;object encoding x y
object freq x;object idletime x;object refcount x;pubsub;pubsub nosuch;pubsub channels a b
pubsub channels;pubsub channels x;pubsub numpat x;pubsub numpat;pubsub numsub;pubsub numsub a b
pubsub shardchannels;pubsub shardchannels a b;pubsub shardnumsub a;slowlog;slowlog nosuch
slowlog get x;slowlog get -2;slowlog get 1 2;slowlog len x;slowlog reset x;slowlog reset;hello x
hello 4;hello 3 auth;hello 2 auth a;hello 2 auth a b;hello 2 setname;hello 2 setname a\sb
hello 2 nosuch;auth x;auth a b;auth a b c;select x;select 99;select -1;select;reset x;echo;ping a b
time x;wait;wait 0 x;wait 0 -1;multi x;exec;exec x;discard;discard x;watch;watch x;unwatch x;multi
watch x;multi;config nosuch;exec;multi;config get;exec;multi;acl whoami x;exec;multi;select 99;ping
exec;select 4294967296;select -2147483649;multi;subscribe a;exec;multi;get a;unsubscribe;exec
multi;monitor;exec;multi;function list;exec;multi;ssubscribe a;exec;sunsubscribe;multi;role;exec
multi;wait 0 0;exec;multi
nosuch
discard;subscribe;psubscribe;ssubscribe
publish x;spublish x;unsubscribe;unsubscribe a;punsubscribe;sunsubscribe;monitor x;dbsize x
flushall x;flushall sync x;flushall sync;flushall async;flushdb x;keys;keys a b;scan;scan x
scan 0 count 0;scan 0 count x;scan 0 match;scan 0 type nosuch;scan 0 nosuch x;randomkey x;role x
swapdb x 0;swapdb 0 x;swapdb 0;move x;fcall;fcall f;fcall f 0;fcall_ro f 0;fcall f x;fcall f -1
fcall_ro f 5 a
bitcount none x;bitcount none x y;bitcount none 0 1 x;bitpos none 1 x;bitpos none 0 0 1 bit x
set str ab;bitcount str x;bitcount str x y bit;bitcount str 0 1 x;bitcount str x 1 x
bitpos str 1 x;bitpos str 1 x 1 x;bitpos str 1 0 x x;bitpos str 1 0 1 bit x;lindex none x
lindex str x;lset none x y;lset str x y;rpush list a b;lindex list x;lset list x y
blmpop x 1 none left count 0;blmpop -1 x none left;blmpop x 1 none;blmpop x 1 none left
blmpop 0.001 1 none left count 1 count;blmpop 0.001 1 none left count x x
bzmpop x 1 none min count 0;bzmpop -1 x none min;bzmpop x 1 none;bzmpop x 1 none min
bzmpop 0.001 1 none min count x x;lmpop 1 list left count 1 count 1;getex none ex x
getex none ex -1;getex list ex -1;getex none nosuch 1;getex str ex x;getex str ex 0
getex str persist persist;getex str persist x;getex str nosuch;getex str ex 10 persist
set str x ex -1 nosuch;set str x ex x nosuch;set str x ex x;set str x ex 0;set str x ex 0 px 1
set str x ex 0 keepttl;incrbyfloat list x;incrbyfloat none x;incrbyfloat str 1
srandmember none x y;srandmember none -9223372036854775808;srandmember none x
hrandfield none 9223372036854775807 withvalues;hrandfield none 1 nosuch;hrandfield none x nosuch
zrandmember none -9223372036854775807 withscores;zrandmember none 9223372036854775807
hrandfield none -2147483649;sscan none 0 nosuch;hscan none 0 count x;zscan none 0 count 0
sscan list 0 nosuch;sadd set a;sscan set 0 nosuch;sscan set x nosuch;sscan set 0 count 0
sintercard 1 set limit -1 x;sintercard 1 list x;zintercard 1 set limit -1 x;zintercard 1 list x
zintercard 1 set limit 1 limit 0;zinter 1 list weights x;zinter 1 set weights x
zunionstore z 1 list aggregate x;zunionstore z 1 set aggregate x;zdiff 1 list nosuch
zrange z 0 1 rev rev;zrange z 0 1 byscore bylex withscores;zrange z 0 1 bylex withscores
expire none 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
lpos list a rank -9223372036854775808 maxlen -1
del str list set z
"""


def setUpModule():
    path = redis_server()
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0')
    unittest.addModuleCleanup(node.remove)
    BOTH.update(ours=port_of(node), redis=path)


def words_of(flags):
    return {f.lstrip('+') for f in flags} - FLAGS_ELSEWHERE


def keys_of(specs):
    """Without the notes."""
    return [(sorted(f.lstrip('+') for f in s[b'flags']), s[b'begin_search'], s[b'find_keys'])
            for s in specs]


def rows(reply, ret):
    """COMMAND INFO, subcommands too, by name."""
    for name, arity, flags, first, last, step, cats, _, specs, subs in reply:
        ret[name.decode()] = (arity, words_of(flags), (first, last, step), words_of(cats),
                              keys_of(specs))
        rows(subs, ret)
    return ret


class Words(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.ours, self.redis = Raw(BOTH['ours']), Raw(path=BOTH['redis'])
        self.addCleanup(self.ours.close)
        self.addCleanup(self.redis.close)

    def both(self, *words):
        for c in (self.ours, self.redis):
            c.say(*words)
        return self.ours.answer(), self.redis.answer()

    def test_what_commands_are(self):
        self.both('hello', 3)
        ours, redis = (rows(reply, {}) for reply in self.both('command'))
        self.assertGreater(len(set(ours) & set(redis)), 270)
        wrong = {n: (ours[n], redis[n]) for n in set(ours) & set(redis) if ours[n] != redis[n]}
        self.assertEqual(wrong, {})

    def test_categories(self):
        ours, redis = self.both('acl', 'cat')
        self.assertEqual(set(redis) - set(ours), set())
        served = set(self.ours('command', 'list', 'filterby', 'pattern', '*'))
        for cat in redis:
            ours, theirs = self.both('acl', 'cat', cat)
            self.assertEqual({c for c in ours if not c.startswith(b'mb.')} -
                             {b'client|setinfo', b'client|no-touch'},
                             set(theirs) & served, cat)

    def test_every_subcommand_is_served_or_named(self):
        served = {n.decode() for n in self.ours('command', 'list', 'filterby', 'pattern', '*')}
        with open(f'{SOURCE}/gate/DIFFERENCES.md', encoding='utf-8') as f:
            named = set()
            for code in re.findall('`([^`]*)`', f.read()):
                container, _, subs = code.partition(' ')
                named |= {f'{container} {sub}'.lower() for sub in subs.split()} | {code.lower()}
        theirs = [n.decode() for n in self.redis('command', 'list') if b'|' in n]
        gone = [n for n in theirs if n not in served and n.replace('|', ' ') not in named and
                n.split('|')[0] not in named]
        self.assertEqual(gone, [], 'neither served nor on the page of differences')

    def test_exec_that_is_not_allowed_ends_the_transaction(self):
        self.both('acl', 'setuser', 'eve', 'on', '>p', '~*', '+@all', '-exec')
        for words in ('auth eve p', 'exec', 'multi', 'set refused 1', 'exec', 'get refused',
                      'discard', 'auth default x', 'acl deluser eve'):
            self.assertEqual(*self.both(*words.split()), words)

    def test_a_word_of_multi_that_is_not_allowed_spoils_it(self):
        for refused in ('discard', 'watch a', 'multi', 'reset'):
            self.both('acl', 'setuser', 'eve', 'on', '>p', '~*', '+@all', '-' + refused.split()[0])
            for words in ('auth eve p', 'multi', 'set spoiled 1', refused, 'exec', 'get spoiled',
                          'auth default x', 'acl deluser eve'):
                self.assertEqual(*self.both(*words.split()), (refused, words))

    def test_what_is_not_allowed_is_told_before_what_cannot_be_now(self):
        self.both('acl', 'setuser', 'eve', 'on', '>p', '~*', '&*', '+@all', '-set', '-exec')
        began = time.monotonic()
        for words in ('auth eve p', 'subscribe a', 'set a 1', 'get a', 'exec', 'unsubscribe a',
                      'client pause 60000 write', 'set a 1', 'client unpause', 'auth default x',
                      'acl deluser eve'):
            self.assertEqual(*self.both(*words.split()), words)
        self.assertLess(time.monotonic() - began, 50)   # nor does a pause hold it

    def test_who_listens_to_all_commands_has_no_keys(self):
        said = ('get a', 'set a 1', 'dbsize', 'publish a b', 'spublish a b', 'fcall f 0', 'sort a',
                'scan 0', 'watch a', 'monitor', 'ping', 'config get save', 'nosuch', 'get',
                'multi', 'get a', 'exec', 'multi', 'ping', 'exec', 'reset', 'get a', 'echo end')

        def heard(c):
            for words in ('monitor', *said):
                c.say(*words.split())
            answers = []
            while not answers or answers[-1] != b'end':
                answers.append(c.answer())
            # what it was shown of itself is not at one place among the answers
            return [a for a in answers if not re.match(r'\+[0-9.]+ \[', str(a))]

        self.both('del', 'a')
        ours, redis = heard(self.ours), heard(self.redis)
        self.assertIn("-ERR Replica can't interact with the keyspace", map(str, redis))
        self.assertEqual(list(map(str, ours)), list(map(str, redis)))

    def test_reads_that_are_exceptions(self):
        info = 'client trackinginfo'
        for words in ('client tracking off bcast', 'client tracking off prefix a',
                      'client tracking on optin', 'client caching yes', 'client getname', info,
                      'client tracking on optin', info, 'ping', info, 'client caching yes', 'multi',
                      'client getname', 'ping', info, 'exec', info, 'client caching yes', 'multi',
                      'discard', info, 'watch a', 'client caching yes', 'ping', info, 'unwatch',
                      'client caching yes', 'nosuch', info, 'client caching yes', 'get', info,
                      'client tracking off', 'client tracking on optout', 'client caching no', info,
                      'client tracking on optout', info, 'get a', info, 'client tracking off',
                      info):
            self.assertEqual(*self.both(*words.split()), words)

    def test_replies_that_are_skipped(self):
        for c in (self.ours, self.redis):
            for words in ('client reply skip', 'reset', 'client reply skip', 'client reply skip',
                          'ping', 'client reply off', 'ping', 'reset', 'ping'):
                c.say(*words.split())
            self.assertEqual([c.answer(), c.answer()], ['+RESET', '+PONG'])

    def test_parameters_that_are_told_are_those_of_the_page(self):
        with open(f'{SOURCE}/gate/DIFFERENCES.md', encoding='utf-8') as f:
            row, = re.findall(r'(?m)^\| `CONFIG GET` \|[^|]*\|([^|]*)\|', f.read())
        told = self.ours('config', 'get', '*')[::2]
        self.assertEqual(re.findall('`([^`]*)`', row), [name.decode() for name in told])

    def test_rights_of_users_by_chance(self):
        """Of keys all is allowed: those have a row of their own on the page."""
        chance = random.Random(SEED)
        self.both('hello', 3)
        ours, redis = (rows(reply, {}) for reply in self.both('command'))
        self.both('hello', 2)
        names = sorted(n for n in set(ours) & set(redis) if not n.startswith('cluster'))
        containers = {n.split('|')[0] for n in names if '|' in n}
        cats = sorted(c.decode() for c in self.redis('acl', 'cat'))
        for _ in range(60):
            rules = [chance.choice('+-') + (chance.choice(names) if chance.random() < 0.6 else
                                            '@' + chance.choice(cats))
                     for _ in range(chance.randrange(1, 8))]
            self.assertEqual(self.both('acl', 'setuser', 'eve', 'reset', '~*', '&*', *rules),
                             ('+OK', '+OK'), rules)
            for name in chance.sample(names, 40):
                words = name.split('|')
                if name not in containers:
                    words += ['1'] * (abs(ours[name][0]) - len(words))
                    a, b = self.both('acl', 'dryrun', 'eve', *words)
                    self.assertEqual(a, b, (SEED, rules, words))
            # what is shown of a user makes the same one
            shown = [w.split() for w in self.ours('acl', 'list') if w.startswith(b'user eve ')][0]
            self.assertEqual(self.ours('acl', 'setuser', 'eve', 'reset', *shown[2:]), '+OK')
            self.assertIn(b' '.join(shown), self.ours('acl', 'list'))

    def test_info_sections(self):
        for words in ((), ('all',), ('everything',), ('default', 'commandstats'), ('keyspace',),
                      ('KEYSPACE', 'server', 'keyspace'), ('nosuch',), ('nosuch', 'cpu')):
            ours, redis = (re.findall('^# .*', text.decode(), re.M)
                           for text in self.both('info', *words))
            self.assertEqual(ours, redis, words)

    def test_info_counts(self):
        c = self.ours
        c('config', 'resetstat')
        c('set', 'counted', 'x' * 10000)
        c('get')
        c('config', 'get')
        c('config', 'get', 'port')
        c('incr', 'counted')
        said = c('info', 'commandstats').decode()
        for row in ('set:calls=1,.*rejected_calls=0,failed_calls=0',
                    'get:calls=0,.*rejected_calls=1,failed_calls=0',
                    r'config\|get:calls=1,.*rejected_calls=1,failed_calls=0',
                    'incr:calls=1,.*rejected_calls=0,failed_calls=1'):
            self.assertRegex(said, f'(?m)^cmdstat_{row}')

        def value(name):
            return int(re.search(f'(?m)^{name}:(\\d+)', c('info').decode()).group(1))

        until(lambda: value('used_memory') > 10000, 60, 'the store that counts its memory')
        self.assertGreater(value('used_memory_rss'), value('used_memory'))
        self.assertEqual(value('maxmemory'), int(c('config', 'get', 'maxmemory')[1]))
        until(lambda: re.search('(?m)^db0:keys=[1-9][0-9]*,expires=0,avg_ttl=0\r$',
                                c('info', 'keyspace').decode()), 60, 'the store that counts keys')

    def test_what_is_counted_and_timed(self):
        """Of commands that are refused, or are a part of a transaction, or wait in vain, too."""
        def counted(c):
            c('config', 'resetstat')
            for said in ('get', 'config get', 'config nosuch', 'config get port', 'nosuch',
                         'mset a', 'set a 1', 'incr b', 'blpop none 0.01', 'multi', 'set a x',
                         'get a', 'get', 'exec', 'multi', 'set a x', 'incr a', 'get a',
                         'zadd z 1 m', 'zpopmin z', 'lpush a 1', 'rename a c', 'rename no c',
                         'zpopmin z', 'exec', 'multi', 'blpop none 0', 'exec', 'exec'):
                c(*said.split())
            stats = c('info', 'commandstats').decode()
            rows = {name: re.sub('usec=.*?,rej', 'rej', row)
                    for name, row in re.findall(r'(?m)^cmdstat_(.*):(.*)\r$', stats)
                    if name not in ('info', 'config|resetstat')}    # what asks
            errors = re.findall(r'(?m)^errorstat_.*', c('info', 'errorstats').decode())
            errors += re.findall(r'(?m)^total_(?:error|conn).*', c('info', 'stats').decode())
            return rows, sorted(errors), c('latency', 'histogram')

        for c in (self.ours, self.redis):
            c('del', 'a', 'b', 'c', 'z', 'none')
        (rows, errors, timed), (their_rows, their_errors, theirs) = map(
            counted, (self.ours, self.redis))
        self.assertEqual((rows, errors), (their_rows, their_errors))
        cnt, their_cnt = ({name: row[1] for name, row in zip(*[iter(t)] * 2)}
                          for t in (timed, theirs))
        self.assertEqual(cnt, their_cnt)
        self.ours('config', 'help')
        got = self.ours('latency', 'histogram', 'config', 'config|help', 'nosuch')[::2]
        self.assertEqual((sorted(got[:-1]), got[-1]),
                         ([b'config|get', b'config|help', b'config|resetstat'], b'config|help'))

    def test_errors_and_answers(self):
        wrong = []
        for said in SAID.replace('\n', ';').strip(';').split(';'):
            words = [w.replace('\\s', ' ') for w in said.split(' ')]
            ours, redis = self.both(*words)
            if ours != redis:
                wrong.append(f'{said}\n  ours:  {ours!r}\n  redis: {redis!r}')
        self.assertEqual('\n'.join(wrong), '')

    def test_kinds_of_answers(self):
        def kinds(answer):
            kind, value = answer
            parts = value if isinstance(value, list) else []
            if kind == '%':
                parts = [x for pair in parts for x in pair]
            return kind, tuple(sorted({kinds(part) for part in parts}))

        for proto in (2, 3):
            both = Typed(BOTH['ours']), Typed(path=BOTH['redis'])
            for c in both:
                self.addCleanup(c.close)
                c('hello', proto)
                c('acl', 'log', 'reset')
                c('auth', 'nobody', 'x')
            for said in ('info', 'info nosuch', 'client list', 'client list id 999999',
                         'client info', 'memory doctor', 'latency doctor', 'command info nosuch',
                         'command info get', 'command docs nosuch', 'acl log',
                         'acl getuser default', 'latency latest', 'latency histogram acl',
                         'function stats', 'function list', 'memory purge', 'role'):
                ours, redis = (kinds(c(*said.split())) for c in both)
                self.assertEqual(ours, redis, (proto, said))

    def test_of_two_nulls_the_same(self):
        for said in ('blmove none nil left left 0.01', 'lmove none a left left',
                     'rpoplpush none nil', 'brpoplpush none nil 0.01', 'blpop none 0.01',
                     'lpop none', 'lpop none 1'):
            for c in (self.ours, self.redis):
                c.say(*said.split())
            self.assertEqual(self.ours.line(), self.redis.line(), said)
        lines = []
        for c in (self.ours, self.redis):
            for said in ('multi', 'lmove none nil left left', 'rpoplpush none nil', 'lpop none',
                         'blmove none nil left left 0', 'brpoplpush none nil 0', 'lpop none 1',
                         'blpop none 0', 'blmpop 0 1 none left', 'bzpopmin none 0', 'exec'):
                c.say(*said.split())
            lines.append([c.line() for _ in range(20)])
        self.assertEqual(*lines)

    def test_a_transaction_goes_on_behind_its_subscribe(self):
        for words in (('multi',), ('subscribe', 'a'), ('set', 'txt', 'v'), ('get', 'txt'),
                      ('exec',), ('get', 'txt'), ('unsubscribe', 'a'), ('get', 'txt'),
                      ('del', 'txt')):
            self.assertEqual(*self.both(*words), words)

    def test_times_as_they_are_told(self):
        for ms in (1896970101400, 1896970101500, 1896970101999):
            self.both('set', 't', 'v', 'pxat', ms)
            for words in (('expiretime', 't'), ('pexpiretime', 't')):
                self.assertEqual(*self.both(*words), (ms, words))
        for timeout in ('1e9', '2147483647', '1e10', '9.2e15', '-1e10', '1e', 'nan'):
            self.both('rpush', 'waited', 'v')
            self.assertEqual(*self.both('blpop', 'waited', timeout), timeout)
        self.both('del', 't', 'waited')

    def test_what_is_sorted_ends_at_a_nul(self):
        self.both('rpush', 'nul', b'2\0x', b'\0\xff', b'1', b'', b'-1\0')
        self.assertEqual(*self.both('sort', 'nul'))
        self.both('rpush', 'nul', b'x\0')
        self.assertEqual(*self.both('sort', 'nul'))
        self.both('del', 'nul')

    def test_an_only_item_that_moves_to_its_own_list(self):
        """.. leaves it its deadline, as it does while there are others."""
        self.both('del', 'moved')
        for cnt in (1, 2):
            self.both('rpush', 'moved', cnt)
            self.both('expire', 'moved', 1000)
            for words in (('lmove', 'moved', 'moved', 'left', 'right'),
                          ('rpoplpush', 'moved', 'moved'),
                          ('blmove', 'moved', 'moved', 'right', 'left', 0),
                          ('lrange', 'moved', 0, -1)):
                self.assertEqual(*self.both(*words), words)
                for ttl in self.both('ttl', 'moved'):
                    self.assertGreater(ttl, 900, words)
        self.both('del', 'moved')

    def test_restore_is_told_one_use(self):
        for words in (('idletime', 1, 'freq', 1), ('freq', 1, 'idletime', 1), ('freq', 300),
                      ('idletime', -1), ('freq',), ('idletime', 1, 'absttl', 'freq', 1)):
            self.assertEqual(*self.both('restore', 'restored', 0, 'no dump', *words), words)

    def test_who_waits_is_told_nothing_of_another_type(self):
        for words in (('blmove', 'from', 'to', 'left', 'left', 0), ('brpoplpush', 'from', 'to', 0),
                      ('blpop', 'from', 0)):
            said = []
            for c, w in ((self.ours, Raw(BOTH['ours'])), (self.redis, Raw(path=BOTH['redis']))):
                number = w('client', 'id')
                w.say(*words)
                until(lambda c=c: b'blocked_clients:1' in c('info', 'clients'), 10, 'it waits')
                c('zadd', 'from', 1, 'a')
                c('client', 'unblock', number)
                said.append(w.line())
                c('del', 'from')
                w.close()
            self.assertEqual(*said, words)

    def test_nothing_is_written_far_behind_the_end(self):
        for words in (('set', 's', 'v'), ('setrange', 's', 1 << 29, ''), ('del', 's'),
                      ('setrange', 's', 1 << 29, ''), ('lpush', 's', 'v'),
                      ('setrange', 's', 1 << 29, ''), ('setrange', 's', 1 << 29, 'x')):
            self.assertEqual(*self.both(*words))
        self.both('del', 's')


if __name__ == '__main__':
    print(f'SEED={SEED}')
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
