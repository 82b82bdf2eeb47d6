/* The main flow by libsaga: three participants of one process, on one loop and one hub. */

#include <saga/inproc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "counting_store.h"
#include "saga_services.h"

enum {
	LOOK_MS = 5,
	PATIENCE_S = 60 /* for one run that does not end */
};

struct seat {
	struct flow *flow;
	saga_participant *participant;
	struct counting counting;
	bool stopped;
};

/* When a saga was submitted, or ended. */
struct moment {
	saga_id saga;
	double at;
};

struct flow {
	const struct bench_run *run;
	struct placing *placings; /* by order */
	struct moment *starts, *ends;
	size_t started_count;
	struct seat seats[BENCH_SERVICES];
	saga_hub *hub;
	uv_loop_t loop;
	uv_async_t moved; /* orders were fulfilled, or a place was answered */
	uv_timer_t look;
	bool started;
	size_t submitted;
	atomic_size_t fulfilled;
	struct bench_result from; /* the clocks and counters at the first order */
	struct bench_result result;
	atomic_bool done;
	bool stopping;
	bool failed;
	char text[BENCH_TEXT];
};

struct placing {
	struct flow *flow;
	double at;
};

static void fail(struct flow *flow, const char *what, const char *why)
{
	if (!flow->failed)
		snprintf(flow->text, sizeof flow->text, "%s: %.400s", what, why);
	flow->failed = true;
}

/* ---- stopping ---- */

static void stop(struct flow *flow)
{
	if (flow->stopping)
		return;
	flow->stopping = true;
	uv_close((uv_handle_t *)&flow->look, NULL);
	for (size_t i = 0; i < BENCH_SERVICES; i++)
		saga_stop(flow->seats[i].participant);
}

static void stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct seat *seat = user;
	struct flow *flow = seat->flow;
	bool all = true;

	if (why->code != SAGA_OK)
		fail(flow, "stopped", why->text);
	(void)participant;
	seat->stopped = true;
	for (size_t i = 0; i < BENCH_SERVICES; i++)
		all = all && flow->seats[i].stopped;
	stop(flow);
	if (all)
		uv_close((uv_handle_t *)&flow->moved, NULL);
}

/* ---- submitting ---- */

static void answered(void *user, const saga_answer *answer)
{
	struct placing *placing = user;
	struct flow *flow = placing->flow;

	flow->starts[flow->started_count++] = (struct moment){ answer->saga, placing->at };
	if (answer->code != SAGA_OK) {
		fail(flow, "an order's answer", answer->text);
		stop(flow);
	}
}

static int submit_order(struct flow *flow, const struct bench_order *order, saga_error *error)
{
	struct placing *placing = &flow->placings[order - flow->run->orders];
	struct line lines[BENCH_LINES];

	*placing = (struct placing){ flow, bench_seconds() };
	for (size_t i = 0; i < BENCH_LINES; i++)
		lines[i] = (struct line){ .sku = order->lines[i].sku,
			.quantity = order->lines[i].quantity };
	return saga_submit(flow->seats[BENCH_ORDER].participant,
		&(saga_submission){
			SAGA_SUBMISSION(place_order, .ref = order->key, .customer = order->customer,
				.country = order->country, .total = order->total, .lines = lines,
				.lines_count = BENCH_LINES),
			.key = order->key, .answered = answered, .user = placing },
		error);
}

/* No more orders are in flight than the window holds, nor than the queue takes. */
static void submit_more(struct flow *flow)
{
	size_t fulfilled = atomic_load(&flow->fulfilled);
	saga_error error;

	while (flow->started && !flow->stopping && flow->submitted < flow->run->count &&
		flow->submitted - fulfilled <
			(flow->run->window ? flow->run->window : BENCH_WINDOW)) {
		int code = submit_order(flow, &flow->run->orders[flow->submitted], &error);

		if (code == SAGA_BUSY)
			return;
		if (code != SAGA_OK) {
			fail(flow, "saga_submit", error.text);
			stop(flow);
			return;
		}
		flow->submitted++;
	}
}

static void on_moved(uv_async_t *handle)
{
	submit_more(handle->data);
}

/* ---- watching ---- */

static void count_all(struct flow *flow, struct bench_result *to)
{
	to->commits = to->statements = to->round_trips = 0;
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		const struct counting *counting = &flow->seats[i].counting;

		to->commits += atomic_load(&counting->commits);
		to->statements += atomic_load(&counting->statements);
		to->round_trips += atomic_load(&counting->waits);
	}
}

