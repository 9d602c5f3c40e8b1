/* SPDX-License-Identifier: MIT
 *
 * Reads transcripts: see transcript.h and transcripts/README.md.
 */
#include "transcript.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws_mask.h"

static _Noreturn void fail(const struct transcript_reader *reader, const char *text) {
    fprintf(stderr, "%s:%d: %s\n", reader->path, reader->line, text);
    exit(2);
}

void transcript_open(struct transcript_reader *reader, const char *path) {
    *reader = (struct transcript_reader){.path = path};
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(reader, "cannot be opened");
    struct bytes text = {0};
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        bytes_add(&text, piece, got);
    fclose(file);
    if (!text.data)
        fail(reader, "is empty");
    reader->text = reader->next = text.data;
}

void transcript_close(struct transcript_reader *reader) {
    free(reader->text);
}

void transcript_done(struct transcript *transcript) {
    bytes_done(&transcript->input);
    bytes_done(&transcript->expected);
}

/* The next line that is not empty and no comment, cut out in place; NULL at the end. */
static char *next_line(struct transcript_reader *reader) {
    char *held = reader->held;
    reader->held = NULL;
    if (held)
        return held;
    while (*reader->next) {
        char *line = reader->next;
        char *end = line + strcspn(line, "\n");
        reader->next = *end ? end + 1 : end;
        *end = '\0';
        reader->line++;
        if (*line && *line != '#')
            return line;
    }
    return NULL;
}

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* What follows a backslash. */
static char unescape(const struct transcript_reader *reader, const char **p) {
    static const char letters[] = "r\rn\nt\t0\0\"\"\\\\";
    char letter = *(*p)++;
    for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
        if (letters[i] == letter)
            return letters[i + 1];
    int high = hex_digit((*p)[0]);
    int low = high < 0 ? -1 : hex_digit((*p)[1]);
    if (letter != 'x' || low < 0)
        fail(reader, "unknown escape");
    *p += 2;
    return (char)(high << 4 | low);
}

static void read_string(const struct transcript_reader *reader, const char **p, size_t times,
                        struct bytes *out) {
    struct bytes string = {0};
    bytes_add(&string, "", 0);
    for ((*p)++; **p != '"';) {
        char c = *(*p)++;
        if (c == '\0')
            fail(reader, "string without end");
        if (c == '\\')
            c = unescape(reader, p);
        bytes_add(&string, &c, 1);
    }
    (*p)++;
    for (size_t i = 0; i < times; i++)
        bytes_add(out, string.data, string.len);
    bytes_done(&string);
}

/* "…", 3*"…" or two hexadecimal digits. False: none of them stands here. */
static bool read_piece(const struct transcript_reader *reader, const char **p,
                       struct bytes *out) {
    *p += strspn(*p, " ");
    if (**p == '"') {
        read_string(reader, p, 1, out);
        return true;
    }
    size_t digits = strspn(*p, "0123456789");
    if (digits > 0 && (*p)[digits] == '*' && (*p)[digits + 1] == '"') {
        size_t times = strtoul(*p, NULL, 10);
        *p += digits + 1;
        read_string(reader, p, times, out);
        return true;
    }
    int high = hex_digit((*p)[0]);
    int low = high < 0 ? -1 : hex_digit((*p)[1]);
    if (low < 0 || ((*p)[2] != ' ' && (*p)[2] != '\0'))
        return false;
    char byte = (char)(high << 4 | low);
    bytes_add(out, &byte, 1);
    *p += 2;
    return true;
}

static void read_pieces(const struct transcript_reader *reader, const char *p,
                        struct bytes *out) {
    while (read_piece(reader, &p, out))
        continue;
    if (*p)
        fail(reader, "neither a string nor a byte");
}

/* frame 81 …: a client's frame with that first byte, masked, its length in the shortest form.
 */
