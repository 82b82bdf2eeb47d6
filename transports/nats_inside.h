#ifndef SAGA_NATS_INSIDE_H
#define SAGA_NATS_INSIDE_H

/*
 * The insides of transports/nats.c. Two threads beside libnats's own: the loop's, which sends,
 * acks, pulls and reads, and never blocks; and the keeper, which connects and makes what is needed
 * on the servers by libnats's calls that wait. What both touch is under the lock, and no call of
 * libnats is made while it is held: libnats calls us back under locks of its own.
 *
 * The connection is read and written by the loop (libnats's hooks for event loops): a turn's frames
 * leave in one write, at once, and what came is handled where it was read.
 */

#include <saga/plugin.h>

#include "nats_place.h"

#include <nats/nats.h>
#include <uv.h>

enum {
	SAGA__NATS_SHARDS = 64,
	SAGA__NATS_BITS = 6, /* of a part, in a subject */
	SAGA__NATS_SUBJECT = 256,
	SAGA__NATS_BUCKETS = 1024,
	SAGA__NATS_AGAIN_MS = 100,
	SAGA__NATS_SEQ_BITS = 56 /* of a delivery's token; the rest is the shard */
};

/* A request for deliveries that is under way. */
struct saga__nats_pull {
	unsigned number;
	int64_t left; /* deliveries; 0: it is over */
};

struct saga__nats_shard {
	natsSubscription *from; /* what was asked for; without it the servers keep it for others */
	unsigned spells;        /* of being worked: each has an inbox of its own */
	struct saga__nats_pull pulls[2]; /* the older first */
	unsigned numbers;
	int64_t held;        /* delivered, not acked */
	uint64_t heard;      /* ms: anything of it */
	uint64_t not_before; /* ms: after the servers refused */
};

/* A delivery that is not acked. */
struct saga__nats_held {
	struct saga__nats_held *next;
	uint64_t token;
	uint64_t at; /* ms: delivered, said to be in progress, or given back */
	char reply[];
};

/* Frames that the host had no room for. */
struct saga__nats_stalled {
	struct saga__nats_stalled *next;
	natsMsg *message;
	saga_frame frame;
	char topic[64];
};

struct saga__nats_poll {
	uv_poll_t handle;
	int fd; /* our own copy: libnats closes its own from any thread */
};

struct saga__nats {
	saga_port *port;
	uv_loop_t *loop;
	uv_thread_t loop_thread;
	struct saga__nats_place place;
	char participant[64];
	char description[64]; /* of our consumers: whose they are */
	char inbox[64];
	saga_id store;
	int64_t since;
	size_t frame_bytes;
	const char *const *topics;

	/* the loop's */
	uv_async_t wake;
	uv_timer_t tick;
	bool leaves; /* the host has closed it */
	int handles;
	struct saga__nats_poll *poll;
	bool up;      /* said so */
	bool full;    /* `send` found no room */
	bool refused; /* the stream took no event, and we said so */
	uint64_t shards_worked;
	unsigned of;
	struct saga__nats_shard shards[SAGA__NATS_SHARDS];
	struct saga__nats_held *held[SAGA__NATS_BUCKETS];
	struct saga__nats_held *given; /* back, and to be given back once more */
	struct saga__nats_stalled *stalled, **stalled_end;
	size_t stalled_count;
	saga_transport_figures figures;

	/* under the lock */
	uv_mutex_t lock;
	uv_cond_t changed;
	uv_thread_t keeper;
	natsConnection *nc; /* set and freed by the loop and the keeper in turn: see `retire` */
	natsSubscription *answers; /* to our inbox */
	natsSubscription *others;  /* frames that are not kept */
	bool closing;              /* the host wants it */
	bool connected;            /* by libnats */
	bool ended;                /* the connection, for good */
	bool prepares;             /* what is on the servers is to be looked at */
	uint64_t wanted;           /* shards */
	unsigned wanted_of;
	uint64_t ready;     /* shards that have their consumers */
	bool usable;        /* connected, and all is made */
	bool quiets, quiet; /* the loop is to leave nc alone, and does: it will be closed */
	bool retire;        /* the loop is to let go of nc */
	bool gone;          /* the keeper has ended */
	int fresh_fd;       /* to be polled instead; -1: none */
	bool deaf;          /* nothing is to be polled */
	bool writes;        /* libnats has something to write */
	char why[SAGA__NATS_TEXT];
	bool news; /* in `why` */
};

