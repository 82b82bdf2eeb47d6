#include "secret.h"

#include "complain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *program, const char *given, const char *why)
{
	complain("%s: `%s`: %s", program, given, why);
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
	if (*given == '@') {
		if (read_line(program, given, buffer, size) != 0)
			return -1;
		complain_hides(buffer);
		return 0;
	}
	if ((size_t)snprintf(buffer, size, "%s", given) < size)
		return 0;
	complain("%s: a text of more than %zu bytes", program, size - 1); /* a secret */
	return -1;
}
