#ifndef KIT_SETTINGS_H
#define KIT_SETTINGS_H

#include "kit.h"

/* The program, or a command of it, that reads settings; --help comes from here and the tables. */
struct settings_of {
	const char *program; /* begins its complaints */
	const char *about;   /* what it does */
	const char *prefix;  /* of its variables */
	const char *more;    /* lines of --help for flags that are in no table; NULL: none */
	const char *usage;   /* NULL: PROGRAM [OPTION]... */
	const char *ending;  /* the last lines of --help; NULL: those of a service */
	const struct setting *const *flags; /* tables of flags that no variable stands in for */
	const char **operand; /* gets the one argument that is no option; NULL: it takes none */
};

/*
 * Reads the tables as one: each is ended by a setting without a name, all by NULL. Returns 0; 1:
 * --help was asked for and is printed; -1: it has complained, naming the setting.
 */
int settings_read(
	const struct settings_of *of, const struct setting *const tables[], int argc, char **argv);

#endif
