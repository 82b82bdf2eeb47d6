#ifndef SAGA_PLUGIN_H
#define SAGA_PLUGIN_H

/*
 * For authors of transports and stores. Applications do not include this header.
 *
 * A plugin is a constant vtable that the host passes to saga_open in its options (`transport_ops`,
 * `store_ops`). Nothing is registered, so nothing is process-wide. `size` is sizeof the struct
 * where the plugin was compiled; until 1.0 saga_open refuses a smaller size than its own, so
 * compile the plugin anew. saga_open checks the mandatory slots and names one that is missing. A
 * plugin never calls exit, installs no signal handler, and writes to no terminal.
 *
 * The comment of each slot says: its thread, whether it may block, who owns what, and which codes
 * it may answer.
 */

#include <saga/error.h>
#include <saga/event.h>
#include <saga/step.h>

SAGA_BEGIN

struct uv_loop_s;

/* ======== transports ======== */

/*
 * A transport carries frames between participants and knows nothing of sagas. A lossy transport may
 * lose, double, delay and reorder frames; it may not change them.
 *
 * A durable transport also keeps frames: those that have an id. A kept frame is exactly one event,
 * and its topic is the type of the event. It belongs to a part, a number of 16 bits. If a
 * participant has `of` shards, a power of two, its shard number s consists of the parts p with p
 * modulo `of` = s. The transport delivers each kept frame to each participant that has a shard for
 * it (to one of its instances), again and again until it is acked: in any order, also more than
 * once, whatever `topics` says, and also to its sender. Another order or a double costs only time.
 *
 * A broker may lose frames that it has confirmed: with its power, or because its files were deleted
 * or replaced by older ones. So a durable transport also says where a kept frame stands in the
 * stream of the broker (its place: 1 and up, a later frame stands higher), how that stream is
 * (saga_port_broker), and which frame stands at a place (`look`). The library compares this with
 * the positions in its store, publishes lost events again, and has deliveries repeated (`rewind`).
 */

typedef struct saga_frame {
	const char *topic;  /* [a-z0-9._-], at most 63 bytes; frames of one topic take one path */
	saga_bytes bytes;
	uint64_t token;     /* kept: names a delivery for `ack`, a sending for saga_port_sent */
	saga_id id;         /* kept: not zero. Sent: the id of the event; a second frame with it is
	                       a double. Received: the same id; for an event of another sender an
	                       id that is the same at each delivery */
	unsigned part;      /* kept: the part that the frame belongs to */
	uint64_t place;     /* received, kept: where the frame stands in the broker's stream */
	unsigned again;     /* sent, kept: if not 0, the frame is no double of one that was sent
	                       under the same id with a smaller number, even if the broker still
	                       remembers that id */
	int64_t stored_at;  /* received, kept: when the broker stored the frame, in any unit; the
	                       same at each delivery. A frame that was lost and sent again may
	                       stand at the same place, but has another time */
} saga_frame;

/* Says that the broker has an event that was sent. */
typedef struct saga_receipt {
	uint64_t token; /* the token of the frame */
	uint64_t place; /* where it stands in the broker's stream; 0: the transport cannot tell */
	bool doubled;   /* the broker says that it had the frame already */
} saga_receipt;

enum {
	SAGA_BROKER_SHARDS = 64
};

/* The state of a broker's stream. */
typedef struct saga_broker {
	saga_id era;          /* names the stream: in another era places mean other events */
	uint64_t first, last; /* the places that it holds; an empty stream: first = last + 1 */
	bool doubt;           /* since the last report it may have lost confirmed frames: the
	                         connection is new, another server leads, `last` has fallen ... */
	bool removes;         /* frames that all have acked are removed: a place that is empty may
	                         have held one */
	uint64_t shards;      /* bits of the shards that are worked here and have a floor */
	uint64_t floors[SAGA_BROKER_SHARDS]; /* all frames of the shard up to this place were acked,
	                                        or will never be delivered; 0: none was acked. A
	                                        floor may be above the shard's last frame, and
	                                        above `last`, which was asked for before */
} saga_broker;

/* The library's side of an open transport. Valid from `open` until saga_port_closed. */
typedef struct saga_port saga_port;

