/* An event of a durable transport that nobody can read, or that the store refuses in any form. */
#include "harness.h"

#include <stdio.h>

enum {
	BIG = 60000, /* bytes of a text, which JSON writes as six times as many */
	LESS = 40000 /* leaves room to try another beside it, and too little for BIG */
};

/* The text of what is emitted has `n` bytes, if that is not a small number. */
static saga_verdict run_a(saga_step *s)
{
	static char text[BIG + 1];
	int64_t n = saga_on(s, go_first)->n;

	if (n < LESS)
		return saga_emit(s, a_done);
	memset(text, 1, (size_t)n);
	text[n] = '\0';
	return saga_emit(s, a_done, .text = text);
}

/* clang-format off */
static const saga_step_def steps[] = {
	{ .name = "a", .on = { &go_first }, .run = run_a, .emits = { &a_done } },
	MARKER_STEP,
};
/* clang-format on */
static const saga_participant_def def = SAGA_PARTICIPANT("target", steps, .schema = effect_schema);

/* ---- a broker by hand ---- */

struct broker {
	saga_port *port;
	uint64_t shards;
	uint64_t acked; /* tokens, as bits */
	bool json, full;
	size_t sent, sent_bytes;
};

static int broker_open(saga_port *port, const saga_transport_options *options, void **ret_transport,
	saga_error *error)
{
	struct broker *broker = options->context;

	(void)error;
	broker->port = port;
	*ret_transport = broker;
	if (broker->json)
		saga_port_wants_json(port);
	saga_port_state(port, true, "by hand");
	return SAGA_OK;
}

static int broker_send(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent)
{
	struct broker *broker = transport;

	*ret_sent = 0;
	if (broker->full)
		return SAGA_OK;
	for (size_t i = 0; i < count; i++) {
		saga_port_sent(broker->port, &(saga_receipt){ .token = frames[i].token }, 1);
		broker->sent++;
		broker->sent_bytes += frames[i].bytes.size;
	}
	*ret_sent = count;
	return SAGA_OK;
}

static void broker_ack(void *transport, const uint64_t *tokens, size_t count)
{
	struct broker *broker = transport;

	for (size_t i = 0; i < count; i++)
		broker->acked |= UINT64_C(1) << tokens[i];
}

static void broker_work(void *transport, uint64_t shards, unsigned of)
{
	struct broker *broker = transport;

	(void)of;
	broker->shards = shards;
}

static void broker_look(void *transport, uint64_t place)
{
	(void)transport, (void)place;
}

static void broker_look_behind(void *transport, unsigned shard, uint64_t place)
{
	(void)transport, (void)shard, (void)place;
}

static void broker_rewind(void *transport, unsigned shard, uint64_t place)
{
	(void)transport, (void)shard, (void)place;
}

static void broker_close(void *transport)
{
	struct broker *broker = transport;

	saga_port_closed(broker->port);
}

static const saga_transport_ops broker_ops = { .size = sizeof(saga_transport_ops),
	.schemes = "hand",
	.traits = SAGA_TRANSPORT_DURABLE,
	.open = broker_open,
	.send = broker_send,
	.ack = broker_ack,
	.work = broker_work,
	.look = broker_look,
	.look_behind = broker_look_behind,
	.rewind = broker_rewind,
	.close = broker_close };

static void deliver(struct broker *broker, uint64_t token, const char *topic, const char *text)
{
	saga_frame frame = { .topic = topic,
		.bytes = { text, strlen(text) },
		.token = token,
		.id = { .bytes = { 1 } } };

	ck_assert_int_eq(saga_port_receive(broker->port, &frame, 1), SAGA_OK);
}

/* ---- tests ---- */

