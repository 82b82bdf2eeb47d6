#ifndef TRANSPORT_TESTS_H
#define TRANSPORT_TESTS_H

/*
 * The conformance suite for transports knows plugin.h, and fills the library's side of a port
 * itself. A transport to be tested is one row of the table in transport_conformance.c.
 */

#include "participant/port.h"

#include <check.h>
#include <stdatomic.h>
#include <uv.h>

struct transport_under_test {
	const char *name;
	const saga_transport_ops *(*ops)(void);
	/* What participants share beside the URL (a hub, a broker that was started). */
	void *(*new_context)(void);
	void (*free_context)(void *context);
	/* Before the first test: why there can be none, or NULL. */
	const char *(*prepare)(const char *name);
	/* Writes a URL on which nobody is yet. */
	void (*fresh_url)(void *context, char *url, size_t size);
	const char *malformed_url;
	bool needs_context;
	bool keeps_on_busy; /* what a full host refused comes after `resume` */
	bool may_lose;      /* a few thousand frames, though the hosts have room */
};

extern const struct transport_under_test transports_under_test[];

enum {
	FRAME_BYTES = 64 * 1024,
	KEPT = 4096,
	PATIENCE_MS = 60000,
	URL_BYTES = 512
};

/* All that participants share in one test. */
struct world {
	const struct transport_under_test *under_test;
	const saga_transport_ops *ops;
	void *context;
	uv_loop_t loop;
	char url[URL_BYTES];
};

struct kept {
	char topic[64];
	char *bytes;
	size_t size;
	uint64_t token; /* these of what a durable one brought */
	unsigned part;
	uint64_t place;
	saga_id id;
	int64_t stored_at;
	bool is_kept;
};

/* A host of a port: an inbox with a lock, and what it saw. */
struct host {
	saga_port port;
	const struct world *world;
	void *transport;
	const char *const *topics;
	uv_mutex_t lock;
	struct kept inbox[KEPT];
	size_t count;
	bool has_heard; /* in this warm-up */
	size_t room;    /* frames that the inbox takes */
	size_t busy_count;
	size_t writable_count;
	size_t state_count;
	size_t sent_count; /* confirmations */
	uint64_t sent_last;
	saga_receipt receipt; /* the last of them */
	saga_broker broker;   /* as it was told last */
	size_t looked_count;  /* answers to `look` */
	uint64_t looked_place;
	saga_id looked_id;
	int64_t looked_stored_at;
	unsigned looked_shard; /* these of `look_behind` */
	uint64_t looked_found;
	bool up;
	bool state_has_text;
	bool is_closed;
	bool called_after_closed;
};

void world_open(struct world *world, int row);
void world_close(struct world *world);

/* A host on the world's loop (or another, for another thread), with topics ended by NULL. */
void host_open(struct host *host, struct world *world, const char *const *topics);
void host_open_on(struct host *host, const struct world *world, uv_loop_t *loop, const char *url,
	const char *const *topics, size_t frame_bytes);
/* As that participant, of that store. */
void host_open_as(struct host *host, struct world *world, const char *participant, uint8_t store,
	int64_t since);
/* Closes the transport and waits for saga_port_closed. */
void host_close(struct host *host);
/* Empties the inbox. */
void host_forget(struct host *host);
size_t host_count(struct host *host);

/* Turns the host's loop until a condition holds, or PATIENCE_MS are over. */
bool turn_until(struct host *host, bool (*holds)(struct host *host, size_t n), size_t n);
bool has_count(struct host *host, size_t n);
void turn_for(struct host *host, int ms);

saga_frame frame_of(const char *topic, const void *bytes, size_t size);
/* Sends them all, however often it takes. */
void send_all(struct host *host, const saga_frame *frames, size_t count);
void send_text(struct host *host, const char *topic, const char *text);
void assert_kept(struct host *host, size_t i, const char *topic, const void *bytes, size_t size);

/* Sends back and forth until all hear all, and forgets it: what comes later is not lost. */
void warm_up(struct host *hosts, size_t count);

void add_delivery_tests(Suite *suite, int row);
void add_durable_tests(Suite *suite, int row);
void add_lifetime_tests(Suite *suite, int row);

#endif
