/* SPDX-License-Identifier: MIT
 *
 * connections: asks the master who there is, and each worker for its own, on a socket that the
 * master makes between us; it never sees them. A worker that does not answer is named.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "client.h"
#include "human.h"
#include "row.h"
#include "say.h"
#include "table.h"
#include "verbs.h"

#define ANSWER_MS 2000u
#define SECOND_MS 200u
#define PAUSE_MS  50u
#define ROWS_MAX  (1u << 20) /* of one worker; no process has more descriptors by default */

static const struct table_column columns[] = {
    {"id", false},       {"service", false}, {"slot", true},   {"protocol", false},
    {"peer", false},     {"local", false},   {"state", false}, {"bytes in", true},
    {"bytes out", true}, {"queued", true},   {"idle", true},   {"rtt", true}};

struct gathering {
    const char *path; /* of the master's admin socket */
    json_t *roster, *rows, *silent;
};

/* The pages of one worker. */
struct pages {
    json_t *rows;
    int fd; /* to the worker; -1: it has ended */
    bool is_nonsense;
};

static bool on_roster(void *owner, const struct message *type, json_t *body, int fd) {
    struct gathering *gathering = owner;
    (void)fd;
    if (type->id != MSG_ROSTER)
        return false;
    gathering->roster = json_incref(json_object_get(body, "workers"));
    return true;
}

static bool on_connected(void *owner, const struct message *type, json_t *body, int fd) {
    struct pages *pages = owner;
    (void)body;
    if (type->id == MSG_CONNECTED)
        pages->fd = fd;
    return true;
}

/* False for what no worker in good order says: rows that are none, or without an end. */
static bool take_page(json_t *rows, json_t *page) {
    size_t i;
    json_t *row;
    json_array_foreach(page, i, row) if (!json_is_object(row)) return false;
    return json_array_size(rows) + json_array_size(page) <= ROWS_MAX &&
           json_array_extend(rows, page) == 0;
}

static bool on_page(void *owner, const struct message *type, json_t *body, int fd) {
    struct pages *pages = owner;
    (void)fd;
    if (type->id != MSG_CONNECTIONS)
        return false;
    pages->is_nonsense = !take_page(pages->rows, json_object_get(body, "list"));
    return pages->is_nonsense || !json_is_true(json_object_get(body, "more"));
}

/* One that has ended since the master listed it has no connections left. */
static int ask_once(const struct gathering *gathering, const json_t *worker,
                    struct pages *pages, unsigned wait_ms) {
    static const struct client_events master = {.on_answer = on_connected, .is_silent = true};
    static const struct client_events events = {.on_answer = on_page, .is_silent = true};
    json_t *body = json_pack("{s:I}", "pid", row_number(worker, "pid"));
    int exit_code =
        client_ask(gathering->path, MSG_ASK_CONNECT, body, &master, pages, false, ANSWER_MS);
    if (exit_code == EXIT_DONE && pages->fd >= 0)
        exit_code = client_ask_on(pages->fd, MSG_ASK_CONNECTIONS, &events, pages, wait_ms);
    return exit_code;
}

static int take_rows(struct gathering *gathering, const json_t *worker, unsigned wait_ms) {
    struct pages pages = {.rows = json_array(), .fd = -1};
    int exit_code = ask_once(gathering, worker, &pages, wait_ms);
    if (pages.is_nonsense)
        exit_code = EXIT_FAILED;
    if (exit_code == EXIT_DONE)
        json_array_extend(gathering->rows, pages.rows);
    json_decref(pages.rows);
    return exit_code;
}

static void ask_worker(struct gathering *gathering, json_t *worker) {
    int exit_code = take_rows(gathering, worker, ANSWER_MS);
    if (exit_code == EXIT_FAILED) { /* it may have ended meanwhile */
        uv_sleep(PAUSE_MS);
        exit_code = take_rows(gathering, worker, SECOND_MS);
    }
    if (exit_code == EXIT_DONE)
        return;
    say_line(stderr, "crewman: %s/%lld, pid %lld, did not answer", row_text(worker, "service"),
             (long long)row_number(worker, "slot"), (long long)row_number(worker, "pid"));
    json_array_append(gathering->silent, worker);
}

static void add_row(struct table *table, const json_t *row) {
    char in[32], out[32], queued[32], idle[32];
    human_size((uint64_t)row_number(row, "bytes_in"), in, sizeof(in));
    human_size((uint64_t)row_number(row, "bytes_out"), out, sizeof(out));
    human_size((uint64_t)row_number(row, "queued"), queued, sizeof(queued));
    human_duration((uint64_t)row_number(row, "idle_ms"), idle, sizeof(idle));
    table_add(table, "%s", row_text(row, "id"));
    table_add(table, "%s", row_text(row, "service"));
    table_add(table, "%lld", (long long)row_number(row, "slot"));
    table_add(table, "%s", row_text(row, "protocol"));
    table_add(table, "%s", row_text(row, "peer"));
    table_add(table, "%s", row_text(row, "local"));
    table_add(table, "%s", row_text(row, "state"));
    table_add(table, "%s", in);
    table_add(table, "%s", out);
    table_add(table, "%s", queued);
    table_add(table, "%s", idle);
    if (json_integer_value(json_object_get(row, "rtt_ms")) < 0)
        table_add(table, "-");
    else
        table_add(table, "%lldms", (long long)row_number(row, "rtt_ms"));
}

static void print_table(const json_t *rows) {
    struct table table;
    size_t i;
    json_t *row;
    table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach(rows, i, row) add_row(&table, row);
    table_print(&table, stdout);
    table_done(&table);
    printf("\n%zu connections\n", json_array_size(rows));
}

static void print_json(const struct gathering *gathering) {
    json_t *all = json_pack("{s:O, s:O}", "connections", gathering->rows, "silent_workers",
                            gathering->silent);
    say_json(stdout, all, JSON_INDENT(2));
    json_decref(all);
}

static int gather(struct gathering *gathering) {
    static const struct client_events events = {on_roster};
    size_t i;
    json_t *worker;
    int exit_code = client_ask(gathering->path, MSG_ASK_ROSTER, json_object(), &events,
                               gathering, false, ANSWER_MS);
    if (exit_code == EXIT_NOT_RUNNING)
        verb_not_running(gathering->path);
    if (exit_code != EXIT_DONE)
        return exit_code;
    json_array_foreach(gathering->roster, i, worker) ask_worker(gathering, worker);
    return json_array_size(gathering->silent) > 0 ? EXIT_FAILED : EXIT_DONE;
}

int verb_connections(const struct options *options) {
    char *path = verb_admin_path(options);
    struct gathering gathering = {path, NULL, json_array(), json_array()};
    int exit_code = path ? gather(&gathering) : EXIT_FAILED;
    if (gathering.roster && options->is_json)
        print_json(&gathering);
    else if (gathering.roster)
        print_table(gathering.rows);
    json_decref(gathering.roster);
    json_decref(gathering.rows);
    json_decref(gathering.silent);
    free(path);
    return exit_code;
}
