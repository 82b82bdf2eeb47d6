/* A frame that is decoded encodes to the same bytes, and to none that are fewer. */
#include "fuzz.h"

#include "delivery/frame.h"

static void check_message(const struct saga__message *m)
{
	HOLDS(m->kind >= SAGA__EVENT && m->kind <= SAGA__FORK);
	HOLDS(m->from[0] && memchr(m->from, 0, sizeof m->from));
	HOLDS(m->first <= SAGA__SEQ_MOST && m->last <= SAGA__SEQ_MOST);
	HOLDS((m->kind == SAGA__EVENT) == (m->event.size > 0));
	HOLDS(m->kind != SAGA__NEED || (m->first && m->first <= m->last));
	HOLDS(m->kind != SAGA__SEEN || m->shard < m->of);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *wire = fuzz_copy(data, size), *again = malloc(size ? size : 1);
	struct saga__message message = { 0 };
	saga_error error = { .code = SAGA_OK };
	int code;

	HOLDS(again);
	/* A sum that a fuzzer does not guess; every other frame has it right. */
	if (size > SAGA__FRAME_LEAST && data[size - 1] % 2)
		saga__frame_seal(wire, size);
	code = saga__frame_decode((saga_bytes){ wire, size }, &message, &error);
	HOLDS(saga__frame_decode((saga_bytes){ wire, size }, &message, NULL) == code);
	if (code == SAGA_OK) {
		check_message(&message);
		HOLDS(size - message.event.size <= SAGA__FRAME_HEAD);
		HOLDS(saga__frame_encode(&message, again, size - 1) == 0);
		HOLDS(saga__frame_encode(&message, again, size) == size);
		HOLDS(memcmp(again, wire, size) == 0);
	} else {
		HOLDS(code == SAGA_MALFORMED && error.code == code && *error.text);
		HOLDS(message.kind == 0);
	}
	free(again);
	free(wire);
	return 0;
}
