/* SPDX-License-Identifier: MIT */
/*
 * runner.cpp: the native half of `scripts/bench packet`. It loads objects, fills the maps with one service and runs programs on packets;
 * what is run how often, and what the figures mean, is decided in scripts/lib/bench/packet.ts. Prints one JSON object per line.
 *
 *   runner cost OBJECT KIND FLOWS REPEAT [first]   ns per packet of bench_balance, bench_swap and bench_bare
 *   runner balance OBJECT MODE FRONT BACK SINK_MAC attaches the data plane to two interfaces until standard input ends
 *   runner generate OBJECT OUT ROUTER_MAC FLOWS PACKETS  sends live frames
 *   runner sink OBJECT INTERFACE                   counts frames; each line on standard input asks for the count
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../../include/tandem_abi.h"

namespace {

constexpr uint64_t FOREVER_NS = 1ULL << 62;
constexpr uint32_t TABLE_ENTRIES = 16381;
constexpr uint16_t VIP_PORT = 80, DSR_PORT = 81, UDP_PORT = 53, SERVER_PORT = 8080;
constexpr uint32_t CLIENTS_PER_ADDRESS = 30000, FIRST_CLIENT_PORT = 1024;
constexpr uint8_t OWN_MAC[6] = {2, 0, 0, 0, 0, 1};
constexpr size_t FRAME_BYTES = 64;

[[noreturn]] void fail(const std::string &what) {
  fprintf(stderr, "runner: %s: %s\n", what.c_str(), strerror(errno));
  exit(1);
}

struct ObjectDeleter {
  void operator()(bpf_object *object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, ObjectDeleter>;

Object open_object(const char *path) {
  Object object(bpf_object__open(path));
  if (!object) fail(path);
  return object;
}

void load(const Object &object) {
  if (bpf_object__load(object.get())) fail("load");
}

int map_fd(const Object &object, const char *name) {
  const int fd = bpf_object__find_map_fd_by_name(object.get(), name);
  if (fd < 0) fail(name);
  return fd;
}

int program_fd(const Object &object, const char *name) {
  const bpf_program *program = bpf_object__find_program_by_name(object.get(), name);
  if (!program) fail(name);
  return bpf_program__fd(program);
}

template <typename Key, typename Value>
void put(const Object &object, const char *map, const Key &key, const Value &value) {
  if (bpf_map_update_elem(map_fd(object, map), &key, &value, BPF_ANY)) fail(map);
}

/* A constant of the object, found by name in its BTF. */
template <typename Value>
void set_constant(const Object &object, const char *name, const Value &value) {
  size_t size = 0;
  bpf_map *rodata = bpf_object__find_map_by_name(object.get(), ".rodata");
  auto *bytes = rodata ? static_cast<uint8_t *>(const_cast<void *>(bpf_map__initial_value(rodata, &size))) : nullptr;
  const btf *types = bpf_object__btf(object.get());
  const int section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (!bytes || section < 0) fail(".rodata");
  const btf_type *type = btf__type_by_id(types, section);
  const btf_var_secinfo *variable = btf_var_secinfos(type);
  for (int i = 0; i < btf_vlen(type); i++, variable++) {
    if (strcmp(btf__name_by_offset(types, btf__type_by_id(types, variable->type)->name_off), name)) continue;
    memcpy(bytes + variable->offset, &value, sizeof value);
    return;
  }
  fail(name);
}

const in_addr_t VIP = inet_addr("10.1.0.100"), SERVER = inet_addr("10.2.0.21");

struct Neighbour {
  uint32_t ifindex;
  uint8_t destination[6], source[6];
};

