/* SPDX-License-Identifier: MIT
 *
 * Command line of the load generator.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel looks for a free port in steps of two through some 28,000: with half of them in
 * use each connect() takes as long as hundreds. */
#define SOURCE_MAX 5000u

static const char usage[] =
    "usage: load [options]\n"
    "  --protocol ws|http|text|raw   what to speak (ws)\n"
    "  --mode echo|handshake|idle|burst\n"
    "  --host ADDRESS --port PORT    server (127.0.0.1, 2346)\n"
    "  --path PATH                   request target (/)\n"
    "  --connections N               (100)\n"
    "  --depth N                     messages under way on each connection (1)\n"
    "  --size BYTES                  payload (20)\n"
    "  --raw-in N --raw-out N        raw: bytes to send and to expect for each message\n"
    "  --rate N                      open loop: messages a second in all\n"
    "  --warmup S --duration S       (1, 3)\n"
    "  --sources N                   loopback source addresses, 127.1.0.1 on (1 per 5,000 "
    "connections)\n"
    "  --first-source N              the first of them is 127.1.0.1 + N (0)\n"
    "  --binary                      ws: binary messages\n"
    "  --deflate                     ws: offer permessage-deflate\n"
    "  --pid N                       read the CPU time of that process too; may be repeated\n";

static void fail(void) {
    fputs(usage, stderr);
    exit(2);
}

static double number(const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text || value < 0)
        fail();
    return value;
}

static int word(const char *text, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    fail();
    return 0;
}

static const char *const protocols[] = {"ws", "http", "text", "raw", NULL};
static const char *const modes[] = {"echo", "handshake", "idle", "burst", NULL};

static const struct option longs[] = {
    {"protocol", 1, NULL, 'p'}, {"mode", 1, NULL, 'm'},    {"host", 1, NULL, 'h'},
    {"port", 1, NULL, 'P'},     {"path", 1, NULL, 't'},    {"connections", 1, NULL, 'c'},
    {"depth", 1, NULL, 'd'},    {"size", 1, NULL, 's'},    {"raw-in", 1, NULL, 'i'},
    {"raw-out", 1, NULL, 'o'},  {"rate", 1, NULL, 'r'},    {"warmup", 1, NULL, 'w'},
    {"duration", 1, NULL, 'D'}, {"sources", 1, NULL, 'S'}, {"first-source", 1, NULL, 'F'},
    {"pid", 1, NULL, 'I'},      {"binary", 0, NULL, 'b'},  {"deflate", 0, NULL, 'z'},
    {NULL, 0, NULL, 0}};

static void set(struct options *options, int name, const char *value) {
    switch (name) {
    case 'p':
        options->protocol = (enum load_protocol)word(value, protocols);
        break;
    case 'm':
        options->mode = (enum load_mode)word(value, modes);
        break;
    case 'h':
        snprintf(options->host, sizeof(options->host), "%s", value);
        break;
    case 't':
        snprintf(options->path, sizeof(options->path), "%s", value);
        break;
    case 'P':
        options->port = (uint16_t)number(value);
        break;
    case 'c':
        options->connections = (unsigned)number(value);
        break;
    case 'd':
        options->depth = (unsigned)number(value);
        break;
    case 's':
        options->size = (size_t)number(value);
        break;
    case 'i':
        options->raw_in = (size_t)number(value);
        break;
    case 'o':
        options->raw_out = (size_t)number(value);
        break;
    case 'r':
        options->rate = number(value);
        break;
    case 'w':
        options->warmup_s = number(value);
        break;
    case 'D':
        options->duration_s = number(value);
        break;
    case 'S':
        options->sources = (unsigned)number(value);
        break;
    case 'F':
        options->first_source = (unsigned)number(value);
        break;
    case 'b':
        options->is_binary = true;
        break;
    case 'z':
        options->offers_deflate = true;
        break;
    case 'I':
        if (options->pid_count < PIDS_MAX)
            options->pids[options->pid_count++] = (int)number(value);
        break;
    default:
        fail();
    }
}

void options_read(struct options *options, int argc, char **argv) {
    *options = (struct options){.host = "127.0.0.1",
                                .port = 2346,
                                .path = "/",
                                .connections = 100,
                                .depth = 1,
                                .size = 20,
                                .warmup_s = 1,
                                .duration_s = 3};
    int name;
    while ((name = getopt_long(argc, argv, "", longs, NULL)) != -1)
        set(options, name, optarg);
    if (optind != argc || options->connections == 0 || options->depth == 0)
        fail();
    if (options->sources == 0)
        options->sources = options->connections / SOURCE_MAX + 1;
}