START_TEST(what_nobody_can_read_is_a_dead_letter_and_acked_behind_it)
{
	struct broker broker = { .port = NULL };
	struct stage *stage = stage_new(_i);

	stage_open(stage, &def,
		SAGA_OPTIONS(.transport = "hand://", .transport_ops = &broker_ops,
			.transport_context = &broker));
	AWAIT(stage, (broker.shards & 1) && health(&stage->target).store); /* theirs: part 0 */
	deliver(&broker, 1, "outside.go_first", "\xc1 is no MessagePack");
	deliver(&broker, 2, "outside.go_first", "{\"id\": \"cut short");
	deliver(&broker, 3, "others.business", "{\"id\": \"cut short");
	AWAIT(stage, broker.acked == (1 << 1 | 1 << 2 | 1 << 3));
	ck_assert_int_eq(dead_letters(stage), 2);
	ck_assert_int_eq(logged(stage, "event.dead"), 2);
	ck_assert_int_eq(health(&stage->target).dropped, 3);
	ck_assert_int_eq(sql_int(stage,
				 "SELECT COUNT(*) AS n FROM saga_parked "
				 "WHERE kind = 'letter' AND why LIKE 'line 1, %'",
				 NULL, NULL),
		1);
	stage_end(stage);
}
END_TEST

/* As another language writes it: null for what is unset, fields that are newer. */
static void deliver_json(struct broker *broker, uint64_t token, const char *more)
{
	char text[2048];

	snprintf(text, sizeof text,
		"{\"specversion\":\"1.0\",\"id\":\"0189aaaa-0000-7000-8000-0000000000%02d\","
		"\"source\":\"mail\",\"type\":\"outside.go_first\",\"causationid\":null,"
		"\"sagaid\":\"0189aaaa-0000-7000-8000-%02d0000000000\","
		"\"time\":\"2099-01-01T00:00:00Z\",%s}",
		(int)token, (int)token, more);
	deliver(broker, token, "outside.go_first", text);
}

START_TEST(json_of_others_is_read)
{
	struct broker broker = { .port = NULL };
	struct stage *stage = stage_new(_i);
	char long_subject[400];

	stage_open(stage, &def,
		SAGA_OPTIONS(.transport = "hand://", .transport_ops = &broker_ops,
			.transport_context = &broker, .start = SAGA_FROM_OLDEST));
	AWAIT(stage, (broker.shards & 1) && health(&stage->target).store);
	deliver_json(
		&broker, 1, "\"subject\":null,\"data\":{\"n\":1,\"text\":null,\"newer\":[1.5]}");
	deliver_json(&broker, 2, "\"subject\":\"\",\"data\":{\"n\":2},\"newer\":{\"a\":1}");
	AWAIT(stage, broker.acked == (1 << 1 | 1 << 2));
	ck_assert_int_eq(dead_letters(stage), 0);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) AS n FROM saga_slot WHERE state = 'done'",
				 NULL, NULL),
		2);
	/* What no slot has room for; and a version that nobody here knows, whole as it came. */
	snprintf(long_subject, sizeof long_subject, "\"subject\":\"%0300d\",\"data\":{\"n\":3}", 7);
	deliver_json(&broker, 3, long_subject);
	deliver_json(&broker, 4, "\"version\":9,\"data\":{\"precious\":4}");
	AWAIT(stage, broker.acked == (1 << 1 | 1 << 2 | 1 << 3 | 1 << 4));
	ck_assert_int_eq(sql_int(stage,
				 "SELECT COUNT(*) AS n FROM saga_parked WHERE kind = 'letter' AND "
				 "why LIKE '%subject: is longer than 255 bytes'",
				 NULL, NULL),
		1);
	ck_assert_int_eq(sql_int(stage,
				 "SELECT COUNT(*) AS n FROM saga_parked WHERE kind = 'letter' AND "
				 "why LIKE 'version 9 of %' AND LENGTH(event) > 200",
				 NULL, NULL),
		1);
	stage_end(stage);
}
END_TEST

/* The store refuses each row of the saga of deliver_json's event 1, a dead letter too. */
static void refuse_saga(struct stage *stage)
{
	static const char *const tables[] = { "saga_slot", "saga_parked" };
	char sql[320];

	for (size_t i = 0; i < 2; i++) {
		if (is_on("sqlite"))
			snprintf(sql, sizeof sql,
				"CREATE TRIGGER never_%s BEFORE INSERT ON %s WHEN NEW.saga = "
				"x'0189aaaa000070008000010000000000' "
				"BEGIN SELECT RAISE(ABORT, 'in no form'); END",
				tables[i], tables[i]);
		else
			snprintf(sql, sizeof sql,
				"ALTER TABLE %s ADD CONSTRAINT never_%s CHECK (saga <> "
				"'0189aaaa-0000-7000-8000-010000000000')",
				tables[i], tables[i]);
		sql_do(stage, sql);
	}
}

