#include "client.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	TIMEOUT_S = 15
};

int client_init(struct client *client, const char *url, const char *token)
{
	static const char scheme[] = "http://";
	const char *host = url + sizeof scheme - 1, *end, *port;
	size_t size;

	*client = (struct client){ .token = token, .fd = -1, .port = "80" };
	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return -1;
	end = host + strcspn(host, "/");
	if (end[0] && end[1])
		return -1;
	port = host[0] == '[' ? strchr(host, ']') : host;
	port = port ? strchr(port, ':') : NULL;
	if (port && port < end) {
		if (end - port < 2 || end - port > 6)
			return -1;
		snprintf(
			client->port, sizeof client->port, "%.*s", (int)(end - port - 1), port + 1);
		end = port;
	}
	if (*host == '[' && end[-1] == ']') {
		host++;
		end--;
	}
	size = (size_t)(end - host);
	if (!size || size >= sizeof client->host)
		return -1;
	memcpy(client->host, host, size);
	return 0;
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static int connect_to(struct client *client)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(client->host, client->port, &hints, &found) != 0)
		return -1;
	for (struct addrinfo *at = found; at && client->fd < 0; at = at->ai_next) {
		client->fd = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
		if (client->fd < 0)
			continue;
		setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
		setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
		if (connect(client->fd, at->ai_addr, at->ai_addrlen) != 0)
			client_close(client);
	}
	freeaddrinfo(found);
	return client->fd < 0 ? -1 : 0;
}

static int send_all(struct client *client, const char *text, size_t size)
{
	while (size) {
		ssize_t sent = send(client->fd, text, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return -1;
		text += sent;
		size -= (size_t)sent;
	}
	return 0;
}

/* ---- the reply ---- */

struct reply {
	char *text; /* as it comes, ended by NUL */
	size_t size, room;
};

/* More of it. -1: there is no more, or too much. */
static int read_more(struct client *client, struct reply *reply)
{
	ssize_t came;

	if (reply->room - reply->size < 4096) {
		size_t room = reply->room ? 2 * reply->room : 16384;
		char *more = room <= 2 * CLIENT_REPLY_MOST ? realloc(reply->text, room) : NULL;

		if (!more)
			return -1;
		reply->text = more;
		reply->room = room;
	}
	came = recv(client->fd, reply->text + reply->size, reply->room - reply->size - 1, 0);
	if (came <= 0)
		return -1;
	reply->size += (size_t)came;
	reply->text[reply->size] = '\0';
	return 0;
}

/* Within the head; NULL: it has none of that name. */
static const char *header(const char *head, const char *name)
{
	size_t size = strlen(name);

	while ((head = strstr(head, "\r\n")) && strncmp(head, "\r\n\r\n", 4) != 0) {
		head += 2;
		if (strncasecmp(head, name, size) == 0 && head[size] == ':')
			return head + size + 1 + strspn(head + size + 1, " ");
	}
	return NULL;
}

static int read_reply(struct client *client, struct reply *reply, json_t **ret_json)
{
	const char *body = NULL, *length, *connection;
	size_t head = 0, size;
	int status;

	while (!body) {
		if (read_more(client, reply) != 0)
			return -1;
		body = strstr(reply->text, "\r\n\r\n");
	}
	head = (size_t)(body - reply->text) + 4;
	length = header(reply->text, "Content-Length");
	size = length ? strtoul(length, NULL, 10) : 0;
	status = strncmp(reply->text, "HTTP/1.", 7) == 0 && reply->text[8] == ' '
		? (int)strtol(reply->text + 9, NULL, 10)
		: -1;
	if (status < 200 || size > CLIENT_REPLY_MOST)
		return -1;
	while (reply->size < head + size)
		if (read_more(client, reply) != 0)
			return -1;
	*ret_json = json_loadb(reply->text + head, size, 0, NULL);
	connection = header(reply->text, "Connection");
	if (connection && strncasecmp(connection, "close", 5) == 0)
		client_close(client);
	return status;
}

/* ---- asking ---- */

static int send_request(struct client *client, const char *method, const char *path,
	const char *key, const char *body)
{
	char head[2048];
	size_t length = body ? strlen(body) : 0;
	int size = snprintf(head, sizeof head,
		"%s %s HTTP/1.1\r\nHost: %s:%s\r\n%s%s%s%s%s%s%sContent-Length: %zu\r\n\r\n",
		method, path, client->host, client->port,
		client->token ? "Authorization: Bearer " : "", client->token ? client->token : "",
		client->token ? "\r\n" : "", key ? "Idempotency-Key: " : "", key ? key : "",
		key ? "\r\n" : "", body ? "Content-Type: application/json\r\n" : "", length);

	if (size < 0 || (size_t)size >= sizeof head)
		return -1;
	if (send_all(client, head, (size_t)size) != 0)
		return -1;
	return body ? send_all(client, body, length) : 0;
}

int client_ask(struct client *client, const char *method, const char *path, const char *key,
	const char *body, json_t **ret_json)
{
	struct reply reply = { .text = NULL };
	int status = -1;

	*ret_json = NULL;
	if (client->fd >= 0 || connect_to(client) == 0) {
		if (send_request(client, method, path, key, body) == 0)
			status = read_reply(client, &reply, ret_json);
		if (status < 0)
			client_close(client);
	}
	free(reply.text);
	return status;
}

int client_escape(const char *text, char *buffer, size_t size)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t at = 0;

	for (; *text; text++) {
		if (at + 4 > size)
			return -1;
		if (strchr(plain, *text))
			buffer[at++] = *text;
		else
			at += (size_t)snprintf(
				buffer + at, size - at, "%%%02X", (unsigned)(unsigned char)*text);
	}
	buffer[at] = '\0';
	return 0;
}
