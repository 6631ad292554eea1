/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c - text, and a line in the log
 *
 *	microburst deploy examples/hello.c
 *	microburst call hello world
 *	microburst logs hello
 */
#include <microburst/function.h>
#include <stdio.h>

MB_FUNCTION(hello)
{
	struct mb_slice name;
	char text[128];
	int len;

	MB_TRY(mb_arg_utf8(call, 0, &name));
	if (name.len > 100) {
		return mb_fail(call, "a name has at most 100 bytes, not %zu", name.len);
	}
	/* An argument has a length and no terminator: %.*s prints so many bytes. */
	len = snprintf(text, sizeof(text), "hello %.*s", (int)name.len, (const char *)name.p);
	mb_log(call, "greeted %.*s", (int)name.len, (const char *)name.p);
	return mb_return_utf8(call, mb_slice_of(text, (size_t)len));
}
