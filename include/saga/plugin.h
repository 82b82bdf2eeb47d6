#ifndef SAGA_PLUGIN_H
#define SAGA_PLUGIN_H

/*
 * For authors of transports and stores. Applications don't include it.
 *
 * A plugin is a constant vtable that options hand to saga_open (`transport_ops`, `store_ops`);
 * nothing is registered, so nothing is process-wide. `size` is sizeof the struct where the plugin
 * was compiled: until 1.0 saga_open refuses a smaller one than its own, so compile it anew. It
 * checks the mandatory slots and names one that is missing. A plugin never calls exit, installs no
 * signal handler, and writes to no terminal.
 *
 * Each slot says: its thread, whether it may block, who owns what, what it may answer.
 */

#include <saga/error.h>
#include <saga/event.h>
#include <saga/step.h>

SAGA_BEGIN

struct uv_loop_s;

/* ======== transports ======== */

/*
 * A transport carries frames between participants and knows nothing of sagas. Unless it declares
 * itself durable it may lose, double, delay and reorder them; it may not change them.
 *
 * A durable one also keeps frames: those that have an id. A kept frame is a whole event and
 * nothing else, its topic the event's type. It belongs to a part, which is 16 bits; a shard of a
 * participant that has `of` of them, a power of two, is the parts that are its number modulo `of`.
 * Each kept frame comes to each participant that has a shard for it, to one instance of that, again
 * and again until it is acked: in any order, more than once too, whatever `topics` says, and also
 * to its sender. What is lost by another order, or by a double, is only time.
 *
 * A broker may lose what it has confirmed: with its power, or because its files were deleted or
 * replaced by older ones. So a durable transport also says where a kept frame stands in the
 * broker's stream (a place, from 1 on: what comes later stands higher), how that stream is
 * (saga_port_broker), and what stands at a place (`look`). The library compares this with what
 * its store remembers, publishes again what was lost, and has deliveries begin again (`rewind`).
 */

typedef struct saga_frame {
	const char *topic;  /* [a-z0-9._-], at most 63 bytes; frames of one topic take one path */
	saga_bytes bytes;
	uint64_t token;     /* kept: names a delivery to `ack`, a sending to saga_port_sent */
	saga_id id;         /* kept: not zero. Sent: the event's, the same again is a double.
	                       Received: of an event that the library sent, the same; of
	                       another's, what names it, the same each time */
	unsigned part;      /* kept */
	uint64_t place;     /* received, kept: where it stands in the broker's stream */
	unsigned again;     /* sent, kept: not 0: no double of what was sent under the same id with
	                       a smaller number, though the broker may think so */
} saga_frame;

/* The broker has an event that was sent. */
typedef struct saga_receipt {
	uint64_t token; /* of the frame */
	uint64_t place; /* where it stands in the broker's stream; 0: the transport can't tell */
	bool doubled;   /* it was there already, as far as the broker remembers */
} saga_receipt;

enum {
	SAGA_BROKER_SHARDS = 64
};

/* How a broker's stream is. */
typedef struct saga_broker {
	saga_id era;          /* another: it is another stream, its places mean other events */
	uint64_t first, last; /* the places that it holds; none: first = last + 1 */
	bool doubt;           /* it may have lost what it confirmed, since it was told last: the
	                         connection is new, another server leads, `last` has fallen ... */
	bool removes;         /* what all have acked leaves it: where nothing stands, something may
	                         have stood */
	uint64_t shards;      /* those (bits) that are worked and have a floor: */
	uint64_t floors[SAGA_BROKER_SHARDS]; /* all of the shard up to there was acked, or will
	                                        never be delivered */
} saga_broker;

/* The library's side of an open transport. Valid from `open` until saga_port_closed. */
typedef struct saga_port saga_port;

enum saga_transport_traits {
	SAGA_TRANSPORT_DURABLE = 1, /* keeps what has an id, redelivers what was not acked */
	SAGA_TRANSPORT_ECHOES = 2   /* brings a sender its own frames */
};

