/*
 * A whole participant at a bus that says anything: frames of every kind, whole and broken, of known
 * and unknown streams, with events of any subject, time and type, in MessagePack and, as a durable
 * transport delivers them, in JSON. The bytes are decisions, so that what is said is nearly right.
 * Whatever was said, a good event is handled after it.
 */
#include "target.h"

#include "delivery/frame.h"
#include "event/envelope.h"
#include "event/json.h"

enum {
	SAID_MOST = 40,
	TURNS_MOST = 3000,
	EVENT_BYTES = 64 * 1024,
	STREAMS = 3
};

static const saga_transport_ops lossy_ops = { .size = sizeof(saga_transport_ops),
	.schemes = "hand",
	.open = hand_open,
	.send = hand_send,
	.close = hand_close };

static void hand_ack(void *transport, const uint64_t *tokens, size_t count)
{
	(void)transport;
	(void)tokens;
	(void)count;
}

static void hand_work(void *transport, uint64_t shards, unsigned of)
{
	(void)transport;
	(void)shards;
	(void)of;
}

/* This broker never says that it lost something, so it is asked for nothing. */
static void hand_look_behind(void *transport, unsigned shard, uint64_t place)
{
	(void)transport, (void)shard, (void)place;
}

static void hand_look(void *transport, uint64_t place)
{
	(void)transport;
	(void)place;
}

static void hand_rewind(void *transport, unsigned shard, uint64_t place)
{
	(void)transport;
	(void)shard;
	(void)place;
}

static const saga_transport_ops durable_ops = { .size = sizeof(saga_transport_ops),
	.schemes = "hand",
	.traits = SAGA_TRANSPORT_DURABLE,
	.open = hand_open,
	.send = hand_send,
	.ack = hand_ack,
	.work = hand_work,
	.look = hand_look,
	.look_behind = hand_look_behind,
	.rewind = hand_rewind,
	.close = hand_close };

static struct saga__buffer buffer;
static unsigned char frame_at[EVENT_BYTES + SAGA__FRAME_HEAD];
static uint64_t sequences[STREAMS];
static int64_t round_no;

/* ---- events ---- */

static const saga_type *const types[] = { &go, &back, &stop, &later, &a_done, &go, &marker, &go };

static size_t subject_size(unsigned kind, unsigned more)
{
	return kind < 128 ? kind % 8 : kind < 200 ? 250 + kind % 12 : more * 16;
}

/* In its wire form in the buffer, or, if it must be longer than the encoder likes, not at all. */
static bool make_event(struct fuzz_bytes *bytes)
{
	char subject[256], text[64];
	struct go body = { .n = fuzz_byte(bytes) % 8 };
	struct saga_event event = { .source = "other", .subject = subject };
	unsigned kind = fuzz_byte(bytes);
	size_t size = subject_size(kind, fuzz_byte(bytes));

	memset(subject, 'a' + (int)(fuzz_byte(bytes) % 3), sizeof subject);
	subject[size < 255 ? size : 255] = '\0';
	for (size_t i = 0; i + 1 < sizeof text; i++)
		text[i] = kind & 1 ? (char)fuzz_byte(bytes) : 'x';
	text[sizeof text - 1] = '\0';
	body.text = kind & 2 ? text : NULL;
	event.id.bytes[0] = (uint8_t)fuzz_byte(bytes);
	event.id.bytes[15] = 1;
	event.saga.bytes[0] = (uint8_t)(1 + fuzz_byte(bytes) % 4);
	event.time = fuzz_byte(bytes) < 16 ? 1 : wall_ms();
	return saga__event_encode(
		       &buffer, &event, types[fuzz_byte(bytes) % 8], &body, NULL, NULL) == SAGA_OK;
}

