#include <saga/saga.h>

#include <stdarg.h>

#include "event/utf8.h"

#define SAGA__STRING(x) SAGA__STRING_(x)
#define SAGA__STRING_(x) #x

const char *saga_version(void)
{
	return SAGA__STRING(SAGA_VERSION_MAJOR) "." SAGA__STRING(
		SAGA_VERSION_MINOR) "." SAGA__STRING(SAGA_VERSION_PATCH);
}

static const struct {
	int code;
	int status;
	const char *name;
	const char *text;
} codes[] = { { SAGA_OK, 200, "OK", "done" },
#define SAGA__ROW(name_, value_, status_, text_) { value_, status_, #name_, text_ },
	SAGA_CODES(SAGA__ROW)
#undef SAGA__ROW
};

/* Values run from 0 downwards without a hole; the unit tests hold them to it. */
static size_t row_of(int code)
{
	return code <= 0 && -code < (int)(sizeof codes / sizeof codes[0]) ? (size_t)-code
									  : SIZE_MAX;
}

const char *saga_code_name(int code)
{
	size_t row = row_of(code);

	return row == SIZE_MAX ? "?" : codes[row].name;
}

const char *saga_code_text(int code)
{
	size_t row = row_of(code);

	return row == SIZE_MAX ? "no such code" : codes[row].text;
}

int saga_code_http(int code)
{
	size_t row = row_of(code);

	return row == SIZE_MAX ? 500 : codes[row].status;
}

int saga_error_set(saga_error *error, int code, const char *format, ...)
{
	if (error) {
		va_list list;

		error->code = code;
		va_start(list, format);
		saga__vsay(error->text, sizeof error->text, format, list);
		va_end(list);
	}
	return code;
}
