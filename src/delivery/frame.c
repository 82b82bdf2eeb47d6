#include "frame.h"

#include <string.h>

#include "../event/id.h"

enum {
	VERSION = 1,
	SUM = 24, /* where it stands */
	HEAD = SAGA__FRAME_LEAST
};

struct writer {
	unsigned char *at;
};

struct reader {
	const unsigned char *at;
	size_t left;
};

/* Returns the bytes that a kind has between head and name; 0: no such kind. */
static size_t fields_size(int kind)
{
	switch (kind) {
	case SAGA__EVENT:
	case SAGA__FORK:
		return 8 + 16;
	case SAGA__BEAT:
	case SAGA__NEED:
		return 8 + 8 + 16;
	case SAGA__SEEN:
		return 4 + 4 + 8 + 16;
	case SAGA__GONE:
		return 8;
	default:
		return 0;
	}
}

static void put(struct writer *writer, uint64_t value, size_t bytes)
{
	for (size_t i = bytes; i-- > 0; value >>= 8)
		writer->at[i] = (unsigned char)(value & 0xff);
	writer->at += bytes;
}

static void put_bytes(struct writer *writer, const void *from, size_t size)
{
	if (size)
		memcpy(writer->at, from, size);
	writer->at += size;
}

static uint64_t get(struct reader *reader, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | reader->at[i];
	reader->at += bytes;
	reader->left -= bytes;
	return value;
}

static void get_bytes(struct reader *reader, void *to, size_t size)
{
	memcpy(to, reader->at, size);
	reader->at += size;
	reader->left -= size;
}

static void put_fields(struct writer *writer, const struct saga__message *message)
{
	if (message->kind == SAGA__SEEN) {
		put(writer, message->shard, 4);
		put(writer, message->of, 4);
	}
	if (message->kind == SAGA__BEAT || message->kind == SAGA__NEED ||
		message->kind == SAGA__GONE)
		put(writer, message->first, 8);
	if (message->kind != SAGA__GONE) {
		put(writer, message->last, 8);
		put_bytes(writer, message->id.bytes, sizeof message->id.bytes);
	}
}

static void get_fields(struct reader *reader, struct saga__message *message)
{
	if (message->kind == SAGA__SEEN) {
		message->shard = (uint32_t)get(reader, 4);
		message->of = (uint32_t)get(reader, 4);
	}
	if (message->kind == SAGA__BEAT || message->kind == SAGA__NEED ||
		message->kind == SAGA__GONE)
		message->first = get(reader, 8);
	if (message->kind != SAGA__GONE) {
		message->last = get(reader, 8);
		get_bytes(reader, message->id.bytes, sizeof message->id.bytes);
	}
}

/* ---- the sum: each word changes it, whatever the others are ---- */

