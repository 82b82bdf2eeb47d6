#include "hand_wire.h"

#include <string.h>
#include <time.h>

/* ---- encoding ---- */

static void text(msgpack_packer *out, const char *value)
{
	msgpack_pack_str_with_body(out, value, strlen(value));
}

static void pair(msgpack_packer *out, const char *name, const char *value)
{
	text(out, name);
	text(out, value);
}

static void number(msgpack_packer *out, const char *name, int64_t value)
{
	text(out, name);
	msgpack_pack_int64(out, value);
}

static void id(msgpack_packer *out, const char *name, const uint8_t *value)
{
	text(out, name);
	msgpack_pack_ext_with_body(out, value, 16, 1);
}

static void body(msgpack_packer *out, const struct hand_event *event)
{
	size_t fields = (size_t) !!*event->customer + !!*event->country + !!*event->receipt +
		!!event->total + !!event->line_count;

	msgpack_pack_map(out, fields);
	if (*event->customer)
		pair(out, "customer", event->customer);
	if (*event->country)
		pair(out, "country", event->country);
	if (*event->receipt)
		pair(out, "receipt", event->receipt);
	if (event->total)
		number(out, "total", event->total);
	if (!event->line_count)
		return;
	text(out, "lines");
	msgpack_pack_array(out, event->line_count);
	for (size_t i = 0; i < event->line_count; i++) {
		msgpack_pack_map(out, 2);
		pair(out, "sku", event->lines[i].sku);
		number(out, "quantity", event->lines[i].quantity);
	}
}

void hand_encode(msgpack_sbuffer *buffer, const struct hand_event *event)
{
	msgpack_packer out;

	msgpack_sbuffer_clear(buffer);
	msgpack_packer_init(&out, buffer, msgpack_sbuffer_write);
	msgpack_pack_map(&out, 10);
	pair(&out, "specversion", "1.0");
	id(&out, "id", event->id);
	pair(&out, "source", event->source);
	pair(&out, "type", event->type);
	number(&out, "version", 1);
	id(&out, "sagaid", event->saga);
	number(&out, "time", event->time);
	number(&out, "sequence", event->sequence);
	id(&out, "causationid", event->causation);
	text(&out, "data");
	body(&out, event);
}

/* ---- decoding ---- */

static bool is(const msgpack_object *key, const char *name)
{
	return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
		memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static bool read_text(const msgpack_object *value, char *ret_text, size_t size)
{
	if (value->type != MSGPACK_OBJECT_STR || value->via.str.size >= size)
		return false;
	memcpy(ret_text, value->via.str.ptr, value->via.str.size);
	ret_text[value->via.str.size] = '\0';
	return true;
}

static bool read_number(const msgpack_object *value, int64_t *ret_number)
{
	if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
		value->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return false;
	*ret_number = value->via.i64;
	return true;
}

static bool read_id(const msgpack_object *value, uint8_t *ret_id)
{
	if (value->type != MSGPACK_OBJECT_EXT || value->via.ext.size != 16)
		return false;
	memcpy(ret_id, value->via.ext.ptr, 16);
	return true;
}

static bool read_line(const msgpack_object *value, struct bench_line *ret_line)
{
	bool good = value->type == MSGPACK_OBJECT_MAP;

	for (uint32_t i = 0; good && i < value->via.map.size; i++) {
		const msgpack_object_kv *kv = &value->via.map.ptr[i];

		if (is(&kv->key, "sku"))
			good = read_text(&kv->val, ret_line->sku, sizeof ret_line->sku);
		else if (is(&kv->key, "quantity"))
			good = read_number(&kv->val, &ret_line->quantity);
	}
	return good;
}

static bool read_lines(const msgpack_object *value, struct hand_event *ret_event)
{
	bool good = value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size <= BENCH_LINES;

	for (uint32_t i = 0; good && i < value->via.array.size; i++)
		good = read_line(&value->via.array.ptr[i], &ret_event->lines[i]);
	if (good)
		ret_event->line_count = value->via.array.size;
	return good;
}

static bool read_body(const msgpack_object *value, struct hand_event *e)
{
	bool good = value->type == MSGPACK_OBJECT_MAP;

	for (uint32_t i = 0; good && i < value->via.map.size; i++) {
		const msgpack_object_kv *kv = &value->via.map.ptr[i];

		if (is(&kv->key, "customer"))
			good = read_text(&kv->val, e->customer, sizeof e->customer);
		else if (is(&kv->key, "country"))
			good = read_text(&kv->val, e->country, sizeof e->country);
		else if (is(&kv->key, "receipt"))
			good = read_text(&kv->val, e->receipt, sizeof e->receipt);
		else if (is(&kv->key, "total"))
			good = read_number(&kv->val, &e->total);
		else if (is(&kv->key, "lines"))
			good = read_lines(&kv->val, e);
	}
	return good;
}

static bool read_attribute(const msgpack_object_kv *kv, struct hand_event *e)
{
	if (is(&kv->key, "id"))
		return read_id(&kv->val, e->id);
	if (is(&kv->key, "sagaid"))
		return read_id(&kv->val, e->saga);
	if (is(&kv->key, "causationid"))
		return read_id(&kv->val, e->causation);
	if (is(&kv->key, "source"))
		return read_text(&kv->val, e->source, sizeof e->source);
	if (is(&kv->key, "type"))
		return read_text(&kv->val, e->type, sizeof e->type);
	if (is(&kv->key, "time"))
		return read_number(&kv->val, &e->time);
	if (is(&kv->key, "sequence"))
		return read_number(&kv->val, &e->sequence);
	if (is(&kv->key, "data"))
		return read_body(&kv->val, e);
	return true;
}

bool hand_decode(const char *at, size_t size, struct hand_event *ret_event)
{
	msgpack_unpacked unpacked;
	struct hand_event event = { 0 };

	msgpack_unpacked_init(&unpacked);
	bool good = msgpack_unpack_next(&unpacked, at, size, NULL) == MSGPACK_UNPACK_SUCCESS &&
		unpacked.data.type == MSGPACK_OBJECT_MAP;

	for (uint32_t i = 0; good && i < unpacked.data.via.map.size; i++)
		good = read_attribute(&unpacked.data.via.map.ptr[i], &event);
	msgpack_unpacked_destroy(&unpacked);
	if (good)
		*ret_event = event;
	return good;
}

/* ---- ids ---- */

int64_t hand_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void hash(uint64_t halves[2], const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++) {
		halves[0] = (halves[0] ^ at[i]) * UINT64_C(1099511628211);
		halves[1] = (halves[1] + halves[0]) * UINT64_C(0x9e3779b97f4a7c15);
	}
}

void hand_saga_of(const char *key, uint8_t ret_saga[16])
{
	uint64_t halves[2] = { UINT64_C(14695981039346656037), UINT64_C(1099511628211) };

	hash(halves, key, strlen(key));
	memcpy(ret_saga, halves, 16);
	ret_saga[6] = (uint8_t)(0x80 | (ret_saga[6] & 0x0f));
	ret_saga[8] = (uint8_t)(0x80 | (ret_saga[8] & 0x3f));
}

void hand_digest_of(const struct bench_order *order, uint8_t ret_digest[16])
{
	uint64_t halves[2] = { UINT64_C(14695981039346656037), UINT64_C(1099511628211) };

	hash(halves, order, sizeof *order);
	memcpy(ret_digest, halves, 16);
}
