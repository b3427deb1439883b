/* SPDX-License-Identifier: MIT */
#include "data-plane.h"

#include <sys/epoll.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "errors.h"

namespace tandem {
namespace {

constexpr const char *XDP_PROGRAM = "tandem_xdp";
constexpr int OLDEST_KERNEL_MAJOR = 5, OLDEST_KERNEL_MINOR = 15;
constexpr size_t NOTICES_PER_DRAIN = 4096;

struct SyscallProgram {
  const char *program;
  const char *pin;
};
constexpr SyscallProgram LEASE_PROGRAM{"tandem_lease", "prog_lease"}, APPLY_PROGRAM{"tandem_apply", "prog_apply"},
    CLOCK_PROGRAM{"tandem_clock", "prog_clock"};

void require_kernel() {
  utsname name{};
  int major = 0, minor = 0;
  if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2) return;
  if (major > OLDEST_KERNEL_MAJOR || (major == OLDEST_KERNEL_MAJOR && minor >= OLDEST_KERNEL_MINOR)) return;
  throw NativeError{"KERNEL_TOO_OLD", std::string("kernel ") + name.release + " is too old; Tandem needs 5.15 or later", 0,
                    "on Debian run: apt-get install linux-image-amd64, then reboot", ""};
}

bool has_prefix(const std::string &text, const char *prefix) { return text.starts_with(prefix); }

bool is_map_pin(const std::string &name) {
  return !has_prefix(name, PIN_LINK_PREFIX) && !has_prefix(name, PIN_XDP_PREFIX) && !has_prefix(name, PIN_PROGRAM_PREFIX);
}

}  // namespace

DataPlane::DataPlane(const LoadOptions &options) : options_(options), pins_(options.pin_dir) {
  require_kernel();
  if (options.adopt_only) {
    adopt_maps_and_programs();
  } else {
    try {
      load_maps_and_programs();
    } catch (...) {
      pins_.remove_directory(); /* as far as it is empty: an attempt that failed leaves nothing behind */
      throw;
    }
  }
  const FlowTable::Maps tables{map("flows"), map("services"), map("addresses"), map("leases"), map("settings"), map("inbox")};
  flow_table_ = std::make_unique<FlowTable>(tables, apply_program_.get(), clock_program_.get());
  events_ = std::make_unique<Ring>(map("events"), sizeof(tandem_record));
  notices_ = std::make_unique<Ring>(map("notices"), sizeof(tandem_notice));
}

void DataPlane::load_maps_and_programs() {
  BpfObject object(options_.object_path);
  object.select({LEASE_PROGRAM.program, APPLY_PROGRAM.program, CLOCK_PROGRAM.program});
  pins_.create();
  const Fd lock = pins_.lock();
  pins_.remove_leftovers();
  object.resize("flows", options_.max_flows);
  /* A crash may have left any part of the pins: each map is taken or made on its own. */
  for (const std::string &name : object.map_names()) {
    auto pinned = pins_.open(name);
    if (!pinned) continue;
    const auto &taken = maps_.try_emplace(name, name, std::move(*pinned)).first->second;
    object.reuse(taken);
  }
  object.load();
  for (const std::string &name : object.map_names()) {
    if (maps_.contains(name)) continue;
    const auto &made = maps_.try_emplace(name, name, object.map(name)).first->second;
    pins_.pin(made.fd(), name);
  }
  /* Always replaced: the pinned ones may be of another build, or look at maps that are gone. */
  for (const SyscallProgram &entry : {LEASE_PROGRAM, APPLY_PROGRAM, CLOCK_PROGRAM}) pins_.replace(object.program(entry.program).get(), entry.pin);
  apply_program_ = object.program(APPLY_PROGRAM.program);
  clock_program_ = object.program(CLOCK_PROGRAM.program);
}

void DataPlane::adopt_maps_and_programs() {
  pins_.require();
  for (const std::string &name : pins_.names()) {
    if (!is_map_pin(name)) continue;
    if (auto pinned = pins_.open(name)) maps_.try_emplace(name, name, std::move(*pinned));
  }
  auto apply_program = pins_.open(APPLY_PROGRAM.pin), clock_program = pins_.open(CLOCK_PROGRAM.pin);
  if (!apply_program || !clock_program)
    throw NativeError{"NOT_LOADED", "the data plane at " + pins_.directory() + " is incomplete", 0, "start the node: tandem run", ""};
  apply_program_ = std::move(*apply_program);
  clock_program_ = std::move(*clock_program);
}

Fd DataPlane::load_program(tandem_interface interface, XdpMode mode) {
  interface.driver_mode = mode == XdpMode::NATIVE;
  BpfObject object(options_.object_path);
  object.select({XDP_PROGRAM});
  object.set_interface(interface);
  for (const std::string &name : object.map_names()) object.reuse(map(name));
  object.load();
  return object.program(XDP_PROGRAM);
}

