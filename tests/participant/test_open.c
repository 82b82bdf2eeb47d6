/* What saga_open refuses, each by its name; and version and codes. */
#include "harness.h"

#define LONG_31 "a123456789012345678901234567890"
#define LONG_32 LONG_31 "1"

static saga_verdict run(saga_step *s)
{
	return saga_done(s);
}

static saga_verdict call(saga_call *c)
{
	return saga_call_retry(c, "never called");
}

SAGA_EVENT(long_named, "x123456789012345678901234567890123456789012345678901234567890123", 1,
	int64(n));
SAGA_EVENT(version_zero, "test.version_zero", 0, int64(n));
SAGA_EVENT(go_first_twin, "outside.go_first", 1, text(other));

/* ---- steps that are wrong ---- */

#define RUNS .run = run
#define EMITS .run = run, .emits = { &a_done }
#define UNDOES .undo = run, .undo_on = { &take_back }, .undone = { &a_undone }

struct refusal {
	const char *why;
	const char *names; /* what the error must name */
	saga_step_def steps[2];
};

static const struct refusal refusals[] = {
	{ "no name", "name", { { .on = { &go_first }, RUNS } } },
	{ "an empty name", "name", { { .name = "", .on = { &go_first }, RUNS } } },
	{ "a name too long", LONG_32, { { .name = LONG_32, .on = { &go_first }, RUNS } } },
	{ "a doubled name", "twice",
		{ { .name = "twice", .on = { &go_first }, RUNS },
			{ .name = "twice", .on = { &go_second }, RUNS } } },
	{ "an old name that is another's", "newer",
		{ { .name = "older", .on = { &go_first }, RUNS },
			{ .name = "newer", .was = "older", .on = { &go_second }, RUNS } } },
	{ "no run", "idle", { { .name = "idle", .on = { &go_first } } } },
	{ "on nothing", "deaf", { { .name = "deaf", RUNS } } },
	{ "a request among several", "mixed",
		{ { .name = "mixed", .on = { &please, &go_first }, RUNS } } },
	{ "two requests", "mixed", { { .name = "mixed", .on = { &please, &tell_me }, RUNS } } },
	{ "a request for two steps", "second",
		{ { .name = "first", .on = { &please }, RUNS },
			{ .name = "second", .on = { &please }, RUNS } } },
	{ "a type twice in `on`", "again",
		{ { .name = "again", .on = { &go_first, &go_first }, RUNS } } },
	{ "on and undo_on one event", "torn",
		{ { .name = "torn", .on = { &take_back }, EMITS, UNDOES } } },
	{ "on and bar_on one event", "torn",
		{ { .name = "torn", .on = { &bar_it }, EMITS, .bar_on = { &bar_it } } } },
	{ "a pivot with undo_on", "pivot",
		{ { .name = "pivot", .pivot = true, .on = { &go_first }, EMITS, UNDOES } } },
	{ "an undo without undone", "half",
		{ { .name = "half",
			.on = { &go_first },
			EMITS,
			.undo = run,
			.undo_on = { &take_back } } } },
	{ "an undo without undo_on", "half",
		{ { .name = "half",
			.on = { &go_first },
			EMITS,
			.undo = run,
			.undone = { &a_undone } } } },
	{ "undo_on without an undo", "half",
		{ { .name = "half",
			.on = { &go_first },
			EMITS,
			.undo_on = { &take_back },
			.undone = { &a_undone } } } },
	{ "a request in undo_on", "asked",
		{ { .name = "asked",
			.on = { &go_first },
			EMITS,
			.undo = run,
			.undo_on = { &please },
			.undone = { &a_undone } } } },
	{ "a request in bar_on", "asked",
		{ { .name = "asked", .on = { &go_first }, EMITS, .bar_on = { &please } } } },
	{ "a request in emits", "asked",
		{ { .name = "asked", .on = { &go_first }, RUNS, .emits = { &please } } } },
	{ "a type that it emits and rejects", "both",
		{ { .name = "both", .on = { &go_first }, EMITS, .rejects = { &a_done } } } },
	{ "rejects that only refuse can make", "mute",
		{ { .name = "mute",
			.on = { &go_first },
			EMITS,
			.rejects = { &a_refused },
			.bar_on = { &bar_it } } } },
	{ "several rejects and no refuse", "mute",
		{ { .name = "mute",
			.on = { &go_first },
			EMITS,
			.rejects = { &a_rejected, &b_rejected },
			.bar_on = { &bar_it } } } },
	{ "a prepare without a call", "outside",
		{ { .name = "outside",
			.on = { &go_first },
			EMITS,
			.outside = { .prepare = run } } } },
	{ "a timeout below zero", "outside",
		{ { .name = "outside",
			.on = { &go_first },
			EMITS,
			.outside = { .call = call, .timeout_ms = -1 } } } },
	{ "an outside undo without an undo", "outside",
		{ { .name = "outside",
			.on = { &go_first },
			EMITS,
			.undo_outside = { .call = call } } } },
	{ "attempts below zero", "eager",
		{ { .name = "eager", .on = { &go_first }, RUNS, .retry = { .attempts = -1 } } } },
	{ "a look that is on an event", "look",
		{ { .name = "look", .on = { &go_first }, EMITS, .reads_only = true } } },
	{ "a look with an undo", "look",
		{ { .name = "look", .on = { &tell_me }, EMITS, .reads_only = true, UNDOES } } },
	{ "a look with a schedule", "look",
		{ { .name = "look",
			.on = { &tell_me },
			EMITS,
			.reads_only = true,
			.after = { { .event = &later } } } } },
	{ "a look with an outside call", "look",
		{ { .name = "look",
			.on = { &tell_me },
			EMITS,
			.reads_only = true,
			.outside = { .call = call } } } },
	{ "a join of a request", "join",
		{ { .name = "join", .on = { &please }, .join = SAGA_ALL, RUNS },
			{ .name = "other", .on = { &please }, RUNS } } },
	{ "a join that is none", "join",
		{ { .name = "join", .on = { &go_first }, .join = (saga_join)7, RUNS } } },
	{ "a schedule of a request", "clock",
		{ { .name = "clock",
			.on = { &go_first },
			RUNS,
			.after = { { .event = &please } } } } },
	{ "a schedule twice", "clock",
		{ { .name = "clock",
			.on = { &go_first },
			RUNS,
			.after = { { .event = &later }, { .event = &later } } } } },
	{ "a type's name too long", "typed", { { .name = "typed", .on = { &long_named }, RUNS } } },
	{ "a type's version zero", "typed",
		{ { .name = "typed", .on = { &version_zero }, RUNS } } },
	{ "a space in a name", "two words",
		{ { .name = "two words", .on = { &go_first }, RUNS } } },
	{ "an undo that would wait for a silent step", "second",
		{ { .name = "first",
			  .on = { &go_first },
			  EMITS,
			  .undo = run,
			  .undo_on = { &b_undone },
			  .undone = { &a_undone } },
			{ .name = "second",
				.on = { &a_done },
				RUNS,
				.emits = { &b_done },
				.undo = run,
				.undo_on = { &take_back },
				.undone = { &b_undone } } } },
	{ "an undo that is deaf to a rejection", "b.rejected",
		{ { .name = "first",
			  .on = { &go_first },
			  EMITS,
			  .undo = run,
			  .undo_on = { &b_undone },
			  .undone = { &a_undone } },
			{ .name = "second",
				.on = { &a_done },
				RUNS,
				.emits = { &b_done },
				.rejects = { &b_rejected },
				.undo = run,
				.undo_on = { &take_back },
				.undone = { &b_undone } } } },
	{ "two shapes of one type", "outside.go_first",
		{ { .name = "one", .on = { &go_first }, RUNS },
			{ .name = "two", .on = { &go_first_twin }, RUNS } } },
};

