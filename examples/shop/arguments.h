#ifndef SHOP_ARGUMENTS_H
#define SHOP_ARGUMENTS_H

#include "drive.h"
#include "run.h"

struct arguments {
	struct run_settings run;
	const char *data;
	const char *ref;
	const char *stores[3]; /* NULL: in the data directory */
	const char *ledger;    /* the same */
	const char *faults;
	struct drive_settings drive;
	const char *token_file;
	int64_t json;
};

enum command_kind {
	COMMAND_RUN,
	COMMAND_AUDIT,
	COMMAND_TRACE,
	COMMAND_DRIVE
};

/* Returns 0; 1: --help was given and is printed; -1: it has complained. */
int take_arguments(int argc, char **argv, enum command_kind kind, struct arguments *a);

#endif
