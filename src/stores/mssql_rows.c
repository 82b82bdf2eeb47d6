#include "mssql_rows.h"
#include "mssql_text.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct saga__mssql_rows *rows, size_t count)
{
	struct saga__mssql_column *columns = calloc(count, sizeof *columns);
	saga_value *values = calloc(count, sizeof *values);
	const char **names = calloc(count, sizeof(char *));

	if (!columns || !values || !names) {
		free(columns);
		free(values);
		free(names);
		return false;
	}
	free(rows->columns);
	free(rows->values);
	free(rows->names);
	rows->columns = columns;
	rows->values = values;
	rows->names = names;
	rows->room = count;
	return true;
}

int saga__mssql_rows_describe(struct saga__mssql_rows *rows, struct saga__mssql_link *link)
{
	CS_INT count = 0;

	if (ct_res_info(link->command, CS_NUMDATA, &count, CS_UNUSED, NULL) != CS_SUCCEED) {
		link->dead = true;
		return SAGA_AWAY;
	}
	if ((size_t)count > rows->room && !make_room(rows, (size_t)count))
		return SAGA_NOMEM;
	rows->count = (size_t)count;
	for (CS_INT i = 0; i < count; i++) {
		struct saga__mssql_column *column = &rows->columns[i];
		CS_DATAFMT format = { .namelen = 0 };

		if (ct_describe(link->command, i + 1, &format) != CS_SUCCEED) {
			link->dead = true;
			return SAGA_AWAY;
		}
		column->type = format.datatype;
		memcpy(column->name, format.name, sizeof format.name);
		column->name[sizeof column->name - 1] = '\0';
		rows->names[i] = column->name;
	}
	return SAGA_OK;
}

static bool make_bytes(struct saga__mssql_rows *rows, size_t more)
{
	size_t room = 2 * rows->bytes_room + more;
	char *bytes;

	if (rows->bytes && rows->bytes_used + more <= rows->bytes_room)
		return true;
	if (!(bytes = realloc(rows->bytes, room + 1)))
		return false;
	rows->bytes = bytes;
	rows->bytes_room = room;
	return true;
}

/*
 * ct_bind wants to know sizes before it sees the row, and ct_get_data does not tell a NULL from
 * what is empty. But it leaves behind how long the column is, and a NULL is then shorter than
 * nothing. The bytes are those of the client's type, and are in rows->bytes from *ret_at.
 */
static int get(struct saga__mssql_rows *rows, struct saga__mssql_link *link, size_t i,
	size_t *ret_at, CS_INT *ret_size)
{
	CS_IODESC about = { .namelen = 0 };
	CS_INT got = 0, item = (CS_INT)i + 1;

	if (!make_bytes(rows, 0))
		return SAGA_NOMEM;
	if (ct_get_data(link->command, item, rows->bytes, 0, &got) == CS_FAIL ||
		ct_data_info(link->command, CS_GET, item, &about) != CS_SUCCEED) {
		link->dead = true;
		return SAGA_AWAY;
	}
	*ret_at = rows->bytes_used;
	*ret_size = about.total_txtlen;
	if (about.total_txtlen <= 0)
		return SAGA_OK;
	if (!make_bytes(rows, (size_t)about.total_txtlen))
		return SAGA_NOMEM;
	if (ct_get_data(link->command, item, rows->bytes + rows->bytes_used, about.total_txtlen,
		    &got) == CS_FAIL ||
		got != about.total_txtlen) {
		link->dead = true;
		return SAGA_AWAY;
	}
	rows->bytes_used += (size_t)got;
	return SAGA_OK;
}

static int64_t number_of(const char *at, CS_INT size)
{
	uint8_t tiny;
	int16_t small;
	int32_t number;
	int64_t big;

	switch (size) {
	case sizeof tiny:
		memcpy(&tiny, at, sizeof tiny);
		return tiny;
	case sizeof small:
		memcpy(&small, at, sizeof small);
		return small;
	case sizeof number:
		memcpy(&number, at, sizeof number);
		return number;
	default:
		memcpy(&big, at, sizeof big);
		return big;
	}
}

/* A sum, as a rule. What has a fraction, or is too large, is no value. */
static bool is_whole(struct saga__mssql_link *link, const char *at, int64_t *ret_number)
{
	CS_DATAFMT from = { .datatype = CS_NUMERIC_TYPE, .maxlength = sizeof(CS_NUMERIC) };
	CS_DATAFMT to = { .datatype = CS_BIGINT_TYPE, .maxlength = sizeof *ret_number };
	CS_NUMERIC numeric;
	CS_INT size;

	memcpy(&numeric, at, sizeof numeric);
	return numeric.scale == 0 &&
		cs_convert(link->context, &from, &numeric, &to, ret_number, &size) == CS_SUCCEED;
}

/* Where a text's and a blob's bytes are follows with the row's end: until then they may move. */
static int take(struct saga__mssql_rows *rows, struct saga__mssql_link *link, size_t i)
{
	saga_value *value = &rows->values[i];
	CS_INT size = 0;
	size_t at = 0;
	int code = get(rows, link, i, &at, &size);

	if (code != SAGA_OK)
		return code;
	rows->columns[i].at = at;
	*value = (saga_value){ .kind = SAGA_VALUE_NULL };
	if (size < 0)
		return SAGA_OK;
	switch (rows->columns[i].type) {
	case CS_BIT_TYPE:
		*value = saga_bool(rows->bytes[at] != 0);
		return SAGA_OK;
	case CS_TINYINT_TYPE:
	case CS_SMALLINT_TYPE:
	case CS_INT_TYPE:
	case CS_BIGINT_TYPE:
		*value = saga_int64(number_of(rows->bytes + at, size));
		return SAGA_OK;
	case CS_NUMERIC_TYPE:
	case CS_DECIMAL_TYPE:
		value->kind = SAGA_VALUE_INT64;
		return size == sizeof(CS_NUMERIC) &&
				is_whole(link, rows->bytes + at, &value->as.int64)
			? SAGA_OK
			: SAGA_REFUSED;
	case CS_CHAR_TYPE:
	case CS_VARCHAR_TYPE:
	case CS_LONGCHAR_TYPE:
	case CS_TEXT_TYPE:
		value->kind = SAGA_VALUE_TEXT;
		value->as.bytes.size = saga__mssql_unguarded(rows->bytes + at, (size_t)size);
		return SAGA_OK;
	case CS_BINARY_TYPE:
	case CS_VARBINARY_TYPE:
	case CS_LONGBINARY_TYPE:
	case CS_IMAGE_TYPE:
		value->kind = SAGA_VALUE_BYTES;
		value->as.bytes.size = (size_t)size;
		return SAGA_OK;
	default:
		return SAGA_REFUSED;
	}
}

int saga__mssql_rows_read(
	struct saga__mssql_rows *rows, struct saga__mssql_link *link, const char **ret_column)
{
	rows->bytes_used = 0;
	for (size_t i = 0; i < rows->count; i++) {
		int code = take(rows, link, i);

		if (code != SAGA_OK) {
			*ret_column = rows->names[i];
			return code;
		}
	}
	for (size_t i = 0; i < rows->count; i++)
		if (rows->values[i].kind == SAGA_VALUE_TEXT ||
			rows->values[i].kind == SAGA_VALUE_BYTES)
			rows->values[i].as.bytes.at = rows->bytes + rows->columns[i].at;
	return SAGA_OK;
}

void saga__mssql_rows_free(struct saga__mssql_rows *rows)
{
	free(rows->columns);
	free(rows->values);
	free(rows->names);
	free(rows->bytes);
}
