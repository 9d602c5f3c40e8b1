/* SPDX-License-Identifier: MIT
 *
 * Reads the command line of a load program by a table: one row an option, with the place that
 * its value goes to. Knows no option itself. Called by the programs' options.c.
 */
#ifndef CREWMAN_BENCH_ARGUMENTS_H
#define CREWMAN_BENCH_ARGUMENTS_H

#include <stddef.h>

#define ARGUMENT_TEXTS_MAX 8u
#define ARGUMENT_PIDS_MAX  64u
#define ARGUMENTS_MAX      32u /* rows of a table */

struct argument_texts {
    const char *items[ARGUMENT_TEXTS_MAX];
    unsigned count;
};

struct argument_pids {
    int items[ARGUMENT_PIDS_MAX];
    unsigned count;
};

enum argument_kind {
    ARGUMENT_FLAG,   /* bool; takes no value */
    ARGUMENT_HELP,   /* no place: the usage text is what is asked for */
    ARGUMENT_COUNT,  /* unsigned */
    ARGUMENT_PORT,   /* uint16_t */
    ARGUMENT_SIZE,   /* size_t */
    ARGUMENT_NUMBER, /* double */
    ARGUMENT_WORD,   /* unsigned, the index in `words` */
    ARGUMENT_TEXT,   /* const char * into argv */
    ARGUMENT_TEXTS,  /* struct argument_texts; may be repeated */
    ARGUMENT_PIDS    /* struct argument_pids; may be repeated */
};

struct argument {
    const char *name;
    enum argument_kind kind;
    void *place;
    const char *const *words; /* of ARGUMENT_WORD, ends with NULL */
};

/* Sets what argv names, and leaves the other places alone. Refuses a wrong word. */
void arguments_read(const struct argument *arguments, size_t count, const char *usage, int argc,
                    char **argv);

/* Exits with 2 and the usage text. */
_Noreturn void arguments_refuse(const char *usage);

#endif
