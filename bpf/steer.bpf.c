/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The kernel's half: which packets of an agent get in, and to which socket of ours they go.
 *
 * filter_ingress  clsact filter on every steered interface. Lets in TCP, DNS, ping to the gateway and
 * path-MTU errors, marks what is to be routed to us, drops and counts the rest. It outlives both processes.
 * steer_lookup    sk_lookup on the network namespace. Gives TCP to a worker's listener and DNS to its socket,
 *                 whatever the destination.
 *
 * Only the context structures of the kernel's public headers are used, so that one object loads on 6.1 and
 * later. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/shared.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Set by netd before loading. */
const volatile __u32 listen_port = 0;
const volatile __u32 hash_seed = 0;
const volatile __u64 connection_interval_ns = 1000000; /* one new TCP connection a millisecond */
const volatile __u64 connection_burst_ns = 2000000000; /* and 2000 at once */
const volatile __u64 datagram_interval_ns = 2000000;
const volatile __u64 datagram_burst_ns = 1000000000;

/* Slot -> listening or DNS socket. Written by netd; read by both programs. A slot empties itself when the
 * last process that holds its socket is gone, and then everything is dropped. */
struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, STEER_SLOTS);
  __type(key, __u32);
  __type(value, __u64);
} listeners SEC(".maps");

/* Interface index -> how it is steered. Written by netd, read by both. Full: netd refuses the interface. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, STEER_MAX_INTERFACES);
  __type(key, __u32);
  __type(value, struct steer_interface);
} interfaces SEC(".maps");

/* (interface, source address) -> peer id. Written by netd, read by the filter. Full: netd refuses the peer.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, STEER_MAX_IDENTITIES);
  __type(key, struct steer_identity_key);
  __type(value, __u32);
} identities SEC(".maps");

/* Addresses of the gateway and of the peers' subnet -> flags. Written by netd, read by the filter. Full: netd
 * sets settings.closed. */
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, STEER_MAX_OWN);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct steer_own_key);
  __type(value, __u32);
} own_addresses SEC(".maps");

/* Peer id -> its token buckets. Entries made by netd, spent by the filter. No entry: nothing new from that
 * peer. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, STEER_MAX_PEERS);
  __type(key, __u32);
  __type(value, struct steer_rate);
} rates SEC(".maps");

/* (peer, reason) -> dropped packets and bytes. Written by the filter, read by netd. Full: counted under peer
 * 0, whose entries netd makes at start. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, STEER_MAX_DROPS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct steer_drop_key);
  __type(value, struct steer_drop_count);
} drops SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct steer_settings);
} settings SEC(".maps");

/* Functions are real calls where inlining would make the compiler spill pointers and reuse their slots for
 * integers: without CAP_PERFMON the verifier refuses that ("attempt to corrupt spilled pointer on stack"). */

/* What the filter knows of a packet, and what it looks up with. In a map and not on the stack: for Linux 6.1
 * a 32-bit store to the stack is a spilled register, and without CAP_PERFMON the next one beside it "attempts
 * to corrupt" that. */
struct packet {
  __u32 source[4]; /* network order, IPv4 mapped */
  __u32 destination[4];
  __u32 peer;
  __u32 transport; /* offset of the header after IP */
  __u32 ethernet;
  __u32 own;       /* the destination is ours or a peer's ... */
  __u32 services;  /* ... and serves agents */
  __u32 quoted[4]; /* the destination of the packet that an ICMP error quotes */
  struct bpf_sock_tuple tuple;
  struct steer_identity_key identity;
  struct steer_own_key own_key;
  struct steer_drop_key drop;
  __u8 protocol;
  __u8 hop_limit;
  __u8 v6;
};

