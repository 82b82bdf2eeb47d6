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

const char *saga__parked_kind_name(int kind)
{
	return kind > 0 && kind < SAGA__PARKED_KINDS ? names[kind] : "";
}

int saga__parked_kind_of(const char *name)
{
	for (int i = 1; i < SAGA__PARKED_KINDS; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return 0;
}