static int open_code(
	const saga_participant_def *def, const saga_options *options, saga_error *error)
{
	saga_participant *p = NULL;
	int code = saga_open(def, options, &p, error);

	if (code == SAGA_OK)
		saga_close(p);
	else
		ck_assert_msg(p == NULL, "out-parameter written on failure");
	return code;
}

static void check_refusal(const struct refusal *refusal, int lanes)
{
	saga_participant_def def = {
		.size = sizeof def,
		.name = "target",
		.steps = refusal->steps,
		.step_count = refusal->steps[1].name ? 2 : 1,
		.step_size = sizeof refusal->steps[0],
	};
	saga_error error = { 0 };
	int code =
		open_code(&def, SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = lanes), &error);

	ck_assert_msg(code == SAGA_MISUSE, "%s: %s", refusal->why, saga_code_name(code));
	ck_assert_int_eq(error.code, SAGA_MISUSE);
	ck_assert_msg(
		strstr(error.text, refusal->names), "%s is told as: %s", refusal->why, error.text);
	ck_assert_int_eq(
		open_code(&def, SAGA_OPTIONS(.store = "sqlite::memory:"), NULL), SAGA_MISUSE);
}

START_TEST(wrong_steps_are_refused_by_name)
{
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		check_refusal(&refusals[i], _i);
}
END_TEST

