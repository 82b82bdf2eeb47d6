#ifndef SAGA_TOOL_ARGUMENTS_H
#define SAGA_TOOL_ARGUMENTS_H

#include <stdbool.h>

#include "id_range.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG_USE = 2
};

/* The options that a command may have, or-ed. */
enum option_flag {
	OPTION_STORE = 1,
	OPTION_KIND = 2,
	OPTION_JSON = 4,
	OPTION_ALL = 8,
	OPTION_OUTCOME = 16,
	OPTION_BODY = 32,
	OPTION_NOTE = 64,
	OPTION_HELP = 128,
	OPTION_IN = 256,
	OPTION_OUT = 512,
	OPTION_DIALECT = 1024,
	OPTION_SUBJECTS = 4096,
	OPTION_DYING = 8192,
	OPTION_STATES = 16384,
	OPTION_SCHEMA = 32768,
	OPTION_DOT = 65536,
	OPTION_SEQUENCE = 131072,
	OPERANDS_ARE_WORDS = 2048 /* no option: the command reads them itself */
};

enum {
	ARGUMENTS_READ = 3 /* store, in, out */
};

/* An option's URL may be @FILE, the file's first line: then no list of processes shows it. */
struct arguments {
	const char *store;
	const char *kind;
	bool json;
	bool all;
	const char *outcome;
	const char *body;
	const char *note;
	int dialect; /* a saga_dialect; 0: none */
	const char *in;
	const char *out;
	int subjects; /* 0: not given, as with states */
	int dying;
	int states;
	const char *schema;
	bool dot;
	const char *sequence;
	struct id_range *ids; /* the operands */
	int id_count;
	char **words; /* the operands, if they are no ids */
	int word_count;
	char *read[ARGUMENTS_READ]; /* what @FILE held */
	int read_count;
};

struct command {
	const char *group; /* "dead", "stream"; NULL: none */
	const char *name;
	const char *help;
	unsigned options;                              /* of enum option_flag */
	int least, most;                               /* operands, ids if not words */
	const char *operand;                           /* what one is called: "ID" */
	int (*run)(const struct arguments *arguments); /* answers an exit_code */
};

/*
 * Reads what follows the command's name; argv[0] is not looked at. EXIT_DONE; or EXIT_WRONG_USE or
 * EXIT_FAILED, said on stderr. *ret_help: help was asked for, nothing else counts.
 */
int arguments_read(const struct command *command, int argc, char **argv,
	struct arguments *ret_arguments, bool *ret_help);
void arguments_free(struct arguments *arguments);

#endif
