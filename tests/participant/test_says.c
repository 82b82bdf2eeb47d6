/*
 * What a participant says by its log, its errors and its end: without the passwords of its URLs,
 * even if a plugin repeats them, and a warning that comes in thousands only now and then.
 */

#include <saga/participant.h>
#include <saga/plugin.h>

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define SECRET "s3cret"

enum {
	FRAMES = 400,
	AT_ONCE = 20,      /* src/participant/say.c: that are said, and */
	WINDOW_MS = 10000, /* within which */
};

SAGA_BARE_EVENT(thing_came, "thing.came", 1);

static saga_verdict take(saga_step *s)
{
	return saga_done(s);
}

static const saga_step_def steps[] = { { .name = "take", .on = { &thing_came }, .run = take } };
static const saga_participant_def def = SAGA_PARTICIPANT("hearer", steps);

/* ---- what was said ---- */

static struct {
	atomic_int bad, others, transport, store, secrets;
	atomic_llong unsaid;
	saga_error end;
} said;

static void on_log(void *user, const saga_log *log)
{
	(void)user;
	if (strstr(log->text, SECRET))
		said.secrets++;
	if (strcmp(log->what, "frame.bad") == 0)
		said.bad++;
	else if (strcmp(log->what, "transport.down") == 0)
		said.transport++;
	else if (strcmp(log->what, "store.away") == 0)
		said.store++;
	for (size_t i = 0; i < log->field_count; i++)
		if (strcmp(log->fields[i].name, "unsaid") == 0)
			said.unsaid += log->fields[i].value.as.int64;
}

static void on_stopped(void *user, saga_participant *p, const saga_error *why)
{
	(void)user, (void)p;
	said.end = *why;
}

/* ---- a transport that brings noise, and talks of its URL ---- */

struct noise {
	saga_port *port;
	uv_timer_t timer;
	int left;
};

static void make_noise(uv_timer_t *timer)
{
	struct noise *noise = timer->data;
	const saga_frame frame = { .topic = "events", .bytes = { "noise", 5 } };

	for (int i = 0; i < 40 && noise->left > 0; i++)
		noise->left -= saga_port_receive(noise->port, &frame, 1) == SAGA_OK;
	if (noise->left > 0)
		return;
	/* One more behind the window: it says how many were not said. */
	noise->left = said.unsaid ? 0 : 1;
	ck_assert_int_eq(uv_timer_start(timer, make_noise, WINDOW_MS + 100, 500), 0);
}

static int open_noise(
	saga_port *port, const saga_transport_options *options, void **ret_noise, saga_error *error)
{
	struct noise *noise = calloc(1, sizeof *noise);
	char text[128];

	ck_assert_ptr_nonnull(noise);
	(void)error;
	noise->port = port;
	noise->left = FRAMES;
	(void)snprintf(text, sizeof text, "no way to %s", options->url);
	saga_port_state(port, false, text);
	ck_assert_int_eq(uv_timer_init(saga_port_loop(port), &noise->timer), 0);
	noise->timer.data = noise;
	ck_assert_int_eq(uv_timer_start(&noise->timer, make_noise, 1, 1), 0);
	*ret_noise = noise;
	return SAGA_OK;
}

static int send_nowhere(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	(void)transport, (void)frames;
	*ret_sent = count;
	return SAGA_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct noise *noise = handle->data;

	saga_port_closed(noise->port);
	free(noise);
}

static void close_noise(void *transport)
{
	struct noise *noise = transport;

	uv_close((uv_handle_t *)&noise->timer, on_closed);
}

static const saga_transport_ops noise_ops = { .size = sizeof(saga_transport_ops),
	.schemes = "noise",
	.open = open_noise,
	.send = send_nowhere,
	.close = close_noise };

static void end_when_told(uv_timer_t *timer)
{
	if (said.unsaid)
		saga_stop(timer->data);
}

