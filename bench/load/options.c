/* SPDX-License-Identifier: MIT
 *
 * Command line of the load generator.
 */
#include "options.h"

#include <string.h>

/* The kernel looks for a free port in steps of two through some 28,000: with half of them in
 * use each connect() takes as long as hundreds. */
#define SOURCE_MAX 5000u

/* Of host and path together: protocol.c has that room for them in a request. */
#define TARGET_MAX 320u

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

static const char *const protocols[] = {"ws", "http", "text", "raw", NULL};
static const char *const modes[] = {"echo", "handshake", "idle", "burst", NULL};

static void read_arguments(struct options *options, int argc, char **argv) {
    const struct argument arguments[] = {
        {"protocol", ARGUMENT_WORD, &options->protocol, protocols},
        {"mode", ARGUMENT_WORD, &options->mode, modes},
        {"host", ARGUMENT_TEXT, &options->host},
        {"port", ARGUMENT_PORT, &options->port},
        {"path", ARGUMENT_TEXT, &options->path},
        {"connections", ARGUMENT_COUNT, &options->connections},
        {"depth", ARGUMENT_COUNT, &options->depth},
        {"size", ARGUMENT_SIZE, &options->size},
        {"raw-in", ARGUMENT_SIZE, &options->raw_in},
        {"raw-out", ARGUMENT_SIZE, &options->raw_out},
        {"rate", ARGUMENT_NUMBER, &options->rate},
        {"warmup", ARGUMENT_NUMBER, &options->warmup_s},
        {"duration", ARGUMENT_NUMBER, &options->duration_s},
        {"sources", ARGUMENT_COUNT, &options->sources},
        {"first-source", ARGUMENT_COUNT, &options->first_source},
        {"pid", ARGUMENT_PIDS, &options->pids},
        {"binary", ARGUMENT_FLAG, &options->is_binary},
        {"deflate", ARGUMENT_FLAG, &options->offers_deflate},
    };
    arguments_read(arguments, sizeof(arguments) / sizeof(*arguments), usage, argc, argv);
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
    read_arguments(options, argc, argv);
    if (options->connections == 0 || options->depth == 0 ||
        strlen(options->host) + strlen(options->path) > TARGET_MAX)
        arguments_refuse(usage);
    if (options->sources == 0)
        options->sources = options->connections / SOURCE_MAX + 1;
}