/* One, used by filter_ingress alone, which runs to its end on a CPU: written before it is read. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct packet);
} packets SEC(".maps");

/* From linux/icmp.h and linux/icmpv6.h, which need a 32-bit libc here. */
enum {
  ICMP_DEST_UNREACH = 3,
  ICMP_FRAG_NEEDED = 4,
  ICMP_ECHO = 8,
  ICMPV6_PKT_TOOBIG = 2,
  ICMPV6_ECHO_REQUEST = 128,
  ICMPV6_NEIGHBOUR_SOLICITATION = 135,
  ICMPV6_NEIGHBOUR_ADVERTISEMENT = 136,
  ICMP_HEADER = 8,
};

enum { PASS_UNMARKED = -1 }; /* beside drop_reason: ARP and neighbour discovery, which are not routed */

#define V4_MAPPED bpf_htonl(0xffff)

static __always_inline bool load(struct __sk_buff* skb, __u32 offset, void* to, __u32 size) {
  return bpf_skb_load_bytes(skb, offset, to, size) == 0;
}

static __always_inline void map_v4(__u32 to[4], __u32 address) {
  to[0] = 0;
  to[1] = 0;
  to[2] = V4_MAPPED;
  to[3] = address;
}

static __noinline int read_v4(struct __sk_buff* skb, __u32 offset, struct packet* p) {
  struct iphdr ip;
  if (!load(skb, offset, &ip, sizeof ip) || ip.version != 4) return DROP_MALFORMED;
  if (ip.ihl < 5) return DROP_MALFORMED;
  map_v4(p->source, ip.saddr);
  map_v4(p->destination, ip.daddr);
  p->protocol = ip.protocol;
  p->transport = offset + sizeof ip;
  if (ip.ihl > 5) return DROP_OPTIONS;
  if (ip.frag_off & bpf_htons(0x3fff)) return DROP_FRAGMENT; /* more fragments, or an offset */
  return DROP_NONE;
}

static __noinline int read_v6(struct __sk_buff* skb, __u32 offset, struct packet* p) {
  struct ipv6hdr ip;
  if (!load(skb, offset, &ip, sizeof ip) || ip.version != 6) return DROP_MALFORMED;
  __builtin_memcpy(p->source, &ip.saddr, 16);
  __builtin_memcpy(p->destination, &ip.daddr, 16);
  p->v6 = 1;
  /* An IPv4 address in an IPv6 header would pass for the IPv4 peer of that address. */
  if ((p->source[0] | p->source[1]) == 0 && p->source[2] == V4_MAPPED) {
    p->source[2] = 0; /* so that the drop is not counted as that peer's */
    return DROP_SPOOFED;
  }
  p->protocol = ip.nexthdr;
  p->hop_limit = ip.hop_limit;
  p->transport = offset + sizeof ip;
  switch (ip.nexthdr) {
    case IPPROTO_FRAGMENT: return DROP_FRAGMENT;
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_AH:
    case IPPROTO_MH:
    case 139: /* HIP */
    case 140: /* shim6 */ return DROP_OPTIONS;
  }
  return DROP_NONE;
}

static __noinline __u32 identity_of(struct packet* p, __u32 ifindex, const __u32 address[4]) {
  p->identity.ifindex = ifindex;
  __builtin_memcpy(p->identity.address, address, 16);
  __u32* id = bpf_map_lookup_elem(&identities, &p->identity);
  return id ? *id : 0;
}

static __noinline void find_own(struct packet* p) {
  p->own_key.prefix_length = 128;
  __builtin_memcpy(p->own_key.address, p->destination, 16);
  __u32* flags = bpf_map_lookup_elem(&own_addresses, &p->own_key);
  if (!flags) return;
  p->own = 1;
  p->services = *flags & STEER_OWN_SERVICES;
}