typedef struct saga_transport_options {
	const char *url;
	const char *participant;   /* if durable, a frame goes to one of its instances */
	const char *const *topics; /* to receive, ended by NULL; lives as long as the port */
	size_t frame_bytes;        /* the largest frame; what is larger is dropped and reported */
	void *context;             /* `transport_context` of the options */

	/* For a durable one. */
	saga_id store;             /* whose instances share deliveries; another's is a twin */
	int64_t since;             /* of a participant that is new there: what is older need not
	                              come, and is not heeded if it does; what is younger must,
	                              whatever the broker's clock says (of a minute); ms since
	                              1970; 0: all that there is */
} saga_transport_options;

/* What a transport counted since it was opened. */
typedef struct saga_transport_figures {
	uint64_t sent;      /* frames taken by `send` */
	uint64_t received;  /* frames taken by saga_port_receive */
	uint64_t refused;   /* either way: larger than frame_bytes, or no frame at all */
	uint64_t lost;      /* sent, and perhaps lost, as far as the transport can tell */
	uint64_t connects;  /* connections made */
} saga_transport_figures;

typedef struct saga_transport_ops {
	size_t size;
	const char *schemes;  /* "nng+tcp nng+ipc", separated by a space */
	unsigned traits;      /* of enum saga_transport_traits */

	/*
	 * Loop thread; must not block. Checks the options, begins to connect, and returns; from
	 * then on it reconnects by itself for as long as it is open and reports by saga_port_state.
	 * The options live until it returns. On success *ret_transport is the plugin's own; after a
	 * failure the port is not to be used. MALFORMED, UNSUPPORTED, NOMEM.
	 */
	int (*open)(saga_port *port, const saga_transport_options *options, void **ret_transport,
		saga_error *error);

	/*
	 * Loop thread; must not block. Takes the first n of count frames, n in *ret_sent, and
	 * copies what it keeps. If n < count, it calls saga_port_writable once there is room. For a
	 * kept frame that was taken it calls saga_port_sent when the broker has it,
	 * saga_port_refused if the broker will not take it as it is, or neither: then it is sent
	 * again. AWAY.
	 */
	int (*send)(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent);

	/*
	 * Loop thread; must not block. The deliveries with these tokens are committed and need not
	 * come again. Mandatory if durable, else never called.
	 */
	void (*ack)(void *transport, const uint64_t *tokens, size_t count);

	/* Loop thread; must not block. After a BUSY from saga_port_receive: read on. Optional. */
	void (*resume)(void *transport);

	/*
	 * Loop thread; must not block. Stops all threads and handles of the plugin, frees it, and
	 * calls saga_port_closed, then or later, as its last act. Frames that wait may be lost.
	 */
	void (*close)(void *transport);

	/* Loop thread; must not block. saga_health_of shows them. Optional. */
	void (*figures)(void *transport, saga_transport_figures *ret_figures);

	/*
	 * Loop thread; must not block. From now on this instance works these shards (bits) of `of`,
	 * at most 64: kept frames of those are to come here. Before the first call it works none.
	 * What came for a shard that is left and was not acked, others should have at once.
	 * Mandatory if durable, else never called.
	 */
	void (*work)(void *transport, uint64_t shards, unsigned of);

	/*
	 * Loop thread; must not block. What stands at that place of the broker's stream?
	 * saga_port_looked answers; or nothing does, and after the next saga_port_broker with a
	 * doubt the library asks again. Mandatory if durable, else never called.
	 */
	void (*look)(void *transport, uint64_t place);

	/*
	 * Loop thread; must not block. Deliveries of that shard, which is not worked now, begin
	 * again behind that place: with all that stands there, whether it was acked or not. Once it
	 * is worked again, all of that comes; what was delivered before has no meaning any more.
	 * Mandatory if durable, else never called.
	 */
	void (*rewind)(void *transport, unsigned shard, uint64_t place);
} saga_transport_ops;

/*
 * Hands over frames that came; they are copied. BUSY: none was taken, the queue is full; stop
 * reading until `resume`, then hand over the same again (or lose them, if not durable). Never
 * blocks and never calls a slot, so the plugin may hold its own locks. Any thread.
 */
SAGA_API int saga_port_receive(saga_port *port, const saga_frame *frames, size_t count);

