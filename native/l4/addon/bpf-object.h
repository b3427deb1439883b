/* SPDX-License-Identifier: MIT */
/*
 * bpf-object.h: the compiled BPF object on its way into the kernel: chosen programs only, maps taken from pins, the constants of one
 * interface filled in. What the verifier says on failure goes into the error.
 */
#ifndef TANDEM_ADDON_BPF_OBJECT_H
#define TANDEM_ADDON_BPF_OBJECT_H

#include <bpf/libbpf.h>

#include <memory>
#include <string>
#include <vector>

#include "bpf-map.h"
#include "tandem_abi.h"

namespace tandem {

class BpfObject {
 public:
  /* Throws OBJECT_INVALID. */
  explicit BpfObject(const std::string &path);
  /* Only these programs will be loaded. */
  void select(const std::vector<std::string> &programs);
  /* Names of the maps that the programs share, without the compiler's own sections. */
  std::vector<std::string> map_names() const;
  /* Uses an open map instead of creating one; throws PINS_INCOMPATIBLE when its layout differs. `flows` may differ in size. */
  void reuse(const BpfMap &map);
  void resize(const std::string &map, uint32_t max_entries);
  void set_interface(const tandem_interface &interface);
  /* Throws VERIFIER_REJECTED, NO_PRIVILEGE, SYSCALL. */
  void load();
  Fd map(const std::string &name) const;
  Fd program(const std::string &name) const;

 private:
  bpf_map *find_map(const std::string &name) const;

  std::string path_;
  std::unique_ptr<char, void (*)(void *)> log_;
  std::unique_ptr<bpf_object, void (*)(bpf_object *)> object_;
};

}  // namespace tandem

#endif
