/* The sum of an outbox row, by the values that others compute. */
#include "event_test.h"

#include "event/sum.h"

START_TEST(sum_is_xxh64)
{
	static const struct {
		const char *text;
		uint64_t seed, sum;
	} known[] = {
		{ "", 0, UINT64_C(0xef46db3751d8e999) },
		{ "a", 0, UINT64_C(0xd24ec4f1a98c6e5b) },
		{ "abc", 0, UINT64_C(0x44bc2cf5ad770999) },
		{ "Nobody inspects the spammish repetition", 0, UINT64_C(0xfbcea83c8a378bf1) },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		const saga_bytes bytes = { known[i].text, strlen(known[i].text) };

		ck_assert_msg(
			saga__sum64(bytes, known[i].seed) == known[i].sum, "%s", known[i].text);
	}
}
END_TEST

/* Of each length that takes another way, each bit counts; and so does the seed. */
START_TEST(no_flipped_bit_is_believed)
{
	unsigned char bytes[131];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	for (size_t size = 1; size <= sizeof bytes; size++) {
		const saga_bytes all = { bytes, size };
		uint64_t sum = saga__sum64(all, 7);

		ck_assert(saga__sum64(all, 8) != sum);
		for (size_t bit = 0; bit < 8 * size; bit++) {
			bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
			ck_assert(saga__sum64(all, 7) != sum);
			bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
	}
}
END_TEST

RUN_TESTS("event_sum", sum_is_xxh64, no_flipped_bit_is_believed)
