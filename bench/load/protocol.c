/* SPDX-License-Identifier: MIT
 *
 * Requests are made once; the readers below are the strict part: a wrong opcode, length, status
 * or byte is an error.
 */
#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASK "\x37\xfa\x21\x3d"

static void *must(void *memory) {
    if (!memory) {
        perror("load");
        exit(1);
    }
    return memory;
}

static void add(struct bytes *bytes, const void *data, size_t len) {
    bytes->data = must(realloc(bytes->data, bytes->len + len + 1));
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

static void add_text(struct bytes *bytes, const char *text) {
    add(bytes, text, strlen(text));
}

/* Text that looks like JSON, so that compression has something to do; each pattern differs in
 * every record. */
static void make_payload(struct bytes *payload, size_t size, unsigned pattern) {
    char record[96];
    for (unsigned i = 0; payload->len < size; i++) {
        int len = snprintf(record, sizeof(record),
                           "{\"p\":%u,\"id\":%u,\"user\":\"u%u\",\"text\":\"%08x\"}", pattern,
                           i, (i * 7919u + pattern) % 1000u, (i + 1) * 2654435761u ^ pattern);
        size_t left = size - payload->len;
        add(payload, record, (size_t)len < left ? (size_t)len : left);
    }
}

static struct bytes deflated(const struct bytes *payload) {
    z_stream stream = {0};
    struct bytes out = {0};
    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    uLong bound = deflateBound(&stream, payload->len) + 16;
    out.data = must(malloc(bound));
    stream.next_in = (Bytef *)payload->data;
    stream.avail_in = (uInt)payload->len;
    stream.next_out = (Bytef *)out.data;
    stream.avail_out = (uInt)bound;
    deflate(&stream, Z_SYNC_FLUSH);
    out.len = bound - stream.avail_out - 4; /* RFC 7692 section 7.2.1: without 00 00 ff ff */
    deflateEnd(&stream);
    return out;
}

static size_t frame_head(uint8_t *head, unsigned first, size_t len) {
    head[0] = (uint8_t)first;
    if (len < 126) {
        head[1] = (uint8_t)(0x80 | len);
        return 2;
    }
    if (len < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        return 4;
    }
    head[1] = 0x80 | 127;
    for (int i = 0; i < 8; i++)
        head[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
    return 10;
}

static void add_frame(struct bytes *out, unsigned first, const char *data, size_t len) {
    uint8_t head[14];
    size_t head_len = frame_head(head, first, len);
    add(out, head, head_len);
    add(out, MASK, 4);
    size_t at = out->len;
    add(out, data, len);
    for (size_t i = 0; i < len; i++)
        out->data[at + i] = (char)(out->data[at + i] ^ MASK[i % 4]);
}

static void make_request(const struct protocol *protocol, struct bytes *out, unsigned pattern) {
    const struct options *options = protocol->options;
    const struct bytes *payload = &protocol->payloads[pattern];
    char text[512];
    if (options->protocol == LOAD_WS) {
        unsigned first = options->is_binary ? 0x82 : 0x81;
        struct bytes small = options->offers_deflate ? deflated(payload) : *payload;
        add_frame(out, options->offers_deflate ? first | 0x40 : first, small.data, small.len);
        if (options->offers_deflate)
            free(small.data);
    } else if (options->protocol == LOAD_TEXT) {
        add(out, payload->data, payload->len);
        add(out, "\n", 1);
    } else if (options->protocol == LOAD_HTTP) {
        snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: load\r\n\r\n", options->path,
                 options->host, options->port);
        add_text(out, text);
    } else {
        for (size_t left = options->raw_in; left > 0;) {
            size_t part = payload->len < left ? payload->len : left;
            add(out, payload->data, part);
            left -= part;
        }
    }
}

static void make_handshake(struct protocol *protocol) {
    const struct options *options = protocol->options;
    char text[700];
    snprintf(
        text, sizeof(text),
        "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        options->path, options->host, options->port,
        options->offers_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; "
                                  "client_no_context_takeover; server_no_context_takeover\r\n"
                                : "");
    add_text(&protocol->handshake, text);
}

void protocol_init(struct protocol *protocol, const struct options *options) {
    *protocol = (struct protocol){.options = options};
    protocol->inflated = must(malloc(options->size + 1));
    inflateInit2(&protocol->inflater, -15);
    if (options->protocol == LOAD_WS)
        make_handshake(protocol);
    for (unsigned i = 0; i < PATTERNS; i++) {
        size_t size = options->protocol == LOAD_RAW && options->size == 0 ? 20 : options->size;
        make_payload(&protocol->payloads[i], size, i);
        make_request(protocol, &protocol->requests[i], i);
        protocol->request_len[i] = protocol->requests[i].len;
        for (unsigned copy = 1; copy < options->depth; copy++)
            make_request(protocol, &protocol->requests[i], i);
    }
}

void reader_done(struct reader *reader) {
    free(reader->gathered);
    reader->gathered = NULL;
}

size_t reader_pong(const struct reader *reader, char out_frame[140]) {
    struct bytes frame = {0};
    add_frame(&frame, 0x8a, (const char *)reader->ping, reader->ping_len);
    memcpy(out_frame, frame.data, frame.len);
    free(frame.data);
    return frame.len;
}

/* Gather a head up to its blank line; answers the bytes consumed, *out_done when it is
 * complete, or -1. */
static int take_head(struct reader *reader, const char *data, size_t len, bool *out_done) {
    *out_done = false;
    for (size_t i = 0; i < len; i++) {
        if (reader->head_len == sizeof(reader->head) - 1)
            return -1;
        reader->head[reader->head_len++] = (uint8_t)data[i];
        if (data[i] == '\n' && reader->head_len >= 4 &&
            memcmp(reader->head + reader->head_len - 4, "\r\n\r\n", 4) == 0) {
            reader->head[reader->head_len] = '\0';
            *out_done = true;
            return (int)i + 1;
        }
    }
    return (int)len;
}

static int open_ws(struct reader *reader, const char *data, size_t len, const char **why) {
    bool done;
    int used = take_head(reader, data, len, &done);
    *why = "the answer to the handshake";
    if (used < 0)
        return -1;
    if (!done)
        return used;
    const char *head = (const char *)reader->head;
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 ||
        !strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        return -1;
    reader->is_deflated = strstr(head, "permessage-deflate") != NULL;
    reader->is_open = true;
    reader->head_len = 0;
    return used;
}

/* The length of a frame head whose first two bytes are there. */
static size_t head_size(const uint8_t *head) {
    return (head[1] & 127) == 126 ? 4 : (head[1] & 127) == 127 ? 10 : 2;
}

static uint64_t payload_len(const uint8_t *head) {
    uint64_t len = head[1] & 127;
    size_t bytes = head_size(head) - 2;
    if (bytes == 0)
        return len;
    len = 0;
    for (size_t i = 0; i < bytes; i++)
        len = len << 8 | head[2 + i];
    return len;
}

static bool gather(struct reader *reader, const char *data, size_t len) {
    if (reader->gathered_len + len > reader->gathered_size) {
        reader->gathered_size = (reader->gathered_len + len) * 2;
        reader->gathered = must(realloc(reader->gathered, reader->gathered_size));
    }
    memcpy(reader->gathered + reader->gathered_len, data, len);
    reader->gathered_len += len;
    return true;
}

static bool check_inflated(struct protocol *protocol, struct reader *reader) {
    const struct bytes *payload = &protocol->payloads[reader->pattern];
    z_stream *stream = &protocol->inflater;
    gather(reader, "\0\0\xff\xff", 4);
    inflateReset(stream);
    stream->next_in = (Bytef *)reader->gathered;
    stream->avail_in = (uInt)reader->gathered_len;
    stream->next_out = (Bytef *)protocol->inflated;
    stream->avail_out = (uInt)payload->len + 1;
    int result = inflate(stream, Z_SYNC_FLUSH);
    reader->gathered_len = 0;
    return (result == Z_OK || result == Z_STREAM_END) && stream->avail_out == 1 &&
           memcmp(protocol->inflated, payload->data, payload->len) == 0;
}

static bool begin_frame(struct protocol *protocol, struct reader *reader) {
    const struct options *options = protocol->options;
    reader->first = reader->head[0];
    reader->opcode = reader->head[0] & 15;
    reader->body_left = payload_len(reader->head);
    reader->body_at = 0;
    reader->head_len = 0;
    if (reader->opcode == 9)
        return reader->body_left <= sizeof(reader->ping);
    if (reader->first & 0x40)
        return reader->is_deflated && reader->opcode == (options->is_binary ? 2 : 1);
    return (reader->first == 0x81 || reader->first == 0x82) &&
           reader->body_left == protocol->payloads[reader->pattern].len &&
           reader->opcode == (options->is_binary ? 2 : 1);
}

static bool check_body(struct protocol *protocol, struct reader *reader, const char *data,
                       size_t len) {
    if (reader->opcode == 9)
        memcpy(reader->ping + reader->body_at, data, len);
    else if (reader->first & 0x40)
        gather(reader, data, len);
    else if (memcmp(protocol->payloads[reader->pattern].data + reader->body_at, data, len) != 0)
        return false;
    reader->body_at += len;
    reader->body_left -= len;
    return true;
}

/* 1: a message is complete; 0: something else is; -1: wrong. */
static int end_frame(struct protocol *protocol, struct reader *reader) {
    if (reader->opcode == 9) {
        reader->ping_len = (uint8_t)reader->body_at;
        reader->pings++;
        return 0;
    }
    if (reader->first & 0x40)
        return check_inflated(protocol, reader) ? 1 : -1;
    return 1;
}

static int feed_ws(struct protocol *protocol, struct reader *reader, const char *data,
                   size_t len, const char **why) {
    int complete = 0;
    *why = "a frame";
    /* Nothing was asked for; a worker that is replaced says goodbye (1012) at once. */
    if (protocol->options->mode == MODE_HANDSHAKE && len > 0 && (uint8_t)data[0] == 0x88)
        return 0;
    while (len > 0 || (reader->opcode && reader->body_left == 0)) {
        if (reader->opcode == 0) {
            reader->head[reader->head_len++] = (uint8_t)*data++;
            len--;
            if (reader->head_len < 2 || reader->head_len < head_size(reader->head))
                continue;
            if (!begin_frame(protocol, reader))
                return -1;
        }
        size_t part = reader->body_left < len ? (size_t)reader->body_left : len;
        if (!check_body(protocol, reader, data, part)) {
            *why = "a payload";
            return -1;
        }
        data += part;
        len -= part;
        if (reader->body_left > 0)
            break;
        int result = end_frame(protocol, reader);
        reader->opcode = 0;
        if (result < 0)
            return -1;
        complete += result;
    }
    return complete;
}

static int feed_http(struct reader *reader, const char *data, size_t len, const char **why) {
    int complete = 0;
    *why = "a response";
    while (len > 0) {
        if (reader->body_left == 0) {
            bool done;
            int used = take_head(reader, data, len, &done);
            if (used < 0)
                return -1;
            data += used;
            len -= (size_t)used;
            if (!done)
                return complete;
            const char *field = strcasestr((const char *)reader->head, "\r\ncontent-length:");
            if (strncmp((const char *)reader->head, "HTTP/1.1 200 ", 13) != 0 || !field)
                return -1;
            reader->body_left = strtoull(field + 17, NULL, 10);
            reader->head_len = 0;
        }
        size_t part = reader->body_left < len ? (size_t)reader->body_left : len;
        reader->body_left -= part;
        data += part;
        len -= part;
        complete += reader->body_left == 0;
    }
    return complete;
}

static int feed_text(struct protocol *protocol, struct reader *reader, const char *data,
                     size_t len, const char **why) {
    const struct bytes *payload = &protocol->payloads[reader->pattern];
    int complete = 0;
    *why = "a line";
    while (len > 0) {
        if (reader->body_at == payload->len) {
            if (*data != '\n')
                return -1;
            data++;
            len--;
            reader->body_at = 0;
            complete++;
            continue;
        }
        size_t left = payload->len - reader->body_at, part = left < len ? left : len;
        if (memcmp(payload->data + reader->body_at, data, part) != 0)
            return -1;
        reader->body_at += part;
        data += part;
        len -= part;
    }
    return complete;
}

static int feed_raw(const struct protocol *protocol, struct reader *reader, size_t len) {
    uint64_t all = reader->body_at + len;
    reader->body_at = all % protocol->options->raw_out;
    return (int)(all / protocol->options->raw_out);
}

int reader_feed(struct protocol *protocol, struct reader *reader, const char *data, size_t len,
                const char **out_why) {
    switch (protocol->options->protocol) {
    case LOAD_WS:
        if (!reader->is_open) {
            int used = open_ws(reader, data, len, out_why);
            if (used < 0 || !reader->is_open)
                return used < 0 ? -1 : 0;
            data += used;
            len -= (size_t)used;
        }
        return feed_ws(protocol, reader, data, len, out_why);
    case LOAD_HTTP:
        return feed_http(reader, data, len, out_why);
    case LOAD_TEXT:
        return feed_text(protocol, reader, data, len, out_why);
    default:
        return feed_raw(protocol, reader, len);
    }
}
