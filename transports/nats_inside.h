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
	SAGA__NATS_LOOKS = 1024, /* at places of the stream, at once */
	/* A delivery's token: the stream's sequence, the newest incident, the shard. */
	SAGA__NATS_SEQ_BITS = 48,
	SAGA__NATS_INCIDENT_BITS = 10
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

/*
 * A delivery that is not acked. The servers know an ack by the sequence alone, and after an
 * incident they may have another event there: so an ack of an older delivery is not sent.
 */
struct saga__nats_held {
	struct saga__nats_held *next;
	uint64_t token;
	uint64_t incident; /* the newest one when the reply subject came */
	uint64_t at;       /* ms: delivered, said to be in progress, or given back */
	saga_id id;
	int64_t stored_at;
	char reply[];
};

/* A place that the host wants to know of. */
struct saga__nats_look {
	uint64_t place;
	int behind;  /* this shard's first event behind it is wanted; -1: what stands there */
	uint64_t at; /* ms: asked */
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
	struct saga__nats_look looks[SAGA__NATS_LOOKS]; /* not answered */
	size_t look_count;
	int64_t limit; /* bytes that the servers take, when the host was told last */

	/* under the lock */
	uv_mutex_t lock;
	uv_cond_t changed;
	uv_thread_t keeper;
	natsConnection *nc; /* set and freed by the loop and the keeper in turn: see `retire` */
	natsSubscription *answers; /* to our inbox */
	natsSubscription *others;  /* frames that are not kept */
	natsSubscription *advice;  /* that another server leads the stream */
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

	/* The same, of what the broker has: nats_watch.c. */
	saga_broker broker; /* as the keeper found it, and the host is to be told */
	bool has_broker;
	bool doubts;        /* the next that is found is to be doubted */
	uint64_t incidents; /* so far; after each one other events may stand at known places */
	char leader[64];    /* of the stream, as it was found last */
	uint64_t top;       /* the highest place that a new event was given since the last doubt */
	int64_t message_most; /* bytes of a message that the stream takes; 0, -1: any */
	bool has_refused;     /* something was too large: the limits are looked at more often */
	bool redials;         /* another limit may hold for a new connection */
	uint64_t rewinds;     /* shards whose consumers are to be made anew, ... */
	uint64_t rewind_to[SAGA__NATS_SHARDS]; /* ... behind that place */
};

/* ---- nats_link.c: the connection ---- */

/* Takes self, also when it fails. NOMEM. */
int saga__nats_link_open(struct saga__nats *self, saga_error *error);
/* Ends the keeper, after a last tick if that is in a while; then saga__nats_closed comes. */
void saga__nats_link_close(struct saga__nats *self, uint64_t after_ms);
/* Makes libnats write its buffer to the socket. Loop thread, as are the next three. */
void saga__nats_link_flush(struct saga__nats *self);
/* Asks the keeper to look at the stream and the consumers again. Any thread. */
void saga__nats_link_prepare(struct saga__nats *self);
natsConnection *saga__nats_link_usable(struct saga__nats *self); /* NULL: not now */
void saga__nats_wake(struct saga__nats *self);                   /* any thread */

/* ---- nats_setup.c: the stream and consumers; the keeper's thread, may block ---- */

/* The keeper's orders, and its findings. */
struct saga__nats_task {
	natsConnection *nc;
	jsCtx *js;
	jsOptions *options;
	uint64_t shards, rewinds;
	unsigned of;
	uint64_t rewind_to[SAGA__NATS_SHARDS];
	saga_broker broker;
	char leader[64];
	int64_t message_most;
	char why[SAGA__NATS_TEXT]; /* not, if it could not be made */
};

/* False: `why` says why not. */
bool saga__nats_setup(struct saga__nats *self, struct saga__nats_task *task);
/* The subjects of a shard. */
void saga__nats_filter(
	const struct saga__nats *self, unsigned shard, unsigned of, char *filter, size_t size);
/* "stock-8-3" */
void saga__nats_consumer_name(
	const struct saga__nats *self, unsigned shard, unsigned of, char *name, size_t size);

/* ---- nats_pull.c: deliveries; the loop's thread ---- */

void saga__nats_pull_all(struct saga__nats *self);
/* Nothing is under way any more; what is held stays. */
void saga__nats_pull_forget(struct saga__nats *self);
void saga__nats_pull_tick(struct saga__nats *self);
/* A delivery, whose part is known: the rest of what names it; false: it is not to be handed on. */
bool saga__nats_pull_take(struct saga__nats *self, natsMsg *message, saga_frame *frame);
/* Takes a message of `inbox.p.`. */
void saga__nats_pull_status(struct saga__nats *self, const char *which, natsMsg *message);
void saga__nats_pull_work(struct saga__nats *self, uint64_t shards, unsigned of);
void saga__nats_pull_ack(struct saga__nats *self, const uint64_t *tokens, size_t count);
/* The shard's consumer is made anew: forget which of its deliveries were given back. */
void saga__nats_pull_forget_given(struct saga__nats *self, unsigned shard);
/* The host never had it: it comes again, when its time to be acked is over. */
void saga__nats_pull_lose(struct saga__nats *self, uint64_t token);
void saga__nats_pull_close(struct saga__nats *self);
/* Gives back again the deliveries that were given back SAGA__NATS_AGAIN_MS ago. */
void saga__nats_pull_give_again(struct saga__nats *self);
void saga__nats_pull_free(struct saga__nats *self);
/* The connection goes; what is held stays. */
void saga__nats_pull_let_go(struct saga__nats *self);

/* ---- nats_watch.c: what the broker has; the loop's thread, but for two ---- */

/* Returns the id of a message, wherever it is read. */
saga_id saga__nats_id_of(natsMsg *message);
void saga__nats_watch_look(struct saga__nats *self, uint64_t place, int behind);
/* Takes a message of `inbox.l.`. */
void saga__nats_watch_found(struct saga__nats *self, const char *which, natsMsg *message);
void saga__nats_watch_tick(struct saga__nats *self);
/* The servers don't take that event. */
void saga__nats_watch_refuse(
	struct saga__nats *self, natsConnection *nc, uint64_t token, bool by_stream);
/* Tells the host, if the servers take more than they did. */
void saga__nats_watch_limits(struct saga__nats *self);
/* Tells the host what the keeper found. */
void saga__nats_watch_tell(struct saga__nats *self);
void saga__nats_watch_rewind(struct saga__nats *self, unsigned shard, uint64_t place);
/* The keeper found that; under the lock. */
void saga__nats_watch_note(struct saga__nats *self, const saga_broker *broker);
/* Something may have been lost. Any thread. */
void saga__nats_watch_doubt(struct saga__nats *self);
/* Another event stands where one was delivered from: that is an incident by itself. */
void saga__nats_watch_replaced(struct saga__nats *self);
/* The number of the newest incident. Who also wants a usable connection asks for that first. */
uint64_t saga__nats_watch_incident(struct saga__nats *self);

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
