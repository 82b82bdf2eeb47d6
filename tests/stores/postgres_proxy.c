#include "postgres_proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in here(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static bool pass(int from, int to)
{
	char bytes[16384];
	ssize_t size = read(from, bytes, sizeof bytes);

	for (ssize_t at = 0, part; at < size; at += part)
		if ((part = write(to, bytes + at, (size_t)(size - at))) <= 0)
			return false;
	return size > 0;
}

static void *forward(void *context)
{
	struct proxy *p = context;
	struct sockaddr_in to = here(p->server_port);
	bool server_spoke = true, goes_on;

	p->client = accept(p->listener, NULL, NULL);
	p->server = socket(AF_INET, SOCK_STREAM, 0);
	goes_on = connect(p->server, (struct sockaddr *)&to, sizeof to) == 0;
	while (goes_on && !atomic_load(&p->ends)) {
		struct pollfd fds[] = { { .fd = p->client, .events = POLLIN },
			{ .fd = p->server, .events = POLLIN } };

		if (atomic_load(&p->stalls)) {
			(void)poll(NULL, 0, 5);
			continue;
		}
		(void)poll(fds, 2, 5);
		if (fds[1].revents && atomic_load(&p->loses_answers))
			break;
		if (fds[1].revents) {
			server_spoke = true;
			goes_on = pass(p->server, p->client);
		}
		if (goes_on && fds[0].revents) {
			atomic_fetch_add(&p->turns, server_spoke);
			server_spoke = false;
			goes_on = pass(p->client, p->server);
		}
	}
	(void)close(p->client);
	(void)close(p->server);
	return NULL;
}

void proxy_start(struct proxy *p, int server_port)
{
	struct sockaddr_in at = here(0);
	socklen_t size = sizeof at;

	p->server_port = server_port;
	atomic_init(&p->ends, false);
	atomic_init(&p->stalls, false);
	atomic_init(&p->loses_answers, false);
	atomic_init(&p->turns, 0);
	p->listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(p->listener, 0);
	ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(p->listener, 1), 0);
	ck_assert_int_eq(getsockname(p->listener, (struct sockaddr *)&at, &size), 0);
	p->port = ntohs(at.sin_port);
	ck_assert_int_eq(pthread_create(&p->thread, NULL, forward, p), 0);
}

void proxy_stop(struct proxy *p)
{
	atomic_store(&p->ends, true);
	(void)shutdown(p->listener, SHUT_RDWR);
	(void)pthread_join(p->thread, NULL);
	(void)close(p->listener);
}
