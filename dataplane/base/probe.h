/* SPDX-License-Identifier: Apache-2.0 */
/* probe - places at which a tracer can look at a running process
 *
 *	PROBE2(function_begin, call, fn_id);
 *
 * A USDT probe of the provider `microburst`: one no-op instruction, and a note in the object that
 * says where it is and where its arguments are. perf, bpftrace and SystemTap find them by name; to
 * a process that nobody looks at they cost the no-op. Without <sys/sdt.h> there are none.
 *
 *	bpftrace -e 'usdt:/usr/libexec/microburst/microburst-executor:microburst:function_begin
 *	             { printf("%lx %d\n", arg0, arg1); }'
 *
 * The probes (README of this folder has what each says) stand where a call changes hands.
 */
#ifndef MB_PROBE_H
#define MB_PROBE_H

#if defined(__has_include) && __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define PROBE1(name, a)       DTRACE_PROBE1(microburst, name, a)
#define PROBE2(name, a, b)    DTRACE_PROBE2(microburst, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(microburst, name, a, b, c)
#else
#define PROBE1(name, a)       ((void)0)
#define PROBE2(name, a, b)    ((void)0)
#define PROBE3(name, a, b, c) ((void)0)
#endif

#endif
