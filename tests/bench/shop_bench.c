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
	size_t batch;
	bool threads;
};

/* A variant is a line; the ratios are to those named hand-1 and hand-64. */
static const struct variant variants[] = {
	{ "hand-1", "by hand, a transaction a step", hand_run, 1, false },
	{ "hand-1-threads", "the same, a thread a service", hand_run, 1, true },
	{ "hand-64", "by hand, up to 64 steps a transaction", hand_run, 64, false },
	{ "hand-64-threads", "the same, a thread a service", hand_run, 64, true },
};

enum {
	VARIANTS = sizeof variants / sizeof variants[0],
	ROUNDS = 99
};

struct options {
	size_t sagas;
	size_t rounds;
	const char *only;
	const char *directory;
	bool json;
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: shop_bench [--sagas N] [--rounds N] [--only VARIANT] [--data DIR]"
		" [--json]\nThe variants run in turn, --rounds times; the figure is the median."
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
	const struct bench_order *orders, double *ret_seconds)
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
		.batch = variant->batch,
		.threads = variant->threads,
	};

	code = variant->run(&run, ret_seconds, text);
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
	double seconds[VARIANTS][ROUNDS])
{
	for (size_t round = 0; round < options->rounds; round++)
		for (size_t i = 0; i < VARIANTS; i++)
			if (wanted(options, i) &&
				run_once(&variants[i], options, orders, &seconds[i][round]) != 0)
				return -1;
	return 0;
}

/* ---- saying ---- */

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

/* Sagas a second of the variant with this name; 0: it did not run. */
static double rate_of(const double rates[VARIANTS], const char *name)
{
	for (size_t i = 0; i < VARIANTS; i++)
		if (strcmp(variants[i].name, name) == 0)
			return rates[i];
	return 0;
}

static void say_ratio(double rate, double base)
{
	if (base > 0)
		printf(" %9.2f", rate / base);
	else
		printf(" %9s", "-");
}

static void say(const struct options *options, double seconds[VARIANTS][ROUNDS])
{
	double rates[VARIANTS] = { 0 };

	for (size_t i = 0; i < VARIANTS; i++) {
		if (!wanted(options, i))
			continue;
		double middle = median(seconds[i], options->rounds);

		rates[i] = (double)options->sagas / middle;
		if (options->json)
			printf("{\"variant\":\"%s\",\"sagas\":%zu,\"rounds\":%zu,\"seconds\":%.4f,"
			       "\"sagas_per_second\":%.1f}\n",
				variants[i].name, options->sagas, options->rounds, middle,
				rates[i]);
	}
	if (options->json)
		return;
	printf("%zu orders of %d lines, median of %zu rounds; SQLite, WAL, synchronous=FULL\n",
		options->sagas, BENCH_LINES, options->rounds);
	printf("%-16s %9s %9s %9s\n", "variant", "sagas/s", "/hand-1", "/hand-64");
	for (size_t i = 0; i < VARIANTS; i++) {
		if (!wanted(options, i))
			continue;
		printf("%-16s %9.0f", variants[i].name, rates[i]);
		say_ratio(rates[i], rate_of(rates, "hand-1"));
		say_ratio(rates[i], rate_of(rates, "hand-64"));
		printf("  %s\n", variants[i].text);
	}
}

int main(int argc, char **argv)
{
	static double seconds[VARIANTS][ROUNDS];
	struct options options = { .sagas = 2000, .rounds = 5, .directory = "." };

	if (!read_options(argc, argv, &options))
		return usage(stderr);

	struct bench_order *orders = bench_orders(options.sagas);
	int code = orders ? run_rounds(&options, orders, seconds) : -1;

	if (code == 0)
		say(&options, seconds);
	free(orders);
	return code == 0 ? 0 : 1;
}
