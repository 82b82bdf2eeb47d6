#include "run.h"

#include "complain.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	TICK_MS = 5,
	FILE_LEASE_MS = 3000, /* no other instance is there: after a kill it goes on soon */
	LOOK_EVERY_MS = 100,
	IDLE_LOOKS = 3 /* one after the other found it idle: then it has run out */
};

/* ---- asking ---- */

bool run_ask(struct run *run, int seat, saga_submission *submission, saga_error *error)
{
	int code = saga_submit(run->seats[seat].participant, submission, error);

	if (code == SAGA_BUSY || code == SAGA_STOPPED)
		error->code = SAGA_OK;
	if (code == SAGA_OK)
		run->asked++;
	return code == SAGA_OK;
}

/* ---- stopping ---- */

static void stop(struct run *run)
{
	if (run->is_stopping)
		return;
	run->is_stopping = true;
	uv_timer_stop(&run->tick);
	for (int i = 0; i < SEATS; i++)
		if (run->seats[i].participant)
			saga_stop(run->seats[i].participant);
}

static void close_handles(struct run *run)
{
	uv_close((uv_handle_t *)&run->tick, NULL);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&run->signals[i], NULL);
}

static void stopped(void *user, saga_participant *participant, const saga_error *why)
{
	struct seat *seat = user;
	struct run *run = seat->run;
	bool are_all_stopped = true;

	(void)participant;
	if (why->code != SAGA_OK) {
		complain("shop: %s", why->text);
		run->has_failed = true;
	}
	seat->is_stopped = true;
	stop(run);
	for (int i = 0; i < SEATS; i++)
		are_all_stopped = are_all_stopped && run->seats[i].is_stopped;
	if (are_all_stopped)
		close_handles(run);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct run *run = handle->data;

	progress_end(&run->progress);
	complain("shop: signal %d, stopping; the same --data goes on from here", number);
	run->result.is_interrupted = true;
	stop(run);
}

/* ---- watching ---- */

static bool is_idle(const struct run *run)
{
	for (int i = 0; i < SEATS; i++) {
		saga_health health = { .size = sizeof health };

		saga_health_of(run->seats[i].participant, &health);
		if (health.queued || health.parked || health.outbox)
			return false;
	}
	return true;
}

static void say_what_is_left(const struct run *run)
{
	static const char *const names[] = { "order", "payment", "stock" };

	complain("shop: nothing went on for %" PRId64 " s; %" PRId64 " of %" PRId64 " orders ended",
		run->settings->patience_s, run->ended, run->placed);
	for (int i = 0; i < SEATS; i++) {
		saga_health health = { .size = sizeof health };

		saga_health_of(run->seats[i].participant, &health);
		complain("shop: %s: the store is %s, %" PRId64 " of its shards worked; %" PRId64
			 " queued, %" PRId64 " parked, %" PRId64 " unseen, %" PRId64
			 " behind, %" PRId64 " stopped, %" PRId64 " waiting, %" PRId64
			 " dead, %" PRId64 " stuck",
			names[i], health.store ? "there" : "away", health.shards, health.queued,
			health.parked, health.outbox, health.lag, health.stopped, health.waiting,
			health.dead, health.stuck);
	}
}

static void counted(void *user, const saga_answer *answer)
{
	struct run *run = user;
	const struct orders_counted *now =
		answer->outcome ? saga_body(answer->outcome, orders_counted) : NULL;

	run->asked--;
	run->is_counting = false;
	if (!now)
		return;
	if (now->ended != run->ended || now->placed != run->placed)
		run->moved_at = (int64_t)uv_now(&run->loop);
	run->placed = now->placed;
	run->ended = now->ended;
}

