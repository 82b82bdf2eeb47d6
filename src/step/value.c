#include <saga/step.h>

#include <string.h>

saga_value saga_null(void)
{
	return (saga_value){ .kind = SAGA_VALUE_NULL };
}

saga_value saga_int64(int64_t value)
{
	return (saga_value){ .kind = SAGA_VALUE_INT64, .as.int64 = value };
}

/* A value that no int64 holds gets a kind that every store refuses. */
saga_value saga_uint64(uint64_t value)
{
	return value <= INT64_MAX ? saga_int64((int64_t)value)
				  : (saga_value){ .kind = SAGA_VALUE_END };
}

saga_value saga_bool(bool value)
{
	return (saga_value){ .kind = SAGA_VALUE_BOOL, .as.boolean = value };
}

saga_value saga_text(const char *text)
{
	if (!text)
		return saga_null();
	return (saga_value){ .kind = SAGA_VALUE_TEXT, .as.bytes = { text, strlen(text) } };
}

saga_value saga_blob(saga_bytes bytes)
{
	if (!bytes.at)
		return saga_null();
	return (saga_value){ .kind = SAGA_VALUE_BYTES, .as.bytes = bytes };
}

saga_value saga_uuid(saga_id id)
{
	return (saga_value){ .kind = SAGA_VALUE_ID, .as.id = id };
}

saga_value saga_same(saga_value value)
{
	return value;
}
