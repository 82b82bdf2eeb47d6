#ifndef SAGA_LANE_LANE_H
#define SAGA_LANE_LANE_H

/*
 * A lane: some shards, one store connection, one queue. It takes what waits as batches, each one
 * transaction, and reports what was committed. It runs on a thread of its own, or inline.
 *
 * The host assigns its shards (SAGA__COMMAND_ASSIGN), by what the keeper, lane 0,
 * reported. What else comes to it, requests and answers of calls of another's shards, it does in
 * batches of their own, foreign ones: such a batch locks the stream, and remembers nothing.
 */

#include <uv.h>

#include "events.h"
#include "health.h"
#include "mailbox.h"
#include "share.h"

/*
 * How large the batches of a participant's lanes may be: what one of them lost, the others would
 * lose next. Shared by its lanes; members are read and written atomically.
 */
struct saga__pace {
	size_t ceiling;     /* events in a batch */
	size_t calm;        /* batches in a row that lost to nobody */
	size_t calm_wanted; /* until the ceiling rises */
};

struct saga__lane_options {
	const struct saga__plan *plan;
	const struct saga_env *env;
	const saga_store_ops *store_ops;
	struct saga__journal_options journal;
	struct saga__batch_limits limits;
	struct saga__pace *pace;
	size_t queue; /* items that may wait */
	size_t rows;
	int batch_ms;
	int request_ms; /* as the limit */
	int64_t history_ms;
	void *user;
	saga_log_fn *log;
	void *log_user;
	unsigned number, count; /* its shards are those whose number is `number` modulo `count` */
	saga_id instance;
	int64_t lease_ms;
	bool counts; /* what is in the store, at each renewal, if others change it too */

	/* Reports a commit or another event. The lane's thread; the host owns the notification. */
	void (*notify)(void *host, struct saga__notification *notification);
	/* The lane's load has sunk. Any thread. */
	void (*rested)(void *host);
	void *host;
};

struct saga__lane_shard {
	uint64_t own;    /* our own events up to here are committed */
	uint64_t sent;   /* up to here was reported */
	uint64_t caught; /* our own events up to here were read again */
	uint64_t stored; /* as `own` is in the store, where another may have come further */
	saga_id sent_id;
	size_t pending; /* of our own events, in the queue */
	unsigned epoch;
	uint64_t orders;            /* carried out before its positions were read */
	struct saga__source broker; /* of the last delivery that was committed; no owner: none */
	uint64_t place;             /* where that stood */
	bool catching_up;
	bool waits;  /* our own stream does: refused.c */
	bool leased; /* and its calls are ours to make */
};

/* A stream that waits, since the store refuses even the dead letter of its next event. */
struct saga__wait {
	struct saga__source source; /* our own: as it is named to others */
	unsigned shard;             /* of ours */
	bool own;
	uint64_t seq;
	bool tries;     /* it is being tried again: nothing of it is held back */
	bool durable;   /* a durable transport's: one event alone, which is not acked */
	uint64_t token; /* of that event's delivery */
	int failures;   /* of that event, one after the other */
};

enum {
	SAGA__WAITS_MOST = 16 /* streams of one lane; beyond, the lane waits as a whole */
};

/* Lane 0 keeps the instance's leases. */
struct saga__keeper {
	int64_t at;       /* monotonic: the next renewal */
	int64_t count_at; /* monotonic: when to count what is in the store */
	bool looked;
	bool halts; /* streams have stopped, or are ordered to go on */
	/* Others that were there before us, and have not renewed since: they may be gone. */
	struct saga__instance doubted[SAGA__INSTANCES_MOST];
	size_t doubted_count;
};

enum saga__lane_state {
	SAGA__LANE_DISCONNECTED = 0,
	SAGA__LANE_BACKING_OFF, /* after a failure, connected or not, until not_before */
	SAGA__LANE_CONNECTED,   /* the loop has assigned no shards yet */
	SAGA__LANE_ASSIGNING,   /* what is assigned is not what it works */
	SAGA__LANE_WORKING,     /* it takes batches */
	SAGA__LANE_LEAVING,     /* it ends: its shards are marked clean, its leases given up */
	SAGA__LANE_STOPPED
};

/* The shards that a lane works. */
struct saga__owned {
	struct saga__shard locked[SAGA__STORE_SHARDS]; /* by number */
	struct saga__lane_shard shards[SAGA__STORE_SHARDS];
	size_t count;
	unsigned epochs;     /* terms of working a shard, so far */
	uint64_t unreadable; /* shards whose stream row can't be read: they are not worked */
};

