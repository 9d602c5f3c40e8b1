/* SPDX-License-Identifier: MIT
 *
 * Command line of the fan load.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const struct option longs[] = {
    {"port", 1, NULL, 'P'},    {"second-port", 1, NULL, '2'},
    {"path", 1, NULL, 't'},    {"connections", 1, NULL, 'c'},
    {"rooms", 1, NULL, 'R'},   {"joins-each", 1, NULL, 'k'},
    {"join", 1, NULL, 'j'},    {"acks", 1, NULL, 'a'},
    {"say", 1, NULL, 'm'},     {"publisher-joins", 0, NULL, 'J'},
    {"size", 1, NULL, 's'},    {"rounds", 1, NULL, 'n'},
    {"warmup", 1, NULL, 'w'},  {"gap", 1, NULL, 'g'},
    {"quiet", 1, NULL, 'q'},   {"timeout", 1, NULL, 'T'},
    {"settle", 1, NULL, 'S'},  {"raw", 0, NULL, 'r'},
    {"deflate", 0, NULL, 'z'}, {"pid", 1, NULL, 'I'},
    {"help", 0, NULL, 'h'},    {NULL, 0, NULL, 0}};

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

/* One of the counts; NULL: `name` is no count. */
static unsigned *count_of(struct options *options, int name) {
    switch (name) {
    case 'c':
        return &options->connections;
    case 'R':
        return &options->rooms;
    case 'k':
        return &options->joins_each;
    case 'a':
        return &options->acks;
    case 's':
        return &options->size;
    case 'n':
        return &options->rounds;
    case 'w':
        return &options->warmup;
    default:
        return NULL;
    }
}

static double *time_of(struct options *options, int name) {
    switch (name) {
    case 'g':
        return &options->gap_ms;
    case 'q':
        return &options->quiet_ms;
    case 'T':
        return &options->timeout_ms;
    case 'S':
        return &options->settle_ms;
    default:
        return NULL;
    }
}

static void set(struct options *options, int name, const char *value) {
    unsigned *count = count_of(options, name);
    double *time = time_of(options, name);
    if (count)
        *count = (unsigned)number(value);
    else if (time)
        *time = number(value);
    else if (name == 'P')
        options->port = (uint16_t)number(value);
    else if (name == '2')
        options->second_port = (uint16_t)number(value);
    else if (name == 't')
        options->path = value;
    else if (name == 'm')
        options->say = value;
    else if (name == 'j' && options->join_count < JOINS_MAX)
        options->joins[options->join_count++] = value;
    else if (name == 'I' && options->pid_count < PIDS_MAX)
        options->pids[options->pid_count++] = (int)number(value);
    else if (name == 'J')
        options->publisher_joins = true;
    else if (name == 'r')
        options->is_raw = true;
    else if (name == 'z')
        options->offers_deflate = true;
    else
        fail();
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
    int name;
    while ((name = getopt_long(argc, argv, "", longs, NULL)) != -1)
        set(options, name, optarg);
    if (optind != argc || options->connections == 0 || options->rooms == 0 ||
        options->joins_each == 0 || options->joins_each > options->rooms ||
        options->connections > MEMBERS_MAX || options->size < WIRE_MESSAGE_MIN ||
        options->size > WIRE_MESSAGE_MAX)
        fail();
}
