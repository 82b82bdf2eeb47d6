#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

/*
 * A participant with a step of each kind: per subject, with an outside call, an undo, a bar, a
 * join, a schedule. What `n` of its trigger asks for is how a handler ends.
 */

#include <saga/plugin.h>
#include <saga/saga.h>

#include <uv.h>

#include "fuzz.h"

SAGA_EVENT(go, "go", 1, int64(n), opt_text(text));
SAGA_EVENT(back, "back", 1, int64(n));
SAGA_EVENT(stop, "stop", 1, int64(n));
SAGA_EVENT(a_done, "a.done", 1, int64(n), opt_text(text));
SAGA_EVENT(a_refused, "a.refused", 1, reason(why));
SAGA_EVENT(a_undone, "a.undone", 1, int64(n));
SAGA_EVENT(later, "later", 1, int64(n));
SAGA_EVENT(marker, "marker", 1, int64(n));
SAGA_STRUCT(question, int64(n));
SAGA_STRUCT(told, int64(n));

static int64_t marked; /* the last marker that was handled */

static saga_verdict run_a(saga_step *s)
{
	const struct go *asked = saga_on(s, go);

	switch (asked ? asked->n : 0) {
	case 3:
		return saga_reject(s, a_refused, .why = asked->text);
	case 4:
		return saga_malformed(s, "%.20s", asked->text ? asked->text : "four");
	case 5:
		return saga_retry(s, "%.20s", asked->text ? asked->text : "five");
	case 6:
		return saga_wait(s, "six");
	default:
		saga_after(s, 1, later, .n = 1);
		return saga_emit(s, a_done, .n = 1, .text = asked ? asked->text : NULL);
	}
}

static saga_verdict undo_a(saga_step *s)
{
	return saga_emit(s, a_undone, .n = 1);
}

static saga_verdict prepare(saga_step *s)
{
	const struct go *asked = saga_on(s, go);

	return saga_ask(s, question, .n = asked ? asked->n : 0);
}

static saga_verdict call(saga_call *c)
{
	const struct question *asked = saga_asked(c, question);

	(void)saga_key(c, "key");
	if (!asked || asked->n == 5)
		return saga_call_retry(c, "silence");
	return saga_tell(c, told, .n = asked->n);
}

static saga_verdict run_out(saga_step *s)
{
	return saga_emit(s, a_done, .n = 2);
}

static saga_verdict see_marker(saga_step *s)
{
	marked = saga_on(s, marker)->n;
	return saga_done(s);
}

#define QUICK \
	{ \
		.attempts = 2, .first_ms = 1, .max_ms = 1 \
	}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go }, .run = run_a, .emits = { &a_done }, .rejects = { &a_refused },
	  .undo = undo_a, .undo_on = { &back }, .undone = { &a_undone },
	  .after = { { .event = &later } }, .retry = QUICK },
	{ .name = "subject", .per_subject = true, .on = { &go }, .run = run_a, .emits = { &a_done },
	  .rejects = { &a_refused }, .undo = undo_a, .undo_on = { &back }, .undone = { &a_undone },
	  .after = { { .event = &later } }, .retry = QUICK },
	{ .name = "out", .per_subject = true, .on = { &go }, .run = run_out,
	  .outside = { .prepare = prepare, .call = call }, .emits = { &a_done },
	  .rejects = { &a_refused }, .bar_on = { &stop }, .retry = QUICK },
	{ .name = "both", .join = SAGA_ALL, .on = { &go, &back }, .run = run_out,
	  .emits = { &a_done }, .rejects = { &a_refused }, .bar_on = { &stop }, .retry = QUICK },
	{ .name = "marker", .on = { &marker }, .run = see_marker },
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps);

/* ---- a bus that is the fuzzer ---- */

static saga_port *port;
static saga_id store_id;

static int hand_open(saga_port *p, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	(void)error;
	port = p;
	store_id = options->store;
	*ret_transport = p;
	saga_port_state(p, true, "by hand");
	return SAGA_OK;
}

static int hand_send(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	(void)transport;
	(void)frames;
	*ret_sent = count;
	return SAGA_OK;
}

static void hand_close(void *transport)
{
	port = NULL;
	saga_port_closed(transport);
}

static inline int64_t wall_ms(void)
{
	uv_timeval64_t now;

	uv_gettimeofday(&now);
	return now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* Turns the participant until `is_done`, or for so many turns; whether it was done. */
static inline bool turn_until(saga_participant *p, bool (*is_done)(saga_participant *p), int most)
{
	for (int i = 0; i < most; i++) {
		if (is_done(p))
			return true;
		saga_turn(p);
		if (i > 20)
			uv_sleep(1);
	}
	return is_done(p);
}

static inline void stop_and_close(saga_participant *p)
{
	saga_stop(p);
	(void)saga_run(p);
	saga_close(p);
}

#endif
