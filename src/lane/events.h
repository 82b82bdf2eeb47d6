#ifndef SAGA_LANE_EVENTS_H
#define SAGA_LANE_EVENTS_H

/* What a lane tells the loop. Allocated by the lane, freed by the loop. */

#include "../step/batch.h"
#include "../stores/journal.h"
#include "../stores/journal_halts.h"

enum saga__notification_kind {
	SAGA__NOTIFY_CONNECTED = 1, /* the store is there: counts; and as HELD */
	SAGA__NOTIFY_DISCONNECTED,  /* it is not: error says why; tried again by itself */
	SAGA__NOTIFY_COMMITTED,     /* a batch is committed */
	SAGA__NOTIFY_READ,          /* outbox rows that were asked for */
	SAGA__NOTIFY_TRIMMED,       /* the outbox begins at first now */
	SAGA__NOTIFY_STOPPED,  /* all followed streams that have stopped, and orders for them */
	SAGA__NOTIFY_FATAL,    /* the participant can't go on: error says why */
	SAGA__NOTIFY_ENDED,    /* the lane has stopped, and closed its store */
	SAGA__NOTIFY_RENEWED,  /* the leases were renewed: which shards are to be worked */
	SAGA__NOTIFY_ANSWERS,  /* requests that the store kept waiting for too long */
	SAGA__NOTIFY_ASSIGNED, /* the lane works other shards now: their streams, positions */
	SAGA__NOTIFY_POSITIONS /* what a POINTS asked for: stands of that shard */
};

struct saga__sent {
	struct saga__blob *event;
	unsigned shard;
	uint64_t seq;
	saga_id id;
	saga_id before;
};

struct saga__stand {
	struct saga__source source;
	unsigned shard;
	struct saga__position position;
};

/* What the loop asks of a lane: a job between batches. */
enum saga__lane_command_kind {
	SAGA__COMMAND_READ = 1,
	SAGA__COMMAND_TRIM,
	SAGA__COMMAND_STOP,      /* write down that a stream has stopped */
	SAGA__COMMAND_RESUME,    /* and that it goes on */
	SAGA__COMMAND_ASSIGN,    /* these shards are to be worked; the last one counts */
	SAGA__COMMAND_POSITIONS, /* read a shard's positions: others may have moved them */
	SAGA__COMMAND_REPUBLISH, /* events that the broker refused are to be published again */
	SAGA__COMMAND_REREAD,    /* others may have worked its shards: they are as if gained now */
	SAGA__COMMAND_RELEASE    /* nobody here works these any more: their leases may go */
};

/* What the keeper of the leases found. Sets of shards are masks. */
struct saga__kept {
	uint64_t leased;          /* ours */
	uint64_t worked;          /* and with those that nobody may work, what is to be worked */
	uint64_t given;           /* ours, and more than our share */
	unsigned live;            /* instances; at least 1 */
	bool count;               /* what is in them is to be counted anew */
	struct saga__clock clock; /* the journal's */
	uint64_t seqs[SAGA__STORE_SHARDS];
	int64_t dues[SAGA__STORE_SHARDS];
};

struct saga__lane_command {
	struct saga__lane_command *next;
	enum saga__lane_command_kind kind;
	unsigned shard;
	uint64_t first, last; /* READ; TRIM: up to last */
	bool reach;           /* READ: say where the stream ends, too */
	int64_t age;          /* TRIM: older than that, in ms */
	size_t most;
	bool loud; /* TRIM: say so if anything goes */

	uint64_t shards;                   /* HOLD, GIVE */
	uint64_t leased;                   /* HOLD: of those */
	bool count;                        /* HOLD: what is in them, anew */
	bool shared;                       /* HOLD: there are other instances */
	struct saga__clock clock;          /* HOLD */
	int64_t due;                       /* HOLD: the soonest there */
	uint64_t seqs[SAGA__STORE_SHARDS]; /* HOLD: where their streams are */
	struct saga__halt halt;            /* HALT, RESUME */
};

struct saga__notification {
	struct saga__notification *next;
	enum saga__notification_kind kind;
	struct saga__lane *lane;
	saga_error error;

	struct saga__sent *sent; /* BATCH, READ: in order, a shard at a time */
	size_t sent_count, sent_room;
	struct saga__move *moves; /* BATCH: positions that are committed now */
	size_t move_count;
	uint64_t *acks; /* BATCH: tokens of what a durable transport brought */
	size_t ack_count;
	uint64_t *refused; /* BATCH: of our events that are dead letters now, where they stood */
	unsigned *refused_shards;
	size_t refused_count;
	struct saga__items answers;  /* BATCH: requests that are answered */
	struct saga__call *calls;    /* BATCH: to be made */
	struct saga__counts counts;  /* BATCH: what changed; UP, HELD: what there is */
	bool idle;                   /* BATCH: nothing waits at the lane */
	int64_t due;                 /* BATCH, UP, HELD: the soonest of parked rows, ... */
	bool due_now;                /* ... and that it is past: an operator's command, perhaps */
	uint32_t *tally;             /* BATCH: as the batch's */
	int64_t batch_us, commit_us; /* BATCH: how long it took */

	unsigned shard;                  /* READ, TRIMMED */
	bool complete;                   /* READ: it is all that there is */
	uint64_t reach;                  /* READ, if asked for: where the stream ends */
	uint64_t first;                  /* TRIMMED */
	struct saga__lane_command again; /* TRIMMED: if it has a kind, there may be more to trim */

	struct saga__kept kept; /* KEPT */

	struct saga__halt *halts; /* HALTS */
	size_t halt_count;
	bool anew;    /* HALTS: positions are to be read again: an order was carried out */
	bool resumed; /* HALTS: since `stream` was asked to go on */
	struct saga__stream stream;

	saga_id uuid; /* UP, HELD; as is all below */
	int64_t birth;
	unsigned shards;
	bool lowered;
	bool reads_wait;
	bool unsound;
	char encoding[SAGA__ENCODING_TEXT];
	uint64_t worked;     /* all that the lane works now */
	uint64_t unreadable; /* what it would work, if its row could be read */
	uint64_t gained;     /* of those, what is new to it: they have streams */
	unsigned rereads;    /* of those that were asked of the lane, how many this answers */
	unsigned stream_shards[SAGA__STORE_SHARDS];
	unsigned epochs[SAGA__STORE_SHARDS]; /* what items of that shard must name */
	uint64_t orders;                     /* that were carried out before the stands were read */
	struct saga__stream_row streams[SAGA__STORE_SHARDS];
	size_t stream_count;
	struct saga__stand *stands;
	size_t stand_count, stand_room;
};

struct saga__notification *saga__notification_new(
	struct saga__lane *lane, enum saga__notification_kind kind);

/*
 * Room in a BATCH for a move and an ack an item, and for a tally a step. NOMEM: also if there is no
 * notification.
 */
int saga__notification_room(struct saga__notification *notification, size_t items, size_t steps);

/* Frees all that it still holds: take what is kept out of it first. NULL is fine. */
void saga__notification_free(struct saga__notification *notification);

/* One more sent event; takes a share. NOMEM. */
int saga__notification_add(struct saga__notification *notification, const struct saga__sent *sent);

#endif