/* Destinations that no upstream has and that the kernel itself might act on. */
static __always_inline bool no_destination(const struct packet* p) {
  __u32 first = bpf_ntohl(p->destination[0]);
  if (!p->v6) {
    __u32 host = bpf_ntohl(p->destination[3]);
    return (host >> 24) == 0 || (host >> 24) == 127 || host >= 0xe0000000;
  }
  if ((first >> 24) == 0xff || (first >> 22) == (0xfe800000 >> 22)) return true;
  /* ::/96 (unspecified, loopback, v4-compatible) and ::ffff:0:0/96 */
  return (p->destination[0] | p->destination[1]) == 0 &&
         (p->destination[2] == 0 || p->destination[2] == V4_MAPPED);
}

/* A token bucket in one number, without a lock. Lost races count as spent tokens: under doubt, drop. */
static __always_inline bool take(__u64* due, __u64 interval, __u64 burst) {
  __u64 now = bpf_ktime_get_ns();
#pragma unroll
  for (int attempt = 0; attempt < 4; attempt++) {
    __u64 before = *(volatile __u64*)due;
    __u64 after = (before > now ? before : now) + interval;
    if (after - now > burst) return false;
    if (__sync_val_compare_and_swap(due, before, after) == before) return true;
  }
  return false;
}

static __always_inline bool take_connection(__u32 peer) {
  struct steer_rate* rate = bpf_map_lookup_elem(&rates, &peer);
  return rate && take(&rate->connections_due_ns, connection_interval_ns, connection_burst_ns);
}

static __always_inline bool take_datagram(__u32 peer) {
  struct steer_rate* rate = bpf_map_lookup_elem(&rates, &peer);
  return rate && take(&rate->datagrams_due_ns, datagram_interval_ns, datagram_burst_ns);
}

static __always_inline bool slot_filled(__u32 slot) {
  struct bpf_sock* sk = bpf_map_lookup_elem(&listeners, &slot);
  if (!sk) return false;
  bpf_sk_release(sk);
  return true;
}

/* Source port 0 belongs to no connection, not even one in TIME_WAIT: the answer is the socket that something
 * new would get, after steer_lookup has run.
 *
 * Everything from here to judge_tcp stands apart for each family, or the compiler merges both through one
 * computed pointer, which the verifier refuses. */
static __always_inline void fill_tuple_v4(struct packet* p, __be16 port) {
  p->tuple.ipv4.saddr = p->source[3];
  p->tuple.ipv4.daddr = p->destination[3];
  p->tuple.ipv4.sport = 0;
  p->tuple.ipv4.dport = port;
}

static __always_inline void fill_tuple_v6(struct packet* p, __be16 port) {
  __builtin_memcpy(p->tuple.ipv6.saddr, p->source, 16);
  __builtin_memcpy(p->tuple.ipv6.daddr, p->destination, 16);
  p->tuple.ipv6.sport = 0;
  p->tuple.ipv6.dport = port;
}

static __always_inline bool release_ours(struct bpf_sock* sk) {
  bool ours =
      sk->state == BPF_TCP_LISTEN && sk->src_port == listen_port && sk->src_ip4 == bpf_htonl(STEER_LISTEN_V4);
  bpf_sk_release(sk);
  return ours;
}

/* Whether the kernel would give a new connection to a listener of ours. It would not when steer_lookup is
 * detached while a listener lives, and a wildcard service of the gateway would get it instead. */
static __noinline bool our_listener_v4(struct __sk_buff* skb, struct packet* p, __be16 port) {
  fill_tuple_v4(p, port);
  struct bpf_sock* sk = bpf_skc_lookup_tcp(skb, &p->tuple, sizeof p->tuple.ipv4, BPF_F_CURRENT_NETNS, 0);
  return sk && release_ours(sk);
}

static __noinline bool our_listener_v6(struct __sk_buff* skb, struct packet* p, __be16 port) {
  fill_tuple_v6(p, port);
  struct bpf_sock* sk = bpf_skc_lookup_tcp(skb, &p->tuple, sizeof p->tuple.ipv6, BPF_F_CURRENT_NETNS, 0);
  return sk && release_ours(sk);
}

