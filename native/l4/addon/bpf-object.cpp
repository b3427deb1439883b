/* SPDX-License-Identifier: MIT */
#include "bpf-object.h"

#include <bpf/btf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "errors.h"

namespace tandem {
namespace {

/* Pages of it are touched only when the verifier has something to say. */
constexpr size_t LOG_BYTES = 16 << 20;
/* The end of a verifier's log holds the reason. */
constexpr size_t LOG_TAIL_BYTES = 256 << 10;
constexpr const char *INTERFACE_CONSTANT = "interface_config";
constexpr const char *FLOWS = "flows";

/* What libbpf warned about since the last object was opened on this thread: its return values alone say little. */
thread_local std::string warnings;

int collect_warning(libbpf_print_level level, const char *format, va_list arguments) {
  if (level != LIBBPF_WARN || warnings.size() > 4096) return 0;
  char line[1024];
  const int length = vsnprintf(line, sizeof line, format, arguments);
  /* The verifier's log is repeated here in pieces; it has its own place. */
  if (length > 0 && !strstr(line, "BEGIN PROG LOAD LOG")) warnings += line;
  return length;
}

std::string last_warning() {
  std::string text = warnings.substr(0, warnings.find('\n'));
  return text.empty() ? "" : " (" + text + ")";
}

void free_log(void *log) { free(log); }

char *allocate_log() {
  char *log = static_cast<char *>(calloc(1, LOG_BYTES));
  if (!log) throw_errno("cannot allocate the verifier's log", ENOMEM);
  return log;
}

}  // namespace

BpfObject::BpfObject(const std::string &path) : path_(path), log_(allocate_log(), free_log), object_(nullptr, bpf_object__close) {
  libbpf_set_print(collect_warning);
  warnings.clear();
  struct stat status {};
  if (stat(path.c_str(), &status))
    throw NativeError{"OBJECT_INVALID", describe_errno("cannot read the BPF object " + path, errno), errno, "run: scripts/build", ""};
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = "tandem";
  options.kernel_log_buf = log_.get();
  options.kernel_log_size = LOG_BYTES;
  bpf_object *object = bpf_object__open_file(path.c_str(), &options);
  if (!object) {
    const int error_number = errno;
    throw NativeError{"OBJECT_INVALID", describe_errno(path + " is not a BPF object", error_number) + last_warning(), error_number,
                      "run: scripts/build", ""};
  }
  object_.reset(object);
  /* Pins are ours to decide, whatever the object's maps ask for. */
  for (bpf_map *map = bpf_object__next_map(object, nullptr); map; map = bpf_object__next_map(object, map)) bpf_map__set_pin_path(map, nullptr);
}

void BpfObject::select(const std::vector<std::string> &programs) {
  size_t found = 0;
  bpf_program *program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    const bool is_wanted = std::find(programs.begin(), programs.end(), bpf_program__name(program)) != programs.end();
    bpf_program__set_autoload(program, is_wanted);
    found += is_wanted;
  }
  if (found != programs.size())
    throw NativeError{"OBJECT_INVALID", path_ + " lacks one of the programs of Tandem, " + programs.front() + " ...", 0, "run: scripts/build", ""};
}

std::vector<std::string> BpfObject::map_names() const {
  std::vector<std::string> names;
  bpf_map *map = nullptr;
  bpf_object__for_each_map(map, object_.get()) if (!bpf_map__is_internal(map)) names.emplace_back(bpf_map__name(map));
  return names;
}

bpf_map *BpfObject::find_map(const std::string &name) const {
  bpf_map *map = bpf_object__find_map_by_name(object_.get(), name.c_str());
  if (!map) throw NativeError{"OBJECT_INVALID", path_ + " has no map " + name, 0, "run: scripts/build", ""};
  return map;
}

void BpfObject::reuse(const BpfMap &pinned) {
  bpf_map *map = find_map(pinned.name());
  const MapShape &shape = pinned.shape();
  const bool is_size_free = pinned.name() == FLOWS;
  if (shape.type != bpf_map__type(map) || shape.key_size != bpf_map__key_size(map) || shape.value_size != bpf_map__value_size(map) ||
      shape.flags != bpf_map__map_flags(map) || (!is_size_free && shape.max_entries != bpf_map__max_entries(map)))
    throw NativeError{"PINS_INCOMPATIBLE", "the pinned map " + pinned.name() + " has another layout than " + path_, 0,
                      "stop the node and remove its pin directory, or start the version that made it", ""};
  const int error = bpf_map__reuse_fd(map, pinned.fd());
  if (error) throw_errno("cannot take over map " + pinned.name(), -error);
}

void BpfObject::resize(const std::string &name, uint32_t max_entries) {
  const int error = bpf_map__set_max_entries(find_map(name), max_entries);
  if (error) throw_errno("cannot size map " + name, -error);
}

void BpfObject::set_interface(const tandem_interface &interface) {
  size_t size = 0;
  bpf_map *rodata = bpf_object__find_map_by_name(object_.get(), ".rodata");
  void *values = rodata ? const_cast<void *>(bpf_map__initial_value(rodata, &size)) : nullptr;
  const btf *types = bpf_object__btf(object_.get());
  const int section = types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
  if (values && section > 0) {
    const btf_type *type = btf__type_by_id(types, static_cast<uint32_t>(section));
    const btf_var_secinfo *variable = btf_var_secinfos(type);
    for (int i = 0; i < btf_vlen(type); i++, variable++) {
      const char *name = btf__name_by_offset(types, btf__type_by_id(types, variable->type)->name_off);
      if (!name || strcmp(name, INTERFACE_CONSTANT) || variable->size != sizeof interface || variable->offset + sizeof interface > size) continue;
      memcpy(static_cast<uint8_t *>(values) + variable->offset, &interface, sizeof interface);
      return;
    }
  }
  throw NativeError{"OBJECT_INVALID", path_ + " has no constant " + INTERFACE_CONSTANT, 0, "run: scripts/build", ""};
}

void BpfObject::load() {
  const int error = bpf_object__load(object_.get());
  if (!error) return;
  std::string log(log_.get());
  if (log.size() > LOG_TAIL_BYTES) log = log.substr(log.size() - LOG_TAIL_BYTES);
  if (error == -EPERM && log.empty()) throw_no_privilege("cannot load " + path_, -error);
  if (!log.empty())
    throw NativeError{"VERIFIER_REJECTED", describe_errno("the kernel refuses a program of " + path_, -error) + last_warning(), -error,
                      "see verifierLog", log};
  throw NativeError{"SYSCALL", describe_errno("cannot load " + path_, -error) + last_warning(), -error, "", ""};
}

Fd BpfObject::map(const std::string &name) const { return duplicate(bpf_map__fd(find_map(name))); }

Fd BpfObject::program(const std::string &name) const {
  const bpf_program *program = bpf_object__find_program_by_name(object_.get(), name.c_str());
  if (!program) throw NativeError{"OBJECT_INVALID", path_ + " has no program " + name, 0, "run: scripts/build", ""};
  return duplicate(bpf_program__fd(program));
}

}  // namespace tandem