/* The shards that the loop has assigned to a lane, as masks. */
struct saga__assigned_shards {
	bool is_known;           /* the loop has said which */
	uint64_t shards, leased; /* those */
	bool is_pending;         /* the lane does not work them yet, or must read them again */
	unsigned rereads;        /* how often the loop asked for that */
	bool stale;              /* the lane found out itself that it must */
	bool shared;             /* other instances may carry out operator commands, ... */
	int64_t heard_at;        /* ... as the loop said then: monotonic */
};

/* What a lane knows of the events that it probes after an unclean end: probing.c. */
struct saga__probe {
	size_t left;          /* events still to be probed */
	saga_id suspect;      /* the last of them, counted already by this process */
	bool survived;        /* and its batch was committed */
	saga_id call;         /* a call that was made meanwhile: its parked row; zero: none, ... */
	int64_t call_until;   /* ... or it has come back, or has had its time: monotonic */
	int64_t call_ms_left; /* that such calls may be waited for, in all */
	int64_t odd_rows;     /* parked rows that became dead letters, and are not told yet */
	/*
	 * By shard: the suspect that this process counted last. A lane remembers it when it loses
	 * the shard and gains it again, since no suspect has killed a process that still runs.
	 */
	saga_id suspects[SAGA__STORE_SHARDS];
};

/* The streams whose next event the store refuses, even as a dead letter: refused.c. */
struct saga__refused_streams {
	struct saga__wait waits[SAGA__WAITS_MOST];
	size_t count;
	int64_t until; /* monotonic: all of them are tried again */
	int tries;     /* in a row, without one that went on */
};

struct saga__forgetting {
	int64_t at; /* monotonic: the next piece */
	saga_id cursor;
};

struct saga__lane {
	struct saga__lane_options options;
	enum saga__lane_state state; /* by saga__lane_become alone */
	struct saga__mailbox mailbox;
	struct saga__course course;
	struct saga__journal journal;
	struct saga__batch batch;
	struct saga__owned owned;
	struct saga__assigned_shards assigned;
	struct saga__keeper lease;
	struct saga__probe probe;
	struct saga__refused_streams refused;
	struct saga__forgetting forgetting;
	bool batch_ready;
	unsigned short surprises[SAGA__DOUBTED]; /* by step: for how many events it does not */
	size_t looks;                            /* looks at the store that were done */
	bool was_foreign;                        /* the last batch was */
	bool consumes_own;
	size_t limit;             /* events in the next batch */
	int failures;             /* in a row */
	int64_t not_before;       /* after a failure: monotonic */
	int64_t due;              /* of parked rows; the store's clock */
	bool revive;              /* calls of ours that may be made by nobody are to be made */
	struct saga__item **hand; /* room for a batch's items */
	saga_id uuid;             /* of the store that it began with */
	int64_t lost;             /* batches; atomic, for whoever counts */
	bool refusal_said;        /* the store refuses all */
	bool has_halts;           /* streams that have stopped, as was told last */

	/* Reports made in advance, so that telling needs no memory; NULL: it was told. */
	struct saga__notification *fatal, *ended;
};

int saga__lane_init(struct saga__lane *lane, const struct saga__lane_options *options);

/* Frees what is left. It must have stopped, or never have begun. */
void saga__lane_free(struct saga__lane *lane);

/*
 * Gives it an item. Any thread. SAGA_BUSY: no room (unless `always`), the item is still the
 * caller's; with wait_ms it waits so long for room. SAGA_STOPPED: it takes no more.
 */
int saga__lane_push(struct saga__lane *lane, struct saga__item *item, bool always, int wait_ms);
int saga__lane_give_command(struct saga__lane *lane, const struct saga__lane_command *command);

/* Others have committed events of its shards: it tells them. Any thread. */
void saga__lane_look(struct saga__lane *lane);

/* Items that wait or are worked on. Any thread. */
size_t saga__lane_load(struct saga__lane *lane);

/* How it goes. Any thread. */
void saga__lane_health(struct saga__lane *lane, struct saga__lane_health *ret_health);

/*
 * Takes no more; ends after the batch that runs. What waits is left for saga__lane_leftover. Any
 * thread.
 */
void saga__lane_stop(struct saga__lane *lane);

/* If it was told to stop and still works, its statement fails soon. Again, if need be. Any
 * thread. */
void saga__lane_interrupt(struct saga__lane *lane);

/* After it has stopped: an item that was never done; NULL: none. */
struct saga__item *saga__lane_leftover(struct saga__lane *lane);

/*
 * Does at most one batch. Returns for how many ms there is nothing to do: 0: again at once;
 * -1: until something is pushed.
 */
int64_t saga__lane_tick(struct saga__lane *lane);

/* The body of its thread: ticks until it is stopped. */
void saga__lane_thread(void *context);

#endif
