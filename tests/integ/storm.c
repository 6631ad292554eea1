/* SPDX-License-Identifier: Apache-2.0 */
/* storm - clients that call without pause while executors and clients are killed and stopped
 *
 * Goal:   each call that a client started is answered exactly once, by a reply or a typed error; no
 *         acknowledged increment is lost or counted twice; when all is quiet, nothing is held.
 * Method: K client processes each call `add(key, 1)`, `plus_one` and `echo`, alone, in DAGs and in
 *         bunches, and now and then a function that dies or never ends (with a deadline). A
 *         tormentor kills executors and clients with SIGKILL, and stops executors with SIGSTOP for
 *         some milliseconds, or for good, at random moments. Clients count in memory shared with
 *         their parent: how many increments were acknowledged, how many ended in an error after
 *         which the effect is not known. At the end: acknowledged <= counter <= acknowledged + not
 *         known, where an error that says "did not happen" counts as not happened; and the node's
 *         `held` must become zero. So for calls of a function, for DAG calls, which increment
 *         twice, and for calls with a request id, which are asked for once more when answered.
 *
 * storm SOCKET|udp://HOST:PORT SECONDS CLIENTS SEED [KILLS]
 * With KILLS it ends when so many executors were killed, and fails if SECONDS did not suffice.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <microburst/client.h>

#define CLIENTS_MAX 32
#define BUNCH_MAX   64
#define ERR_CNT     128
#define BYTES_MAX   200000

/* What is counted: under which key, and by how much a call increments it. */
static const struct {
	const char *key, *what;
	int64_t each;
} sums[] = {
	{ "storm/sum", "", 1 },
	{ "storm/dag", " by DAG calls", 2 },
	{ "storm/once", " with a request id", 1 },
};
#define SUM_CNT (sizeof(sums) / sizeof(sums[0]))

struct tally {
	_Atomic uint64_t started, answered, wrong;
	_Atomic int64_t acked[SUM_CNT], unknown[SUM_CNT];
	_Atomic uint64_t err[ERR_CNT]; /* by -error */
};

static struct tally *tally;      /* one for each client slot, kept over its deaths */
static _Atomic uint64_t *end_ms; /* shared: when clients stop */
static const char *sock_path;

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
sleep_us(uint32_t us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

static uint32_t
rnd(uint64_t *s)
{
	*s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*s >> 33);
}

/* ----------------------------------------------------------------- clients */

enum what { ADD = 0, PLUS, ECHO, BOOM, ONCE, FAN, DAG_BIG, DAG_ADD };

struct pending {
	uint64_t call;
	enum what what;
	int64_t n; /* ONCE: its request id */
	bool open;
};

static void
on_dag_reply(struct tally *t, const struct pending *p, const struct mb_reply *r)
{
	static const uint32_t cnt[] = { [FAN] = 3, [DAG_BIG] = 2, [DAG_ADD] = 0 };

	if (r->err != 0) {
		return;
	}
	if (r->cnt != cnt[p->what]) {
		t->wrong++;
		return;
	}
	for (uint32_t i = 0; i < r->cnt; i++) {
		if (p->what == FAN ? r->value[i].i64 != p->n + 1
				   : r->value[i].len != (size_t)p->n) {
			t->wrong++;
		}
	}
}

/* Which of sums a call increments; SUM_CNT: none. */
static size_t
sum_of(enum what what)
{
	return what == ADD ? 0 : what == DAG_ADD ? 1 : what == ONCE ? 2 : SUM_CNT;
}

static void
count(struct tally *t, enum what what, const struct mb_reply *r)
{
	size_t i = sum_of(what);

	if (i < SUM_CNT && r->err == 0) {
		t->acked[i] += sums[i].each;
	} else if (i < SUM_CNT && strstr(r->text, "did not happen") == NULL &&
		   r->err != MB_ERR_BUSY && r->err != MB_ERR_NO_EXECUTOR) {
		t->unknown[i] += sums[i].each;
	}
}

static void
on_reply(struct tally *t, struct pending *p, uint32_t cnt, const struct mb_reply *r)
{
	struct pending *mine = NULL;

	for (uint32_t i = 0; i < cnt; i++) {
		if (p[i].open && p[i].call == r->call) {
			mine = &p[i];
		}
	}
	t->answered++;
	if (mine == NULL) {
		t->wrong++; /* a second answer, or to a call never made */
		return;
	}
	mine->open = false;
	if (r->err != 0) {
		t->err[-r->err < ERR_CNT ? -r->err : 0]++;
	}
	count(t, mine->what, r);
	if (mine->what >= FAN) {
		on_dag_reply(t, mine, r);
	} else if (r->err == 0 && mine->what == PLUS &&
		   (r->cnt != 1 || r->value[0].i64 != mine->n + 1)) {
		t->wrong++;
	} else if (r->err == 0 && mine->what == ECHO &&
		   (r->cnt != 1 || r->value[0].len != (size_t)mine->n)) {
		t->wrong++;
	}
}

