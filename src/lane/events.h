#ifndef SAGA_LANE_EVENTS_H
#define SAGA_LANE_EVENTS_H

/* A lane notifies the loop by these. The lane allocates, the loop frees. One struct a kind. */

#include "../step/batch.h"
#include "commands.h"

enum saga__notification_kind {
	SAGA__NOTIFY_CONNECTED = 1, /* the store is there; the lane works its shards */
	SAGA__NOTIFY_DISCONNECTED,  /* it is not; the lane tries again by itself */
	SAGA__NOTIFY_ASSIGNED,      /* the lane works other shards now */
	SAGA__NOTIFY_RENEWED,       /* the keeper has renewed the leases */
	SAGA__NOTIFY_COMMITTED,     /* a batch is committed */
	SAGA__NOTIFY_ANSWERS,       /* requests that the store kept waiting for too long */
	SAGA__NOTIFY_READ,          /* outbox rows: the answer to SAGA__COMMAND_READ */
	SAGA__NOTIFY_TRIMMED,       /* the outbox begins elsewhere: SAGA__COMMAND_TRIM */
	SAGA__NOTIFY_POSITIONS,     /* a shard's positions: SAGA__COMMAND_POSITIONS */
	SAGA__NOTIFY_STOPPED,       /* all stopped streams, and operator commands for them */
	SAGA__NOTIFY_FATAL,         /* the participant can't go on */
	SAGA__NOTIFY_ENDED          /* the lane has stopped, and closed its store */
};

/* An event that is committed and not told yet. */
struct saga__sent {
	struct saga__blob *event;
	unsigned shard;
	uint64_t seq;
	saga_id id;
	saga_id before;
};

/* In order, a shard at a time. */
struct saga__sent_list {
	struct saga__sent *at;
	size_t count, room;
};

/* How far this participant's shard has committed a stream. */
struct saga__stand {
	struct saga__source source;
	unsigned shard;
	struct saga__position position;
};

struct saga__stand_list {
	struct saga__stand *at;
	size_t count, room;
};

/* The soonest of the lane's parked rows. */
struct saga__due {
	int64_t at;
	bool is_past; /* an operator's command, perhaps */
};

/* One shard of a lane, as it was read. */
struct saga__assigned_shard {
	unsigned shard;
	unsigned epoch; /* items of that shard must name it */
	struct saga__stream_row stream;
};

/* The lane works these shards now. Sets of shards are masks. */
struct saga__assigned {
	saga_id uuid;
	int64_t birth;
	unsigned store_shards; /* all that the store has */
	uint64_t worked;
	uint64_t unreadable; /* it would work these, if their rows could be read */
	uint64_t gained;     /* part of the worked ones; new to it: their streams are below */
	unsigned rereads;    /* how many commands to reread this answers */
	uint64_t orders;     /* operator commands carried out before the positions were read */
	struct saga__counts counts; /* all that is in these shards */
	struct saga__due due;
	struct saga__assigned_shard *streams; /* room for all of the store's shards */
	size_t stream_count;
	struct saga__stand_list stands; /* of the gained shards */
};

struct saga__connected {
	struct saga__assigned assigned;
	bool lowered, reads_wait, unsound; /* as in the journal */
	char encoding[SAGA__ENCODING_TEXT];
};

/* The keeper of the leases found this. */
struct saga__renewal {
	uint64_t leased;          /* ours */
	uint64_t worked;          /* ours, and the shards of instances that may be dead */
	uint64_t given;           /* ours, and more than our share */
	unsigned live;            /* instances; at least 1 */
	bool recount;             /* count what is in them anew */
	struct saga__clock clock; /* the journal's */
	uint64_t seqs[SAGA__STORE_SHARDS];
	int64_t dues[SAGA__STORE_SHARDS];
};

/* An event of ours that the broker refused, and that is a dead letter now. */
struct saga__refused_event {
	unsigned shard;
	uint64_t seq;
};

struct saga__committed {
	struct saga__sent_list sent;
	struct saga__move *moves; /* positions that are committed now */
	size_t move_count;
	uint64_t *acks; /* tokens of what a durable transport brought */
	size_t ack_count;
	struct saga__refused_event *refused;
	size_t refused_count;
	struct saga__items answers; /* requests that are answered */
	struct saga__call *calls;   /* to be made */
	struct saga__counts counts; /* what changed */
	struct saga__due due;
	bool idle;                   /* nothing waits at the lane */
	uint32_t *tally;             /* as the batch's */
	int64_t batch_us, commit_us; /* how long it took */
};

struct saga__outbox_read {
	unsigned shard;
	bool complete;  /* this is all that there is */
	uint64_t reach; /* where the stream ends, if that was asked for */
	struct saga__sent_list sent;
};

struct saga__outbox_trimmed {
	unsigned shard;
	uint64_t first;                 /* the oldest row now */
	bool has_more;                  /* do it again: */
	struct saga__outbox_trim again; /* as it was asked for */
};

struct saga__positions_read {
	unsigned shard;
	struct saga__stand_list stands;
};

struct saga__stopped_streams {
	struct saga__halt *at;
	size_t count;
	bool anew;    /* read positions again: an operator command was carried out */
	bool resumed; /* this answers SAGA__COMMAND_RESUME for: */
	struct saga__stream stream;
};

struct saga__notification {
	struct saga__notification *next;
	enum saga__notification_kind kind;
	struct saga__lane *lane;
	union {
		struct saga__connected connected;
		struct saga__assigned assigned;
		struct saga__renewal renewal;
		struct saga__committed committed;
		struct saga__items answers;
		struct saga__outbox_read read;
		struct saga__outbox_trimmed trimmed;
		struct saga__positions_read positions;
		struct saga__stopped_streams stopped;
		saga_error error; /* DISCONNECTED, FATAL */
	} as;
};

struct saga__notification *saga__notification_new(
	struct saga__lane *lane, enum saga__notification_kind kind);

/* Frees all that it still holds: take out what you keep. NULL is fine. */
void saga__notification_free(struct saga__notification *notification);

/* Room for a move and an ack an item, and for a tally a step. NOMEM. */
int saga__committed_room(struct saga__committed *committed, size_t items, size_t steps);

/* One more event; takes a share. NOMEM. */
int saga__sent_add(struct saga__sent_list *list, const struct saga__sent *sent);
void saga__sent_drop(struct saga__sent_list *list);

int saga__stand_add(struct saga__stand_list *list, const struct saga__stand *stand);

#endif
