/* SPDX-License-Identifier: MIT */
/*
 * data-plane.h: the maps, programs and links of one node, open in this process. Loading adopts what is pinned, creates and pins what is
 * missing, and replaces the syscall programs by those of this build. No policy: what is written into the maps is decided in TypeScript.
 */
#ifndef TANDEM_ADDON_DATA_PLANE_H
#define TANDEM_ADDON_DATA_PLANE_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf-map.h"
#include "bpf-object.h"
#include "flow-table.h"
#include "pins.h"
#include "ring.h"
#include "xdp-link.h"

namespace tandem {

struct LoadOptions {
  std::string object_path;
  std::string pin_dir;
  uint32_t max_flows = 0;
  bool adopt_only = false;
};

struct DrainResult {
  std::vector<uint8_t> records;
  uint64_t lost = 0;
  std::optional<std::vector<tandem_digest>> digests;
};

class DataPlane {
 public:
  explicit DataPlane(const LoadOptions &options);
  DataPlane(const DataPlane &) = delete;
  DataPlane &operator=(const DataPlane &) = delete;

  XdpAttachment attach(const std::string &interface_name, const tandem_interface &interface, XdpMode mode);
  void load_for_test(const std::string &interface_name, const tandem_interface &interface, XdpMode mode);
  /* The program of an interface: loaded here, or pinned by an earlier process. */
  int program_of(const std::string &interface_name);
  void detach(const std::string &interface_name);
  bool is_attached(const std::string &interface_name) const { return is_linked(pins_, interface_name); }
  std::vector<std::string> attached() const;

  const BpfMap &map(const std::string &name) const;
  FlowTable &flow_table() { return *flow_table_; }
  DrainResult drain(uint32_t most, bool wants_digests);
  std::vector<tandem_notice> drain_notices();
  std::vector<tandem_digest> digests() const;
  /* An epoll descriptor that is readable while events or notices wait. */
  Fd watch_descriptor() const;
  /* Detaches everything and removes every pin. */
  void unload();

 private:
  void load_maps_and_programs();
  void adopt_maps_and_programs();
  Fd load_program(tandem_interface interface, XdpMode mode);
  uint64_t lost_events() const;
  std::optional<std::vector<tandem_digest>> settled_digests() const;

  LoadOptions options_;
  Pins pins_;
  std::map<std::string, BpfMap> maps_;
  std::map<std::string, Fd> programs_;
  Fd apply_program_, clock_program_;
  std::unique_ptr<FlowTable> flow_table_;
  std::unique_ptr<Ring> events_, notices_;
};

}  // namespace tandem

#endif