void put_service(const Object &object, uint32_t slot, uint8_t protocol, uint16_t port, uint8_t forward) {
  const uint32_t server_slot = 1 + slot;
  tandem_server server{};
  server.addr = SERVER;
  server.port = htons(SERVER_PORT);
  server.protocol = protocol;
  server.forward = forward;
  server.vip_addr = VIP;
  server.vip_port = htons(port);
  server.flags = TANDEM_SERVER_ALIVE;
  server.service_slot = slot;
  server.next_hop = 1;
  put(object, "servers", server_slot, server);
  tandem_service service{};
  service.slot = slot;
  service.current_size = TABLE_ENTRIES;
  service.forward = forward;
  put(object, "services", tandem_service_key{VIP, htons(port), protocol, 0}, service);
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
  const int table = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", 4, 4, TABLE_ENTRIES, &options);
  for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
    if (bpf_map_update_elem(table, &i, &server_slot, BPF_ANY)) fail("table");
  put(object, "tables", 2 * slot, table);
  if (forward == TANDEM_FORWARD_NAT)
    put(object, "endpoints", tandem_service_key{SERVER, htons(SERVER_PORT), protocol, 0}, tandem_endpoint{1, {server_slot}});
}

void fill(const Object &object, const Neighbour &server, const Neighbour &client) {
  put_service(object, 0, TANDEM_TCP, VIP_PORT, TANDEM_FORWARD_NAT);
  put_service(object, 1, TANDEM_TCP, DSR_PORT, TANDEM_FORWARD_DSR);
  put_service(object, 2, TANDEM_UDP, UDP_PORT, TANDEM_FORWARD_NAT);
  uint32_t index = 1;
  for (const Neighbour &neighbour : {server, client}) {
    tandem_next_hop hop{};
    memcpy(hop.destination_mac, neighbour.destination, 6);
    memcpy(hop.source_mac, neighbour.source, 6);
    hop.ifindex = neighbour.ifindex;
    hop.state = TANDEM_NEXT_HOP_RESOLVED;
    put(object, "next_hops", index++, hop);
  }
  tandem_lease lease{};
  lease.deadline_ns = lease.drain_until_ns = FOREVER_NS;
  put(object, "leases", 0u, lease);
  tandem_settings settings{};
  settings.node_id = 1;
  settings.ready = 1;
  for (auto &timeout : settings.timeout_ns) timeout = FOREVER_NS;
  put(object, "settings", 0u, settings);
  put(object, "addresses", VIP, tandem_address{server.ifindex, 0, TANDEM_ADDRESS_VIRTUAL, {}});
}

uint16_t folded(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint64_t words_sum(const uint8_t *bytes, size_t length) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += static_cast<uint64_t>(bytes[i]) << 8 | bytes[i + 1];
  return sum;
}

struct Tuple {
  in_addr_t from, to;
  uint16_t from_port, to_port;
  uint8_t protocol, tcp_flags;
};

/* A frame of 64 bytes with right checksums. */
std::vector<uint8_t> frame(const Tuple &tuple, const uint8_t destination[6]) {
  std::vector<uint8_t> bytes(FRAME_BYTES);
  uint8_t *ip = bytes.data() + 14, *l4 = ip + 20;
  const uint16_t length = FRAME_BYTES - 14, segment = length - 20;
  const bool is_tcp = tuple.protocol == TANDEM_TCP;
  memcpy(bytes.data(), destination, 6);
  bytes[6] = 2, bytes[11] = 9, bytes[12] = 8;
  ip[0] = 0x45, ip[3] = length, ip[8] = 64, ip[9] = tuple.protocol;
  memcpy(ip + 12, &tuple.from, 4);
  memcpy(ip + 16, &tuple.to, 4);
  const uint16_t ip_check = htons(folded(words_sum(ip, 20)));
  memcpy(ip + 10, &ip_check, 2);
  const uint16_t ports[2] = {htons(tuple.from_port), htons(tuple.to_port)};
  memcpy(l4, ports, 4);
  if (is_tcp) l4[12] = 0x50, l4[13] = tuple.tcp_flags;
  else l4[5] = segment;
  const uint16_t check = htons(folded(words_sum(l4, segment) + words_sum(ip + 12, 8) + tuple.protocol + segment));
  memcpy(l4 + (is_tcp ? 16 : 6), &check, 2);
  return bytes;
}

struct Client {
  in_addr_t addr;
  uint16_t port;
};