START_TEST(a_warning_that_repeats_is_counted)
{
	saga_participant *p;
	saga_error error;
	uv_timer_t timer;

	ck_assert_int_eq(
		saga_open(&def,
			SAGA_OPTIONS(.store = "sqlite::memory:",
				.transport = "noise://u:" SECRET "@h", .transport_ops = &noise_ops,
				.log = on_log, .stopped = on_stopped),
			&p, &error),
		SAGA_OK);
	ck_assert_int_eq(uv_timer_init(saga_loop(p), &timer), 0);
	timer.data = p;
	ck_assert_int_eq(uv_timer_start(&timer, end_when_told, 50, 50), 0);
	uv_unref((uv_handle_t *)&timer);
	ck_assert_int_eq(saga_run(p), SAGA_OK);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(saga_loop(p), UV_RUN_NOWAIT);
	saga_close(p);
	ck_assert_int_eq(said.transport, 1);
	ck_assert_int_eq(said.secrets, 0);
	/* Every one was said or counted; those behind the window are said. */
	ck_assert_int_eq(said.unsaid, FRAMES - AT_ONCE);
	ck_assert_int_ge(said.bad, AT_ONCE + 1);
	ck_assert_int_le(said.bad, 2 * AT_ONCE);
}
END_TEST

/* ---- a store that talks of its URL ---- */

static int open_chatter(const saga_store_options *options, void **ret_store, saga_error *error)
{
	(void)ret_store;
	return saga_error_set(
		error, *(int *)options->context, "no way to %s, by %s", options->url, SECRET);
}

static saga_store_ops chatter_ops(void)
{
	saga_store_ops ops = *saga_store_builtin("sqlite");

	ops.schemes = "chatter";
	ops.open = open_chatter;
	return ops;
}

static void stop_when_away(uv_timer_t *timer)
{
	if (said.store)
		saga_stop(timer->data);
}

static void run_chatter(int code)
{
	const saga_store_ops ops = chatter_ops();
	saga_participant *p;
	saga_error error;
	uv_timer_t timer;

	ck_assert_int_eq(
		saga_open(&def,
			SAGA_OPTIONS(.store = "chatter://u:" SECRET "@h", .store_ops = &ops,
				.store_context = &code, .log = on_log, .stopped = on_stopped),
			&p, &error),
		SAGA_OK);
	ck_assert_int_eq(uv_timer_init(saga_loop(p), &timer), 0);
	timer.data = p;
	ck_assert_int_eq(uv_timer_start(&timer, stop_when_away, 10, 10), 0);
	uv_unref((uv_handle_t *)&timer);
	(void)saga_run(p);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(saga_loop(p), UV_RUN_NOWAIT);
	saga_close(p);
	ck_assert_int_eq(said.secrets, 0);
}

START_TEST(a_store_that_is_away_tells_no_password)
{
	run_chatter(SAGA_AWAY);
	ck_assert_int_ge(said.store, 1);
	ck_assert_int_eq(said.end.code, SAGA_OK);
}
END_TEST

START_TEST(an_end_tells_no_password)
{
	run_chatter(SAGA_REFUSED);
	ck_assert_int_eq(said.end.code, SAGA_REFUSED);
	ck_assert_ptr_null(strstr(said.end.text, SECRET));
	ck_assert_ptr_nonnull(strstr(said.end.text, "chatter://u:***@h, by ***"));
}
END_TEST

START_TEST(what_was_not_opened_tells_no_password)
{
	static const char *const urls[] = { "nosuch://u:" SECRET "@h", "u@" SECRET "@h",
		"postgres://u:" SECRET "%@h", "u:" SECRET "@h" };
	saga_participant *p;
	saga_error error;

	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		int code = saga_open(&def, SAGA_OPTIONS(.store = urls[i]), &p, &error);

		if (code == SAGA_OK) { /* it says so when it runs */
			saga_close(p);
			continue;
		}
		ck_assert_ptr_null(strstr(error.text, SECRET));
		code = saga_open(&def,
			SAGA_OPTIONS(.store = "sqlite::memory:", .transport = urls[i]), &p, &error);
		ck_assert_int_ne(code, SAGA_OK);
		ck_assert_ptr_null(strstr(error.text, SECRET));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("says");
	TCase *tests = tcase_create("says");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, tests);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_warning_that_repeats_is_counted);
	tcase_add_test(tests, a_store_that_is_away_tells_no_password);
	tcase_add_test(tests, an_end_tells_no_password);
	tcase_add_test(tests, what_was_not_opened_tells_no_password);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
