/* SPDX-License-Identifier: MIT
 *
 * See siblings.h.
 */
#include "siblings.h"

#include <stdbool.h>

#include "child.h"
#include "pool.h"

static bool are_neighbours(const struct child *one, const struct child *other) {
    const struct place *a = one->owner, *b = other->owner;
    unsigned count = a->pool->place_count;
    unsigned apart = a->index > b->index ? a->index - b->index : b->index - a->index;
    return apart <= SIBLINGS_REACH || count - apart <= SIBLINGS_REACH;
}

void siblings_greet(struct child *child) {
    struct list *node;
    const struct place *place = child->owner;
    list_each (node, &place->pool->children) {
        const struct child *other = child_of(node);
        if (other != child && are_neighbours(child, other))
            child_introduce(child, other);
    }
}

void siblings_announce(struct child *child) {
    struct list *node;
    const struct place *place = child->owner;
    list_each (node, &place->pool->children) {
        struct child *other = child_of(node);
        if (other != child && are_neighbours(child, other))
            child_introduce(other, child);
    }
}

/* All of them, for the ring may have had another size when it was announced. */
void siblings_withdraw(struct child *child) {
    struct list *node;
    const struct place *place = child->owner;
    list_each (node, &place->pool->children) {
        struct child *other = child_of(node);
        if (other != child)
            child_withdraw(other, child);
    }
}
