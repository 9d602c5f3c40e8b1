/* SPDX-License-Identifier: MIT
 *
 * status: one table row a worker, or the same as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "client.h"
#include "human.h"
#include "row.h"
#include "say.h"
#include "table.h"
#include "verbs.h"

#define LOG_MUCH  65536
#define ANSWER_MS 5000u

static const struct table_column columns[] = {
    {"service", false}, {"slot", true},    {"gen", true},    {"pid", true},
    {"listen", false},  {"state", false},  {"rss", true},    {"conns", true},
    {"in", true},       {"out", true},     {"in/s", true},   {"fail", true},
    {"refused", true},  {"reaped", true},  {"timers", true}, {"lag", true},
    {"uptime", true},   {"restarts", true}};

static void add_size(struct table *table, const json_t *row, const char *name) {
    char cell[32];
    human_size((uint64_t)row_number(row, name), cell, sizeof(cell));
    table_add(table, "%s", cell);
}

static void add_number(struct table *table, const json_t *row, const char *name) {
    table_add(table, "%lld", (long long)row_number(row, name));
}

static void add_time(struct table *table, uint64_t ms) {
    char cell[32];
    human_duration(ms, cell, sizeof(cell));
    table_add(table, "%s", cell);
}

/* Of the slot; in one of its rows. */
static void add_total(struct table *table, const json_t *row, const char *name) {
    if (json_is_true(json_object_get(row, "has_totals")))
        add_number(table, row, name);
    else
        table_add(table, "-");
}

static void add_numbers(struct table *table, const json_t *row) {
    add_size(table, row, "rss");
    add_number(table, row, "connections");
    add_total(table, row, "messages_in");
    add_total(table, row, "messages_out");
    table_add(table, "%.1f", json_number_value(json_object_get(row, "rate")));
    add_total(table, row, "send_failures");
    add_total(table, row, "refused");
    add_total(table, row, "reaped");
    add_number(table, row, "timers");
    add_time(table, (uint64_t)row_number(row, "lag_us") / 1000);
    add_time(table, (uint64_t)row_number(row, "uptime_ms"));
}

static void add_row(struct table *table, const json_t *row) {
    bool has_process = json_is_integer(json_object_get(row, "pid"));
    table_add(table, "%s", row_text(row, "service"));
    add_number(table, row, "slot");
    add_number(table, row, "generation");
    if (has_process)
        add_number(table, row, "pid");
    else
        table_add(table, "-");
    table_add(table, "%s", row_text(row, "listen"));
    table_add(table, "%s", row_text(row, "state"));
    if (has_process)
        add_numbers(table, row);
    for (int i = 0; !has_process && i < 11; i++)
        table_add(table, "-");
    add_number(table, row, "restarts");
}

static void print_head(const json_t *master, size_t processes) {
    char uptime[32];
    double one = 0, five = 0, fifteen = 0;
    human_duration((uint64_t)row_number(master, "uptime_ms"), uptime, sizeof(uptime));
    json_unpack((json_t *)(uintptr_t)master, "{s:[F, F, F]}", "load", &one, &five, &fifteen);
    say_line(stdout, "Crewman %s  pid %lld  %s  up %s  generation %lld  load %.2f %.2f %.2f",
             row_text(master, "version"), (long long)row_number(master, "pid"),
             row_text(master, "phase"), uptime, (long long)row_number(master, "generation"),
             one, five, fifteen);
    say_line(stdout, "run_dir %s  config %s  %zu workers", row_text(master, "run_dir"),
             row_text(master, "config"), processes);
    putchar('\n');
}

/* Nothing where all is well: a few lines are always on their way. */
static void print_log(const json_t *master) {
    json_int_t waiting = row_number(master, "log_waiting"),
               lost = row_number(master, "log_lost");
    if (waiting > LOG_MUCH || lost > 0)
        printf("log: %lld bytes wait, %lld lines lost\n", (long long)waiting, (long long)lost);
}