/* There is room to send again. Any thread. */
SAGA_API void saga_port_writable(saga_port *port);

/* The broker has frames that were sent. Any thread. */
SAGA_API void saga_port_sent(saga_port *port, const saga_receipt *receipts, size_t count);

/*
 * The broker does not take the frame with this token as it is, and would not if it was sent again
 * (it is too large): it becomes a dead letter with this reason, and the others go on. Any thread.
 */
SAGA_API void saga_port_refused(saga_port *port, uint64_t token, const char *why);

/* A limit of the broker's was raised: it may take what it refused. Any thread. */
SAGA_API void saga_port_relents(saga_port *port);

/*
 * How the broker's stream is: when the connection is new, whenever shards that are new here can be
 * delivered, whenever there is a doubt, and otherwise a few times within what saga_port_settles
 * said. What is acked meanwhile need not be in the floors. Copied. Any thread.
 */
SAGA_API void saga_port_broker(saga_port *port, const saga_broker *broker);

/* The answer to `look`: the id as a delivery has it; zero: nothing stands there. Any thread. */
SAGA_API void saga_port_looked(saga_port *port, uint64_t place, saga_id id);

/*
 * What the broker has confirmed it may lose for that long, in ms; then it is on its disks. In
 * `open` only; 250000 if nothing is said.
 */
SAGA_API void saga_port_settles(saga_port *port, int64_t ms);

/* Events are to be sent as application/cloudevents+json from now on. In `open` only. */
SAGA_API void saga_port_wants_json(saga_port *port);

/*
 * Whether the other side can be reached, and why not. Up: kept frames that saga_port_sent has not
 * told of are sent again. Any thread.
 */
SAGA_API void saga_port_state(saga_port *port, bool up, const char *text);

/* All is freed; no call for this port follows. Loop thread. */
SAGA_API void saga_port_closed(saga_port *port);

/* The loop, for transports built on libuv; NULL under the simulator. Loop thread. */
SAGA_API struct uv_loop_s *saga_port_loop(saga_port *port);

/* ======== stores ======== */

/*
 * A store is one connection to a database that speaks one of the library's dialects of SQL, and
 * knows nothing of sagas: the library brings the statements. Each lane opens a connection of its
 * own and calls it from its own thread (with no lanes: the loop) only, save `interrupt`. All slots
 * may block, unless they say otherwise, but none longer than timeout_ms: a connection that can't
 * keep to it answers AWAY, or UNKNOWN from commit, and is closed.
 *
 * In a transaction a store need not wait for what nobody reads: `begin`, `mark`, `back`, `require`
 * and a run without a sink may answer SAGA_OK before their statements have. If one of them fails
 * then, those behind it don't run, and the next slot that waits says so in its place: a run with a
 * sink, or at the latest the commit. So nothing counts before that.
 */

typedef enum saga_dialect {
	SAGA_SQLITE = 1,
	SAGA_POSTGRESQL = 2,
	SAGA_TSQL = 3
} saga_dialect;

enum saga_store_traits {
	/*
	 * A `?` may stand for a SAGA_VALUE_SET, which its dialect's statement reads as rows:
	 * PostgreSQL's `unnest(?::bigint[])`. Without it, each row is a statement.
	 */
	SAGA_STORE_SETS = 1,
	/*
	 * It speaks SAGA_SQLITE, but several transactions may go on at once: `begin` locks nothing,
	 * an UPDATE its rows.
	 */
	SAGA_STORE_LOCKS_ROWS = 2
};

typedef struct saga_store_options {
	const char *url;
	int timeout_ms;  /* of one slot */
	void *context;   /* `store_context` of the options */
} saga_store_options;

/*
 * One statement; `?` stands for the values, in order. Without values it may be a script of several
 * statements, each ended by `;` (a schema); then no rows come of it.
 */
typedef struct saga_statement {
	const char *sql;
	const saga_value *values;
	size_t value_count;
} saga_statement;

