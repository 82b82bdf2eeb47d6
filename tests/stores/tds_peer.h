#ifndef TDS_PEER_H
#define TDS_PEER_H

/*
 * A peer that speaks as much TDS 7.4 as the driver's client library asks for, from a script: what
 * it answers to which message, and where it stalls or hangs up. It knows no SQL: what runs against
 * it tests the driver's behaviour, not SQL Server's.
 */

#include <stddef.h>
#include <stdint.h>

enum {
	TDS_PRELOGIN,
	TDS_LOGIN,
	TDS_SETTINGS, /* the driver's; what the client library may set up before is not counted */
	TDS_JSON,     /* the driver's: whether the database knows JSON */
	TDS_FIRST     /* the first message of a test's own */
};

enum tds_act {
	TDS_ANSWER,
	TDS_STALL,   /* no answer, the connection stays */
	TDS_CUT,     /* hangs up instead of an answer */
	TDS_HALF,    /* hangs up in the middle of the answer */
	TDS_ENDLESS, /* rows, again and again */
	TDS_NUMBER,  /* a row, in it `number` */
	TDS_TEXT,    /* a row, in it `text` */
	TDS_FAIL,    /* an error, and the end of the request as the driver wrote it */
	TDS_ABORT    /* an error, and nothing behind it */
};

struct tds_line {
	int message; /* which one of a connection; 0 also ends the script */
	enum tds_act act;
	int number, severity; /* of an error */
	int state;            /* XACT_STATE() from then on */
	const char *text;     /* of the error, NULL: some; or of the row */
};

struct tds_peer;

/* Listens on 127.0.0.1. The script is borrowed; NULL: answers all. */
struct tds_peer *tds_peer_start(const struct tds_line *script, size_t count);
void tds_peer_stop(struct tds_peer *peer);

int tds_peer_port(const struct tds_peer *peer);
/* Messages of all connections so far. */
int tds_peer_messages(struct tds_peer *peer);
/* Whether ASCII text was in a message, as UTF-16 (SQL), and as bytes (a parameter). */
int tds_peer_saw_sql(struct tds_peer *peer, const char *text);
int tds_peer_saw_bytes(struct tds_peer *peer, const char *text);

#endif