static void add_frame(const struct transcript_reader *reader, const char *p,
                      struct bytes *out) {
    static const unsigned char mask[] = {0x37, 0xfa, 0x21, 0x3d};
    struct bytes body = {0};
    read_pieces(reader, p, &body);
    if (body.len == 0)
        fail(reader, "a frame needs its first byte");
    unsigned char header[14] = {(unsigned char)body.data[0]};
    size_t len = body.len - 1;
    size_t extended = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    header[1] = (unsigned char)(0x80 | (extended == 0 ? len : extended == 2 ? 126 : 127));
    for (size_t i = 0; i < extended; i++)
        header[2 + i] = (unsigned char)(len >> (8 * (extended - 1 - i)));
    memcpy(header + 2 + extended, mask, sizeof(mask));
    bytes_add(out, header, 2 + extended + sizeof(mask));
    uint32_t word;
    memcpy(&word, mask, sizeof(word));
    ws_mask(body.data + 1, len, word, 0);
    bytes_add(out, body.data + 1, len);
    bytes_done(&body);
}

/* An expected line: words as they are, strings in the one form that logs have. */
static void add_expected(const struct transcript_reader *reader, const char *p,
                         struct bytes *out) {
    const char *separator = "";
    for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
        bytes_print(out, "%s", separator);
        separator = " ";
        size_t word = strcspn(p, " ");
        if (*p != '"' && !memchr(p, '*', word)) {
            bytes_add(out, p, word);
            p += word;
            continue;
        }
        struct bytes string = {0};
        while ((*p == '"' || isdigit((unsigned char)*p)) && read_piece(reader, &p, &string))
            if (*p != '+')
                break;
            else
                p++;
        if (*p && *p != ' ')
            fail(reader, "something behind a string");
        bytes_quote(out, string.data, string.len);
        bytes_done(&string);
    }
    bytes_print(out, "\n");
}

static void read_setting(const struct transcript_reader *reader, char *line,
                         struct settings *settings) {
    char *space = strchr(line, ' ');
    if (!space)
        fail(reader, "a setting is: set <key> <value>");
    *space = '\0';
    settings_put(settings, line, space + 1);
}

static void read_case_line(const struct transcript_reader *reader, char *line,
                           struct transcript *out_case) {
    if (strncmp(line, "> frame ", 8) == 0)
        add_frame(reader, line + 8, &out_case->input);
    else if (strncmp(line, "> ", 2) == 0)
        read_pieces(reader, line + 2, &out_case->input);
    else if (strncmp(line, "< ", 2) == 0)
        add_expected(reader, line + 2, &out_case->expected);
    else if (strncmp(line, "set ", 4) == 0)
        read_setting(reader, line + 4, &out_case->settings);
    else
        fail(reader, "a line begins with ==, >, < or set");
}

static void read_top_line(struct transcript_reader *reader, char *line) {
    if (strncmp(line, "codec ", 6) == 0)
        reader->player = player_find(line + 6);
    else if (strncmp(line, "set ", 4) == 0)
        read_setting(reader, line + 4, &reader->settings);
    else
        fail(reader, "before the first case only: codec, set");
    if (!reader->player)
        fail(reader, "no such codec");
}

static void begin_case(struct transcript_reader *reader, const char *name,
                       struct transcript *out_case) {
    *out_case = (struct transcript){
        .line = reader->line, .player = reader->player, .settings = reader->settings};
    if (!reader->player || strlen(name) >= sizeof(out_case->name))
        fail(reader, "a case without a codec, or with too long a name");
    memcpy(out_case->name, name, strlen(name) + 1);
    bytes_add(&out_case->input, "", 0);
    bytes_add(&out_case->expected, "", 0);
}

bool transcript_next(struct transcript_reader *reader, struct transcript *out_case) {
    char *line;
    while ((line = next_line(reader)) && strncmp(line, "== ", 3) != 0)
        read_top_line(reader, line);
    if (!line)
        return false;
    begin_case(reader, line + 3, out_case);
    while ((line = next_line(reader)) && strncmp(line, "== ", 3) != 0)
        read_case_line(reader, line, out_case);
    reader->held = line;
    return true;
}

const char *transcript_file(size_t index) {
    static glob_t files;
    if (files.gl_pathc == 0 && glob(TRANSCRIPTS "/*.txt", 0, NULL, &files) != 0)
        return NULL;
    return index < files.gl_pathc ? files.gl_pathv[index] : NULL;
}