/* ---- nats_link.c: the connection ---- */

/* Takes self, also when it fails. NOMEM. */
int saga__nats_link_open(struct saga__nats *self, saga_error *error);
/* Ends the keeper, after a last tick if that is in a while; then saga__nats_closed comes. */
void saga__nats_link_close(struct saga__nats *self, uint64_t after_ms);
/* What libnats has to write, leaves. Loop thread, as are the next three. */
void saga__nats_link_flush(struct saga__nats *self);
/* What is on the servers is to be looked at again. Any thread. */
void saga__nats_link_prepare(struct saga__nats *self);
natsConnection *saga__nats_link_usable(struct saga__nats *self); /* NULL: not now */
void saga__nats_wake(struct saga__nats *self);                   /* any thread */

/* ---- nats_setup.c: the stream and consumers; the keeper's thread, may block ---- */

/* False: `why` says why not. */
bool saga__nats_setup(struct saga__nats *self, natsConnection *nc, uint64_t shards, unsigned of,
	char *why, size_t size);
/* "stock-8-3" */
void saga__nats_consumer_name(
	const struct saga__nats *self, unsigned shard, unsigned of, char *name, size_t size);

/* ---- nats_pull.c: deliveries; the loop's thread ---- */

void saga__nats_pull_all(struct saga__nats *self);
/* Nothing is under way any more; what is held stays. */
void saga__nats_pull_forget(struct saga__nats *self);
void saga__nats_pull_tick(struct saga__nats *self);
/* A delivery: its shard and token; false: it is not to be handed on. */
bool saga__nats_pull_take(
	struct saga__nats *self, natsMsg *message, unsigned part, uint64_t *ret_token);
/* What came on `inbox.p.`. */
void saga__nats_pull_status(struct saga__nats *self, const char *which, natsMsg *message);
void saga__nats_pull_work(struct saga__nats *self, uint64_t shards, unsigned of);
void saga__nats_pull_ack(struct saga__nats *self, const uint64_t *tokens, size_t count);
/* It is never to come again, though nobody could take it. */
void saga__nats_pull_drop(struct saga__nats *self, uint64_t token);
/* The host never had it: it comes again, when its time to be acked is over. */
void saga__nats_pull_lose(struct saga__nats *self, uint64_t token);
void saga__nats_pull_close(struct saga__nats *self);
/* What was given back SAGA__NATS_AGAIN_MS ago. */
void saga__nats_pull_give_again(struct saga__nats *self);
void saga__nats_pull_free(struct saga__nats *self);
/* The connection goes; what is held stays. */
void saga__nats_pull_let_go(struct saga__nats *self);

/* ---- nats_take.c: what came; the loop's thread ---- */

void saga__nats_take(struct saga__nats *self);
/* Hands on what the host had no room for. */
void saga__nats_take_stalled(struct saga__nats *self);
void saga__nats_take_close(struct saga__nats *self);

/* ---- nats.c ---- */

void saga__nats_changed(struct saga__nats *self, const char *news); /* usable or not, or why */
void saga__nats_sent(struct saga__nats *self, const char *which, natsMsg *message);
void saga__nats_ticked(struct saga__nats *self);
void saga__nats_writable(struct saga__nats *self);
void saga__nats_closed(struct saga__nats *self);

static inline uint64_t saga__nats_now(void)
{
	return uv_hrtime() / 1000000;
}

#endif