static void take_saga(struct stage *stage)
{
	static const char *const tables[] = { "saga_slot", "saga_parked" };
	char sql[128];

	for (size_t i = 0; i < 2; i++) {
		if (is_on("sqlite"))
			snprintf(sql, sizeof sql, "DROP TRIGGER never_%s", tables[i]);
		else
			snprintf(sql, sizeof sql, "ALTER TABLE %s DROP CONSTRAINT never_%s",
				tables[i], tables[i]);
		sql_do(stage, sql);
	}
}

START_TEST(an_event_whose_letter_is_refused_waits_alone)
{
	struct broker broker = { .port = NULL };
	struct stage *stage = stage_new(_i);

	LEAVE_OUT_IF(is_on("mssql"), "its constraints have another form");
	stage_open(stage, &def,
		SAGA_OPTIONS(.transport = "hand://", .transport_ops = &broker_ops,
			.transport_context = &broker, .start = SAGA_FROM_OLDEST));
	AWAIT(stage, (broker.shards & 1) && health(&stage->target).store);
	refuse_saga(stage);
	deliver_json(&broker, 1, "\"data\":{\"n\":1}");
	AWAIT(stage, logged(stage, "stream.refused_by_store") == 1);
	AWAIT(stage, health(&stage->target).stopped == 1);
	deliver_json(&broker, 2, "\"data\":{\"n\":2}");
	deliver_json(&broker, 3, "\"data\":{\"n\":3}");
	AWAIT(stage, broker.acked == (1 << 2 | 1 << 3));
	take_saga(stage);
	AWAIT(stage, broker.acked == (1 << 1 | 1 << 2 | 1 << 3));
	AWAIT(stage, !health(&stage->target).stopped);
	ck_assert_int_eq(sql_int(stage, "SELECT COUNT(*) AS n FROM saga_slot WHERE state = 'done'",
				 NULL, NULL),
		3);
	ck_assert_int_eq(dead_letters(stage), 0);
	ck_assert_int_eq(logged(stage, "stream.refused_by_store"), 1);
	stage_end(stage);
}
END_TEST

/* Two events that have no room beside each other are sent one by one, and none is refused. */
START_TEST(what_has_no_room_beside_others_is_sent_alone)
{
	struct broker broker = { .json = true, .full = true };
	struct stage *stage = stage_new(_i);
	char data[64];

	stage_open(stage, &def,
		SAGA_OPTIONS(.transport = "hand://", .transport_ops = &broker_ops,
			.transport_context = &broker, .start = SAGA_FROM_OLDEST));
	AWAIT(stage, (broker.shards & 1) && health(&stage->target).store);
	snprintf(data, sizeof data, "\"data\":{\"n\":%d}", LESS);
	deliver_json(&broker, 1, data);
	AWAIT(stage, broker.acked == 1 << 1);
	snprintf(data, sizeof data, "\"data\":{\"n\":%d}", BIG);
	deliver_json(&broker, 2, data);
	AWAIT(stage, broker.acked == (1 << 1 | 1 << 2));
	broker.full = false;
	saga_port_writable(broker.port);
	AWAIT(stage, broker.sent == 2);
	ck_assert_uint_gt(broker.sent_bytes, 6 * (LESS + BIG));
	ck_assert_int_eq(logged(stage, "event.refused"), 0);
	ck_assert_int_eq(dead_letters(stage), 0);
	stage_end(stage);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_nobody_can_read_is_a_dead_letter_and_acked_behind_it,
		json_of_others_is_read,
		an_event_whose_letter_is_refused_waits_alone,
		what_has_no_room_beside_others_is_sent_alone,
	};

	return run_both_modes("kept", tests, sizeof tests / sizeof tests[0]);
}