static __noinline bool our_resolver_v4(struct __sk_buff* skb, struct packet* p) {
  fill_tuple_v4(p, bpf_htons(53));
  struct bpf_sock* sk = bpf_sk_lookup_udp(skb, &p->tuple, sizeof p->tuple.ipv4, BPF_F_CURRENT_NETNS, 0);
  if (!sk) return false;
  bool ours = sk->src_ip4 == bpf_htonl(STEER_DNS_V4);
  bpf_sk_release(sk);
  return ours;
}

static __noinline bool our_resolver_v6(struct __sk_buff* skb, struct packet* p) {
  fill_tuple_v6(p, bpf_htons(53));
  struct bpf_sock* sk = bpf_sk_lookup_udp(skb, &p->tuple, sizeof p->tuple.ipv6, BPF_F_CURRENT_NETNS, 0);
  if (!sk) return false;
  bool ours =
      sk->src_ip6[0] == bpf_htonl(STEER_DNS_V6_FIRST) && sk->src_ip6[3] == bpf_htonl(STEER_DNS_V6_LAST);
  bpf_sk_release(sk);
  return ours;
}

static __noinline int judge_tcp(struct __sk_buff* skb, struct packet* p) {
  struct tcphdr tcp;
  if (!load(skb, p->transport, &tcp, sizeof tcp) || tcp.doff < 5) return DROP_MALFORMED;
  bool service = tcp.dest == bpf_htons(53) || tcp.dest == bpf_htons(80);
  if (p->own && !(p->services && service)) return DROP_OWN_ADDRESS;
  if (!tcp.syn || tcp.ack) return slot_filled(0) ? DROP_NONE : DROP_NO_LISTENER;
  if (!slot_filled(0)) return DROP_NO_LISTENER;
  if (!(p->v6 ? our_listener_v6(skb, p, tcp.dest) : our_listener_v4(skb, p, tcp.dest)))
    return DROP_NO_LISTENER;
  return take_connection(p->peer) ? DROP_NONE : DROP_RATE;
}

static __noinline int judge_udp(struct __sk_buff* skb, struct packet* p) {
  struct udphdr udp;
  if (!load(skb, p->transport, &udp, sizeof udp)) return DROP_MALFORMED;
  bool dns = udp.dest == bpf_htons(53);
  if (p->own && !(p->services && dns)) return DROP_OWN_ADDRESS;
  if (!dns) return udp.dest == bpf_htons(443) ? DROP_QUIC : DROP_UDP;
  if (!slot_filled(p->v6 ? STEER_SLOT_DNS_V6 : STEER_SLOT_DNS_V4)) return DROP_NO_LISTENER;
  if (!(p->v6 ? our_resolver_v6(skb, p) : our_resolver_v4(skb, p))) return DROP_NO_LISTENER;
  return take_datagram(p->peer) ? DROP_NONE : DROP_RATE;
}

static __always_inline int judge_echo(const struct packet* p) {
  if (!p->services) return p->own ? DROP_OWN_ADDRESS : DROP_ICMP;
  return take_datagram(p->peer) ? DROP_NONE : DROP_RATE;
}

/* A path-MTU error is believed only about a packet that was sent to the very peer that complains. */
static __always_inline int judge_quoted_v4(struct __sk_buff* skb, struct packet* p) {
  struct iphdr quoted;
  if (!load(skb, p->transport + ICMP_HEADER, &quoted, sizeof quoted)) return DROP_MALFORMED;
  if (quoted.version != 4 || quoted.ihl != 5) return DROP_ICMP;
  if (quoted.protocol != IPPROTO_TCP && quoted.protocol != IPPROTO_UDP) return DROP_ICMP;
  map_v4(p->quoted, quoted.daddr);
  if (identity_of(p, skb->ifindex, p->quoted) != p->peer) return DROP_ICMP;
  return take_datagram(p->peer) ? DROP_NONE : DROP_RATE;
}