/* Where results go. The store calls it; names and columns are borrowed until it returns. */
typedef struct saga_sink {
	/*
	 * A row of statement i. Not SAGA_OK: send no more rows, let `run` return that code; the
	 * statements behind i may have run, or not.
	 */
	int (*row)(void *context, size_t i, const char *const *names, const saga_value *columns,
		size_t column_count);
	/* Statement i is done and changed this many rows. */
	void (*done)(void *context, size_t i, int64_t changed);
	void *context;
} saga_sink;

typedef struct saga_store_ops {
	size_t size;
	const char *schemes;
	saga_dialect dialect;
	int writers;          /* connections that may write at once; 0: any number */

	/*
	 * Connects. On success *ret_store is the plugin's own. AWAY, CONTENDED and FULL pass, and
	 * it is tried again; MALFORMED (the URL) and UNSUPPORTED (the server) don't. NOMEM.
	 */
	int (*open)(const saga_store_options *options, void **ret_store, saga_error *error);

	/*
	 * Runs statements in order, in one round trip where it can, and stops at the first that
	 * fails; `sink` NULL: nobody wants the rows. With a sink it waits for all that was sent
	 * before, also if there are no statements. All is borrowed until it returns, but a
	 * statement's text, which is a constant if it has values: it may be known by its address.
	 * CONTENDED (deadlock, serialization: the transaction is lost, replay it), REFUSED (the
	 * statement is wrong, or breaks a constraint), FULL, AWAY, NOMEM, DAMAGED (as AWAY, and
	 * somebody must look at the database). After a failure in a
	 * transaction only `back` and `rollback` follow. Without one, each statement may be a
	 * transaction of its own, or the run may be one.
	 */
	int (*run)(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
		saga_error *error);

	int (*begin)(void *store, saga_error *error);

	/*
	 * SAGA_OK: it is durable. CONTENDED, FULL: it is not. UNKNOWN: sent, and no answer; the
	 * library then closes the connection and finds out by another. Never AWAY for a lost
	 * answer.
	 */
	int (*commit)(void *store, saga_error *error);

	/* Never fails: what can't be rolled back makes the next `begin` answer AWAY. */
	void (*rollback)(void *store);

	/* A mark in the transaction, and back to it. Only one at a time, replaced by the next. */
	int (*mark)(void *store, saga_error *error);
	int (*back)(void *store, saga_error *error);

	/*
	 * There is no going back to the mark any more; what was done since stays, and there may be
	 * no mark at all. For a store to which a mark costs something for as long as it stands.
	 * Optional.
	 */
	int (*release)(void *store, saga_error *error);

	/* Whether a transaction is open, as the connection itself knows it. Must not block. */
	bool (*in_transaction)(void *store);

	/*
	 * The handle for saga_native, once all was waited for; NULL: out of memory. Must not block.
	 * Optional.
	 */
	void *(*native)(void *store);

	/* Any thread, while another slot runs: make that return soon. Must not block. Optional. */
	void (*interrupt)(void *store);

	/* Closes, also after AWAY and UNKNOWN. */
	void (*close)(void *store);

	unsigned traits; /* of enum saga_store_traits */

	/*
	 * In a transaction: runs a statement that must change a row, or find one. Answers before it
	 * knows: if there was none, whatever waits next answers REJECTED, and the commit at the
	 * latest, which does not take place then. What is behind the statement may have run; only
	 * `rollback` follows. For a store that would have to wait; NULL: the library looks itself.
	 */
	int (*require)(void *store, const saga_statement *statement, saga_error *error);
} saga_store_ops;

/* ======== what an error may say ======== */

/*
 * Takes the secrets of a URL out of a text that is going to be shown: the password or token in
 * front of the `@`, the values of keys such as `password`, as the URL has them, decoded, and in the
 * pieces that a parser makes of a URL that is wrong. Each becomes `***`. `size` is the buffer's, in
 * which the text ends by a NUL. A plugin calls it on what a library says before that becomes an
 * error or a state; saga_open and the log do so once more. NULL for a URL is fine. Any thread.
 */
SAGA_API void saga_redact(const char *url, char *text, size_t size);

/* The built-in store of a scheme ("sqlite"), to wrap; NULL if this build lacks it. Any thread. */
SAGA_API const saga_store_ops *saga_store_builtin(const char *scheme);

SAGA_END

#endif
