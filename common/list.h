/* SPDX-License-Identifier: MIT
 *
 * Intrusive doubly linked list with a sentinel head. The owner of the containing object owns
 * the memory; a node is on at most one list through one member. Used by every program.
 */
#ifndef CREWMAN_LIST_H
#define CREWMAN_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(head)                                                                        \
    { &(head), &(head) }

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#define list_each(node, head) for (node = (head)->next; node != (head); node = node->next)

/* `node` may be removed and freed by the body; no other node may. */
#define list_each_safe(node, after, head)                                                      \
    for (node = (head)->next, after = node->next; node != (head);                              \
         node = after, after = node->next)

static inline void list_init(struct list *head) {
    head->next = head;
    head->prev = head;
}

static inline bool list_is_empty(const struct list *head) {
    return head->next == head;
}

/* True for a node that is on a list; only for nodes set up with list_init(). */
static inline bool list_is_linked(const struct list *node) {
    return node->next != node;
}

static inline void list_append(struct list *head, struct list *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Leaves the node ready for another list; harmless on a node that is on none. */
static inline void list_remove(struct list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
