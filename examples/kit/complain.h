#ifndef KIT_COMPLAIN_H
#define KIT_COMPLAIN_H

#include <saga/event.h>

#include <stdio.h>

/*
 * The one way to stderr and to a terminal for every program here, and for the command saga: no
 * password of a URL that was given gets there, and no control character of anyone's text.
 */

/* Writes one line to stderr. */
void complain(const char *format, ...) SAGA_PRINTF(1, 2);

/* Leaves out the secrets of this argument from now on: a URL, or `--store=URL`. Not copied. */
void complain_hides(const char *given);
void complain_hides_all(int argc, char **argv);

/* Refuses an option in place of getopt_long, whose own words would repeat its value. */
void complain_option(const char *program, const char *given, bool lacks_value);

/* Writes the text so that it cannot harm a terminal, without a newline. */
void put_shown(FILE *out, const char *text);

#endif
