#ifndef SHOP_SETTINGS_H
#define SHOP_SETTINGS_H

/*
 * A program's settings, as one table: each is a flag (--drain-ms) and an environment variable of
 * the same name (SHOP_DRAIN_MS); the flag wins.
 */

#include <stdint.h>

struct setting {
	const char *name;  /* "drain-ms" */
	const char *value; /* what follows it, for the help: "N" */
	const char *help;
	const char **text;   /* where a text goes, which holds its default; or */
	int64_t *number;     /* where a number goes, from least to most */
	int64_t least, most; /* of a number */
};

/*
 * Reads the tables, each ended by a setting without a name; all are one. 0; 1: help was asked for
 * and is printed to stdout; -1: what is wrong was said on stderr, by name.
 */
int settings_read(const char *program, const char *about, const struct setting *const tables[],
	int argc, char **argv);

#endif
