/* SPDX-License-Identifier: MIT */
/*
 * bpf-program.h: running BPF programs from user space: the syscall programs with their context, and XDP programs on a test packet.
 */
#ifndef TANDEM_ADDON_BPF_PROGRAM_H
#define TANDEM_ADDON_BPF_PROGRAM_H

#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

struct TestRun {
  uint32_t verdict;
  uint32_t duration_ns;
  std::vector<uint8_t> packet;
};

/* Runs a syscall program; the context comes back changed. Throws NativeError. */
void run_syscall_program(int fd, void *context, uint32_t size, const char *name);

template <class T>
void run_syscall_program(int fd, T &context, const char *name) {
  run_syscall_program(fd, &context, sizeof context, name);
}

TestRun run_on_packet(int fd, std::span<const uint8_t> packet, uint32_t repeat);

}  // namespace tandem

#endif
