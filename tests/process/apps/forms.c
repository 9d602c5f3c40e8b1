/* SPDX-License-Identifier: MIT
 *
 * The app of the tests of forms: it tells what it got, part by part, or keeps a file.
 */
#include <crewman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 262144u

/* What is to be answered. */
struct text {
    size_t len;
    char data[TEXT_MAX];
};

static void add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text->data + text->len, TEXT_MAX - text->len, format, args);
    va_end(args);
    if (len > 0)
        text->len += (size_t)len < TEXT_MAX - text->len ? (size_t)len : 0;
}

/* The one of zlib and of Ethernet, so that the test can compute it too. */
static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t len) {
    static uint32_t table[256];
    for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320u : table[i] >> 1;
    }
    crc = ~crc;
    for (size_t i = 0; i < len; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    return ~crc;
}

static uint32_t checksum(const struct crew_file *file) {
    static unsigned char piece[99991];
    uint32_t crc = 0;
    uint64_t at = 0;
    long count;
    while ((count = crew_file_read(file, at, piece, sizeof(piece))) > 0) {
        crc = crc32(crc, piece, (size_t)count);
        at += (uint64_t)count;
    }
    return count == 0 && at == file->size ? crc : 0;
}

static int list_field(const char *name, const char *value, size_t len, void *arg) {
    const unsigned char *bytes = (const unsigned char *)value;
    add(arg, "field|%s|%zu|%08x|%d\n", name, len, crc32(0, bytes, len), value[len] == '\0');
    return 0;
}

static void list(crew_request *request) {
    static struct text text;
    struct crew_file file;
    size_t len;
    text.len = 0;
    crew_request_each_field(request, list_field, &text);
    for (size_t i = 0; crew_request_file(request, NULL, i, &file) == 0; i++)
        add(&text, "file|%s|%s|%s|%llu|%08x|%s\n", file.name, file.file_name, file.type,
            (unsigned long long)file.size, checksum(&file), file.data ? "memory" : "disk");
    crew_request_body(request, &len);
    add(&text, "body|%zu\n", len);
    crew_reply(request, 200, "text/plain", text.data, text.len);
}

/* By name: the field and the file called so. */
static void find(crew_request *request) {
    static struct text text;
    struct crew_file file;
    const char *name = crew_request_query(request, "name");
    const char *field = crew_request_form(request, name);
    text.len = 0;
    add(&text, "%s", field ? field : "none");
    for (size_t i = 0; crew_request_file(request, name, i, &file) == 0; i++)
        add(&text, "|%s", file.file_name);
    crew_reply(request, 200, "text/plain", text.data, text.len);
}

static void save(crew_request *request) {
    char text[256] = "";
    struct crew_file file;
    const char *path = crew_request_query(request, "path");
    const char *again = crew_request_query(request, "again");
    size_t index = (size_t)atol(crew_request_query(request, "index"));
    int result = crew_request_file(request, NULL, index, &file);
    if (result == 0)
        result = crew_file_save(&file, path);
    if (result == 0 && again)
        result = crew_file_save(&file, again);
    snprintf(text, sizeof(text), "%s", result ? crew_strerror(result) : "saved");
    crew_reply(request, 200, "text/plain", text, strlen(text));
}

static void answer_late(crew_timer timer, void *arg) {
    (void)timer;
    uint64_t *id = arg;
    crew_request *request = crew_request_find(*id);
    if (request)
        list(request);
    free(id);
}

static void on_request(crew_conn *conn, crew_request *request) {
    (void)conn;
    const char *path = crew_request_path(request);
    crew_log(CREW_LOG_NOTICE, "forms: request %s", path);
    if (strcmp(path, "/list") == 0) {
        list(request);
    } else if (strcmp(path, "/find") == 0) {
        find(request);
    } else if (strcmp(path, "/save") == 0) {
        save(request);
    } else if (strcmp(path, "/late") == 0) {
        uint64_t *id = malloc(sizeof(*id));
        if (!id)
            return;
        *id = crew_request_id(request);
        crew_timer_add_once(50, answer_late, id);
    } else if (strcmp(path, "/crash") == 0) {
        abort();
    }
}

/* What a callback sees that comes while no request is being handled. */
static const char *field_now(crew_conn *conn) {
    crew_request *request = crew_conn_request(conn);
    const char *value = request ? crew_request_form(request, "a") : NULL;
    return value ? value : "none";
}

static void on_error(crew_conn *conn, int error, const char *text) {
    crew_log(CREW_LOG_NOTICE, "forms: error %d %s, a=%.20s", error, text, field_now(conn));
}

static void on_close(crew_conn *conn, int reason) {
    crew_log(CREW_LOG_NOTICE, "forms: close %s, a=%.20s", crew_close_reason_name(reason),
             field_now(conn));
}

CREW_APP({
    .name = "probe",
    .on_request = on_request,
    .on_error = on_error,
    .on_close = on_close,
})