Client client_of(uint32_t flow) {
  return {htonl(0x0b000000 + flow / CLIENTS_PER_ADDRESS), static_cast<uint16_t>(FIRST_CLIENT_PORT + flow % CLIENTS_PER_ADDRESS)};
}

/* The packet of flow `number` for a kind of measurement. */
Tuple tuple_of(const std::string &kind, uint32_t number) {
  const Client client = client_of(number);
  if (kind == "reply") return {SERVER, client.addr, SERVER_PORT, client.port, TANDEM_TCP, 0x10};
  if (kind == "udp") return {client.addr, VIP, client.port, UDP_PORT, TANDEM_UDP, 0};
  if (kind == "dsr") return {client.addr, VIP, client.port, DSR_PORT, TANDEM_TCP, 0x10};
  if (kind == "other") return {client.addr, inet_addr("192.0.2.1"), client.port, 443, TANDEM_TCP, 0x10};
  return {client.addr, VIP, client.port, VIP_PORT, TANDEM_TCP, static_cast<uint8_t>(kind == "new" ? 0x02 : 0x10)};
}

void put_flow(const Object &object, const std::string &kind, uint32_t number) {
  const Tuple tuple = tuple_of(kind == "reply" ? "forward" : kind, number);
  tandem_flow flow{};
  flow.server_addr = SERVER;
  flow.server_port = htons(SERVER_PORT);
  flow.state = tuple.protocol == TANDEM_UDP ? TANDEM_FLOW_UDP : TANDEM_FLOW_ESTABLISHED;
  flow.flags = kind == "dsr" ? TANDEM_FLOW_DSR : 0;
  flow.server_slot = kind == "dsr" ? 2 : kind == "udp" ? 3 : 1;
  flow.next_hop = 2;
  put(object, "flows", tandem_flow_key{tuple.from, tuple.to, htons(tuple.from_port), htons(tuple.to_port), tuple.protocol, {}}, flow);
}

struct Run {
  uint32_t verdict, duration_ns;
};

Run run(const Object &object, const char *program, const std::vector<uint8_t> &packet, int repeat) {
  uint8_t out[256];
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(), .data_out = out, .data_size_in = static_cast<uint32_t>(packet.size()),
              .data_size_out = sizeof out, .repeat = repeat);
  if (bpf_prog_test_run_opts(program_fd(object, program), &options)) fail(program);
  return {options.retval, options.duration};
}

int cost(const char *path, const std::string &kind, uint32_t flows, int repeat, bool replies_first) {
  const Object object = open_object(path);
  tandem_interface interface{};
  interface.ifindex = 1;
  memcpy(interface.mac, OWN_MAC, 6);
  interface.replies_first = replies_first;
  set_constant(object, "interface_config", interface);
  load(object);
  const Neighbour neighbour{1, {2, 0, 0, 0, 0, 7}, {2, 0, 0, 0, 0, 1}};
  fill(object, neighbour, neighbour);
  std::vector<uint8_t> packet;
  for (uint32_t i = 0; i < flows; i++) {
    if (kind != "new" && kind != "other") put_flow(object, kind, i);
    packet = frame(tuple_of(kind, i), OWN_MAC);
    if (bpf_map_update_elem(map_fd(object, "bench_templates"), &i, packet.data(), BPF_ANY)) fail("bench_templates");
  }
  const struct { uint64_t next, count; } cursor{0, flows};
  put(object, "bench_cursor", 0u, cursor);
  const Run bare = run(object, "bench_bare", packet, repeat), swap = run(object, "bench_swap", packet, repeat);
  put(object, "bench_cursor", 0u, cursor);
  if (kind != "new") run(object, "bench_balance", packet, repeat / 10); /* the first reply leaves its hint */
  const Run balance = run(object, "bench_balance", packet, repeat);
  printf("{\"verdict\":%u,\"balanceNs\":%u,\"swapNs\":%u,\"bareNs\":%u}\n", balance.verdict, balance.duration_ns, swap.duration_ns, bare.duration_ns);
  return 0;
}