enum saga_transport_traits {
	SAGA_TRANSPORT_DURABLE = 1, /* keeps frames with an id, redelivers them until acked */
	SAGA_TRANSPORT_ECHOES = 2   /* brings a sender its own frames */
};

typedef struct saga_transport_options {
	const char *url;
	const char *participant;   /* its name; if durable, one of its instances gets a frame */
	const char *const *topics; /* the topics to receive, ended by NULL; live as long as the
	                              port */
	size_t frame_bytes;        /* the largest frame; larger ones are dropped and reported */
	void *context;             /* the option transport_context of saga_open */

	/* For a durable transport. */
	saga_id store;             /* instances with this store share deliveries; an instance of
	                              the same name with another store is a twin */
	int64_t since;             /* a participant that is new to the broker needs no older frames
	                              and ignores them; it must get all younger ones, even if the
	                              broker's clock is off by a minute. ms since 1970; 0: all */
} saga_transport_options;

/* Frames counted by a transport since it was opened. */
typedef struct saga_transport_figures {
	uint64_t sent;      /* frames that `send` took */
	uint64_t received;  /* frames that saga_port_receive took */
	uint64_t refused;   /* both ways: larger than frame_bytes, or not a frame */
	uint64_t lost;      /* sent and perhaps lost, as far as the transport can tell */
	uint64_t connects;  /* connections made */
} saga_transport_figures;

typedef struct saga_transport_ops {
	size_t size;
	const char *schemes;  /* "nng+tcp nng+ipc", separated by a space */
	unsigned traits;      /* of enum saga_transport_traits */

	/*
	 * Loop thread; must not block. Checks the options, begins to connect, and returns. From
	 * then on the transport reconnects by itself while it is open, and reports by
	 * saga_port_state. The options live until `open` returns. On success *ret_transport is the
	 * plugin's own; after a failure the plugin must not use the port. MALFORMED, UNSUPPORTED,
	 * NOMEM.
	 */
	int (*open)(saga_port *port, const saga_transport_options *options, void **ret_transport,
		saga_error *error);

	/*
	 * Loop thread; must not block. Takes the first n of count frames, sets *ret_sent to n, and
	 * copies the bytes that it needs later. If n < count, the transport calls
	 * saga_port_writable once there is room. For a kept frame that it took, it calls
	 * saga_port_sent when the broker has the frame, or saga_port_refused if the broker will
	 * not take the frame as it is. If it calls neither, the library sends the frame again.
	 * AWAY.
	 */
	int (*send)(void *transport, const saga_frame *frames, size_t count, size_t *ret_sent);

	/*
	 * Loop thread; must not block. The deliveries with these tokens are committed and need not
	 * come again. If the broker has another frame at the place of one of them by now, that
	 * frame must still come. Mandatory for a durable transport, never called for another.
	 */
	void (*ack)(void *transport, const uint64_t *tokens, size_t count);

	/* Loop thread; must not block. Reads on after a BUSY from saga_port_receive. Optional. */
	void (*resume)(void *transport);

	/*
	 * Loop thread; must not block. Stops all threads and handles of the plugin, frees it, and
	 * calls saga_port_closed as its last act, before or after `close` returns. Frames that wait
	 * may be lost.
	 */
	void (*close)(void *transport);

	/* Loop thread; must not block. Reports its counters for saga_health_of. Optional. */
	void (*figures)(void *transport, saga_transport_figures *ret_figures);

	/*
	 * Loop thread; must not block. From now on this instance works these shards (bits) of `of`,
	 * at most 64, and gets their kept frames. Before the first call it works none. Deliveries
	 * of a shard that it gives up, and that were not acked, should go to other instances at
	 * once. Mandatory for a durable transport, never called for another.
	 */
	void (*work)(void *transport, uint64_t shards, unsigned of);

	/*
	 * Loop thread; must not block. Asks which frame stands at that place of the broker's
	 * stream; the transport answers by saga_port_looked. Without an answer the library asks
	 * again after a while, or after the next saga_port_broker with a doubt. Mandatory for a
	 * durable transport, never called for another.
	 */
	void (*look)(void *transport, uint64_t place);

	/*
	 * Loop thread; must not block. Asks for the place of the first frame of that shard behind
	 * that place; the transport answers by saga_port_looked_behind. It need not answer once the
	 * shard is not worked any more. Mandatory for a durable transport, never called for
	 * another.
	 */
	void (*look_behind)(void *transport, unsigned shard, uint64_t place);

	/*
	 * Loop thread; must not block. The shard is not worked now. Its deliveries begin again
	 * behind that place: once the shard is worked again, all its frames behind the place come,
	 * acked or not. Earlier deliveries have no meaning any more. Mandatory for a durable
	 * transport, never called for another.
	 */
	void (*rewind)(void *transport, unsigned shard, uint64_t place);
} saga_transport_ops;

