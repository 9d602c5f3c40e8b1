/* SPDX-License-Identifier: MIT
 *
 * Command line of the fan load.
 */
#include "options.h"

#include "members.h"
#include "wire.h"

static const char usage[] =
    "usage: fan [options]\n"
    "  --port PORT          server on 127.0.0.1 (2346)\n"
    "  --second-port PORT   where every second subscriber connects\n"
    "  --path TEMPLATE      request target (/)\n"
    "  --connections N      subscribers in all (1000)\n"
    "  --rooms N            subscriber i is in room i % N (1)\n"
    "  --joins-each N       rooms that each joins: i % N, i % N + 1, ... (1)\n"
    "  --join TEMPLATE      what a subscriber sends when open; up to 8, in order\n"
    "  --acks N             messages that it waits for before it counts as joined (0)\n"
    "  --say TEMPLATE       what the publisher sends (%m)\n"
    "  --publisher-joins    the publisher sends the joins too, for room 0\n"
    "  --size BYTES         of %m, 16 to 60000 (100)\n"
    "  --rounds N           messages said and measured (20)\n"
    "  --warmup N           messages before those (3)\n"
    "  --gap MS             pause between rounds (20)\n"
    "  --quiet MS           read nothing until MS after a message was said (0)\n"
    "  --timeout MS         a round that is not complete by then has lost some (5000)\n"
    "  --settle MS          wait after the last join (500)\n"
    "  --raw                no WebSocket: the templates are what goes over the wire\n"
    "  --deflate            offer permessage-deflate without context takeover\n"
    "  --pid N              read the CPU time of that process too; may be repeated\n"
    "templates: %r room, %i subscriber (six digits each), %m message, %l its length, %% "
    "percent\n"
    "           sign; \\r \\n \\xNN as in C\n";

static void read_arguments(struct options *options, int argc, char **argv) {
    const struct argument arguments[] = {
        {"port", ARGUMENT_PORT, &options->port},
        {"second-port", ARGUMENT_PORT, &options->second_port},
        {"path", ARGUMENT_TEXT, &options->path},
        {"connections", ARGUMENT_COUNT, &options->connections},
        {"rooms", ARGUMENT_COUNT, &options->rooms},
        {"joins-each", ARGUMENT_COUNT, &options->joins_each},
        {"join", ARGUMENT_TEXTS, &options->joins},
        {"acks", ARGUMENT_COUNT, &options->acks},
        {"say", ARGUMENT_TEXT, &options->say},
        {"publisher-joins", ARGUMENT_FLAG, &options->publisher_joins},
        {"size", ARGUMENT_COUNT, &options->size},
        {"rounds", ARGUMENT_COUNT, &options->rounds},
        {"warmup", ARGUMENT_COUNT, &options->warmup},
        {"gap", ARGUMENT_NUMBER, &options->gap_ms},
        {"quiet", ARGUMENT_NUMBER, &options->quiet_ms},
        {"timeout", ARGUMENT_NUMBER, &options->timeout_ms},
        {"settle", ARGUMENT_NUMBER, &options->settle_ms},
        {"raw", ARGUMENT_FLAG, &options->is_raw},
        {"deflate", ARGUMENT_FLAG, &options->offers_deflate},
        {"pid", ARGUMENT_PIDS, &options->pids},
        {"help", ARGUMENT_HELP, NULL},
    };
    arguments_read(arguments, sizeof(arguments) / sizeof(*arguments), usage, argc, argv);
}

void options_read(struct options *options, int argc, char **argv) {
    *options = (struct options){.port = 2346,
                                .path = "/",
                                .say = "%m",
                                .connections = 1000,
                                .rooms = 1,
                                .joins_each = 1,
                                .size = 100,
                                .rounds = 20,
                                .warmup = 3,
                                .gap_ms = 20,
                                .timeout_ms = 5000,
                                .settle_ms = 500};
    read_arguments(options, argc, argv);
    if (options->connections == 0 || options->rooms == 0 || options->joins_each == 0 ||
        options->joins_each > options->rooms || options->connections > MEMBERS_MAX ||
        options->size < WIRE_MESSAGE_MIN || options->size > WIRE_MESSAGE_MAX)
        arguments_refuse(usage);
}
