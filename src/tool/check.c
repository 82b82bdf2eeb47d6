/* Proves a choreography of its contracts. */

#include <saga/choreography.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "contracts.h"
#include "look.h"

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
	saga_contract *contracts = contracts_read(a);
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
	contracts_free(contracts, a);
	if (code != SAGA_OK)
		return fail("%s", error.text), code == SAGA_NOMEM ? EXIT_FAILED : EXIT_WRONG_USE;
	if (terminal)
		fputs("\r\x1b[K", stderr);
	put_check(check, now() - from);
	code = check->passed ? EXIT_DONE : check->whole ? EXIT_FAILED : EXIT_WRONG_USE;
	saga_check_free(check);
	return look_end(code);
}
