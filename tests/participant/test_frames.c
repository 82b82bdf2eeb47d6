/* Frames that nobody honest sends: what they may not do, and that good ones behind them count. */
#include "harness.h"

#include "delivery/frame.h"
#include "event/envelope.h"
#include "event/schema.h"

/* ---- a participant with an outside call a subject ---- */

SAGA_STRUCT(question, int64(n));
SAGA_STRUCT(told, int64(n));

static saga_verdict prepare(saga_step *s)
{
	return saga_ask(s, question, .n = 1);
}

static saga_verdict call(saga_call *c)
{
	return saga_tell(c, told, .n = saga_asked(c, question)->n);
}

static saga_verdict run(saga_step *s)
{
	effect(s, "run");
	return saga_emit(s, a_done, .has_n = true, .n = 1);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "out", .per_subject = true, .on = { &go_first }, .run = run,
	  .outside = { .prepare = prepare, .call = call }, .emits = { &a_done } },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* ---- a bus by hand ---- */

struct bus {
	saga_port *port;
	uint64_t sequence[4]; /* of the streams 1 to 3 */
};

static int bus_open(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct bus *bus = options->context;

	(void)error;
	bus->port = port;
	*ret_transport = bus;
	saga_port_state(port, true, "by hand");
	return SAGA_OK;
}

static int bus_send(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	(void)transport;
	(void)frames;
	*ret_sent = count;
	return SAGA_OK;
}

static void bus_close(void *transport)
{
	struct bus *bus = transport;
	saga_port *port = bus->port;

	bus->port = NULL;
	saga_port_closed(port);
}

static const saga_transport_ops bus_ops = { .size = sizeof(saga_transport_ops),
	.schemes = "hand",
	.open = bus_open,
	.send = bus_send,
	.close = bus_close };

static void tell(struct bus *bus, const struct saga__message *message)
{
	static unsigned char bytes[64 * 1024];
	saga_frame frame = { .topic = "events" };

	frame.bytes = (saga_bytes){ bytes, saga__frame_encode(message, bytes, sizeof bytes) };
	ck_assert_uint_gt(frame.bytes.size, 0);
	ck_assert_int_eq(saga_port_receive(bus->port, &frame, 1), SAGA_OK);
}

static struct saga__message message_of(int kind, unsigned stream)
{
	struct saga__message message = { .kind = kind, .from = "outside" };

	message.stream.store.bytes[0] = (uint8_t)stream;
	return message;
}

/* In its wire form, with a subject that the encoder may refuse: then written there by hand. */
static saga_bytes event_with(struct saga__buffer *buffer, saga_id saga, size_t subject)
{
	static unsigned char bytes[8 * 1024];
	char text[SAGA__SUBJECT_MOST + 1];
	struct saga_event event = { .saga = saga, .source = "outside", .subject = text };
	struct go_first body = { .n = 1 };
	uv_timeval64_t now;
	size_t at = 0;

	uv_gettimeofday(&now);
	event.time = now.tv_sec * 1000;
	event.id.bytes[0] = (uint8_t)(subject >> 8);
	event.id.bytes[1] = (uint8_t)subject;
	memset(text, 's', sizeof text);
	text[subject < SAGA__SUBJECT_MOST ? subject : SAGA__SUBJECT_MOST] = '\0';
	ck_assert_int_eq(saga__event_encode(buffer, &event, &go_first, &body, NULL, NULL), SAGA_OK);
	if (subject <= SAGA__SUBJECT_MOST)
		return (saga_bytes){ buffer->at, buffer->size };
	while (memcmp(buffer->at + at, "\xa7subject\xd9\xff", 10) != 0)
		at++;
	at += 8;
	memcpy(bytes, buffer->at, at);
	bytes[at] = 0xda;
	bytes[at + 1] = (unsigned char)(subject >> 8);
	bytes[at + 2] = (unsigned char)subject;
	memset(bytes + at + 3, 's', subject);
	memcpy(bytes + at + 3 + subject, buffer->at + at + 2 + SAGA__SUBJECT_MOST,
		buffer->size - at - 2 - SAGA__SUBJECT_MOST);
	return (saga_bytes){ bytes, buffer->size + 1 + subject - SAGA__SUBJECT_MOST };
}

static void tell_event(struct bus *bus, unsigned stream, saga_id saga, size_t subject)
{
	struct saga__message message = message_of(SAGA__EVENT, stream);
	struct saga__buffer buffer;

	saga__buffer_init(&buffer, 8 * 1024);
	message.last = ++bus->sequence[stream];
	message.event = event_with(&buffer, saga, subject);
	tell(bus, &message);
	saga__buffer_free(&buffer);
}

static void await_open(struct stage *stage, const struct bus *bus)
{
	AWAIT(stage, bus->port && health(&stage->target).store && health(&stage->target).shards);
}

static void open_on(struct stage *stage, struct bus *bus)
{
	stage_open(stage, &def,
		SAGA_OPTIONS(.transport = "hand://", .transport_ops = &bus_ops,
			.transport_context = bus));
	await_open(stage, bus);
}

/* ---- tests ---- */