/* ---- steps at their limits ---- */

static saga_verdict read_nothing(saga_step *s)
{
	return saga_emit(s, b_done);
}

static const saga_step_def good_steps[] = {
	{ .name = LONG_31,
		.was = "short",
		.on = { &go_first, &go_second, &go_third },
		.join = SAGA_ALL,
		EMITS,
		.rejects = { &a_rejected },
		UNDOES,
		.bar_on = { &bar_it },
		.after = { { .event = &later, .unless = { &go_third } } } },
	{ .name = "pivot",
		.pivot = true,
		.on = { &please },
		EMITS,
		.rejects = { &a_refused },
		.refuse = run,
		.bar_on = { &bar_it } },
	{ .name = "look",
		.on = { &tell_me },
		.run = read_nothing,
		.emits = { &b_done },
		.reads_only = true },
	{ .name = "fence", .on = { &later, &take_back_too }, RUNS, .bar_on = { &bar_it } },
};
static const saga_participant_def good = SAGA_PARTICIPANT("target", good_steps);

START_TEST(right_steps_are_taken)
{
	saga_error error = { 0 };

	ck_assert_msg(open_code(&good, SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = _i),
			      &error) == SAGA_OK,
		"%s", error.text);
}
END_TEST

START_TEST(wrong_participants_are_refused)
{
	const saga_options *options = SAGA_OPTIONS(.store = "sqlite::memory:", .lanes = _i);
	saga_participant_def def = good;
	saga_error error;

	def.name = NULL;
	ck_assert_int_eq(open_code(&def, options, &error), SAGA_MISUSE);
	def.name = LONG_32;
	ck_assert_int_eq(open_code(&def, options, &error), SAGA_MISUSE);
	ck_assert_ptr_nonnull(strstr(error.text, LONG_32));
	def = good;
	def.size = 1;
	ck_assert_int_eq(open_code(&def, options, &error), SAGA_MISUSE);
	def = good;
	def.step_size = 3;
	ck_assert_int_eq(open_code(&def, options, &error), SAGA_MISUSE);
	def = good;
	def.step_count = 0;
	ck_assert_int_eq(open_code(&def, options, &error), SAGA_MISUSE);
}
END_TEST

/* ---- options ---- */

static void check_option(const saga_options *options, int expected, const char *names)
{
	saga_error error = { 0 };
	int code = open_code(&good, options, &error);

	ck_assert_msg(code == expected, "%s: %s (%s)", names, saga_code_name(code), error.text);
	ck_assert_msg(strstr(error.text, names), "%s is told as: %s", names, error.text);
}

#define STORE .store = "sqlite::memory:"

