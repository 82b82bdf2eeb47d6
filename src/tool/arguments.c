#include "arguments.h"

#include <saga/plugin.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../event/utf8.h"
#include "../step/parked.h"
#include "is_json.h"
#include "text.h"

enum {
	BODY_MOST = 64 * 1024,
	NOTE_MOST = 240,
	OUTCOME_MOST = 63,
	URL_SIZE = 1024
};

static const struct option all_options[] = {
	{ "store", required_argument, NULL, OPTION_STORE },
	{ "kind", required_argument, NULL, OPTION_KIND },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "outcome", required_argument, NULL, OPTION_OUTCOME },
	{ "body", required_argument, NULL, OPTION_BODY },
	{ "note", required_argument, NULL, OPTION_NOTE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "in", required_argument, NULL, OPTION_IN },
	{ "out", required_argument, NULL, OPTION_OUT },
	{ "dialect", required_argument, NULL, OPTION_DIALECT },
	{ "subjects", required_argument, NULL, OPTION_SUBJECTS },
	{ "dying", required_argument, NULL, OPTION_DYING },
	{ "states", required_argument, NULL, OPTION_STATES },
	{ "schema", required_argument, NULL, OPTION_SCHEMA },
	{ "dot", no_argument, NULL, OPTION_DOT },
	{ "sequence", required_argument, NULL, OPTION_SEQUENCE },
};

enum {
	OPTIONS = sizeof all_options / sizeof all_options[0]
};

/* ---- each value ---- */

static bool is_kind(const char *kind)
{
	if (strcmp(kind, "all") == 0 || saga__parked_kind_of(kind))
		return true;
	(void)fail("option --kind: retry, call, behind, schedule, held, letter or all, not `%s`",
		kind);
	return false;
}

static bool is_text(const char *option, const char *text, size_t most)
{
	size_t length = strlen(text);

	if (length && length <= most && saga__utf8_text(text, length))
		return true;
	(void)fail("option --%s: a text of 1 to %zu bytes is wanted", option, most);
	return false;
}

static bool is_body(const char *body)
{
	if (!is_text("body", body, BODY_MOST))
		return false;
	if (is_json_object(body))
		return true;
	(void)fail("option --body: not a JSON object: `%.60s%s`", body,
		strlen(body) > 60 ? "..." : "");
	return false;
}

static bool take_dialect(const char *name, int *ret_dialect)
{
	static const struct {
		const char *name;
		int dialect;
	} dialects[] = { { "sqlite", SAGA_SQLITE }, { "postgresql", SAGA_POSTGRESQL },
		{ "tsql", SAGA_TSQL } };

	for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
		if (strcmp(dialects[i].name, name) == 0) {
			*ret_dialect = dialects[i].dialect;
			return true;
		}
	(void)fail("option --dialect: sqlite, postgresql or tsql, not `%s`", name);
	return false;
}

static bool take_count(const char *option, const char *value, int least, int most, int *ret_count)
{
	char *rest;
	long count;

	errno = 0;
	count = strtol(value, &rest, 10);
	if (errno || rest == value || *rest || count < least || count > most)
		return fail("option --%s: a number from %d to %d is wanted, not `%s`", option,
			       least, most, value),
		       false;
	*ret_count = (int)count;
	return true;
}

/* The first line of what @FILE names: a URL may hold a password, which is no argument. */
static bool read_url(const char *option, const char *path, char url[URL_SIZE])
{
	FILE *file;
	const char *why = NULL;

	errno = 0;
	file = fopen(path, "r");
	if (!file || !fgets(url, URL_SIZE, file))
		why = errno ? strerror(errno) : "it is empty";
	if (file)
		(void)fclose(file);
	if (!why && strlen(url) == URL_SIZE - 1)
		why = "its first line is too long";
	if (why)
		(void)fail("option --%s: %s: %s", option, path, why);
	else
		url[strcspn(url, "\r\n")] = '\0';
	return !why;
}

static bool take_url(struct arguments *a, const char *option, const char *value, const char **url)
{
	char *line;

	*url = value;
	if (*value != '@')
		return true;
	if (a->read_count == ARGUMENTS_READ)
		return fail("option --%s: too many files", option), false;
	if (!(line = malloc(URL_SIZE)))
		return fail("out of memory"), false;
	a->read[a->read_count++] = line;
	if (!read_url(option, value + 1, line))
		return false;
	complain_hides(line);
	*url = line;
	return true;
}

