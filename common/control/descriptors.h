/* SPDX-License-Identifier: MIT
 *
 * The descriptors that a child is born with: the same for every kind, agreed between the master
 * that hands them over and the child that finds them. See docs/control-protocol.md.
 */
#ifndef CREWMAN_DESCRIPTORS_H
#define CREWMAN_DESCRIPTORS_H

enum descriptor {
    DESCRIPTOR_INPUT,   /* /dev/null */
    DESCRIPTOR_OUTPUT,  /* a pipe of its own, which the master reads into the log */
    DESCRIPTOR_LOG,     /* standard error: the same */
    DESCRIPTOR_CONTROL, /* its end of the control pipe */
    DESCRIPTOR_PAGE,    /* of counters; it maps and closes it */
    DESCRIPTOR_UNUSED,  /* closed */
    DESCRIPTOR_OWN      /* the first of those that its kind has beyond */
};

#endif