/*
 * Hands over frames that arrived; the library copies them. SAGA_BUSY: it took none, since its queue
 * is full; stop reading until `resume`, then hand over the same frames again (a lossy transport may
 * lose them instead). Never blocks and never calls a slot, so the plugin may hold its own locks.
 * Any thread.
 */
SAGA_API int saga_port_receive(saga_port *port, const saga_frame *frames, size_t count);

/* Says that there is room to send again. Any thread. */
SAGA_API void saga_port_writable(saga_port *port);

/* Says that the broker has these frames. Any thread. */
SAGA_API void saga_port_sent(saga_port *port, const saga_receipt *receipts, size_t count);

/*
 * Says that the broker will never take the frame with this token as it is (it is too large). The
 * event becomes a dead letter with this reason, and all others go on. Any thread.
 */
SAGA_API void saga_port_refused(saga_port *port, uint64_t token, const char *why);

/* Says that the broker raised a limit, and may take frames that it refused. Any thread. */
SAGA_API void saga_port_relents(saga_port *port);

/*
 * Reports the state of the broker's stream. Call it when the connection is new, when shards that
 * are new here can be delivered, when there is a doubt, and otherwise a few times within the time
 * of saga_port_settles. Acks that are under way need not be in the floors. Copied. Any thread.
 */
SAGA_API void saga_port_broker(saga_port *port, const saga_broker *broker);

/*
 * Answers `look`: the id and the time as in a delivery; id zero: no frame stands at that place. Any
 * thread.
 */
SAGA_API void saga_port_looked(saga_port *port, uint64_t place, saga_id id, int64_t stored_at);

/* Answers `look_behind`; found 0: no frame of the shard stands behind the place. Any thread. */
SAGA_API void saga_port_looked_behind(
	saga_port *port, unsigned shard, uint64_t place, uint64_t found);

/*
 * Says for how long, in ms, the broker may lose a frame that it has confirmed; after that the frame
 * is on its disks. A transport that does not call it says that its broker never loses such a frame.
 * Only within `open`.
 */
SAGA_API void saga_port_settles(saga_port *port, int64_t ms);

/* Asks for events as application/cloudevents+json instead of MessagePack. Only within `open`. */
SAGA_API void saga_port_wants_json(saga_port *port);

/*
 * Says whether the other side can be reached; the text goes to the log. When it comes up, the
 * library sends kept frames again that saga_port_sent has not reported. Any thread.
 */
SAGA_API void saga_port_state(saga_port *port, bool up, const char *text);

/* Says that the plugin has freed everything and makes no more calls for this port. Loop thread. */
SAGA_API void saga_port_closed(saga_port *port);

/* Returns the loop, for transports built on libuv; NULL under the simulator. Loop thread. */
SAGA_API struct uv_loop_s *saga_port_loop(saga_port *port);

/* ======== stores ======== */

/*
 * A store is one connection to a database that speaks one of the library's dialects of SQL. It
 * knows nothing of sagas: the library brings the statements. Each lane opens its own connection and
 * calls all slots but `interrupt` from its own thread (with no lanes: the loop's). A slot may
 * block, unless its comment says otherwise, but not longer than timeout_ms: a connection that
 * cannot keep to it answers AWAY, or UNKNOWN from commit, and is closed.
 *
 * A store may be pipelined: in a transaction `begin`, `mark`, `back`, `require`, `run_counted` and
 * a `run` without a sink may answer SAGA_OK before the server has answered. If such a statement
 * fails, the statements behind it do not run, and the next slot that waits answers its code
 * instead: a `run` with a sink, or at the latest `commit`. So no result counts before that.
 */

