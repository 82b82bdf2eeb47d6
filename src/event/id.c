#include "id.h"

#include "sha256.h"

enum {
	COUNT_MOST = 0xfff, /* rand_a has 12 bits */
	RANDOM = 8          /* bytes of an id */
};

static const int64_t most_ms = ((int64_t)1 << 48) - 1;

static void set_version(saga_id *id, unsigned version)
{
	id->bytes[6] = (uint8_t)(version << 4 | (id->bytes[6] & 0x0fu));
	id->bytes[8] = (uint8_t)(0x80u | (id->bytes[8] & 0x3fu));
}

/* When a millisecond's counter is used up, its ids borrow from the next one. */
static void count_up(struct saga__id_maker *maker, int64_t now)
{
	if (now > most_ms)
		now = most_ms;
	if (now > maker->last_ms) {
		maker->last_ms = now;
		maker->count = 0;
	} else if (maker->count < COUNT_MOST) {
		maker->count++;
	} else {
		maker->last_ms++;
		maker->count = 0;
	}
}

/* A draw goes to the kernel: a maker that goes on draws for many ids at once. */
static void draw(struct saga__id_maker *maker, const struct saga_env *env, uint8_t *at)
{
	size_t size = sizeof maker->random;

	if (!maker->busy) {
		maker->busy = true;
		saga__random(env, at, RANDOM);
		return;
	}
	if (!maker->left) {
		saga__random(env, maker->random, size);
		maker->left = (uint8_t)size;
	}
	memcpy(at, maker->random + size - maker->left, RANDOM);
	maker->left = (uint8_t)(maker->left - RANDOM);
}

saga_id saga__id_new(struct saga__id_maker *maker, const struct saga_env *env)
{
	saga_id id;

	count_up(maker, saga__wall(env));
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t)((uint64_t)maker->last_ms >> (40 - 8 * i));
	id.bytes[6] = (uint8_t)(maker->count >> 8);
	id.bytes[7] = (uint8_t)maker->count;
	draw(maker, env, id.bytes + 8);
	set_version(&id, 7);
	return id;
}

saga_id saga__id_derive(const saga_bytes *parts, size_t count)
{
	struct saga__sha256 hash;
	unsigned char digest[32];
	saga_id id;

	saga__sha256_init(&hash);
	for (size_t i = 0; i < count; i++) {
		unsigned char length[8];

		for (int byte = 0; byte < 8; byte++)
			length[byte] = (unsigned char)((uint64_t)parts[i].size >> (56 - 8 * byte));
		saga__sha256_add(&hash, length, sizeof length);
		saga__sha256_add(&hash, parts[i].at, parts[i].size);
	}
	saga__sha256_end(&hash, digest);
	memcpy(id.bytes, digest, sizeof id.bytes);
	set_version(&id, 8);
	return id;
}

static bool dash_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

const char *saga_id_text(saga_id id, char buffer[SAGA_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *at = buffer;

	for (int i = 0; i < 16; i++) {
		if (dash_before(i))
			*at++ = '-';
		*at++ = digits[id.bytes[i] >> 4];
		*at++ = digits[id.bytes[i] & 15];
	}
	*at = '\0';
	return buffer;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int saga_id_parse(const char *text, saga_id *ret_id)
{
	saga_id id;

	if (!text || strnlen(text, SAGA_ID_TEXT) != SAGA_ID_TEXT - 1)
		return SAGA_MALFORMED;
	for (int i = 0; i < 16; i++) {
		if (dash_before(i) && *text++ != '-')
			return SAGA_MALFORMED;

		int high = digit_of(text[0]);
		int low = digit_of(text[1]);

		if (high < 0 || low < 0)
			return SAGA_MALFORMED;
		id.bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	*ret_id = id;
	return SAGA_OK;
}
