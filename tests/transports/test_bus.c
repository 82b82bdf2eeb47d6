#define _GNU_SOURCE /* mkdtemp, prctl */

#include "test_bus.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];
static const char *scheme;
static int places; /* in this process; those forked from it have names of their own by their pid */

static void give_up(const char *why)
{
	(void)fprintf(stderr, "test bus: %s\n", why);
	abort();
}

/* ---- certificates ---- */

void bus_file(char *path, size_t size, const char *name)
{
	(void)snprintf(path, size, "%s/%s.pem", directory, name);
}

static bool shell(const char *command)
{
	char whole[1024];

	(void)snprintf(whole, sizeof whole, "cd %s && { %s; } >said 2>&1", directory, command);
	return system(whole) == 0;
}

static bool make_authority(const char *name)
{
	char command[512];

	(void)snprintf(command, sizeof command,
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		"-subj /CN=%s -keyout %s.key.pem -out %s.pem",
		name, name, name);
	return shell(command);
}

static bool make_certificate(const char *name, const char *authority)
{
	char command[768];

	(void)snprintf(command, sizeof command,
		"openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s "
		"-keyout %s.key.pem -out %s.csr && openssl x509 -req -days 2 -in %s.csr "
		"-CA %s.pem -CAkey %s.key.pem -CAcreateserial -out %s.pem",
		name, name, name, name, authority, authority, name);
	return shell(command);
}

static const char *make_certificates(void)
{
	if (!shell("openssl version"))
		return "openssl is not installed: no certificates";
	return make_authority("ca") && make_authority("other-ca") &&
			make_certificate("bus", "ca") && make_certificate("member", "ca") &&
			make_certificate("other", "other-ca")
		? NULL
		: "openssl makes no certificates";
}

/* ---- the directory ---- */

const char *buses_prepare(const char *wanted)
{
	scheme = wanted;
	if (!getenv("SAGA_TOOL"))
		return "SAGA_TOOL does not name the saga command";
	strcpy(directory, "/tmp/saga-bus-XXXXXX");
	if (!mkdtemp(directory))
		give_up("no directory");
	return strcmp(scheme, "nng+tls+tcp") == 0 ? make_certificates() : NULL;
}

void buses_end(void)
{
	DIR *dir = directory[0] ? opendir(directory) : NULL;

	if (!dir)
		return;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
	(void)rmdir(directory);
}

/* ---- places ---- */

static int free_port(int *ret_socket)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		give_up("no free port");
	*ret_socket = fd;
	return ntohs(address.sin_port);
}

static void two_free_ports(int ports[2])
{
	int sockets[2];

	for (int i = 0; i < 2; i++)
		ports[i] = free_port(&sockets[i]);
	for (int i = 0; i < 2; i++)
		(void)close(sockets[i]);
}

static void tls_settings(char *text, size_t size, const char *certificate, const char *ca)
{
	(void)snprintf(text, size, "ca=%s/%s.pem&cert=%s/%s.pem&key=%s/%s.key.pem", directory, ca,
		directory, certificate, directory, certificate);
}

void bus_url_as(const struct test_bus *bus, char *url, const char *certificate, const char *ca)
{
	char settings[300];

	tls_settings(settings, sizeof settings, certificate, ca);
	(void)snprintf(url, BUS_URL, "%s://127.0.0.1:%d?out=%d&name=bus&%s", scheme,
		bus_port(bus->in), bus_port(bus->out), settings);
}

void bus_place(struct test_bus *bus)
{
	int ports[2] = { 0, 0 };

	*bus = (struct test_bus){ .says = -1 };
	if (strcmp(scheme, "nng+ipc") == 0) {
		(void)snprintf(bus->in, sizeof bus->in, "nng+ipc://%s/%d-%d", directory,
			(int)getpid(), places++);
		(void)snprintf(bus->url, sizeof bus->url, "%s", bus->in);
		return; /* its out is the default */
	}
	two_free_ports(ports);
	(void)snprintf(bus->in, sizeof bus->in, "%s://127.0.0.1:%d", scheme, ports[0]);
	(void)snprintf(bus->out, sizeof bus->out, "%s://127.0.0.1:%d", scheme, ports[1]);
	if (strcmp(scheme, "nng+tls+tcp") == 0)
		bus_url_as(bus, bus->url, "member", "ca");
	else
		(void)snprintf(bus->url, sizeof bus->url, "%s?out=%d", bus->in, ports[1]);
}

int bus_port(const char *url)
{
	return atoi(strrchr(url, ':') + 1);
}

/* ---- processes ---- */

static void exec_bus(const struct test_bus *bus, const char *settings, int says)
{
	char in[2 * BUS_URL], out[2 * BUS_URL], tls[300];
	const char *tool = getenv("SAGA_TOOL");

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it is not to outlive a test that crashes */
	(void)dup2(says, STDERR_FILENO);
	if (strcmp(scheme, "nng+tls+tcp") == 0)
		tls_settings(tls, sizeof tls, "bus", "ca");
	else
		(void)snprintf(tls, sizeof tls, "reconnect=1000");
	(void)snprintf(in, sizeof in, "%s?%s%s", bus->in, tls, settings);
	(void)snprintf(out, sizeof out, "%s?%s%s", bus->out, tls, settings);
	if (bus->out[0])
		(void)execl(tool, tool, "bus", "--in", in, "--out", out, (char *)NULL);
	else
		(void)execl(tool, tool, "bus", "--in", in, (char *)NULL);
	_exit(127);
}

/* Its first line, when it listens; nothing: it ended. */
static bool has_come_up(struct test_bus *bus)
{
	char line[512];
	ssize_t size = read(bus->says, line, sizeof line - 1);

	line[size > 0 ? size : 0] = '\0';
	if (strncmp(line, "saga bus: from", 14) == 0)
		return true;
	(void)fprintf(stderr, "test bus: %s\n", line);
	return false;
}

bool bus_try(struct test_bus *bus, const char *settings)
{
	int ends[2];

	if (pipe(ends) != 0)
		give_up("no pipe");
	bus->pid = fork();
	if (bus->pid < 0)
		give_up("no process");
	if (bus->pid == 0)
		exec_bus(bus, settings, ends[1]);
	(void)close(ends[1]);
	bus->says = ends[0];
	if (has_come_up(bus))
		return true;
	bus_kill(bus);
	return false;
}

void bus_run(struct test_bus *bus, const char *settings)
{
	if (!bus_try(bus, settings))
		give_up("the bus does not come up");
}

void bus_start(struct test_bus *bus)
{
	for (int i = 0; i < 10; i++) {
		bus_place(bus);
		if (bus_try(bus, ""))
			return;
	}
	give_up("the bus does not come up");
}

static int end(struct test_bus *bus, int signal)
{
	int status = 0;
	ssize_t size;

	if (!bus->pid)
		return -1;
	(void)kill(bus->pid, signal);
	if (waitpid(bus->pid, &status, 0) != bus->pid)
		give_up("the bus is nobody's child");
	size = read(bus->says, bus->said, sizeof bus->said - 1);
	bus->said[size > 0 ? size : 0] = '\0';
	(void)close(bus->says);
	bus->says = -1;
	bus->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void bus_kill(struct test_bus *bus)
{
	(void)end(bus, SIGKILL);
}

int bus_stop(struct test_bus *bus)
{
	return end(bus, SIGTERM);
}