typedef enum saga_dialect {
	SAGA_SQLITE = 1,
	SAGA_POSTGRESQL = 2,
	SAGA_TSQL = 3
} saga_dialect;

enum saga_store_traits {
	/*
	 * A `?` may stand for a SAGA_VALUE_SET, which a statement of its dialect reads as rows:
	 * PostgreSQL's `unnest(?::bigint[])`. Without this trait the library sends a statement for
	 * each row.
	 */
	SAGA_STORE_SETS = 1,
	/*
	 * The store speaks SAGA_SQLITE, but several transactions may go on at once: `begin` locks
	 * nothing, and an UPDATE locks its rows.
	 */
	SAGA_STORE_LOCKS_ROWS = 2
};

typedef struct saga_store_options {
	const char *url;
	int timeout_ms;  /* the longest that one slot may take */
	void *context;   /* the option store_context of saga_open */
} saga_store_options;

/*
 * One statement; each `?` stands for the next value. Without values it may be a script of several
 * statements, each ended by `;` (a schema); a script yields no rows.
 */
typedef struct saga_statement {
	const char *sql;
	const saga_value *values;
	size_t value_count;
} saga_statement;

/* Takes results. The store calls it; names and columns are borrowed until it returns. */
typedef struct saga_sink {
	/*
	 * Takes a row of statement i. If it does not return SAGA_OK, the store sends no more rows
	 * and `run` returns that code; the statements behind i may have run, or not.
	 */
	int (*row)(void *context, size_t i, const char *const *names, const saga_value *columns,
		size_t column_count);
	/* Statement i has ended and changed this many rows. */
	void (*done)(void *context, size_t i, int64_t changed);
	void *context;
} saga_sink;

typedef struct saga_store_ops {
	size_t size;
	const char *schemes;
	saga_dialect dialect;
	int writers;          /* connections that may write at once; 0: any number */

	/*
	 * Connects. On success *ret_store is the plugin's own. After AWAY, CONTENDED, FULL and
	 * NOMEM the library tries again; after MALFORMED (the URL) and UNSUPPORTED (the server) it
	 * does not.
	 */
	int (*open)(const saga_store_options *options, void **ret_store, saga_error *error);

	/*
	 * Runs statements in order, in one round trip if it can, and stops at the first that
	 * fails. `sink` NULL: nobody wants the rows. With a sink it waits for all answers, also
	 * those to earlier statements, and also if count is 0. Everything is borrowed until it
	 * returns, except the text of a statement with values, which is a constant of the program,
	 * so that a store may remember it by its address.
	 *
	 * CONTENDED (deadlock, serialization: the transaction is lost, replay it), REFUSED (the
	 * statement is wrong, or breaks a constraint), FULL, AWAY, NOMEM, DAMAGED (as AWAY, and
	 * somebody must look at the database). After a failure in a transaction only `back` and
	 * `rollback` follow. Outside a transaction each statement may be a transaction of its own,
	 * or the whole run may be one.
	 */
	int (*run)(void *store, const saga_statement *statements, size_t count, saga_sink *sink,
		saga_error *error);

	int (*begin)(void *store, saga_error *error);

	/*
	 * SAGA_OK: the transaction is durable. UNKNOWN: the commit was sent and no answer came; the
	 * library closes the connection and finds out by another one. Any other code: it is not
	 * committed. So a lost answer is never AWAY.
	 */
	int (*commit)(void *store, saga_error *error);

	/* Never fails: if the store cannot roll back, the next `begin` answers AWAY. */
	void (*rollback)(void *store);

	/* Set a savepoint, and roll back to it. There is one at a time; the next replaces it. */
	int (*mark)(void *store, saga_error *error);
	int (*back)(void *store, saga_error *error);

	/*
	 * Gives the savepoint up, if there is one; the statements since then stay. For a store
	 * whose savepoint costs something for as long as it stands. Optional.
	 */
	int (*release)(void *store, saga_error *error);

	/* Returns whether a transaction is open, as the connection itself knows. Must not block. */
	bool (*in_transaction)(void *store);

	/*
	 * Returns the handle for saga_native, after all answers have come; NULL: out of memory.
	 * Must not block. Optional.
	 */
	void *(*native)(void *store);

	/* Makes a slot on another thread return soon. Any thread; must not block. Optional. */
	void (*interrupt)(void *store);

	/* Closes the connection, also after AWAY and UNKNOWN. */
	void (*close)(void *store);

	unsigned traits; /* bits of enum saga_store_traits */

	/*
	 * In a transaction: runs a statement that must change or find a row, and returns before the
	 * answer. If there was no row, the next slot that waits answers REJECTED, at the latest
	 * `commit`, which then does not commit. The statements behind it may have run; only
	 * `rollback` follows. Only for a pipelined store; NULL: the library looks at the count.
	 */
	int (*require)(void *store, const saga_statement *statement, saga_error *error);

	/*
	 * In a transaction: runs a statement, and adds the number of rows that it changed to
	 * *changed when the answer comes: before `commit` or `rollback` returns, and not at all if
	 * the statement failed or the connection was lost. It may return before the answer.
	 * `changed` lives until then. Only for a pipelined store; NULL: the library asks by a sink.
	 */
	int (*run_counted)(void *store, const saga_statement *statement, int64_t *changed,
		saga_error *error);
} saga_store_ops;

