/* SPDX-License-Identifier: MIT */
#include "data-plane-handle.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "bpf-program.h"
#include "data-plane.h"
#include "poll.h"

namespace tandem {
namespace {

/* More per call would block the event loop for hundreds of milliseconds. */
constexpr uint32_t MOST_RECORDS = 1 << 20;
constexpr uint32_t MOST_FLOWS = 1 << 26;
constexpr uint32_t LEAST_PACKET = 14, MOST_PACKET = 65535;
constexpr uint32_t MOST_TABLE_ENTRIES = 1 << 20;
constexpr size_t MAC_BYTES = 6;

std::string interface_name_of(const Argument &argument) {
  std::string name = argument.string();
  if (name.empty() || name.size() >= IF_NAMESIZE || name.find('/') != std::string::npos || name == "." || name == "..")
    throw RangeMistake{std::string(argument.name) + " must be the name of an interface"};
  return name;
}

tandem_interface interface_constants(const Argument &options) {
  tandem_interface constants{};
  constants.ifindex = options.property("ifindex").integer(1, INT32_MAX);
  constants.replies_first = options.property("repliesFirst").boolean();
  const Bytes mac = options.property("mac").bytes_of(MAC_BYTES);
  memcpy(constants.mac, mac.data(), MAC_BYTES);
  return constants;
}

XdpMode xdp_mode_of(const Argument &argument) {
  const std::string mode = argument.string();
  if (mode == "native") return XdpMode::NATIVE;
  if (mode == "generic") return XdpMode::GENERIC;
  if (mode == "auto") return XdpMode::AUTO;
  throw RangeMistake{std::string(argument.name) + " must be native, generic or auto"};
}

tandem_apply_mode apply_mode_of(const Argument &argument) {
  const std::string mode = argument.string();
  if (mode == "live") return TANDEM_APPLY_LIVE;
  if (mode == "bulk") return TANDEM_APPLY_BULK;
  if (mode == "merge") return TANDEM_APPLY_MERGE;
  if (mode == "purge") return TANDEM_APPLY_PURGE;
  throw RangeMistake{std::string(argument.name) + " must be live, bulk, merge or purge"};
}

Cursor cursor_of(const Argument &argument) {
  if (argument.is_nullish()) return {};
  const Bytes bytes = argument.bytes_of(CURSOR_BYTES);
  return Cursor(bytes.begin(), bytes.end());
}

napi_value js_cursor(napi_env env, const Cursor &cursor, bool done) {
  return done ? js_null(env) : js_buffer(env, Bytes(cursor).first(CURSOR_BYTES));
}

napi_value js_digests(napi_env env, const std::vector<tandem_digest> &digests) {
  std::vector<napi_value> values;
  for (const tandem_digest &digest : digests) {
    napi_value value = js_object(env), flows = nullptr;
    check(env, napi_create_bigint_int64(env, digest.flows, &flows));
    set_property(env, value, "digest", js_bigint(env, digest.digest));
    set_property(env, value, "flows", flows);
    values.push_back(value);
  }
  return js_array(env, values);
}

napi_value js_notice(napi_env env, const tandem_notice &notice) {
  char address[INET6_ADDRSTRLEN] = "", mac[18] = "";
  inet_ntop(notice.family, notice.addr, address, sizeof address);
  snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", notice.mac[0], notice.mac[1], notice.mac[2], notice.mac[3], notice.mac[4],
           notice.mac[5]);
  napi_value value = js_object(env);
  set_property(env, value, "kind", js_string(env, notice.kind == TANDEM_NOTICE_NEXT_HOP ? "nextHop" : "foreignClaim"));
  set_property(env, value, "ifindex", js_number(env, notice.ifindex));
  set_property(env, value, "address", js_string(env, address));
  set_property(env, value, "mac", js_string(env, mac));
  return value;
}

napi_value js_words(napi_env env, napi_typedarray_type type, const void *data, size_t count, size_t word_size) {
  void *copy = nullptr;
  napi_value buffer = nullptr, result = nullptr;
  check(env, napi_create_arraybuffer(env, count * word_size, &copy, &buffer));
  if (count) memcpy(copy, data, count * word_size);
  check(env, napi_create_typedarray(env, type, count, buffer, 0, &result));
  return result;
}

/* The rings under the event loop's eyes. Held by the data plane and by the object with `stop`. */
class Watch {
 public:
  Watch(napi_env env, Fd epoll, napi_value plane, napi_value wake) : epoll_(std::move(epoll)) {
    auto callback = std::make_shared<Callback>(env, wake);
    Poll::start(env, epoll_.get(), plane, [callback] { callback->call({}); }, poll_);
  }
  Watch(const Watch &) = delete;
  Watch &operator=(const Watch &) = delete;
  ~Watch() { stop(); }
  void stop() {
    if (poll_) poll_->close();
    epoll_ = Fd();
  }
  bool is_stopped() const { return !poll_; }

