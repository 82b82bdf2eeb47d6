#ifndef SAGA_LANE_COMMANDS_H
#define SAGA_LANE_COMMANDS_H

/* The loop's commands to a lane: jobs that the lane does between its batches. One struct a kind. */

#include "../stores/journal.h"
#include "../stores/journal_halts.h"

enum saga__lane_command_kind {
	SAGA__COMMAND_ASSIGN = 1, /* work these shards; the last command counts */
	SAGA__COMMAND_READ,       /* read rows of the outbox */
	SAGA__COMMAND_TRIM,       /* drop rows of the outbox */
	SAGA__COMMAND_STOP,       /* write down that a stream has stopped */
	SAGA__COMMAND_RESUME,     /* write down that it goes on */
	SAGA__COMMAND_POSITIONS,  /* read a shard's positions: others may have moved them */
	SAGA__COMMAND_REPUBLISH,  /* publish again what the broker refused */
	SAGA__COMMAND_REREAD,     /* others may have worked its shards: take them as just gained */
	SAGA__COMMAND_RELEASE     /* no lane works these shards any more: give up their leases */
};

/* Which shards a lane is to work. Sets of shards are masks. */
struct saga__assignment {
	uint64_t shards, leased;           /* those with a lease are part of all */
	bool recount;                      /* count what is in them anew */
	bool shared;                       /* other instances live */
	struct saga__clock clock;          /* the keeper's */
	int64_t due;                       /* the soonest in these shards */
	uint64_t seqs[SAGA__STORE_SHARDS]; /* where their streams ended when the keeper looked */
};

struct saga__outbox_range {
	unsigned shard;
	uint64_t first, last;
	size_t most;
	bool reach; /* also say where the stream ends */
};

struct saga__outbox_trim {
	unsigned shard;
	uint64_t last;
	int64_t age; /* only rows older than that, in ms */
	size_t most;
	bool loud; /* log an alarm if a row goes: a follower has not seen it */
};

struct saga__lane_command {
	struct saga__lane_command *next;
	enum saga__lane_command_kind kind;
	union {
		struct saga__assignment assign;
		struct saga__outbox_range read;
		struct saga__outbox_trim trim;
		struct saga__halt stream; /* STOP, RESUME */
		unsigned shard;           /* POSITIONS */
		uint64_t shards;          /* RELEASE */
	} as;
};

#endif
