#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

static void run(struct said *said, const char *command)
{
	FILE *out = popen(command, "r");
	size_t length;
	int status;

	ck_assert_ptr_nonnull(out);
	length = fread(said->text, 1, sizeof said->text - 1, out);
	said->text[length] = '\0';
	status = pclose(out);
	ck_assert_msg(WIFEXITED(status), "%s: ended with status %d", command, status);
	said->code = WEXITSTATUS(status);
}

static const char *program(void)
{
	const char *name = getenv("SAGA_TOOL");

	ck_assert_msg(name != NULL, "SAGA_TOOL must name the saga command");
	return name;
}

struct said tool(const char *words, ...)
{
	char command[2048];
	struct said said;
	int length = snprintf(command, sizeof command, "exec 2>&1; exec '%s' ", program());
	va_list list;

	va_start(list, words);
	vsnprintf(command + length, sizeof command - (size_t)length, words, list);
	va_end(list);
	run(&said, command);
	return said;
}

struct said tool_at(struct stage *stage, const char *words, ...)
{
	char text[1536];
	va_list list;

	va_start(list, words);
	vsnprintf(text, sizeof text, words, list);
	va_end(list);
	return tool("%s --store sqlite:%s/target.db", text, stage->dir);
}

void check_said(const struct said *said, int code, const char *part, const char *file, int line)
{
	ck_assert_msg(said->code == code, "%s:%d: exited %d, not %d:\n%s", file, line, said->code,
		code, said->text);
	ck_assert_msg(strstr(said->text, part) != NULL, "%s:%d: does not say `%s`:\n%s", file, line,
		part, said->text);
}

const char *only_row(struct stage *stage, const char *kind, char id[SAGA_ID_TEXT])
{
	struct said said = tool_at(stage, "dead list --json --kind %s", kind);
	const char *line;

	CHECK_SAID(&said, 0, "{\"id\":\"");
	line = strstr(said.text, "{\"id\":\"");
	ck_assert_msg(!strstr(line + 1, "{\"id\":\""), "several rows: %s", said.text);
	snprintf(id, SAGA_ID_TEXT, "%.36s", line + 7);
	return id;
}

bool carried_out(struct stage *stage)
{
	return sql_int(stage, "SELECT COUNT(*) FROM saga_parked WHERE command IS NOT NULL", NULL,
		       NULL) == 0;
}