static __always_inline int judge_quoted_v6(struct __sk_buff* skb, struct packet* p) {
  struct ipv6hdr quoted;
  if (!load(skb, p->transport + ICMP_HEADER, &quoted, sizeof quoted)) return DROP_MALFORMED;
  if (quoted.version != 6) return DROP_ICMP;
  if (quoted.nexthdr != IPPROTO_TCP && quoted.nexthdr != IPPROTO_UDP) return DROP_ICMP;
  __builtin_memcpy(p->quoted, &quoted.daddr, 16);
  if (identity_of(p, skb->ifindex, p->quoted) != p->peer) return DROP_ICMP;
  return take_datagram(p->peer) ? DROP_NONE : DROP_RATE;
}

static __noinline int judge_icmp(struct __sk_buff* skb, struct packet* p) {
  __u8 kind[2]; /* type, code */
  if (!load(skb, p->transport, kind, sizeof kind)) return DROP_MALFORMED;
  if (!p->v6) {
    if (kind[0] == ICMP_ECHO && kind[1] == 0) return judge_echo(p);
    if (kind[0] == ICMP_DEST_UNREACH && kind[1] == ICMP_FRAG_NEEDED) return judge_quoted_v4(skb, p);
    return DROP_ICMP;
  }
  if (kind[0] == ICMPV6_ECHO_REQUEST && kind[1] == 0) return judge_echo(p);
  if (kind[0] == ICMPV6_PKT_TOOBIG && kind[1] == 0) return judge_quoted_v6(skb, p);
  return DROP_ICMP;
}

/* Solicitations and advertisements of neighbours, from a link-local, the unspecified or the peer's own
 * address. Never router advertisements and redirects, which would change the gateway's own routes. */
static __noinline bool neighbour_discovery(struct __sk_buff* skb, const struct packet* p) {
  __u8 kind[2];
  if (!p->ethernet || !p->v6 || p->protocol != IPPROTO_ICMPV6 || p->hop_limit != 255) return false;
  if (!load(skb, p->transport, kind, sizeof kind) || kind[1] != 0) return false;
  if (kind[0] != ICMPV6_NEIGHBOUR_SOLICITATION && kind[0] != ICMPV6_NEIGHBOUR_ADVERTISEMENT) return false;
  bool link_local = (bpf_ntohl(p->source[0]) >> 22) == (0xfe800000 >> 22);
  bool unspecified = (p->source[0] | p->source[1] | p->source[2] | p->source[3]) == 0;
  return link_local || unspecified || p->peer != 0;
}

static __noinline int read_link(struct __sk_buff* skb, struct packet* p) {
  __u32 zero = 0, ifindex = skb->ifindex;
  struct steer_interface* interface = bpf_map_lookup_elem(&interfaces, &ifindex);
  if (!interface) return DROP_INTERFACE;
  __u32 header = interface->link_header;
  p->ethernet = header == ETH_HLEN;
  struct steer_settings* current = bpf_map_lookup_elem(&settings, &zero);
  if (!current || current->closed) return DROP_NO_LISTENER;
  if (skb->vlan_present) return DROP_LINK;
  if (skb->protocol == bpf_htons(ETH_P_IP)) return read_v4(skb, header, p);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return read_v6(skb, header, p);
  if (skb->protocol == bpf_htons(ETH_P_ARP) && p->ethernet) return PASS_UNMARKED;
  return DROP_LINK;
}

static __always_inline int judge(struct __sk_buff* skb, struct packet* p) {
  int reason = read_link(skb, p);
  /* Of a packet that is refused for its headers the peer is named all the same, if they were read so far. */
  p->peer = identity_of(p, skb->ifindex, p->source);
  if (reason != DROP_NONE) return reason;
  if (neighbour_discovery(skb, p)) return PASS_UNMARKED;
  if (p->peer == 0) return DROP_SPOOFED;
  if (no_destination(p)) return DROP_DESTINATION;
  find_own(p);
  switch (p->protocol) {
    case IPPROTO_TCP: return judge_tcp(skb, p);
    case IPPROTO_UDP: return judge_udp(skb, p);
    case IPPROTO_ICMP: return p->v6 ? DROP_PROTOCOL : judge_icmp(skb, p);
    case IPPROTO_ICMPV6: return p->v6 ? judge_icmp(skb, p) : DROP_PROTOCOL;
  }
  return DROP_PROTOCOL;
}

