#include "event_wire.h"

struct saga__decoder *decoder;
struct saga__arena arena;
struct saga__buffer buffer;
saga_error error;

void set_up(size_t arena_limit)
{
	ck_assert_int_eq(saga__decoder_new(&decoder), SAGA_OK);
	saga__arena_init(&arena, arena_limit);
	saga__buffer_init(&buffer, 64 * 1024);
	error = (saga_error){ 0 };
}

void tear_down(void)
{
	saga__decoder_free(decoder);
	saga__arena_free(&arena);
	saga__buffer_free(&buffer);
}

void check_error(int code, int expected, const char *words)
{
	ck_assert_int_eq(code, expected);
	ck_assert_int_eq(error.code, expected);
	ck_assert_msg(strstr(error.text, words) != NULL, "`%s` is not in `%s`", words, error.text);
}

void hand_init(struct hand *hand)
{
	msgpack_sbuffer_init(&hand->bytes);
	msgpack_packer_init(&hand->packer, &hand->bytes, msgpack_sbuffer_write);
}

void put_raw(struct hand *hand, const void *at, size_t size)
{
	ck_assert_int_eq(msgpack_sbuffer_write(&hand->bytes, at, size), 0);
}

void put_text(struct hand *hand, const char *text)
{
	msgpack_pack_str_with_body(&hand->packer, text, strlen(text));
}

void put_id(struct hand *hand, unsigned char first)
{
	unsigned char id[16] = { first };

	msgpack_pack_ext_with_body(&hand->packer, id, 16, 1);
}

saga_bytes hand_end(struct hand *hand)
{
	saga_bytes wire = copy_of(hand->bytes.data, hand->bytes.size);

	msgpack_sbuffer_destroy(&hand->bytes);
	return wire;
}
