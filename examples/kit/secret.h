#ifndef KIT_SECRET_H
#define KIT_SECRET_H

#include <stddef.h>

/*
 * What was given, or, if that is @FILE, the file's first line: what holds a password need not stand
 * among the arguments, which all of the machine can read. 0; -1: why not is said on stderr.
 */
int secret_read(const char *program, const char *given, char *buffer, size_t size);

#endif