static __noinline void count_drop(struct packet* p, __u32 reason, __u32 bytes) {
  p->drop.peer = p->peer;
  p->drop.reason = reason;
  struct steer_drop_count* count = bpf_map_lookup_elem(&drops, &p->drop);
  if (!count) {
    struct steer_drop_count first = {};
    bpf_map_update_elem(&drops, &p->drop, &first, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&drops, &p->drop);
  }
  if (!count) {
    p->drop.peer = 0;
    count = bpf_map_lookup_elem(&drops, &p->drop);
  }
  if (!count) return;
  count->packets += 1;
  count->bytes += bytes;
}

SEC("tc")
int filter_ingress(struct __sk_buff* skb) {
  __u32 zero = 0;
  struct packet* p = bpf_map_lookup_elem(&packets, &zero);
  if (!p) return TC_ACT_SHOT;
  __builtin_memset(p, 0, sizeof *p);
  int reason = judge(skb, p);
  if (reason > DROP_NONE) {
    count_drop(p, (__u32)reason, skb->len);
    return TC_ACT_SHOT;
  }
  skb->mark = reason == DROP_NONE ? STEER_MARK : 0;
  return TC_ACT_OK;
}

static __always_inline __u32 mix(__u32 hash, __u32 word) {
  hash = (hash ^ word) * 0x9e3779b1u;
  return hash ^ (hash >> 15);
}

/* Spreads flows over workers. Seeded, so that an agent cannot aim at one. */
static __always_inline __u32 worker_slot(struct bpf_sk_lookup* ctx, __u32 workers) {
  __u32 hash = mix(hash_seed, ctx->remote_port);
  hash = mix(hash, ctx->local_port);
  if (ctx->family == 2 /* AF_INET */) {
    hash = mix(mix(hash, ctx->remote_ip4), ctx->local_ip4);
  } else {
    hash = mix(mix(hash, ctx->remote_ip6[0]), ctx->remote_ip6[1]);
    hash = mix(mix(hash, ctx->remote_ip6[2]), ctx->remote_ip6[3]);
    hash = mix(mix(hash, ctx->local_ip6[2]), ctx->local_ip6[3]);
  }
  return hash % workers;
}

SEC("sk_lookup")
int steer_lookup(struct bpf_sk_lookup* ctx) {
  __u32 zero = 0, slot, ifindex = ctx->ingress_ifindex;
  if (!bpf_map_lookup_elem(&interfaces, &ifindex)) return SK_PASS; /* not from an agent */
  struct steer_settings* current = bpf_map_lookup_elem(&settings, &zero);
  if (!current || current->workers == 0 || current->workers > STEER_MAX_WORKERS || current->closed)
    return SK_DROP;
  if (ctx->protocol == IPPROTO_TCP) {
    slot = worker_slot(ctx, current->workers);
  } else {
    if (ctx->local_port != 53) return SK_DROP;
    slot = ctx->family == 2 ? STEER_SLOT_DNS_V4 : STEER_SLOT_DNS_V6;
  }
  struct bpf_sock* sk = bpf_map_lookup_elem(&listeners, &slot);
  if (!sk) return SK_DROP;
  /* REPLACE: after a restart of netd the old program may still be attached by the daemon; the newest decides.
   * NO_REUSEPORT: old and new listeners share a port, and only this one is meant. */
  long failed = bpf_sk_assign(ctx, sk, BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(sk);
  return failed ? SK_DROP : SK_PASS;
}
