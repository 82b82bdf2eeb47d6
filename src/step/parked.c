#include "parked.h"

#include <string.h>

static const char *const names[SAGA__PARKED_KINDS] = {
	"",
	"retry",
	"call",
	"behind",
	"schedule",
	"held",
	"letter",
};

const char *saga__parked_kind_name(enum saga__parked_kind kind)
{
	return kind < SAGA__PARKED_KINDS ? names[kind] : "";
}

enum saga__parked_kind saga__parked_kind_of(const char *name)
{
	for (int i = 1; i < SAGA__PARKED_KINDS; i++)
		if (strcmp(names[i], name) == 0)
			return (enum saga__parked_kind)i;
	return SAGA__NOT_PARKED;
}