static void count(struct run *run)
{
	saga_submission submission = { SAGA_SUBMISSION(count_orders), .answered = counted,
		.user = run };
	saga_error error;

	run->is_counting = run_ask(run, SEAT_ORDER, &submission, &error);
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool is_out_of_patience(const struct run *run, int64_t now)
{
	return now - run->moved_at > run->settings->patience_s * 1000;
}

/* Every so often: has all ended, and is nothing under way? */
static void look(struct run *run, bool is_all_asked)
{
	int64_t now = (int64_t)uv_now(&run->loop);
	bool is_quiet = is_all_asked && run->placed == run->ended && is_idle(run);

	if (now < run->look_at)
		return;
	run->look_at = now + LOOK_EVERY_MS;
	progress_show(&run->progress, now, run->ended, most(run->placed, run->to_place));
	run->idle_looks = is_quiet ? run->idle_looks + 1 : 0;
	if (run->idle_looks > IDLE_LOOKS) {
		stop(run);
	} else if (is_out_of_patience(run, now)) {
		progress_end(&run->progress);
		say_what_is_left(run);
		run->result.is_cut_short = true;
		stop(run);
	} else if (!run->is_counting) {
		count(run);
	}
}

static void tick(uv_timer_t *timer)
{
	struct run *run = timer->data;
	bool is_all_asked = tell_data(run) && turn_jobs(run);

	look(run, is_all_asked);
}

/* ---- opening ---- */

/* Any thread. */
static void log_warnings(void *user, const saga_log *log)
{
	if (log->level >= SAGA_WARNING)
		saga_log_stderr(user, log);
}

/* Half of it must do for whatever the store is asked; a server may be far away, or slow: 0. */
static int lease_of(const struct run *run, const char *store)
{
	if (run->settings->lease_ms)
		return (int)run->settings->lease_ms;
	return strncmp(store, "sqlite:", 7) == 0 ? FILE_LEASE_MS : 0;
}

static int open_seat(struct run *run, int i, const saga_participant_def *def, const char *store,
	const char *const *followers)
{
	struct seat *seat = &run->seats[i];
	saga_error error;
	int code;

	seat->run = run;
	seat->is_stopped = true;
	code = saga_open(def,
		SAGA_OPTIONS(.store = store, .transport = "inproc://shop",
			.transport_context = run->hub, .followers = followers,
			.lanes = (int)run->settings->lanes, .loop = &run->loop, .user = seat,
			.handler_user = &seat->config, .log = log_warnings, .stopped = stopped,
			.lease_ms = lease_of(run, store)),
		&seat->participant, &error);
	if (code == SAGA_OK)
		seat->is_stopped = false;
	else
		complain("shop: %s: %s", def->name, error.text);
	return code;
}

static int open_seats(struct run *run)
{
	static const char *const of_order[] = { "stock", "payment", NULL };
	static const char *const of_payment[] = { "stock", "order", NULL };
	static const char *const of_stock[] = { "order", "payment", NULL };
	const struct run_settings *settings = run->settings;
	int code;

	run->seats[SEAT_ORDER].config.order.pay_within_ms = settings->deadline_ms;
	run->seats[SEAT_PAYMENT].config.payment.provider = run->provider;
	run->seats[SEAT_STOCK].config.stock.dispatch_delay_ms = settings->dispatch_ms;
	code = open_seat(run, SEAT_ORDER, &order, settings->stores.order, of_order);
	if (code == SAGA_OK)
		code = open_seat(run, SEAT_PAYMENT, &payment, settings->stores.payment, of_payment);
	if (code == SAGA_OK)
		code = open_seat(run, SEAT_STOCK, &stock, settings->stores.stock, of_stock);
	return code;
}

static int begin_loop(struct run *run)
{
	static const int signals[] = { SIGINT, SIGTERM };
	int code = uv_loop_init(&run->loop);

	if (code != 0) {
		complain("shop: %s", uv_strerror(code));
		return -1;
	}
	uv_timer_init(&run->loop, &run->tick);
	run->tick.data = run;
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&run->loop, &run->signals[i]);
		run->signals[i].data = run;
		uv_signal_start_oneshot(&run->signals[i], on_signal, signals[i]);
	}
	return 0;
}

/* ---- its life ---- */

static void run_loop(struct run *run)
{
	uint64_t begun = uv_hrtime();

	run->moved_at = (int64_t)uv_now(&run->loop);
	progress_begin(&run->progress);
	uv_timer_start(&run->tick, tick, 0, TICK_MS);
	uv_run(&run->loop, UV_RUN_DEFAULT);
	progress_end(&run->progress);
	run->result.seconds = (double)(uv_hrtime() - begun) / 1e9;
}

static int on_loop(struct run *run)
{
	int code = begin_loop(run);

	if (code != 0)
		return code;
	code = open_seats(run);
	if (code == SAGA_OK) {
		run_loop(run);
	} else {
		close_handles(run);
		uv_run(&run->loop, UV_RUN_DEFAULT);
	}
	for (int i = SEATS - 1; i >= 0; i--)
		saga_close(run->seats[i].participant);
	uv_loop_close(&run->loop);
	return code == SAGA_OK && !run->has_failed ? 0 : -1;
}

static int read_input(struct run *run)
{
	const struct run_settings *settings = run->settings;

	if (data_read(settings->products, settings->credit, settings->carrier, settings->restock,
		    &run->data) != 0 ||
		orders_read(settings->orders, run->data.products, &run->orders) != 0)
		return -1;
	for (size_t i = 0; i < run->orders.job_count; i++)
		run->orders.jobs[i].run = run;
	run->result.refused = run->orders.refused;
	run->to_place = (int64_t)run->orders.placed_count;
	return 0;
}

/* A thread of the outside calls' pool waits: the provider is slow. */
static void be_slow(int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
		NULL);
}

int run_shop(const struct run_settings *settings, struct run_result *ret_result)
{
	struct run run = { .settings = settings };
	struct provider_faults faults = settings->faults;
	struct provider_reply reply;
	int code = read_input(&run);

	if (code != 0)
		goto free_input;
	faults.be_slow = be_slow;
	code = provider_open(settings->stores.ledger, &faults, &run.provider, &reply);
	if (code != 0) {
		complain("shop: %s: %s", settings->stores.ledger, reply.text);
		goto free_input;
	}
	code = saga_hub_new(&run.hub);
	if (code != SAGA_OK) {
		complain("shop: %s", saga_code_text(code));
		goto close_provider;
	}
	code = on_loop(&run);
	*ret_result = run.result;
	saga_hub_free(run.hub);
close_provider:
	provider_close(run.provider);
free_input:
	orders_free(&run.orders);
	data_free(&run.data);
	return code;
}