/* Written out, so that compilers make one load of it. */
static uint64_t word_at(const unsigned char *at)
{
	return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
		(uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
		(uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 32;
}

static uint64_t add(uint64_t sum, const unsigned char *at, size_t size)
{
	unsigned char last[8] = { 0 };

	for (; size >= 8; size -= 8, at += 8)
		sum = mix(sum, word_at(at));
	memcpy(last, at, size);
	return mix(sum, word_at(last));
}

static uint32_t sum_of(const unsigned char *frame, size_t size)
{
	uint64_t sum = add(mix(0, size), frame, SUM);

	return (uint32_t)mix(add(sum, frame + HEAD, size - HEAD), 0);
}

void saga__frame_seal(void *frame, size_t size)
{
	struct writer writer = { (unsigned char *)frame + SUM };

	put(&writer, sum_of(frame, size), HEAD - SUM);
}

/* ---- writing and reading ---- */

size_t saga__frame_encode(const struct saga__message *message, void *buffer, size_t size)
{
	struct writer writer = { buffer };
	size_t fields = fields_size(message->kind);
	size_t name = strnlen(message->from, sizeof message->from);
	size_t event = message->kind == SAGA__EVENT ? message->event.size : 0;
	size_t head = HEAD + fields + name;

	if (!fields || !name || name > SAGA__PARTICIPANT_MOST)
		return 0;
	if (size < head || size - head < event)
		return 0;
	put(&writer, VERSION, 1);
	put(&writer, (unsigned)message->kind, 1);
	put(&writer, 0, 1);
	put(&writer, name, 1);
	put_bytes(&writer, message->stream.store.bytes, sizeof message->stream.store.bytes);
	put(&writer, message->stream.shard, 4);
	put(&writer, 0, 4);
	put_fields(&writer, message);
	put_bytes(&writer, message->from, name);
	put_bytes(&writer, message->event.at, event);
	saga__frame_seal(buffer, head + event);
	return head + event;
}

/* The letters of a topic, since the name becomes a part of one. */
static bool is_name(const char *name, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

	for (size_t i = 0; i < size; i++)
		if (!name[i] || !strchr(letters, name[i]))
			return false;
	return true;
}

static const char *wrong_numbers(const struct saga__message *message)
{
	if (message->stream.shard >= SAGA__SHARDS_MOST)
		return "a stream's shard beyond its limit";
	if (message->first > SAGA__SEQ_MOST || message->last > SAGA__SEQ_MOST)
		return "a sequence number beyond its limit";
	switch (message->kind) {
	case SAGA__EVENT:
		if (!message->last)
			return "an event with number 0";
		if (message->last == 1 && !saga__id_is_zero(message->id))
			return "an event before the first";
		return NULL;
	case SAGA__BEAT:
		if (!message->first || message->first > message->last + 1)
			return "a beat with first beyond last";
		return NULL;
	case SAGA__NEED:
		if (!message->first || message->first > message->last)
			return "a need for nothing";
		return NULL;
	case SAGA__SEEN:
		if (message->of > SAGA__SHARDS_MOST || message->shard >= message->of)
			return "a shard that can't be";
		return NULL;
	case SAGA__FORK:
		return message->last ? NULL : "a fork at number 0";
	default:
		return message->first ? NULL : "gone before number 0";
	}
}

static int malformed(saga_error *error, const char *what)
{
	return saga_error_set(error, SAGA_MALFORMED, "frame: %s", what);
}

int saga__frame_decode(saga_bytes frame, struct saga__message *ret_message, saga_error *error)
{
	struct saga__message message = { 0 };
	struct reader reader = { frame.at, frame.size };
	const char *wrong;
	size_t name;

	if (reader.left < HEAD)
		return malformed(error, "too short for a head");
	if (get(&reader, 1) != VERSION)
		return malformed(error, "of another version");
	message.kind = (int)get(&reader, 1);
	if (!fields_size(message.kind))
		return malformed(error, "of no known kind");
	if (get(&reader, 1) != 0)
		return malformed(error, "reserved byte is not zero");
	name = (size_t)get(&reader, 1);
	if (!name || name > SAGA__PARTICIPANT_MOST)
		return malformed(error, "a name too short or too long");
	get_bytes(&reader, message.stream.store.bytes, sizeof message.stream.store.bytes);
	message.stream.shard = (uint32_t)get(&reader, 4);
	if (get(&reader, 4) != sum_of(frame.at, frame.size))
		return malformed(error, "its bytes were changed on the way");
	if (reader.left < fields_size(message.kind) + name)
		return malformed(error, "cut short");
	get_fields(&reader, &message);
	get_bytes(&reader, message.from, name);
	if (!is_name(message.from, name))
		return malformed(error, "a name with other letters than a topic's");
	wrong = wrong_numbers(&message);
	if (wrong)
		return malformed(error, wrong);
	if ((message.kind == SAGA__EVENT) != (reader.left > 0))
		return malformed(error, reader.left ? "with a tail" : "without its event");
	if (reader.left)
		message.event = (saga_bytes){ reader.at, reader.left };
	*ret_message = message;
	return SAGA_OK;
}