START_TEST(wrong_options_are_refused_by_name)
{
	static const char *const long_followers[] = { LONG_32, NULL };
	static const saga_limits no_size = { .queue = 3 };
	saga_options no_options_size = *SAGA_OPTIONS(STORE);

	check_option(SAGA_OPTIONS(.lanes = _i), SAGA_MALFORMED, "store");
	check_option(SAGA_OPTIONS(.store = "no colon"), SAGA_MALFORMED, "store");
	check_option(SAGA_OPTIONS(.store = "sqlight:x.db"), SAGA_UNSUPPORTED, "sqlight");
	check_option(
		SAGA_OPTIONS(STORE, .transport = "nngg+tcp://x"), SAGA_UNSUPPORTED, "nngg+tcp");
	check_option(SAGA_OPTIONS(STORE, .transport = "nowhere"), SAGA_MALFORMED, "transport");
	check_option(SAGA_OPTIONS(STORE, .lanes = -1), SAGA_MALFORMED, "lanes");
	check_option(SAGA_OPTIONS(STORE, .limits = &no_size), SAGA_MALFORMED, "limits");
	check_option(SAGA_OPTIONS(STORE, .limits = SAGA_LIMITS(.batch_ms = -1)), SAGA_MALFORMED,
		"batch_ms");
	check_option(SAGA_OPTIONS(STORE, .limits = SAGA_LIMITS(.outside_calls = -1)),
		SAGA_MALFORMED, "outside_calls");
	check_option(SAGA_OPTIONS(STORE, .history_ms = -1), SAGA_MALFORMED, "history_ms");
	check_option(SAGA_OPTIONS(STORE, .retention_ms = -1), SAGA_MALFORMED, "retention_ms");
	check_option(SAGA_OPTIONS(STORE, .retention_ms = 1000, .retention_max_ms = 999),
		SAGA_MALFORMED, "retention_max_ms");
	check_option(SAGA_OPTIONS(STORE, .start = (saga_start)9), SAGA_MALFORMED, "start");
	check_option(SAGA_OPTIONS(STORE, .followers = long_followers), SAGA_MALFORMED, "followers");
	no_options_size.size = 0;
	check_option(&no_options_size, SAGA_MALFORMED, "size");
}
END_TEST

static int no_run(void *store, saga_error *error)
{
	(void)store;
	return saga_error_set(error, SAGA_REFUSED, "never called");
}

START_TEST(plugins_with_missing_slots_are_refused_by_name)
{
	saga_store_ops store_ops = *saga_store_builtin("sqlite");
	saga_transport_ops transport_ops = lossy_transport;
	struct lossy lossy = { 0 };
	saga_options options = *SAGA_OPTIONS(STORE, .store_ops = &store_ops, .lanes = _i);

	store_ops.commit = NULL;
	check_option(&options, SAGA_MALFORMED, "commit");
	store_ops.commit = no_run;
	store_ops.in_transaction = NULL;
	check_option(&options, SAGA_MALFORMED, "in_transaction");

	options = *SAGA_OPTIONS(STORE, .transport = "lossy://x", .transport_ops = &transport_ops,
		.transport_context = &lossy);
	transport_ops.send = NULL;
	check_option(&options, SAGA_MALFORMED, "send");
	transport_ops = lossy_transport;
	transport_ops.traits = SAGA_TRANSPORT_DURABLE;
	check_option(&options, SAGA_MALFORMED, "ack");
	ck_assert_ptr_null(saga_store_builtin("no such"));
}
END_TEST

/* ---- version and codes ---- */

START_TEST(version_and_codes_are_named)
{
	saga_error error = { 0 };

	ck_assert_str_eq(saga_version(), "0.1.0");
	ck_assert_str_eq(saga_code_name(SAGA_OK), "OK");
	ck_assert_str_eq(saga_code_name(SAGA_BUSY), "BUSY");
	ck_assert_str_eq(saga_code_name(-99), "?");
	ck_assert_str_eq(saga_code_name(1), "?");
	ck_assert_int_eq(saga_code_http(SAGA_OK), 200);
	ck_assert_int_eq(saga_code_http(SAGA_FULL), 507);
	ck_assert_int_eq(saga_code_http(SAGA_WAITING), 202);
	ck_assert_uint_gt(strlen(saga_code_text(SAGA_TWINS)), 0);
	ck_assert_int_eq(saga_error_set(&error, SAGA_AWAY, "%s is %d", "x", 1), SAGA_AWAY);
	ck_assert_str_eq(error.text, "x is 1");
	ck_assert_int_eq(saga_error_set(NULL, SAGA_AWAY, "nobody asks"), SAGA_AWAY);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		wrong_steps_are_refused_by_name,
		right_steps_are_taken,
		wrong_participants_are_refused,
		wrong_options_are_refused_by_name,
		plugins_with_missing_slots_are_refused_by_name,
		version_and_codes_are_named,
	};

	return run_both_modes("open", tests, sizeof tests / sizeof tests[0]);
}
