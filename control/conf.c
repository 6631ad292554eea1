/* SPDX-License-Identifier: Apache-2.0 */
#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_cfgfile.h>

#include "microburst/error.h"

#define SECTIONS_MAX 64

/* Adds a sentence to those that are there, if it has a place: all mistakes are told at once. */
static void
conf_mistake(char err[static PARAMS_ERR_BYTES], const char *path, const char *why)
{
	static const char next[] = "\n  ";
	size_t len = strlen(err), more = strlen(why);

	if (len == 0) {
		snprintf(err, PARAMS_ERR_BYTES, "%.200s: %.300s", path, why);
	} else if (len + more + sizeof(next) <= PARAMS_ERR_BYTES) {
		memcpy(err + len, next, sizeof(next) - 1);
		memcpy(err + len + sizeof(next) - 1, why, more + 1);
	}
}

static int
conf_section(struct params *p, struct rte_cfgfile *f, const char *section, const char *path,
	     char err[static PARAMS_ERR_BYTES])
{
	int n = rte_cfgfile_section_num_entries(f, section);
	struct rte_cfgfile_entry *e = n > 0 ? calloc((size_t)n, sizeof(*e)) : NULL;
	int rc = 0;

	if (n > 0 && e == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	n = e != NULL ? rte_cfgfile_section_entries(f, section, e, n) : 0;
	for (int i = 0; i < n; i++) {
		char name[CFG_NAME_LEN * 2 + 2];
		char why[PARAMS_ERR_BYTES];

		snprintf(name, sizeof(name), "%s.%s", section, e[i].name);
		if (params_set(p, name, e[i].value, why) != 0) {
			conf_mistake(err, path, why);
			rc = MB_ERR_CONFIG;
		}
	}
	free(e);
	return rc;
}

/* Whether there is something to read. */
static int
conf_readable(const char *path, char err[static PARAMS_ERR_BYTES])
{
	struct stat st;
	int rc = access(path, R_OK) == 0 ? stat(path, &st) : -1;

	if (rc == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		rc = -1;
	}
	if (rc != 0) {
		snprintf(err, PARAMS_ERR_BYTES, "%.300s cannot be read: %s", path, strerror(errno));
	}
	return rc == 0 ? 0 : MB_ERR_IO;
}

int
conf_load(struct params *p, const char *path, char err[static PARAMS_ERR_BYTES])
{
	struct rte_cfgfile_parameters cp = { .comment_character = '#' };
	char names[SECTIONS_MAX][CFG_NAME_LEN];
	char *section[SECTIONS_MAX];
	struct rte_cfgfile *f;
	int n, rc = conf_readable(path, err);

	if (rc != 0) {
		return rc;
	}
	err[0] = '\0';
	f = rte_cfgfile_load_with_params(path, CFG_FLAG_EMPTY_VALUES, &cp);
	if (f == NULL) {
		snprintf(err, PARAMS_ERR_BYTES,
			 "%.300s is not a configuration: sections like [node], then lines like "
			 "key = value",
			 path);
		return MB_ERR_CONFIG;
	}
	n = rte_cfgfile_num_sections(f, NULL, 0);
	for (int i = 0; i < SECTIONS_MAX; i++) {
		section[i] = names[i];
	}
	n = n <= SECTIONS_MAX ? rte_cfgfile_sections(f, section, SECTIONS_MAX) : -1;
	if (n < 0) {
		snprintf(err, PARAMS_ERR_BYTES, "%.300s has more than %d sections", path,
			 SECTIONS_MAX);
		rc = MB_ERR_CONFIG;
	}
	for (int i = 0; i < n && rc != MB_ERR_NO_MEMORY; i++) {
		int section_rc = conf_section(p, f, section[i], path, err);

		rc = section_rc != 0 ? section_rc : rc;
	}
	rte_cfgfile_close(f);
	return rc;
}

int
conf_set(struct params *p, const char *text, char err[static PARAMS_ERR_BYTES])
{
	const char *eq = strchr(text, '=');
	char name[PARAM_NAME_BYTES];

	if (eq == NULL || eq == text || (size_t)(eq - text) >= sizeof(name)) {
		snprintf(err, PARAMS_ERR_BYTES, "'%.200s' is not section.key=value", text);
		return MB_ERR_CONFIG;
	}
	memcpy(name, text, (size_t)(eq - text));
	name[eq - text] = '\0';
	return params_set(p, name, eq + 1, err);
}
