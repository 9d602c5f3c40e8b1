/* SPDX-License-Identifier: MIT
 *
 * Allocation that cannot fail but by ending the process. Writes to standard error and not to
 * the log: it must work when nothing else does.
 */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *memory_expect(void *allocated) {
    if (!allocated) {
        fputs("crewman: out of memory\n", stderr);
        abort();
    }
    return allocated;
}

void *memory_new(size_t size) {
    return memory_expect(calloc(1, size));
}

void *memory_resize(void *array, size_t count, size_t size) {
    return memory_expect(reallocarray(array, count, size));
}

char *memory_copy_text(const char *text) {
    return memory_expect(strdup(text));
}

char *memory_format(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return memory_expect(text);
}