XdpAttachment DataPlane::attach(const std::string &interface_name, const tandem_interface &interface, XdpMode mode) {
  const Fd lock = pins_.lock();
  XdpAttachment result = link_program(pins_, interface_name, interface.ifindex, mode,
                                      [&](XdpMode actual_mode) { return load_program(interface, actual_mode); });
  programs_[interface_name] = duplicate(result.program.get());
  return result;
}

void DataPlane::load_for_test(const std::string &interface_name, const tandem_interface &interface, XdpMode mode) {
  programs_[interface_name] = load_program(interface, mode);
}

int DataPlane::program_of(const std::string &interface_name) {
  const auto known = programs_.find(interface_name);
  if (known != programs_.end()) return known->second.get();
  auto pinned = pins_.open(pin_name(PIN_XDP_PREFIX, interface_name));
  if (!pinned) throw NativeError{"NOT_LOADED", "no program is loaded for interface " + interface_name, 0, "", ""};
  return (programs_[interface_name] = std::move(*pinned)).get();
}

void DataPlane::detach(const std::string &interface_name) {
  const Fd lock = pins_.lock();
  unlink_program(pins_, interface_name);
  programs_.erase(interface_name);
}

std::vector<std::string> DataPlane::attached() const {
  std::vector<std::string> result;
  for (const std::string &name : pins_.names())
    if (has_prefix(name, PIN_LINK_PREFIX) && name.back() != '~') result.push_back(interface_of_pin(PIN_LINK_PREFIX, name));
  return result;
}

const BpfMap &DataPlane::map(const std::string &name) const {
  const auto found = maps_.find(name);
  if (found == maps_.end()) throw NativeError{"NO_SUCH_MAP", "there is no map " + name, 0, "", ""};
  return found->second;
}

std::vector<tandem_digest> DataPlane::digests() const {
  const uint32_t cpus = possible_cpus();
  std::vector<tandem_digest> result(TANDEM_MAX_VIRTUAL_ROUTERS), values(static_cast<size_t>(TANDEM_MAX_VIRTUAL_ROUTERS) * cpus);
  std::vector<uint32_t> keys(TANDEM_MAX_VIRTUAL_ROUTERS);
  std::vector<uint8_t> cursor;
  const MapBatch part = map("digests").batch(cursor, TANDEM_MAX_VIRTUAL_ROUTERS, reinterpret_cast<uint8_t *>(keys.data()),
                                             reinterpret_cast<uint8_t *>(values.data()));
  for (uint32_t i = 0; i < part.count; i++)
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
      result[keys[i]].digest ^= values[i * cpus + cpu].digest;
      result[keys[i]].flows += values[i * cpus + cpu].flows;
    }
  return result;
}

uint64_t DataPlane::lost_events() const {
  const uint32_t reason = TANDEM_DROP_EVENT_LOST;
  const auto counters = map("drops").get({reinterpret_cast<const uint8_t *>(&reason), sizeof reason});
  uint64_t lost = 0;
  for (size_t offset = 0; counters && offset < counters->size(); offset += sizeof(uint64_t)) {
    uint64_t count = 0;
    memcpy(&count, counters->data() + offset, sizeof count);
    lost += count;
  }
  return lost;
}

/*
 * A change reserves its place in the ring before it touches a digest and submits afterwards (flow.h). So digests read between two looks
 * at a ring that is drained and where nothing was reserved belong exactly to the records drained.
 */
std::optional<std::vector<tandem_digest>> DataPlane::settled_digests() const {
  const uint64_t position = events_->produced(), lost = lost_events();
  if (!events_->is_empty()) return std::nullopt;
  auto result = digests();
  if (events_->produced() != position || lost_events() != lost) return std::nullopt;
  return result;
}

DrainResult DataPlane::drain(uint32_t most, bool wants_digests) {
  DrainResult result;
  events_->drain(result.records, most);
  if (wants_digests) result.digests = settled_digests();
  result.lost = lost_events();
  return result;
}

std::vector<tandem_notice> DataPlane::drain_notices() {
  std::vector<uint8_t> bytes;
  const size_t count = notices_->drain(bytes, NOTICES_PER_DRAIN);
  std::vector<tandem_notice> result(count);
  if (count) memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

Fd DataPlane::watch_descriptor() const {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) throw_errno("cannot create an epoll descriptor", errno);
  for (const char *name : {"events", "notices"}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, map(name).fd(), &event)) throw_errno("cannot watch the ring " + std::string(name), errno);
  }
  return epoll;
}

void DataPlane::unload() {
  const Fd lock = pins_.lock();
  for (const std::string &interface_name : attached()) unlink_program(pins_, interface_name);
  /* Programs first: what a crash leaves here is then found by the next load as maps without programs, which it completes. */
  for (const std::string &name : pins_.names())
    if (!is_map_pin(name)) pins_.remove(name);
  for (const std::string &name : pins_.names()) pins_.remove(name);
  pins_.remove_directory();
}

}  // namespace tandem