static void start_clock(struct flow *flow)
{
	count_all(flow, &flow->from);
	flow->from.cpu = bench_cpu_seconds();
	flow->from.seconds = bench_seconds();
}

static void stop_clock(struct flow *flow)
{
	struct bench_result *result = &flow->result;

	result->seconds = bench_seconds() - flow->from.seconds;
	result->cpu = bench_cpu_seconds() - flow->from.cpu;
	count_all(flow, result);
	result->commits -= flow->from.commits;
	result->statements -= flow->from.statements;
	result->round_trips -= flow->from.round_trips;
	atomic_store(&flow->done, true);
}

/* Of the order service's transactions, on its lane's thread. */
static void batch_ended(void *user, bool committed)
{
	struct flow *flow = user;
	struct saga_fulfilled *fulfilled = &saga_fulfilled_in_batch;
	double now = bench_seconds();
	size_t before = 0;

	if (committed)
		before = atomic_fetch_add(&flow->fulfilled, fulfilled->count);
	for (size_t i = 0; committed && i < fulfilled->count; i++)
		flow->ends[before + i] = (struct moment){ fulfilled->sagas[i], now };
	if (committed && fulfilled->count && before + fulfilled->count == flow->run->count)
		stop_clock(flow);
	fulfilled->count = 0;
	uv_async_send(&flow->moved);
}

static bool is_up(const struct flow *flow)
{
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		saga_health health = { .size = sizeof health };

		saga_health_of(flow->seats[i].participant, &health);
		if (!health.store || !health.transport)
			return false;
	}
	return true;
}

static bool is_idle(const struct flow *flow)
{
	for (size_t i = 0; i < BENCH_SERVICES; i++) {
		saga_health health = { .size = sizeof health };

		saga_health_of(flow->seats[i].participant, &health);
		if (health.queued || health.parked)
			return false;
	}
	return true;
}

/* Begins once all stores are there, and ends when nothing is left to do. */
static void look(uv_timer_t *timer)
{
	struct flow *flow = timer->data;

	if (!flow->started && is_up(flow)) {
		flow->started = true;
		start_clock(flow);
		submit_more(flow);
	} else if (atomic_load(&flow->done) && is_idle(flow)) {
		stop(flow);
	} else if (flow->started && !atomic_load(&flow->done) &&
		bench_seconds() - flow->from.seconds > PATIENCE_S) {
		fail(flow, "saga", "it does not end");
		stop(flow);
	}
}

/* ---- opening ---- */

static void log_warnings(void *user, const saga_log *log)
{
	if (log->level >= SAGA_WARNING)
		saga_log_stderr(user, log);
}

static int open_participant(struct flow *flow, enum bench_service service, const char *url)
{
	struct seat *seat = &flow->seats[service];
	saga_error error;
	int code = saga_open(saga_services[service],
		SAGA_OPTIONS(.store = url, .store_ops = counting_ops(url),
			.store_context = &seat->counting, .transport = "inproc://bench",
			.transport_context = flow->hub, .followers = saga_followers[service],
			.lanes = flow->run->lanes    ? (int)flow->run->lanes
				: flow->run->threads ? 1
						     : 0,
			.loop = &flow->loop,
			.limits = SAGA_LIMITS(.queue = 2 * BENCH_WINDOW,
				.batch_events = flow->run->batch, .window = BENCH_WINDOW),
			.user = seat, .log = log_warnings, .stopped = stopped),
		&seat->participant, &error);

	if (code != SAGA_OK)
		fail(flow, bench_service_names[service], error.text);
	return code;
}

static int open_seat(struct flow *flow, enum bench_service service)
{
	struct seat *seat = &flow->seats[service];
	struct hand_store store;
	char path[4096], url[sizeof path + 8];

	seat->flow = flow;
	if (flow->run->urls)
		return open_participant(flow, service, flow->run->urls[service]);
	bench_rows_path(flow->run, service, path, sizeof path);
	hand_store_open(&store, path);
	bench_rows_make(&store, service);
	if (store.failed)
		fail(flow, bench_service_names[service], store.text);
	hand_store_close(&store);
	if (flow->failed)
		return -1;
	snprintf(url, sizeof url, "sqlite:%s", path);
	return open_participant(flow, service, url);
}

