/* SPDX-License-Identifier: Apache-2.0 */
/* test_cmocka.h - <cmocka.h> with the headers it forgets to include */
#ifndef MB_TEST_CMOCKA_H
#define MB_TEST_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
