/* SPDX-License-Identifier: MIT
 *
 * See mime.h. Types as registered with IANA; text is said to be UTF-8.
 */
#include "mime.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_chars.h"

struct mime_row {
    const char *extension, *type;
};

/* Sorted by extension. */
static const struct mime_row rows[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"css", "text/css;charset=utf-8"},
    {"csv", "text/csv;charset=utf-8"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html;charset=utf-8"},
    {"html", "text/html;charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar;charset=utf-8"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript;charset=utf-8"},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"m4a", "audio/mp4"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown;charset=utf-8"},
    {"mjs", "text/javascript;charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"rss", "application/rss+xml"},
    {"rtf", "application/rtf"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain;charset=utf-8"},
    {"vtt", "text/vtt;charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
};

/* Behind the last dot of the last segment; "" without one. */
static const char *extension_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    return dot ? dot + 1 : "";
}

static int compare(const void *key, const void *row) {
    return strcasecmp(key, ((const struct mime_row *)row)->extension);
}

const char *mime_type(const char *path) {
    const struct mime_row *row = bsearch(
        extension_of(path), rows, sizeof(rows) / sizeof(rows[0]), sizeof(rows[0]), compare);
    return row ? row->type : "application/octet-stream";
}

bool mime_is_entry(const char *entry) {
    const char *equals = strchr(entry, '=');
    if (!equals || equals == entry)
        return false;
    const char *slash = strchr(equals + 1, '/');
    return http_is_token(entry, (size_t)(equals - entry)) && slash &&
           http_is_token(equals + 1, (size_t)(slash - equals - 1)) &&
           http_is_value(slash + 1, strlen(slash + 1)) && slash[1] != '\0';
}

const char *mime_type_of(const char *path, char *const *entries, size_t count) {
    const char *extension = extension_of(path);
    size_t len = strlen(extension);
    while (count-- > 0)
        if (strncasecmp(entries[count], extension, len) == 0 && entries[count][len] == '=')
            return entries[count] + len + 1;
    return mime_type(path);
}