 private:
  Fd epoll_;
  Poll *poll_ = nullptr;
};

class WatchHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "watch";
  explicit WatchHandle(std::shared_ptr<Watch> watch) : watch_(std::move(watch)) {}
  napi_value stop(Call &call) {
    watch_->stop();
    return js_undefined(call.env());
  }

 private:
  std::shared_ptr<Watch> watch_;
};
const napi_type_tag WatchHandle::TAG = {0x9b8f3f5de2a04b71, 0x8d7e5a1c64f0b2e3};

class DataPlaneHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "data plane";
  explicit DataPlaneHandle(std::unique_ptr<DataPlane> plane) : plane_(std::move(plane)) {}

  napi_value attach(Call &call) {
    DataPlane &plane = open();
    const Argument options = call.argument(0, "options");
    const std::string name = interface_name_of(options.property("interface"));
    const XdpMode mode = xdp_mode_of(options.property("mode"));
    const tandem_interface constants = interface_constants(options);
    if (if_nametoindex(name.c_str()) != constants.ifindex)
      throw NativeError{"NO_INTERFACE", "there is no interface " + name + " with index " + std::to_string(constants.ifindex), 0, "", ""};
    const XdpAttachment attachment = plane.attach(name, constants, mode);
    napi_value result = js_object(call.env());
    set_property(call.env(), result, "mode", js_string(call.env(), attachment.mode == XdpMode::GENERIC ? "generic" : "native"));
    set_property(call.env(), result, "adopted", js_boolean(call.env(), attachment.adopted));
    if (!attachment.fallback_reason.empty())
      set_property(call.env(), result, "fallbackReason", js_string(call.env(), attachment.fallback_reason));
    return result;
  }

  napi_value load_for_test(Call &call) {
    DataPlane &plane = open();
    const Argument options = call.argument(0, "options");
    const std::string name = interface_name_of(options.property("interface"));
    const Argument mode = options.property("mode");
    plane.load_for_test(name, interface_constants(options), mode.is_nullish() ? XdpMode::GENERIC : xdp_mode_of(mode));
    return js_undefined(call.env());
  }

  napi_value detach(Call &call) {
    open().detach(interface_name_of(call.argument(0, "interfaceName")));
    return js_undefined(call.env());
  }

  napi_value is_attached(Call &call) {
    return js_boolean(call.env(), open().is_attached(interface_name_of(call.argument(0, "interfaceName"))));
  }

  napi_value attached(Call &call) {
    std::vector<napi_value> names;
    for (const std::string &name : open().attached()) names.push_back(js_string(call.env(), name));
    return js_array(call.env(), names);
  }

  napi_value map_get(Call &call) {
    const auto value = map_of(call).get(call.argument(1, "key").bytes());
    return value ? js_buffer(call.env(), *value) : js_null(call.env());
  }

  napi_value map_set(Call &call) {
    map_of(call).set(call.argument(1, "key").bytes(), call.argument(2, "value").bytes());
    return js_undefined(call.env());
  }

  napi_value map_delete(Call &call) { return js_boolean(call.env(), map_of(call).remove(call.argument(1, "key").bytes())); }

  napi_value map_entries(Call &call) {
    napi_env env = call.env();
    napi_value result = js_array(env, {});
    uint32_t index = 0;
    map_of(call).each([&](Bytes key, Bytes value) {
      napi_handle_scope scope = nullptr;
      check(env, napi_open_handle_scope(env, &scope));
      check(env, napi_set_element(env, result, index++, js_array(env, {js_buffer(env, key), js_buffer(env, value)})));
      check(env, napi_close_handle_scope(env, scope));
    });
    return result;
  }

  napi_value sums(Call &call) {
    const auto sums = map_of(call).sums();
    return js_words(call.env(), napi_biguint64_array, sums.data(), sums.size(), sizeof(uint64_t));
  }

  napi_value set_table(Call &call) {
    const BpfMap &tables = open().map("tables");
    const InnerTable table = inner_table(tables, call.argument(0, "index"), call.argument(1, "slots"));
    tables.set_tables({&table, 1});
    return js_undefined(call.env());
  }

  napi_value set_tables(Call &call) {
    const BpfMap &tables = open().map("tables");
    std::vector<InnerTable> list;
    for (const Argument &entry : call.argument(0, "tables").elements()) {
      const std::vector<Argument> pair = entry.elements();
      if (pair.size() != 2) throw TypeMistake{"tables must be pairs of an index and a Uint32Array"};
      list.push_back(inner_table(tables, pair[0], pair[1]));
    }
    tables.set_tables(list);
    return js_undefined(call.env());
  }

  napi_value get_table(Call &call) {
    const BpfMap &tables = open().map("tables");
    const auto slots = tables.table(call.argument(0, "index").integer(0, tables.shape().max_entries - 1));
    if (!slots) return js_null(call.env());
    return js_words(call.env(), napi_uint32_array, slots->data(), slots->size(), sizeof(uint32_t));
  }

  napi_value drain(Call &call) {
    DataPlane &plane = open();
    const uint32_t most = call.argument(0, "maxRecords").integer(1, MOST_RECORDS);
    const DrainResult drained = plane.drain(most, call.argument(1, "wantDigests").boolean());
    napi_value result = js_object(call.env());
    set_property(call.env(), result, "records", js_buffer(call.env(), drained.records));
    set_property(call.env(), result, "lost", js_bigint(call.env(), drained.lost));
    if (drained.digests) set_property(call.env(), result, "digests", js_digests(call.env(), *drained.digests));
    return result;
  }

  napi_value drain_notices(Call &call) {
    std::vector<napi_value> notices;
    for (const tandem_notice &notice : open().drain_notices()) notices.push_back(js_notice(call.env(), notice));
    return js_array(call.env(), notices);
  }

  napi_value watch(Call &call) {
    DataPlane &plane = open();
    napi_value wake = call.argument(0, "wake").function();
    auto watch = std::make_shared<Watch>(call.env(), plane.watch_descriptor(), call.self(), wake);
    std::erase_if(watches_, [](const std::shared_ptr<Watch> &known) { return known->is_stopped(); });
    watches_.push_back(watch);
    const napi_property_descriptor methods[] = {method<WatchHandle, &WatchHandle::stop>("stop")};
    return js_owner(call.env(), std::make_unique<WatchHandle>(std::move(watch)), methods);
  }

  napi_value apply(Call &call) {
    DataPlane &plane = open();
    const Bytes records = call.argument(0, "records").bytes();
    if (records.size() % sizeof(tandem_record)) throw RangeMistake{"records must be a multiple of " + std::to_string(sizeof(tandem_record)) + " bytes"};
    const tandem_apply_mode mode = apply_mode_of(call.argument(1, "mode"));
    const ApplyTotals totals = plane.flow_table().apply(records, mode, call.argument(2, "syncEpoch").integer(0, UINT16_MAX));
    napi_value result = js_object(call.env());
    set_property(call.env(), result, "applied", js_number(call.env(), static_cast<double>(totals.applied)));
    set_property(call.env(), result, "stale", js_number(call.env(), static_cast<double>(totals.stale)));
    set_property(call.env(), result, "full", js_number(call.env(), static_cast<double>(totals.full)));
    set_property(call.env(), result, "unknown", js_number(call.env(), static_cast<double>(totals.unknown)));
    return result;
  }

  napi_value read_flows(Call &call) {
    DataPlane &plane = open();
    Cursor cursor = cursor_of(call.argument(0, "cursor"));
    const FlowChunk chunk = plane.flow_table().read(cursor, call.argument(1, "maxRecords").integer(1, MOST_RECORDS));
    napi_value result = js_object(call.env());
    set_property(call.env(), result, "records", js_buffer(call.env(), chunk.records));
    set_property(call.env(), result, "cursor", js_cursor(call.env(), cursor, chunk.done));
    return result;
  }

  napi_value sweep(Call &call) {
    DataPlane &plane = open();
    Cursor cursor = cursor_of(call.argument(0, "cursor"));
    const StepTotals step = plane.flow_table().sweep(cursor, call.argument(1, "maxRecords").integer(1, MOST_RECORDS));
    return js_step(call.env(), step, "expired", cursor);
  }

  napi_value purge(Call &call) {
    DataPlane &plane = open();
    Cursor cursor = cursor_of(call.argument(0, "cursor"));
    const uint32_t most = call.argument(1, "maxRecords").integer(1, MOST_RECORDS);
    const auto sync_epoch = static_cast<uint16_t>(call.argument(2, "syncEpoch").integer(0, UINT16_MAX));
    std::set<uint32_t> virtual_routers;
    for (const Argument &slot : call.argument(3, "virtualRouters").elements())
      virtual_routers.insert(slot.integer(0, TANDEM_MAX_VIRTUAL_ROUTERS - 1));
    const StepTotals step = plane.flow_table().purge(cursor, most, sync_epoch, virtual_routers);
    return js_step(call.env(), step, "purged", cursor);
  }

  napi_value digests(Call &call) { return js_digests(call.env(), open().digests()); }

  napi_value kernel_ns(Call &call) { return js_bigint(call.env(), open().flow_table().kernel_ns()); }

  napi_value test_run(Call &call) {
    static constexpr const char *VERDICTS[] = {"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};
    DataPlane &plane = open();
    const std::string name = interface_name_of(call.argument(0, "program"));
    const Bytes packet = call.argument(1, "packet").bytes();
    if (packet.size() < LEAST_PACKET || packet.size() > MOST_PACKET)
      throw RangeMistake{"packet must have " + std::to_string(LEAST_PACKET) + " to " + std::to_string(MOST_PACKET) + " bytes"};
    const TestRun run = run_on_packet(plane.program_of(name), packet, call.argument(2, "repeat").integer(1, INT32_MAX));
    if (run.verdict >= std::size(VERDICTS)) throw NativeError{"SYSCALL", "unknown verdict " + std::to_string(run.verdict), 0, "", ""};
    napi_value result = js_object(call.env());
    set_property(call.env(), result, "verdict", js_string(call.env(), VERDICTS[run.verdict]));
    set_property(call.env(), result, "packet", js_buffer(call.env(), run.packet));
    set_property(call.env(), result, "durationNs", js_number(call.env(), run.duration_ns));
    return result;
  }

  napi_value memory_bytes(Call &call) { return js_number(call.env(), static_cast<double>(map_of(call).memory_bytes())); }

  napi_value close(Call &call) {
    stop_watches();
    plane_.reset();
    return js_undefined(call.env());
  }

  napi_value unload(Call &call) {
    open().unload();
    return close(call);
  }

 private:
  DataPlane &open() {
    if (!plane_) throw NativeError{"CLOSED", "the data plane is closed", 0, "", ""};
    return *plane_;
  }
  static InnerTable inner_table(const BpfMap &tables, const Argument &index, const Argument &slots) {
    const InnerTable table{index.integer(0, tables.shape().max_entries - 1), slots.words()};
    if (table.slots.size() > MOST_TABLE_ENTRIES)
      throw RangeMistake{"slots must have at most " + std::to_string(MOST_TABLE_ENTRIES) + " entries"};
    if (std::any_of(table.slots.begin(), table.slots.end(), [](uint32_t slot) { return slot >= TANDEM_MAX_SERVER_SLOTS; }))
      throw RangeMistake{"slots must be below " + std::to_string(TANDEM_MAX_SERVER_SLOTS)};
    return table;
  }
  const BpfMap &map_of(Call &call) { return open().map(call.argument(0, "map").string()); }
  void stop_watches() {
    for (const auto &watch : watches_) watch->stop();
    watches_.clear();
  }
  static napi_value js_step(napi_env env, const StepTotals &step, const char *deleted, const Cursor &cursor) {
    napi_value result = js_object(env);
    set_property(env, result, "scanned", js_number(env, step.scanned));
    set_property(env, result, deleted, js_number(env, static_cast<double>(step.deleted)));
    set_property(env, result, "cursor", js_cursor(env, cursor, step.done));
    return result;
  }

  std::unique_ptr<DataPlane> plane_;
  std::vector<std::shared_ptr<Watch>> watches_;
};
const napi_type_tag DataPlaneHandle::TAG = {0x3c1f0a9be5d74e62, 0xa4c8d2f17b90635e};

