/*
 * The shop on its worst days: seeds by the thousand, each the same whenever it runs again. A seed
 * that fails is shrunk to the first faults without which it does not.
 */
#include "shop_world.h"

#include "../../../src/mutation.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
	"usage: shop-sim --seed N | --seeds A..B [OPTION]...\n"
	"Runs the shop in the simulator, once a seed, and audits it.\n"
	"\n"
	"  --orders K        orders in each seed (default 20)\n"
	"  --instances N     of each service, on its one store: 1 to 4 (default 1)\n"
	"  --faults LIST     of lose,double,delay,corrupt,partition,pause,crash,refuse,conflict,\n"
	"                    slow,full,unknown,unsent,handler,call,clock,stall (in a transaction;\n"
	"                    default: `all`, which is these), or none; and of power (the\n"
	"                    broker's), leap (of the clock), restore (of a backup: then no sums\n"
	"                    are audited)\n"
	"  --durable         over a broker that keeps events, as JetStream does\n"
	"  --fault-limit N   only the first N faults strike\n"
	"  --jobs J          so many seeds at once (default 1)\n"
	"  --check-hash      run each seed twice (the first three are in any case)\n"
	"  --trace           print what happens\n"
	"  --mutant NAME     with this bug planted (shop-sim-mutants only)\n"
	"\n"
	"Exits 0 if no seed breaks a law, 1 if one does, 2 for wrong use.\n";

enum {
	HASHED = 3,
	FAULTS_SHOWN = 20
};

static const char *const fault_names[] = { "lose", "double", "delay", "corrupt", "partition",
	"pause", "crash", "refuse", "conflict", "slow", "full", "unknown", "unsent", "handler",
	"call", "clock", "power", "stall", "leap", "restore" };

#define FAULTS (sizeof fault_names / sizeof fault_names[0])

struct settings {
	uint64_t first, last;
	size_t orders;
	unsigned faults, instances;
	uint64_t fault_limit;
	size_t jobs;
	bool check_hash, trace, durable;
	const char *mutant;
	const char *program;
	const char *faults_text;
};

struct totals {
	uint64_t seeds, broken, struck, events, happenings, crashes, commits, frames;
	uint64_t struck_by[FAULTS];
	size_t orders, fulfilled, cancelled, violations, stuck;
	int64_t virtual_ms;
	bool has_failed; /* could not be run */
};

struct sim {
	const struct settings *settings;
	pthread_mutex_t lock; /* of what follows, and of the output */
	uint64_t next;
	struct totals totals;
};

/* ---- one seed ---- */

static int run_seed(const struct settings *settings, uint64_t seed, uint64_t fault_limit,
	struct shop_world_result *ret_result)
{
	struct shop_world_options options = { .seed = seed,
		.faults = settings->faults,
		.fault_limit = fault_limit,
		.orders = settings->orders,
		.instances = settings->instances,
		.durable = settings->durable };
	saga_error error;

	if (shop_world_run(&options, ret_result, &error) == SAGA_OK)
		return 0;
	fprintf(stderr, "shop-sim: seed %" PRIu64 ": %s\n", seed, error.text);
	return -1;
}

static void print_trace(void *user, int64_t ms, const char *participant, const char *text)
{
	(void)user;
	printf("%8" PRId64 " %-8s %s\n", ms, participant, text);
}

struct faults_shown {
	uint64_t count;
};

static void print_fault(void *user, int64_t ms, const char *participant, const char *text)
{
	struct faults_shown *shown = user;

	if (strncmp(text, "FAULT", 5) == 0 && shown->count++ < FAULTS_SHOWN)
		printf("  %8" PRId64 " ms %-8s %s\n", ms, participant, text + 7);
}

static int trace_seed(const struct settings *settings, uint64_t seed, uint64_t fault_limit,
	void (*print)(void *, int64_t, const char *, const char *),
	struct shop_world_result *ret_result)
{
	struct faults_shown shown = { 0 };
	struct shop_world_options options = { .seed = seed,
		.faults = settings->faults,
		.fault_limit = fault_limit,
		.orders = settings->orders,
		.instances = settings->instances,
		.durable = settings->durable,
		.user = &shown,
		.trace = print };
	saga_error error;
	int code = shop_world_run(&options, ret_result, &error);

	if (code != SAGA_OK)
		fprintf(stderr, "shop-sim: seed %" PRIu64 ": %s\n", seed, error.text);
	if (shown.count > FAULTS_SHOWN)
		printf("  and %" PRIu64 " more\n", shown.count - FAULTS_SHOWN);
	return code == SAGA_OK ? 0 : -1;
}

/* ---- a seed that fails ---- */

/*
 * The least number of first faults with which it still fails, by bisection: fewer need not fail,
 * nor more, but the number that comes out does. 0: it needs none.
 */
static uint64_t shrink(const struct settings *settings, uint64_t seed, uint64_t struck)
{
	struct settings calm = *settings;
	struct shop_world_result result;
	uint64_t good = 0, bad = struck;

	calm.faults = 0;
	if (run_seed(&calm, seed, 0, &result) == 0 && result.is_broken)
		return 0;
	while (bad - good > 1) {
		uint64_t middle = good + (bad - good) / 2;

		if (run_seed(settings, seed, middle, &result) == 0 && result.is_broken)
			bad = middle;
		else
			good = middle;
	}
	return bad;
}

