#include "shop_bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct variant {
	const char *name;
	const char *text;
	bench_fn *run;
	bool batched;
	bool threads;
};

/* A variant is a line; the ratios are to these three by hand. */
static const struct variant variants[] = {
	{ "hand-1", "(a) by hand, a transaction a step", hand_run, false, false },
	{ "hand-1-threads", "the same, a thread a service", hand_run, false, true },
	{ "hand-batch", "(b) by hand, many steps a transaction", hand_run, true, false },
	{ "hand-batch-threads", "(b2) the same, a thread a service", hand_run, true, true },
	{ "saga", "(c) libsaga, a lane a service", saga_run_shop, true, true },
	{ "saga-inline", "libsaga, no lanes: all on the loop", saga_run_shop, true, false },
};

static const char *const bases[] = { "hand-1", "hand-batch", "hand-batch-threads" };

enum {
	VARIANTS = sizeof variants / sizeof variants[0],
	BASES = sizeof bases / sizeof bases[0],
	ROUNDS = 99
};

struct options {
	size_t sagas;
	size_t rounds;
	size_t batch;
	const char *only;
	const char *directory;
	bool json;
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: shop_bench [--sagas N] [--rounds N] [--batch N] [--only VARIANT]"
		" [--data DIR] [--json]\nThe variants run in turn, --rounds times; the figure is "
		"the median."
		" DIR (default: here)\ngets a directory that is removed at the end.\n");
	return 2;
}

static bool read_count(const char *text, size_t most, size_t *ret_count)
{
	char *end;
	long value;

	errno = 0;
	value = text ? strtol(text, &end, 10) : 0;
	if (errno || value < 1 || (size_t)value > most || *end)
		return false;
	*ret_count = (size_t)value;
	return true;
}

static bool read_options(int argc, char **argv, struct options *ret_options)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];

		if (strcmp(name, "--json") == 0) {
			ret_options->json = true;
			continue;
		}
		const char *value = i + 1 < argc ? argv[++i] : NULL;
		bool good = value != NULL;

		if (strcmp(name, "--sagas") == 0)
			good = read_count(value, 999999, &ret_options->sagas);
		else if (strcmp(name, "--rounds") == 0)
			good = read_count(value, ROUNDS, &ret_options->rounds);
		else if (strcmp(name, "--batch") == 0)
			good = read_count(value, BENCH_BATCH, &ret_options->batch);
		else if (strcmp(name, "--only") == 0)
			ret_options->only = value;
		else if (strcmp(name, "--data") == 0)
			ret_options->directory = value;
		else
			good = false;
		if (!good)
			return false;
	}
	return true;
}

/* ---- directories ---- */

/* Removes a directory that holds files only. */
static void remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(path);
}

/* ---- running ---- */

static int run_once(const struct variant *variant, const struct options *options,
	const struct bench_order *orders, struct bench_result *ret_result)
{
	char path[4096];
	char text[BENCH_TEXT] = "";
	int code;

	snprintf(path, sizeof path, "%s/shop-bench-XXXXXX", options->directory);
	if (!mkdtemp(path)) {
		fprintf(stderr, "shop_bench: %s: %s\n", path, strerror(errno));
		return -1;
	}
	struct bench_run run = {
		.directory = path,
		.orders = orders,
		.count = options->sagas,
		.batch = variant->batched ? options->batch : 1,
		.threads = variant->threads,
	};

	code = variant->run(&run, ret_result, text);
	if (code != 0)
		fprintf(stderr, "shop_bench: %s: %s\n", variant->name, text);
	remove_directory(path);
	return code;
}

static bool wanted(const struct options *options, size_t i)
{
	return !options->only || strcmp(options->only, variants[i].name) == 0;
}

static int run_rounds(const struct options *options, const struct bench_order *orders,
	struct bench_result results[VARIANTS][ROUNDS])
{
	for (size_t round = 0; round < options->rounds; round++)
		for (size_t i = 0; i < VARIANTS; i++)
			if (wanted(options, i) &&
				run_once(&variants[i], options, orders, &results[i][round]) != 0)
				return -1;
	return 0;
}

