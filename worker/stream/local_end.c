/* SPDX-License-Identifier: MIT
 *
 * See local_end.h.
 */
#include "local_end.h"

#include <stdbool.h>
#include <string.h>

void local_end_put(struct msghdr *message, union ancillary *control,
                   const struct local_end *end) {
    bool is_in6 = end->family == AF_INET6;
    struct in_pktinfo in = {.ipi_spec_dst = end->in};
    size_t len = is_in6 ? sizeof(end->in6) : sizeof(in);
    memset(control, 0, sizeof(*control));
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(len);
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = is_in6 ? IPPROTO_IPV6 : IPPROTO_IP;
    head->cmsg_type = is_in6 ? IPV6_PKTINFO : IP_PKTINFO;
    head->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(head), is_in6 ? (const void *)&end->in6 : &in, len);
}

void local_end_read(struct msghdr *message, struct local_end *out_end) {
    *out_end = (struct local_end){.family = AF_UNSPEC};
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(head), sizeof(info));
            out_end->family = AF_INET;
            out_end->in = info.ipi_spec_dst;
        } else if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
            memcpy(&out_end->in6, CMSG_DATA(head), sizeof(out_end->in6));
            /* Nothing can be sent from a multicast address. */
            out_end->family =
                IN6_IS_ADDR_MULTICAST(&out_end->in6.ipi6_addr) ? AF_UNSPEC : AF_INET6;
            if (!IN6_IS_ADDR_LINKLOCAL(&out_end->in6.ipi6_addr))
                out_end->in6.ipi6_ifindex = 0;
        }
    }
}