static void print_sum(const json_t *rows, const json_t *totals) {
    size_t i;
    json_t *row;
    json_int_t connections = 0;
    double rate = 0;
    json_array_foreach(rows, i, row) {
        connections = row_sum(connections, row_number(row, "connections"));
        rate += json_number_value(json_object_get(row, "rate"));
    }
    printf("\n%lld connections, %lld messages in, %lld out, %.1f in/s\n",
           (long long)connections, (long long)row_number(totals, "messages_in"),
           (long long)row_number(totals, "messages_out"), rate);
    if (row_number(totals, "shed") > 0)
        printf("%lld connections closed as limits.memory was reached\n",
               (long long)row_number(totals, "shed"));
}

/* A process that several services share names them, each with its address. */
static void print_services(const json_t *row) {
    const json_t *services = json_object_get(row, "services");
    const char *process = row_text(row, "service");
    size_t i;
    json_t *service;
    json_array_foreach(services, i, service) {
        const char *name = row_text(service, "name");
        const char *label = json_string_value(json_object_get(service, "label"));
        bool has_label = label && label[0];
        if (json_array_size(services) > 1 || strcmp(name, process) != 0)
            say_line(stdout, "%s: service %s, %s%s%s", process, name,
                     row_text(service, "listen"), has_label ? ", " : "",
                     has_label ? label : "");
        else if (has_label)
            say_line(stdout, "%s: %s", name, label);
    }
}

/* Once a process: the rows of its slots stand together. */
static void print_labels(const json_t *rows) {
    size_t i;
    json_t *row;
    const char *last = "";
    json_array_foreach(rows, i, row) {
        if (strcmp(row_text(row, "service"), last) != 0)
            print_services(row);
        last = row_text(row, "service");
    }
}

/* Where a service of it has no place for one more. */
static void print_full_services(const json_t *row) {
    size_t i;
    json_t *service;
    json_array_foreach(json_object_get(row, "services"), i, service) {
        if (json_is_true(json_object_get(service, "is_full")))
            printf("%s/%lld: service %s is full; new connections go to the other workers, or "
                   "are turned away\n",
                   row_text(row, "service"), (long long)row_number(row, "slot"),
                   row_text(service, "name"));
    }
}

static void print_full(const json_t *rows) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        print_full_services(row);
    }
}

static void print_reasons(const json_t *rows) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        const char *reason = json_string_value(json_object_get(row, "reason"));
        if (reason && reason[0])
            say_line(stdout, "%s/%lld: %s", row_text(row, "service"),
                     (long long)row_number(row, "slot"), reason);
    }
}

static void print_table(const json_t *body) {
    const json_t *rows = json_object_get(body, "workers");
    struct table table;
    size_t i, processes = 0;
    json_t *row;
    table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach(rows, i, row) {
        add_row(&table, row);
        processes += json_is_integer(json_object_get(row, "pid"));
    }
    print_head(json_object_get(body, "master"), processes);
    table_print(&table, stdout);
    table_done(&table);
    print_sum(rows, json_object_get(body, "totals"));
    print_log(json_object_get(body, "master"));
    print_labels(rows);
    print_full(rows);
    print_reasons(rows);
}

static bool on_answer(void *owner, const struct message *type, json_t *body, int fd) {
    (void)fd;
    const struct options *options = owner;
    if (type->id != MSG_STATUS)
        return false;
    if (options->watches && !options->is_json)
        printf("\033[H\033[2J");
    if (options->is_json) {
        json_object_del(body, "v");
        json_object_del(body, "type");
        say_json(stdout, body, options->watches ? JSON_COMPACT : JSON_INDENT(2));
    } else {
        print_table(body);
    }
    fflush(stdout);
    return true;
}

int verb_status(const struct options *options) {
    static const struct client_events events = {on_answer};
    char *path = verb_admin_path(options);
    int exit_code;
    if (!path)
        return EXIT_FAILED;
    do {
        exit_code = client_ask(path, MSG_ASK_STATUS, json_object(), &events,
                               (void *)(uintptr_t)options, false, ANSWER_MS);
        if (options->watches && exit_code == EXIT_DONE)
            uv_sleep(1000);
    } while (options->watches && exit_code == EXIT_DONE);
    if (exit_code == EXIT_NOT_RUNNING)
        verb_not_running(path);
    free(path);
    return exit_code;
}
