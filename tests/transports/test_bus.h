#ifndef TEST_BUS_H
#define TEST_BUS_H

/* `saga bus` processes, at places that nobody else has: SAGA_TOOL names the command. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	BUS_URL = 512
};

struct test_bus {
	pid_t pid;         /* 0: does not run */
	int says;          /* its stderr; -1: none */
	char url[BUS_URL]; /* a participant's */
	char in[128];      /* the bus's own */
	char out[128];
	char said[1024];
};

/*
 * Before anything else, in a process that has no nng yet: makes the directory for sockets and
 * certificates, and answers why not: a reason to skip. scheme: "nng+ipc", "nng+tcp", "nng+tls+tcp".
 */
const char *buses_prepare(const char *scheme);
void buses_end(void);

/* "…/ca.pem" of those that buses_prepare made: ca, bus, member; other-ca, other (of that). */
void bus_file(char *path, size_t size, const char *name);

/* The URL of one who shows that certificate, and trusts that authority. */
void bus_url_as(const struct test_bus *bus, char *url, const char *certificate, const char *ca);

/* A bus at a fresh place; abort()s when it does not come up. */
void bus_start(struct test_bus *bus);
/* Only a place, at which there is none yet. */
void bus_place(struct test_bus *bus);
/* At its place, again; false: it ended at once. */
bool bus_try(struct test_bus *bus, const char *settings);
/* abort()s when it does. */
void bus_run(struct test_bus *bus, const char *settings);
void bus_kill(struct test_bus *bus);
/* SIGTERM; answers its exit code. What it said at its end is in `said`. */
int bus_stop(struct test_bus *bus);

/* The port of tcp://…:PORT in its in or out; the path of ipc. */
int bus_port(const char *url);

#endif
