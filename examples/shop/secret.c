#include "secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *program, const char *given, const char *why)
{
	fprintf(stderr, "%s: `%s`: %s\n", program, given, why);
	return -1;
}

static int read_line(const char *program, const char *given, char *buffer, size_t size)
{
	FILE *file = fopen(given + 1, "r");
	size_t length;
	int code = 0;

	if (!file)
		return refuse(program, given, strerror(errno));
	errno = 0;
	if (!fgets(buffer, (int)size, file)) {
		code = refuse(program, given, errno ? strerror(errno) : "it is empty");
	} else {
		length = strcspn(buffer, "\r\n");
		if (length == 0)
			code = refuse(program, given, "its first line is empty");
		else if (length == size - 1)
			code = refuse(program, given, "its first line is too long");
		buffer[length] = '\0';
	}
	fclose(file);
	return code;
}

int secret_read(const char *program, const char *given, char *buffer, size_t size)
{
	if (*given == '@')
		return read_line(program, given, buffer, size);
	if ((size_t)snprintf(buffer, size, "%s", given) < size)
		return 0;
	fprintf(stderr, "%s: a text of more than %zu bytes\n", program, size - 1); /* a secret */
	return -1;
}
