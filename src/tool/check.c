/* Proves a choreography of its contracts. */

#include <saga/choreography.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "look.h"

enum {
	CONTRACT_MOST = 4 * 1024 * 1024
};

const char check_help[] =
	"usage: saga check [--subjects N] [--dying N] [--states N] CONTRACT...\n"
	"Composes the contracts of a choreography, explores every interleaving of one saga, and "
	"says\n"
	"what is wrong with it, each with the shortest way there. CONTRACT is a file, as a "
	"service\n"
	"prints it with --contract; all contracts that belong together stand in one command.\n"
	"\n"
	"  --subjects N  how many subjects a step with subjects has, 1 to 8 (default 2)\n"
	"  --dying N     so many slots may die or get stuck; what then needs an operator is "
	"listed\n"
	"  --states N    give up beyond so many states (default 10,000,000)\n"
	"\n"
	"Exit status: 0 it is right, 1 it is not, 2 wrong use, a contract that can't be read, or\n"
	"more states than --states.\n";

/* ---- the files ---- */

/* The caller frees it. NULL: it is said why. */
static char *read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = file ? malloc(CONTRACT_MOST + 1) : NULL;
	size_t size = text ? fread(text, 1, CONTRACT_MOST + 1, file) : 0;
	bool whole = text && !ferror(file) && size <= CONTRACT_MOST && !memchr(text, '\0', size);

	if (!file || (text && ferror(file)))
		(void)fail("%s: %s", path, strerror(errno));
	else if (!text)
		(void)fail("out of memory");
	else if (!whole)
		(void)fail("%s: is no contract: it is binary, or over 4 MiB", path);
	if (file)
		(void)fclose(file);
	if (!whole) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

static void free_contracts(saga_contract *contracts, int count)
{
	for (int i = 0; contracts && i < count; i++)
		free((char *)contracts[i].json);
	free(contracts);
}

/* NULL: it is said why. */
static saga_contract *read_contracts(const struct arguments *a)
{
	saga_contract *contracts = calloc((size_t)a->word_count, sizeof *contracts);
	bool whole = contracts != NULL;

	if (!contracts)
		(void)fail("out of memory");
	for (int i = 0; whole && i < a->word_count; i++) {
		contracts[i].name = a->words[i];
		whole = (contracts[i].json = read_file(a->words[i])) != NULL;
	}
	if (whole)
		return contracts;
	free_contracts(contracts, a->word_count);
	return NULL;
}

/* ---- what it says ---- */

static void put_lines(const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		printf("      %.*s\n", (int)strcspn(line, "\n"), line);
}

static size_t put_findings(const saga_check *check, saga_finding_kind kind, const char *title)
{
	size_t count = 0;

	for (size_t i = 0; i < check->finding_count; i++) {
		const saga_finding *finding = &check->findings[i];

		if (finding->kind != kind)
			continue;
		if (!count++)
			printf("%s:\n", title);
		printf("  - %s\n", finding->text);
		if (kind != SAGA_FINDING_BREACH || !finding->move_count)
			continue;
		for (size_t k = 0; k < finding->move_count; k++)
			printf("      %2zu. %s\n", k + 1, finding->moves[k]);
		put_lines(finding->diagram);
	}
	return count;
}

static void put_check(const saga_check *check, double seconds)
{
	size_t breaches;

	printf("%zu states, %zu moves, %zu at rest; %d subject%s, %d may die; %zu bytes a state, "
	       "%.1f s\n",
		check->states, check->moves, check->rests, check->subjects,
		check->subjects == 1 ? "" : "s", check->dying, check->state_bytes, seconds);
	printf("at rest with:\n");
	for (size_t i = 0; i < check->end_count; i++)
		printf("  - %s\n", strcmp(check->ends[i], "-") == 0 ? "no end" : check->ends[i]);
	breaches = put_findings(check, SAGA_FINDING_BREACH, "wrong");
	(void)put_findings(check, SAGA_FINDING_WARNING, "declared, and never happens");
	(void)put_findings(check, SAGA_FINDING_OPEN, "open, until a request comes");
	(void)put_findings(check, SAGA_FINDING_OPERATOR, "an operator is needed");
	(void)put_findings(check, SAGA_FINDING_ASSUMED, "assumed, not proved");
	if (breaches)
		printf("not right: %zu breach%s\n", breaches, breaches == 1 ? "" : "es");
	else if (!check->whole)
		printf("not proved: there are more states than that\n");
	else
		printf("right\n");
}

static void put_progress(void *user, size_t states, size_t waiting)
{
	(void)user;
	fprintf(stderr, "\r%zu states, %zu to look at ", states, waiting);
}

static double now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int check_contracts(const struct arguments *a)
{
	saga_contract *contracts = read_contracts(a);
	bool terminal = isatty(STDERR_FILENO);
	double from = now();
	saga_check *check;
	saga_error error;
	int code;

	if (!contracts)
		return EXIT_WRONG_USE;
	code = saga_choreography_check(contracts, (size_t)a->word_count,
		SAGA_CHECK_OPTIONS(.subjects = a->subjects, .dying = a->dying,
			.states = (size_t)a->states, .progress = terminal ? put_progress : NULL),
		&check, &error);
	free_contracts(contracts, a->word_count);
	if (code != SAGA_OK)
		return fail("%s", error.text), code == SAGA_NOMEM ? EXIT_FAILED : EXIT_WRONG_USE;
	if (terminal)
		fputs("\r\x1b[K", stderr);
	put_check(check, now() - from);
	code = check->passed ? EXIT_DONE : check->whole ? EXIT_FAILED : EXIT_WRONG_USE;
	saga_check_free(check);
	return look_end(code);
}
