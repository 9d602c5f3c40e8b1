/* SPDX-License-Identifier: MIT
 *
 * What a worker can do to a listening socket that it shares with the others: end it, shrink its
 * queue, make it wait, bind it to one peer or device, let it drop what comes from far, or keep
 * clients waiting until they send. Found and undone here. Keys for signed segments (TCP_MD5SIG)
 * cannot be found. Called by the sockets' owner, once a second.
 */
#ifndef CREWMAN_MEND_H
#define CREWMAN_MEND_H

enum mend {
    MEND_FINE,  /* nothing was wrong */
    MEND_DONE,  /* it serves again */
    MEND_BROKEN /* only a new socket helps */
};

/* A socket of a stream that has listened. Its queue gets the length `backlog` again in any
 * case: what it has now cannot be asked. */
enum mend mend_stream(int fd, int backlog);

/* A bound socket of datagrams. */
enum mend mend_datagram(int fd);

#endif