void parse_mac(const char *text, uint8_t mac[6]) {
  unsigned part[6];
  if (sscanf(text, "%x:%x:%x:%x:%x:%x", part, part + 1, part + 2, part + 3, part + 4, part + 5) != 6) fail(text);
  for (int i = 0; i < 6; i++) mac[i] = static_cast<uint8_t>(part[i]);
}

void own_mac(const char *name, uint8_t mac[6]) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request{};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request)) fail(name);
  close(fd);
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

void attach(int program, const char *interface, uint32_t flags) {
  if (bpf_xdp_attach(if_nametoindex(interface), program, flags, nullptr)) fail(std::string("attach to ") + interface);
}

void wait_for_end() {
  puts("{\"ready\":true}");
  fflush(stdout);
  for (int c = getchar(); c != EOF; c = getchar()) {}
}

int balance(const char *path, const std::string &mode, const char *front, const char *back, const char *sink_mac) {
  const Object object = open_object(path);
  tandem_interface interface{};
  interface.ifindex = if_nametoindex(front);
  own_mac(front, interface.mac);
  interface.driver_mode = mode == "native";
  set_constant(object, "interface_config", interface);
  load(object);
  Neighbour server{if_nametoindex(back), {}, {}};
  parse_mac(sink_mac, server.destination);
  own_mac(back, server.source);
  fill(object, server, server);
  const uint32_t flags = mode == "native" ? 1U << 2 : 1U << 1;
  attach(program_fd(object, "tandem_xdp"), front, flags);
  wait_for_end();
  bpf_xdp_detach(if_nametoindex(front), flags, nullptr);
  return 0;
}

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

int generate(const char *path, const char *out, const char *router_mac, uint32_t flows, int packets) {
  const Object object = open_object(path);
  set_constant(object, "out_ifindex", static_cast<uint32_t>(if_nametoindex(out)));
  set_constant(object, "template_count", flows);
  load(object);
  uint8_t mac[6];
  parse_mac(router_mac, mac);
  std::vector<uint8_t> packet;
  for (uint32_t i = 0; i < flows; i++) {
    packet = frame(tuple_of("udp", i), mac);
    if (bpf_map_update_elem(map_fd(object, "templates"), &i, packet.data(), BPF_ANY)) fail("templates");
  }
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data(), .data_size_in = static_cast<uint32_t>(packet.size()), .repeat = packets,
              .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
  const double start = seconds_now();
  if (bpf_prog_test_run_opts(program_fd(object, "generate"), &options)) fail("generate");
  printf("{\"packets\":%d,\"seconds\":%.6f}\n", packets, seconds_now() - start);
  return 0;
}

int sink(const char *path, const char *interface) {
  const Object object = open_object(path);
  load(object);
  attach(program_fd(object, "sink"), interface, 1U << 2);
  puts("{\"ready\":true}");
  fflush(stdout);
  std::vector<uint64_t> counts(libbpf_num_possible_cpus());
  for (int c = getchar(); c != EOF; c = getchar()) {
    const uint32_t only = 0;
    uint64_t sum = 0;
    if (bpf_map_lookup_elem(map_fd(object, "received"), &only, counts.data())) fail("received");
    for (const uint64_t count : counts) sum += count;
    printf("{\"received\":%llu}\n", static_cast<unsigned long long>(sum));
    fflush(stdout);
  }
  bpf_xdp_detach(if_nametoindex(interface), 1U << 2, nullptr);
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  libbpf_set_print(nullptr);
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "cost" && argc >= 6) return cost(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]), argc > 6);
  if (command == "balance" && argc == 7) return balance(argv[2], argv[3], argv[4], argv[5], argv[6]);
  if (command == "generate" && argc == 7) return generate(argv[2], argv[3], argv[4], atoi(argv[5]), atoi(argv[6]));
  if (command == "sink" && argc == 4) return sink(argv[2], argv[3]);
  fprintf(stderr, "usage: see the top of runner.cpp\n");
  return 2;
}