static int open_seats(struct flow *flow)
{
	flow->seats[BENCH_ORDER].counting.ended = batch_ended;
	flow->seats[BENCH_ORDER].counting.user = flow;
	for (size_t i = 0; i < BENCH_SERVICES; i++)
		if (open_seat(flow, (enum bench_service)i) != 0)
			return -1;
	return 0;
}

/* ---- its life ---- */

/* What the library must have left: a slot a step and one for the deadline, and the events. */
static void check(struct flow *flow, enum bench_service service)
{
	static const size_t slots[BENCH_SERVICES] = { 3, 2, 1 };
	static const size_t events[BENCH_SERVICES] = { 2, 2, 1 };
	struct hand_store store;
	char path[4096];

	bench_rows_path(flow->run, service, path, sizeof path);
	hand_store_open(&store, path);
	bench_rows_check(&store, service, flow->run->count);
	if (hand_store_number(&store, "SELECT count(*) FROM saga_outbox") !=
		(int64_t)(events[service] * flow->run->count))
		hand_store_fail(&store, "events were lost or made");
	if (hand_store_number(&store, "SELECT count(*) FROM saga_slot") !=
		(int64_t)(slots[service] * flow->run->count))
		hand_store_fail(&store, "slots were lost or made");
	if (hand_store_number(&store, "SELECT count(*) FROM saga_parked"))
		hand_store_fail(&store, "something is left parked");
	if (store.failed)
		fail(flow, bench_service_names[service], store.text);
	hand_store_close(&store);
}

static int by_saga(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(saga_id));
}

static int by_length(const void *a, const void *b)
{
	const struct moment *left = a, *right = b;

	return (left->at > right->at) - (left->at < right->at);
}

/* How long the sagas took, each from its submission to the commit of its last step. */
static void measure(struct flow *flow)
{
	size_t count = flow->run->count;

	qsort(flow->starts, count, sizeof *flow->starts, by_saga);
	qsort(flow->ends, count, sizeof *flow->ends, by_saga);
	for (size_t i = 0; i < count; i++) {
		if (by_saga(&flow->starts[i], &flow->ends[i]) != 0)
			fail(flow, "latency", "a saga began or ended twice");
		flow->ends[i].at -= flow->starts[i].at;
	}
	qsort(flow->ends, count, sizeof *flow->ends, by_length);
	flow->result.p50 = flow->ends[count / 2].at;
	flow->result.p99 = flow->ends[count * 99 / 100].at;
}

static void run_loop(struct flow *flow)
{
	uv_loop_init(&flow->loop);
	uv_async_init(&flow->loop, &flow->moved, on_moved);
	uv_timer_init(&flow->loop, &flow->look);
	flow->moved.data = flow->look.data = flow;
	if (open_seats(flow) == 0) {
		uv_timer_start(&flow->look, look, 0, LOOK_MS);
	} else {
		uv_close((uv_handle_t *)&flow->moved, NULL);
		uv_close((uv_handle_t *)&flow->look, NULL);
	}
	uv_run(&flow->loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < BENCH_SERVICES; i++)
		saga_close(flow->seats[i].participant);
	uv_run(&flow->loop, UV_RUN_DEFAULT);
	uv_loop_close(&flow->loop);
}

int saga_run_shop(
	const struct bench_run *run, struct bench_result *ret_result, char ret_text[BENCH_TEXT])
{
	struct flow *flow = calloc(1, sizeof *flow);
	int code = -1;

	if (!flow || saga_hub_new(&flow->hub) != SAGA_OK) {
		snprintf(ret_text, BENCH_TEXT, "no memory");
		goto out;
	}
	flow->run = run;
	flow->placings = calloc(run->count, sizeof *flow->placings);
	flow->starts = calloc(run->count, sizeof *flow->starts);
	flow->ends = calloc(run->count, sizeof *flow->ends);
	if (!flow->placings || !flow->starts || !flow->ends) {
		snprintf(ret_text, BENCH_TEXT, "no memory");
		goto free_hub;
	}
	run_loop(flow);
	if (!flow->failed)
		measure(flow);
	for (size_t i = 0; !flow->failed && i < BENCH_SERVICES && !run->urls; i++)
		check(flow, (enum bench_service)i);
	memcpy(ret_text, flow->text, BENCH_TEXT);
	*ret_result = flow->result;
	code = flow->failed ? -1 : 0;
free_hub:
	free(flow->placings);
	free(flow->starts);
	free(flow->ends);
	saga_hub_free(flow->hub);
out:
	free(flow);
	return code;
}