/* The subject once more, with a length of the fuzzer's, as no encoder of ours writes it. */
static void lengthen(struct fuzz_bytes *bytes)
{
	static char longer[EVENT_BYTES];
	size_t head = 8, size = fuzz_byte(bytes) * 64u + 256, at = 0;

	while (at + head + 2 < buffer.size && memcmp(buffer.at + at, "\xa7subject", head) != 0)
		at++;
	if (at + head + 2 >= buffer.size || buffer.size + size + 3 > EVENT_BYTES)
		return;
	at += head;

	size_t old = (unsigned char)buffer.at[at] == 0xd9
		? 2u + (unsigned char)buffer.at[at + 1]
		: 1u + ((unsigned char)buffer.at[at] & 0x1fu);

	memset(longer, 's', sizeof longer);
	memcpy(longer, buffer.at, at);
	longer[at] = (char)0xda;
	longer[at + 1] = (char)(size >> 8);
	longer[at + 2] = (char)size;
	memcpy(longer + at + 3 + size, buffer.at + at + old, buffer.size - at - old);
	size += 3 + buffer.size - old;
	HOLDS(size <= buffer.limit);
	if (size > buffer.room)
		return;
	memcpy(buffer.at, longer, size);
	buffer.size = size;
}

static void change_bits(struct fuzz_bytes *bytes, char *at, size_t size)
{
	for (unsigned bits = fuzz_byte(bytes); size && bits > 232; bits--)
		at[(fuzz_byte(bytes) * 256 + fuzz_byte(bytes)) % size] ^=
			(char)(1u << fuzz_byte(bytes) % 8);
}

/* ---- over a lossy transport ---- */

static void receive(saga_frame *frame)
{
	int code = saga_port_receive(port, frame, 1);

	HOLDS(code == SAGA_OK || code == SAGA_BUSY);
}

static void tell_event(struct fuzz_bytes *bytes, struct saga__message *message, unsigned stream)
{
	saga_frame frame = { .topic = "events" };

	if (!make_event(bytes))
		return;
	if (fuzz_byte(bytes) < 32)
		lengthen(bytes);
	change_bits(bytes, buffer.at, buffer.size);
	message->last = ++sequences[stream];
	message->event = (saga_bytes){ buffer.at, buffer.size };
	frame.bytes =
		(saga_bytes){ frame_at, saga__frame_encode(message, frame_at, sizeof frame_at) };
	receive(&frame);
}

/* All that a frame states, whole or not; its sum is right. */
static void tell_other(struct fuzz_bytes *bytes, struct saga__message *message)
{
	static const uint64_t numbers[] = { 0, 1, 2, 9, 300, INT64_MAX, UINT64_MAX, 1ull << 56 };
	saga_frame frame = { .topic = "events" };
	size_t size;

	message->kind = (int)(2 + fuzz_byte(bytes) % 4);
	message->first = numbers[fuzz_byte(bytes) % 8];
	message->last = numbers[fuzz_byte(bytes) % 8];
	message->of = (uint32_t)numbers[fuzz_byte(bytes) % 8];
	message->shard = (uint32_t)numbers[fuzz_byte(bytes) % 8];
	message->stream.shard = (uint32_t)numbers[fuzz_byte(bytes) % 8];
	message->id.bytes[0] = (uint8_t)fuzz_byte(bytes);
	if (fuzz_byte(bytes) < 128)
		message->stream.store = store_id;
	else
		message->from[0] = 'x';
	size = saga__frame_encode(message, frame_at, sizeof frame_at);
	change_bits(bytes, (char *)frame_at, size);
	if (size > SAGA__FRAME_LEAST && fuzz_byte(bytes) < 200)
		saga__frame_seal(frame_at, size);
	frame.bytes = (saga_bytes){ frame_at, size };
	/* Two stores under our name stop us, as they should. */
	if (size && memcmp(message->from, "target", 6) != 0)
		receive(&frame);
}

static void tell_frame(struct fuzz_bytes *bytes)
{
	static const char *const owners[STREAMS] = { "other", "third", "o.t-h_e9" };
	struct saga__message message = { .kind = SAGA__EVENT };
	unsigned what = fuzz_byte(bytes), stream = fuzz_byte(bytes) % STREAMS;

	strcpy(message.from, owners[stream]);
	message.stream.store.bytes[0] = (uint8_t)(1 + stream);
	if (what >= 176)
		tell_other(bytes, &message);
	else
		tell_event(bytes, &message, stream);
}

/* ---- over a durable one ---- */