START_TEST(a_subject_that_is_too_long_is_a_dead_letter)
{
	struct bus bus = { .port = NULL };
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	open_on(stage, &bus);
	tell_event(&bus, 1, saga, SAGA__SUBJECT_MOST + 1);
	tell_event(&bus, 1, saga, 4000);
	tell_event(&bus, 1, saga, SAGA__SUBJECT_MOST);
	AWAIT(stage, effects(stage, saga, "run") == 1);
	AWAIT(stage, dead_letters(stage) == 2);
	ck_assert_int_eq(sql_int(stage,
				 "SELECT COUNT(*) AS n FROM saga_parked WHERE kind = 'letter' AND "
				 "why = 'event: subject: is longer than 255 bytes'",
				 NULL, NULL),
		2);
	stage_end(stage);
}
END_TEST

START_TEST(a_shard_that_no_store_can_hold_is_refused)
{
	static const uint32_t shards[] = { SAGA__SHARDS_MOST, INT32_MAX, UINT32_C(1) << 31,
		UINT32_MAX };
	struct bus bus = { .port = NULL };
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage);

	open_on(stage, &bus);
	for (size_t i = 0; i < sizeof shards / sizeof shards[0]; i++) {
		struct saga__message message = message_of(SAGA__BEAT, 2);

		message.stream.shard = shards[i];
		message.first = message.last = 9;
		tell(&bus, &message);
	}
	AWAIT(stage, health(&stage->target).dropped == 4);
	tell_event(&bus, 1, saga, 1);
	AWAIT(stage, effects(stage, saga, "run") == 1);
	/* All shards: nobody here answers a NEED for what one of them has not passed. */
	AWAIT(stage, health(&stage->target).lag == 0);
	/* What was written of streams can be read again. */
	stage_restart(stage);
	await_open(stage, &bus);
	tell_event(&bus, 1, saga, 2);
	AWAIT(stage, effects(stage, saga, "run") == 2);
	ck_assert_int_eq(health(&stage->target).lag, 0);
	stage_end(stage);
}
END_TEST

static void tell_bytes(struct bus *bus, unsigned stream, const char *bytes, size_t size)
{
	struct saga__message message = message_of(SAGA__EVENT, stream);

	message.last = ++bus->sequence[stream];
	message.event = (saga_bytes){ bytes, size };
	tell(bus, &message);
}

static int64_t unreadable(struct stage *stage)
{
	return sql_int(stage,
		"SELECT COUNT(*) AS n FROM saga_parked WHERE kind = 'letter' AND step = '' AND "
		"why = 'an event that can''t be read'",
		NULL, NULL);
}

/* It has its place in its stream, which goes on behind it and does not ask for it again. */
START_TEST(an_event_that_can_not_be_read_is_a_dead_letter)
{
	static const char odd[] = "\xc1 no MessagePack, \xff no text: \x00.";
	struct bus bus = { .port = NULL };
	struct stage *stage = stage_new(_i);
	saga_id saga = stage_saga(stage), other = stage_saga(stage);
	struct saga__message again = message_of(SAGA__EVENT, 1);

	open_on(stage, &bus);
	tell_event(&bus, 1, saga, 1);
	tell_bytes(&bus, 1, odd, sizeof odd);
	tell_event(&bus, 1, saga, 2);
	tell_bytes(&bus, 2, "\x80", 1);
	tell_event(&bus, 2, other, 3);
	AWAIT(stage, effects(stage, saga, "run") == 2 && effects(stage, other, "run") == 1);
	AWAIT(stage, unreadable(stage) == 2);
	ck_assert_int_eq(health(&stage->target).dropped, 2);
	ck_assert_int_eq(logged(stage, "event.dead"), 2);
	ck_assert_int_eq(sql_int(stage,
				 "SELECT SUM(LENGTH(event)) AS n FROM saga_parked WHERE "
				 "kind = 'letter'",
				 NULL, NULL),
		(int)sizeof odd + 1);
	AWAIT(stage, !health(&stage->target).lag);
	/* Once, also if it comes again. */
	again.last = 2;
	again.event = (saga_bytes){ odd, sizeof odd };
	tell(&bus, &again);
	stage_restart(stage);
	await_open(stage, &bus);
	tell(&bus, &again);
	tell_event(&bus, 1, saga, 4);
	AWAIT(stage, effects(stage, saga, "run") == 3);
	ck_assert_int_eq(dead_letters(stage), 2);
	/* A restart begins where the stream was committed: nothing before it is asked for. */
	AWAIT(stage, !health(&stage->target).lag);
	/* As it came; requeued, it is read once more and stays a dead letter. */
	sql_write(
		stage, "UPDATE saga_parked SET command = 'requeue', due = 0 WHERE kind = 'letter'");
	AWAIT(stage, logged(stage, "event.dead") >= 4);
	AWAIT(stage, dead_letters(stage) == 2);
	stage_end(stage);
}
END_TEST

START_TEST(lag_has_an_end)
{
	struct bus bus = { .port = NULL };
	struct stage *stage = stage_new(_i);

	open_on(stage, &bus);
	for (unsigned stream = 2; stream < 5; stream++) {
		struct saga__message message = message_of(SAGA__BEAT, stream);

		message.first = 1;
		message.last = SAGA__SEQ_MOST;
		tell(&bus, &message);
	}
	AWAIT(stage, health(&stage->target).lag == INT64_MAX);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_subject_that_is_too_long_is_a_dead_letter,
		a_shard_that_no_store_can_hold_is_refused,
		an_event_that_can_not_be_read_is_a_dead_letter,
		lag_has_an_end,
	};

	return run_both_modes("frames", tests, sizeof tests / sizeof tests[0]);
}
