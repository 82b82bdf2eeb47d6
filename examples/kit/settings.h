#ifndef KIT_SETTINGS_H
#define KIT_SETTINGS_H

#include "kit.h"

/*
 * The program that reads settings: its name, its sentence, the prefix of its variables, and lines
 * of its help for what is no setting.
 */
struct settings_of {
	const char *program, *about, *prefix, *more;
};

/*
 * Reads the tables as one: each is ended by a setting without a name, all by NULL. Returns 0; 1:
 * --help was asked for and is printed; -1: it has complained, naming the setting.
 */
int settings_read(
	const struct settings_of *of, const struct setting *const tables[], int argc, char **argv);

#endif