/* ---- saying ---- */

/* Medians, of what each round had. */
struct line {
	double rate; /* sagas a second; 0: it did not run */
	double cpu;  /* microseconds a saga */
	double commits;
	double steps; /* a transaction */
	double statements;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static struct line line_of(const struct options *options, const struct bench_result *results)
{
	double seconds[ROUNDS], cpu[ROUNDS], commits[ROUNDS], statements[ROUNDS];
	double sagas = (double)options->sagas;
	struct line line;

	for (size_t i = 0; i < options->rounds; i++) {
		seconds[i] = results[i].seconds;
		cpu[i] = results[i].cpu;
		commits[i] = (double)results[i].commits;
		statements[i] = (double)results[i].statements;
	}
	line.rate = sagas / median(seconds, options->rounds);
	line.cpu = median(cpu, options->rounds) / sagas * 1e6;
	line.commits = median(commits, options->rounds) / sagas;
	line.steps = BENCH_STEPS / line.commits;
	line.statements = median(statements, options->rounds) / sagas;
	return line;
}

static double rate_of(const struct line lines[VARIANTS], const char *name)
{
	for (size_t i = 0; i < VARIANTS; i++)
		if (strcmp(variants[i].name, name) == 0)
			return lines[i].rate;
	return 0;
}

static void say_json(const struct options *options, const struct line lines[VARIANTS])
{
	for (size_t i = 0; i < VARIANTS; i++)
		if (wanted(options, i))
			printf("{\"variant\":\"%s\",\"sagas\":%zu,\"rounds\":%zu,\"batch\":%zu,"
			       "\"sagas_per_second\":%.1f,\"cpu_us_per_saga\":%.1f,"
			       "\"commits_per_saga\":%.4f,\"statements_per_saga\":%.2f}\n",
				variants[i].name, options->sagas, options->rounds,
				variants[i].batched ? options->batch : 1, lines[i].rate,
				lines[i].cpu, lines[i].commits, lines[i].statements);
}

static void say_table(const struct options *options, const struct line lines[VARIANTS])
{
	printf("%zu orders of %d lines, median of %zu rounds, at most %zu steps a transaction;"
	       " SQLite, WAL, synchronous=FULL\n",
		options->sagas, BENCH_LINES, options->rounds, options->batch);
	printf("%-18s %8s %6s %6s %6s %8s %8s %8s %8s\n", "variant", "sagas/s", "/(a)", "/(b)",
		"/(b2)", "cpu us", "commits", "steps/tx", "sql");
	for (size_t i = 0; i < VARIANTS; i++) {
		if (!wanted(options, i))
			continue;
		printf("%-18s %8.0f", variants[i].name, lines[i].rate);
		for (size_t k = 0; k < BASES; k++) {
			double base = rate_of(lines, bases[k]);

			if (base > 0)
				printf(" %6.2f", lines[i].rate / base);
			else
				printf(" %6s", "-");
		}
		printf(" %8.0f %8.3f %8.1f %8.1f  %s\n", lines[i].cpu, lines[i].commits,
			lines[i].steps, lines[i].statements, variants[i].text);
	}
	printf("cpu us, commits and sql (statements): for one saga, of all its services\n");
}

static void say(const struct options *options, struct bench_result results[VARIANTS][ROUNDS])
{
	struct line lines[VARIANTS] = { 0 };

	for (size_t i = 0; i < VARIANTS; i++)
		if (wanted(options, i))
			lines[i] = line_of(options, results[i]);
	if (options->json)
		say_json(options, lines);
	else
		say_table(options, lines);
}

int main(int argc, char **argv)
{
	static struct bench_result results[VARIANTS][ROUNDS];
	struct options options = { .sagas = 2000, .rounds = 5, .batch = 64, .directory = "." };

	if (!read_options(argc, argv, &options))
		return usage(stderr);

	struct bench_order *orders = bench_orders(options.sagas);
	int code = orders ? run_rounds(&options, orders, results) : -1;

	if (code == 0)
		say(&options, results);
	free(orders);
	return code == 0 ? 0 : 1;
}
