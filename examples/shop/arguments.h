#ifndef SHOP_ARGUMENTS_H
#define SHOP_ARGUMENTS_H

#include "drive.h"
#include "run.h"

#include <getopt.h>

struct arguments {
	struct run_settings run;
	const char *data;
	const char *ref;
	const char *stores[3]; /* NULL: in the data directory */
	const char *ledger;    /* the same */
	struct drive_settings drive;
	const char *token_file;
	bool json;
};

/* What `shop run` takes; what `shop audit` and `shop trace` take; what `shop drive` takes. */
extern const struct option run_options[], look_options[], drive_options[];

/* 0; 1: help was asked for and printed; -1: what is wrong was said. */
int take_arguments(int argc, char **argv, const struct option *options, const char *usage,
	struct arguments *a);

#endif
