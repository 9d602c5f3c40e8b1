/* SPDX-License-Identifier: MIT
 *
 * What people read: tables whose columns stand under each other, and numbers of a few letters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "human.h"
#include "table.h"

static const struct table_column columns[] = {{"name", false}, {"pid", true}, {"why", false}};

static void assert_printed(const struct table *table, const char *expected) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    table_print(table, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void columns_are_aligned(void **state) {
    (void)state;
    struct table table;
    table_init(&table, columns, 3);
    table_add(&table, "%s/%d", "chat", 0);
    table_add(&table, "%d", 4711);
    table_add(&table, "ready");
    table_add(&table, "a");
    table_add(&table, "1");
    table_add(&table, "it is late");
    assert_printed(&table, "name     pid  why\n"
                           "chat/0  4711  ready\n"
                           "a          1  it is late\n");
    table_done(&table);
}

static void an_empty_table_has_its_head(void **state) {
    (void)state;
    struct table table;
    table_init(&table, columns, 3);
    assert_printed(&table, "name  pid  why\n");
    table_done(&table);
}

static void a_number_may_stand_last(void **state) {
    (void)state;
    struct table table;
    table_init(&table, columns, 2);
    table_add(&table, "x");
    table_add(&table, "12345");
    assert_printed(&table, "name    pid\nx     12345\n");
    table_done(&table);
}

/* Peers and apps name things; none may move the cursor of who looks. */
static void nothing_steers_the_terminal(void **state) {
    (void)state;
    struct table table;
    table_init(&table, columns + 2, 1);
    table_add(&table, "a\x1b[2J\n\r\x7f"
                      "b");
    assert_printed(&table, "why\na?[2J???b\n");
    table_done(&table);
}

static void long_cells_are_cut(void **state) {
    (void)state;
    struct table table;
    char cell[2000], expected[600];
    memset(cell, 'c', sizeof(cell) - 1);
    cell[sizeof(cell) - 1] = '\0';
    table_init(&table, columns + 2, 1);
    table_add(&table, "%s", cell);
    snprintf(expected, sizeof(expected), "why\n%.511s\n", cell);
    assert_printed(&table, expected);
    table_done(&table);
}

static void durations_are_short(void **state) {
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {{0, "0ms"},           {999, "999ms"},     {1000, "1s"},
                {59999, "59s"},       {60000, "1m00s"},   {192000, "3m12s"},
                {3599999, "59m59s"},  {3600000, "1h00m"}, {18180000, "5h03m"},
                {86399999, "23h59m"}, {86400000, "1d0h"}, {1051200000, "12d4h"}};
    char text[32];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        human_duration(rows[i].ms, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
    }
}

static void sizes_are_short(void **state) {
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {{0, "0"},           {1023, "1023"},
                {1024, "1.0K"},     {1229, "1.2K"},
                {10239, "10K"},     {10240, "10K"},
                {1048575, "1.0M"},  {1048576, "1.0M"},
                {35651584, "34M"},  {UINT64_C(1) << 30, "1.0G"},
                {UINT64_MAX, "16E"}};
    char text[32];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        human_size(rows[i].bytes, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
    }
}

/* At most four letters, and never 1024 of a unit: the columns of status stay narrow. */
static void sizes_stay_short(void **state) {
    (void)state;
    char text[32];
    for (uint64_t bytes = 1; bytes < UINT64_MAX / 3; bytes += bytes / 7 + 1) {
        human_size(bytes, text, sizeof(text));
        assert_true(strlen(text) <= 4);
        assert_null(strstr(text, "1024"));
        assert_null(strstr(text, "10.0"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(an_empty_table_has_its_head),
        cmocka_unit_test(a_number_may_stand_last),
        cmocka_unit_test(nothing_steers_the_terminal),
        cmocka_unit_test(long_cells_are_cut),
        cmocka_unit_test(durations_are_short),
        cmocka_unit_test(sizes_are_short),
        cmocka_unit_test(sizes_stay_short),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
