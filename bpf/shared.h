/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What the kernel's half and clawpatrol-netd agree on: plain C, explicit padding, sizes asserted on both
 * sides. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#ifndef CLAWPATROL_BPF_SHARED_H
#define CLAWPATROL_BPF_SHARED_H

#include <linux/types.h>

enum {
  STEER_MAX_WORKERS = 16,
  STEER_SLOT_DNS_V4 = 16, /* slots 0 to 15 of the listeners map are the workers' */
  STEER_SLOT_DNS_V6 = 17,
  STEER_SLOTS = 18,
  STEER_MAX_INTERFACES = 64,
  STEER_MAX_PEERS = 4096,
  STEER_MAX_IDENTITIES = 16384,
  STEER_MAX_OWN = 8192,
  STEER_MAX_DROPS = 65536,
};

/* The mark that a packet carries once the filter has let it in. The routing rule asks for it, so that an
 * interface without our filter is never routed to our sockets. */
#define STEER_MARK 0xc1a80053u

/* Where our sockets are bound: addresses that no packet from outside can reach, so that only sk_lookup gives
 * them anything. The listeners' port is in the programs' read-only data. */
#define STEER_LISTEN_V4 0x7f000001u    /* 127.0.0.1, and ::ffff:127.0.0.1 for both families */
#define STEER_DNS_V4 0x7f560035u       /* 127.86.0.53 */
#define STEER_DNS_V6_FIRST 0x01000000u /* 100::53, of the discard-only prefix (RFC 6666) */
#define STEER_DNS_V6_LAST 0x00000053u

/* Why the filter dropped a packet. Numbers are part of the protocol with the daemon: append only. */
enum drop_reason {
  DROP_NONE = 0,
  DROP_INTERFACE = 1, /* the interface is not one that is steered */
  DROP_LINK = 2,      /* on Ethernet, neither IP, ARP nor neighbour discovery; or a VLAN tag */
  DROP_MALFORMED = 3, /* headers too short or that contradict each other */
  DROP_FRAGMENT = 4,
  DROP_OPTIONS = 5,     /* IPv4 options, IPv6 extension headers */
  DROP_SPOOFED = 6,     /* (interface, source) belongs to no peer */
  DROP_OWN_ADDRESS = 7, /* an address of the gateway or of a peer, and not a service for agents */
  DROP_DESTINATION = 8, /* multicast, broadcast, loopback, link-local, unspecified */
  DROP_UDP = 9,         /* neither DNS nor UDP port 443 */
  DROP_QUIC = 10,       /* UDP port 443 */
  DROP_ICMP = 11,
  DROP_PROTOCOL = 12,    /* neither TCP, UDP nor ICMP */
  DROP_NO_LISTENER = 13, /* no process of ours is there to answer */
  DROP_RATE = 14,        /* more new connections or datagrams than one peer may make */
  DROP_REASONS = 15,
};

struct steer_interface {
  __u32 link_header; /* bytes before the IP header: 14 on Ethernet, 0 on WireGuard and TUN */
};

struct steer_identity_key {
  __u32 ifindex;
  __u8 address[16];
};

/* Longest prefix match. A prefix that is in this map is the gateway's or its peers'. */
struct steer_own_key {
  __u32 prefix_length; /* of 128 */
  __u8 address[16];
};

enum { STEER_OWN_SERVICES = 1 }; /* agents may ask it for DNS, for ca.crt and env.sh by HTTP, and ping it */

struct steer_drop_key {
  __u32 peer; /* 0: of no known peer */
  __u32 reason;
};

struct steer_drop_count {
  __u64 packets;
  __u64 bytes;
};

/* When each bucket is empty again, on the monotonic clock: one number is the whole token bucket. */
struct steer_rate {
  __u64 connections_due_ns;
  __u64 datagrams_due_ns;
};

struct steer_settings {
  __u32 workers; /* listeners in use; 0: none */
  __u32 closed;  /* not 0: netd could not tell the filter all that it must know, drop everything */
};

#ifdef __cplusplus
#define STEER_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#define STEER_AT(type, field, at) static_assert(__builtin_offsetof(type, field) == (at), #type "." #field)
#else
#define STEER_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#define STEER_AT(type, field, at) _Static_assert(__builtin_offsetof(type, field) == (at), #type "." #field)
#endif
STEER_SIZE(struct steer_interface, 4);
STEER_SIZE(struct steer_identity_key, 20);
STEER_AT(struct steer_identity_key, address, 4);
STEER_SIZE(struct steer_own_key, 20);
STEER_AT(struct steer_own_key, address, 4);
STEER_SIZE(struct steer_drop_key, 8);
STEER_AT(struct steer_drop_key, reason, 4);
STEER_SIZE(struct steer_drop_count, 16);
STEER_AT(struct steer_drop_count, bytes, 8);
STEER_SIZE(struct steer_rate, 16);
STEER_AT(struct steer_rate, datagrams_due_ns, 8);
STEER_SIZE(struct steer_settings, 8);
STEER_AT(struct steer_settings, closed, 4);

#endif
