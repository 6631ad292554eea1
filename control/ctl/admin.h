/* SPDX-License-Identifier: Apache-2.0 */
/* admin - what the command line asks the node, in JSON over the Unix socket
 *
 * A request is one JSON object with "cmd"; the answer is one JSON object. An error's answer is
 * {"error": NAME, "text": "one sentence: what, why, what to do"} under the error's code.
 *
 *   cmd        request                            answer
 *   status     -                                  the object below
 *   ps         -                                  {"calls": [{"call", "function", "executor",
 *                                                   "pid", "running_ns"}],
 *                                                 "executors": [{"proc", "inc", "pid", "cpu",
 *                                                   "state", "functions": [name], "finished",
 *                                                   "busy_ns", "p50_ns", "p99_ns", "buckets",
 *                                                   "died": n, "class"}],
 *                                                 "queued": [{"function", "calls"}],
 *                                                 "functions": [as top]}
 *   top        -                                  {"time_ns", "tiles": [{"name", "lcore", "cpu",
 *                                                   "busy_ns", "metrics": {name: value}}],
 *                                                 "executors": [as ps],
 *                                                 "functions": [{"name", "finished", "failed",
 *                                                   "run_ns", "byte_us", "p50_ns", "p99_ns",
 *                                                   "buckets": [bucket, count, ...]}],
 *                                                 "stages": [{"name", "calls", "p50_ns", "p99_ns",
 *                                                   "buckets"}]}   see rt/stage.h
 *   functions  -                                  {"functions": [{"name", "version",
 *                                                   "executors": n, "object_bytes",
 *                                                   "pinned": bool, "deadline_ns",
 *                                                   "concurrency", "memory_bytes", "batch",
 *                                                   "class"}]}
 *   deploy     {"object": name, "name": N?,       {"functions": [{"name", "version"}]}
 *               "pin": bool, "deadline_ns": n?,
 *               "concurrency": n?, "memory_bytes": n?,
 *               "batch": n?,
 *               "class": N?}
 *               + fd of the object
 *   undeploy   {"name"}                           {}
 *   dag_add    {"name", "text"}                   {"vertices": n, "edges": n}
 *   dag_rm     {"name"}                           {}
 *   dag_show   {"name"}                           {"name", "text", "functions": [...],
 *                                                 "edges": [[from, to]], "sink"}
 *   dags       -                                  {"dags": [{"name", "text"}]}
 *   logs       {"function": N?, "after": seq}     {"lines": [{"seq", "time_us", "function", "call",
 *                                                   "text"}]}
 *   cancel     {"call": "id as printed"}          {}
 *   explain    {"call": "id"}                     {"decisions": [{"name", "executor",
 *                                                 "waited_ns", "ahead", "input_bytes",
 *                                                 "near_bytes", "able", "load", "attempt",
 *                                                 "functions"}]}
 *   trace      {"call": "id"}                     {"call", "error", "hops": [{"name", "of",
 *                                                   "where", "executor", "at_ns", "ns"}]}
 *   params     -                                  {"params": [{"name", "value", "unit", "why"}]}
 *   down       {"wait_ms"}                        {}   answered when draining has begun
 *
 *   status: {"node": {"pid", "version", "uptime_s", "socket", "id"},
 *            "machine": {"cores", "huge_pages": bool, "root": bool, "uring": text,
 *              "sandbox": [what is not enforced]},
 *            "plan": text, "memory": {"planned_bytes"},
 *            "executors": [see ps], "clients": n, "functions": n, "dags": n,
 *            "held": {"channels", "segments", "segment_bytes", "procs_dying", "stops",
 *              "messages_waiting", "versions", "calls_queued", "calls_running", "dag_runs",
 *              "requests", "inboxes", "messages", "dag_results", "cache", "gate"}}
 *
 *   What is held is counted by walking. "versions" are values of the cache that calls and clients
 *   keep as they have seen them, small ones apart, which they copy; "cache" is what the cache has
 *   under way, unflushed or not given back; "channels" are without those of the node's own tiles,
 *   which stay.
 *
 * Call ids are printed as 16 hexadecimal digits. Times are nanoseconds unless the name says
 * otherwise.
 */
#ifndef MB_ADMIN_H
#define MB_ADMIN_H

#include <stddef.h>

#endif
