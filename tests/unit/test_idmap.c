/* SPDX-License-Identifier: MIT
 *
 * The id map against an array that is searched from front to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "idmap.h"

#define IDS 300

#define MANY    100000
#define RUN_MAX 100

static uint32_t random_state = 7;

static uint32_t random_below(uint32_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

/* Different for each i; many share a place in a small table. */
static uint64_t id_of(uint32_t i) {
    return 1 + (uint64_t)(i / 4) * 16 + ((uint64_t)(i % 4) << 40);
}

struct object {
    int other;
    uint64_t id;
};

static void agrees_with_an_array(void **state) {
    (void)state;
    struct idmap map;
    static struct object objects[IDS];
    static _Bool present[IDS];
    size_t count = 0;
    idmap_init(&map, offsetof(struct object, id));
    for (int step = 0; step < 200000; step++) {
        uint32_t i = random_below(IDS);
        uint64_t id = id_of(i);
        void *expected = present[i] ? &objects[i] : NULL;
        objects[i].id = id;
        assert_ptr_equal(idmap_find(&map, id), expected);
        if (present[i] && random_below(2)) {
            assert_ptr_equal(idmap_take(&map, id), &objects[i]);
            present[i] = 0;
            count--;
        } else if (!present[i]) {
            assert_int_equal(idmap_put(&map, &objects[i]), 0);
            present[i] = 1;
            count++;
        }
        assert_int_equal(map.count, count);
    }
    idmap_done(&map);
}

static void what_is_not_there_is_null(void **state) {
    (void)state;
    struct idmap map;
    struct object object = {.id = 5};
    idmap_init(&map, offsetof(struct object, id));
    assert_null(idmap_find(&map, 1));
    assert_null(idmap_take(&map, 1));
    assert_int_equal(idmap_put(&map, &object), 0);
    assert_null(idmap_find(&map, 0));
    assert_null(idmap_find(&map, 21)); /* same place, other id */
    assert_null(idmap_take(&map, 21));
    idmap_done(&map);
}

static void gives_memory_back(void **state) {
    (void)state;
    struct idmap map;
    static struct object objects[100000];
    idmap_init(&map, offsetof(struct object, id));
    for (uint64_t id = 1; id <= 100000; id++) {
        objects[id - 1].id = id;
        assert_int_equal(idmap_put(&map, &objects[id - 1]), 0);
    }
    size_t large = map.capacity;
    for (uint64_t id = 1; id <= 100000; id++)
        assert_ptr_equal(idmap_take(&map, id), &objects[id - 1]);
    assert_true(map.capacity < large / 1000);
    idmap_done(&map);
}

/* The places that the longest search for an id that is not there looks at. */
static size_t longest_run(const struct idmap *map) {
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < 2 * map->capacity; i++) {
        run = map->entries[i & (map->capacity - 1)] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* As a worker gives them out: one after the other, above the bits that tell workers apart. */
static void ids_in_sequence_stand_in_no_long_runs(void **state) {
    (void)state;
    struct idmap map;
    static struct object objects[MANY];
    idmap_init(&map, offsetof(struct object, id));
    for (uint64_t i = 0; i < MANY; i++) {
        objects[i].id = ((uint64_t)7 << 40) + i + 1;
        assert_int_equal(idmap_put(&map, &objects[i]), 0);
        if (i % 4096 == 0)
            assert_in_range(longest_run(&map), 1, RUN_MAX);
    }
    for (uint64_t i = 0; i < MANY; i++)
        if (i % 3 != 0 || random_below(4) == 0)
            assert_ptr_equal(idmap_take(&map, objects[i].id), &objects[i]);
    assert_in_range(longest_run(&map), 1, RUN_MAX);
    idmap_done(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(what_is_not_there_is_null),
        cmocka_unit_test(gives_memory_back),
        cmocka_unit_test(ids_in_sequence_stand_in_no_long_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