LoadOptions load_options(const Argument &options) {
  LoadOptions result;
  result.object_path = options.property("objectPath").string();
  result.pin_dir = options.property("pinDir").string();
  result.max_flows = options.property("maxFlows").integer(1, MOST_FLOWS);
  const Argument adopt_only = options.property("adoptOnly");
  result.adopt_only = !adopt_only.is_nullish() && adopt_only.boolean();
  if (result.pin_dir.empty() || result.pin_dir[0] != '/') throw RangeMistake{"pinDir must be an absolute path"};
  return result;
}

}  // namespace

napi_value load_data_plane(Call &call) {
  const LoadOptions options = load_options(call.argument(0, "options"));
  auto handle = std::make_unique<DataPlaneHandle>(std::make_unique<DataPlane>(options));
  using H = DataPlaneHandle;
  const napi_property_descriptor methods[] = {
      method<H, &H::attach>("attach"),
      method<H, &H::load_for_test>("loadForTest"),
      method<H, &H::detach>("detach"),
      method<H, &H::is_attached>("isAttached"),
      method<H, &H::attached>("attached"),
      method<H, &H::map_get>("mapGet"),
      method<H, &H::map_set>("mapSet"),
      method<H, &H::map_delete>("mapDelete"),
      method<H, &H::map_entries>("mapEntries"),
      method<H, &H::sums>("sums"),
      method<H, &H::set_table>("setTable"),
      method<H, &H::set_tables>("setTables"),
      method<H, &H::get_table>("getTable"),
      method<H, &H::drain>("drain"),
      method<H, &H::drain_notices>("drainNotices"),
      method<H, &H::watch>("watch"),
      method<H, &H::apply>("apply"),
      method<H, &H::read_flows>("readFlows"),
      method<H, &H::sweep>("sweep"),
      method<H, &H::purge>("purge"),
      method<H, &H::digests>("digests"),
      method<H, &H::kernel_ns>("kernelNs"),
      method<H, &H::test_run>("testRun"),
      method<H, &H::memory_bytes>("memoryBytes"),
      method<H, &H::close>("close"),
      method<H, &H::unload>("unload"),
  };
  return js_owner(call.env(), std::move(handle), methods);
}

}  // namespace tandem