static void print_command(const struct settings *settings, uint64_t seed, uint64_t limit)
{
	printf("  %s --seed %" PRIu64 " --orders %zu", settings->program, seed, settings->orders);
	if (settings->instances > 1)
		printf(" --instances %u", settings->instances);
	if (settings->durable)
		printf(" --durable");
	if (settings->faults_text)
		printf(" --faults %s", settings->faults_text);
	if (limit)
		printf(" --fault-limit %" PRIu64, limit);
	if (settings->mutant)
		printf(" --mutant %s", settings->mutant);
	printf(" --trace\n");
}

static void tell_broken(
	const struct settings *settings, uint64_t seed, const struct shop_world_result *result)
{
	uint64_t least = shrink(settings, seed, result->report.struck);
	struct shop_world_result again;

	printf("seed %" PRIu64 " is broken:\n%s\n", seed, result->breach);
	print_command(settings, seed, settings->fault_limit);
	if (!least) {
		printf("without any fault, too\n");
	} else {
		printf("of %" PRIu64 " faults the first %" PRIu64 " are enough:\n",
			result->report.struck, least);
		print_command(settings, seed, least);
		(void)trace_seed(settings, seed, least, print_fault, &again);
	}
	fflush(stdout);
}

/* ---- all seeds ---- */

static void add(struct totals *totals, const struct shop_world_result *result)
{
	const saga_sim_report *report = &result->report;

	totals->seeds++;
	totals->broken += result->is_broken;
	totals->stuck += strstr(result->breach, " ms after the faults") != NULL;
	totals->violations += result->violations ? result->violations : result->is_broken;
	totals->struck += report->struck;
	totals->events += report->events;
	totals->happenings += report->happenings;
	totals->crashes += report->crashes;
	totals->commits += report->commits;
	totals->frames += report->frames;
	totals->virtual_ms += report->ms;
	totals->orders += result->audit.orders;
	totals->fulfilled += result->audit.fulfilled;
	totals->cancelled += result->audit.cancelled;
	for (size_t i = 0; i < FAULTS; i++)
		totals->struck_by[i] += report->struck_by[i];
}

static bool hash_differs(
	const struct settings *settings, uint64_t seed, const struct shop_world_result *result)
{
	struct shop_world_result again;

	if (!settings->check_hash && seed - settings->first >= HASHED)
		return false;
	if (run_seed(settings, seed, settings->fault_limit, &again) != 0)
		return true;
	if (again.report.hash == result->report.hash)
		return false;
	printf("seed %" PRIu64 " does not repeat: hash %016" PRIx64 ", then %016" PRIx64 "\n", seed,
		result->report.hash, again.report.hash);
	return true;
}

static bool choose_mutant(const char *name);

static void *work(void *context)
{
	struct sim *sim = context;
	const struct settings *settings = sim->settings;

	(void)choose_mutant(settings->mutant);
	for (;;) {
		struct shop_world_result result;
		uint64_t seed;
		bool differs;
		int code;

		pthread_mutex_lock(&sim->lock);
		seed = sim->next++;
		pthread_mutex_unlock(&sim->lock);
		if (seed > settings->last || seed < settings->first)
			return NULL;
		code = settings->trace
			? trace_seed(settings, seed, settings->fault_limit, print_trace, &result)
			: run_seed(settings, seed, settings->fault_limit, &result);
		differs = code == 0 && hash_differs(settings, seed, &result);
		pthread_mutex_lock(&sim->lock);
		if (code == 0)
			add(&sim->totals, &result);
		sim->totals.has_failed = sim->totals.has_failed || code != 0 || differs;
		if (code == 0 && result.is_broken)
			tell_broken(settings, seed, &result);
		pthread_mutex_unlock(&sim->lock);
	}
}

static void print_totals(const struct totals *t, double seconds)
{
	printf("%" PRIu64 " seeds, %zu orders: %zu fulfilled, %zu cancelled\n", t->seeds, t->orders,
		t->fulfilled, t->cancelled);
	printf("%.1f s, of virtual time %.1f h: %.0f sagas/s, %.0f events/s, %.0f happenings/s\n",
		seconds, (double)t->virtual_ms / 3600000, (double)t->orders / seconds,
		(double)t->events / seconds, (double)t->happenings / seconds);
	printf("%" PRIu64 " commits, %" PRIu64 " frames, %" PRIu64 " crashes\n", t->commits,
		t->frames, t->crashes);
	printf("%" PRIu64 " faults struck:\n", t->struck);
	for (size_t i = 0; i < FAULTS; i++)
		printf("%s%s %" PRIu64, i ? ", " : "  ", fault_names[i], t->struck_by[i]);
	printf("\n");
	printf("%" PRIu64 " broken, %zu violations, %zu stuck\n", t->broken, t->violations,
		t->stuck);
}