/* ======== the settings of a URL ======== */

enum saga_url_kind {
	SAGA_URL_NUMBER = 1, /* an int64_t, from least to most; least is not below 0 */
	SAGA_URL_TEXT,       /* char[most + 1]: least to most bytes and a NUL */
	SAGA_URL_WORD        /* an int or an enum: which one of `words`, from 0 */
};

/* One setting that a URL may have: its key, what it may be, and which member gets it. */
typedef struct saga_url_setting {
	const char *key;
	enum saga_url_kind kind;
	int64_t least, most;
	size_t offset;     /* of the member, in the struct that is read into */
	const char *words; /* separated by a space */
} saga_url_setting;

/*
 * Reads the settings behind the first `?` of a URL, KEY=VALUE joined by `&` and percent-encoded, by
 * a table that ends with a key of NULL and has at most 63 others. A member whose setting the URL
 * lacks keeps its value, the default. `of` begins the error, which names the key, the value and
 * what is wanted, but no secret (see saga_redact). After a failure some members may have been
 * written.
 *
 * A key that the table lacks is an error, unless ret_rest is not NULL: for a driver that reads
 * settings of its own it then gets the URL without those in the table, and has as much room as the
 * URL. MALFORMED. Any thread.
 */
SAGA_API int saga_url_settings(const char *of, const char *url, const saga_url_setting *settings,
	void *into, char *ret_rest, saga_error *error);

/*
 * Takes the percent-encoding out of `size` bytes; they and a NUL go `to` where there is room, which
 * may be `text` itself. MALFORMED: a `%` without two hex digits behind it, or %00; TOO_BIG. Any
 * thread.
 */
SAGA_API int saga_url_decode(const char *text, size_t size, char *to, size_t room);

/*
 * Returns whether `size` bytes are digits that make a number from least (not below 0) to most, such
 * as a port. Any thread.
 */
SAGA_API bool saga_url_number(
	const char *text, size_t size, int64_t least, int64_t most, int64_t *ret_number);

/* ======== what an error may say ======== */

/*
 * Replaces the secrets of a URL in a text by `***`: the password or token before the `@`, and the
 * values of keys such as `password`; as the URL has them, decoded, and in the pieces that a parser
 * makes of a wrong URL. The text ends with a NUL within its buffer of `size` bytes. A plugin calls
 * it on a message of a library before that becomes an error or a state; saga_open and the log call
 * it once more. NULL for a URL is fine. Any thread.
 */
SAGA_API void saga_redact(const char *url, char *text, size_t size);

/*
 * Returns the built-in store of a scheme ("sqlite"), so that a plugin can wrap it; NULL if this
 * build lacks it. Any thread.
 */
SAGA_API const saga_store_ops *saga_store_builtin(const char *scheme);

SAGA_END

#endif