static bool take(struct arguments *a, int option, const char *value)
{
	switch (option) {
	case OPTION_STORE:
		return take_url(a, "store", value, &a->store);
	case OPTION_KIND:
		a->kind = value;
		return is_kind(value);
	case OPTION_JSON:
		a->json = true;
		return true;
	case OPTION_ALL:
		a->all = true;
		return true;
	case OPTION_OUTCOME:
		a->outcome = value;
		return is_text("outcome", value, OUTCOME_MOST);
	case OPTION_BODY:
		a->body = value;
		return is_body(value);
	case OPTION_NOTE:
		a->note = value;
		return is_text("note", value, NOTE_MOST);
	case OPTION_IN:
		return take_url(a, "in", value, &a->in);
	case OPTION_OUT:
		return take_url(a, "out", value, &a->out);
	case OPTION_DIALECT:
		return take_dialect(value, &a->dialect);
	case OPTION_SUBJECTS:
		return take_count("subjects", value, 1, 8, &a->subjects);
	case OPTION_DYING:
		return take_count("dying", value, 0, 8, &a->dying);
	case OPTION_STATES:
		return take_count("states", value, 1, 2000000000, &a->states);
	case OPTION_DOT:
		a->dot = true;
		return true;
	case OPTION_SEQUENCE:
		a->sequence = value;
		return is_text("sequence", value, OUTCOME_MOST);
	case OPTION_SCHEMA:
		a->schema = value;
		return is_text("schema", value, OUTCOME_MOST);
	default:
		return false; /* it was named */
	}
}

/* ---- all of them ---- */

static bool take_options(
	const struct command *command, int argc, char **argv, struct arguments *a, bool *ret_help)
{
	struct option options[OPTIONS + 1] = { { NULL, 0, NULL, 0 } };
	size_t count = 0;
	int option;

	for (size_t i = 0; i < OPTIONS; i++)
		if ((unsigned)all_options[i].val & (command->options | OPTION_HELP))
			options[count++] = all_options[i];
	argv[0] = (char[]){ "saga" };
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			*ret_help = true;
			return true;
		}
		if (option == ':' || option == '?')
			complain_option("saga", argv[optind - 1], option == ':');
		if (!take(a, option, optarg))
			return false;
	}
	return true;
}

static bool take_ids(const struct command *command, int argc, char **argv, struct arguments *a)
{
	int count = argc - optind;

	if (count > command->most)
		return fail("`%s` is too much", argv[optind + command->most]), false;
	if (count < command->least && !a->all)
		return fail("%s is missing", command->operand), false;
	if (count && a->all)
		return fail("option --all: takes no `%s` beside it", argv[optind]), false;
	if (command->options & OPERANDS_ARE_WORDS) {
		a->words = argv + optind;
		a->word_count = count;
		return true;
	}
	for (int i = 0; i < count; i++) {
		const char *text = argv[optind + i];

		if (!id_range_read(text, &a->ids[i]))
			return fail("%s `%s`: not a UUID, nor its first %d characters or more",
				       command->operand, text, ID_LEAST),
			       false;
	}
	a->id_count = count;
	return true;
}

/* Checks the options that need, or exclude, each other. */
static bool fit_together(const struct command *command, const struct arguments *a)
{
	if ((command->options & OPTION_IN) && !a->in)
		return fail("option --in is missing: where participants publish to"), false;
	if ((command->options & OPTION_DIALECT) && !a->dialect)
		return fail("option --dialect is missing: sqlite, postgresql or tsql"), false;
	if ((command->options & OPTION_STORE) && !a->store)
		return fail("option --store is missing: the URL of the participant's store"), false;
	if ((command->options & OPTION_NOTE) && !a->note)
		return fail("option --note is missing: why it is known to have ended so"), false;
	if (a->dot && a->sequence)
		return fail("option --dot: not with --sequence"), false;
	if ((command->options & OPTION_SCHEMA) && !a->schema)
		return fail("option --schema is missing: a type, as order.placed"), false;
	if (a->body && !a->outcome)
		return fail("option --body: needs --outcome, the type of its event"), false;
	return true;
}

int arguments_read(const struct command *command, int argc, char **argv,
	struct arguments *ret_arguments, bool *ret_help)
{
	struct arguments a = { .store = NULL };
	bool help = false;

	if (!(a.ids = calloc((size_t)argc + 1, sizeof *a.ids)))
		return fail("out of memory"), EXIT_FAILED;
	if (!take_options(command, argc, argv, &a, &help) ||
		(!help && (!fit_together(command, &a) || !take_ids(command, argc, argv, &a)))) {
		arguments_free(&a);
		return EXIT_WRONG_USE;
	}
	*ret_arguments = a;
	*ret_help = help;
	return EXIT_DONE;
}

void arguments_free(struct arguments *arguments)
{
	free(arguments->ids);
	for (int i = 0; i < arguments->read_count; i++)
		free(arguments->read[i]);
}