/* While a call is out, a death of this client leaves it unknown: counted so before it can have any
 * effect, and until its answer was counted. */
static void
out(struct tally *t, enum what what, int n)
{
	size_t i = sum_of(what);

	if (i < SUM_CNT) {
		t->unknown[i] += n * sums[i].each;
	}
}

static int
start_dag(struct mb_client *c, struct tally *t, struct pending *p, const char *bytes,
	  uint64_t *seed)
{
	static const char *const name[] = { [FAN] = "fan", [DAG_BIG] = "big", [DAG_ADD] = "adds" };
	struct mb_value arg[2];
	struct mb_dag_arg of[2] = { { .function = "echo", .arg = arg, .arg_cnt = 1 } };
	size_t cnt = 1;

	p->what = (enum what)(FAN + rnd(seed) % 3);
	p->n = rnd(seed) % (rnd(seed) % 8 == 0 ? BYTES_MAX : 1000);
	if (p->what == FAN) {
		of[0].function = "plus_one";
		arg[0] = mb_i64(p->n);
	} else if (p->what == DAG_BIG) {
		arg[0] = mb_bytes(bytes, (size_t)p->n);
	} else {
		arg[0] = mb_utf8("storm/dag", 9);
		arg[1] = mb_i64(1);
		of[0] = (struct mb_dag_arg){ .function = "add#a", .arg = arg, .arg_cnt = 2 };
		of[1] = (struct mb_dag_arg){ .function = "add#b", .arg = arg, .arg_cnt = 2 };
		cnt = 2;
	}
	out(t, p->what, 1);
	return mb_dag_start(c, name[p->what], of, cnt, NULL, &p->call);
}

static int
start_one(struct mb_client *c, struct tally *t, struct pending *p, uint64_t *seed)
{
	static char bytes[BYTES_MAX];
	static const char *const how[] = { "segv", "abort", "exit", "loop", "fail" };
	struct mb_call_options opt = { 0 };
	struct mb_value arg[2];
	uint32_t dice = rnd(seed) % 1000;
	int err;

	if (dice < 500) {
		p->what = ADD;
		out(t, ADD, 1);
		arg[0] = mb_utf8("storm/sum", 9);
		arg[1] = mb_i64(1);
		err = mb_call_start(c, "add", arg, 2, &opt, &p->call);
	} else if (dice < 600) {
		err = start_dag(c, t, p, bytes, seed);
	} else if (dice < 700) {
		p->what = ONCE;
		out(t, ONCE, 1);
		opt.request_id = mb_request_id(c);
		p->n = (int64_t)opt.request_id;
		arg[0] = mb_utf8("storm/once", 10);
		arg[1] = mb_i64(1);
		err = mb_call_start(c, "add", arg, 2, &opt, &p->call);
	} else if (dice < 900) {
		p->what = PLUS;
		p->n = rnd(seed);
		arg[0] = mb_i64(p->n);
		err = mb_call_start(c, "plus_one", arg, 1, &opt, &p->call);
	} else if (dice < 995) {
		p->what = ECHO;
		p->n = rnd(seed) % (dice < 950 ? 1000 : BYTES_MAX);
		arg[0] = mb_bytes(bytes, (size_t)p->n);
		err = mb_call_start(c, "echo", arg, 1, &opt, &p->call);
	} else {
		const char *h = how[rnd(seed) % 5];

		p->what = BOOM;
		opt.deadline_ns = 30000000;
		arg[0] = mb_utf8(h, strlen(h));
		err = mb_call_start(c, "boom", arg, 1, &opt, &p->call);
	}
	if (err == 0) {
		p->open = true;
		t->started++;
	} else {
		out(t, p->what, -1);
		t->err[-err < ERR_CNT ? -err : 0]++;
	}
	return err;
}

/* A request that has been answered is answered alike, and counts once. */
static void
ask_again(struct mb_client *c, struct tally *t, uint64_t request_id)
{
	struct mb_call_options opt = { .request_id = request_id };
	struct mb_value arg[2] = { mb_utf8("storm/once", 10), mb_i64(1) };
	struct mb_reply r;

	t->wrong += mb_call(c, "add", arg, 2, &opt, &r) != 0;
	mb_reply_free(c, &r);
}

