/* SPDX-License-Identifier: MIT
 *
 * Prints etc/crewman.json ("sample") or docs/configuration.md ("manual") from the table of
 * keys, or, with a file as second argument, tells whether that file is what it would print. Run
 * by scripts/gen-config-docs and by the tests; no part of an installation.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_expect.h"
#include "config_table.h"

#define COLUMNS 96

static void indent(FILE *out, size_t width) {
    fprintf(out, "%*s", (int)width, "");
}

/* `text` as comment lines of at most COLUMNS columns. */
static void print_comment(FILE *out, size_t width, const char *text) {
    size_t column = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0) {
            indent(out, width);
            fputs("//", out);
            column = width + 2;
        }
        fprintf(out, " %.*s", (int)len, text);
        column += 1 + len;
        text += len + strspn(text + len, " ");
    }
    fputc('\n', out);
}

static const char *leaf(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* The group of a path: "heartbeat" of "heartbeat.ping_interval", "" at the top. */
static void group_of(const char *path, char out_group[64]) {
    const char *dot = strrchr(path, '.');
    snprintf(out_group, 64, "%.*s", dot ? (int)(dot - path) : 0, path);
}

static void print_sample_row(FILE *out, const struct config_row *row, size_t width,
                             bool is_last) {
    static const char *const reloads[] = {"", " Changed by a restart, or together with listen.",
                                          " Changed by a restart only."};
    char takes[256], line[512];
    const char *fallback = row->computed ? row->computed : row->example ? row->fallback : NULL;
    config_expect_describe(row, takes, sizeof(takes));
    snprintf(line, sizeof(line), "Takes %s.%s%s%s%s", takes, fallback ? " Default: " : "",
             fallback ? fallback : "", fallback ? "." : "", reloads[row->reload]);
    print_comment(out, width, row->help);
    print_comment(out, width, line);
    indent(out, width);
    fprintf(out, "\"%s\": %s%s\n", leaf(row->path), row->example ? row->example : row->fallback,
            is_last ? "" : ",");
}

/* Groups are one level deep, and their rows stand together. */
static void print_sample_rows(FILE *out, enum config_scope scope, size_t width,
                              bool more_follows) {
    const struct config_table *table = config_table_get(scope);
    char open[64] = "";
    for (size_t i = 0; i < table->count; i++) {
        char group[64], next[64] = "";
        bool is_end = i + 1 == table->count;
        group_of(table->rows[i].path, group);
        if (!is_end)
            group_of(table->rows[i + 1].path, next);
        if (strcmp(group, open) != 0) {
            indent(out, width);
            fprintf(out, "\"%s\": {\n", group);
            snprintf(open, sizeof(open), "%s", group);
        }
        bool closes = *open && (is_end || strcmp(next, open) != 0);
        bool is_last = closes || (is_end && !more_follows);
        print_sample_row(out, &table->rows[i], width + (*open ? 2 : 0), is_last);
        if (closes) {
            indent(out, width);
            fputs(is_end && !more_follows ? "}\n" : "},\n", out);
            *open = '\0';
        }
        if (!is_end && (!*open || closes))
            fputc('\n', out);
    }
}

static void print_sample(FILE *out) {
    fputs("// The configuration of Crewman. This file shows every key; each may be left out. "
          "Where "
          "the\n"
          "// default depends on the machine or the app an example stands here, and the "
          "comment says\n"
          "// what the default is. Durations and sizes have units: 250ms, 30s, 5m, 2h, 1d; "
          "64k, 10m,\n"
          "// 1g. `crewman check -c FILE` prints what is in force, or all errors at once.\n"
          "{\n",
          out);
    print_sample_rows(out, CONFIG_OF_INSTANCE, 2, true);
    fputs("\n", out);
    print_comment(
        out, 2,
        "One block a service, by the name that the app declares. A key given here wins over "
        "what the app declares.");
    fputs("  \"services\": {\n    \"chat\": {\n", out);
    print_sample_rows(out, CONFIG_OF_SERVICE, 6, false);
    fputs("    }\n  }\n}\n", out);
}

static const char manual_head[] =
    "# Configuration\n"
    "\n"
    "A config file is JSON with `//` comments. Every key may be left out;\n"
    "[etc/crewman.json](../etc/crewman.json) shows all of them.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"app\": \"/srv/chat/chat.so\",\n"
    "  \"user\": \"www-data\",\n"
    "  \"services\": {\n"
    "    \"chat\": {\n"
    "      \"listen\": \"websocket://0.0.0.0:8282\",\n"
    "      \"heartbeat\": { \"ping_interval\": \"25s\", \"idle_timeout\": \"60s\" }\n"
    "    }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "* **Durations** are strings with a unit: `\"250ms\"`, `\"30s\"`, `\"1.5h\"`, `\"1d\"`. "
    "`0` needs none.\n"
    "* **Sizes** are strings with a unit in powers of 1024, `\"64k\"`, `\"10m\"`, `\"1g\"`, or "
    "a number of\n"
    "  bytes.\n"
    "* **Relative paths** begin at the folder of the config file. Links stay in them: with\n"
    "  `/srv/chat/current` a link to a release, also where a shell went through it (`cd "
    "current`), a "
    "reload\n"
    "  reads the config and the app of the release that the link names by then. `run_dir` had "
    "better "
    "be an\n"
    "  absolute path that no release contains.\n"
    "* **A service** is named in `services` as its app declares it. A key of the file wins "
    "over the\n"
    "  app's own `config`, that over the `listen` and `workers` of its descriptor, and that "
    "over the\n"
    "  default. A service that the file does not name runs as the app declares it; one that no "
    "app\n"
    "  declares is an error.\n"
    "* **Listen addresses** are `PROTOCOL://HOST:PORT`, `PROTOCOL://unix:/PATH` or "
    "`unix:///PATH` (raw\n"
    "  bytes). Hosts are numeric: `0.0.0.0`, `127.0.0.1`, `[::1]`; `[::]` and `*` take IPv4 "
    "and IPv6,\n"
    "  `localhost` is `127.0.0.1`. Where the kernel has no IPv6, `*` takes IPv4.\n"
    "* **Users and groups** are names, or numbers in quotes: `\"1000\"`. A number without an "
    "account needs a\n"
    "  `group` beside it, and has no other groups.\n"
    "\n"
    "`crewman check -c FILE` prints the effective configuration. A wrong one is refused with "
    "all of its\n"
    "errors, each with its place, by `check`, `start` and `reload` alike; a reload then "
    "changes nothing:\n"
    "\n"
    "```\n"
    "chat.json:6:34: services.chat.heartbeat.idle_timeout: found \"20s\"; expected more than "
    "heartbeat.ping_interval, which is \"25s\"\n"
    "chat.json:8:5: services.chat.limit: unknown key; did you mean \"limits\"?\n"
    "```\n"
    "\n"
    "Limits of a file: 1 MiB, 16 levels, 64 services.\n";

static void print_manual_row(FILE *out, const struct config_row *row) {
    char takes[256];
    static const char *const reloads[] = {"yes", "with `listen`", "restart"};
    config_expect_describe(row, takes, sizeof(takes));
    fprintf(out, "| `%s` | %s | ", row->path, takes);
    if (row->computed)
        fputs(row->computed, out);
    else
        fprintf(out, "`%s`", row->fallback);
    fprintf(out, " | %s | %s |\n", reloads[row->reload], row->help);
}

static void print_manual_rows(FILE *out, enum config_scope scope, const char *top) {
    const struct config_table *table = config_table_get(scope);
    char open[64] = "none";
    for (size_t i = 0; i < table->count; i++) {
        char group[64];
        group_of(table->rows[i].path, group);
        if (strcmp(group, open) != 0) {
            if (*group)
                fprintf(out, "\n## %s%s\n\n",
                        scope == CONFIG_OF_SERVICE ? "services.NAME." : "", group);
            else
                fprintf(out, "\n## %s\n\n", top);
            fputs("| key | takes | default | reload | what it does |\n|---|---|---|---|---|\n",
                  out);
            snprintf(open, sizeof(open), "%s", group);
        }
        print_manual_row(out, &table->rows[i]);
    }
}

static void print_manual(FILE *out) {
    fputs(manual_head, out);
    print_manual_rows(out, CONFIG_OF_INSTANCE, "The instance");
    print_manual_rows(out, CONFIG_OF_SERVICE, "services.NAME");
}

/* 0 when the file holds exactly `text`. */
static int compare(const char *path, const char *text, size_t len) {
    FILE *file = fopen(path, "re");
    if (!file) {
        perror(path);
        return 1;
    }
    char *there = calloc(1, len + 2);
    size_t n = there ? fread(there, 1, len + 1, file) : 0;
    bool same = there && n == len && memcmp(there, text, len) == 0;
    free(there);
    fclose(file);
    if (!same)
        fprintf(stderr, "%s is stale: run scripts/gen-config-docs\n", path);
    return same ? 0 : 1;
}

int main(int argc, char **argv) {
    char *text = NULL;
    size_t len = 0;
    bool is_sample = argc > 1 && strcmp(argv[1], "sample") == 0;
    if (argc < 2 || argc > 3 || (!is_sample && strcmp(argv[1], "manual") != 0)) {
        fprintf(stderr, "usage: config_docs sample|manual [FILE]\n");
        return 2;
    }
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return 1;
    if (is_sample)
        print_sample(out);
    else
        print_manual(out);
    fclose(out);
    int rc = argc == 3 ? compare(argv[2], text, len)
                       : (fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0 ? 0 : 1);
    free(text);
    return rc;
}