static void tell_kept(struct fuzz_bytes *bytes)
{
	static char json[4 * EVENT_BYTES];
	saga_frame frame = { .topic = types[fuzz_byte(bytes) % 8]->name, .id = { { 1 } } };
	unsigned what = fuzz_byte(bytes);

	if (!make_event(bytes))
		return;
	if (what & 1) {
		saga_event *event;
		size_t size;

		HOLDS(saga_event_read((saga_bytes){ buffer.at, buffer.size }, &event, NULL) ==
			SAGA_OK);
		size = saga__json_event(event, json, sizeof json);
		saga_event_free(event);
		HOLDS(size < sizeof json);
		change_bits(bytes, json, size);
		if (what & 2 && size > 3) /* cut short, or all the fuzzer's own */
			size = fuzz_byte(bytes) % size;
		frame.bytes = (saga_bytes){ json, size };
	} else {
		if (what & 2)
			lengthen(bytes);
		change_bits(bytes, buffer.at, buffer.size);
		frame.bytes = (saga_bytes){ buffer.at, buffer.size };
	}
	if (what & 4) {
		size_t size = bytes->left < 4096 ? bytes->left : 4096;

		memcpy(json, bytes->at, size);
		frame.bytes = (saga_bytes){ json, size };
		bytes->at += size;
		bytes->left -= size;
	}
	frame.token = fuzz_byte(bytes);
	frame.part = fuzz_byte(bytes) < 200 ? 0 : fuzz_byte(bytes);
	if (frame.bytes.size)
		receive(&frame);
}

/* ---- and it still lives ---- */

static bool is_open(saga_participant *p)
{
	saga_health health = { .size = sizeof health };

	saga_health_of(p, &health);
	return port && health.shards >= 1;
}

static bool is_idle(saga_participant *p)
{
	saga_health health = { .size = sizeof health };

	saga_health_of(p, &health);
	return !health.queued;
}

static bool is_marked(saga_participant *p)
{
	(void)p;
	return marked == round_no;
}

static void tell_marker(bool durable)
{
	struct saga__message message = {
		.kind = SAGA__EVENT, .from = "good", .last = 1, .stream = { { { 77 } }, 0 }
	};
	struct saga_event event = { .source = "good", .id = { { 9, 9 } }, .saga = { { 9 } } };
	struct marker body = { ++round_no };
	saga_frame frame = { .topic = durable ? "marker" : "events", .id = event.id };

	event.time = wall_ms();
	HOLDS(saga__event_encode(&buffer, &event, &marker, &body, NULL, NULL) == SAGA_OK);
	message.event = (saga_bytes){ buffer.at, buffer.size };
	frame.bytes = message.event;
	if (!durable)
		frame.bytes = (saga_bytes){ frame_at,
			saga__frame_encode(&message, frame_at, sizeof frame_at) };
	HOLDS(saga_port_receive(port, &frame, 1) == SAGA_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = { data, size };
	bool durable = fuzz_byte(&bytes) & 1;
	saga_participant *p;
	saga_error error;

	if (!buffer.limit)
		saga__buffer_init(&buffer, EVENT_BYTES);
	memset(sequences, 0, sizeof sequences);
	HOLDS(saga_open(&def,
		      SAGA_OPTIONS(.store = "sqlite::memory:", .transport = "hand:",
			      .transport_ops = durable ? &durable_ops : &lossy_ops,
			      .start = SAGA_FROM_OLDEST,
			      .log = getenv("FUZZ_LOG") ? saga_log_stderr : NULL),
		      &p, &error) == SAGA_OK);
	HOLDS(turn_until(p, is_open, TURNS_MOST));
	for (int i = 0; i < SAID_MOST && bytes.left; i++) {
		if (durable)
			tell_kept(&bytes);
		else
			tell_frame(&bytes);
		if (i % 4 == 3)
			(void)turn_until(p, is_idle, 20);
	}
	(void)turn_until(p, is_idle, TURNS_MOST);
	tell_marker(durable);
	HOLDS(turn_until(p, is_marked, TURNS_MOST));
	stop_and_close(p);
	return 0;
}
