/* SPDX-License-Identifier: MIT
 *
 * Numbers with a unit: one parser and one printer over two tables of units. Exact or refused:
 * nothing is rounded. Must never touch a float or the locale. Called by the config.
 */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DURATION_MAX_MS (3650ull * 24 * 3600 * 1000)
#define SIZE_MAX_BYTES  (1ull << 62)

/* More digits than this after the point cannot matter to a millisecond or a byte. */
#define FRACTION_DIGITS_MAX 9

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: the printer takes the first that divides. */
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

static const struct unit size_units[] = {
    {"g", 1u << 30}, {"m", 1u << 20}, {"k", 1u << 10}, {"b", 1}, {"", 1}, {NULL, 0},
};

struct number {
    uint64_t whole;
    uint64_t fraction, scale; /* fraction / scale; scale is a power of ten */
    bool is_huge;             /* more than 64 bits hold */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Answers where the unit begins, or NULL when this is no number. */
static const char *read_number(const char *text, struct number *out_number) {
    struct number n = {.scale = 1};
    if (!is_digit(*text))
        return NULL;
    for (; is_digit(*text); text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (__builtin_mul_overflow(n.whole, 10u, &n.whole) ||
            __builtin_add_overflow(n.whole, digit, &n.whole))
            n.is_huge = true;
    }
    if (*text == '.') {
        int digits = 0;
        for (text++; is_digit(*text); text++) {
            if (++digits > FRACTION_DIGITS_MAX)
                return NULL;
            n.fraction = n.fraction * 10 + (uint64_t)(*text - '0');
            n.scale *= 10;
        }
        if (digits == 0)
            return NULL;
    }
    *out_number = n;
    return text;
}

static int scale_number(const struct number *n, uint64_t factor, uint64_t max,
                        uint64_t *out_value) {
    uint64_t value;
    uint64_t part = n->fraction * factor; /* below 10^9 * 2^30: fits */
    if (part % n->scale != 0)
        return -EINVAL;
    if (n->is_huge || __builtin_mul_overflow(n->whole, factor, &value) ||
        __builtin_add_overflow(value, part / n->scale, &value) || value > max)
        return -ERANGE;
    *out_value = value;
    return 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name, bool any_case) {
    for (; units->name; units++)
        if ((any_case ? strcasecmp(units->name, name) : strcmp(units->name, name)) == 0)
            return units;
    return NULL;
}

static void format(uint64_t value, const struct unit *units, char *out_text, size_t size) {
    if (value == 0) {
        snprintf(out_text, size, "0");
        return;
    }
    while (value % units->factor != 0)
        units++;
    snprintf(out_text, size, "%" PRIu64 "%s", value / units->factor, units->name);
}

int duration_parse(const char *text, uint64_t *out_ms) {
    struct number n;
    const char *rest = read_number(text, &n);
    if (!rest)
        return -EINVAL;
    if (*rest == '\0' && n.whole == 0 && n.fraction == 0 && !n.is_huge) {
        *out_ms = 0;
        return 0;
    }
    const struct unit *unit = find_unit(duration_units, rest, false);
    return unit ? scale_number(&n, unit->factor, DURATION_MAX_MS, out_ms) : -EINVAL;
}

void duration_format(uint64_t ms, char *out_text, size_t size) {
    format(ms, duration_units, out_text, size);
}

int size_parse(const char *text, uint64_t *out_bytes) {
    struct number n;
    const char *rest = read_number(text, &n);
    const struct unit *unit = rest ? find_unit(size_units, rest, true) : NULL;
    return unit ? scale_number(&n, unit->factor, SIZE_MAX_BYTES, out_bytes) : -EINVAL;
}

void size_format(uint64_t bytes, char *out_text, size_t size) {
    /* Plain bytes have no letter. */
    if (bytes % 1024 != 0)
        snprintf(out_text, size, "%" PRIu64, bytes);
    else
        format(bytes, size_units, out_text, size);
}
