/* SPDX-License-Identifier: MIT
 *
 * See say.h.
 */
#include "say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "printable.h"

void say_line(FILE *out, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    size_t size = 4 * strlen(memory_expect(text)) + 1;
    char *line = memory_new(size);
    printable_copy(line, size, text);
    fprintf(out, "%s\n", line);
    free(line);
    free(text);
}

void say_lines(FILE *out, const char *lead, const char *text) {
    for (const char *line = text; *line;) {
        int len = (int)strcspn(line, "\n");
        say_line(out, "%s%.*s", lead, len, line);
        line += len + (line[len] == '\n');
    }
}

/* Of a character that is longer than a byte, in UTF-8 of at most three. */
static unsigned code_of(const unsigned char *bytes, int length) {
    if (length == 1)
        return bytes[0];
    if (length == 2)
        return (bytes[0] & 0x1fu) << 6 | (bytes[1] & 0x3fu);
    return (bytes[0] & 0x0fu) << 12 | (bytes[1] & 0x3fu) << 6 | (bytes[2] & 0x3fu);
}

/* Control characters below 0x20 are escaped by jansson: a line feed is its own. */
void say_json(FILE *out, const json_t *value, size_t flags) {
    char *text = memory_expect(json_dumps(value, flags));
    for (const char *at = text; *at;) {
        int length = *at == '\n' ? 1 : printable_look(at);
        if (length > 0)
            fwrite(at, 1, (size_t)length, out);
        else
            fprintf(out, "\\u%04x", code_of((const unsigned char *)at, -length));
        at += length > 0 ? length : -length;
    }
    putc('\n', out);
    free(text);
}
