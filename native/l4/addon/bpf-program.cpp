/* SPDX-License-Identifier: MIT */
#include "bpf-program.h"

#include <bpf/bpf.h>

#include <cerrno>

#include "errors.h"

namespace tandem {

/* The kernel keeps a test packet in one page; a program may grow it by the headroom. */
constexpr size_t MAX_GROWTH_BYTES = 256;

void run_syscall_program(int fd, void *context, uint32_t size, const char *name) {
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.ctx_in = context;
  options.ctx_size_in = size;
  if (bpf_prog_test_run_opts(fd, &options)) throw_errno(std::string("cannot run program ") + name, errno);
}

TestRun run_on_packet(int fd, std::span<const uint8_t> packet, uint32_t repeat) {
  TestRun result{0, 0, std::vector<uint8_t>(packet.size() + MAX_GROWTH_BYTES)};
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = packet.data();
  options.data_size_in = static_cast<uint32_t>(packet.size());
  options.data_out = result.packet.data();
  options.data_size_out = static_cast<uint32_t>(result.packet.size());
  options.repeat = static_cast<int>(repeat);
  if (bpf_prog_test_run_opts(fd, &options)) throw_errno("cannot run the program on a packet", errno);
  result.verdict = options.retval;
  result.duration_ns = options.duration;
  result.packet.resize(options.data_size_out);
  return result;
}

}  // namespace tandem