static void
client_run(uint32_t slot, uint64_t seed)
{
	struct tally *t = &tally[slot];
	struct mb_client *c;
	struct pending p[BUNCH_MAX];
	int64_t again = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mb_client_open(&c, sock_path) != 0) {
		_exit(3);
	}
	while (now_ms() < *end_ms) {
		uint32_t bunch = rnd(&seed) % 3 == 0 ? 1 + rnd(&seed) % BUNCH_MAX : 1;
		uint32_t cnt = 0, left;
		struct mb_reply r;

		while (cnt < bunch && start_one(c, t, &p[cnt], &seed) == 0) {
			cnt++;
		}
		for (left = cnt; left > 0; left--) {
			const struct pending *mine = NULL;

			if (mb_call_wait(c, 60000000000, &r) != 1) {
				fprintf(stderr, "storm: client %u has %u calls without an answer\n",
					slot, left);
				t->wrong += left;
				break;
			}
			for (uint32_t i = 0; i < cnt; i++) {
				mine = p[i].open && p[i].call == r.call ? &p[i] : mine;
			}
			on_reply(t, p, cnt, &r);
			if (mine != NULL) {
				out(t, mine->what, -1);
				again = mine->what == ONCE && r.err == 0 ? mine->n : 0;
			}
			mb_reply_free(c, &r);
			if (again != 0) {
				ask_again(c, t, (uint64_t)again);
				again = 0;
			}
		}
	}
	mb_client_close(c);
	_exit(0);
}

/* --------------------------------------------------------------- tormentor */

static json_t *
admin(struct mb_client *c, const char *cmd)
{
	char req[64];
	char *text;
	json_t *j;

	snprintf(req, sizeof(req), "{\"cmd\": \"%s\"}", cmd);
	if (mb_client_admin(c, req, NULL, 0, &text) != 0) {
		return NULL;
	}
	j = json_loads(text, 0, NULL);
	free(text);
	return j;
}

static void
torment(struct mb_client *c, pid_t *pid, uint32_t clients, uint64_t *seed, uint64_t *kills)
{
	uint32_t dice = rnd(seed) % 10;
	json_t *ps, *execs;
	size_t n;
	pid_t victim = 0;

	if (dice == 0) {
		victim = pid[rnd(seed) % (clients > 0 ? clients : 1)];
		kill(victim, SIGKILL);
		kills[1]++;
		return;
	}
	ps = admin(c, "ps");
	execs = json_object_get(ps, "executors");
	n = json_array_size(execs);
	if (n > 0) {
		victim = (pid_t)json_integer_value(
			json_object_get(json_array_get(execs, rnd(seed) % n), "pid"));
	}
	json_decref(ps);
	if (victim <= 0) {
		return;
	}
	if (dice < 3) {
		struct timespec ts = { 0, (long)(rnd(seed) % 20) * 1000000 };

		kill(victim, SIGSTOP);
		kills[2]++;
		if (rnd(seed) % 10 == 0) {
			kills[3]++; /* its lease ends it */
			return;
		}
		nanosleep(&ts, NULL);
		kill(victim, SIGCONT);
	} else {
		kill(victim, SIGKILL);
		kills[0]++;
	}
}

/* The counter's value; 0 when there is none yet. */
static int64_t
counter_read(struct mb_client *c, const char *key)
{
	struct mb_held sum;
	char text[32] = "";

	if (mb_client_get(c, key, 0, &sum) != 0) {
		return 0;
	}
	memcpy(text, sum.p, sum.len < 31 ? sum.len : 31);
	mb_client_release(c, &sum);
	return strtoll(text, NULL, 10);
}

/* Waits until nothing is held; prints what is, if that does not come. */
static bool
quiet(struct mb_client *c)
{
	bool far = sock_path != NULL && strncmp(sock_path, "udp://", 6) == 0;
	char *last = NULL;

	for (int i = 0; i < 1200; i++) {
		json_t *st = admin(c, "status");
		json_t *held = json_object_get(st, "held");
		const char *key;
		json_t *v;
		bool zero = held != NULL;

		json_object_foreach(held, key, v) {
			/* The net tile keeps its channels to executors. */
			zero &= json_integer_value(v) == 0 || (far && strcmp(key, "channels") == 0);
		}
		free(last);
		last = held != NULL ? json_dumps(held, 0) : NULL;
		json_decref(st);
		if (zero) {
			free(last);
			return true;
		}
		sleep_us(50000);
	}
	fprintf(stderr, "storm: still held: %s\n", last != NULL ? last : "?");
	free(last);
	return false;
}

static const char *const dags[] = {
	"\"name\": \"fan\", \"text\": \"plus_one -> many#1, plus_one -> many#2, plus_one -> many#3,"
	" many#1 -> echo#4, many#2 -> echo#4, many#3 -> echo#4\"", /* many takes batches */
	"\"name\": \"big\", \"text\": \"echo -> echo#1, echo -> echo#2, echo#1 -> echo#3,"
	" echo#2 -> echo#3\"",
	"\"name\": \"adds\", \"text\": \"echo -> add#a, echo -> add#b, add#a -> echo#1,"
	" add#b -> echo#1\"",
};

