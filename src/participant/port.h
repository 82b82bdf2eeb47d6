#ifndef SAGA_PARTICIPANT_PORT_H
#define SAGA_PARTICIPANT_PORT_H

/*
 * The library's side of an open transport: what the saga_port_* functions of plugin.h call. The
 * participant fills one, and so does the transports' conformance suite.
 */

#include <saga/plugin.h>

struct saga_port {
	void *host;
	struct uv_loop_s *loop;
	int (*receive)(void *host, const saga_frame *frames, size_t count);
	void (*writable)(void *host);
	void (*sent)(void *host, const saga_receipt *receipts, size_t count);
	void (*state)(void *host, bool up, const char *text);
	void (*closed)(void *host);
	bool json; /* saga_port_wants_json */

	/* A durable transport calls these; NULL: the host does not want to know. */
	void (*refused)(void *host, uint64_t token, const char *why);
	void (*relents)(void *host);
	void (*broker)(void *host, const saga_broker *broker);
	void (*looked)(void *host, uint64_t place, saga_id id, int64_t stored_at);
	void (*looked_behind)(void *host, unsigned shard, uint64_t place, uint64_t found);
	int64_t settle_ms; /* saga_port_settles; 0: not said, what is confirmed is kept */
};

#endif
