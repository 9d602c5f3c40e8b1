/* SPDX-License-Identifier: MIT
 *
 * See arguments.h. getopt_long() takes the words apart and names those that are no option.
 */
#include "arguments.h"

#include <assert.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the first row, for getopt_long(): beyond the letters that it answers by itself. */
#define FIRST 256

void arguments_refuse(const char *usage) {
    fputs(usage, stderr);
    exit(2);
}

static double number(const char *text, const char *usage) {
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text || value < 0)
        arguments_refuse(usage);
    return value;
}

static unsigned word(const char *text, const char *const *words, const char *usage) {
    for (unsigned i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    arguments_refuse(usage);
}

static void add_text(struct argument_texts *texts, const char *text, const char *usage) {
    if (texts->count == ARGUMENT_TEXTS_MAX)
        arguments_refuse(usage);
    texts->items[texts->count++] = text;
}

static void add_pid(struct argument_pids *pids, const char *text, const char *usage) {
    if (pids->count == ARGUMENT_PIDS_MAX)
        arguments_refuse(usage);
    pids->items[pids->count++] = (int)number(text, usage);
}

static void set(const struct argument *argument, const char *value, const char *usage) {
    switch (argument->kind) {
    case ARGUMENT_FLAG:
        *(bool *)argument->place = true;
        break;
    case ARGUMENT_HELP:
        arguments_refuse(usage);
    case ARGUMENT_COUNT:
        *(unsigned *)argument->place = (unsigned)number(value, usage);
        break;
    case ARGUMENT_PORT:
        *(uint16_t *)argument->place = (uint16_t)number(value, usage);
        break;
    case ARGUMENT_SIZE:
        *(size_t *)argument->place = (size_t)number(value, usage);
        break;
    case ARGUMENT_NUMBER:
        *(double *)argument->place = number(value, usage);
        break;
    case ARGUMENT_WORD:
        *(unsigned *)argument->place = word(value, argument->words, usage);
        break;
    case ARGUMENT_TEXT:
        *(const char **)argument->place = value;
        break;
    case ARGUMENT_TEXTS:
        add_text(argument->place, value, usage);
        break;
    case ARGUMENT_PIDS:
        add_pid(argument->place, value, usage);
        break;
    }
}

void arguments_read(const struct argument *arguments, size_t count, const char *usage, int argc,
                    char **argv) {
    struct option longs[ARGUMENTS_MAX + 1] = {{NULL, 0, NULL, 0}};
    int found;
    assert(count <= ARGUMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        bool takes_value =
            arguments[i].kind != ARGUMENT_FLAG && arguments[i].kind != ARGUMENT_HELP;
        longs[i] = (struct option){arguments[i].name, takes_value, NULL, FIRST + (int)i};
    }
    while ((found = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (found < FIRST)
            arguments_refuse(usage);
        set(&arguments[found - FIRST], optarg, usage);
    }
    if (optind != argc)
        arguments_refuse(usage);
}