static int run_all(const struct settings *settings)
{
	struct sim sim = { .settings = settings, .next = settings->first };
	struct timespec begun, ended;
	pthread_t threads[64];
	size_t count = 0;

	pthread_mutex_init(&sim.lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	while (count + 1 < settings->jobs && pthread_create(&threads[count], NULL, work, &sim) == 0)
		count++;
	work(&sim);
	while (count)
		pthread_join(threads[--count], NULL);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	pthread_mutex_destroy(&sim.lock);
	print_totals(&sim.totals,
		(double)(ended.tv_sec - begun.tv_sec) +
			(double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	return sim.totals.broken || sim.totals.has_failed ? 1 : 0;
}

/* ---- arguments ---- */

#ifdef SAGA_MUTANTS
#define NAME(name, text) #name,
static const char *const mutants[] = { "", SAGA__MUTANTS(NAME) };
#undef NAME

static bool choose_mutant(const char *name)
{
	for (size_t i = 1; name && i < sizeof mutants / sizeof mutants[0]; i++)
		if (strcmp(mutants[i], name) == 0) {
			saga__mutant = (enum saga__mutant)i;
			return true;
		}
	return false;
}
#else
static bool choose_mutant(const char *name)
{
	(void)name;
	return false;
}
#endif

static bool take_number(const char *text, uint64_t most, uint64_t *ret_number, const char **ret_end)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	*ret_end = end;
	return end != text && *text != '-' && errno == 0 && *ret_number <= most;
}

static bool take_whole(const char *text, uint64_t most, uint64_t *ret_number)
{
	const char *end;

	return take_number(text, most, ret_number, &end) && !*end;
}

static bool take_seeds(const char *text, struct settings *settings)
{
	const char *end;

	return take_number(text, UINT64_MAX - 1, &settings->first, &end) &&
		strncmp(end, "..", 2) == 0 &&
		take_whole(end + 2, UINT64_MAX - 1, &settings->last) &&
		settings->last >= settings->first;
}

static bool take_fault(const char *name, size_t size, unsigned *faults)
{
	if (size == 3 && memcmp(name, "all", size) == 0) {
		*faults |= SAGA_SIM_ALL;
		return true;
	}
	for (size_t i = 0; i < FAULTS; i++)
		if (strlen(fault_names[i]) == size && memcmp(fault_names[i], name, size) == 0) {
			*faults |= 1u << i;
			return true;
		}
	return false;
}

static bool take_faults(const char *text, struct settings *settings)
{
	settings->faults_text = text;
	settings->faults = 0;
	if (strcmp(text, "none") == 0)
		return true;
	for (;; text++) {
		size_t size = strcspn(text, ",");

		if (!take_fault(text, size, &settings->faults))
			return false;
		text += size;
		if (!*text)
			return true;
	}
}

static bool take(int option, const char *text, struct settings *settings)
{
	uint64_t number = 0;
	bool is_right = true;

	switch (option) {
	case 's':
		is_right = take_whole(text, UINT64_MAX - 1, &settings->first);
		settings->last = settings->first;
		break;
	case 'S':
		is_right = take_seeds(text, settings);
		break;
	case 'o':
		is_right = take_whole(text, 100000, &number);
		settings->orders = (size_t)number;
		break;
	case 'i':
		is_right = take_whole(text, 4, &number) && number;
		settings->instances = (unsigned)number;
		break;
	case 'f':
		is_right = take_faults(text, settings);
		break;
	case 'l':
		is_right = take_whole(text, UINT64_MAX, &settings->fault_limit);
		break;
	case 'j':
		is_right = take_whole(text, 64, &number) && number;
		settings->jobs = (size_t)number;
		break;
	case 'h':
		settings->check_hash = true;
		break;
	case 'd':
		settings->durable = true;
		break;
	case 't':
		settings->trace = true;
		break;
	case 'm':
		settings->mutant = text;
		is_right = choose_mutant(text);
		break;
	default:
		return false;
	}
	if (!is_right)
		fprintf(stderr, "shop-sim: `%s`: can't be\n", text);
	return is_right;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'S' },
		{ "orders", required_argument, NULL, 'o' },
		{ "instances", required_argument, NULL, 'i' },
		{ "faults", required_argument, NULL, 'f' },
		{ "fault-limit", required_argument, NULL, 'l' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "check-hash", no_argument, NULL, 'h' },
		{ "durable", no_argument, NULL, 'd' },
		{ "trace", no_argument, NULL, 't' },
		{ "mutant", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'H' },
		{ NULL, 0, NULL, 0 },
	};
	struct settings settings = { .first = 1,
		.last = 0,
		.orders = 20,
		.jobs = 1,
		.instances = 1,
		.faults = SAGA_SIM_ALL,
		.program = argv[0] };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'H') {
			fputs(help, stdout);
			return 0;
		}
		if (!take(option, optarg, &settings)) {
			fputs(help, stderr);
			return 2;
		}
	}
	if (optind < argc || settings.last < settings.first) {
		fputs(help, stderr);
		return 2;
	}
	return run_all(&settings);
}
