#include "sqlite_values.h"

int saga__sqlite_bind(sqlite3_stmt *prepared, int at, const saga_value *value)
{
	/* SQLite takes a null pointer for an SQL NULL, whatever the size. */
	const void *start = value->as.bytes.at ? value->as.bytes.at : "";

	switch (value->kind) {
	case SAGA_VALUE_NULL:
		return sqlite3_bind_null(prepared, at);
	case SAGA_VALUE_INT64:
		return sqlite3_bind_int64(prepared, at, value->as.int64);
	case SAGA_VALUE_BOOL:
		return sqlite3_bind_int(prepared, at, value->as.boolean);
	case SAGA_VALUE_TEXT:
		return sqlite3_bind_text64(
			prepared, at, start, value->as.bytes.size, SQLITE_STATIC, SQLITE_UTF8);
	case SAGA_VALUE_BYTES:
		return sqlite3_bind_blob64(
			prepared, at, start, value->as.bytes.size, SQLITE_STATIC);
	case SAGA_VALUE_ID:
		return sqlite3_bind_blob(
			prepared, at, value->as.id.bytes, sizeof value->as.id, SQLITE_STATIC);
	default:
		return SQLITE_MISMATCH;
	}
}

int saga__sqlite_column(sqlite3_stmt *prepared, int i, saga_value *ret_value)
{
	const void *start;

	switch (sqlite3_column_type(prepared, i)) {
	case SQLITE_INTEGER:
		ret_value->kind = SAGA_VALUE_INT64;
		ret_value->as.int64 = sqlite3_column_int64(prepared, i);
		return SAGA_OK;
	case SQLITE_NULL:
		ret_value->kind = SAGA_VALUE_NULL;
		return SAGA_OK;
	case SQLITE_TEXT:
		ret_value->kind = SAGA_VALUE_TEXT;
		start = sqlite3_column_text(prepared, i);
		if (!start)
			return SAGA_NOMEM;
		break;
	case SQLITE_BLOB:
		ret_value->kind = SAGA_VALUE_BYTES;
		start = sqlite3_column_blob(prepared, i); /* NULL if it is empty */
		break;
	default:
		return SAGA_REFUSED;
	}
	ret_value->as.bytes.at = start ? start : "";
	ret_value->as.bytes.size = (size_t)sqlite3_column_bytes(prepared, i);
	return SAGA_OK;
}