static bool
dag_add(struct mb_client *c, const char *dag)
{
	char req[512];
	char *text = NULL;
	int err;

	snprintf(req, sizeof(req), "{\"cmd\": \"dag_add\", %s}", dag);
	err = mb_client_admin(c, req, NULL, 0, &text);
	if (err != 0 && err != MB_ERR_EXISTS) {
		fprintf(stderr, "storm: %s\n", text != NULL ? text : mb_err_name(err));
	}
	free(text);
	return err == 0 || err == MB_ERR_EXISTS;
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 0) : 1;
	uint32_t seconds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 5;
	uint32_t clients = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 4;
	uint64_t kills_max = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	uint64_t kills[4] = { 0 };
	uint64_t started = 0, answered = 0, wrong = 0;
	uint64_t lost_clients = 0;
	pid_t pid[CLIENTS_MAX] = { 0 };
	struct mb_client *c;
	int64_t before[SUM_CNT];
	bool ok = true;
	int status;

	sock_path = argc > 1 ? argv[1] : NULL;
	clients = clients > CLIENTS_MAX ? CLIENTS_MAX : clients;
	printf("storm: seed %" PRIu64 ", %u s, %u clients\n", seed, seconds, clients);
	fflush(stdout);
	tally = mmap(NULL, sizeof(*tally) * CLIENTS_MAX, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	end_ms = mmap(NULL, sizeof(*end_ms), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	*end_ms = now_ms() + seconds * 1000;
	if (mb_client_open(&c, sock_path) != 0) {
		fprintf(stderr, "storm: no node\n");
		return 3;
	}
	for (size_t i = 0; i < SUM_CNT; i++) {
		before[i] = counter_read(c, sums[i].key);
	}
	for (uint32_t i = 0; i < sizeof(dags) / sizeof(dags[0]); i++) {
		ok &= dag_add(c, dags[i]);
	}
	for (uint32_t i = 0; i < clients; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			client_run(i, seed + 1000 * i);
		}
	}
	while (now_ms() < *end_ms) {
		if (kills_max != 0 && kills[0] >= kills_max) {
			*end_ms = 0;
			break;
		}
		sleep_us(rnd(&seed) % (kills_max != 0 ? 5000 : 20000));
		torment(c, pid, clients, &seed, kills);
		for (uint32_t i = 0; i < clients; i++) {
			if (waitpid(pid[i], &status, WNOHANG) == pid[i] && now_ms() < *end_ms) {
				lost_clients++;
				pid[i] = fork();
				if (pid[i] == 0) {
					client_run(i, seed + i);
				}
			}
		}
	}
	for (uint32_t i = 0; i < clients; i++) {
		waitpid(pid[i], &status, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			lost_clients += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
			ok &= WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		}
	}
	for (uint32_t i = 0; i < clients; i++) {
		started += tally[i].started;
		answered += tally[i].answered;
		wrong += tally[i].wrong;
	}
	printf("storm: %" PRIu64 " calls, %" PRIu64 " answers, %" PRIu64 " wrong; killed %" PRIu64
	       " executors, %" PRIu64 " clients (%" PRIu64 " gone); stopped %" PRIu64
	       ", for good %" PRIu64 "\n",
	       started, answered, wrong, kills[0], kills[1], lost_clients, kills[2], kills[3]);
	for (size_t k = 0; k < SUM_CNT; k++) {
		int64_t acked = 0, unknown = 0, counter = counter_read(c, sums[k].key) - before[k];

		for (uint32_t i = 0; i < clients; i++) {
			acked += tally[i].acked[k];
			unknown += tally[i].unknown[k];
		}
		printf("storm: increments%s acknowledged %" PRId64 ", not known %" PRId64
		       ", counter %" PRId64 "\n",
		       sums[k].what, acked, unknown, counter);
		ok &= counter >= acked && counter <= acked + unknown;
	}
	for (int e = 1; e < ERR_CNT; e++) {
		uint64_t n = 0;

		for (uint32_t i = 0; i < clients; i++) {
			n += tally[i].err[e];
		}
		if (n > 0) {
			printf("storm:   %s %" PRIu64 "\n", mb_err_name(-e), n);
		}
	}
	ok &= kills[0] >= kills_max;
	ok &= wrong == 0;
	ok &= lost_clients > 0 || started == answered;
	ok &= quiet(c);
	mb_client_close(c);
	printf("storm: %s\n", ok ? "ok" : "FAILED");
	return ok ? 0 : 1;
}
